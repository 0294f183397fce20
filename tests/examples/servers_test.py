# SPDX-License-Identifier: MIT
"""Drives file servers through the same requests, and compares their answers with the first one's.

    servers_test.py REPORT NAME=COMMAND NAME=COMMAND...

The first is the measure: the server in C. A command is split as a shell would, and gets the folder to
serve after it. What is compared is what a client sees of each scenario: statuses, the headers that
the scenario is about, bodies by their hash, whether the connection stays. REPORT is written in
JUnit's form, with a test for each scenario of each server.

Nothing sleeps: a scenario waits for an answer, the end of a connection or the end of a process."""
import hashlib
import os
import random
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as tree

DEADLINE = 100  # seconds: only turns a hang into a failure
MIB = 1024 * 1024


def content(size, seed):
    return random.Random(seed).randbytes(size)


class Folder:
    """What is served: files of all sizes at which something could go wrong, and a secret beside."""

    def __init__(self, root):
        self.path = os.path.join(root, "www")
        self.files = {}
        edges = [0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 200000, 3 * MIB + 17]
        for i, size in enumerate(edges):
            self.add(f"sizes/{i}.bin", content(size, i))
        self.add("page.html", b"<p>hello")
        self.add("index.html", b"start")
        self.add("a b%.txt", b"text")
        self.add("large.bin", content(24 * MIB, 99))
        self.add(".hidden", b"hidden")
        with open(os.path.join(root, "secret.txt"), "wb") as f:
            f.write(b"SECRET")

    def add(self, name, bytes_):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(bytes_)
        self.files[name] = bytes_


class Client:
    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(DEADLINE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def send(self, path, more="", method="GET", version="HTTP/1.1"):
        self.socket.sendall(f"{method} {path} {version}\r\nHost: test\r\n{more}\r\n".encode())

    def head(self):
        line = self.file.readline().decode().split()
        headers = {}
        for header in iter(lambda: self.file.readline().decode().strip(), ""):
            name, value = header.split(":", 1)
            headers[name.lower()] = value.strip()
        return (int(line[1]) if line else None), headers

    def answer(self, method="GET"):
        status, headers = self.head()
        length = int(headers.get("content-length", 0))
        body = self.file.read(length) if method != "HEAD" else b""
        return status, length, hashlib.sha256(body).hexdigest()[:16], len(body)

    def get(self, path, **how):
        self.send(path, **how)
        return self.answer(how.get("method", "GET"))

    def stays(self):
        """Does the connection take another request?"""
        try:
            self.send("/page.html")
            return self.answer()[0] == 200
        except (OSError, ConnectionError):
            return False

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file.close()
        self.socket.close()


# ---- scenarios: each returns what a client saw, for comparison ----------------------------------


def every_file(port, folder):
    client = Client(port)
    seen = [(name, client.get("/" + name.replace("%", "%25").replace(" ", "%20")))
            for name in sorted(folder.files)]
    client.close()
    for name, (status, length, _, _) in seen:
        wanted = (404,) if name == ".hidden" else (200, len(folder.files[name]))
        assert (status, length)[:len(wanted)] == wanted, (name, status, length)
    return seen


def many_connections(port, folder):
    """Fetches of every small file at once; what matters is that each arrives whole."""
    names = [n for n in sorted(folder.files) if n.startswith("sizes/")]
    wrong = []

    def work(seed):
        try:
            client = Client(port)
            for name in random.Random(seed).sample(names, len(names)):
                status, _, digest, size = client.get("/" + name)
                want = hashlib.sha256(folder.files[name]).hexdigest()[:16]
                if (status, digest, size) != (200, want, len(folder.files[name])):
                    wrong.append((name, status, size))
            client.close()
        except (OSError, IndexError, ValueError) as error:
            wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:5]
    return []


def head(port, folder):
    client = Client(port)
    seen = [client.get(path, method="HEAD") for path in ("/page.html", "/large.bin", "/none")]
    seen.append(client.get("/page.html"))  # nothing was in between
    client.close()
    return seen


def missing_and_forbidden(port, folder):
    seen = []
    client = Client(port)
    for path in ("/none", "/sizes", "/sizes/", "/page.html/below", "/.hidden", "/" + "x" * 400):
        seen.append((path[:20], client.get(path)[0]))
    seen.append(client.get("/")[:3])
    client.close()
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/sizes/../../secret.txt",
                 "/sizes/%2e%2e%2f%2e%2e%2fsecret.txt", "/%2fetc/passwd", "//etc/passwd", "//page.html"):
        client = Client(port)
        seen.append((path, client.get(path)[0]))
        client.close()
    assert all(line[1] in (400, 404) for line in seen if line[0] != 200), seen
    return seen


def methods_and_versions(port, folder):
    seen = []
    for how in ({"method": "POST"}, {"method": "DELETE"}, {"version": "HTTP/1.0"},
                {"more": "Connection: close\r\n"}, {}):
        client = Client(port)
        client.send("/page.html", **how)
        seen.append((str(how), client.answer()[:2], client.stays()))
        client.close()
    client = Client(port)
    client.socket.sendall(b"nonsense\r\n\r\n")
    seen.append(("nonsense", client.answer()[0], client.stays()))
    client.close()
    return seen


def in_pieces_and_in_rows(port, folder):
    client = Client(port)
    for byte in b"GET /page.html HTTP/1.1\r\nHost: t\r\n\r\n":
        client.socket.sendall(bytes([byte]))
    seen = [client.answer()]
    for path in ("/page.html", "/none", "/sizes/3.bin", "/page.html"):
        client.send(path)
    seen += [client.answer() for _ in range(4)]
    client.close()
    return seen


def half_closed(port, folder):
    client = Client(port)
    client.send("/large.bin")
    client.socket.shutdown(socket.SHUT_WR)
    seen = [client.answer(), client.file.read()]
    client.close()
    return seen


def clients_that_disappear(port, folder):
    for round_ in range(3):
        gone = [Client(port, receive_buffer=4096) for _ in range(20)]
        for i, client in enumerate(gone):
            client.send("/large.bin")
            if i % 3:
                client.socket.recv(1000)
        for i, client in enumerate(gone):
            client.close(reset=i % 2 == 1)
    client = Client(port)
    seen = [client.get("/page.html") for _ in range(10)]
    client.close()
    return seen


def slow_reader(port, folder):
    """It holds up nobody, and gets everything in the end."""
    slow = Client(port, receive_buffer=4096)
    slow.send("/large.bin")
    status, headers = slow.head()
    client = Client(port)
    seen = [client.get("/sizes/9.bin") for _ in range(50)]
    client.close()
    body = slow.file.read(int(headers["content-length"]))
    seen.append((status, hashlib.sha256(body).hexdigest()[:16]))
    assert body == folder.files["large.bin"]
    slow.close()
    return seen


SCENARIOS = (every_file, many_connections, head, missing_and_forbidden, methods_and_versions,
             in_pieces_and_in_rows, half_closed, clients_that_disappear, slow_reader)


# ---- servers ------------------------------------------------------------------------------------


class Server:
    def __init__(self, command, folder):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(shlex.split(command) + [folder.path], text=True,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        for line in self.process.stdout:
            if "listening on " in line:
                self.port = int(line.rstrip().rsplit(":", 1)[1])
                return
        raise AssertionError("it did not start: " + self.complaints())

    def complaints(self):
        self.errors.seek(0)
        return self.errors.read()

    def stop(self):
        """As Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=DEADLINE)
        finally:
            self.process.kill()
        return self.process.returncode


def play(command, folder):
    """What each scenario saw, or the error that it ended with."""
    server = Server(command, folder)
    seen = {}
    for scenario in SCENARIOS:
        try:
            seen[scenario.__name__] = scenario(server.port, folder)
        except (AssertionError, OSError, ValueError, KeyError, IndexError) as error:
            seen[scenario.__name__] = error
    code = server.stop()
    clean = code == 0 and not server.complaints()
    seen["ends_cleanly"] = [] if clean else AssertionError(f"code {code}: {server.complaints()}")
    return seen


def difference(got, wanted):
    if isinstance(got, Exception):
        return f"{type(got).__name__}: {got}"
    if isinstance(wanted, Exception) or got == wanted:
        return None
    return "\n".join(f"{g}\n  where the measure answers {w}" for g, w in zip(got, wanted) if g != w)


def main(report, *servers):
    suite = tree.Element("testsuite", name="servers")
    failed = 0
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(root)
        measure = None
        for server in servers:
            name, command = server.split("=", 1)
            seen = play(command, folder)
            measure = measure or seen
            for scenario, got in seen.items():
                case = tree.SubElement(suite, "testcase", classname="servers." + name, name=scenario)
                problem = difference(got, measure[scenario])
                if problem:
                    failed += 1
                    tree.SubElement(case, "failure", message=problem)
                    print(f"{name}: {scenario}: {problem}", file=sys.stderr)
    tree.ElementTree(suite).write(report)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
