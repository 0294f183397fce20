#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is done with the bench's results.

    results.py plots FOLDER               SVGs of cost over N and over depth, of FOLDER/bench.json
    results.py readme FOLDER MARKDOWN...  puts the tables between the markers of README.md
    results.py check FOLDER               each row ran, and has figures; ends with "N passed, N failed"
"""
import json
import math
import os
import subprocess
import sys

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
# Rows of each group, and contenders that have a figure in each of them.
ROWS = {"readiness": 6, "oneshot": 6, "add": 3, "modify": 3, "remove": 3, "calls": 6, "memory": 1,
        "cached": 3, "direct": 3, "files": 1, "lists": 2, "mixed": 4, "wakes": 1}
PLOTS = {  # file: title, groups, what is on the x axis
    "ring": ("one event of the ring", "readiness", "sockets", lambda row: row.startswith("ring")),
    "add": ("adding one descriptor", "add", "descriptors", lambda row: True),
    "cached": ("one block of 4 KiB from the cache", "cached", "depth", lambda row: True),
    "direct": ("one block of 4 KiB by O_DIRECT", "direct", "depth", lambda row: True),
}


def load(folder):
    with open(folder + "/bench.json", encoding="utf-8") as f:
        return json.load(f)


def curves(rows):
    """name: [(x, ns)]; the baseline among them."""
    found = {}
    for row in rows:
        points = {row["baseline"]["name"]: row["baseline"]} | row["contenders"]
        for name, figures in points.items():
            if figures and name != "itself":
                found.setdefault(name, []).append((row["x"], figures))
    return found


def plot(folder, name, kind, rows):
    title, _, x, _ = PLOTS[name]
    script = [f"set terminal svg size 800,500 font 'sans,13' background 'white'",
              f"set output '{folder}/{name}-{kind}.svg'", "set logscale xy", "set grid",
              f"set xlabel '{x}'", f"set ylabel 'ns, {'CPU' if kind == 'cpu' else 'wall'}'",
              f"set title '{title}'", "set key outside right"]
    lines = curves(rows)
    for i, points in enumerate(lines.values()):
        script.append(f"$d{i} << EOD")
        script += [f"{at} {figures[kind + '_ns']}" for at, figures in sorted(points, key=lambda p: p[0])]
        script.append("EOD")
    script.append("plot " + ", ".join(f"$d{i} with linespoints lw 2 title '{line}'"
                                      for i, line in enumerate(lines)))
    subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True)


def plots(folder):
    rows = load(folder)["rows"]
    for name, (_, group, _, wanted) in PLOTS.items():
        chosen = [row for row in rows if row["group"] == group and wanted(row["row"])]
        for kind in ["cpu", "wall"] if group == "direct" else ["cpu"]:
            if chosen:
                plot(folder, name, kind, chosen)


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
    return all(isinstance(value, float) and math.isfinite(value) and (value >= 0 or key == "p99")
               for key, value in ((key, float(value)) for key, value in figures.items()))


def check(folder):
    rows = load(folder)["rows"]
    passed, wrong = 0, []
    for group, count in ROWS.items():
        ran = sum(row["group"] == group for row in rows)
        wrong += [f"{group}: a row did not run"] * max(0, count - ran)
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
