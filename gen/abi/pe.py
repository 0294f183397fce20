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


GUARDED = "GUARD_CF"  # what a linker for MSVC gives besides
LIBRARIES = ("evpoll.lib", "libevpoll.dll.a")
REPRO = 16  # IMAGE_DEBUG_TYPE_REPRO: times are the contents' hash


def check(tree):
    path = tree.built(DLL)
    dump = tool.output("llvm-objdump-14", "-p", path)
    exported = exported_ordinals(dump)
    for name, ordinal in sorted(exported.items()):
        if name not in tree.exports:
            yield f"{DLL} exports {name}, which is not in evpoll.def: hide it, or add it there"
        elif ordinal != tree.exports[name].ordinal:
            yield f"{DLL} exports {name} @{ordinal}; evpoll.def says @{tree.exports[name].ordinal}"
    for name in sorted(set(tree.exports) - set(exported)):
        yield f"{name} is in evpoll.def but {DLL} does not export it"
    for line in re.findall(r"^ DLL name: (\S+)$", dump, re.M):
        if line != DLL:
            yield f"{DLL} calls itself {line}: LIBRARY evpoll in evpoll.def names it"
    for name in re.findall(r"DLL Name: (\S+)", dump):
        if not SYSTEM.fullmatch(name):
            yield f"{DLL} needs {name}, which is no library for programs on every Windows 10"
    for field, value in HEADER.items():
        if not re.search(rf"^{field}\s+{value}$", dump, re.M):
            yield f"{DLL}: {field} is not {value}: it is for Windows 10"
    image = Image(path.read_bytes())
    msvc = (path.parent.parent / "lib/evpoll_static.lib").exists()
    for name in PROTECTION + ((GUARDED,) if msvc else ()):
        if not re.search(rf"^\s+{name}$", dump, re.M):
            yield f"{DLL} is linked without {name}"
    if msvc and not image.guarded_calls():
        yield f"{DLL} is linked without a table of what calls may go to"
    if REPRO not in image.debug_types() and image.stamps() != {0}:
        yield f"{DLL} holds the time when it was linked: two builds of one source differ"
    yield from import_libraries(tree, image.machine)


class Image:
    """The few fields of a PE32+ file that no dump shows."""

    def __init__(self, data):
        self.data = data
        self.header = self.word("<I", 0x3C)
        self.machine = self.word("<H", self.header + 4)
        self.optional = self.header + 24
        sections = self.optional + self.word("<H", self.header + 20)
        self.sections = [struct.unpack_from("<IIII", data, sections + 40 * index + 8)
                         for index in range(self.word("<H", self.header + 6))]

    def word(self, form, offset):
        return struct.unpack_from(form, self.data, offset)[0]

    def directory(self, index):
        """Where it is in the file, or None, and its size."""
        address, size = struct.unpack_from("<II", self.data, self.optional + 112 + 8 * index)
        for room, start, length, place in self.sections:
            if size and start <= address < start + max(room, length):
                return address - start + place, size
        return None, 0

    def stamps(self):
        """The times in the file's header and in its export table."""
        exports, _ = self.directory(0)
        return {self.word("<I", place + 4) for place in (self.header + 4, exports) if place}

    def debug_types(self):
        entries, size = self.directory(6)
        return {self.word("<I", entries + offset + 12) for offset in range(0, size, 28)}

    def guarded_calls(self):
        """How many functions Control Flow Guard lets indirect calls go to."""
        config, _ = self.directory(10)
        return 0 if config is None else self.word("<Q", config + 136)


def import_libraries(tree, machine):
    """Each member of an archive is for the machine that the DLL is for."""
    for name in LIBRARIES:
        path = tree.build / "lib" / name
        if not path.exists():
            continue
        for member in members(path.read_bytes()):
            first, second, _, short = struct.unpack_from("<HHHH", member)
            found = short if (first, second) == (0, 0xFFFF) else first
            if found != machine:
                yield f"{name} is for machine 0x{found:x}, {DLL} for 0x{machine:x}"
                break


def members(archive):
    """The objects of an archive, not its tables."""
    offset = len(b"!<arch>\n")
    while offset < len(archive):
        name = archive[offset:offset + 16].strip()
        size = int(archive[offset + 48:offset + 58])
        if name not in (b"/", b"//"):
            yield archive[offset + 60:offset + 60 + size]
        offset += 60 + size + size % 2


def exported_ordinals(dump):
    """name -> ordinal, from the table of llvm-objdump -p."""
    table = dump.partition("Export Table:")[2]
    return {name: int(ordinal) for ordinal, name in
            re.findall(r"^ +(\d+) +0x\w+  (\w+)$", table, re.M)}
