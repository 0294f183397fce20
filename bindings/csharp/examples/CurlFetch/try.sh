#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# try.sh SERVER CURL-FETCH FOLDER: fetches every file of FOLDER and compares each byte; 77 where there
# is no libcurl. A file that does not exist is a failure that is told.
set -euo pipefail
server=$1 fetch=$2 folder=$3
/sbin/ldconfig -p | grep -q 'libcurl\.so\.4 ' || exit 77
work=$(mktemp -d)
mkfifo "$work/output"
"$server" "$folder" >"$work/output" &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true; rm -rf "$work"' EXIT
exec 3<"$work/output"
read -r -t 60 line <&3
mkdir "$work/got"
urls=()
for file in "$folder"/*; do
  [ ! -f "$file" ] || urls+=("http://${line#listening on }/${file##*/}")
done
timeout 60 "$fetch" "$work/got" "${urls[@]}" | tee "$work/said"
grep -q "^${#urls[@]} files, " "$work/said"
for url in "${urls[@]}"; do cmp "$folder/${url##*/}" "$work/got/${url##*/}"; done
if timeout 60 "$fetch" "$work/got" "${urls[0]}" "${urls[0]}.none" >"$work/said" 2>&1; then exit 1; fi
grep -q '^1 files, .* 1 failed' "$work/said"
