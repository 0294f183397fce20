#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh CLANG++ SECONDS FOLDER SOURCE...: random schedules by libFuzzer, under AddressSanitizer and
# UndefinedBehaviorSanitizer; then what it found once more under ThreadSanitizer, which takes the
# fuzzer's own counters for races. The sources are lib/'s. Exit 77 without libFuzzer.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
clang=$1 seconds=$2 folder=$3
shift 3
mkdir -p "$folder/found" && cd "$folder"

echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long) { return 0; }' >probe.cc
"$clang" -fsanitize=fuzzer,address probe.cc -o probe 2>/dev/null || {
  echo "no libFuzzer for $clang"
  exit 77
}

# build PROGRAM SANITIZERS-TO-COMPILE SANITIZERS-TO-LINK FILE...: the files are the tests' own.
build() {
  local program=$1 compile=$2 link=$3 own=("${@:4}") objects=() object
  local flags=("-fsanitize=$compile" -g1 -O1 -fno-sanitize-recover=all -D_GNU_SOURCE
    -isystem "$here/include" -I"$here" -I"$root/abi" -pthread)
  one() { # SOURCE OPTION...
    object=$program-${#objects[@]}-$(basename "$1").o # two files are called aio.c
    "$clang" "${flags[@]}" "${@:2}" -c -o "$object" "$1"
    objects+=("$object")
  }
  for file in aio descriptors kernel kqueue; do one "$here/$file.c" -x c; done
  for file in "${sources[@]}"; do
    one "$file" -x c -std=c11 -DEVP_KQUEUE_AIO=1 -I"$root/lib" -include "$here/include/sim_calls.h"
  done
  for file in "${own[@]}"; do one "$here/$file"; done
  "$clang" "-fsanitize=$link" -pthread -o "$program" "${objects[@]}"
}
sources=("$@")
build fuzz fuzzer-no-link,address,undefined fuzzer,address,undefined schedule.cc fuzz.cc &
build replay thread thread schedule.cc fuzz.cc replay.cc
wait $!
./fuzz -max_total_time="$seconds" -max_len=512 -rss_limit_mb=2048 -timeout=30 -print_final_stats=1 found 2>&1 | tail -n 20
./replay found/*
