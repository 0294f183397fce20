# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
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

# csharp_natives RUNTIME-ID...: the libraries as the package has them.
csharp_natives() {
  local id file
  build_natives "$@"
  for id; do
    for file in build/natives/"$id"/{lib/libevpoll.so,lib/libevpoll.dylib,bin/evpoll.dll}; do
      [ ! -e "$file" ] || install -D -t "$csharp_out/natives/$id" "$file"
    done
  done
}

csharp_package=$csharp_out/package/Evpoll.1.0.0.nupkg
csharp_kestrel=$csharp_out/package/Evpoll.Kestrel.1.0.0.nupkg
# package_csharp RUNTIME-ID...: the packages, the first with these natives.
package_csharp() {
  need_csharp
  need python3
  rm -rf "$csharp_out/natives" "$csharp_out/package"
  mkdir -p "$csharp_out"
  csharp_natives "$@"
  csharp_step pack-kestrel dotnet pack --disable-build-servers -c Release -m:2 \
    "$csharp/src/Evpoll.Kestrel"
  csharp_step pack dotnet pack --disable-build-servers -c Release -m:2 "$csharp/src/Evpoll"
  add_bill "$csharp_package" Evpoll _manifest/spdx_2.3/manifest.spdx.json
  add_bill "$csharp_kestrel" Evpoll.Kestrel _manifest/spdx_2.3/manifest.spdx.json
  echo "$csharp_package" "$csharp_kestrel"
}

csharp_build() {
  mkdir -p "$csharp_out"
  csharp_natives "$this_runtime"
  csharp_step "build-$(basename "$1")" dotnet build --disable-build-servers \
    -c Release -m:2 "$csharp/$1"
}

# csharp_xunit NAME FOLDER FILTER: tests by dotnet test; the log has all of it, failures are shown.
csharp_xunit() {
  local name=$1 folder=$2 filter=$3
  dotnet test --no-build -c Release "$csharp/$folder" --filter "$filter" \
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
# start with 24 descriptors. Others replace the library's functions in the server's binary.
csharp_server_tests() {
  local server script=tests/examples/serve_test.py test tests
  server=$PWD/$csharp_out/bin/FileServer/Release/net10.0
  mkdir -p "$csharp_out/serve"
  mapfile -t tests < <(sed -nE 's/^ +def (test_[a-z0-9_]+)\(.*/\1/p' $script)
  for test in "${tests[@]}"; do
    case $test in test_running_out_of_descriptors_is_survived | test_faults_*) continue ;; esac
    csharp_case "serve.$test" env -C "$csharp_out/serve" timeout 150 \
      python3 -B "$PWD/$script" "$server" uring "$test"
  done
}

# csharp_consume FOLDER: a project of somebody else's, with the package alone: outside of the
# repository, with an empty package cache, and with nothing on PATH but dotnet.
csharp_consume() {
  local work=$1
  mkdir -p "$work/feed" "$work/bin" "$work/project"
  cp "$csharp_package" "$csharp_kestrel" "$work/feed/"
  cp "$csharp"/consumer/* "$work/project/"
  ln -s "$(command -v dotnet)" "$work/bin/dotnet"
  (
    cd "$work/project" || exit 1
    export PATH=$work/bin NUGET_PACKAGES=$work/packages
    dotnet restore --source "$work/feed" &&
      dotnet build --no-restore --disable-build-servers -c Release
  ) || return 1
}
csharp_consumer_runs() {
  rm -f "$2/hello.txt"
  [ "$("$1" "$2/hello.txt")" = "100 records, the first one is 'record 00'" ]
}
# csharp_publishes FOLDER: ahead of time compiled, and run; 77 where NuGet does not have the compiler.
csharp_publishes() {
  local packages=$PWD/$csharp_out/aot code=0
  rm -rf "$packages/evpoll"
  (
    cd "$1/project" || exit 1
    local how=(-r linux-x64 -p:PublishAot=true "-p:RestoreAdditionalProjectSources=$1/feed")
    env "NUGET_PACKAGES=$packages" dotnet restore "${how[@]}" || exit 77
    env "NUGET_PACKAGES=$packages" dotnet publish --no-restore --disable-build-servers -c Release "${how[@]}" -o "$1/aot"
  ) || code=$?
  [ $code -ne 0 ] || csharp_consumer_runs "$1/aot/Consumer" "$1" || code=$?
  [ $code -ne 77 ] || echo "[   GATE   ] ahead of time: closed, no compiler from NuGet"
  return $code
}
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
  csharp_case package.it_runs_compiled_ahead_of_time csharp_publishes "$work"
  csharp_case package.what_readme_shows_runs python3 -B "$csharp/tests/readme.py" \
    "$csharp/README.md" "$work"
  csharp_case package.a_missing_library_is_named csharp_refuses DllNotFoundException "$missing" -- \
    env "EVPOLL_LIBRARY=$missing" "$app" "$work/hello.txt"
  csharp_case package.a_library_of_another_version_is_refused csharp_refuses "$other" 2.3.4 1.0 -- \
    env "EVPOLL_LIBRARY=$other" "$app" "$work/hello.txt"
  csharp_case package.natives tests/natives.py "$csharp_package" "${tested_runtimes[@]}"
  csharp_case package.bills tests/packages/sbom.py "$csharp_package" "$csharp_kestrel"
  local build=(env -C "$work/project" "NUGET_PACKAGES=$work/packages" dotnet build
    --disable-build-servers --source "$work/feed" --self-contained false -p:UseAppHost=false -r)
  csharp_case package.a_platform_with_a_native_is_built "${build[@]}" "$this_runtime"
  csharp_case package.a_platform_without_a_native_is_refused csharp_refuses \
    "Evpoll has no native library for linux-s390x" -- "${build[@]}" linux-s390x
  rm -rf "$work"
}

test_csharp() {
  say "csharp: generated code, raw layer, event loop, the common suite, the server, the package elsewhere"
  need_csharp
  need swig python3 curl libcurl4 llvm-14
  rm -rf "$csharp_out/results" "$csharp_out/cases.log" "$csharp_out/junit.xml" "$csharp_out/suite.xml"
  mkdir -p "$csharp_out/results"
  csharp_step generate gen/swig/generate.sh --check csharp
  package_csharp "${tested_runtimes[@]}"
  csharp_step native "$csharp/tests/native/build.sh" "build/natives/$this_runtime/lib/libevpoll.a" \
    "$csharp_out/native"
  csharp_build Evpoll.slnx
  csharp_xunit library tests 'Library!=counting'
  EVPOLL_LIBRARY=$PWD/$csharp_out/native/libevpoll-counting.so \
    csharp_xunit counting tests 'Library=counting'
  csharp_xunit kestrel tests-kestrel TransportTest
  python3 -B tests/bindings/run.py --name csharp --junit "$csharp_out/suite.xml" --driver \
    "dotnet $PWD/$csharp_out/bin/Driver/Release/net10.0/Driver.dll" >"$csharp_out/suite.log" 2>&1 ||
    grep -A40 -m3 '^FAILED\|^failed' "$csharp_out/suite.log" || true
  csharp_server_tests
  csharp_package_tests
  csharp_case example.curl "$csharp/examples/CurlFetch/try.sh" \
    "$csharp_out/bin/FileServer/Release/net10.0/evpoll-serve" \
    "$csharp_out/bin/CurlFetch/Release/net10.0/curl-fetch" "$PWD/lib"
  csharp_case demo gen/demo.sh "${csharp_server[@]}"
  python3 "$csharp/tests/report.py" "$csharp_out/junit.xml" "$csharp_out"/results/*.trx \
    "$csharp_out/suite.xml" "$csharp_out/results/cases.txt"
  count "$csharp_out"
}

# .NET leaves signals ignored that were so at its start, and a shell's background jobs start so.
csharp_server=(env --default-signal=INT "$csharp_out/bin/FileServer/Release/net10.0/evpoll-serve")

demo_csharp() {
  need_csharp
  csharp_build examples/FileServer
  gen/demo.sh "$@" "${csharp_server[@]}"
}

bench_csharp() {
  need_csharp
  need wrk
  csharp_build bench
  "$csharp_out/bin/Evpoll.Bench/Release/net10.0/Evpoll.Bench" "$@"
}
