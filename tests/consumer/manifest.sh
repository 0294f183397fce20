#!/bin/sh
# SPDX-License-Identifier: MIT
# manifest.sh SOURCE PREFIX LIBDIR DOCDIR MANDIR FILE...: the prefix holds what users were promised, these
# files among it, and nothing else.
set -eu
source=$1
prefix=$2
libdir=$3
docdir=$4
mandir=$5
shift 5
version=$(sed -n 's/^project(evpoll VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")

expected() {
  echo include/evpoll.h
  for name in libevpoll.a libevpoll.so libevpoll.so.1 "libevpoll.so.$version" \
    pkgconfig/evpoll.pc cmake/evpoll/evpollConfig.cmake cmake/evpoll/evpollConfigVersion.cmake \
    cmake/evpoll/evpollTargets.cmake; do
    echo "$libdir/$name"
  done
  echo "$docdir/LICENSE"
  for text in README.md CHANGELOG.md; do
    [ ! -f "$source/$text" ] || echo "$docdir/$text"
  done
  [ ! -f "$source/abi/README.md" ] || echo "$docdir/abi.md"
  sed -n "s,^\(evpoll_[a-z_]*\) @.*,$mandir/man3/\1.3,p" "$source/evpoll.def"
  echo "$mandir/man7/evpoll.7"
  for name; do echo "$name"; done
}

# The configuration's own file is named after the build type.
found() {
  (cd "$prefix" && find . ! -type d) | sed 's,^\./,,' | grep -v 'evpollTargets-[a-z]*\.cmake$'
}

difference=$(mktemp)
trap 'rm -f "$difference" "$difference.found"' EXIT
found | LC_ALL=C sort >"$difference.found"
if ! expected "$@" | LC_ALL=C sort | diff - "$difference.found" >"$difference"; then
  echo "installed files differ (< promised, > found); see gen/install.cmake:" >&2
  cat "$difference" >&2
  exit 1
fi
soname=$(readlink "$prefix/$libdir/libevpoll.so")
[ "$soname" = libevpoll.so.1 ] || { echo "libevpoll.so points to $soname" >&2 && exit 1; }
if grep -rlF "$prefix" "$prefix" --include='*.cmake' --include='*.pc'; then
  echo "these files name the prefix that they were installed to: they cannot be moved" >&2
  exit 1
fi
