#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# native/build.sh ARCHIVE FOLDER: builds what the tests load instead of the library.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../../..
archive=$1 folder=$2
mkdir -p "$folder"
sed -n 's/^ *\(evpoll_[a-z_0-9]*\) *@.*/\1/p' "$root/evpoll.def" >"$folder/names"
sed 's/.*/& real_&/' "$folder/names" >"$folder/renames"
grep -vxE 'evpoll_(turn|wait|close)' "$folder/names" | sed 's/.*/COUNTED(&)/' >"$folder/counted.inc"
objcopy --redefine-syms="$folder/renames" "$archive" "$folder/renamed.a"
cc -shared -fPIC -O1 -I"$root/abi" -I"$folder" -o "$folder/libevpoll-counting.so" \
  "$here/counting.c" "$folder/renamed.a" -pthread
cc -shared -fPIC -o "$folder/libevpoll-other.so" "$here/other.c"
