# SPDX-License-Identifier: MIT
"""What each released version gave to its users, kept so that their binaries go on working:
evpoll-X.Y.symbols (the exports), evpoll-X.Y.h (the declarations, to compile the old test program
with) and evpoll-X.Y.abi (see dump.py)."""
import re

from abi import exports, tool
from abi.rules import VERSIONS

HEAD = ("/* SPDX-License-Identifier: MIT */\n/* The declarations of evpoll.h {version}. */\n"
        "/* clang-format off */\n")


def declarations(tree):
    """evpoll.h without its comments."""
    code = re.sub(r"/\*.*?\*/", "", tree.header.text, flags=re.S)
    lines = [line.rstrip() for line in code.splitlines() if line.strip()]
    return HEAD.format(version=tree.version) + "\n".join(lines) + "\n"


def check(tree):
    versions = tree.released()
    if tree.version not in versions:
        raise tool.Failure(f"abi/baseline has nothing for version {tree.version}: run "
                           "gen/check_abi.py BUILD --update")
    for version in versions:
        path = tree.baseline / f"evpoll-{version}.symbols"
        yield from gone(version, exports.read_symbols(path), tree.exports)
        if not path.with_suffix(".h").exists():
            yield f"{path.with_suffix('.h')} is missing: run gen/check_abi.py BUILD --update"
    yield from check_current(tree)


def gone(version, old, new):
    for name, export in old.items():
        if name not in new:
            yield f"{name} is no longer in evpoll.def, but programs of evpoll {version} need it"
        elif new[name] != export:
            yield f"evpoll.def has {new[name]}; in evpoll {version} it was {export}: never renumber"


def check_current(tree):
    base = tree.baseline / f"evpoll-{tree.version}"
    old = exports.read_symbols(base.with_name(base.name + ".symbols"))
    for name in tree.exports:
        if name not in old:
            yield f"{name} is new: record it in the baseline (--update)"
    header = base.with_name(base.name + ".h")
    if header.exists():
        yield from differing(header, declarations(tree))


def differing(path, new):
    old = lines_of(path.read_text())
    new = lines_of(new)
    for line in old:
        if line not in new:
            yield f'"{line}" is gone or changed since it was recorded in {path.name} (--update)'
    for line in new:
        if line not in old:
            yield f'"{line}" is not in {path.name}: record it (--update)'
    if sorted(old) == sorted(new) and old != new:
        yield f"evpoll.h declares in another order than {path.name}: record it (--update)"


def lines_of(text):
    """Versions change with every release and are held to CMakeLists.txt instead."""
    return [line for line in text.splitlines()
            if not any(line.startswith(f"#define {name} ") for name in VERSIONS)]
