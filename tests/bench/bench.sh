#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bench.sh BUILD_DIR: runs the bench on the libraries of that build, prints a Markdown table.
set -euo pipefail
build=${1:?usage: bench.sh BUILD_DIR}
scratch=$(mktemp "$build/bench.XXXXXX")
trap 'rm -f "$scratch"' EXIT
uname -srm
"$build/tests/bench/evpoll-bench" "$build/lib/libevpoll.so" \
  "$build/tests/bench/libevpoll_uncounted.so" "$scratch"
