#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs a GoogleTest program under an emulator: emulated.sh REPORT.xml EMULATOR PROGRAM [OPTION]...
# An exit code of 0 is not believed alone: under Wine a program that never ran has that as well.
set -uo pipefail
report=$1
shift
mkdir -p "$(dirname "$report")"
rm -f "$report" "$report.log"
cd "$(dirname "$report")" || exit 1
"$@" "--gtest_output=xml:$(basename "$report")" </dev/null 2>&1 | tee "$report.log"
code=${PIPESTATUS[0]}
grep -q '^\[  PASSED  \]' "$report.log" || { echo "emulated: no [  PASSED  ]" && exit 1; }
[ -s "$report" ] || { echo "emulated: no report" && exit 1; }
exit "$code"
