# SPDX-License-Identifier: MIT
"""The Windows library: the same names as everywhere, by name and by ordinal."""
import re

from abi import tool

DLL = "evpoll.dll"
# What every Windows has. The runtime of a compiler would have to be shipped along.
SYSTEM = re.compile(r"(kernel32|ntdll|ws2_32|iphlpapi|msvcrt|ucrtbase|api-ms-win-[-a-z0-9]+)\.dll", re.I)


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
            yield f"{DLL} needs {name}, which Windows does not have: link it statically"


def exported_ordinals(dump):
    """name -> ordinal, from the tables of objdump -p."""
    table = dump.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    base = re.search(r"Ordinal Base (\d+)", dump)
    found = re.findall(r"\[\s*(\d+)\] (\w+)", table)
    return {name: int(index) + int(base[1]) for index, name in found}
