#!/bin/sh
# SPDX-License-Identifier: MIT
# sh tests/on-bsd.sh [--googletest FOLDER] [CMAKE-OPTION...]
# sh tests/on-bsd.sh --needs      the command that installs all that it uses on this system
#
# For a machine with FreeBSD, another BSD, macOS, Alpine or any Linux, and a checkout: builds in
# build/on-SYSTEM, runs the contract, what that system's backend has of its own, the programs of
# released versions and the demonstration, and ends with "N passed, N failed, N skipped". What is
# missing on the machine is named, with the command that installs it. It needs no network beyond
# loopback, no root, and writes nothing outside of its folder.
#
# GoogleTest is the one that is installed, or its sources in FOLDER.
set -u
cd "$(dirname "$0")/.." || exit 1
system=$(uname -s)
build=build/on-$(echo "$system" | tr '[:upper:]' '[:lower:]')

say() { printf '\n== %s\n' "$*"; }
die() {
  printf 'on-bsd: %s\n' "$*" >&2
  exit 1
}

# What a person types to have all that is used here; the demonstration needs the last words.
to_install() {
  case $system in
  FreeBSD | DragonFly) echo "pkg install cmake googletest bash curl" ;;
  NetBSD) echo "pkgin install cmake googletest bash curl" ;;
  OpenBSD) echo "pkg_add cmake gtest bash curl coreutils" ;;
  Darwin) echo "brew install cmake googletest coreutils" ;; # and xcode-select --install
  *)
    if [ -e /etc/alpine-release ]; then
      echo "apk add build-base cmake linux-headers gtest-dev python3 bash curl"
    elif [ -e /etc/debian_version ]; then
      echo "apt-get install build-essential cmake googletest python3 curl"
    else
      echo "CMake 3.20, a C11 and C++17 compiler, make or ninja, GoogleTest, Python 3, bash and curl"
    fi
    ;;
  esac
}
has() { command -v "$1" >/dev/null 2>&1; }

if [ "${1:-}" = --needs ]; then
  to_install
  exit
fi
if [ "${1:-}" = --googletest ]; then
  [ -e "${2:-}/CMakeLists.txt" ] || die "no sources of GoogleTest in '${2:-}'"
  sources=$(cd "$2" && pwd)
  shift 2
  set -- "-DEVPOLL_GTEST_SOURCE=$sources" "$@"
fi

missing=
has cmake || missing="$missing cmake"
has "${CC:-cc}" || missing="$missing ${CC:-cc}"
has "${CXX:-c++}" || missing="$missing ${CXX:-c++}"
has ninja || has make || missing="$missing make"
[ "$system" != Linux ] || has python3 || missing="$missing python3"
[ -z "$missing" ] || die "missing here:$missing
  $(to_install)"
if has ninja; then set -- -G Ninja "$@"; fi
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || getconf NPROCESSORS_ONLN 2>/dev/null || echo 2)

say "$system $(uname -r) $(uname -m): building in $build"
mkdir -p "$build"
if ! cmake -S . -B "$build" -DEVPOLL_CONTRACT_TESTS_ONLY=ON "$@" >"$build/configure.log" 2>&1; then
  tail -n 20 "$build/configure.log" >&2
  if grep -q GTest "$build/configure.log"; then
    die "there is no GoogleTest: install it, or give its sources by --googletest FOLDER
  $(to_install)"
  fi
  die "CMake failed: see $build/configure.log"
fi
if ! cmake --build "$build" -j "$jobs" >"$build/build.log" 2>&1; then
  grep -E 'error|Error|FAILED|undefined' -A 4 "$build/build.log" | head -n 60 >&2
  die "building failed: see $build/build.log"
fi

say "the contract, the backend's own tests, the programs of released versions"
ctest --test-dir "$build" -L 'contract|backend|abi|stress' -j "$jobs" --output-on-failure \
  >"$build/test.log" 2>&1
# An entry that says none of these is a failure of a kind that CTest will have another day.
counts=$(awk '
  /^ *[0-9]+\/[0-9]+ Test +#/ {
    bad = 0
    if (/ Passed +[0-9.]+ sec/) passed++
    else if (/\*\*\*(Skipped|Not Run \(Disabled\))/) skipped++
    else { failed++; bad = 1 }
  }
  bad && lines++ < 400 { print >"/dev/stderr" }
  END { print passed + 0, failed + 0, skipped + 0 }' "$build/test.log")
# shellcheck disable=SC2086 # three words
set -- $counts
passed=$1 failed=$2 skipped=$3
[ $((passed + failed)) -gt 0 ] || { tail -n 20 "$build/test.log" >&2 && die "no tests ran"; }
grep -ahE '^\[   GATE   \].*closed' "$build"/Testing/Temporary/LastTest.log 2>/dev/null | sort -u

say "the demonstration"
if has bash && has curl && has timeout; then
  if bash gen/demo.sh "$build/bindings/c/examples/evpoll-serve"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
else
  echo "skipped: it needs bash, curl and timeout: $(to_install)"
  skipped=$((skipped + 1))
fi

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
