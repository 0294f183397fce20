#!/bin/sh
# SPDX-License-Identifier: MIT
# runtime.sh SDK x64|arm64 OUT: a stand-in for the libraries that come with Visual Studio's compiler:
# libcmt.lib and libvcruntime.lib, of which a DLL takes what it needs into itself, and msvcrt.lib and
# vcruntime.lib for programs that need vcruntime140.dll.
set -eu
sdk=$1
machine=$2
out=$3
here=$(cd "$(dirname "$0")" && pwd)
case $machine in
x64) target=x86_64 dlltool=i386:x86-64 ;;
arm64) target=aarch64 dlltool=arm64 ;;
*) exit 2 ;;
esac
mkdir -p "$out"
for source in program.c library.c memory.c support.S; do
  clang-14 --target="$target-pc-windows-msvc" -std=c11 -O2 -fno-builtin -fms-extensions -Wall -Werror \
    -isystem "$here/include" -isystem "$sdk/include/ucrt" \
    -isystem "$sdk/include/um" -isystem "$sdk/include/shared" -c "$here/runtime/$source" \
    -o "$out/${source%.*}.obj"
done
cd "$out"
llvm-lib-14 /nologo "/machine:$machine" /out:msvcrt.lib program.obj support.obj
llvm-lib-14 /nologo "/machine:$machine" /out:libcmt.lib library.obj support.obj
llvm-lib-14 /nologo "/machine:$machine" /out:libvcruntime.lib memory.obj
llvm-lib-14 /nologo "/machine:$machine" /llvmlibempty /out:oldnames.lib
llvm-dlltool-14 -m "$dlltool" -d "$here/runtime/vcruntime140.def" -l vcruntime.lib
