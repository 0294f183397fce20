# SPDX-License-Identifier: MIT
"""The behaviour of evpoll-echo, as an echo server and as a proxy, seen from outside."""
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import support
from support import Case, receive_all, reset


class EchoTest(Case):
    def echo(self, seconds=60, **how):
        return self.server("evpoll-echo", "0", str(seconds), **how)

    def proxy(self, port, seconds=60, **how):
        return self.server("evpoll-echo", "0", str(seconds), "127.0.0.1", str(port), **how)

    def both(self, **how):
        """An echo server alone, and one behind a proxy, which shall look the same."""
        echo = self.echo(**how)
        yield echo
        yield self.proxy(echo.port, **how)

    def listener(self):
        s = socket.create_server(("127.0.0.1", 0))
        s.settimeout(support.DEADLINE)
        self.addCleanup(s.close)
        return s

    def descriptors(self, server, each):
        """How many it has without connections, of `each` descriptors, when it has all it needs."""
        with server.connect() as s:
            s.sendall(b"x")
            s.recv(1)
            return server.descriptors() - each

    def end_of(self, s):
        """How the peer ended it, and what came before."""
        try:
            return "end", receive_all(s)
        except ConnectionResetError:
            return "reset", b""

    def exchange(self, s, data):
        """Sends it all, says that this was all, and returns what came back until the end."""
        failed = []

        def send():
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError as error:  # an error is told once, to either of the two
                failed.append(error)
        sender = threading.Thread(target=send)
        sender.start()
        try:
            got = receive_all(s)
        finally:
            sender.join()
        if failed:
            raise failed[0]
        return got

    # ---- bytes ------------------------------------------------------------------------------

    def test_what_is_sent_comes_back_while_the_connection_stays(self):
        for each, server in enumerate(self.both(), 1):
            before = self.descriptors(server, each)
            with server.connect() as s:
                for i in range(200):
                    s.sendall(b"%d\n" % i)
                    self.assertEqual(s.recv(100), b"%d\n" % i)
            server.until_descriptors(before)

    def test_many_connections_at_once_get_their_own_bytes(self):
        data = random.Random(1).randbytes(1 << 18)
        for server in self.both():
            wrong = []

            def work(seed):
                mine = data[seed * 1000:]
                with server.connect() as s:
                    if self.exchange(s, mine) != mine:
                        wrong.append(seed)

            threads = [threading.Thread(target=work, args=(i,)) for i in range(100)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(wrong, [])

    def test_a_thousand_connections_stay_open_and_are_served_in_turn(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard < 2200:
            self.skipTest("gate descriptors: 2200 are needed")
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2200), hard))
        for server in self.both():
            open_ = [server.connect() for _ in range(1000)]
            for round_ in range(3):
                for i, s in enumerate(open_):
                    s.sendall(struct.pack("II", i, round_))
                for i, s in enumerate(open_):
                    self.assertEqual(s.recv(8, socket.MSG_WAITALL), struct.pack("II", i, round_))
            for s in open_:
                s.close()

    def test_the_end_of_one_way_is_passed_on_and_the_other_goes_on(self):
        origin = self.listener()
        server = self.proxy(origin.getsockname()[1])
        with server.connect() as client:
            there = origin.accept()[0]
            there.settimeout(support.DEADLINE)
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(there), b"question")  # the end has come
            answer = random.Random(2).randbytes(5 << 20)
            sender = threading.Thread(target=lambda: (there.sendall(answer), there.close()))
            sender.start()
            self.assertEqual(receive_all(client), answer)
            sender.join()
        with server.connect() as client:  # and the other way round
            there = origin.accept()[0]
            there.settimeout(support.DEADLINE)
            there.sendall(b"greeting")
            there.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"greeting")
            client.sendall(b"thanks")
            client.close()
            self.assertEqual(receive_all(there), b"thanks")
            there.close()

    # ---- peers that misbehave, and limits ---------------------------------------------------

    def test_a_reset_is_passed_on(self):
        origin = self.listener()
        server = self.proxy(origin.getsockname()[1])
        before = None
        for client_resets in (True, False):
            client = server.connect()
            there = origin.accept()[0]
            there.settimeout(support.DEADLINE)
            client.sendall(b"x")
            self.assertEqual(there.recv(1), b"x")
            before = before or server.descriptors() - 2  # it has all that it needs by now
            first, second = (client, there) if client_resets else (there, client)
            reset(first)
            self.assertEqual(self.end_of(second)[0], "reset")
            second.close()
        server.until_descriptors(before)

    def test_nobody_behind_the_proxy_is_a_reset(self):
        closed = self.listener()
        port = closed.getsockname()[1]
        closed.close()
        server = self.proxy(port)
        before = server.descriptors() + 2  # a timer and what closes
        for _ in range(50):
            with self.assertRaises(ConnectionResetError), server.connect() as s:
                receive_all(s)
        server.until_descriptors(before)

    def test_who_is_idle_is_cut_off_and_nobody_else(self):
        for each, server in enumerate(self.both(seconds=1), 1):
            before = self.descriptors(server, each)
            idle, busy = server.connect(), server.connect()
            idle.sendall(b"x")
            self.assertEqual(idle.recv(1), b"x")
            idle.setblocking(False)
            while True:
                busy.sendall(b"y")
                self.assertEqual(busy.recv(1), b"y")
                try:
                    self.assertEqual(idle.recv(1), b"")
                except BlockingIOError:
                    continue
                except ConnectionResetError:
                    pass
                break
            busy.sendall(b"z")
            self.assertEqual(busy.recv(1), b"z")
            idle.close()
            busy.close()
            server.until_descriptors(before)

    def test_who_only_listens_is_not_idle_while_the_other_side_speaks(self):
        origin = self.listener()
        server = self.proxy(origin.getsockname()[1], seconds=1)
        with server.connect() as client:
            there = origin.accept()[0]
            with there:
                end = time.monotonic() + 3.5  # several limits
                while time.monotonic() < end:
                    there.sendall(b"tick")
                    self.assertEqual(client.recv(4, socket.MSG_WAITALL), b"tick")
                    threading.Event().wait(0.05)

    def test_a_peer_that_never_reads_is_cut_off_and_holds_up_nobody(self):
        for each, server in enumerate(self.both(seconds=1), 1):
            before = self.descriptors(server, each)
            deaf = server.connect(receive_buffer=4096)
            deaf.setblocking(False)
            stuck = False
            with server.connect() as other:
                while True:
                    try:
                        deaf.send(bytes(1 << 16))
                    except BlockingIOError:
                        stuck = True
                    except (ConnectionResetError, BrokenPipeError):
                        break
                    other.sendall(b"x")
                    self.assertEqual(other.recv(1), b"x")
            self.assertTrue(stuck)
            deaf.close()
            server.until_descriptors(before)

    def test_running_out_of_descriptors_is_survived_without_a_spin(self):
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
        server = self.echo(before_exec=few)
        clients = [server.connect() for _ in range(100)]  # the system accepts for it
        used = self.processor_time(server)
        threading.Event().wait(1)
        self.assertLess(self.processor_time(server) - used, 0.3)
        for i, s in enumerate(clients):  # each is served in its turn
            self.assertEqual(self.exchange(s, b"%d" % i), b"%d" % i)
            s.close()
        server.stop()

    def processor_time(self, server):
        with open(f"/proc/{server.process.pid}/schedstat") as f:
            return int(f.read().split()[0]) / 1e9

    def test_a_proxy_without_descriptors_serves_again_later(self):
        origin = self.echo()
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
        server = self.proxy(origin.port, before_exec=few)
        before = self.descriptors(server, 2)
        clients = []
        for _ in range(50):
            try:
                clients.append(server.connect())
            except ConnectionResetError:  # whom it cannot connect any further
                pass
        for s in clients:
            s.close()
        server.until_descriptors(before)
        while True:  # those that were in the backlog may have their turn, and be reset, still
            try:
                with server.connect() as s:
                    self.assertEqual(self.exchange(s, b"hello"), b"hello")
                break
            except (ConnectionResetError, BrokenPipeError):
                pass
        server.stop()

    def test_clients_that_disappear_leave_nothing_behind(self):
        for each, server in enumerate(self.both(), 1):
            before = self.descriptors(server, each)
            for i in range(60):
                s = server.connect(receive_buffer=4096)
                s.sendall(bytes(100000)) if i % 3 else s.sendall(b"x")
                reset(s) if i % 2 else s.close()
            server.until_descriptors(before)

    # ---- the end ----------------------------------------------------------------------------

    def test_ctrl_c_lets_connections_come_to_their_end(self):
        data = random.Random(3).randbytes(3 << 20)
        echo = self.echo()
        for server in (self.proxy(echo.port), echo):
            with server.connect() as s:
                s.sendall(data[:1000])
                self.assertEqual(s.recv(1000, socket.MSG_WAITALL), data[:1000])
                server.process.send_signal(signal.SIGINT)
                self.until_refused(server)
                self.assertEqual(self.exchange(s, data), data)
            code, error = server.finish()
            self.assertEqual((code, error), (0, ""))

    def test_ctrl_c_without_connections_ends_it_at_once(self):
        for server in self.both():
            pass
        began = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - began, 4)

    def test_a_second_ctrl_c_does_not_wait_for_anybody(self):
        echo = self.echo()
        for server in (self.proxy(echo.port), echo):
            clients = [server.connect(receive_buffer=4096) for _ in range(20)]
            for i, s in enumerate(clients):
                s.sendall(bytes(1 << 16) if i % 2 else b"x")
            began = time.monotonic()
            server.process.send_signal(signal.SIGINT)
            self.until_refused(server)
            server.stop()
            self.assertLess(time.monotonic() - began, 4)
            for s in clients:
                s.close()

    def test_ctrl_c_waits_for_nobody_for_ever(self):
        server = self.echo()
        with server.connect() as s:
            s.sendall(b"x")
            self.assertEqual(s.recv(1), b"x")
            server.stop()
            self.assertEqual(self.end_of(s), ("reset", b""))

    def test_probes_tell_bpftrace_of_its_operations(self):
        if not shutil.which("bpftrace"):
            self.skipTest("gate bpftrace: it is not installed")
        script = pathlib.Path(__file__).resolve().parents[2] / "bindings/c/evpoll-top.bt"
        server = self.echo()
        top = subprocess.Popen(["bpftrace", "-p", str(server.process.pid), script], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(top.wait)
        self.addCleanup(top.kill)
        seen = []
        for line in top.stdout:
            seen.append(line)
            if re.match(r"[0-9]{2}:[0-9]{2}:", line):  # it is attached
                with server.connect() as s:
                    s.sendall(b"x")
                    self.assertEqual(s.recv(1), b"x")
            if line.startswith("@end[1]: "):  # READ
                return
        said = top.stderr.read()
        if "probe" in said and "evpoll" in said:
            self.fail(said)
        self.skipTest(f"gate bpftrace: it cannot run here: {said.strip()}")

    def until_refused(self, server):
        end = time.monotonic() + support.DEADLINE
        while time.monotonic() < end:
            try:
                server.connect().close()
            except (ConnectionRefusedError, ConnectionResetError):
                return
        self.fail("it still accepts")


if __name__ == "__main__":
    support.main(sys.modules[__name__])
