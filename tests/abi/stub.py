# SPDX-License-Identifier: MIT
"""Builds a library that has evpoll's border and nothing behind it, from a header and an export
list: the tests of the checks break it."""
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
GEN = pathlib.Path(__file__).resolve().parents[2] / "gen"
sys.path.insert(0, str(GEN))  # for whoever imports this one


def source(tree, names):
    """C that defines each function of the header in `names`."""
    lines = ["#define EVPOLL_API __attribute__((visibility(\"default\")))", '#include "evpoll.h"']
    lines += [f"struct {name} {{ int64_t inside; }};" for name in tree.opaque]
    for function in tree.functions:
        if function.name in names:
            params = ", ".join(f"{kind} {name}" for kind, name in function.params) or "void"
            unused = " ".join(f"(void){name};" for _, name in function.params)
            lines.append(f"{function.result} {function.name}({params}) {{ {unused} return 0; }}")
    return "\n".join(lines) + "\n"


def build(folder, include, script, code, flags=()):
    """Makes folder/lib/libevpoll.so.1 and libevpoll.a, as the real build does."""
    lib = pathlib.Path(folder) / "lib"
    lib.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-x", "c", "-", "-c", "-g", "-O1", "-fPIC", "-fvisibility=hidden", "-I",
                    include, "-o", lib / "stub.o"], input=code, text=True, check=True)
    subprocess.run(["cc", "-shared", "-o", lib / "libevpoll.so.1", lib / "stub.o",
                    f"-Wl,--version-script={script}", "-Wl,-soname,libevpoll.so.1", *flags],
                   check=True)
    (lib / "libevpoll.a").unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", lib / "libevpoll.a", lib / "stub.o"], check=True)


def build_dll(folder, include, exports, code, flags=()):
    """Makes folder/lib/evpoll.dll; neither a compiler for Windows nor its headers are needed."""
    lib = pathlib.Path(folder) / "lib"
    lib.mkdir(parents=True, exist_ok=True)
    code = code.replace('__attribute__((visibility("default")))', "")
    subprocess.run(["clang-14", "--target=x86_64-windows-gnu", "-ffreestanding", "-nostdlibinc",
                    "-x", "c", "-", "-c", "-I", include, "-o", lib / "stub.obj"],
                   input=code, text=True, check=True)
    subprocess.run(["ld", "-m", "i386pep", "-shared", "-e", "0", "-o", lib / "evpoll.dll",
                    "--subsystem", "console:10.0", "--no-insert-timestamp", lib / "stub.obj",
                    exports, *flags], check=True)
