#!/bin/sh
# SPDX-License-Identifier: MIT
# windows.sh WAY PREFIX WORK: try.sh for the cross build. Builds the consumer against what is
# installed in PREFIX and runs it by $EMULATOR. WAY: cmake-shared, cmake-static, pkg-config-shared,
# pkg-config-static, or msvc-library, which links the import library that is for MSVC. $TOOLCHAIN is
# CMake's, if not mingw's.
set -eu
way=$1
prefix=$2
work=$3
here=$(cd "$(dirname "$0")" && pwd)
compiler=x86_64-w64-mingw32-gcc-posix

fail() {
  echo "consumer $way: $*" >&2
  exit 1
}
quietly() {
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail "failed: $*"
  }
}
with_cmake() {
  quietly cmake -S "$here" -B "$work/build" --toolchain "${TOOLCHAIN:-$here/../../gen/mingw-x86_64.cmake}" \
    -Devpoll_DIR="$prefix/lib/cmake/evpoll" "$@"
  quietly cmake --build "$work/build"
  cp "$work/build/consumer_c.exe" "$work"
}
with_pkg_config() {
  export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
  # The flags are words of a command line.
  # shellcheck disable=SC2046
  quietly $compiler -std=c99 -Wall -Wextra -Werror -o "$work/consumer_c.exe" "$here/consumer.c" \
    $(pkg-config "$@" --cflags --libs evpoll)
}

rm -rf "$work"
mkdir -p "$work"
case $way in
cmake-shared) with_cmake -DCONSUMER_STATIC=OFF ;;
cmake-static) with_cmake -DCONSUMER_STATIC=ON ;;
pkg-config-shared) with_pkg_config ;;
pkg-config-static)
  mkdir "$work/lib" # beside the import library the linker would prefer that
  cp "$prefix/lib/libevpoll.a" "$work/lib"
  with_pkg_config --static --define-variable=libdir="$work/lib"
  ;;
msvc-library)
  quietly $compiler -std=c99 -I"$prefix/include" -o "$work/consumer_c.exe" "$here/consumer.c" \
    "$prefix/lib/evpoll.lib"
  ;;
*) fail "no such way" ;;
esac

case $way in
*static) x86_64-w64-mingw32-objdump -p "$work/consumer_c.exe" | grep -qi 'DLL Name: evpoll' &&
  fail "needs evpoll.dll" ;;
*) cp "$prefix/bin/evpoll.dll" "$work" ;;
esac
[ -n "${EMULATOR:-}" ] || exit 0
cd "$work"
cp "$here/consumer.c" .
# It is silent when all is well, and so is a program that never ran: without a text it complains.
"$EMULATOR" ./consumer_c.exe </dev/null 2>&1 | grep -q '^usage' || fail "did not run"
"$EMULATOR" ./consumer_c.exe consumer.c </dev/null >output 2>&1 || { cat output >&2 && fail "does not work"; }
