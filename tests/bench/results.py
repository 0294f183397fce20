#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is done with the bench's results.

    results.py plots FOLDER               SVGs of cost over N and over depth, of FOLDER/bench.json
    results.py readme FOLDER MARKDOWN...  puts the tables between the markers of README.md
    results.py check FOLDER               each row ran and has figures; says "N passed, N failed"
"""
import json
import math
import os
import subprocess
import sys

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
# Rows of each group, and contenders that have a figure in each of them.
ROWS = {"readiness": 6, "oneshot": 6, "add": 3, "modify": 3, "remove": 3, "calls": 6, "threads": 5, "memory": 1,
        "cached": 3, "direct": 3, "files": 1, "lists": 2, "mixed": 4, "operations": 2, "echo": 6,
        "accepts": 2, "timers": 4, "appends": 2, "neighbours": 5, "delays": 4, "wakes": 1}
PLOTS = {  # file: title, group, rows, the x axis, figure, scale of y
    "ring": ("one event of the ring", "readiness", "ring", "sockets", "cpu", ""),
    "add": ("adding one descriptor", "add", "add", "descriptors", "cpu", ""),
    "cached": ("4 KiB from the cache", "cached", "read", "depth", "cpu", "y"),
    "direct": ("4 KiB by O_DIRECT", "direct", "read", "depth", "cpu", "y"),
    "direct-wall": ("4 KiB by O_DIRECT", "direct", "read", "depth", "wall", "y"),
}


def load(folder):
    with open(folder + "/bench.json", encoding="utf-8") as f:
        return json.load(f)


def curves(rows, figure):
    """name: [(x, ns)]. A contender's is the baseline's times the ratio, which is the steadier."""
    found = {}
    for row in rows:
        base = row["baseline"]
        for name, ratios in ({base["name"]: {figure: 1}} | row["contenders"]).items():
            if ratios and name != "itself":
                found.setdefault(name, []).append((row["x"], base[figure + "_ns"] * ratios[figure]))
    return found


def plot(folder, name, rows):
    title, _, _, x, figure, log = PLOTS[name]
    lines = curves(rows, figure)
    ticks = ", ".join(f"'{row['x']:g}' {row['x']}" for row in rows)
    script = ["set terminal svg noenhanced size 800,500 font 'sans,13' background 'white'",
              f"set output '{folder}/{name}.svg'", f"set logscale x{log}", "set grid",
              f"set xtics ({ticks})", f"set xlabel '{x}'",
              f"set ylabel 'ns, {'CPU' if figure == 'cpu' else 'wall'}'",
              "" if log else "set yrange [0:]", f"set title '{title}'", "set key outside right"]
    for i, points in enumerate(lines.values()):
        script += [f"$d{i} << EOD", *(f"{at} {ns}" for at, ns in points), "EOD"]
    script.append("plot " + ", ".join(f"$d{i} with linespoints lw 2 title '{line}'"
                                      for i, line in enumerate(lines)))
    subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True)


def plots(folder):
    rows = load(folder)["rows"]
    for name, (_, group, prefix, *_) in PLOTS.items():
        chosen = [row for row in rows if row["group"] == group and row["row"].startswith(prefix)]
        if chosen:
            plot(folder, name, chosen)


def readme(paths):
    with open(README, encoding="utf-8") as f:
        text = f.read()
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        sys.exit("README.md has no markers")
    tables = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            tables.append(f.read().strip() + "\n")
    with open(README, "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n" + "\n".join(tables) + "\n" + END + after)


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


def main():
    verb, folder, *rest = sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__)
    if verb == "plots":
        plots(folder)
    elif verb == "readme":
        readme(rest)
    elif verb == "check":
        check(folder)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
