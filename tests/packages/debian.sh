#!/bin/sh
# SPDX-License-Identifier: MIT
# debian.sh FOLDER: the .deb files there are what Debian wants: three, without an error of lintian's, with
# the symbols that the library has, the debug symbols that belong to it, and a hardened library.
set -eu
folder=$(cd "$1" && pwd)
tests=$(cd "$(dirname "$0")/.." && pwd)
export LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "debian: $*" >&2
  exit 1
}

cd "$folder"
for name in libevpoll1 libevpoll-dev libevpoll1-dbgsym; do
  [ "$(find . -name "${name}_*.deb" | wc -l)" = 1 ] || fail "there is no one $name in $folder"
  dpkg-deb -x "$name"_*.deb "$work/$name"
  dpkg-deb -e "$name"_*.deb "$work/$name/DEBIAN"
done
version=$(dpkg-deb -f libevpoll1_*.deb Version)
for name in libevpoll-dev libevpoll1-dbgsym; do
  dpkg-deb -f "$name"_*.deb Depends | grep -qF "libevpoll1 (= $version)" || fail "$name goes with any libevpoll1"
done
lintian --fail-on error --allow-root --tag-display-limit 0 --profile debian ./*.deb >"$work/lintian" 2>&1 ||
  { cat "$work/lintian" >&2 && fail "lintian finds errors"; }

# The control file, against what Debian's tool reads from the library itself.
library=$(find "$work/libevpoll1" -name 'libevpoll.so.1.*')
[ "$(cat "$work/libevpoll1/DEBIAN/shlibs")" = "libevpoll 1 libevpoll1 (>= ${version%-*})" ] || fail "shlibs"
grep -qx 'activate-noawait ldconfig' "$work/libevpoll1/DEBIAN/triggers" || fail "triggers"
mkdir "$work/debian"
cat >"$work/debian/control" <<'CONTROL'
Source: evpoll
Maintainer: nobody <nobody@localhost>

Package: libevpoll1
Architecture: any
CONTROL
(cd "$work" && dpkg-gensymbols -plibevpoll1 -v"$version" -elibevpoll1/usr/lib/*/libevpoll.so.1.* \
  -Ilibevpoll1/DEBIAN/symbols -O/dev/null -c4) >"$work/symbols" 2>&1 ||
  { cat "$work/symbols" >&2 && fail "the symbols file and the library differ"; }

build_id=$(readelf -n "$library" | sed -n 's/.*Build ID: //p')
debug=$work/libevpoll1-dbgsym/usr/lib/debug/.build-id/$(echo "$build_id" | sed 's,..,&/,').debug
[ -f "$debug" ] || fail "no symbols for build $build_id"
readelf -S "$debug" | grep -q debug_info || fail "no symbols in $debug"
! readelf -S "$library" | grep -q -e debug_info -e symtab || fail "$library has its symbols still"
! strings "$debug" "$work/libevpoll-dev/usr/lib"/*/libevpoll.a | grep -F "$(cd "$tests/.." && pwd)" ||
  fail "names the folder that it was built in"
"$tests/hardened.py" "$library"
