#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the library's instructions, by callgrind, and holds them to what was reached.

    instructions.py PROGRAM              prints a table
    instructions.py PROGRAM --check      fails where one is more than 2 % above instructions.txt
    instructions.py PROGRAM --update     writes instructions.txt

What is counted is what runs in the library in user space between a call and its return, the C
library's part included, and the kernel's not. Two runs of different length are subtracted, so that
what happens once does not count. Reads depend on the file system and on what serves files: they are
shown, and held to nothing. Another compiler writes other code: then --check says so and
compares nothing (exit code 77)."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.txt")
FEW, MANY = 200, 1200
ALLOWED = 1.02


def instructions(program, scenario, rounds, folder):
    command = ["valgrind", "--tool=callgrind", "--toggle-collect=evpoll_*",
               f"--callgrind-out-file={folder}/out", program, scenario, str(rounds), folder + "/file"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{scenario}: {done.stderr}")
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def measure(program):
    names = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as folder:
        return {name: (instructions(program, name, MANY, folder) -
                       instructions(program, name, FEW, folder)) / (MANY - FEW) for name in names}


def compiler(program):
    text = subprocess.run(["readelf", "-p", ".comment", program], capture_output=True, text=True)
    return next(iter(re.findall(r"GCC: .*", text.stdout)), "another compiler")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    made_by = compiler(options.program)
    with open(BASELINE, encoding="utf-8") as f:
        head, *lines = [line.rstrip("\n") for line in f if not line.startswith("#")]
    if options.check and made_by != head:
        print(f"[   GATE   ] instructions closed: counted with {head}, this is {made_by}")
        sys.exit(77)
    reached = {name: float(count) for name, count in (line.split() for line in lines)}
    found = measure(options.program)
    worse = 0
    for name, count in found.items():
        above = count / reached.get(name, count) if reached.get(name) else 1
        bad = above > ALLOWED and not name.startswith("read")
        worse += bad
        print(f"{name:34} {count:9.1f} {above:7.3f}" + ("  MORE THAN 2 %" if bad else ""))
    if options.update:
        with open(BASELINE, "w", encoding="utf-8") as f:
            f.write("# Instructions of a round in user space: instructions.py. The compiler, then:\n")
            f.write(made_by + "\n" + "".join(f"{n} {c:.1f}\n" for n, c in found.items()))
    sys.exit(1 if options.check and worse else 0)


if __name__ == "__main__":
    main()
