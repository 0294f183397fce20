# SPDX-License-Identifier: MIT
"""The behaviour of evpoll-serve, seen from outside. The servers in other languages are held to it
too, but for the tests called test_faults_..., which need faults inside of the C one."""
import hashlib
import random
import resource
import signal
import socket
import sys
import threading

import support
from support import Case, receive_all, reported, reset

CHUNK = 64 * 1024


class Client:
    """A connection that sends exactly what it is told to and reads one response at a time."""

    def __init__(self, server, **how):
        self.socket = server.connect(**how)
        self.file = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def head(self):
        """Status and headers of the next response; None if there is none any more."""
        line = self.file.readline()
        if not line:
            return None, {}
        headers = {}
        while True:
            header = self.file.readline().decode()
            if header in ("\r\n", ""):
                return int(line.split()[1]), headers
            name, value = header.split(":", 1)
            headers[name.lower()] = value.strip()

    def response(self):
        status, headers = self.head()
        body = self.file.read(int(headers.get("content-length", 0)))
        return status, headers, body

    def get(self, path, more=""):
        self.send(request(path, more))
        return self.response()

    def close(self):
        self.file.close()
        self.socket.close()


def request(path, more="", method="GET"):
    return f"{method} {path} HTTP/1.1\r\nHost: test\r\n{more}\r\n"


def content(size, seed):
    return random.Random(seed).randbytes(size)


class ServeTest(Case):
    def serve(self, *arguments, program="evpoll-serve", **how):
        return self.server(program, self.path("www"), *arguments, **how)

    def fetch(self, server, path, more=""):
        client = Client(server)
        try:
            return client.get(path, more)
        finally:
            client.close()

    def files(self):
        """Files of all sizes at which something could go wrong."""
        sizes = [0, 1, 100, 4095, 4096, 20000, 3 * CHUNK + 17]
        sizes += [CHUNK + d for d in range(-400, 400, 57)]
        sizes += [2 * CHUNK + d for d in range(-400, 400, 57)]
        made = {}
        for i, size in enumerate(sizes):
            made[f"/d{i % 3}/file{i}.bin"] = content(size, i)
        for path, bytes_ in made.items():
            self.write("www" + path, bytes_)
        return made

    def fetch_all_at_once(self, server, files, connections, rounds=2):
        """Each connection fetches every file, in an order of its own."""
        wrong = []

        def work(seed):
            try:
                client = Client(server)
                for path in random.Random(seed).sample(sorted(files), len(files)) * rounds:
                    status, _, body = client.get(path)
                    if status != 200 or body != files[path]:
                        wrong.append((path, status, len(body)))
                client.close()
            except OSError as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(connections)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    # ---- files ------------------------------------------------------------------------------

    def test_every_file_arrives_whole_over_many_connections(self):
        files = self.files()
        server = self.serve()
        self.fetch_all_at_once(server, files, connections=48)
        report = server.stop()
        self.assertEqual(reported(report, r"(\d+) connections"), 48)
        self.assertEqual(reported(report, r"(\d+) requests"), 48 * 2 * len(files))
        self.assertEqual(reported(report, r"(\d+) refused"), 0)

    def test_more_reads_than_the_io_limit_all_finish(self):
        files = self.files()
        server = self.serve("--io-limit=1")
        self.fetch_all_at_once(server, files, connections=16, rounds=1)
        server.stop()

    def test_faults_short_reads_are_continued(self):
        files = self.files()
        for inline in "1", "0":  # also by events, and with more of them than there is room for
            server = self.serve(program="evpoll-serve-faults",
                                env={"FAULT_SHORT_IO": "1000", "FAULT_INLINE": inline})
            self.fetch_all_at_once(server, files, connections=4, rounds=1)
            server.stop()

    def test_a_large_file_arrives_whole(self):
        large = content(9 * 1024 * 1024 + 3, 1)
        self.write("www/large", large)
        server = self.serve()
        self.fetch_all_at_once(server, {"/large": large}, connections=4, rounds=2)
        server.stop()

    def test_a_file_that_shrinks_cuts_the_connection(self):
        path = self.write("www/shrinks", bytes(64 * 1024 * 1024))
        server = self.serve()
        client = Client(server, receive_buffer=4096)
        client.send(request("/shrinks"))
        status, headers = client.head()
        open(path, "wb").close()
        try:
            body = client.file.read()
        except ConnectionResetError:
            body = b""
        self.assertEqual(status, 200)
        self.assertLess(len(body), int(headers["content-length"]))
        client.close()
        server.stop()

    # ---- requests ---------------------------------------------------------------------------

    def test_head_has_the_length_and_no_body(self):
        self.write("www/page.html", b"<p>hello")
        server = self.serve()
        client = Client(server)
        for path, status, length in (("/page.html", 200, "8"), ("/none", 404, "14")):
            client.send(request(path, method="HEAD"))
            got, headers = client.head()
            self.assertEqual((got, headers["content-length"]), (status, length))
        self.assertEqual(client.get("/page.html")[2], b"<p>hello")  # nothing was in between
        client.close()
        server.stop()

    def test_types_and_names_are_understood(self):
        self.write("www/index.html", b"start")
        self.write("www/a b%.TXT", b"text")
        self.write("www/sub/index.html", b"sub")
        server = self.serve()
        client = Client(server)
        for path, type_, body in (
                ("/", "text/html; charset=utf-8", b"start"),
                ("/sub/", "text/html; charset=utf-8", b"sub"),
                ("/a%20b%25.TXT?x=../y", "text/plain; charset=utf-8", b"text"),
                ("http://test/index.html", "text/html; charset=utf-8", b"start")):
            status, headers, got = client.get(path)
            self.assertEqual((status, headers["content-type"], got), (200, type_, body), path)
        client.close()
        server.stop()

    def test_what_is_not_a_file_is_not_found(self):
        self.write("www/file", b"here")
        self.write("www/sub/file", b"here")
        self.write("www/.hidden", b"hidden")
        server = self.serve()
        client = Client(server)
        for path in ("/none", "/sub", "/sub/", "/", "/file/below", "/none/file", "/.hidden",
                     "/" + "long" * 200):
            self.assertEqual(client.get(path)[0], 404, path)
        self.assertEqual(client.get("/file")[2], b"here")  # the same connection goes on
        client.close()
        server.stop()

    def test_paths_out_of_the_folder_are_refused(self):
        self.write("secret.txt", b"SECRET")
        self.write("www/sub/file", b"here")
        server = self.serve()
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/%2E./secret.txt",
                     "/sub/../../secret.txt", "/sub/%2e%2e%2f%2e%2e%2fsecret.txt",
                     "/..%5csecret.txt", "/..\\secret.txt", "/sub/..\\..\\secret.txt",
                     "/%2e%2e%00/secret.txt", "/sub/file%00", "/" + self.path("secret.txt"),
                     "/%2f" + self.path("secret.txt"), "/C:/secret.txt", "../secret.txt",
                     "/./sub/file", "http://test/../secret.txt", "/..", "/sub/.."):
            status, _, body = self.fetch(server, path)
            self.assertIn(status, (400, 404), path)
            self.assertNotIn(b"SECRET", body, path)
            self.assertNotIn(b"here", body, path)
        server.stop()

    def test_malformed_requests_are_refused(self):
        self.write("www/file", b"here")
        server = self.serve()
        long = "x" * 9000
        for text, wanted in (
                ("\0\1\2\r\n\r\n", 400), ("GET\r\n\r\n", 400), ("GET /file\r\n\r\n", 400),
                ("GET  /file HTTP/1.1\r\nHost: t\r\n\r\n", 400),
                ("GET /file HTTP/1.1\r\n\r\n", 400),
                ("GET /file HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n", 400),
                ("GET /file HTTP/1.1\r\nHost : t\r\n\r\n", 400),
                ("GET /file HTTP/1.1\r\nHost: t\r\n folded\r\n\r\n", 400),
                ("GET /file HTTP/1.1\r\nHost: t\r\nX: \0\r\n\r\n", 400),
                ("GET /fi%6 HTTP/1.1\r\nHost: t\r\n\r\n", 400),
                ("GET /%zz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
                ("GET /file HTTP/2.0\r\nHost: t\r\n\r\n", 505),
                (f"GET /{long} HTTP/1.1\r\nHost: t\r\n\r\n", 414),
                (f"GET /file HTTP/1.1\r\nX: {long}\r\n\r\n", 431)):
            client = Client(server)
            client.send(text)
            status, headers, _ = client.response()
            self.assertEqual(status, wanted, text[:60])
            self.assertEqual(headers["connection"], "close")
            self.assertEqual(client.file.read(), b"")
            client.close()
        self.assertEqual(self.fetch(server, "/file")[2], b"here")
        server.stop()

    def test_other_methods_are_not_allowed(self):
        server = self.serve()
        client = Client(server)
        for method in ("POST", "DELETE", "OPTIONS", "BREW"):
            client.send(request("/file", method=method))
            status, headers, _ = client.response()
            self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"))
        client.close()
        # What follows a body is not taken for a request, and the answer arrives all the same.
        client = Client(server)
        client.send(request("/file", "Content-Length: 100000\r\n", "POST") + "x" * 100000)
        self.assertEqual(client.response()[0], 405)
        self.assertEqual(client.file.read(), b"")
        client.close()
        server.stop()

    def test_pipelined_requests_are_answered_in_order(self):
        for i in range(20):
            self.write(f"www/{i}", content(i * 9001, i))
        server = self.serve()
        client = Client(server)
        order = [random.Random(5).randrange(25) for _ in range(300)]
        sender = threading.Thread(
            target=lambda: client.send("".join(request(f"/{i}") for i in order)))
        sender.start()
        for i in order:
            status, _, body = client.response()
            self.assertEqual(status, 200 if i < 20 else 404)
            if i < 20:
                self.assertEqual(body, content(i * 9001, i))
        sender.join()
        client.close()
        server.stop()

    def test_a_client_that_never_blocks_is_served_to_the_end(self):
        server = self.serve()
        client = Client(server)
        sender = threading.Thread(target=lambda: client.send(request("/none") * 5000))
        sender.start()
        for _ in range(5000):
            self.assertEqual(client.response()[0], 404)
        sender.join()
        client.close()
        server.stop()

    def test_a_request_may_arrive_byte_by_byte(self):
        self.write("www/file", b"here")
        server = self.serve()
        client = Client(server)
        for byte in request("/file").encode():
            client.send(bytes([byte]))
        self.assertEqual(client.response()[2], b"here")
        client.close()
        server.stop()

    def test_the_client_chooses_whether_the_connection_stays(self):
        self.write("www/file", b"here")
        server = self.serve()
        for head, stays in (("GET /file HTTP/1.1\r\nHost: t\r\n\r\n", True),
                            ("GET /file HTTP/1.1\r\nHost: t\r\nConnection: Close\r\n\r\n", False),
                            ("GET /file HTTP/1.0\r\n\r\n", False),
                            ("GET /file HTTP/1.0\r\nConnection: x, keep-alive\r\n\r\n", True)):
            client = Client(server)
            client.send(head)
            self.assertEqual(client.response()[2], b"here")
            if stays:
                self.assertEqual(client.get("/file")[2], b"here")
            else:
                self.assertEqual(client.file.read(), b"")
            client.close()
        server.stop()

    def test_a_client_that_says_it_is_done_still_gets_its_answer(self):
        large = content(1024 * 1024, 3)
        self.write("www/large", large)
        server = self.serve()
        client = Client(server)
        client.send(request("/large"))
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.response()[2], large)
        self.assertEqual(client.file.read(), b"")
        client.close()
        server.stop()

    # ---- clients that misbehave, and limits -------------------------------------------------

    def test_clients_that_disappear_half_way_leave_nothing_behind(self):
        self.write("www/large", bytes(32 * 1024 * 1024))
        self.write("www/file", b"here")
        server = self.serve()
        witness = Client(server)
        self.assertEqual(witness.get("/large")[0], 200)  # from here on all engines are running
        before = server.descriptors()
        for _ in range(3):
            clients = [Client(server, receive_buffer=4096) for _ in range(20)]
            for i, client in enumerate(clients):
                client.send(request("/large"))
                if i % 3:
                    client.socket.recv(1000)
            for i, client in enumerate(clients):
                client.file.close()
                reset(client.socket) if i % 2 else client.socket.close()
        # Each request makes the server turn once more; those turns are all that it needs.
        for _ in range(100000):
            self.assertEqual(witness.get("/file")[2], b"here")
            if server.descriptors() == before:
                break
        self.assertEqual(server.descriptors(), before)
        witness.close()
        server.stop()

    def test_a_slow_reader_holds_up_nobody_and_is_not_read_ahead_of(self):
        self.write("www/large", bytes(48 * 1024 * 1024))
        self.write("www/file", b"here")
        server = self.serve()
        slow = Client(server, receive_buffer=4096)
        slow.send(request("/large"))
        self.assertEqual(slow.head()[0], 200)
        client = Client(server)
        for _ in range(1000):  # more turns than the large file has chunks
            self.assertEqual(client.get("/file")[2], b"here")
        reset(slow.socket)
        report = server.stop()
        # Two reads for each turn would have read it all. The system buffers some MiB for the
        # socket; all else stays in the file. The server in C reads nothing: the system sends.
        if "file operations" in report:
            reads = reported(report, r"(\d+) file operations") - 2 * 1000  # read and closed
            self.assertLess(reads, 48 * 1024 * 1024 // CHUNK // 2)
        else:
            self.assertLess(reported(report, r"(\d+) bytes sent"), 24 * 1024 * 1024)

    def test_a_slow_reader_gets_everything_in_the_end(self):
        large = content(12 * 1024 * 1024, 6)
        self.write("www/large", large)
        server = self.serve()
        slow = Client(server, receive_buffer=4096)
        slow.send(request("/large"))
        status, _, body = slow.response()
        self.assertEqual(status, 200)
        self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(large).digest())
        slow.close()
        server.stop()

    def test_more_clients_than_connections_are_served_in_turn(self):
        self.write("www/file", b"here")
        server = self.serve("--connections=3")
        clients = [Client(server) for _ in range(50)]
        for client in reversed(clients):  # the last come first: the others are in the backlog
            client.send(request("/file", "Connection: close\r\n"))
        for client in clients:
            self.assertEqual(client.response()[2], b"here")
            client.close()
        server.stop()

    def test_running_out_of_descriptors_is_survived(self):
        self.write("www/file", b"here")
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
        server = self.serve(before_exec=few)
        # The first file operation makes the engine, which needs descriptors of its own.
        self.assertEqual(self.fetch(server, "/file")[2], b"here")
        clients = [Client(server) for _ in range(100)]
        answered = {200: 0, 503: 0}
        for client in clients:
            client.send(request("/file", "Connection: close\r\n"))
        for client in clients:
            answered[client.response()[0]] += 1
            client.close()
        self.assertEqual(sum(answered.values()), 100)
        self.assertGreater(answered[200], answered[503])  # it learns from its first failure
        self.assertEqual(self.fetch(server, "/file")[2], b"here")
        server.stop()

    def test_faults_a_connection_has_one_file_at_a_time(self):
        """Or files that wait to be closed would leave no descriptors for those to be opened."""
        self.write("www/empty", b"")  # no read: CLOSE is the only operation
        release = self.path("release")
        server = self.serve(program="evpoll-serve-faults",
                            env={"FAULT_HOLD": release, "FAULT_INLINE": "0"})
        client, other = Client(server), Client(server)
        client.send(request("/empty") * 2)
        self.assertEqual(client.response()[0], 200)
        for _ in range(20):
            self.assertEqual(other.get("/none")[0], 404)
        client.socket.setblocking(False)
        self.assertRaises(BlockingIOError, client.socket.recv, 1)
        client.socket.settimeout(support.DEADLINE)
        self.write("release", b"")
        self.assertEqual(other.get("/none")[0], 404)  # the turn in which it is said to be closed
        self.assertEqual(client.response()[0], 200)
        client.close()
        other.close()
        server.stop()

    def test_clients_without_progress_are_sent_away(self):
        self.write("www/large", bytes(64 * 1024 * 1024))
        server = self.serve("--idle=1")
        silent, torn, stuck = (Client(server, receive_buffer=4096) for _ in range(3))
        torn.send("GET /large HT")
        stuck.send(request("/large"))
        self.assertEqual(silent.file.read(), b"")
        self.assertEqual(torn.file.read(), b"")
        for _ in range(2):  # who has made progress at first is noticed a little later
            later = Client(server)
            self.assertEqual(later.file.read(), b"")
            later.close()
        try:
            self.assertLess(len(receive_all(stuck.socket)), 64 * 1024 * 1024)
        except ConnectionResetError:
            pass
        for client in (silent, torn, stuck):
            client.close()
        server.stop()

    def test_faults_clients_that_wait_for_the_disk_are_not_sent_away(self):
        self.write("www/file", b"here")
        release = self.path("release")
        server = self.serve("--idle=1", program="evpoll-serve-faults",
                            env={"FAULT_HOLD": release, "FAULT_INLINE": "0"})
        client = Client(server)
        client.send(request("/file"))
        silent = Client(server)
        self.assertEqual(silent.file.read(), b"")  # so the other's time has passed as well
        silent.close()
        self.write("release", b"")
        self.assertEqual(client.response()[2], b"here")
        client.close()
        server.stop()

    # ---- the end ----------------------------------------------------------------------------

    def test_ctrl_c_ends_it_cleanly_and_reports(self):
        self.write("www/file", b"here")
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.serve()
            idle = Client(server)
            self.assertEqual(idle.get("/file")[2], b"here")
            report = server.stop(number)
            self.assertEqual(idle.file.read(), b"")
            idle.close()
            engine = "io_uring" if support.engine == "uring" else "pool"
            for pattern in (r"evpoll 1\.\d+", r"features: .*file-io", r"\d+ waits",
                            r"\d+ requests", r"events per wait", engine):
                self.assertRegex(report, pattern)

    def test_ctrl_c_finishes_what_has_begun(self):
        large = content(32 * 1024 * 1024, 7)
        self.write("www/large", large)
        server = self.serve()
        client = Client(server, receive_buffer=4096)
        client.send(request("/large"))
        self.assertEqual(client.head()[0], 200)
        server.process.send_signal(signal.SIGINT)
        self.assertTrue(server.line_with("stopping"))
        body = client.file.read(len(large))
        self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(large).digest())
        self.assertEqual(client.file.read(), b"")
        client.close()
        self.assertEqual(server.finish()[0], 0)

    def test_a_second_ctrl_c_does_not_wait_for_anybody(self):
        self.write("www/large", bytes(64 * 1024 * 1024))
        server = self.serve()
        stuck = [Client(server, receive_buffer=4096) for _ in range(10)]
        for client in stuck:
            client.send(request("/large"))
            self.assertEqual(client.head()[0], 200)
        server.process.send_signal(signal.SIGINT)
        self.assertTrue(server.line_with("stopping"))
        report = server.stop()
        self.assertEqual(reported(report, r"(\d+) requests"), 10)
        for client in stuck:
            client.close()


if __name__ == "__main__":
    support.main(sys.modules[__name__])
