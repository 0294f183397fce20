#!/bin/sh
# SPDX-License-Identifier: MIT
# quick_start.sh CHECKOUT: "Quick start in C" of its README.md, word by word, where /tmp/evpoll is nobody's.
# Only the port may be another's, so that echo.py starts the server and talks to it in place of nc.
set -eu
checkout=$1
own=/tmp/own
log=$own.log

fail() {
  echo "quick start: $*" >&2
  exit 1
}
# fenced LANGUAGE: what README.md has first in that language.
fenced() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$checkout/README.md" | sed '/^```$/q' | sed '1d;$d'; }
# commands [N]: the N-th block of commands; without N, how many there are.
commands() {
  sed -n '/^## Quick start in C$/,/^What an operation can be/p' "$checkout/README.md" | awk -v wanted="${1:-}" '
    !/^    / { inside = 0; next }
    !inside++ { n++ }
    n == wanted { print substr($0, 5) }
    END { if (!wanted) print n }'
}
talk() { sed "/ nc -N 127.0.0.1 7777\$/d; /^kill \$!\$/d; s,^\([a-z./]*echo\) 7777.*,$echo \1 PORT,"; }
# follow FOLDER N: the N-th block, there.
follow() {
  commands "$2" | talk >"$own.sh"
  (cd "$1" && sh -eux "$own.sh") >"$log" 2>&1 </dev/null || { cat "$log" >&2 && fail "block $2 fails"; }
}

echo="python3 -B $checkout/tests/consumer/echo.py"
[ "$(commands)" = 6 ] || fail "README.md has $(commands) blocks of commands, and 6 are tried"
[ ! -e /tmp/evpoll ] || fail "/tmp/evpoll is somebody's"
mkdir "$own"
fenced c >"$own/echo.c"
fenced cmake >"$own/CMakeLists.txt"

follow "$checkout" 1
follow "$own" 2 # pkg-config
grep -q 'echo.py ./echo' "$log" || fail "nobody talked to it"
follow "$own" 3 # CMake
grep -q 'echo.py build/echo' "$log" || fail "nobody talked to it"
follow "$own" 4 # the manual
grep -q 'evpoll_wait - waits until' "$log" || fail "no manual: $(cat "$log")"
follow "$checkout" 5 # the two files
rm -r /tmp/evpoll "$own/echo"
follow "$own" 6
$echo "$own/echo" PORT
