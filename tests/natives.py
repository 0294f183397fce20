#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""natives.py PACKAGE RUNTIME-ID...: a package has a native library for each of these systems and for no
other, for that processor, which exports the functions that it should, all of them and no other, and
is hardened as far as that system goes (hardened.py). An archive of the C library is for one."""
import pathlib
import re
import shutil
import sys
import tempfile
import zipfile

import hardened
from hardened import tool

ROOT = pathlib.Path(__file__).resolve().parent.parent
FORMATS = {"linux": "elf64", "linux-musl": "elf64", "win": "COFF", "osx": "Mach-O"}
PROCESSORS = {"x64": r"x86-64|x86_64", "arm64": r"aarch64|arm64"}


def expected(jni):
    if jni:
        wrappers = (ROOT / "bindings/java/generated/evpoll_jni.c").read_text()
        return set(re.findall(r"\bJNICALL (Java_\w+)\(", wrappers))
    listed = (ROOT / "evpoll.def").read_text()
    return set(re.findall(r"^(evpoll_\w+) @", listed, re.M))


def exports(kind, path):
    if kind == "COFF":
        return set(re.findall(r"^ +Name: (\w+)$", tool("readobj", "--coff-exports", path), re.M))
    if kind == "Mach-O":  # which has a "_" before each name; the linker's own have more
        trie = tool("objdump", "--macho", "--exports-trie", path)
        return set(re.findall(r"^0x\w+ +_([A-Za-z]\w*)$", trie, re.M))
    listing = tool("nm", "--extern-only", "--defined-only", "--dynamic", path)
    return set(re.findall(r"^[0-9a-f]+ [B-Z] (\w+)", listing, re.M))  # A is a version's node


def faults(kind, processor, jni, path):
    made = re.search(r"^Format: (.*)", tool("readobj", "--file-headers", path), re.M)[1]
    if not re.fullmatch(f"{kind}.*({PROCESSORS[processor]}).*", made, re.I):
        yield f"it is {made}"
    have, want = exports(kind, path), expected(jni)
    if have != want or not want:
        yield f"it lacks {sorted(want - have)} and exports {sorted(have - want)} besides"
    yield from hardened.faults(path)


def archive(package, runtimes):
    """What is wrong with an archive of the C library."""
    system, processor = runtimes[0].rsplit("-", 1)
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(package, folder)
        files = [f for f in pathlib.Path(folder).rglob("*") if f.is_file() and not f.is_symlink()]
        for name in ("evpoll.h", "LICENSE", "evpoll.spdx.json", "evpoll.pc", "evpollConfig.cmake"):
            if name not in [f.name for f in files]:
                yield f"it has no {name}"
        natives = [f for f in files if re.search(r"\.(so[.\d]*|dylib|dll)$", f.name)]
        if len(natives) != 1:
            yield f"its natives are {[f.name for f in natives]}"
        for native in natives:
            yield from faults(FORMATS[system], processor, False, str(native))


def package_of_language(package, runtimes):
    with zipfile.ZipFile(package) as files, tempfile.TemporaryDirectory() as folder:
        natives = [name for name in files.namelist() if re.search(r"\.(so|dylib|dll)$", name)
                   and not name.startswith("lib/")]
        found = {}
        for name in natives:
            place = re.fullmatch(r"(?:runtimes/([-\w]+)/native|META-INF/native/([-\w]+))/([\w.]+)", name)
            if not place or (place[1] or place[2]) in found:
                yield f"{name} is in a place of its own"
            else:
                found[place[1] or place[2]] = name
        if set(found) != set(runtimes):
            yield f"has natives for {sorted(found)}, not for {sorted(runtimes)}"
        for runtime, name in found.items():
            system, processor = runtime.rsplit("-", 1)
            path = files.extract(name, folder)
            for fault in faults(FORMATS[system], processor, "_jni" in name, path):
                yield f"{name}: {fault}"


def main(package, runtimes):
    check = package_of_language if package.endswith((".jar", ".nupkg")) else archive
    bad = list(check(package, runtimes))
    for line in bad:
        print(f"{package}: {line}", file=sys.stderr)
    return bool(bad)


sys.exit(main(sys.argv[1], sys.argv[2:]))
