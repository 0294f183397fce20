# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# C#'s part of generate.sh.
# shellcheck disable=SC2034 # read by generate.sh
generated=bindings/csharp/src/Evpoll/Generated

generate_csharp() {
  local out=$1 wrappers
  wrappers=$(mktemp -d)
  swig_to -csharp -namespace Evpoll.Interop -dllimport evpoll -outdir "$out" -o "$wrappers/wrap.c" \
    -DSWIG_CSHARP_NO_EXCEPTION_HELPER -DSWIG_CSHARP_NO_STRING_HELPER \
    -DSWIG_CSHARP_NO_IMCLASS_STATIC_CONSTRUCTOR
  # A wrapper that did more than pass its arguments on would be missing without its library.
  if sed '1,/^#include "evpoll.h"/d' "$wrappers/wrap.c" | grep -E 'SWIG_[cC][sS]harp|malloc' ||
    grep -l SWIGTYPE "$out"/*.cs; then
    echo "generate: csharp.i lets SWIG convert something: see what it wrote" >&2
    return 1
  fi
  rm -rf "$wrappers"
  # The P/Invokes name evpoll's own exports, so that evpoll is the only native library.
  sed -i -E -e 's/EntryPoint="CSharp_EvpollfInterop_(evpoll_[a-z_]*)___"/EntryPoint="\1", ExactSpelling=true/' \
    -e '1i // SPDX-License-Identifier: MIT' -e 's/[ \t]+$//' "$out"/*.cs
}
