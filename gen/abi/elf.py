# SPDX-License-Identifier: MIT
"""The built library: what it shows, what it needs."""
import re

from abi import tool

SONAME = "libevpoll.so.1"
# All parts of a C library: many keep threads, older glibcs the loader too, in files of their own.
NEEDED = re.compile(r"(libc|libpthread|libthr|ld-linux[-a-z0-9_]*)\.so(\.[0-9]+)*")
GLIBC_FLOOR = (2, 28)


def check_exports(tree):
    """Header, evpoll.def and the library's dynamic symbols are one list."""
    declared = {function.name for function in tree.header.functions}
    listed = tree.exports
    for name in sorted(declared - set(listed)):
        yield f"{name} is in evpoll.h but not in evpoll.def: append it there"
    for name in sorted(set(listed) - declared):
        yield f"{name} is in evpoll.def but not in evpoll.h"
    library = tree.built(SONAME)
    exported = dynamic_symbols(library)
    for name, (kind, version) in sorted(exported.items()):
        if name not in listed:
            yield (f"{library.name} exports {name}@{version}, which is not in evpoll.def: hide it, "
                   "or add it to both")
        elif version != f"@{listed[name].node}":
            yield f"{library.name} exports {name}@{version}; evpoll.def says {listed[name].node}"
        elif kind != "T":
            yield f"{library.name} exports {name} as kind {kind}: only functions are exported"
    for name in sorted(set(listed) - set(exported)):
        yield f"{name} is in evpoll.def but {library.name} does not export it"
    yield from check_dynamic(library)
    yield from check_archive(tree.built("libevpoll.a"))


def dynamic_symbols(library):
    """name -> (kind, version); the default version of a name starts with another @."""
    found = {}
    listing = tool.output("nm", "-D", "--defined-only", "--with-symbol-versions", library)
    for line in listing.splitlines():
        kind, symbol = line.split()[-2:]
        name, _, version = symbol.partition("@")
        if kind != "A":  # the version nodes themselves
            found[name] = (kind, version)
    return found


def check_dynamic(library):
    section = tool.output("readelf", "-dW", library)
    entries = re.findall(r"\((\w+)\)\s+(.*)", section)
    names = [re.sub(r".*\[(.*)\]", r"\1", text) for tag, text in entries if tag == "SONAME"]
    if names != [SONAME]:
        yield f"{library.name} has the SONAME {names}: programs were linked against {SONAME}"
    for tag, text in entries:
        needed = re.sub(r".*\[(.*)\]", r"\1", text)
        if tag == "NEEDED" and not NEEDED.fullmatch(needed):
            yield f"{library.name} needs {needed}: only the C library may be needed"
        if tag in ("RPATH", "RUNPATH", "TEXTREL"):
            yield f"{library.name} has {tag} {text}: it must load from anywhere, unchanged"


def check_archive(library):
    """The archive has no hidden symbols: what is internal keeps out of the way by its name."""
    listing = tool.output("nm", "-g", "--defined-only", library)
    for name in re.findall(r"^[0-9a-f]+ \w (\w+)$", listing, re.M):
        if not re.match(r"evpoll_|evp_", name):
            yield f"{library.name} defines {name}: make it static, or name it evp_{name}"
    wanted = tool.output("nm", "-u", library)
    for name in re.findall(r"^ +U (\w+@\S+)$", wanted, re.M):
        yield (f"{library.name} calls {name}: nothing with a version can be linked with -static; "
               "name it in the shared library only")


def required_glibc(tree):
    """(version, symbol) of each glibc symbol that the library calls, newest first."""
    table = tool.output("objdump", "-T", tree.built(SONAME))
    found = re.findall(r"\*UND\*\s+\S+\s+\(?GLIBC_([0-9.]+)\)?\s+(\S+)", table)
    return sorted(((tuple(int(part) for part in version.split(".")), name)
                   for version, name in found), reverse=True)


def check_glibc(tree):
    """Systems that are still in use have to find every symbol."""
    for version, name in required_glibc(tree):
        if version > GLIBC_FLOOR:
            yield (f"{SONAME} calls {name}@GLIBC_{dotted(version)}: newer than "
                   f"{dotted(GLIBC_FLOOR)}; use what older systems have, or name the older version "
                   "of the symbol")


def glibc_floor(tree):
    required = required_glibc(tree)
    return dotted(required[0][0]) if required else "none"


def dotted(version):
    return ".".join(str(part) for part in version)
