#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds a program of its own from the module alone, in a folder outside of the repository.
#
#   consumer/try.sh MODULE    MODULE is the folder of the module
#
# The module's files are those that git knows, as the module proxy would serve them. There is no
# SWIG on PATH, no network, and nothing of the repository's build folder.
set -euo pipefail
module=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

mkdir -p "$work/module" "$work/program" "$work/bin"
(cd "$module" && git ls-files -z . | tar -c --null -T - ) | tar -x -C "$work/module"
for tool in go gcc ld as ar env bash sh cat mkdir rm pkg-config; do
  found=$(command -v "$tool" || true)
  [ -z "$found" ] || ln -s "$found" "$work/bin/$tool"
done
cp "$module/consumer/main.go" "$work/program/main.go"
mkdir "$work/program/readme" # the program that the README begins with
# shellcheck disable=SC2016
sed -n '/^```go/,/^```/p' "$module/README.md" | sed '/^```/d' > "$work/program/readme/main.go"
cat > "$work/program/go.mod" <<MOD
module example.com/program

go 1.19

require github.com/evpoll/evpoll/bindings/go v1.0.0

replace github.com/evpoll/evpoll/bindings/go => ../module
MOD

(
  cd "$work/program"
  export PATH=$work/bin HOME=$work GOFLAGS='' GOPROXY=off GONOSUMDB='*' GOCACHE=$work/cache
  if command -v swig > /dev/null; then echo "consumer: there is a SWIG on PATH" >&2 && exit 1; fi
  go mod vendor
  rm -r "$work/module" # the program has all it needs
  go build -mod=vendor -o program .
  go vet -mod=vendor ./readme
  ./program
)
