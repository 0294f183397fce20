#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the system calls of a round trip of the row of echo, by strace.

    syscalls.py PROGRAM            a table: evpoll-bench, each contender
    syscalls.py PROGRAM --check    fails where evpoll by two calls makes more than bare epoll, but
                                   for its waits, which take 16 events and not 1024

Two runs of different length are subtracted, and what the clients do is taken off: a send and a
recv for each trip."""
import subprocess
import sys
import tempfile

CALLS = "epoll_wait,epoll_pwait,epoll_pwait2,epoll_ctl,recvfrom,sendto,recvmsg,sendmsg," \
        "read,write,readv,writev,sendmmsg,io_uring_enter,ioctl,futex,timerfd_settime"
CONTENDERS = ["epoll", "io_uring", "evpoll", "evpoll, one waiter", "evpoll, two calls", "libuv",
              "libevent", "Asio"]
FEW, MANY = 20, 120


def count(program, contender, connections, size, rounds):
    with tempfile.NamedTemporaryFile("r") as out:
        command = ["strace", "-c", "-f", "-e", "trace=" + CALLS, "-o", out.name, program, "trips"]
        subprocess.run(command + [contender, str(connections), str(size), str(rounds)], check=True)
        total = out.read().splitlines()[-1].split()  # %, seconds, usecs/call, calls, errors
        return int(total[3])


def trips(program, contender, connections, size):
    more = (count(program, contender, connections, size, MANY) -
            count(program, contender, connections, size, FEW))
    return more / ((MANY - FEW) * connections) - 2


def main():
    program, *options = sys.argv[1:] if len(sys.argv) > 1 else sys.exit(__doc__)
    print("### System calls of a round trip of echo\n\n| | " + " | ".join(CONTENDERS) + " |")
    print("|---|" + "---:|" * len(CONTENDERS))
    worse = False
    for connections in (1, 100):
        for size in (64, 16384):
            found = {name: trips(program, name, connections, size) for name in CONTENDERS}
            waits = 1 / 16 if connections > 16 else 0
            worse |= found["evpoll, two calls"] > found["epoll"] + waits + 0.01
            print(f"| {size} B, {connections} | " +
                  " | ".join(f"{found[name]:.2f}" for name in CONTENDERS) + " |", flush=True)
    sys.exit(1 if "--check" in options and worse else 0)


if __name__ == "__main__":
    main()
