#!/bin/sh
# SPDX-License-Identifier: MIT
# reference.sh OUT: writes the HTML reference to OUT/html. A warning is a failure.
set -eu
out=$1
source=$(cd "$(dirname "$0")/.." && pwd)

command -v doxygen >/dev/null || {
  echo "reference: doxygen is missing: install it (Debian: apt-get install doxygen)" >&2
  exit 1
}
version=$(sed -n 's/^project(evpoll VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")
input="\"$source/abi/evpoll.h\""
mainpage=

rm -rf "$out"
mkdir -p "$out"
if [ -f "$source/abi/README.md" ]; then
  # Links inside of the repository lead nowhere in the reference: their text stays.
  mainpage="\"$out/rules.md\""
  input="$input $mainpage"
  sed -E 's/\[([^]]+)\]\([^:)]+\)/\1/g' "$source/abi/README.md" >"$out/rules.md"
fi
sed -e "s|@VERSION@|$version|" -e "s|@OUT@|$out|" -e "s|@INPUT@|$input|" \
  -e "s|@MAINPAGE@|$mainpage|" -e "s|@SOURCE@|$source|" "$source/gen/Doxyfile.in" >"$out/Doxyfile"
doxygen "$out/Doxyfile" >&2
[ -f "$out/html/index.html" ] || {
  echo "reference: doxygen wrote no index.html" >&2
  exit 1
}
echo "reference: $out/html/index.html"
