#!/bin/sh
# SPDX-License-Identifier: MIT
# two_files.sh WORK CC...: a project that has evpoll.c and evpoll.h and nothing else of ours. The
# compiler, a command of several words, says nothing about them; the object has the names of
# evpoll.def and no other; consumer.c is linked with it, and runs by $EMULATOR (empty: as it is; "no":
# not here). $CXX, where it is set, links it to the same program in C++; $NM reads the object.
set -eu
work=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
export LC_ALL=C

fail() {
  echo "two files: $*" >&2
  exit 1
}
# Warnings fail it as well.
silently() {
  "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2 && fail "failed: $*"; }
  [ ! -s "$work/log" ] || { cat "$work/log" >&2 && fail "not silent: $*"; }
}
runs() {
  [ "${EMULATOR:-}" != no ] || return 0
  cp "$here/consumer.c" "$work"
  # It is silent when all is well, and so is a program that never ran: without a text it complains.
  # shellcheck disable=SC2086
  (cd "$work" && ${EMULATOR:-} "./$1" </dev/null 2>&1) | grep -q '^usage' || fail "$1 did not run"
  # shellcheck disable=SC2086
  (cd "$work" && ${EMULATOR:-} "./$1" consumer.c </dev/null) >"$work/log" 2>&1 ||
    { cat "$work/log" >&2 && fail "$1 does not work"; }
}
# names FILE OPTION...: the functions that are defined there, one on a line; macOS has a "_" before each.
names() {
  ${NM:-nm} --defined-only "$@" | sed -n 's/.* [TW] _\{0,1\}\([a-z].*\)$/\1/p' | sort
}

rm -rf "$work"
mkdir -p "$work"
"$root/gen/amalgamate.py" "$work"
sed -n 's/^\(evpoll_[a-z_0-9]*\) @.*/\1/p' "$root/evpoll.def" | sort >"$work/listed"
case $* in *mingw* | *windows*) libraries="-lws2_32 -liphlpapi -lntdll" ;; *) libraries=-pthread ;; esac

for way in -O2 "-std=c11 -O3"; do
  # shellcheck disable=SC2086
  silently "$@" $way -Wall -Wextra -c "$work/evpoll.c" -o "$work/evpoll.o"
done
names --extern-only "$work/evpoll.o" | diff "$work/listed" - || fail "these are not the names of evpoll.def"
# shellcheck disable=SC2086
silently "$@" -std=c99 -Wall -Wextra -I"$work" -o "$work/c.exe" "$here/consumer.c" "$work/evpoll.o" $libraries
runs c.exe
[ -n "${CXX:-}" ] || exit 0
# shellcheck disable=SC2086
silently $CXX -std=c++17 -Wall -Wextra -I"$work" -o "$work/cxx.exe" -x c++ "$here/consumer.c" -x none \
  "$work/evpoll.o" $libraries
runs cxx.exe
