#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh PROGRAM SECONDS MOST-BYTES: runs a fuzzer of libFuzzer, from what it found before, in the
# folder NAME.found here, and says what it came to. It begins with random bytes of many lengths.
set -euo pipefail
program=$1 seconds=$2 most=$3
name=${program##*/}
found=$name.found
mkdir -p "$found"
[ -n "$(ls "$found")" ] || python3 - "$found" "$most" <<'PY'
import random, sys
random.seed(1)
for i in range(60):
    bytes_ = bytes(random.randrange(256) for _ in range(random.randrange(1, int(sys.argv[2]))))
    open(f'{sys.argv[1]}/random-{i}', 'wb').write(bytes_)
PY
"$program" -max_total_time="$seconds" -max_len="$most" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="$name-" -len_control=0 "$found" >"$name.log" 2>&1 || {
  grep -E 'not true|ERROR|SUMMARY|runtime error|Base64|    #[0-9] ' "$name.log" | head -n 40
  exit 1
}
grep -E ' cov: ' "$name.log" | tail -n 1
grep -E 'number_of_executed_units|average_exec' "$name.log"
