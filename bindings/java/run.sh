# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# Java's part of ./run: javac and jar, without another build tool.

java_home=/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture 2>/dev/null || echo amd64)
java_out=build/java
java_jar=$java_out/evpoll-1.0.0.jar
junit_jar=/usr/share/java/junit-platform-console-standalone.jar

need_java() {
  need_build
  need openjdk-17-jdk-headless
}
need_java_test() {
  need_java
  need_windows
  need junit5 swig python3 curl llvm-14
}

# The newest JDK from 21 on that is here, for virtual threads; nothing if there is none.
java_newer() {
  local home version best=0 found=
  for home in /usr/lib/jvm/*/; do
    [ -x "$home/bin/javac" ] || continue
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release" 2>/dev/null)
    [ "${version:-0}" -ge 21 ] && [ "$version" -gt "$best" ] && best=$version && found=${home%/}
  done
  echo "$found"
}

# java_step NAME COMMAND...: its output is shown when it fails.
java_step() {
  local name=$1
  shift
  local log=$java_out/$name.log
  "$@" >"$log" 2>&1 || { tail -n 60 "$log" >&2; die "$name failed: see $log"; }
}

# java_native RUNTIME-ID OPTION...
java_native() {
  local folder=$java_out/natives/$1 native
  native_options "$1"
  shift
  mkdir -p "$folder"
  { cmake -G Ninja -S bindings/java/native -B "$folder" -DEVPOLL_JDK="$java_home" \
    "${native[@]}" "$@" && ninja -j2 -C "$folder"; } >"$folder/build.log" 2>&1 || {
    grep -E 'rror|FAILED|undefined' -A4 "$folder/build.log" | head -n 60 >&2
    die "building in $folder failed: see $folder/build.log"
  }
}

# java_classes FOLDER OPTION... -- SOURCE-FOLDER...
java_classes() {
  local folder=$1 options=()
  shift
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  rm -rf "$folder"
  mkdir -p "$folder"
  local sources=()
  mapfile -t sources < <(find "$@" -name '*.java' | sort)
  java_step "javac-$(basename "$folder")" "$java_home/bin/javac" -encoding UTF-8 -Xlint:all \
    -Werror -d "$folder" "${options[@]}" "${sources[@]}"
}

java_library() {
  mkdir -p "$java_out"
  java_classes $java_out/classes --release 17 --module-version 1.0.0 -- \
    bindings/java/src bindings/java/generated
}

build_java() {
  java_library
  java_native "$this_runtime" "$@"
  # Signals have no public interface in Java; what there is makes javac warn unless told so.
  java_classes $java_out/examples -XDignore.symbol.file -cp $java_out/classes -- \
    bindings/java/examples
  # As jars: a class that is needed for the first time when no descriptor is left could not be read
  # from a folder.
  java_step jar-serve "$java_home/bin/jar" --create --file $java_out/serve.jar \
    -C $java_out/classes . -C $java_out/examples .
  # A shell that starts a program in the background has it ignore Ctrl-C, and a Java VM that finds
  # it ignored leaves it so.
  cat >$java_out/evpoll-serve <<SH
#!/bin/sh
exec env --default-signal=INT,TERM "$java_home/bin/java" \\
  -Dorg.evpoll.library="$PWD/$java_out/natives/$this_runtime/libevpoll_jni.so" \\
  -cp "$PWD/$java_out/serve.jar" org.evpoll.examples.FileServer "\$@"
SH
  chmod +x $java_out/evpoll-serve
}

# package_java RUNTIME-ID...: the jar, which is classes and these native libraries; beside it what a
# repository wants.
package_java() {
  need_java
  need python3
  java_library
  local content=$java_out/jar id file maven
  rm -rf "$content" $java_out/sources
  mkdir -p "$content" $java_out/sources
  cp -r $java_out/classes/. "$content"
  for id; do
    java_native "$id"
    for file in "$java_out/natives/$id"/{lib,}evpoll_jni.{so,dylib,dll}; do
      [ ! -e "$file" ] || install -D -t "$content/META-INF/native/$id" "$file"
    done
  done
  maven=$content/META-INF/maven/org.evpoll/evpoll
  mkdir -p "$maven"
  cp bindings/java/pom.xml "$maven/"
  cp bindings/java/pom.xml "${java_jar%.jar}.pom"
  cp LICENSE "$content/META-INF/LICENSE"
  cp -r bindings/java/src/. bindings/java/generated/org $java_out/sources
  local jar=("$java_home/bin/jar" --create --date 2020-01-01T00:00:00Z)
  java_step jar "${jar[@]}" --module-version 1.0.0 --file $java_jar -C "$content" .
  add_bill $java_jar evpoll.jar META-INF/sbom/evpoll.spdx.json
  mkdir $java_out/sources/META-INF
  cp LICENSE $java_out/sources/META-INF/LICENSE
  java_step jar-sources "${jar[@]}" --file "${java_jar%.jar}-sources.jar" -C $java_out/sources .
  docs_java
  cp LICENSE $java_out/docs/LICENSE
  java_step jar-javadoc "${jar[@]}" --file "${java_jar%.jar}-javadoc.jar" -C $java_out/docs .
  echo $java_jar
}

docs_java() {
  rm -rf $java_out/docs
  local javadoc=("$java_home/bin/javadoc" -quiet -encoding UTF-8 --release 17 -d "$java_out/docs"
    --module org.evpoll --module-source-path "org.evpoll=bindings/java/src:bindings/java/generated")
  java_step javadoc "${javadoc[@]}" -Xdoclint:all -Werror # everything public is described
}

# java_tests JDK LIBRARY REPORTS OPTION...: all tests in one VM.
java_tests() {
  local jdk=$1 library=$PWD/$2 reports=$3 natives=$PWD/$java_out/natives/$this_runtime
  shift 3
  rm -rf "$reports"
  (ulimit -n "$(ulimit -Hn)" && exec timeout 900 "$jdk/bin/java" "$@" -Xmx512m -ea \
    -Dorg.evpoll.library="$library" -Dorg.evpoll.test.natives="$natives" \
    -Dorg.evpoll.test.held="$natives/evpoll-held" \
    -Dorg.evpoll.test.baseline="$PWD/abi/baseline" \
    -Dorg.evpoll.test.classes="$PWD/$java_out/classes" \
    -Dorg.evpoll.test.jar="$PWD/$java_jar" \
    -cp "$java_out/classes:$java_out/tests:$junit_jar" org.junit.platform.console.ConsoleLauncher \
    --disable-banner --disable-ansi-colors --details=tree --scan-classpath "$java_out/tests" \
    --config junit.jupiter.execution.timeout.default=120s \
    --reports-dir "$reports" >"$reports.log" 2>&1)
}

# java_check NAME COMMAND...: one more entry of the totals.
java_check() {
  local name=$1
  shift
  if "$@" >"$java_out/check-$name.log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED java $name" >&2
    tail -n 30 "$java_out/check-$name.log" >&2
  fi
}

test_java() {
  say "java: what SWIG writes, the layers, jar and javadoc, a consumer of the jar, the demo"
  need_java_test
  build_java -DEVPOLL_JNI_TESTS=ON
  package_java "${tested_runtimes[@]}"
  java_classes $java_out/tests --release 17 -cp "$java_out/classes:$junit_jar" -- \
    bindings/java/tests/java
  local natives=$java_out/natives/$this_runtime
  rm -f $java_out/junit.xml
  java_tests "$java_home" "$natives/libevpoll_jni_counting.so" $java_out/reports -Xcheck:jni || true
  cp $java_out/reports/TEST-junit-jupiter.xml $java_out/junit.xml 2>/dev/null ||
    { tail -n 30 $java_out/reports.log >&2; die "no Java tests ran"; }
  grep -E '^\[ *[0-9]+ tests (successful|failed|skipped)' $java_out/reports.log || true
  grep -hoE 'gate [a-z-]+: .*' $java_out/reports.log | sort -u || true
  count $java_out
  java_check jni-warnings java_is_silent $java_out/reports.log
  # Once more as a program runs it: the library of the package, and no checks that slow it down.
  java_check again java_tests "$java_home" "$natives/libevpoll_jni.so" $java_out/reports-again
  local newer
  newer=$(java_newer)
  if [ -n "$newer" ]; then
    java_check newer java_tests "$newer" "$natives/libevpoll_jni.so" $java_out/reports-newer \
      --enable-native-access=ALL-UNNAMED
    grep -h 'gate virtual-threads' $java_out/reports-newer.log || true
  else
    echo "gate virtual-threads: no JDK from 21 on in /usr/lib/jvm; only platform threads were tried"
  fi
  java_classes $java_out/driver --release 17 -cp $java_out/classes -- bindings/java/tests/driver
  java_step jar-driver "$java_home/bin/jar" --create --file $java_out/driver.jar \
    -C $java_out/classes . -C $java_out/driver .
  java_check suite java_suite
  java_check natives tests/natives.py $java_jar "${tested_runtimes[@]}"
  java_check bill tests/packages/sbom.py $java_jar
  java_check generated gen/swig/generate.sh --check java
  java_check consumer bindings/java/consumer/try.sh "$java_home" "$java_jar" "${newer:-$java_home}"
  java_check serve java_serves
  java_check demo gen/demo.sh $java_out/evpoll-serve
}
# What the C server's behaviour is held to, but for the tests that need a C library of their own.
java_serves() {
  local script=$PWD/tests/examples/serve_test.py name names bad=0
  mapfile -t names < <(sed -n 's/^ *def \(test_[a-z0-9_]*\).*/\1/p' "$script")
  for name in "${names[@]}"; do
    case $name in test_faults_*) continue ;; esac
    (cd $java_out && timeout 120 python3 -B "$script" . pool "$name") || bad=1
  done
  return $bad
}
# The suite of all languages, by Java's driver. From a jar, as the server is: see build_java.
java_suite() {
  tests/bindings/run.py --name java --junit $java_out/suite.xml --driver "$java_home/bin/java \
    -Dorg.evpoll.library=$PWD/$java_out/natives/$this_runtime/libevpoll_jni.so \
    -Xmx512m -cp $PWD/$java_out/driver.jar Driver"
}
java_is_silent() { ! grep -E 'WARNING|FATAL ERROR in native' "$1"; }

demo_java() {
  need_java
  build_java -DEVPOLL_JNI_TESTS=OFF
  gen/demo.sh "$@" $java_out/evpoll-serve
}

bench_java() {
  need_java
  build_java -DEVPOLL_JNI_TESTS=ON
  java_classes $java_out/bench --release 17 -cp $java_out/classes -- bindings/java/bench
  local natives=$PWD/$java_out/natives/$this_runtime
  "$java_home/bin/java" -Xmx512m -Dorg.evpoll.library="$natives/libevpoll_jni.so" \
    -Dorg.evpoll.bench.hand="$natives/libevpoll_jni_hand.so" \
    -cp $java_out/classes:$java_out/bench org.evpoll.bench.Bench
}
