# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# C#'s part of generate.sh.
generated=(bindings/csharp/src/Evpoll/Generated)

generate_csharp() { shapes csharp "$1"; }
