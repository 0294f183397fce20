# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154,SC2034
# Go's part of generate.sh, which sources it.
generated=(bindings/go/internal/capi bindings/go/generated.go)

generate_go() {
  shapes go "$2"
  cp go/* "$1"
  # Go compiles what lies beside a cgo file, in that one folder: nothing else survives `go mod vendor`.
  python3 ../amalgamate.py "$1"
  # A constraint has to come first, behind comments and before an empty line.
  sed -i '1a //go:build cgo \&\& !evpoll_system\n' "$1/evpoll.c"
  # A number in parentheses would become a variable that is read from C when the program starts.
  mkdir "$1/header"
  sed -E 's/\((-[0-9]+)\)/\1/' "$root/abi/evpoll.h" > "$1/header/evpoll.h"
  swig -I"$1/header" -go -cgo -intgosize 64 -outdir "$1" -o "$1/capi_wrap.c" evpoll.i
  rm -r "$1/header"
  # Go looks through everything that a void pointer leads to, at each call, for pointers that C
  # must not get. Nothing here has any in it, and a pointer to bytes says so.
  sed -i 's/^typedef void \*swig_voidp;/typedef char *swig_voidp;/' "$1/capi.go"
  # go vet objects to a pointer that was an integer for a while.
  sed -i -e 's/^type swig_gostring struct { p uintptr;/type swig_gostring struct { p unsafe.Pointer;/' \
    -e 's/Swig_free(p\.p)/Swig_free(uintptr(p.p))/' "$1/capi.go"
  sed -i '1s|^|// SPDX-License-Identifier: MIT\n|' "$1/capi.go" "$1/capi_wrap.c"
  gofmt -w "$1/capi.go"
}
