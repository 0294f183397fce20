#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# compile_check.sh CLANG: the kqueue backend goes through the compiler for what no tool chain here is
# for, with the simulated kernel's headers and Linux' C library's.
set -euo pipefail
cd "$(dirname "$0")/../../.."
clang=$1
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion
  -Wno-sign-conversion -Wundef -Wvla -Werror)
headers=(-nostdlibinc -isystem tests/sim/freebsd/include -isystem "/usr/include/$(uname -m)-linux-gnu"
  -isystem /usr/include)

# The C library's headers here are those of a 64-bit x86, and ask for that.
stubs=$(mktemp -d)
trap 'rm -rf "$stubs"' EXIT
mkdir "$stubs/gnu" && touch "$stubs/gnu/stubs-32.h"
headers+=(-isystem "$stubs")

# compile NAME TARGET FILE... -- OPTION...
compile() {
  local name=$1 target=$2 files=()
  shift 2
  while [ "$1" != -- ]; do files+=("$1") && shift; done
  shift
  for file in "${files[@]}"; do
    "$clang" --target="$target" -std=c11 -fsyntax-only -D_GNU_SOURCE -Ilib -Iabi "${headers[@]}" \
      "${warnings[@]}" "$@" "lib/$file" || { echo "$name: $file does not compile" >&2; exit 1; }
  done
  echo "$name: ${#files[@]} files"
}

queue=(backend/kqueue/kqueue.c backend/kqueue/filters.c)
aio=(backend/kqueue/posix_aio.c backend/kqueue/foreign_aio.c)
compile "without AIO" x86_64-unknown-freebsd14 "${queue[@]}" --
compile "without EVFILT_USER, EV_RECEIPT" x86_64-unknown-openbsd "${queue[@]}" -- -DSIM_OLD_BSD
compile "with EVFILT_EXCEPT" x86_64-unknown-freebsd14 "${queue[@]}" -- -DSIM_DARWIN
compile "32 bits" i386-unknown-freebsd14 "${queue[@]}" "${aio[@]}" -- -DEVP_KQUEUE_AIO=1 -D_FILE_OFFSET_BITS=64
