#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bench.sh BUILD_DIR [--quick] [--readme] [PART]: measures with the programs of that build.
# Without a part: evpoll against its peers. Parts: servers, growth, syscalls, all, or one group of
# rows (readiness, oneshot, changes, calls, threads, memory, files, echo, accepts, timers, appends,
# neighbours, delays, wakes).
# targets, compare FOLDER: of the last run.
# --quick takes two minutes; --readme measures all, and writes the tables into README.md.
set -euo pipefail
build=${1:?usage: bench.sh BUILD_DIR [--quick] [--readme] [PART]}
shift
here=$(dirname "$0")
case ${1:-} in targets | compare) exec "$here/results.py" "$1" "$build" "${@:2}" ;; esac
effort=full readme=no part=peers
for word in "$@"; do
  case $word in
  --quick) effort=quick ;;
  --readme) readme=yes part=all ;;
  -*)
    echo "bench: no option $word" >&2
    exit 2
    ;;
  *) part=$word ;;
  esac
done
quick=()
[ $effort = full ] || quick=(--quick)

# The tables go to the terminal and to the build's folder.
peers() {
  "$build/tests/bench/evpoll-bench" $effort "$build" "$@" | tee "$build/peers.md"
  "$here/results.py" plots "$build"
}
servers() { "$here/servers.py" "$build" "${quick[@]}" | tee "$build/servers.md"; }
growth() {
  "$build/tests/bench/evpoll-growth" $effort "$build/growth.scratch" | tee "$build/growth.md"
}
syscalls() {
  "$here/syscalls.py" "$build/tests/bench/evpoll-bench" | tee "$build/syscalls.md"
}

case $part in
peers | servers | growth | syscalls) "$part" ;;
all)
  peers
  syscalls
  servers
  growth
  ;;
*) peers "$part" ;;
esac
[ $readme = no ] || "$here/results.py" readme "$build" "$build"/{peers,syscalls,servers,growth}.md
echo "plots and bench.json are in $build" >&2
