# SPDX-License-Identifier: MIT
"""The promise of evpoll-logd: what it says OK to is on the disk, and everything else is not
promised. Seen from its clients, from its file, from its system calls, and with injected faults."""
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zlib

import support
from support import Case, reported, reset

MAGIC = b"evpoll log 1\n"
TORN_MAX = 512 * 1024  # see log_file.h


class Client:
    def __init__(self, server, **how):
        self.socket = server.connect(**how)
        self.file = self.socket.makefile("rb")

    def send(self, *lines):
        self.socket.sendall("".join(line + "\n" for line in lines).encode())

    def answer(self):
        return self.file.readline().decode().rstrip("\n")

    def ask(self, *lines):
        self.send(*lines)
        return [self.answer() for _ in lines]

    def close(self):
        self.file.close()
        self.socket.close()


def record(number, text):
    line = b"%d %s" % (number, text)
    return b"%08x %s\n" % (zlib.crc32(line), line)


def records_of(data):
    """The whole records of a file, as recovery must find them."""
    texts, at = [], len(MAGIC)
    while True:
        end = data.find(b"\n", at)
        line = data[at:end + 1]
        text = line[9:].split(b" ", 1)[-1][:-1]
        if end < 0 or line != record(len(texts) + 1, text):
            return texts
        texts.append(text)
        at = end + 1


def numbered_records_of(data):
    """The same by number: those of refused records are missing."""
    texts, last = {}, 0
    for line in data[len(MAGIC):].splitlines(keepends=True):
        digits, text = line[9:].split(b" ", 1)
        assert int(digits) > last and line == record(int(digits), text[:-1]), line
        last = int(digits)
        texts[last] = text[:-1].decode()
    return texts


def number_of(answer):
    assert answer.startswith("OK "), answer
    return int(answer[3:])


class LogdTest(Case):
    def setUp(self):
        super().setUp()
        self.log = self.path("log")

    def logd(self, *arguments, program="evpoll-logd", **how):
        return self.server(program, self.log, *arguments, **how)

    def stored(self):
        with open(self.log, "rb") as f:
            return f.read()

    def check_acknowledged(self, server, acknowledged):
        """Every record that was said OK to is there, with its text."""
        client = Client(server)
        numbers = sorted(acknowledged)
        for i in range(0, len(numbers), 100):
            some = numbers[i:i + 100]
            answers = client.ask(*(f"GET {n}" for n in some))
            self.assertEqual(answers, [f"RECORD {n} {acknowledged[n]}" for n in some])
        client.close()

    def load(self, server, clients, enough, acknowledged, window=20, tag=""):
        """Starts clients that keep `window` records under way each, and collect what was
        acknowledged until their connection ends. Returns when there is `enough` of it."""
        lock = threading.Lock()
        reached = threading.Event()

        def work(me):
            sent = answered = 0
            texts = {}
            try:
                client = Client(server)
                while True:
                    lines = []
                    while sent - answered < window:
                        texts[sent] = f"{tag} {me} {sent} " + "x" * random.randrange(300)
                        lines.append("PUT " + texts[sent])
                        sent += 1
                    client.send(*lines)
                    answer = client.file.readline()
                    if not answer.endswith(b"\n"):
                        break  # the connection ended, perhaps in the middle of an answer
                    with lock:
                        number = number_of(answer.decode().rstrip("\n"))
                        assert number not in acknowledged, number
                        acknowledged[number] = texts.pop(answered)
                        if len(acknowledged) >= enough:
                            reached.set()
                    answered += 1
                client.close()
            except OSError:
                pass

        threads = [threading.Thread(target=work, args=(i,)) for i in range(clients)]
        for t in threads:
            t.start()
        self.assertTrue(reached.wait(support.DEADLINE))
        return threads

    # ---- the protocol -----------------------------------------------------------------------

    def test_records_are_numbered_and_read_back(self):
        server = self.logd()
        client = Client(server)
        self.assertEqual(client.ask("GET 1", "PUT one", "PUT two words", "GET 2", "GET 1"),
                         ["NONE", "OK 1", "OK 2", "RECORD 2 two words", "RECORD 1 one"])
        self.assertEqual(client.ask("GET 0", "GET 3", "GET x", "GET -1", "GET 99999999999999999999",
                                    "PUT \x01\t\x7fäö", "GET 3"),
                         ["NONE"] * 5 + ["OK 3", "RECORD 3 \x01\t\x7fäö"])
        client.close()
        server.stop()
        server = self.logd()
        client = Client(server)
        self.assertEqual(client.ask("GET 2", "PUT four", "GET 4"),
                         ["RECORD 2 two words", "OK 4", "RECORD 4 four"])
        client.close()
        server.stop()
        self.assertEqual(self.stored(), MAGIC + record(1, b"one") + record(2, b"two words") +
                         record(3, "\x01\t\x7fäö".encode()) + record(4, b"four"))

    def test_wrong_lines_are_refused_and_the_next_ones_served(self):
        server = self.logd()
        client = Client(server)
        long = "x" * 4000
        answers = client.ask("", "PUT", "PUT ", "HELLO", "PUT x" + long, "PUT y" * 20000,
                             "PUT " + long, "GET 1")
        self.assertTrue(all(a.startswith("ERR ") for a in answers[:6]), answers[:6])
        self.assertEqual(answers[6:], ["OK 1", "RECORD 1 " + long])
        client.socket.sendall(b"PUT with CR\r\nGET 2\r\n")
        self.assertEqual([client.answer(), client.answer()], ["OK 2", "RECORD 2 with CR"])
        client.close()
        server.stop()

    def test_many_clients_share_syncs(self):
        server = self.logd()
        acknowledged = {}
        threads = self.load(server, clients=50, enough=3000, acknowledged=acknowledged)
        report = server.stop()
        for t in threads:
            t.join()
        records = reported(report, r"(\d+) records in")
        batches = reported(report, r"records in (\d+) batches")
        self.assertGreaterEqual(records, 3000)
        self.assertLess(batches * 2, records)
        texts = records_of(self.stored())
        self.assertEqual(len(texts), records)
        for number, text in acknowledged.items():
            self.assertEqual(texts[number - 1].decode(), text)

    def test_lines_of_one_client_share_syncs_and_keep_their_order(self):
        server = self.logd()
        client = Client(server)
        lines = []
        for i in range(2000):
            lines.append(f"GET {i - 50}" if i % 40 == 39 else f"PUT {i}")
        sender = threading.Thread(target=lambda: client.send(*lines))
        sender.start()
        puts = {}
        for line in lines:
            answer = client.answer()
            if line.startswith("PUT"):
                self.assertEqual(number_of(answer), len(puts) + 1)
                puts[len(puts) + 1] = line[4:]
            else:
                number = int(line[4:])
                known = 0 < number <= len(puts)
                self.assertEqual(answer, f"RECORD {number} {puts[number]}" if known else "NONE")
        sender.join()
        client.close()
        report = server.stop()
        self.assertLess(reported(report, r"records in (\d+) batches"), len(puts) // 2)

    def test_a_client_that_says_it_is_done_still_gets_its_answers(self):
        server = self.logd()
        client = Client(server)
        client.send(*(f"PUT {i}" for i in range(500)), "GET 250")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.file.read().decode(),
                         "".join(f"OK {i + 1}\n" for i in range(500)) + "RECORD 250 249\n")
        client.close()
        server.stop()

    def test_more_than_one_batch_holds_is_answered_in_the_end(self):
        server = self.logd()
        answers = []

        def work(lines):
            client = Client(server)
            client.send(*["PUT " + "x" * 4000] * lines)
            client.socket.shutdown(socket.SHUT_WR)  # lines that wait must not be forgotten
            answers.extend(number_of(a) for a in client.file.read().decode().splitlines())
            client.close()

        # Some fill batch after batch; the others have one line each, which may meet a full one.
        sizes = [150] * 10 + [1] * 150
        threads = [threading.Thread(target=work, args=(size,)) for size in sizes]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(answers), list(range(1, sum(sizes) + 1)))
        server.stop()

    def test_clients_that_disappear_leave_nothing_behind(self):
        server = self.logd()
        witness = Client(server)
        witness.ask("PUT first", "GET 1")
        before = server.descriptors()
        for i in range(60):
            client = Client(server)
            client.send(*["PUT " + "x" * 1000] * 50, *["GET 1"] * 50)
            client.file.close()
            reset(client.socket) if i % 2 else client.socket.close()
        for _ in range(100000):  # each turn of the server is enough for some of them
            self.assertEqual(witness.ask("GET 1"), ["RECORD 1 first"])
            if server.descriptors() == before:
                break
        self.assertEqual(server.descriptors(), before)
        witness.close()
        server.stop()

    def test_a_client_that_does_not_read_is_not_read_either(self):
        server = self.logd()
        client = Client(server)
        text = "x" * 3000
        client.ask("PUT " + text)
        slow = Client(server, receive_buffer=4096)
        slow.socket.setblocking(False)
        line = b"GET " + b"0" * 3000 + b"1\n"
        sent = 0
        # In the end all buffers are full, and more turns of the server do not change that.
        turns_without_progress = 0
        while turns_without_progress < 100:
            try:
                sent += slow.socket.send(line[sent % len(line):])
                turns_without_progress = 0
            except BlockingIOError:
                self.assertEqual(client.ask("GET 2"), ["NONE"])
                turns_without_progress += 1
            self.assertLess(sent, 1 << 28, "everything is taken, although no answer is read")
        slow.socket.settimeout(support.DEADLINE)
        for _ in range(sent // len(line)):
            self.assertEqual(slow.answer(), "RECORD 1 " + text)
        slow.close()
        client.close()
        server.stop()

    def test_peers_without_progress_do_not_keep_out_the_others(self):
        server = self.logd("--connections=4", "--idle=1")
        text = "x" * 4000
        client = Client(server)
        client.ask("PUT " + text)
        before = server.descriptors() - 1
        client.close()
        silent, torn, endless = (Client(server) for _ in range(3))
        stuck = Client(server, receive_buffer=4096)
        torn.send("GET 1")
        torn.socket.sendall(b"PUT ha")
        endless.socket.sendall(b"PUT " + b"x" * 20000)
        stuck.send(*["GET 1"] * 5000)
        others = [Client(server) for _ in range(8)]  # in the backlog
        for i, client in enumerate(others):
            self.assertEqual(client.ask(f"PUT {i}"), [f"OK {i + 2}"])
            client.close()
        self.assertEqual(silent.file.read(), b"")
        self.assertEqual(torn.file.read(), f"RECORD 1 {text}\n".encode())
        self.assertEqual(len(endless.file.read().splitlines()), 1)
        server.until_descriptors(before)  # it is sent away although it reads nothing
        try:
            self.assertLess(len(support.receive_all(stuck.socket)), 5000 * len(text))
        except ConnectionResetError:
            pass
        for client in (silent, torn, endless, stuck):
            client.close()
        server.stop()

    def test_a_peer_that_is_answered_is_not_sent_away(self):
        server = self.logd("--idle=1")
        client, silent = Client(server), Client(server)
        silent.socket.setblocking(False)
        while True:
            self.assertEqual(client.ask("GET 1"), ["NONE"])
            try:
                self.assertEqual(silent.socket.recv(1), b"")
                break
            except BlockingIOError:
                pass
        # So has its second passed, since it came first.
        self.assertEqual(client.ask("PUT one", "GET 1"), ["OK 1", "RECORD 1 one"])
        silent.close()
        client.close()
        server.stop()

    def test_a_peer_that_waits_for_the_disk_is_not_sent_away(self):
        release = self.write("release", b"")
        server = self.logd("--idle=1", program="evpoll-logd-faults", env={"FAULT_HOLD": release})
        writer, reader = Client(server), Client(server)
        self.assertEqual(writer.ask("PUT one"), ["OK 1"])
        os.remove(release)
        reader.send("GET 1")
        writer.send("PUT two")
        silent = Client(server)
        self.assertEqual(silent.file.read(), b"")  # so their time has passed as well
        silent.close()
        self.write("release", b"")
        self.assertEqual([writer.answer(), reader.answer()], ["OK 2", "RECORD 1 one"])
        writer.close()
        reader.close()
        server.stop()

    def test_short_reads_and_writes_are_continued(self):
        server = self.logd(program="evpoll-logd-faults", env={"FAULT_SHORT_IO": "7"})
        client = Client(server)
        lines = [f"PUT {i} " + "y" * i for i in range(200)]
        self.assertEqual(client.ask(*lines), [f"OK {i + 1}" for i in range(200)])
        self.check_acknowledged(server, {i + 1: line[4:] for i, line in enumerate(lines)})
        client.close()
        server.stop()
        self.assertEqual(len(records_of(self.stored())), 200)

    # ---- crashes ----------------------------------------------------------------------------

    def test_acknowledged_records_survive_kill_9_under_load(self):
        acknowledged = {}
        for round_ in range(4):
            server = self.logd()
            self.check_acknowledged(server, acknowledged)
            threads = self.load(server, 50, len(acknowledged) + 1500, acknowledged, tag=str(round_))
            server.process.kill()
            for t in threads:
                t.join()
            server.kill()
        server = self.logd()
        self.check_acknowledged(server, acknowledged)
        server.stop()
        texts = records_of(self.stored())
        self.assertGreaterEqual(len(texts), len(acknowledged))

    def test_a_torn_tail_is_repaired_wherever_it_was_torn(self):
        self.check_torn()

    def test_a_torn_tail_is_repaired_where_appenders_cannot_cut(self):
        self.check_torn(program="evpoll-logd-faults", env={"FAULT_CUT": "0"})

    def check_torn(self, **how):
        whole = MAGIC + b"".join(record(i + 1, b"text %d" % i) for i in range(3))
        for cut in range(len(whole) + 1):
            with open(self.log, "wb") as f:
                f.write(whole[:cut])
            survivors = len(records_of(whole[:cut]))
            server = self.logd(**how)
            client = Client(server)
            self.assertEqual(client.ask("PUT next", f"GET {survivors + 1}"),
                             [f"OK {survivors + 1}", f"RECORD {survivors + 1} next"], f"cut {cut}")
            for i in range(survivors):
                self.assertEqual(client.ask(f"GET {i + 1}"), [f"RECORD {i + 1} text {i}"])
            client.close()
            server.kill()
            self.assertEqual(records_of(self.stored())[survivors:], [b"next"])

    def test_what_lies_behind_a_torn_record_does_not_come_back(self):
        # Pages of one write may reach the disk in any order: record 2 did not, 3 and 4 did.
        kept = record(1, b"kept")
        lost = record(2, b"lost")
        behind = record(3, b"behind") + record(4, b"behind as well")
        for hole in (b"\0" * len(lost), lost[:-5] + b"?" * 5):
            with open(self.log, "wb") as f:
                f.write(MAGIC + kept + hole + behind)
            server = self.logd()
            client = Client(server)
            # The new record 2 is as long as the lost one and ends just before the old record 3.
            self.assertEqual(client.ask("GET 2", "PUT lost", "GET 3"), ["NONE", "OK 2", "NONE"])
            server.kill()
            client.close()
            server = self.logd()
            client = Client(server)
            self.assertEqual(client.ask("GET 2", "GET 3", "PUT new", "GET 4"),
                             ["RECORD 2 lost", "NONE", "OK 3", "NONE"])
            client.close()
            server.stop()

    def test_garbage_behind_the_last_record_is_erased(self):
        for seed, size in enumerate((1, 100, 4096, 100000, TORN_MAX)):
            with open(self.log, "wb") as f:
                f.write(MAGIC + record(1, b"one") + random.Random(seed).randbytes(size))
            server = self.logd()
            client = Client(server)
            self.assertEqual(client.ask("GET 1", "GET 2", "PUT two"),
                             ["RECORD 1 one", "NONE", "OK 2"])
            client.close()
            server.stop()
            self.assertEqual(records_of(self.stored()), [b"one", b"two"])
            self.assertEqual(self.stored().rstrip(b"\0"),
                             MAGIC + record(1, b"one") + record(2, b"two"))

    def refuses_to_start(self, content):
        with open(self.log, "wb") as f:
            f.write(content)
        with self.assertRaisesRegex(AssertionError, "did not start"):
            self.logd()
        self.assertEqual(self.stored(), content)  # and has not touched it

    def test_a_record_that_is_damaged_far_from_the_end_is_not_taken_for_a_torn_tail(self):
        records = [record(i + 1, b"x" * 3000) for i in range(200)]
        records[10] = records[10].replace(b"x", b"y", 1)
        self.refuses_to_start(MAGIC + b"".join(records))

    def test_a_file_that_is_not_a_log_is_left_alone(self):
        self.refuses_to_start(b"precious\n")
        self.refuses_to_start(b"precious content of some other program\n" * 100)

    def test_a_large_log_is_recovered(self):
        texts = [b"%d " % i + b"z" * random.Random(i).randrange(200) for i in range(40000)]
        with open(self.log, "wb") as f:
            f.write(MAGIC + b"".join(record(i + 1, t) for i, t in enumerate(texts)))
        server = self.logd()
        self.assertIn("recovered 40000 records, erased 0 bytes behind them", server.lines)
        some = random.Random(1).sample(range(40000), 300)
        self.check_acknowledged(server, {i + 1: texts[i].decode() for i in some})
        server.stop()

    def test_a_log_has_one_server(self):
        server = self.logd()
        with self.assertRaisesRegex(AssertionError, "did not start.*in use"):
            self.logd()
        client = Client(server)
        self.assertEqual(client.ask("PUT one", "GET 1"), ["OK 1", "RECORD 1 one"])
        client.close()
        server.stop()

    # ---- disks that say no ------------------------------------------------------------------

    def fill_up(self, server):
        """Puts until a record is refused; returns what was acknowledged."""
        client = Client(server)
        acknowledged = {}
        for i in range(100000):
            text = f"{i} " + "x" * 1500
            answers = client.ask(*["PUT " + text] * 3)
            for answer in answers:
                if answer.startswith("OK "):
                    acknowledged[number_of(answer)] = text
            refused = [a for a in answers if not a.startswith("OK ")]
            if refused:
                return client, acknowledged, refused
        self.fail("nothing was refused")

    def check_full_disk(self, server, why):
        client, acknowledged, refused = self.fill_up(server)
        for answer in refused:
            self.assertRegex(answer, why)
        # A record that fits is still taken, and what was acknowledged can be read.
        number = number_of(client.ask("PUT small")[0])
        acknowledged[number] = "small"
        self.assertEqual(client.ask(f"GET {number + 1}"), ["NONE"])
        client.close()
        self.check_acknowledged(server, acknowledged)
        server.stop()
        self.assertEqual(numbered_records_of(self.stored()), acknowledged)
        return acknowledged

    def test_a_full_file_is_reported_and_not_acknowledged(self):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        acknowledged = self.check_full_disk(self.logd(before_exec=small_files), "ERR .*size")
        server = self.logd()  # the limit is gone: the log goes on behind what was acknowledged
        client = Client(server)
        self.assertEqual(client.ask("PUT more"), [f"OK {max(acknowledged) + 1}"])
        client.close()
        self.check_acknowledged(server, acknowledged)
        server.stop()

    def test_what_did_not_fit_does_not_come_back(self):
        texts = [b"%02d " % i + b"x" * 1500 for i in range(33)]
        sizes = [len(record(i + 1, text)) for i, text in enumerate(texts)]
        limit = len(MAGIC) + sum(sizes[:32]) + sizes[32] // 2

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        server = self.logd(before_exec=small_files)
        client = Client(server)
        puts = ["PUT " + text.decode() for text in texts]
        self.assertEqual(client.ask(*puts[:30]), [f"OK {i + 1}" for i in range(30)])
        # Two and a half of the last three can be written.
        answers = client.ask(*puts[30:])
        self.assertEqual(answers[:2], ["OK 31", "OK 32"])
        self.assertRegex(answers[2], "ERR .*size")
        self.assertRegex(client.ask(puts[0])[0], "ERR .*size")
        # A small one fits where the half was, and nothing of that is behind it.
        self.assertEqual(client.ask("PUT small", "GET 33", "GET 34", "GET 35"),
                         ["OK 35", "NONE", "NONE", "RECORD 35 small"])
        client.close()
        server.kill()
        server = self.logd()
        self.assertIn("recovered 33 records, erased 0 bytes behind them", server.lines)
        client = Client(server)
        self.assertEqual(client.ask("GET 32", "GET 33", "GET 34", "GET 35"),
                         ["RECORD 32 " + puts[31][4:], "NONE", "NONE", "RECORD 35 small"])
        client.close()
        server.stop()

    def test_a_full_disk_is_reported_and_not_acknowledged(self):
        disk = self.path("disk")
        os.mkdir(disk)
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk]
        if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("gate mount: a small tmpfs needs the right to mount")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        self.log = os.path.join(disk, "log")
        self.check_full_disk(self.logd(), "ERR .*space")

    def test_a_failed_sync_ends_the_promises(self):
        self.logd().stop()  # makes the file
        server = self.logd(program="evpoll-logd-faults", env={"FAULT_FAIL_APPEND": "3"})
        client = Client(server)
        self.assertEqual(client.ask("PUT one"), ["OK 1"])
        self.assertEqual(client.ask("PUT two"), ["OK 2"])
        self.assertRegex(client.ask("PUT three")[0], "ERR .*error")
        # From here on nothing is known about the pages: no record is taken, all that was
        # promised can be read, and nothing else.
        self.assertRegex(client.ask("PUT four")[0], "ERR .*error")
        self.assertEqual(client.ask("GET 1", "GET 2", "GET 3"),
                         ["RECORD 1 one", "RECORD 2 two", "NONE"])
        client.close()
        server.stop()
        server = self.logd()
        client = Client(server)
        self.assertEqual(client.ask("GET 1", "GET 2"), ["RECORD 1 one", "RECORD 2 two"])
        self.assertRegex(client.ask("PUT five")[0], "OK [345]")  # 3 and 4 may have been saved
        client.close()
        server.stop()

    # ---- the order of things ----------------------------------------------------------------

    def some_load(self, server):
        """Clients one after the other and together, so that batches of all sizes are made."""
        client = Client(server)
        for i in range(5):
            client.ask(f"PUT alone {i}")
        client.close()
        acknowledged = {}
        threads = self.load(server, clients=8, enough=400, acknowledged=acknowledged, window=7)
        server.stop()
        for t in threads:
            t.join()
        return acknowledged

    def test_no_answer_leaves_before_its_sync_has_finished(self):
        """As the program sees it: the same for every engine."""
        trace = self.path("trace")
        server = self.logd(program="evpoll-logd-faults", env={"FAULT_TRACE": trace})
        acknowledged = self.some_load(server)
        appending = {}  # by operation: the number of its record
        durable, said = set(), 0
        with open(trace, encoding="latin-1") as f:
            for line in f:
                what, op, rest = line.rstrip("\n").split(" ", 2)
                if what == "append" and not rest.startswith("evpoll"):
                    appending[op] = int(rest.split()[1])
                elif what == "done" and op in appending:
                    durable.add(appending.pop(op))
                elif what == "send":
                    for number in re.findall(r"OK (\d+)\\n", rest):
                        self.assertIn(int(number), durable, line)
                        said += 1
        self.assertGreaterEqual(said, len(acknowledged))

    def test_no_answer_leaves_before_its_sync_has_finished_in_the_kernel(self):
        """As the kernel sees it, in its system calls."""
        if not shutil.which("strace"):
            self.skipTest("gate strace: it is not installed")
        trace = self.path("trace")
        calls = "pwrite64,pwritev,pwritev2,fdatasync,sendto,sendmsg,write,writev"
        strace = ["strace", "-f", "-qq", "-s", "1000000", "-e", "trace=" + calls, "-e",
                  "signal=none", "-o", trace]
        # A process that is traced cannot be looked at by the leak sanitizer.
        no_leaks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        try:
            server = self.logd(prefix=strace, env={"ASAN_OPTIONS": no_leaks})
        except AssertionError as error:
            self.skipTest(f"gate ptrace: strace cannot start a program: {error}")
        # Signals go to the server, not to strace.
        with open(f"/proc/{server.process.pid}/task/{server.process.pid}/children") as f:
            child = int(f.read().split()[0])
        server.process.send_signal = lambda number: os.kill(child, number)
        acknowledged = self.some_load(server)

        written, durable, said = set(), set(), 0
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
                        durable |= covered[thread]
                elif call.startswith(("pwrite", "write")) and succeeded:
                    written |= {int(n) for n in re.findall(r"[0-9a-f]{8} (\d+) ", call)}
                elif call.startswith("send") and starts:
                    for number in re.findall(r"OK (\d+)\\n", call):
                        self.assertIn(int(number), durable, line)
                        said += 1
        self.assertGreaterEqual(said, len(acknowledged))

    # ---- the end ----------------------------------------------------------------------------

    def test_ctrl_c_under_load_keeps_every_promise(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.logd()
            acknowledged = {}
            already = len(records_of(self.stored()))
            threads = self.load(server, 30, 500, acknowledged)
            report = server.stop(number)
            for t in threads:
                t.join()
            texts = records_of(self.stored())
            self.assertEqual(len(texts) - already, reported(report, r"(\d+) records in"))
            for n, text in acknowledged.items():
                self.assertEqual(texts[n - 1].decode(), text)


if __name__ == "__main__":
    support.main(sys.modules[__name__])
