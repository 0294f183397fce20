# SPDX-License-Identifier: MIT
"""The Windows library: the same names as everywhere, by name and by ordinal."""
import re
import struct

from abi import tool

DLL = "evpoll.dll"
# What every Windows since 10 has. The runtime of a compiler would have to be shipped along, and
# msvcrt is for Windows' own programs.
SYSTEM = re.compile(r"(kernel32|advapi32|ntdll|ws2_32|iphlpapi|ucrtbase|api-ms-win-[-a-z0-9]+)\.dll", re.I)
HEADER = {"MajorSubsystemVersion": "10", "MinorSubsystemVersion": "0"}
PROTECTION = ("HIGH_ENTROPY_VA", "DYNAMIC_BASE", "NX_COMPAT")


def check(tree):
    dump = tool.output("objdump", "-p", tree.built(DLL))
    exported = exported_ordinals(dump)
    for name, ordinal in sorted(exported.items()):
        if name not in tree.exports:
            yield f"{DLL} exports {name}, which is not in evpoll.def: hide it, or add it there"
        elif ordinal != tree.exports[name].ordinal:
            yield f"{DLL} exports {name} @{ordinal}; evpoll.def says @{tree.exports[name].ordinal}"
    for name in sorted(set(tree.exports) - set(exported)):
        yield f"{name} is in evpoll.def but {DLL} does not export it"
    for line in re.findall(r"^Name\s+\w+\s+(\S+)$", dump, re.M)[:1]:
        if line != DLL:
            yield f"{DLL} calls itself {line}: LIBRARY evpoll in evpoll.def names it"
    for name in re.findall(r"DLL Name: (\S+)", dump):
        if not SYSTEM.fullmatch(name):
            yield f"{DLL} needs {name}, which is no library for programs on every Windows 10"
    for field, value in HEADER.items():
        if not re.search(rf"^{field}\s+{value}$", dump, re.M):
            yield f"{DLL}: {field} is not {value}: it is for Windows 10"
    for name in PROTECTION:
        if not re.search(rf"^\s+{name}$", dump, re.M):
            yield f"{DLL} is linked without {name}"
    if stamps(tree.built(DLL), dump) != {0}:
        yield f"{DLL} holds the time when it was linked: two builds of one source differ"


def stamps(path, dump):
    """The times in the file's header and in its export table, which objdump writes otherwise."""
    image = open(path, "rb").read()
    header = struct.unpack_from("<I", image, 0x3C)[0]
    found = re.findall(r"^Time/Date stamp\s+(\w+)$", dump, re.M)
    return {struct.unpack_from("<I", image, header + 8)[0]} | {int(text, 16) for text in found}


def exported_ordinals(dump):
    """name -> ordinal, from the tables of objdump -p."""
    table = dump.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    base = re.search(r"Ordinal Base (\d+)", dump)
    found = re.findall(r"\[\s*(\d+)\] (\w+)", table)
    return {name: int(index) + int(base[1]) for index, name in found}
