#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an acknowledged record is worth: it is in the file when the process is killed at any moment,
and it was synced before it was acknowledged. usage: append_test.py APPENDER"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

APPENDER = sys.argv.pop(1)
ENGINES = {"the system's own": 0, "the pool": 0x4}  # EVPOLL_OPEN_NO_URING


class Append(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=".")
        self.addCleanup(self.folder.cleanup)
        self.log = os.path.join(self.folder.name, "log")

    def start(self, flags, threads, records, prefix=(), **options):
        command = [*prefix, APPENDER, self.log, str(flags), str(threads), str(records)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)

    def expect_in_the_log(self, acknowledged):
        with open(self.log, "rb") as f:
            content = f.read()
        for line in acknowledged:
            _, place, record = line.split(b" ", 2)
            self.assertEqual(record, content[int(place):int(place) + len(record)])
        return content

    def test_killed_under_load(self):
        for name, flags in ENGINES.items():
            for after in (1, 100, 1000):
                with self.subTest(engine=name, after=after):
                    server = self.start(flags, 50, 1 << 30)
                    said = [server.stdout.readline() for _ in range(after)]
                    server.kill()
                    said += [l for l in server.stdout.readlines() if l.endswith(b"\n")]
                    server.communicate()
                    self.assertGreaterEqual(len(said), after)
                    content = self.expect_in_the_log(said)
                    # Nobody has the log any more, and the next goes on behind it.
                    server = self.start(flags, 1, 1)
                    place = int(server.stdout.readline().split()[1])
                    self.assertEqual(0, server.communicate() and server.returncode)
                    self.assertEqual(len(content), place)

    def test_acknowledged_after_the_sync(self):
        if not shutil.which("strace"):
            self.skipTest("gate strace: it is not installed")
        no_leaks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        for name, flags in ENGINES.items():
            with self.subTest(engine=name):
                self.check_order(flags, dict(os.environ, ASAN_OPTIONS=no_leaks))

    def check_order(self, flags, environment):
        trace = os.path.join(self.folder.name, "trace")
        strace = ["strace", "-f", "-qq", "-s", "1000000", "-e", "trace=writev,fdatasync,write", "-e",
                  "signal=none", "-o", trace]
        server = self.start(flags, 16, 20, strace, env=environment)
        said = [server.stdout.readline() for _ in range(16 * 20)]
        server.communicate()
        if not said[0]:
            self.skipTest("gate ptrace: strace cannot start a program")
        self.expect_in_the_log(said)
        record = re.compile(r"record (\d+ \d+) ")
        written, durable, told, syncs = set(), set(), 0, 0
        calls, covered = {}, {}  # what each thread is doing
        with open(trace, encoding="latin-1") as f:
            for line in f:
                thread, text = line.rstrip("\n").split(None, 1)
                starts = not text.startswith("<...")
                succeeded = not text.endswith("<unfinished ...>") and " = -1 " not in text
                if starts:
                    calls[thread] = text
                call = calls[thread]
                if call.startswith("fdatasync"):
                    if starts:
                        covered[thread] = set(written)
                    if succeeded:
                        syncs += 1
                        durable |= covered[thread]
                elif call.startswith("writev") and succeeded:
                    written |= set(record.findall(call))
                elif call.startswith("write(1") and starts:
                    for number in record.findall(call):
                        self.assertIn(number, durable, line)
                        told += 1
        self.assertEqual(16 * 20, told)
        self.assertLess(syncs, told, "a sync is for several records")


if __name__ == "__main__":
    unittest.main(verbosity=0)
