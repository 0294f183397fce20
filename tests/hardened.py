#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""hardened.py FILE...: these libraries and programs are built as gen/hardened.cmake says. What each system
has of it, as far as a file shows:

    ELF                full RELRO and BIND_NOW, no stack that can be executed, programs that load anywhere,
                       a stack protector; on x86-64 each function that is exported begins with an endbr64
                       (CET), on arm64 with a bti or paciasp. With glibc checked lengths (FORTIFY_SOURCE);
                       musl has none. That the whole file may run under CET is marked only where the C
                       library's startup files are marked too, which Debian's are not, nor Zig's or musl's.
    Windows            addresses drawn from 64 bits, no stack that can be executed, a stack protector, which
                       is GCC's or Zig's (a constant guard). No Control Flow Guard and no mark for shadow
                       stacks: neither compiler makes them.
    macOS              a stack protector and checked lengths; the loader resolves everything at the start.
                       No pointer authentication: it is for the system's own programs (arm64e)."""
import re
import subprocess
import sys

MARKS = {"x86_64": r"endbr64", "aarch64": r"hint\s+#(25|27|34|36|38)\b|bti|paci[ab]sp"}


def tool(name, *arguments):
    return subprocess.run([f"llvm-{name}-14", *map(str, arguments)], check=True, capture_output=True,
                          text=True).stdout


def faults(path):
    """What it lacks, in words."""
    headers = tool("readobj", "--file-headers", "--program-headers", path)
    kind = re.search(r"^Format: (\S+)", headers, re.M)[1]
    if kind.startswith("elf"):
        yield from elf_faults(path, headers)
    elif kind.startswith("COFF"):
        yield from pe_faults(path, headers)
    else:
        yield from macho_faults(path, headers)


def elf_faults(path, headers):
    dynamic = tool("readobj", "--dynamic-table", path)
    wanted = set(re.findall(r"\bU (\w+)", tool("nm", "--dynamic", "--undefined-only", path)))
    if "PT_GNU_RELRO" not in headers or not re.search(r"FLAGS.*\b(BIND_)?NOW\b", dynamic):
        yield "its tables can be written to: no RELRO with BIND_NOW"
    stack = re.search(r"Type: PT_GNU_STACK.*?Flags \[(.*?)\]", headers, re.S)
    if not stack or "PF_X" in stack[1]:
        yield "its stack can be executed"
    if not re.search(r"Type: SharedObject", headers):
        yield "it is loaded at one address alone"
    if "__stack_chk_fail" not in wanted:
        yield "no stack protector"
    if "libc.so.6" in dynamic and not any(re.fullmatch(r"__(?!stack)\w+_chk", name) for name in wanted):
        yield "no checked lengths (FORTIFY_SOURCE)"
    yield from unmarked(path, re.search(r"^Arch: (\S+)", headers, re.M)[1])


def unmarked(path, processor):
    """Where an indirect jump may land: what is exported, or a program's main()."""
    listing = tool("nm", "--defined-only", "--dynamic", "--extern-only", path)
    names = re.findall(r" T (evpoll_\w+|Java_\w+)", listing) or ["main"]
    if processor not in MARKS:
        return
    code = tool("objdump", "--disassemble", "--no-show-raw-insn", f"--disassemble-symbols={','.join(names)}", path)
    first = dict(re.findall(r"^[0-9a-f]+ <(\w+)>:\n\s*[0-9a-f]+:\s+(.*)", code, re.M))
    bare = sorted(name for name in names if not re.match(MARKS[processor], first.get(name, "")))
    if bare:
        yield f"{len(bare)} functions of {len(names)} may not be jumped to under CET or BTI: {', '.join(bare[:3])}"


def pe_faults(path, headers):
    for name in ("HIGH_ENTROPY_VA", "DYNAMIC_BASE", "NX_COMPAT"):
        if f"IMAGE_DLL_CHARACTERISTICS_{name}" not in headers:
            yield f"no {name}"
    with open(path, "rb") as file:
        image = file.read()
    # What GCC's says when it fails, or Zig's guard.
    if b"stack smashing detected" not in image and b"\0\0\0\0\0\0\n\xff" not in image:
        yield "no stack protector"


def macho_faults(path, headers):
    wanted = tool("nm", "--undefined-only", path)
    if "ALLOW_STACK_EXECUTION" in headers:
        yield "its stack can be executed"
    if "___stack_chk_fail" not in wanted:
        yield "no stack protector"
    if not re.search(r"\b__(?!_stack)\w+_chk\b", wanted):
        yield "no checked lengths (FORTIFY_SOURCE)"


if __name__ == "__main__":
    found = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(path)]
    for line in found:
        print(line, file=sys.stderr)
    sys.exit(bool(found) or len(sys.argv) < 2)
