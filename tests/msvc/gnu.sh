#!/bin/sh
# SPDX-License-Identifier: MIT
# gnu.sh SOURCE: what is compiled for Windows has no word of GNU's outside of #ifdef __GNUC__. clang-cl
# takes them, MSVC does not.
set -eu
cd "$1"
failed=0
for file in abi/*.h lib/api/* lib/core/* lib/os/*.[ch] lib/os/windows/* lib/backend/*.h lib/backend/afd/* \
  bindings/c/examples/*.[ch]; do
  ! unifdef -U__GNUC__ "$file" | grep -nE '__(attribute|builtin|typeof|asm|extension|sync|atomic|thread|int128)' ||
    { echo "gnu: $file has that" && failed=1; }
done
exit $failed
