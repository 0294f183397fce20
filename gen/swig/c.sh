# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# C's part of generate.sh: the compiler is asked whether it agrees.
generated=(tests/contract/generated.c)

generate_c() { shapes c "$1"; }
