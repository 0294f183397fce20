# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# C#'s part of ./run, which reads this file.

csharp=bindings/csharp
csharp_out=build/csharp

# No process stays behind, and nothing is sent anywhere.
csharp_environment() {
  export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_USE_MSBUILD_SERVER=0
  export MSBUILDDISABLENODEREUSE=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
}

need_csharp() {
  need_build
  csharp_environment
  dotnet --list-sdks 2>/dev/null | grep -q '^10\.' && return
  # Debian 12 has none of its own; Microsoft's archive does, where it is set up.
  if apt-cache show dotnet-sdk-10.0 >/dev/null 2>&1; then
    need dotnet-sdk-10.0
  else
    die "needs the .NET SDK 10 (https://dotnet.microsoft.com/download); dotnet has to be on PATH"
  fi
}

# csharp_step LOG COMMAND...: silent unless it fails.
csharp_step() {
  local log=$csharp_out/$1.log
  shift
  "$@" >"$log" 2>&1 || {
    grep -E 'error|Error|FAILED|fail' "$log" | sort -u | head -n 40 >&2
    die "C#: '$*' failed: see $log"
  }
}

# csharp_natives: the libraries as the package has them.
csharp_natives() {
  local id
  for id in linux-x64 linux-musl-x64; do
    [ -e build/natives/$id/lib/libevpoll.so ] || continue
    install -D build/natives/$id/lib/libevpoll.so "$csharp_out/natives/$id/libevpoll.so"
  done
  [ ! -e build/natives/win-x64/bin/evpoll.dll ] ||
    install -D build/natives/win-x64/bin/evpoll.dll "$csharp_out/natives/win-x64/evpoll.dll"
}

csharp_build() {
  mkdir -p "$csharp_out"
  csharp_natives
  csharp_step "build-$(basename "$1")" dotnet build --disable-build-servers \
    -c Release -m:2 "$csharp/$1"
}

# Tests by dotnet test: the log has all of it, and failures are shown.
csharp_xunit() {
  local name=$1 filter=$2
  dotnet test --no-build -c Release "$csharp/tests" --filter "$filter" \
    --results-directory "$csharp_out/results" --logger "trx;LogFileName=$name.trx" \
    >"$csharp_out/test-$name.log" 2>&1 ||
    grep -E '^ +Failed |Error Message|^   |\[FAIL\]|crashed|Unhandled' \
      "$csharp_out/test-$name.log" | head -n 80 || true
  [ -f "$csharp_out/results/$name.trx" ] || die "C#: no tests ran: see $csharp_out/test-$name.log"
  grep -hE '^(Passed|Failed)!' "$csharp_out/test-$name.log" || true
}

# csharp_case NAME COMMAND...: one test of another kind.
csharp_case() {
  local name=$1 code=0
  shift
  "$@" >"$csharp_out/case.log" 2>&1 || code=$?
  case $code in
  0) echo "passed $name" ;;
  77) echo "skipped $name" ;;
  *) echo "failed $name" ;;
  esac >>"$csharp_out/results/cases.txt"
  [ $code -eq 0 ] || [ $code -eq 77 ] || { echo "C#: $name:"; tail -n 30 "$csharp_out/case.log"; }
  cat "$csharp_out/case.log" >>"$csharp_out/cases.log"
}

# The behaviour that the C server is held to. One test is left out there: a process of .NET does not
# start with 24 descriptors. Another replaces the library's functions in the server's binary.
csharp_server_tests() {
  local server script=tests/examples/serve_test.py test tests
  server=$PWD/$csharp_out/bin/FileServer/Release/net10.0
  mkdir -p "$csharp_out/serve"
  mapfile -t tests < <(sed -nE 's/^ +def (test_[a-z0-9_]+)\(.*/\1/p' $script)
  for test in "${tests[@]}"; do
    case $test in
    test_running_out_of_descriptors_is_survived | test_short_reads_are_continued) continue ;;
    esac
    csharp_case "serve.$test" env -C "$csharp_out/serve" timeout 150 \
      python3 -B "$PWD/$script" "$server" uring "$test"
  done
}

# csharp_consume FOLDER: a project of somebody else's, with the package alone: outside of the
# repository, with an empty package cache, and with nothing on PATH but dotnet.
csharp_consume() {
  local work=$1
  mkdir -p "$work/feed" "$work/bin" "$work/project"
  cp "$csharp_out"/package/Evpoll.1.0.0.nupkg "$work/feed/"
  cp "$csharp"/consumer/* "$work/project/"
  ln -s "$(command -v dotnet)" "$work/bin/dotnet"
  (
    cd "$work/project" || exit 1
    export PATH=$work/bin NUGET_PACKAGES=$work/packages
    dotnet restore --source "$work/feed" &&
      dotnet build --no-restore --disable-build-servers -c Release
  ) || return 1
}
csharp_consumer_runs() { [ "$("$1" "$2/hello.txt")" = "hello from a file" ]; }
# csharp_refuses WORDS... -- COMMAND...: it fails, and says why with each of these words.
csharp_refuses() {
  local words=() said word
  while [ "$1" != -- ]; do words+=("$1") && shift; done
  shift
  ! said=$("$@" 2>&1) || return 1
  printf '%s\n' "$said"
  for word in "${words[@]}"; do grep -qF -- "$word" <<<"$said" || return 1; done
}

csharp_package_tests() {
  local work app missing=/nonexistent/libevpoll.so other=$PWD/$csharp_out/native/libevpoll-other.so
  work=$(mktemp -d)
  csharp_case package.a_project_builds_with_the_package_alone csharp_consume "$work"
  app=$work/project/bin/Release/net10.0/Consumer
  csharp_case package.it_runs csharp_consumer_runs "$app" "$work"
  csharp_case package.a_missing_library_is_named csharp_refuses DllNotFoundException "$missing" -- \
    env "EVPOLL_LIBRARY=$missing" "$app" "$work/hello.txt"
  csharp_case package.a_library_of_another_version_is_refused csharp_refuses "$other" 2.3.4 1.0 -- \
    env "EVPOLL_LIBRARY=$other" "$app" "$work/hello.txt"
  for native in linux-x64/native/libevpoll.so linux-musl-x64/native/libevpoll.so \
    win-x64/native/evpoll.dll; do
    csharp_case "package.has_$native" python3 -c 'import sys, zipfile
assert "runtimes/" + sys.argv[2] in zipfile.ZipFile(sys.argv[1]).namelist()' \
      "$csharp_out/package/Evpoll.1.0.0.nupkg" "$native"
  done
  rm -rf "$work"
}

test_csharp() {
  say "csharp: generated code, raw layer, event loop, the server, the package in another project"
  need_csharp
  need swig python3 curl libcurl4
  build_natives
  rm -rf "$csharp_out/results" "$csharp_out/package" "$csharp_out/cases.log" "$csharp_out/junit.xml"
  mkdir -p "$csharp_out/results"
  csharp_step generate gen/swig/generate.sh --check csharp
  csharp_step native "$csharp/tests/native/build.sh" build/natives/linux-x64/lib/libevpoll.a \
    "$csharp_out/native"
  csharp_build Evpoll.slnx
  csharp_step pack dotnet pack --no-build -c Release "$csharp/src/Evpoll"
  csharp_xunit library 'Library!=counting'
  EVPOLL_LIBRARY=$PWD/$csharp_out/native/libevpoll-counting.so \
    csharp_xunit counting 'Library=counting'
  csharp_server_tests
  csharp_package_tests
  csharp_case example.curl "$csharp/examples/CurlFetch/try.sh" \
    "$csharp_out/bin/FileServer/Release/net10.0/evpoll-serve" \
    "$csharp_out/bin/CurlFetch/Release/net10.0/curl-fetch" "$PWD/lib"
  csharp_case demo gen/demo.sh "${csharp_server[@]}"
  python3 "$csharp/tests/report.py" "$csharp_out/junit.xml" "$csharp_out"/results/*.trx \
    "$csharp_out/results/cases.txt"
  count "$csharp_out"
}

# .NET leaves signals ignored that were so at its start, and a shell's background jobs start so.
csharp_server=(env --default-signal=INT "$csharp_out/bin/FileServer/Release/net10.0/evpoll-serve")

demo_csharp() {
  need_csharp
  build_in natives/linux-x64 -DCMAKE_BUILD_TYPE=Release -DEVPOLL_BUILD_TESTS=OFF
  csharp_build examples/FileServer
  gen/demo.sh "$@" "${csharp_server[@]}"
}

bench_csharp() {
  need_csharp
  build_in natives/linux-x64 -DCMAKE_BUILD_TYPE=Release -DEVPOLL_BUILD_TESTS=OFF
  csharp_build bench
  "$csharp_out/bin/Evpoll.Bench/Release/net10.0/Evpoll.Bench" "$@"
}
