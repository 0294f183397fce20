#!/bin/sh
# SPDX-License-Identifier: MIT
# unshare --mount clean_root.sh FOLDER: the packages in FOLDER, installed and used on a system that knows
# nothing else of evpoll: this machine's, without this tree, with a layer above it that takes what is
# written and is gone afterwards. The start that README.md gives a newcomer is tried there too, in a
# checkout of what Git has.
set -eu
folder=$(cd "$1" && pwd)
tree=$(cd "$(dirname "$0")/../.." && pwd)

fail() {
  echo "clean root: $*" >&2
  exit 1
}

if [ "${2:-}" != inside ]; then
  mount --make-rprivate /
  layer=$(mktemp -d)
  mount -t tmpfs tmpfs "$layer"
  mkdir "$layer/above" "$layer/work" "$layer/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/above,workdir=$layer/work" "$layer/root" ||
    fail "this kernel lays nothing above /"
  mkdir -p "$layer/root/try/evpoll"
  cp "$folder"/*.deb "$folder"/*.tar.gz "$0" "$tree"/tests/consumer/consumer.c "$tree"/tests/consumer/CMakeLists.txt \
    "$layer/root/try"
  (cd "$tree" && git ls-files -z | xargs -0 cp --parents -t "$layer/root/try/evpoll")
  mount --bind /proc "$layer/root/proc"
  mount --bind /dev "$layer/root/dev"
  mount -t tmpfs tmpfs "$layer/root$tree"
  mount -t tmpfs tmpfs "$layer/root/tmp"
  status=0
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \
    chroot "$layer/root" sh "/try/$(basename "$0")" /try inside || status=$?
  umount -R "$layer/root"
  umount "$layer"
  rmdir "$layer"
  exit $status
fi

quietly() {
  "$@" >/tmp/log 2>&1 || { cat /tmp/log >&2 && fail "failed: $*"; }
}
left() {
  find /usr/include /usr/lib /usr/share -xdev \( -name 'evpoll*' -o -name 'libevpoll*' \) ! -path '*/python*'
}

cd /try
rm -f /etc/dpkg/dpkg.cfg.d/*exclude* /etc/dpkg/dpkg.cfg.d/docker* # some images go without manual pages
[ -z "$(left)" ] || fail "evpoll is here already: $(left | head -n 3)"

quietly dpkg -i libevpoll1_*.deb libevpoll-dev_*.deb libevpoll1-dbgsym_*.deb
quietly dpkg --verify libevpoll1 libevpoll-dev
ldconfig -p | grep -q 'libevpoll\.so\.1 ' || fail "the loader does not know the library"
mkdir pkg-config static cmake
# shellcheck disable=SC2046 # words of a command line
quietly cc -std=c99 -Wall -Werror -o pkg-config/consumer consumer.c $(pkg-config --cflags --libs evpoll)
quietly pkg-config/consumer consumer.c
# shellcheck disable=SC2046
quietly cc -std=c99 -static -o static/consumer consumer.c $(pkg-config --static --cflags --libs evpoll)
quietly static/consumer consumer.c
quietly cmake -S . -B cmake
quietly cmake --build cmake
quietly cmake/consumer_c consumer.c
man evpoll_wait 2>/tmp/log | grep -q 'evpoll_wait - waits until' || fail "man: $(cat /tmp/log)"
man 7 evpoll 2>/tmp/log | grep -q 'one wait for everything' || fail "man: $(cat /tmp/log)"
[ -s /usr/share/doc/libevpoll1/copyright ] || fail "no copyright"
# What a package of somebody else's would depend on.
mkdir -p other/debian
printf 'Source: other\n\nPackage: other\nArchitecture: any\n' >other/debian/control
(cd other && dpkg-shlibdeps -O ../pkg-config/consumer 2>/tmp/log) >/tmp/needs || fail "$(cat /tmp/log)"
grep -q 'libevpoll1 (>= 1\.0)' /tmp/needs || fail "a program needs $(cat /tmp/needs)"
quietly dpkg -P libevpoll1-dbgsym libevpoll-dev libevpoll1
[ -z "$(left)" ] || fail "stays behind: $(left)"
! ldconfig -p | grep evpoll || fail "the loader knows it still"

sh evpoll/tests/packages/quick_start.sh /try/evpoll

# The .tar.gz, wherever it is unpacked.
mkdir opt
tar -xzf evpoll-*.tar.gz -C opt --strip-components=1
export PKG_CONFIG_PATH=/try/opt/lib/pkgconfig
# shellcheck disable=SC2046
quietly cc -std=c99 -o pkg-config/consumer consumer.c $(pkg-config --cflags --libs evpoll) -Wl,-rpath,/try/opt/lib
quietly pkg-config/consumer consumer.c
rm -rf cmake
quietly cmake -S . -B cmake -DCMAKE_PREFIX_PATH=/try/opt -DCONSUMER_STATIC=ON
quietly cmake --build cmake
quietly cmake/consumer_c consumer.c
man -M opt/share/man evpoll_submit 2>/tmp/log | grep -q 'starts operations' || fail "man: $(cat /tmp/log)"
