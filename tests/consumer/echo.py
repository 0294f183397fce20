# SPDX-License-Identifier: MIT
"""echo.py COMMAND...: starts an echo server, with a port for the word PORT, and lets two clients at a time
talk to it."""
import socket
import subprocess
import sys
import time

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
server = subprocess.Popen([str(port) if word == "PORT" else word for word in sys.argv[1:]])
try:
    end = time.monotonic() + 60
    while True:
        try:
            first = socket.create_connection(("127.0.0.1", port), 60)
            break
        except ConnectionRefusedError:  # it does not listen yet
            if server.poll() is not None or time.monotonic() > end:
                sys.exit("it does not listen")
    second = socket.create_connection(("127.0.0.1", port), 60)
    for s, text in ((first, b"one"), (second, b"two")):
        s.sendall(text)
        assert s.recv(3, socket.MSG_WAITALL) == text
    for s in (first, second):
        s.sendall(b"end")
        s.shutdown(socket.SHUT_WR)
        assert s.makefile("rb").read() == b"end"
    assert server.poll() is None
finally:
    server.kill()
    server.wait()
