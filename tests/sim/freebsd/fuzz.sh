#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh CLANG++ SANITIZERS SECONDS FOLDER SOURCE...: random schedules by libFuzzer; the sources are
# lib/'s. What it finds stays in FOLDER. Exit 77 without libFuzzer.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
clang=$1 sanitizers=$2 seconds=$3 folder=$4
shift 4
mkdir -p "$folder/found" && cd "$folder"

# shellcheck disable=SC2054 # the commas are the compiler's
flags=(-g1 -O1 "-fsanitize=fuzzer-no-link,$sanitizers" -fno-sanitize-recover=all -D_GNU_SOURCE
  -isystem "$here/include" -I"$here" -I"$root/abi" -pthread)
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long) { return 0; }' >probe.cc
"$clang" "-fsanitize=fuzzer,$sanitizers" probe.cc -o probe 2>/dev/null || {
  echo "no libFuzzer for $clang"
  exit 77
}

objects=()
compile() { # LANGUAGE FILE OPTION...
  local object
  object=$(basename "$2" | tr . _)_$1.o
  "$clang" "${flags[@]}" "${@:3}" -c -o "$object" "$2"
  objects+=("$object")
}
for file in aio descriptors kernel kqueue; do compile sim "$here/$file.c" -x c; done
for file; do
  compile lib "$file" -x c -std=c11 -DEVP_KQUEUE_AIO=1 -I"$root/lib" -include "$here/include/sim_calls.h"
done
for file in schedule fuzz; do compile test "$here/$file.cc"; done
"$clang" "-fsanitize=fuzzer,$sanitizers" -pthread -o fuzz "${objects[@]}"
./fuzz -max_total_time="$seconds" -max_len=512 -rss_limit_mb=2048 -timeout=30 -print_final_stats=1 found 2>&1 | tail -n 20
