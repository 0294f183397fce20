#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Drives one language's driver through scenarios.txt. README.md of this folder says how."""
import argparse
import os
import re
import resource
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import xml.etree.ElementTree as tree

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 60  # seconds, for what has to come; nobody waits for it to pass


class Failed(Exception):
    """A scenario went otherwise than it should."""


class Scenario:
    def __init__(self, name, title):
        self.name, self.title = name, title
        self.rows, self.needs, self.lines = [], [], []


def scenarios(path):
    found = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.split("  #")[0].strip()
            if not line or line.startswith("#"):
                continue
            head = re.match(r"(S\d+) (.*)", line)
            if head:
                found.append(Scenario(*head.groups()))
            elif line.startswith("rows "):
                found[-1].rows += [int(n) for n in line.split()[1:]]
            elif line.startswith("needs "):
                found[-1].needs += line.split()[1:]
            else:
                found[-1].lines.append(line)
    return found


ALL = scenarios(os.path.join(HERE, "scenarios.txt"))


def data(text):
    """What DATA of README.md stands for."""
    match = re.match(r"(\d+)\*(.*)", text)
    return (match[2] * int(match[1]) if match else text).encode()


def shown(got):
    """How data that a peer has read is shown."""
    if len(got) <= 32:
        return f"OK {len(got)} {got.decode()}"
    if got.count(got[:1]) == len(got):  # hashing takes long
        return f"OK {len(got)} {len(got)}*{got[:1].decode()}"
    return f"OK {len(got)} {hashed(got)}"


def hashed(content):
    h = 0x811c9dc5
    for byte in content:
        h = (h ^ byte) * 0x01000193 & 0xffffffff
    return f"#{h:08x}"


class Driver:
    """The program, and what it has answered."""

    def __init__(self, command, folder, said):
        self.said = said
        self.errors = open(os.path.join(folder, ".stderr"), "w+b")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, cwd=folder)
        self.answers = {}  # by token; the order of what is in it is that in which they came
        self.strange = []
        self.asked = set()
        self.ended = False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            line = line.decode(errors="replace").rstrip("\r\n")
            with self.changed:
                self.said("  < " + line)
                token, _, text = line.partition(" ")
                if token in self.asked and token not in self.answers:
                    self.answers[token] = text
                else:
                    self.strange.append(line)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def tell(self, token, where, text):
        line = f"{token} {where} {text}"
        with self.changed:
            if token in self.asked:
                raise Failed(f"{token} is used twice")
            self.asked.add(token)
            self.said("  > " + line)
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Failed(f"the driver has ended: {error}") from error

    def answer(self, token):
        with self.changed:
            if not self.changed.wait_for(lambda: token in self.answers or self.ended, DEADLINE):
                raise Failed(f"no answer to {token}")
            if token not in self.answers:
                raise Failed(f"the driver ended before it answered {token}")
            return self.answers[token]

    def finish(self):
        """Its end, and whether all was answered, once."""
        self.process.stdin.close()
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failed("the driver does not end") from None
        self.reader.join(DEADLINE)
        if code:
            raise Failed(f"the driver ended with {code}")
        if self.strange:
            raise Failed(f"not asked, or twice: {self.strange}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace")
        self.errors.close()
        if not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except OSError:
                pass
        return text


class Play:
    """One scenario, once."""

    def __init__(self, scenario, command, folder, said):
        self.scenario, self.said = scenario, said
        self.driver = Driver(command, folder, said)
        self.addresses, self.peers, self.kept = {}, {}, []
        self.labels, self.judged, self.rounds = {}, set(), {}
        self.limits = None
        self.row = ""

    def run(self):
        for number, line in enumerate(self.scenario.lines, 1):
            self.row = f"{self.scenario.name}.{number} {line}"
            self.said(self.row)
            self.step(number, line)
        self.row = f"{self.scenario.name}, its end"
        if self.driver.process.stdin.closed:
            return
        left = set(self.labels) - self.judged
        if left:
            raise Failed(f"the scenario does not look at {sorted(left)}")
        self.driver.tell("quit", "-", "quit")
        self.judge("quit", self.driver.answer("quit"), "OK")
        self.driver.finish()

    def step(self, number, line):
        line, _, expected = (part.strip() for part in line.partition(" ="))
        words = line.split()
        expected = expected or "OK"
        if words[0] in ("peer", "descriptors", "order"):
            got = getattr(self, words[0])(*words[1:])
            self.judge(line, got or "OK", expected)
        elif words[0] == "exit":
            self.driver.finish()
        elif len(words) == 1 and words[0] in self.labels:
            self.judged.add(words[0])
            self.judge(self.labels[words[0]], self.driver.answer(words[0]), expected)
        else:
            token = f"n{number}"
            if words[0].endswith(":"):
                token = words.pop(0)[:-1]
            where = words.pop(0)[1:] if words[0].startswith("@") else "-"
            text = re.sub(r"\$([a-z]\w*)", lambda m: self.addresses[m[1]].replace(":", " "), " ".join(words))
            if token in self.labels:
                raise Failed(f"the label {token} is there already")
            self.driver.tell(token, where, self.filled(text))
            if not token.startswith("n") or not token[1:].isdigit():
                self.labels[token] = text
                return
            self.judge(text, self.driver.answer(token), expected)

    def filled(self, text):
        """Sums, counts and hashes put in."""
        def calculated(match):
            if match[1]:
                return hashed(data(match[2]))
            sum_ = re.sub(r"(\w+)\.(\d)\.([A-Z_0-9]+)", lambda m: str(self.counted(*m.groups())), match[2])
            if not re.fullmatch(r"[\d+*/() -]+", sum_):
                raise Failed(f"not a sum: {sum_}")
            return str(eval(sum_))  # digits and operators alone
        return re.sub(r"(#?)\{([^}]*)\}", calculated, text)

    def counted(self, label, slot, outcome):
        counts = self.rounds[label].get(int(slot), {})
        return sum(n for text, n in counts.items() if f"{text}_".startswith(outcome + "_"))

    def judge(self, text, got, expected):
        told = text.split()
        if told[0] in ("listen", "accept") and got.startswith("OK "):
            self.addresses.setdefault(told[1], got.split()[-1] if told[0] == "listen" else got.split()[1])
        if told[0] == "repeat":
            self.judge_repeat(text, got, expected)
            return
        wanted = [self.filled(re.sub(r"\$([a-z]\w*)", lambda m: self.addresses[m[1]], e)).split()
                  for e in expected.split("|")]
        words = got.split()
        for w in wanted:
            if len(w) <= len(words) and all(e in ("*", g) for e, g in zip(w, words)):
                return
        raise Failed(f"got '{got}', expected '{expected}'")

    def judge_repeat(self, text, got, expected):
        rounds, slots = int(text.split()[1]), len(re.findall(r" [:&](?= )", text))
        words = got.split()
        if words[0] != "OK":
            raise Failed(f"got '{got}'")
        counts = {}
        for part in words[1:]:
            slot, _, rest = part.partition(":")
            counts[int(slot)] = {t: int(n) for t, n in (c.rsplit("=", 1) for c in rest.split(","))}
        allowed = {int(slot): outcomes.split("+") for slot, outcomes in
                   (part.split(":", 1) for part in expected.split()[1:])}
        for slot in range(1, slots + 1):
            for outcome in counts.get(slot, {}):
                may = allowed.get(slot, ["OK"])
                if outcome not in may and plain(outcome) not in may:
                    raise Failed(f"slot {slot} had {outcome}: '{got}'")
            if sum(counts.get(slot, {}).values()) != rounds:
                raise Failed(f"slot {slot} did not end {rounds} times: '{got}'")
        label = [name for name, told in self.labels.items() if told == text]
        self.rounds[label[0] if label else "last"] = counts

    # ---- the runner's own lines -----------------------------------------------------------------

    def order(self, *tokens):
        came = [t for t in self.driver.answers if t in tokens]
        if came != list(tokens):
            raise Failed(f"they came as {came}")

    def descriptors(self, how):
        pid = self.driver.process.pid
        if how == "back":
            resource.prlimit(pid, resource.RLIMIT_NOFILE, self.limits)
            return
        self.limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        taken = {int(n) for n in os.listdir(f"/proc/{pid}/fd")}
        free = next(n for n in range(len(taken) + 1) if n not in taken)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, self.limits[1]))

    def peer(self, name, verb, *words):
        return getattr(self, "peer_" + verb)(name, *words)

    def adopt(self, name, s):
        s.settimeout(DEADLINE)
        self.kept.append(s)
        self.peers[name] = s
        self.addresses[name] = "%s:%d" % s.getsockname()

    def peer_connect(self, name, listener):
        host, port = self.addresses[listener].split(":")
        self.adopt(name, socket.create_connection((host, int(port)), DEADLINE))
        self.peers[name].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def peer_bind(self, name):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        self.adopt(name, s)

    def peer_listen(self, name):
        self.adopt(name, socket.create_server(("127.0.0.1", 0), backlog=0))

    def peer_accept(self, name, listener):
        self.adopt(name, self.peers[listener].accept()[0])

    def peer_full(self, name):
        for _ in range(8):  # more than a backlog of 0 takes; those beyond it go unanswered
            s = socket.socket()
            s.setblocking(False)
            self.kept.append(s)
            s.connect_ex(self.peers[name].getsockname())

    def peer_send(self, name, text):
        self.peers[name].sendall(data(text))

    def peer_read(self, name, length):
        got = bytearray()
        while len(got) < int(length):
            part = self.peers[name].recv(int(length) - len(got))
            if not part:
                return f"END {len(got)}"
            got += part
        return shown(bytes(got))

    def rest(self, name):
        parts = []
        while True:
            part = self.peers[name].recv(1 << 16)
            if not part:
                return b"".join(parts)
            parts.append(part)

    def peer_end(self, name):
        try:
            return f"END {len(self.rest(name))}"
        except ConnectionResetError:
            return "RESET"

    def peer_gone(self, name):
        s = self.peers[name]
        end = time.monotonic() + DEADLINE
        s.settimeout(0.1)  # between two collections
        for i in range(10000):
            self.driver.tell(f"collect-{name}-{i}", "-", "collect")
            self.driver.answer(f"collect-{name}-{i}")
            try:
                return "OK" if not s.recv(1) else "not the end"
            except ConnectionResetError:
                return "OK"
            except socket.timeout:
                if time.monotonic() > end:
                    break
        return "there is no end"

    def peer_finish(self, name):
        self.peers[name].shutdown(socket.SHUT_WR)

    def peer_close(self, name):
        self.peers[name].close()

    def peer_reset(self, name):
        self.peers[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peers[name].close()

    def peer_records(self, name, size, number, *writers):
        """So many of each, whole, each writer's in order."""
        counts, s = dict.fromkeys(writers, 0), self.peers[name].makefile("rb")
        for at in range(int(number) * len(writers)):
            record = s.read(int(size))
            writer = record[1:2].decode()
            piece = b"<%s:%06d>" % (writer.encode(), counts.get(writer, -1))
            if record != piece * (int(size) // len(piece)):
                raise Failed(f"record {at} is {len(record)} of {record[:20]}, not of {piece}")
            counts[writer] += 1

    def close(self):
        for s in self.kept:
            s.close()
        return self.driver.kill()


def plain(outcome):
    """Without its details."""
    return "OK" if outcome.startswith("OK_") else outcome


def play(scenario, command, verbose):
    """What went wrong, or nothing."""
    lines = []

    def said(text):
        lines.append(text)
        if verbose:
            print(text, flush=True)
    with tempfile.TemporaryDirectory(prefix="evpoll-suite-") as folder:
        one = Play(scenario, command, folder, said)
        wrong = None
        try:
            one.run()
        except (Failed, OSError) as error:
            wrong = f"{one.row}\n  {error}"
        except Exception:  # the scenario itself
            wrong = f"{one.row}\n{traceback.format_exc()}"
        errors = one.close()
    if wrong:
        return "\n".join([wrong, "what was said:", *lines[-60:], *errors.splitlines()[-40:]])
    return None


def check_table(path):
    """Whether rows and scenarios name each other. The faults."""
    shown, faults = {}, []
    with open(path, encoding="utf-8") as f:
        for row, by in re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", f.read(), re.MULTILINE):
            if row in shown:
                faults.append(f"row {row} is there twice")
            shown[row] = set(by.replace(",", " ").split())
            if not shown[row]:
                faults.append(f"nothing shows row {row}")
    names = [s.name for s in ALL]
    faults += [f"{name} is there twice" for name in set(names) if names.count(name) > 1]
    for s in ALL:
        faults += [f"{s.name} shows row {n}, which does not say so" for n in s.rows
                   if s.name not in shown.get(str(n), ())]
        for row, by in shown.items():
            if s.name in by and int(row) not in s.rows:
                faults.append(f"row {row} is not shown by {s.name}")
    faults += [f"row {row}: there is no {name}" for row, by in shown.items() for name in by
               if re.fullmatch(r"S\d+", name) and name not in names]
    return faults


def main():
    if sys.argv[1:2] == ["--check-table"]:
        faults = check_table(sys.argv[2])
        print("\n".join(faults))
        return 1 if faults else 0
    options = argparse.ArgumentParser()
    options.add_argument("--driver", required=True)
    options.add_argument("--only")
    options.add_argument("--junit")
    options.add_argument("--name", default="bindings")
    options.add_argument("--verbose", action="store_true")
    options.add_argument("--times", type=int, default=1)
    options = options.parse_args()

    command = [os.path.abspath(w) if os.path.exists(w) else w for w in shlex.split(options.driver)]
    lacks = subprocess.run(command + ["--features"], stdout=subprocess.PIPE, text=True, check=True,
                           timeout=DEADLINE, stdin=subprocess.DEVNULL).stdout.splitlines()
    lacks = dict(line.split(" ", 1) for line in lacks)
    known = {need for s in ALL for need in s.needs}
    for name in set(lacks) - known:
        print(f"nobody needs what is lacked: {name}", file=sys.stderr)
        return 2

    suite = tree.Element("testsuite", name=options.name)
    totals = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for scenario in ALL:
        if options.only and scenario.name not in options.only.split(","):
            continue
        case = tree.SubElement(suite, "testcase", classname=options.name,
                               name=f"{scenario.name} {scenario.title}")
        missing = [need for need in scenario.needs if need in lacks]
        began = time.monotonic()
        if missing:
            outcome = "skipped"
            why = ", ".join(f"{need}: {lacks[need]}" for need in missing)
            tree.SubElement(case, "skipped", message=why)
        else:
            why = next(filter(None, (play(scenario, command, options.verbose)
                                     for _ in range(options.times))), None)
            outcome = "failed" if why else "passed"
            if why:
                tree.SubElement(case, "failure", message=why.splitlines()[0]).text = why
        case.set("time", f"{time.monotonic() - began:.3f}")
        totals[outcome] += 1
        print(f"{outcome:7} {scenario.name} {scenario.title}" + (f"\n{why}" if why else ""), flush=True)

    print("%d passed, %d failed, %d skipped" % tuple(totals.values()))
    suite.set("tests", str(sum(totals.values())))
    suite.set("failures", str(totals["failed"]))
    suite.set("skipped", str(totals["skipped"]))
    if options.junit:
        os.makedirs(os.path.dirname(os.path.abspath(options.junit)), exist_ok=True)
        tree.ElementTree(suite).write(options.junit, encoding="utf-8")
    return 2 if not sum(totals.values()) else 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
