#!/bin/sh
# SPDX-License-Identifier: MIT
# try.sh WAY LIBDIR WORK: builds the consumer against the evpoll whose libraries lie in LIBDIR, in
# the folder WORK, and runs it. WAY: cmake-shared, cmake-static, pkg-config-shared or
# pkg-config-static. Silent unless something fails.
set -eu
way=$1
libdir=$2
work=$3
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C

fail() {
  echo "consumer $way: $*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: install it (Debian: apt-get install $2)"
}

# The output of a command that works is of no interest.
quietly() {
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail "failed: $*"
  }
}

with_cmake() {
  quietly cmake -S "$here" -B "$work/build" -Devpoll_DIR="$libdir/cmake/evpoll" "$@"
  quietly cmake --build "$work/build"
  cp "$work/build/consumer_c" "$work/build/consumer_cxx" "$work"
}

with_pkg_config() {
  need pkg-config pkg-config
  export PKG_CONFIG_PATH="$libdir/pkgconfig"
  strict="-Wall -Wextra -Wpedantic -Werror"
  quietly pkg-config --print-errors "$@" --exists "evpoll >= 1.0"
  # The flags are words of a command line, as in every Makefile.
  # shellcheck disable=SC2046,SC2086
  quietly ${CC:-cc} -std=c99 $strict $linking -o "$work/consumer_c" "$here/consumer.c" \
    $(pkg-config "$@" --cflags --libs evpoll)
  # shellcheck disable=SC2046,SC2086
  quietly ${CXX:-c++} -std=c++17 $strict $linking -o "$work/consumer_cxx" -x c++ \
    "$here/consumer.c" -x none $(pkg-config "$@" --cflags --libs evpoll)
  # The program that the README starts with.
  # shellcheck disable=SC2016
  sed -n '/^```c$/,/^```$/p' "$here/../../README.md" | sed '1d;$d' >"$work/echo.c"
  # shellcheck disable=SC2046,SC2086
  quietly ${CC:-cc} -std=c99 $strict $linking -o "$work/echo" "$work/echo.c" \
    $(pkg-config "$@" --cflags --libs evpoll)
  echo="$work/echo"
}

rm -rf "$work"
mkdir -p "$work"
linking=
echo=
programs="consumer_c consumer_cxx"
case $way in
cmake-shared) with_cmake -DCONSUMER_STATIC=OFF ;;
cmake-static) with_cmake -DCONSUMER_STATIC=ON ;;
pkg-config-shared) with_pkg_config ;;
pkg-config-static) linking=-static && with_pkg_config --static ;;
*) fail "no such way" ;;
esac

need readelf binutils
for program in $programs ${echo:+echo}; do
  needed=$(readelf -d "$work/$program" | sed -n 's/.*(NEEDED).*\[\(libevpoll.*\)\]/\1/p')
  case $way in
  *-shared) [ "$needed" = libevpoll.so.1 ] || fail "$program needs '$needed', not libevpoll.so.1" ;;
  *-static) [ -z "$needed" ] || fail "$program needs $needed, although it was linked statically" ;;
  esac
  [ "$program" = echo ] || LD_LIBRARY_PATH="$libdir" quietly "$work/$program" "$here/consumer.c"
done
if [ "$echo" ]; then
  need python3 python3
  LD_LIBRARY_PATH="$libdir" quietly python3 -B "$here/echo.py" "$echo" PORT
fi
