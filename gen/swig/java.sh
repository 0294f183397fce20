# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Java's part of generate.sh: the classes in their package's folder, and the C file beside it.
# shellcheck disable=SC2034
generated=(bindings/java/generated)

generate_java() {
  local classes=$1/org/evpoll/internal
  shapes java "$1"
  swig_to -java -package org.evpoll.internal -outdir "$classes" -o "$1/evpoll_jni.c"
}
