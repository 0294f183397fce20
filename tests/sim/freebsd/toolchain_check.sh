#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# toolchain_check.sh CMAKE CLANG FOLDER: gen/freebsd.cmake configures the project, and the static
# library is compiled, for each FreeBSD and processor that is promised. The sysroot has no more than
# the simulated kernel's headers; the C library's are Linux's, behind them. So nothing is linked.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
cmake=$1 clang=$(command -v "$2") folder=$3
nm=$(command -v "${2/clang/llvm-nm}" || command -v llvm-nm || command -v nm)
sysroot=$folder/sysroot
rm -rf "$folder"
mkdir -p "$sysroot/usr/include/gnu" "$sysroot/usr/lib"
cp -R "$root/tests/sim/freebsd/include/." "$sysroot/usr/include"
touch "$sysroot/usr/include/gnu/stubs-32.h"

fail() {
  tail -n 40 "$folder/$1.log" >&2
  echo "$1: $2" >&2
  exit 1
}

refused=$("$cmake" -S "$root" -B "$folder/refused" --toolchain "$root/gen/freebsd.cmake" 2>&1) && {
  echo "without a sysroot it is configured all the same" >&2
  exit 1
}
grep -q 'set EVPOLL_FREEBSD_SYSROOT' <<<"$refused" || {
  echo "without a sysroot nothing asks for one:" "$refused" >&2
  exit 1
}

for target in {x86_64,aarch64}-unknown-freebsd{14,15}; do
  build=$folder/$target
  "$cmake" -G Ninja -S "$root" -B "$build" --toolchain "$root/gen/freebsd.cmake" \
    -DEVPOLL_FREEBSD_SYSROOT="$sysroot" -DEVPOLL_FREEBSD_TARGET="$target" -DEVPOLL_FREEBSD_CC="$clang" \
    -DEVPOLL_BUILD_TESTS=OFF -DEVPOLL_BUILD_EXAMPLES=OFF -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY \
    "-DCMAKE_C_FLAGS=-D__x86_64__=1 -idirafter /usr/include/$(uname -m)-linux-gnu -idirafter /usr/include" \
    >"$folder/$target.log" 2>&1 || fail "$target" "not configured"
  "$cmake" --build "$build" --target evpoll_static >>"$folder/$target.log" 2>&1 || fail "$target" "not built"

  # What was built, and of what.
  python3 - "$build" "$target" "$sysroot" "$nm" <<'PY' || fail "$target" "built otherwise than it should be"
import glob, json, subprocess, sys
build, target, sysroot, nm = sys.argv[1:]
commands = [c['command'] for c in json.load(open(build + '/compile_commands.json'))]
for want in ('--target=' + target, '--sysroot=' + sysroot, '-Werror', '-Wextra'):
    assert all(want in c for c in commands), want
whole = ''.join(open(path).read() for path in glob.glob(build + '/lib/**/Unity/*.c', recursive=True))
for name in ('kqueue.c', 'filters.c', 'posix_aio.c', 'foreign_aio.c'):
    assert f'/backend/kqueue/{name}"' in whole, name
assert all('EVP_KQUEUE_AIO=1' in c for c in commands)
machine = {'x86_64': 62, 'aarch64': 183}[target.split('-')[0]]
objects = glob.glob(build + '/lib/**/*.o', recursive=True)
assert len(objects) >= 2, len(objects)
for path in objects:
    head = open(path, 'rb').read(20)
    assert head[:4] == b'\x7fELF' and head[7] == 9, path + ' is not FreeBSD\'s'  # ELFOSABI_FREEBSD
    assert int.from_bytes(head[18:20], 'little') == machine, path
# Calls that only Linux has: its headers declare them.
called = subprocess.run([nm, '-u', build + '/lib/libevpoll.a'], capture_output=True, text=True, check=True)
called = {line.split()[-1] for line in called.stdout.splitlines() if ' U ' in line}
linux = {'statx', 'madvise', 'epoll_create1', 'eventfd', 'memfd_create', 'syscall', 'gettid'}
assert not called & linux, called & linux
assert {'minherit', 'fstat', 'kevent', 'sendfile'} <= called, called
archive = open(build + '/lib/libevpoll.a', 'rb').read(24)
assert archive[:8] == b'!<arch>\n' and archive[8:10] == b'/ ', 'the archive has no index of symbols'
system = open(glob.glob(build + '/CMakeFiles/*/CMakeSystem.cmake')[0]).read()
assert 'set(CMAKE_SYSTEM_NAME "FreeBSD")' in system
assert f'set(CMAKE_SYSTEM_VERSION "{target[-2:]}")' in system
assert f'set(CMAKE_SYSTEM_PROCESSOR "{target.split("-")[0]}")' in system
print(f'{target}: {len(objects)} objects')
PY
done
