#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes the generated half of each binding, which is committed: who uses a binding never needs SWIG.
#
#   gen/swig/generate.sh [c|csharp|java|go]...           writes it
#   gen/swig/generate.sh --check [c|csharp|java|go]...   fails where what is committed is not what
#                                                        comes out now, and shows the difference
#
# SWIG 4.1.0 exactly: another version writes other text. It is run in this folder with relative
# paths, since it writes the interface's path into its output. Types, constants and structs are
# written by LANGUAGE.py from SWIG's XML, calls of Java and Go by SWIG. LANGUAGE.sh says what: the
# folders and files in `generated`, for which generate_LANGUAGE is given other places.
set -euo pipefail
cd "$(dirname "$0")"
root=../..
pinned=4.1.0

check=no
[ "${1:-}" != --check ] || { check=yes && shift; }
[ $# -gt 0 ] || set -- c csharp java go
have=$(swig -version 2>/dev/null | sed -n 's/^SWIG Version //p')
[ "$have" = "$pinned" ] || {
  echo "generate: SWIG $pinned is needed, and ${have:-none} is here (Debian 12: apt-get install swig)" >&2
  exit 1
}
swig_to() { swig -I$root/abi "$@" evpoll.i; }

shapes() { python3 -B "$1.py" $root/abi/evpoll.h "$2"; }

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
generated=()
for language; do
  [ -f "$language.sh" ] || { echo "generate: no language called '$language'" >&2; exit 2; }
  # shellcheck source=/dev/null
  . "./$language.sh"
  for path in "${generated[@]}"; do
    case $path in
    */generated.*) mkdir -p "$fresh/$(dirname "$path")" ;; # a file
    *) mkdir -p "$fresh/$path" ;;
    esac
  done
  "generate_$language" "${generated[@]/#/$fresh/}"
  for path in "${generated[@]}"; do
    if [ $check = yes ]; then
      diff -ruN "$root/$path" "$fresh/$path" || { echo "generate: $path is outdated: run gen/swig/generate.sh $language" >&2; exit 1; }
      echo "generate: $path is what SWIG $pinned says"
    else
      rm -rf "${root:?}/$path"
      mkdir -p "$root/$(dirname "$path")"
      cp -r "$fresh/$path" "$root/$path"
    fi
  done
done
