#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes the generated half of each binding, which is committed: who uses a binding never needs SWIG.
#
#   gen/swig/generate.sh [csharp|java|go]...           writes bindings/LANGUAGE/.../generated
#   gen/swig/generate.sh --check [csharp|java|go]...   fails where what is committed is not what comes
#                                                      out now, and shows the difference
#
# SWIG 4.1.0 exactly: another version writes other text. It is run in this folder with relative
# paths, since it writes the interface's path into its output. Each language's part is a function
# here: it writes into the folder that it is given.
set -euo pipefail
cd "$(dirname "$0")"
root=../..
pinned=4.1.0

check=no
[ "${1:-}" != --check ] || { check=yes && shift; }
[ $# -gt 0 ] || set -- csharp java go
have=$(swig -version 2>/dev/null | sed -n 's/^SWIG Version //p')
[ "$have" = "$pinned" ] || {
  echo "generate: SWIG $pinned is needed, and ${have:-none} is here (Debian 12: apt-get install swig)" >&2
  exit 1
}
swig_to() { swig -I$root/abi "$@" evpoll.i; }

generated=
for language; do
  [ -f "$language.sh" ] || { echo "generate: no language called '$language'" >&2; exit 2; }
  # shellcheck source=/dev/null
  . "./$language.sh" # sets `generated`, a folder, and generate_LANGUAGE, a function
  out=$root/$generated
  if [ $check = yes ]; then
    fresh=$(mktemp -d)
    "generate_$language" "$fresh"
    diff -ru "$out" "$fresh" || { echo "generate: $generated is outdated: run gen/swig/generate.sh $language" >&2; exit 1; }
    rm -rf "$fresh"
    echo "generate: $generated is what SWIG $pinned writes"
  else
    rm -rf "$out"
    mkdir -p "$out"
    "generate_$language" "$out"
  fi
done
