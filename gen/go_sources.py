#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copies the library into a Go package: gen/go_sources.py ROOT FOLDER.

Go compiles the C files that lie beside a cgo file, in that one folder, and nothing outside of it
survives `go mod vendor`. So the sources are copied flat, the names of their headers with them, and
each gets a line that says on which systems it is compiled. lib/sources.cmake and lib/CMakeLists.txt
decide the same for everybody else. The tag evpoll_system leaves all of it out."""
import pathlib
import re
import sys

BSD = "darwin || dragonfly || freebsd || netbsd || openbsd"
POSIX = "linux || " + BSD
SYSTEMS = (  # the first that matches
    (r"os_windows_dll\.c", None),  # the entry of a DLL, which this is not
    (r"(os_windows|backend/afd/).*", "windows"),
    (r"backend/epoll/.*", "linux"),
    (r"os_cached_linux.*", "linux"),
    (r"os_cached_none.*", f"{BSD} || windows"),
    (r"backend/kqueue/(posix|foreign)_aio\.c", "freebsd"),
    (r"backend/kqueue/.*", BSD),
    (r"os_posix.*", POSIX),
    (r".*", POSIX + " || windows"),
)

BUNDLED = """\
// SPDX-License-Identifier: MIT

//go:build cgo && !evpoll_system

package capi

// The library is compiled into the program, hidden from everything else in it.

/*
#cgo CFLAGS: -std=gnu11 -O2 -fvisibility=hidden
#cgo !windows CFLAGS: -D_GNU_SOURCE
#cgo 386 arm mips mipsle CFLAGS: -D_FILE_OFFSET_BITS=64
#cgo freebsd CFLAGS: -DEVP_KQUEUE_AIO=1
#cgo !windows LDFLAGS: -pthread
#cgo windows CFLAGS: -D_WIN32_WINNT=0x0A00 -DWIN32_LEAN_AND_MEAN
#cgo windows LDFLAGS: -lws2_32 -liphlpapi -lntdll
*/
import "C"

// Bundled tells whether the library is part of the program.
const Bundled = true
"""
SYSTEM = """\
// SPDX-License-Identifier: MIT

//go:build cgo && evpoll_system

package capi

// The library is the system's, found by pkg-config.

/*
#cgo pkg-config: evpoll
#cgo linux CFLAGS: -D_GNU_SOURCE -DEVP_GO_SYSTEM
#cgo linux LDFLAGS: -ldl
*/
import "C"

// Bundled tells whether the library is part of the program.
const Bundled = false
"""
WITHOUT_CGO = """\
// SPDX-License-Identifier: MIT

//go:build !cgo

// Package capi is evpoll's C interface. It needs cgo: set CGO_ENABLED=1, and install a C compiler
// (for another system, name its compiler in CC).
package capi

// The compiler stops here, and shows this name.
const _ = evpoll_needs_cgo_so_set_CGO_ENABLED_to_1_and_install_a_C_compiler_for_GOOS_and_GOARCH
"""
PATH = """\
// SPDX-License-Identifier: MIT
// Where a system library was loaded from, for a message that refuses it.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "evpoll.h"
#ifdef EVP_GO_SYSTEM
#include <dlfcn.h>
#endif

int32_t evpoll_go_path(char *text_out, int32_t capacity);

int32_t evpoll_go_path(char *text_out, int32_t capacity) {
  if (!text_out || capacity < 1) return EVPOLL_ERR_INVALID;
  *text_out = 0;
#ifdef EVP_GO_SYSTEM
  Dl_info info;
  void *found = dlsym(RTLD_DEFAULT, "evpoll_version");
  if (found && dladdr(found, &info) && info.dli_fname)
    snprintf(text_out, (size_t)capacity, "%s", info.dli_fname);
#endif
  return (int32_t)strlen(text_out);
}
"""


def system_of(name):
    return next(system for pattern, system in SYSTEMS if re.fullmatch(pattern, name))


def flat(text):
    return re.sub(r'(#include ")[^"]*/([^"/]+")', r"\1\2", text)


def constrained(text, system):
    """A constraint has to come first, behind comments and before an empty line."""
    first, rest = text.split("\n", 1)
    return f"{first}\n//go:build ({system}) && !evpoll_system\n\n{rest}"


def main(root, folder):
    lib = root / "lib"
    for path in sorted([*lib.rglob("*.c"), *lib.rglob("*.h")]):
        system = system_of(path.relative_to(lib).as_posix())
        if system is None:
            continue
        text = flat(path.read_text())
        copy = folder / path.name
        if copy.exists():
            sys.exit(f"go_sources: two files are called {path.name}")
        copy.write_text(constrained(text, system) if path.suffix == ".c" else text)
    (folder / "evpoll.h").write_text((root / "abi/evpoll.h").read_text())
    (folder / "bundled.go").write_text(BUNDLED)
    (folder / "system.go").write_text(SYSTEM)
    (folder / "without_cgo.go").write_text(WITHOUT_CGO)
    (folder / "path.c").write_text(PATH)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
