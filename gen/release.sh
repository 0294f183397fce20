#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gen/release.sh FOLDER: after `./run package --all`, what is attached to a release: the packages,
# Go's module as a proxy serves it, and SHA256SUMS.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -eq 1 ] || { echo "usage: gen/release.sh FOLDER" >&2 && exit 2; }
mkdir -p "$1"
cd "$1"
rm -f ./*
build=$root/build
cp "$build"/csharp/package/*.nupkg "$build"/java/evpoll-*.{jar,pom} .
version=$(sed -n 's/^project(evpoll VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
cp "$build"/c/packages/*.{deb,tar.gz,zip} .
cp "$build"/go/proxy/github.com/evpoll/evpoll/bindings/go/@v/v*.zip "evpoll-go-$version.zip"
sha256sum -- * >SHA256SUMS
cat SHA256SUMS
