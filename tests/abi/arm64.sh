#!/bin/sh
# SPDX-License-Identifier: MIT
# arm64.sh SOURCE: the sources for Windows compile for arm64.
set -eu
cd "$1"
failed=0
for source in lib/api/*.c lib/core/*.c lib/os/*.c lib/os/windows/*.c lib/backend/afd/*.c; do
  "${CLANG:-clang-14}" --target=aarch64-w64-mingw32 -isystem /usr/share/mingw-w64/include -std=c11 \
    -D_WIN32_WINNT=0x0A00 -DWIN32_LEAN_AND_MEAN -Iabi -Ilib -Wall -Wextra -Werror -fsyntax-only \
    "$source" || failed=1
done
exit $failed
