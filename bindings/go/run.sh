# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Go's part of ./run, which sources it in the repository's root.
go_module=bindings/go

need_go() {
  need golang-go gcc libc6-dev pkg-config
  mkdir -p build/go
  # Nothing is fetched: the module needs nothing but what Go brings along.
  export GOPROXY=off GONOSUMDB='*' GOFLAGS=-buildvcs=false GOENV=off GOTOOLCHAIN=local
  export CGO_ENABLED=1 GOCACHE=$PWD/build/go/cache GOPATH=$PWD/build/go/path
}

# go_step NAME COMMAND...: runs it in the module, and adds how it ended to go_steps. What it prints
# is shown if it fails.
go_step() {
  local name=$1 log=$PWD/build/go/$1.log result=pass code
  shift
  set +e # not `|| result=fail`: behind that, functions would go on after what fails in them
  (
    set -e
    cd "$go_module"
    "$@"
  ) >"$log" 2>&1
  code=$?
  set -e
  [ $code = 0 ] || result=fail
  [ "$result" = pass ] || { echo "go: $name failed:" && tail -n 40 "$log"; } >&2
  go_steps+=("$name=$result")
}

# go_tests NAME COMMAND...: the same for `go test -json`, whose tests are counted one by one.
go_tests() {
  local name=$1 json=$PWD/build/go/$1.json
  shift
  (cd "$go_module" && "$@") >"$json" 2>"${json%.json}.log" || true
  go_steps+=("$name=$json")
}

go_formatted() {
  local found
  found=$(gofmt -l .)
  echo "$found"
  [ -z "$found" ]
}

# Without cgo there is one message, and it says what to do.
go_without_cgo() {
  local said
  if said=$(GOOS=$1 CGO_ENABLED=0 go vet . 2>&1); then return 1; fi
  echo "$said"
  grep -q 'set_CGO_ENABLED_to_1_and_install_a_C_compiler' <<<"$said"
}

# The tests of the system's library, and a library of another major version, which is refused.
go_system() {
  local prefix=$PWD/../../build/go/system stub=$PWD/../../build/go/stub
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
  cmake --install ../../build/go/library --prefix "$prefix"
  go build -tags evpoll_system -o "$prefix/consumer" ./consumer
  LD_LIBRARY_PATH=$prefix/lib "$prefix/consumer" | grep 'evpoll 1'
  mkdir -p "$stub"
  { echo "#include <stdint.h>" && grep -o '^evpoll_[a-z_]*' ../../evpoll.def |
    sed 's/.*/int64_t &(void) { return 2 << 16 | 3 << 8 | 4; }/'; } >"$stub/stub.c"
  { echo 'EVPOLL_1.0 {' && sed -n 's/^\(evpoll_.*\) @.*/  \1;/p' ../../evpoll.def && echo '};'; } \
    >"$stub/stub.map"
  gcc -shared -fPIC -Wl,-soname,libevpoll.so.1 -Wl,--version-script="$stub/stub.map" \
    -o "$stub/libevpoll.so.1" "$stub/stub.c"
  if LD_LIBRARY_PATH=$stub "$prefix/consumer" >"$stub/said" 2>&1; then return 1; fi
  cat "$stub/said"
  grep 'stub/libevpoll.so.1 is version 2.3.4, and 1.x is needed' "$stub/said"
  # Without any library the loader names the file that it looked for.
  if LD_LIBRARY_PATH=$stub/none "$prefix/consumer" >"$stub/said" 2>&1; then return 1; fi
  grep 'libevpoll.so.1' "$stub/said"
}

# The demonstration's server answers like the C server: its tests, but for those of faults that are
# made inside of the C one.
go_serve() {
  local name code failed=0 root=$PWD/../..
  cd "$root/build/go" || return
  while read -r name; do
    case $name in test_faults_*) continue ;; esac
    code=0
    timeout 120 python3 "$root/tests/examples/serve_test.py" bin "$1" "$name" \
      >"serve-$name.log" 2>&1 </dev/null || code=$?
    case $code in 0 | 77) ;; *) failed=1 && cat "serve-$name.log" ;; esac
  done < <(sed -n 's/.*def \(test_[a-z_]*\).*/\1/p' "$root/tests/examples/serve_test.py")
  return $failed
}

go_windows() {
  export GOOS=windows GOARCH=amd64 CC=x86_64-w64-mingw32-gcc-posix
  go test -c -o ../../build/go/evpoll_test.exe .
}

# A newer Go, of the distribution's backports: unpacked in the build folder, so that the machine stays
# as it is. Prints its program; nothing where it cannot be had.
newer_go() {
  local folder=$PWD/build/go/newer wanted=golang-1.23 from suite
  if [ ! -x "$folder/root/usr/lib/go-1.23/bin/go" ]; then
    mkdir -p "$folder"/state/lists/partial "$folder"/cache/archives/partial "$folder"/debs
    # shellcheck disable=SC2016
    read -r from suite < <(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
      'Created-By: Packages' | grep -v -e '-' | sort -u) || return 0
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $suite-backports main" \
      >"$folder/sources.list"
    cat >"$folder/apt.conf" <<CONF
Dir::State "$folder/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$folder/cache";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "/dev/null";
CONF
    export APT_CONFIG=$folder/apt.conf
    if ! { timeout 300 apt-get -o Acquire::Retries=3 update &&
      (cd "$folder/debs" && timeout 300 apt-get -o Acquire::Retries=3 download "$wanted"-go "$wanted"-src) &&
      for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/root"; done; } \
      >"$folder/log" 2>&1; then
      unset APT_CONFIG
      return 0
    fi
    unset APT_CONFIG
  fi
  echo "$folder/root/usr/lib/go-1.23/bin/go"
}

# The suite that all languages have in common.
go_suite() {
  mkdir -p ../../build/go/gtest
  go build -o ../../build/go/bin/driver ./tests/driver
  python3 ../../tests/bindings/run.py --name go.suite --junit ../../build/go/gtest/suite.xml \
    --driver "$PWD/../../build/go/bin/driver"
}

# What the Go project itself holds a net.Conn to; a module of its own, which needs golang.org/x/net.
go_nettest() { (cd tests/nettest && "$@" -count=1 -json -timeout 300s ./...); }

# package_go: the module as a proxy serves it, GOPROXY=file://FOLDER. It is sources, for every system,
# without what is a module of its own.
go_proxy=build/go/proxy
go_name=github.com/evpoll/evpoll/bindings/go
go_zip=$go_proxy/$go_name/@v/v1.0.0.zip
package_go() {
  need_go
  need python3
  rm -rf "$go_proxy"
  (cd $go_module && git ls-files | grep -v '^tests/nettest/' | go run ./tests/modzip ../../$go_proxy "$go_name" v1.0.0)
  add_bill "$go_zip" "$go_name" "$go_name@v1.0.0/evpoll.spdx.json"
  echo "$go_proxy"
}

go_server() { go build -o ../../build/go/bin/evpoll-serve ./examples/fileserver; }

test_go() {
  say "go: generated files, tests, the race detector, the package, the server, Windows under Wine"
  need_go
  need_build
  need swig python3 golang-1.19-src golang-1.19-go golang-golang-x-net-dev curl
  need_windows
  local go_steps=()
  rm -f build/go/*.json build/go/*.log
  build_in go/library -DCMAKE_BUILD_TYPE=Release -DEVPOLL_BUILD_TESTS=OFF \
    -DEVPOLL_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_LIBDIR=lib
  go_step generated ../../gen/swig/generate.sh --check go
  go_step format go_formatted
  go_step vet go vet ./...
  go_tests linux go test -json -timeout 300s ./...
  go_tests race env GODEBUG=cgocheck=2 go test -race -short -json -timeout 300s .
  go_tests nettest go_nettest go test
  go_tests nettest-race go_nettest env GODEBUG=cgocheck=2 go test -race
  local newer
  newer=$(newer_go)
  if [ -n "$newer" ]; then
    go_tests newer env GOEXPERIMENT=cgocheck2 "$newer" test -short -json -timeout 300s ./...
    go_tests newer-nettest go_nettest "$newer" test
  else
    echo "go: closed: gate newer-go: the backports of this distribution cannot be had here, or have no Go 1.23"
  fi
  go_step suite go_suite
  go_step without-cgo go_without_cgo freebsd
  package_go
  go_step bill ../../tests/packages/sbom.py "$PWD/$go_zip"
  go_step consumer consumer/try.sh "$PWD/$go_proxy"
  go_step system go_system
  go_step server go_server
  go_step serve go_serve uring
  go_step windows-build go_windows
  # shellcheck disable=SC2154 # it is ./run's
  if [ "$machine" = x64 ]; then
    start_wine go
    go_tests windows go_wine
  else
    echo "go: closed: gate wine: the tests for Windows are for x86-64, which Wine runs there alone"
  fi
  python3 "$go_module"/tests/report.py build/go/junit.xml "${go_steps[@]}"
  count build/go
}

# The exit code alone proves nothing under Wine: what counts is what the tests say.
go_wine() {
  go tool test2json -p windows timeout 300 "$EVPOLL_WINE" ../../build/go/evpoll_test.exe \
    -test.v -test.short </dev/null
}

demo_go() {
  need_go
  (cd "$go_module" && go_server)
  gen/demo.sh "$@" build/go/bin/evpoll-serve
}

bench_go() {
  need_go
  (cd "$go_module" && go run ./bench)
}
