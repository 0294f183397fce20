#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh ZIG TARGET FOLDER: the library and the examples are compiled with another system's own
# headers and linked with its libraries, for FreeBSD on x86-64 the tests and Go's package too; the
# library exports what evpoll.def lists, and needs nothing but that system's C library; so does the
# library in one file.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
zig=$(realpath "$1") target=$2 folder=$(realpath -m "$3")
options=(-DEVPOLL_BUILD_TESTS=OFF) compiler=("$zig" cc -target "$target" -fno-sanitize=undefined)
case $target in
x86_64-freebsd*) options=(-DEVPOLL_BUILD_TESTS=ON) ;;
*macos*) compiler+=(-isystem "$root/tests/cross/include") ;;
esac
rm -rf "$folder"
cmake -G Ninja -S "$root" -B "$folder" --toolchain "$root/gen/zig.cmake" -DEVPOLL_ZIG="$zig" \
  -DEVPOLL_ZIG_TARGET="$target" "${options[@]}"
ninja -C "$folder"

case $target in
*macos*) # not ELF, and a name has an underscore before it
  diff <(sed -n 's/^ *\(evpoll_[a-z_0-9]*\).*@.*/\1/p' "$root/evpoll.def" | sort) \
    <(llvm-nm-14 --extern-only --defined-only "$folder/lib/libevpoll.dylib" | sed -n 's/.* T _//p' | sort)
  ;;
*) "$root/gen/check_abi.py" "$folder" exports ;;
esac

EMULATOR=no NM=llvm-nm-14 "$root/tests/consumer/two_files.sh" "$folder/two-files" "${compiler[@]}"

# What a real kernel is asked has to compile there unchanged.
if [[ $target == x86_64-freebsd* ]]; then
  for program in "$root"/tests/sim/freebsd/conformance.c "$root"/tests/sim/freebsd/truth/probe*.c; do
    "${compiler[@]}" -std=c11 -w -o "$folder/$(basename "$program" .c)" "$program" -lpthread
  done
  cd "$root/bindings/go"
  GOOS=freebsd GOARCH=amd64 CC="${compiler[*]}" go test -c -o "$folder/go-test"
fi
