#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real servers on loopback: evpoll-serve beside nginx under wrk, evpoll-logd under evpoll-load.

    servers.py BUILD_DIR [--quick | --check]

What counts is requests per CPU second of the server's process, which does not depend on how many
cores the client takes away; the servers take turns. nginx runs as one worker, with its access log
off, and with everything else as it comes. Prints Markdown and writes servers.json."""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SIZES = {"1 KiB": 1 << 10, "64 KiB": 64 << 10, "10 MiB": 10 << 20}
CONNECTIONS = 64
NGINX = """
daemon off; master_process on; worker_processes 1; user root;
error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile {sendfile}; keepalive_requests 100000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_served(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("a server did not start")


class Ours:
    """evpoll-serve or evpoll-logd: says where it listens, and reports when it is interrupted."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.port = int(line.rpartition(":")[2])
                return
        sys.exit(f"{command[0]} did not start")

    def worker(self):
        return self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[0]


class Nginx:
    def __init__(self, folder, root, sendfile):
        self.port = free_port()
        os.makedirs(folder, exist_ok=True)
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(NGINX.format(folder=folder, root=root, port=self.port, sendfile=sendfile))
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen([program, "-c", conf, "-e", folder + "/error.log"])
        wait_until_served(self.port)

    def worker(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return int(f.read().split()[0])

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=60)


def microseconds(text):
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if not match:
        sys.exit(f"wrk said {text}: were there no answers?")
    number, unit = match.groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def drive(server, path, seconds):
    before = cpu_seconds(server.worker())
    done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
                           "--timeout", "60s", f"http://127.0.0.1:{server.port}/{path}"],
                          capture_output=True, text=True, check=True).stdout
    cpu = cpu_seconds(server.worker()) - before
    if "Non-2xx" in done or "Socket errors" in done:
        sys.exit(f"wrk met errors:\n{done}")
    took = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", done)
    length = float(took.group(2)) * {"ms": 1e-3, "s": 1, "m": 60}[took.group(3)]
    requests = int(took.group(1))
    return {"per_cpu": requests / max(cpu, 0.01), "per_second": requests / length,
            "p50": microseconds(re.search(r"^ +50% +(\S+)", done, re.M).group(1)),
            "p99": microseconds(re.search(r"^ +99% +(\S+)", done, re.M).group(1))}


def file_servers(build, folder, sizes, rounds, seconds):
    root = os.path.join(folder, "files")
    os.makedirs(root)
    for name in sizes:
        with open(os.path.join(root, name.replace(" ", "")), "wb") as f:
            f.write(os.urandom(SIZES[name]))
    servers = {"evpoll-serve": Ours([f"{build}/bindings/c/examples/evpoll-serve", root]),
               "nginx": Nginx(folder + "/nginx-off", root, "off"),
               "nginx, sendfile": Nginx(folder + "/nginx-on", root, "on")}
    rows = []
    try:
        for size in sizes:
            runs = {name: [] for name in servers}
            for _ in range(rounds):
                for name, server in servers.items():
                    runs[name].append(drive(server, size.replace(" ", ""), seconds))
            for name, found in runs.items():
                rows.append({"size": size, "server": name} |
                            {key: statistics.median(run[key] for run in found) for key in found[0]})
    finally:
        for server in servers.values():
            server.stop()
    return rows


def log_server(build, folder, windows, seconds):
    rows = []
    for window in windows:
        server = Ours([f"{build}/bindings/c/examples/evpoll-logd", f"{folder}/log{window}"])
        before = cpu_seconds(server.worker())
        done = subprocess.run([f"{build}/tests/bench/evpoll-load", str(server.port),
                               str(CONNECTIONS), str(window), str(seconds)],
                              capture_output=True, text=True, check=False)
        cpu = cpu_seconds(server.worker()) - before
        report = server.stop()
        if done.returncode:
            sys.exit(f"evpoll-load: {done.stderr}")
        answers, length, p50, p99 = (float(word) for word in done.stdout.split())
        shared = float(re.search(r"\(([\d.]+) records in each\)", report).group(1))
        rows.append({"window": window, "per_second": answers / length,
                     "per_cpu": answers / max(cpu, 0.01), "per_batch": shared,
                     "p50": p50, "p99": p99})
    return rows


def table(head, rows):
    print("\n| " + " | ".join(head) + " |\n|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(cell if isinstance(cell, str) else f"{cell:,.0f}" if cell >= 100
                                else f"{cell:.1f}" for cell in row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    short = options.quick or options.check
    sizes = list(SIZES)[:1] if options.check else list(SIZES)
    with tempfile.TemporaryDirectory(dir=options.build) as folder:
        folder = os.path.abspath(folder)
        files = file_servers(options.build, folder, sizes, 1 if short else 3, 1 if short else 3)
        windows = [1] if options.check else [1, 32]
        logs = log_server(options.build, folder, windows, 1 if short else 8)
    with open(options.build + "/servers.json", "w", encoding="ascii") as f:
        json.dump({"files": files, "logs": logs}, f, indent=1)
    nginx = {row["size"]: row["per_cpu"] for row in files if row["server"] == "nginx"}
    print(f"\n### File servers, {CONNECTIONS} connections")
    table(["file, server", "requests per CPU second", "against nginx", "requests per second",
           "p50, µs", "p99, µs"],
          [(f"{row['size']}, {row['server']}", row["per_cpu"],
            f"{row['per_cpu'] / nginx[row['size']]:.2f}",
            row["per_second"], row["p50"], row["p99"]) for row in files])
    print(f"\n### evpoll-logd, {CONNECTIONS} connections, records of 100 bytes")
    table(["on their way for each connection", "acknowledged per second", "per CPU second",
           "records in each batch", "p50, µs", "p99, µs"],
          [(str(row["window"]), row["per_second"], row["per_cpu"], row["per_batch"], row["p50"],
            row["p99"]) for row in logs])


if __name__ == "__main__":
    main()
