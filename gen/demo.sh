#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Shows evpoll at work: starts evpoll-serve over a folder of this repository, fetches every file of
# it over many connections at once, compares each byte, stops the server with Ctrl-C and prints its
# report. Exit code 0 means that all of that went well.
#
#   gen/demo.sh SERVER...          the demonstration, of the command SERVER: a file server that takes a
#                                  folder, says "listening on HOST:PORT", and reports after Ctrl-C
#   gen/demo.sh --keep SERVER...   only the server, until Ctrl-C, to be tried by hand
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/lib
rounds=20
connections=32
seconds=60 # for each step, so that nothing hangs

fail() {
  echo "demo: $*" >&2
  exit 1
}

keep=no
[ "${1:-}" != --keep ] || { keep=yes && shift; }
[ $# -ge 1 ] || fail "usage: gen/demo.sh [--keep] SERVER..."
server=("$@" "$folder")
[ $keep = no ] || exec "${server[@]}"
command -v curl > /dev/null || fail "curl is needed"

work=$(mktemp -d)
pid=
cleanup() {
  [ -z "$pid" ] || kill -9 "$pid" 2> /dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

mkfifo "$work/output"
"${server[@]}" > "$work/output" 2> "$work/errors" &
pid=$!
exec 3< "$work/output"
read -r -t "$seconds" line <&3 || fail "the server did not start: $(cat "$work/errors")"
address=${line#listening on }
address=${address%$'\r'}
echo "evpoll-serve serves ${folder#"$root"/}/ at http://$address/"

(cd "$folder" && find . -type f -not -path '*/.*' | cut -c3- | sort) > "$work/files"
files=$(wc -l < "$work/files")
for ((round = 1; round <= rounds; round++)); do
  while read -r file; do
    printf 'url = "http://%s/%s"\noutput = "%s/%s/%s"\n' \
      "$address" "$file" "$work" "$round" "$file"
  done < "$work/files"
done > "$work/requests"

echo "curl fetches $files files $rounds times over up to $connections connections ..."
timeout "$seconds" curl --silent --show-error --fail-early --fail --create-dirs \
  --no-progress-meter --parallel --parallel-immediate --parallel-max "$connections" \
  --max-time "$seconds" --config "$work/requests" || fail "curl failed"

for ((round = 1; round <= rounds; round++)); do
  while read -r file; do
    cmp "$folder/$file" "$work/$round/$file" || fail "$file arrived different (round $round)"
  done < "$work/files"
done
echo "all $((files * rounds)) answers are equal to the files, byte by byte"

kill -INT "$pid"
timeout "$seconds" cat <&3 > "$work/report" || fail "the server did not end after Ctrl-C"
code=0
wait "$pid" || code=$?
pid=
[ "$code" = 0 ] || fail "the server ended with code $code: $(cat "$work/errors")"
[ ! -s "$work/errors" ] || fail "the server complained: $(cat "$work/errors")"
grep -q " $((files * rounds)) requests (0 refused)" "$work/report" ||
  fail "the server counted other requests: $(cat "$work/report")"
echo "Ctrl-C: the server ended with code 0 and reports"
grep '^evpoll-serve:' "$work/report" | sed 's/^evpoll-serve:/ /'
