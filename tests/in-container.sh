#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tests/in-container.sh IMAGE COMMAND...: the command on this checkout in a container of Debian or
# Alpine, by docker or podman, as root; right here where the machine is what the image is.
#
#   tests/in-container.sh debian:12 ./run test linux
#   tests/in-container.sh alpine:3.22 sh tests/on-bsd.sh
#
# ./run asks for packages by the names and versions of Debian 12, and the tools that it holds things to
# (clang-format 14, abidiff, Wine 8.0) are Debian's. Ubuntu has others, so on Ubuntu it is tried so.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 1 ] || { echo "usage: tests/in-container.sh IMAGE COMMAND..." >&2 && exit 2; }
image=$1
shift

# shellcheck source=/dev/null
[ "$(. /etc/os-release && echo "$ID:${VERSION_ID:-}")" != "$image" ] || exec "$@"

engine=$(command -v docker || command -v podman) ||
  { echo "in-container: needs docker or podman" >&2 && exit 1; }
# What a container may do by Docker's own profile leaves io_uring, ptrace and seccomp out, which is
# what much of the tests is about; and somebody has to bury processes whose parents are gone.
options=(--rm --privileged --init --volume "$PWD:/evpoll" --workdir /evpoll)
# Its own network would have no IPv6 loopback; and descriptors are as many as after a login.
most=$(ulimit -Hn)
options+=(--network host --ulimit "nofile=1024:$((most < 524288 ? most : 524288))")
for name in CI EVPOLL_FUZZ_SECONDS; do
  [ -z "${!name:-}" ] || options+=(--env "$name")
done
case $image in
debian:*)
  packages=(git ca-certificates)
  # Debian has no .NET: that of the host, which is built for any Linux, and wants ICU.
  if [ -x "${DOTNET_ROOT:-}/dotnet" ]; then
    options+=(--volume "$DOTNET_ROOT:/usr/share/dotnet:ro" --env DOTNET_ROOT=/usr/share/dotnet)
    options+=(--env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/share/dotnet)
    packages+=(libicu72)
  fi
  prepare="export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o Acquire::Retries=3 update
    apt-get -qq install -y --no-install-recommends ${packages[*]} >/dev/null
    git config --global --add safe.directory '*'" # the checkout is another user's
  ;;
alpine:*)
  # shellcheck disable=SC2016 # it is the container's shell that asks
  prepare='eval "$(sh tests/on-bsd.sh --needs)"'
  ;;
*) echo "in-container: debian:VERSION or alpine:VERSION, not '$image'" >&2 && exit 2 ;;
esac
exec "$engine" run "${options[@]}" "docker.io/library/$image" sh -euc "$prepare
exec \"\$@\"" in-container "$@"
