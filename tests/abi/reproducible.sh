#!/bin/sh
# SPDX-License-Identifier: MIT
# reproducible.sh SOURCE WORK TOOLCHAIN BUILD-TYPE: two builds of the same sources, in folders of
# different names and at different times, give the same bytes.
set -eu
source=$1
work=$2
toolchain=$3
type=$4
# A cache gives out what another folder's build made, with that folder's name in it.
export CCACHE_DISABLE=1
rm -rf "$work"
mkdir -p "$work/one" "$work/another/folder/bindings"
for part in CMakeLists.txt LICENSE README.md CHANGELOG.md abi evpoll.def gen lib bindings/c; do
  cp -R "$source/$part" "$work/another/folder/$part"
done

build() {
  { cmake -S "$1" -B "$2" --toolchain "$toolchain" -DCMAKE_BUILD_TYPE="$type" -DEVPOLL_BUILD_TESTS=OFF \
    -DEVPOLL_BUILD_EXAMPLES=OFF && cmake --build "$2"; } >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
  }
}
build "$source" "$work/one"
build "$work/another/folder" "$work/another/build"
failed=0
cd "$work/one"
for file in bin/evpoll.dll lib/*.a lib/*.lib; do
  [ ! -e "$file" ] || cmp "$file" "$work/another/build/$file" || failed=1
done
[ -e bin/evpoll.dll ] || failed=1
exit $failed
