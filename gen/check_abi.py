#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds evpoll.h, evpoll.def, the built library and abi/baseline together.

  gen/check_abi.py BUILD [CHECK ...]   all checks, or those that are named; silent but for one line
  gen/check_abi.py BUILD dll           the Windows library of a build for Windows
  gen/check_abi.py BUILD --update      rewrites the baseline after a compatible change
"""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True  # the tree is left as it was

from abi import baseline, compilers, documentation, dump, elf, pe, released, rules, update
from abi.tool import Failure
from abi.tree import Tree

CHECKS = {
    "rules": rules.check,
    "documentation": documentation.check,
    "compile": compilers.check,
    "constants": baseline.check_constants,
    "layout": baseline.check_layout,
    "exports": elf.check_exports,
    "glibc": elf.check_glibc,
    "released": released.check,
    "dump": dump.check,
    "dll": pe.check,
}
# A build folder is for one system; the others' libraries are checked where they are asked for.
USUAL = [name for name in CHECKS if name != "dll"]


def complaints(check, tree):
    try:
        yield from check(tree)
    except Failure as failure:
        yield str(failure)


def parse():
    source = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", help="the build folder")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    parser.add_argument("--source", default=source, help="the source tree")
    parser.add_argument("--update", action="store_true", help="rewrite the baseline")
    parser.add_argument("--break", dest="may_break", action="store_true",
                        help="with --update: also after an incompatible change")
    options = parser.parse_args()
    for name in options.checks:
        if name not in CHECKS:
            parser.error(f"no check {name}: there are {', '.join(CHECKS)}")
    return options


def main():
    options = parse()
    tree = Tree(options.source, options.build)
    if options.update:
        found = [("update", text) for text in
                 complaints(lambda tree: update.update(tree, options.may_break), tree)]
    else:
        found = [(name, text) for name in options.checks or USUAL
                 for text in complaints(CHECKS[name], tree)]
    for name, text in found:
        print(f"abi/{name}: {text}", file=sys.stderr)
    if not found:
        print(summary(tree, options))
    return 1 if found else 0


def summary(tree, options):
    if options.update:
        return f"abi: the baseline of version {tree.version} is written"
    text = f"abi: {len(options.checks or USUAL)} checks, {len(tree.exports)} exports"
    if not options.checks or "glibc" in options.checks:
        text += f", glibc >= {elf.glibc_floor(tree)}"
    return text


if __name__ == "__main__":
    sys.exit(main())
