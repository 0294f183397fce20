#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds a program of its own from the module alone, in a folder outside of the repository.
#
#   consumer/try.sh PROXY    PROXY is a folder that has the module as a proxy serves it
#
# There is no SWIG on PATH, no network, and nothing of the repository's build folder.
set -euo pipefail
proxy=$(cd "$1" && pwd)
module=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

mkdir -p "$work/program" "$work/bin"
for tool in go gcc ld as ar env bash sh cat chmod mkdir rm pkg-config cmp curl; do
  found=$(command -v "$tool" || true)
  [ -z "$found" ] || ln -s "$found" "$work/bin/$tool"
done
cp "$module/consumer/main.go" "$work/program/main.go"
mkdir "$work/program/serve" "$work/program/append" # the README's programs
awk -v serve="$work/program/serve/main.go" -v append="$work/program/append/main.go" '
  /^```go$/ { out = out ? append : serve; inside = 1; next }
  /^```/ { inside = 0 }
  inside { sub(/127\.0\.0\.1:7000/, "127.0.0.1:17017"); print > out }' "$module/README.md"
(
  cd "$work/program"
  export PATH=$work/bin HOME=$work GOFLAGS='' GOPROXY=file://$proxy GONOSUMDB='*' GOCACHE=$work/cache GOPATH=$work/path
  if command -v swig > /dev/null; then echo "consumer: there is a SWIG on PATH" >&2 && exit 1; fi
  go mod init example.com/program
  go get github.com/evpoll/evpoll/bindings/go@v1.0.0
  go mod vendor
  chmod -R u+w "$work/path"
  rm -r "$work/path" # the program has all it needs
  export GOPROXY=off
  go build -mod=vendor -o program .
  ./program
  go build -mod=vendor -o served ./serve
  go build -mod=vendor -o appended ./append
  [ "$(./appended)" = '0 <nil>' ]
  [ "$(cat records)" = 'a record' ]
  ./served &
  trap 'kill $!' EXIT
  curl -fs --retry 50 --retry-delay 0 --retry-connrefused http://127.0.0.1:17017/records | cmp - records
)
