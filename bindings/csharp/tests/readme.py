# SPDX-License-Identifier: MIT
"""readme.py README.md FOLDER: builds each program that README shows, with the package alone (of
FOLDER, which csharp_consume has made), and runs it. The first one is an echo server, the last one
Kestrel's, with the package of its own."""
import os
import pathlib
import re
import socket
import subprocess
import sys
import urllib.request

readme, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
blocks = re.findall(r"```csharp\n(.*?)```", readme.read_text(), re.DOTALL)
expected = re.findall(r"prints `([^`]*)`", readme.read_text())
web = blocks.pop()
assert len(blocks) == len(expected) + 1 and len(blocks) >= 3 and "UseEvpoll" in web, (len(blocks), expected)


def build(number, text, package="Evpoll", sdk="Microsoft.NET.Sdk"):
    folder = work / f"readme{number}"
    folder.mkdir()
    project = (work / "project/Consumer.csproj").read_text()
    (folder / "Consumer.csproj").write_text(project.replace('"Evpoll"', f'"{package}"').replace(
        '"Microsoft.NET.Sdk"', f'"{sdk}"'))
    (folder / "Program.cs").write_text(text)
    environment = {**os.environ, "NUGET_PACKAGES": str(work / "packages")}
    subprocess.run(["dotnet", "build", "--disable-build-servers", "-c", "Release", "--source", work / "feed"],
                   cwd=folder, env=environment, check=True, timeout=300)
    return folder / "bin/Release/net10.0/Consumer"


def serve(number, text, ask, *how):
    """Runs a server at a port that is free, until it has answered."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    assert "127.0.0.1:7000" in text
    server = subprocess.Popen([build(number, text.replace("127.0.0.1:7000", f"127.0.0.1:{port}"), *how)])
    try:
        while True:  # until it listens
            try:
                socket.create_connection(("127.0.0.1", port), timeout=60).close()
                break
            except ConnectionRefusedError:
                assert server.poll() is None, "the server has ended"
        ask(port)
    finally:
        server.kill()


def echo(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"hello" * 10000)
        got = b""
        while len(got) < 50000:
            got += client.recv(65536)
    assert got == b"hello" * 10000


def hello(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        assert answer.read() == b"Hello World!"


serve(0, blocks[0], echo)
serve("-web", web, hello, "Evpoll.Kestrel", "Microsoft.NET.Sdk.Web")
for i, text in enumerate(blocks[1:]):
    program = build(i + 1, text)
    said = subprocess.run([program], cwd=program.parent, check=True, timeout=60, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    assert said == expected[i], f"{said!r}, not {expected[i]!r}"
