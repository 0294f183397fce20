#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is done with the bench's results.

    results.py plots FOLDER               SVGs of FOLDER/bench.json's ratios
    results.py targets FOLDER             what was aimed at, and what was reached
    results.py readme FOLDER MARKDOWN...  both, and the tables, into README.md and pictures/
    results.py compare FOLDER BEFORE      two runs: which ratios differ by more than the noise
    results.py check FOLDER               each row ran and has figures; says "N passed, N failed"
"""
import json
import math
import os
import sys
from fnmatch import fnmatch

sys.dont_write_bytecode = True
import plots

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md")
PICTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")
TARGET_MARKS = "<!-- targets: begin -->\n", "<!-- targets: end -->\n"
MEASURED_MARKS = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
# Rows of each group, and contenders that have a figure in each of them.
ROWS = {"readiness": 6, "oneshot": 6, "add": 3, "modify": 3, "remove": 3, "calls": 6,
        "threads": 5, "memory": 1, "cached": 3, "direct": 3, "files": 1, "lists": 2, "mixed": 4, "operations": 2, "echo": 6,
        "accepts": 2, "timers": 4, "appends": 2, "neighbours": 5, "delays": 4, "wakes": 1}
# By so much ratios of two runs differ, however steady each was: memory lies elsewhere.
BETWEEN_RUNS = 0.02
# What was aimed at: said how, at most (or, where it is negative, at least) so much, of which
# contender's CPU (or wall) in which rows, against the baseline or another, and where README says why
# it is missed.
TARGETS = [
    ("a wait of one event, against `epoll_wait()`", 1.05, "evpoll", "readiness", "dispatch, 1 ready", 1),
    ("a wait of 100 and 1000", 1.05, "evpoll", "readiness", "dispatch, 100*", 1),
    ("a byte passed on between sockets, level", 1.02, "evpoll", "readiness", "ring*", 0),
    ("..., edge", 1.00, "evpoll, edge", "readiness", "ring*", 0),
    ("one-shot with one waiter, 100 ready, against EPOLLONESHOT", 0.30, "evpoll, one waiter", "oneshot",
     "dispatch, 100 *", 2),
    ("..., bytes passed on", 0.87, "evpoll, one waiter", "oneshot", "ring*", 2),
    ("add, against `epoll_ctl()`", 1.08, "evpoll", "add", "*", 0),
    ("modify", 1.08, "evpoll", "modify", "*", 3),
    ("remove", 1.08, "evpoll", "remove", "*", 0),
    ("`evpoll_update()` against single calls", 1.02, "evpoll", "calls", "update*", 0),
    ("a wake that is redundant, against an atomic exchange", 2, "evpoll", "calls", "wake*", 0),
    ("a wait before any file, against a poller that cannot have files", 1.01, "evpoll", "calls",
     "wait of 1, before*", 0),
    ("cached read, inline, one at a time, against `pread()`", 1.25, "evpoll, inline", "cached",
     "read 4 KiB, cached, depth 1", 4),
    ("cached reads, 32 and 128 at a time, the better of both ways", 1.0, "evpoll, inline|evpoll",
     "cached", "read 4 KiB, cached, depth 32|read 4 KiB, cached, depth 128", 4),
    ("echo of 64 B and 16 KiB, 1 and 100 connections, against recv() and send()", 1.03, "evpoll", "echo",
     "* 1 connection|* 100 connections", 6),
    ("..., libuv in the same rows", -1.08, "libuv", "echo",
     "* 1 connection|* 100 connections", 0),
    ("timers, added and cancelled or expired, 1,000 and 1,000,000 pending, against libuv", 1.0, "evpoll",
     "timers", "*", 5),
    ("a list of 32 cached reads, against `lio_listio()`", 0.65, "evpoll", "lists", "32 x 4 KiB, cached", 0),
    ("..., past the cache, wall time", 0.40, "evpoll/wall", "lists", "32 x 4 KiB, O_DIRECT", 0),
    ("durable appends of 64 writers, against group commit by hand", 1.0,
     "evpoll/group commit by hand", "appends", "64 *", 7),
    ("bytes of user memory for a registration", 32, "evpoll", "memory", "*", 0),
]
SERVERS = {"1 KiB": 1.0, "64 KiB": 1.0, "10 MiB": 1.1}


def load(folder):
    with open(folder + "/bench.json", encoding="utf-8") as f:
        results = json.load(f)
    for row in results["rows"]:
        if "noise" in row:
            row["noise"] = max(row["noise"], BETWEEN_RUNS)
    return results


def figures(row, wanted):
    """The figure of "name", "name/wall", "name/other name"; the least of several between "|"."""
    found = []
    for choice in wanted.split("|"):
        name, _, over = choice.partition("/")
        own = row["contenders"].get(name)
        if own:
            other = row["contenders"].get(over)
            found.append(own["wall"] if over == "wall" else own["cpu"] / other["cpu"] if other else
                         own.get("cpu", own.get("value")))
    return min(found, default=None)


def targets(folder):
    """A row for each target: the worst figure of its rows, and their noise."""
    lines = ["| | target | reached | noise | |", "|---|---:|---:|---:|---|"]
    measured = load(folder)["rows"]

    def put(said, bound, found, noise, why):
        met = max(found) <= bound if bound > 0 else min(found) >= -bound
        near = (max(found) - bound if bound > 0 else -bound - min(found)) <= noise * abs(bound)
        low, high = f"{min(found):.2f}", f"{max(found):.2f}"
        lines.append(f"| {said} | {'≤' if bound > 0 else '≥'} {abs(bound):.2f} | "
                     f"{low if low == high else low + '–' + high} | {f'±{noise:.2f}' if noise else ''} | "
                     + ("" if met else "within the noise" if near else "missed")
                     + (f": see {why}" if why and not met else "") + " |")

    for said, bound, wanted, group, patterns, why in TARGETS:
        rows = [row for row in measured if row["group"] == group
                and any(fnmatch(row["row"], pattern) for pattern in patterns.split("|"))]
        found = [figure for row in rows if (figure := figures(row, wanted)) is not None]
        if found:
            put(said, bound, found, max(row.get("noise", 0) for row in rows), why)
    try:
        with open(folder + "/servers.json", encoding="utf-8") as f:
            served = {(row["size"], row["server"]): row["per_cpu"] for row in json.load(f)["files"]}
    except FileNotFoundError:
        served = {}
    for size, bound in SERVERS.items():
        if (size, "nginx") in served:
            put(f"evpoll-serve, requests per CPU second, against nginx, {size}", -bound,
                [served[size, "evpoll-serve"] / served[size, "nginx"]], 0, 8)
    if ("10 MiB", "nginx, sendfile") in served:
        put("..., against nginx with sendfile, 10 MiB", -1.0,
            [served["10 MiB", "evpoll-serve"] / served["10 MiB", "nginx, sendfile"]], 0, 8)
    return "\n".join(lines) + "\n"


def between(text, begin, end, new):
    before, _, rest = text.partition(begin)
    _, marker, after = rest.partition(end)
    if not marker:
        sys.exit("README.md has no markers")
    return before + begin + "\n" + new + "\n" + end + after


def readme(folder, paths):
    tables = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            tables.append(f.read().strip() + "\n")
    with open(README, encoding="utf-8") as f:
        text = f.read()
    text = between(text, *TARGET_MARKS, targets(folder))
    text = between(text, *MEASURED_MARKS, "\n".join(tables))
    with open(README, "w", encoding="utf-8") as f:
        f.write(text)
    os.makedirs(PICTURES, exist_ok=True)
    plots.draw(PICTURES, load(folder)["rows"])


def finite(figures):
    return all(math.isfinite(value) and (value >= 0 or key == "p99")
               for key, value in figures.items())


def check(folder):
    results = load(folder)
    rows, allowed = results["rows"], results["left_out"]
    passed, wrong = 0, []
    for group, count in ROWS.items():
        missing = max(0, count - sum(row["group"] == group for row in rows))
        wrong += [f"{group}: a row did not run"] * max(0, missing - allowed)
        allowed -= min(missing, allowed)
    for row in rows:
        name = f"{row['group']}: {row['row']}"
        figures = [f for f in row["contenders"].values() if f]
        ours = [f for column, f in row["contenders"].items() if column.startswith("evpoll")]
        if not ours or None in ours and row["group"] != "readiness":
            wrong.append(name + ": no figure of evpoll")
        elif not all(finite(f) for f in figures):
            wrong.append(name + ": a figure is no number")
        else:
            passed += 1
    for line in wrong:
        print("FAILED bench", line, file=sys.stderr)
    print(f"{passed} passed, {len(wrong)} failed")
    sys.exit(1 if wrong else 0)


def compare(folder, before):
    """Ratios that differ between two runs by more than both claim as noise."""
    old = {(row["group"], row["row"]): row for row in load(before)["rows"] if "noise" in row}
    count, far = 0, []
    for row in load(folder)["rows"]:
        then = old.get((row["group"], row["row"]))
        for name, figure in row["contenders"].items() if then else ():
            was = then["contenders"].get(name)
            if not figure or not was or name == "itself":
                continue
            count += 1
            if abs(math.log(figure["cpu"] / was["cpu"])) > row["noise"] + then["noise"]:
                far.append(f"{row['group']}: {row['row']}, {name}: {was['cpu']:.2f} then, "
                           f"{figure['cpu']:.2f} now, noise {then['noise']:.2f} and {row['noise']:.2f}")
    print("\n".join(far + [f"{count - len(far)} of {count} ratios differ by less than the noise"]))


def main():
    verb, folder, *rest = sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__)
    if verb == "plots":
        plots.draw(folder, load(folder)["rows"])
    elif verb == "targets":
        print(targets(folder))
    elif verb == "readme":
        readme(folder, rest)
    elif verb == "compare":
        compare(folder, *rest)
    elif verb == "check":
        check(folder)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
