# SPDX-License-Identifier: MIT
"""The header compiles wherever it is included: each dialect and each compiler."""
from abi import tool

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
DIALECTS = [("gcc", "c", "c99"), ("gcc", "c", "c11"), ("g++", "c++", "c++17"),
            ("clang-14", "c", "c99"), ("clang-14", "c", "c11"), ("clang++-14", "c++", "c++17")]
# Freestanding, so that no other system's headers are needed: evpoll.h includes <stdint.h> only.
TARGETS = ["x86_64-linux-gnu", "i386-linux-gnu", "aarch64-linux-gnu", "armv7-linux-gnueabihf",
           "x86_64-unknown-freebsd14", "i386-unknown-freebsd14", "x86_64-windows-msvc",
           "i686-windows-gnu", "aarch64-apple-darwin", "s390x-linux-gnu"]


def check(tree):
    # Included twice: the guard belongs to it.
    source = '#include "evpoll.h"\n#include "evpoll.h"\n'
    for compiler, language, dialect in DIALECTS:
        yield from compile_text(tree, source, [compiler, "-x", language, f"-std={dialect}"])


def compile_text(tree, source, command):
    code, _, err = tool.run(*command, *STRICT, "-I", tree.include, "-", stdin=source)
    if code != 0:
        lines = [line for line in err.splitlines() if "error" in line] or [err.strip()]
        yield from (f"{' '.join(command)}: {line}" for line in lines)


def compile_for_targets(tree, source):
    for target in TARGETS:
        yield from compile_text(tree, source, ["clang-14", "-x", "c", "-std=c11", "-ffreestanding",
                                               "-nostdlibinc", f"--target={target}"])
