#!/bin/sh
# SPDX-License-Identifier: MIT
# layouts.sh SOURCE WORK: installs into a prefix that is moved afterwards, a library folder of
# several levels, an absolute one, and a staging folder; the consumer is built against each.
set -eu
source=$1
work=$2
here=$(cd "$(dirname "$0")" && pwd)

quietly() {
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    echo "layouts: failed: $*" >&2
    exit 1
  }
}

# configure LIBDIR: the objects stay from one layout to the next.
configure() {
  quietly cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=Debug -DEVPOLL_BUILD_TESTS=OFF \
    -DEVPOLL_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX="$work/default" -DCMAKE_INSTALL_LIBDIR="$1"
  quietly cmake --build "$work/build"
}

try() {
  sh "$here/try.sh" "$1" "$2" "$work/try"
}

rm -rf "$work"
mkdir -p "$work"

configure lib/several/levels
quietly cmake --install "$work/build" --prefix "$work/before"
mv "$work/before" "$work/moved"
try cmake-static "$work/moved/lib/several/levels"
try pkg-config-shared "$work/moved/lib/several/levels"

configure "$work/absolute lib"
quietly cmake --install "$work/build"
try cmake-shared "$work/absolute lib"

DESTDIR="$work/stage" quietly cmake --install "$work/build"
for file in "$work/stage$work/default/include/evpoll.h" \
  "$work/stage$work/absolute lib/pkgconfig/evpoll.pc"; do
  [ -f "$file" ] || { echo "layouts: DESTDIR: $file is missing" >&2 && exit 1; }
done
