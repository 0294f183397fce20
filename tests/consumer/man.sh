#!/bin/sh
# SPDX-License-Identifier: MIT
# man.sh SOURCE MANDIR: what was installed answers `man evpoll_wait` and its like, with the prototype,
# the parameters, the statuses and the version of the header; mandoc and groff find no fault in it.
set -eu
source=$1
export MANPATH="$2" MANWIDTH=100 MANPAGER=cat LC_ALL=C.UTF-8
unset MANOPT
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "man: $*" >&2
  exit 1
}
# shows PAGE TEXT...: the page, in one line with single blanks, has these texts.
shows() {
  page=$1
  shift
  man "$page" >"$work/page" 2>"$work/complaints" || fail "no page $page: $(cat "$work/complaints")"
  [ ! -s "$work/complaints" ] || fail "$page: $(cat "$work/complaints")"
  sed 's/.\x08//g' "$work/page" | tr -s '[:space:]' ' ' >"$work/line"
  for text; do
    grep -qF -- "$text" "$work/line" || fail "$page does not show '$text'"
  done
}

# Each function, from the header as a preprocessor sees it: "int32_t evpoll_wait(evpoll *p, ...);".
sed 's/^EVPOLL_API //; /^#include/d' "$source/abi/evpoll.h" | ${CC:-cc} -E -P -x c - | tr -s '[:space:]' ' ' |
  sed 's/; /;\n/g' | grep -E '^(const char \*|int(32|64)_t )evpoll_[a-z_]*\(' >"$work/prototypes"
count=0
while read -r prototype; do
  name=${prototype%%(*}
  name=${name##*[ *]}
  shows "$name" "NAME $name - " "#include <evpoll.h> $prototype DESCRIPTION" \
    "RETURN VALUE" "Ownership" "Threads" "Blocks" "VERSIONS Since evpoll 1." "SEE ALSO"
  count=$((count + 1))
done <"$work/prototypes"
listed=$(grep -c '^evpoll_.* @' "$source/evpoll.def")
[ "$count" -eq "$listed" ] || fail "$count functions in the header, $listed in evpoll.def"

# What a reader looks for: a parameter, a status with the function's own words, and one in the header's;
# those of a function that it refers to; the example, the fields and the constants in evpoll(7).
shows evpoll_wait "timeout_ns nanoseconds, rounded up" "ERRORS EVPOLL_ERR_INVALID NULL, unknown flag" \
  "EVPOLL_ERR_BUSY A second waiter in a single-waiter poller. EVPOLL_ERR_FORKED The poller belongs"
shows evpoll_turn "EVPOLL_ERR_SHUTDOWN Shut down, and nothing left to deliver."
shows evpoll "while ((n = evpoll_wait(p, events, 64, EVPOLL_INFINITE)) >= 0)" "uint64_t token As given at" \
  "EVPOLL_ERR_STALE = -6 The handle is registered with another token by now." "evpoll_wait(3) Waits until"
[ "$(man -w 7 evpoll)" = "$MANPATH/man7/evpoll.7" ] || fail "evpoll(7) is not in section 7"

mandoc -Tlint -W style "$MANPATH"/man3/*.3 "$MANPATH"/man7/*.7 >"$work/lint" || true
[ ! -s "$work/lint" ] || { cat "$work/lint" >&2 && fail "mandoc finds faults"; }
for page in "$MANPATH"/man3/*.3 "$MANPATH"/man7/*.7; do
  groff -ww -man -Tutf8 -z "$page" 2>>"$work/lint"
done
[ ! -s "$work/lint" ] || { cat "$work/lint" >&2 && fail "groff finds faults"; }
