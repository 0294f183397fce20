#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A check that never fails proves nothing: breaks the contract in every way that one is there for,
in copies, and demands that the right check says so and names the culprit."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from breaks import BREAKS
from contract_copy import ROOT, Copy  # also finds gen/ for the imports that follow

import check_abi
from abi import update

problems = []


def expect(name, found, culprit):
    """`found` are complaints; `culprit` is what one of them has to match, None for none at all."""
    text = " ".join(" ".join(found).split())
    if culprit is None and found:
        problems.append(f"{name}: complains without a reason: {text}")
    elif culprit is not None and not re.search(culprit, text):
        problems.append(f'{name}: nothing says "{culprit}", but: {text or "silence"}')


def run(copy, *checks):
    tree = copy.tree()
    return [text for check in checks or check_abi.USUAL
            for text in check_abi.complaints(check_abi.CHECKS[check], tree)]


def copies(folder):
    """Fresh copies, each in a folder of its own."""
    number = 0
    while True:
        number += 1
        yield Copy(pathlib.Path(folder) / str(number))


def try_breaks(fresh):
    whole = next(fresh)
    whole.build()
    expect("the contract as it is", run(whole), None)
    for each in BREAKS:
        copy = next(fresh)
        copy.build_folder = whole.build_folder
        each.change(copy)
        if each.builds:
            copy.build_folder = copy.source / "build"
            {"so": copy.build, "dll": copy.build_dll}[each.builds]()
        expect(f"{each.check}: {each.name}", run(copy, each.check), each.culprit)


SCRIPT_BREAKS = [
    ("a comment behind an export", "@9$", "@9 ; why", "behind an export breaks GNU ld"),
    ("the same name twice", "^evpoll_close @9$", "evpoll_open @9", "evpoll_open is exported twice"),
    ("the same ordinal twice", "@9$", "@8", "evpoll_close @8: the ordinal is taken"),
    ("a gap", "^evpoll_close @9\n", "", "evpoll_stats @10: a gap, the next ordinal is 9"),
    ("no ordinal", "^evpoll_close @9$", "evpoll_close", '"evpoll_close": expected'),
    ("a word behind the ordinal", "@9$", "@9 NONAME", '"evpoll_close @9 NONAME": expected'),
    ("another library", "^LIBRARY evpoll$", "LIBRARY other", '"LIBRARY other": expected'),
    ("another node", "^;@ EVPOLL_1.0$", ";@ OTHER", '";@ OTHER": a version node is'),
    ("no node", "^;@ EVPOLL_1.0\n", "", "before the first version node"),
    ("a node without exports", "^;@ EVPOLL_1.0$", ";@ EVPOLL_0.9\n;@ EVPOLL_1.0", "0.9 has no exp"),
    ("a node twice", "^evpoll_close @9$", ";@ EVPOLL_1.0\nevpoll_close @9", "opened twice"),
]


def try_version_script(fresh):
    for name, old, new, culprit in SCRIPT_BREAKS:
        copy = next(fresh)
        copy.exports(old, new)
        code, text = copy.version_script()
        expect(f"version script: {name}", [text] if code else [], culprit)
    copy = next(fresh)
    old, new = grow(copy)
    _, text = copy.version_script()
    expect("version script: a node inherits from the one before it", [" ".join(text.split())],
           rf"EVPOLL_{new} {{ global: evpoll_new; local: \*; }} EVPOLL_{old};$")


def grow(copy):
    """A proper next version: a function, a constant, and a field at the end. Returns the versions.
    """
    tree = copy.tree()
    major, minor, _ = (int(part) for part in tree.project_version.split("."))
    copy.edit("CMakeLists.txt", r"evpoll VERSION [0-9.]+", f"evpoll VERSION {major}.{minor + 1}.0")
    copy.header(r"EVPOLL_VERSION_MINOR \d+", f"EVPOLL_VERSION_MINOR {minor + 1}")
    copy.header(r"EVPOLL_VERSION_PATCH \d+", "EVPOLL_VERSION_PATCH 0")
    copy.header(r"EVPOLL_VERSION 0x\w+", f"EVPOLL_VERSION {major * 65536 + (minor + 1) * 256}")
    copy.header(r"^(?=#define EVPOLL_WAKE )", "#define EVPOLL_NEW 0x4000\n")
    copy.header(r"^(?=\};\n\n/\*\* What this poller)", "  uint64_t more;\n")
    copy.header(r"^(?=/\* ---- about)",
                "/**\n * Does something new.\n *\n * @return 0.\n * @owns nothing\n"
                f" * @threads any\n * @blocks no\n * @since {major}.{minor + 1}\n"
                " * @platform all\n */\n"
                "EVPOLL_API int32_t evpoll_new(void);\n")
    with open(copy.source / "evpoll.def", "a", encoding="utf-8") as out:
        out.write(f";@ EVPOLL_{major}.{minor + 1}\nevpoll_new @{len(tree.exports) + 1}\n")
    return f"{major}.{minor}", f"{major}.{minor + 1}"


def try_versions(fresh):
    copy = next(fresh)
    old, new = grow(copy)
    copy.build()
    expect("next version: not recorded yet", run(copy, "released"), f"nothing for version {new}")
    before = snapshot(copy)
    expect("next version: recorded", update.update(copy.tree(), False), None)
    after = snapshot(copy)
    for name in before:
        if f"evpoll-{old}." in name and before[name] != after[name]:
            problems.append(f"--update for {new} rewrote {name}")
    expect("next version: everything older goes on working", run(copy), None)

    copy.header(r"^  uint64_t op;     /\*\*< 0 for", "  int64_t op;      /**< 0 for")
    copy.build()
    expect("next version: an incompatible field", update.update(copy.tree(), False),
           "evpoll_event.op was")
    update.update(copy.tree(), True)
    expect("next version: the older dump stays", run(copy, "dump"),
           f"differs from evpoll {old}.*evpoll_event")


def snapshot(copy):
    return {path.name: path.read_text() for path in (copy.source / "abi/baseline").iterdir()}


def try_without_tools(fresh):
    copy = next(fresh)
    copy.build()
    path, os.environ["PATH"] = os.environ["PATH"], "/nowhere"
    for check, package in (("documentation", "clang-14"), ("compile", "gcc"), ("glibc", "binutils"),
                           ("constants", "gcc"), ("exports", "binutils"), ("dump", "binutils")):
        expect(f"{check}: a missing tool", run(copy, check), f"missing.*apt-get install {package}")
    os.environ["PATH"] = path


def script(*command, by="sh"):
    done = subprocess.run([by, *command], capture_output=True, text=True, check=False)
    return [done.stdout + done.stderr] if done.returncode else []


def try_scripts(fresh):
    copy = next(fresh)
    shutil.copytree(ROOT / "gen", copy.source / "gen")
    shutil.copytree(ROOT / "bindings/c", copy.source / "bindings/c")
    shutil.copy(ROOT / "README.md", copy.source)

    def reference():
        return script(copy.source / "gen/reference.py", copy.source / "reference", by=sys.executable)

    expect("reference: as it is", reference(), None)
    copy.header("@return 0 when new", "@retrn 0 when new")
    expect("reference: an unknown command", reference(), "retrn")

    consumer = ROOT / "tests/consumer"
    empty = copy.source / "prefix"
    (empty / "lib").mkdir(parents=True)
    expect("manifest: nothing is installed", script(consumer / "manifest.sh", ROOT, empty, "lib",
                                                    "doc", "man"), "< include/evpoll.h")
    expect("man: nothing is installed", script(consumer / "man.sh", ROOT, empty / "man"), "no page evpoll_version")
    expect("consumer: no package", script(consumer / "try.sh", "pkg-config-shared", empty / "lib",
                                          copy.source / "work"), "evpoll was not found|No package .evpoll")


def main():
    with tempfile.TemporaryDirectory(prefix="evpoll-abi-") as folder:
        fresh = copies(folder)
        try_breaks(fresh)
        try_version_script(fresh)
        try_versions(fresh)
        try_scripts(fresh)
        try_without_tools(fresh)
    for problem in problems:
        print(f"checks_fail: {problem}", file=sys.stderr)
    if not problems:
        print(f"abi: {len(BREAKS) + len(SCRIPT_BREAKS)} ways to break it, each of them found")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
