# SPDX-License-Identifier: MIT
"""What the tests of the examples share: a server process, raw sockets, and a main() that runs one
test by name, as CTest calls it: `python3 serve_test.py BIN_DIR ENGINE test_name`.

Nothing here sleeps to let something happen: a test waits for a line, an answer, the end of a
connection or the end of a process. DEADLINE only turns a hang into a failure."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

DEADLINE = 100  # seconds; the tests' own limit in CTest is higher
SKIPPED = 77

bin_dir = None
engine = None


class Server:
    """An example server, from its start to its end."""

    def __init__(self, program, *arguments, env=None, prefix=(), before_exec=None, use_engine=None):
        command = [*prefix, os.path.join(bin_dir, program), *arguments]
        if engine != "none":  # the program uses no files
            command.append("--engine=" + {"uring": "native"}.get(use_engine or engine, "pool"))
        self.program = program
        self.lines = []
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, **(env or {})}, preexec_fn=before_exec)
        line = self.line_with("listening on ")
        if line is None:
            error = self.finish()[1]
            if "no file operations for this engine" in error:
                raise unittest.SkipTest("gate io_uring: the kernel does not let us use it")
            raise AssertionError(f"{program} did not start: {error}")
        self.port = int(line.rsplit(":", 1)[1])

    def line_with(self, text):
        """The next line of output that has this text; None at the end."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        return None

    def connect(self, receive_buffer=None):
        s = socket.socket()
        s.settimeout(DEADLINE)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.connect(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def until_descriptors(self, n):
        """Waits until it has no more descriptors than these: what it closed is closed."""
        end = time.monotonic() + DEADLINE
        while self.descriptors() > n:
            assert time.monotonic() < end, f"{self.program} has {self.descriptors()} descriptors"
            os.sched_yield()

    def finish(self):
        """Waits for the end; returns the exit code and what was printed to stderr."""
        self.lines += self.process.stdout.read().splitlines()
        self.process.wait(DEADLINE)
        self.process.stdout.close()
        self.errors.seek(0)
        text = self.errors.read()
        return self.process.returncode, text

    def stop(self, number=signal.SIGINT):
        """Ends it as Ctrl-C does, and says what it reported."""
        self.process.send_signal(number)
        code, error = self.finish()
        assert code == 0, f"{self.program} ended with {code}: {error}"
        return "\n".join(self.lines)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stdout.closed:
            self.finish()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.errors.close()


def reported(report, pattern):
    """The number that the report has in this place."""
    match = re.search(pattern, report)
    assert match, f"no {pattern!r} in:\n{report}"
    return int(match.group(1))


def reset(s):
    """Closes so that the peer sees a reset, not an end."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()


def receive_all(s):
    parts = []
    while True:
        part = s.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="evpoll-examples-", dir=os.getcwd())
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def server(self, program, *arguments, **how):
        server = Server(program, *arguments, **how)
        self.addCleanup(server.__exit__)
        return server


def main(module):
    """Exit code 77 when the test was skipped, with the name of the gate that was closed."""
    global bin_dir, engine
    bin_dir, engine, name = sys.argv[1:4]
    cases = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Case)]
    suite = unittest.TestSuite(c(name) for c in cases if hasattr(c, name))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if result.testsRun != 1 or not result.wasSuccessful():
        sys.exit(1)
    if result.skipped:
        print("skipped,", result.skipped[0][1])
        sys.exit(SKIPPED)
