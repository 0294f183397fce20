# SPDX-License-Identifier: MIT
# shellcheck shell=bash
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
  need junit5 swig musl-tools python3 curl
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
  local folder=$java_out/natives/$1
  shift
  mkdir -p "$folder"
  { cmake -G Ninja -S bindings/java/native -B "$folder" -DEVPOLL_JDK="$java_home" \
    -DCMAKE_BUILD_TYPE=Release "$@" && ninja -j2 -C "$folder"; } >"$folder/build.log" 2>&1 || {
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

build_java() {
  mkdir -p "$java_out"
  java_native linux-x64 "$@"
  java_classes $java_out/classes --release 17 --module-version 1.0.0 -- \
    bindings/java/src bindings/java/generated
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
  -Dorg.evpoll.library="$PWD/$java_out/natives/linux-x64/libevpoll_jni.so" \\
  -cp "$PWD/$java_out/serve.jar" org.evpoll.examples.FileServer "\$@"
SH
  chmod +x $java_out/evpoll-serve
}

# The jar: classes, and a native library for each system.
package_java() {
  java_native linux-musl-x64 -DCMAKE_C_COMPILER=musl-gcc
  java_native win-x64 --toolchain "$PWD/gen/mingw-x86_64.cmake"
  local content=$java_out/jar id file
  rm -rf "$content"
  mkdir -p "$content"
  cp -r $java_out/classes/. "$content"
  for id in linux-x64 linux-musl-x64 win-x64; do
    mkdir -p "$content/META-INF/native/$id"
    for file in "$java_out/natives/$id/libevpoll_jni.so" "$java_out/natives/$id/evpoll_jni.dll"; do
      [ ! -f "$file" ] || cp "$file" "$content/META-INF/native/$id/"
    done
  done
  cp LICENSE "$content/META-INF/LICENSE"
  java_step jar "$java_home/bin/jar" --create --file $java_jar --date 2020-01-01T00:00:00Z \
    --module-version 1.0.0 -C "$content" .
}

docs_java() {
  rm -rf $java_out/docs
  java_step javadoc "$java_home/bin/javadoc" -quiet -Xdoclint:all -Werror -encoding UTF-8 \
    --release 17 -d $java_out/docs --module org.evpoll \
    --module-source-path "org.evpoll=bindings/java/src:bindings/java/generated"
}

# java_tests LIBRARY REPORTS OPTION...: all tests in one VM.
java_tests() {
  local library=$PWD/$1 reports=$2 natives=$PWD/$java_out/natives/linux-x64
  shift 2
  rm -rf "$reports"
  timeout 900 "$java_home/bin/java" "$@" -Xmx512m -ea \
    -Dorg.evpoll.library="$library" -Dorg.evpoll.test.natives="$natives" \
    -Dorg.evpoll.test.held="$natives/evpoll-held" \
    -Dorg.evpoll.test.layout="$natives/libevpoll_jni_tests.so" \
    -Dorg.evpoll.test.baseline="$PWD/abi/baseline" \
    -Dorg.evpoll.test.classes="$PWD/$java_out/classes" \
    -Dorg.evpoll.test.jar="$PWD/$java_jar" \
    -cp "$java_out/classes:$java_out/tests:$junit_jar" org.junit.platform.console.ConsoleLauncher \
    --disable-banner --disable-ansi-colors --details=tree --scan-classpath "$java_out/tests" \
    --config junit.jupiter.execution.timeout.default=120s \
    --reports-dir "$reports" >"$reports.log" 2>&1
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
  package_java
  java_classes $java_out/tests --release 17 -cp "$java_out/classes:$junit_jar" -- \
    bindings/java/tests/java
  local natives=$java_out/natives/linux-x64
  rm -f $java_out/junit.xml
  java_tests $natives/libevpoll_jni_counting.so $java_out/reports -Xcheck:jni || true
  cp $java_out/reports/TEST-junit-jupiter.xml $java_out/junit.xml 2>/dev/null ||
    { tail -n 30 $java_out/reports.log >&2; die "no Java tests ran"; }
  grep -E '^\[ *[0-9]+ tests (successful|failed|skipped)' $java_out/reports.log || true
  grep -hoE 'gate [a-z-]+: .*' $java_out/reports.log | sort -u || true
  count $java_out
  java_check jni-warnings java_is_silent $java_out/reports.log
  # Once more as a program runs it: the library of the package, and no checks that slow it down.
  java_check again java_tests $natives/libevpoll_jni.so $java_out/reports-again
  java_check generated gen/swig/generate.sh --check java
  java_check javadoc docs_java
  java_check consumer bindings/java/consumer/try.sh "$java_home" "$java_jar"
  java_check serve java_serves
  java_check demo gen/demo.sh $java_out/evpoll-serve
}
# What the C server's behaviour is held to, but for the test that needs a C library of its own.
java_serves() {
  local script=$PWD/tests/examples/serve_test.py name names bad=0
  mapfile -t names < <(sed -n 's/^ *def \(test_[a-z0-9_]*\).*/\1/p' "$script")
  for name in "${names[@]}"; do
    [ "$name" != test_short_reads_are_continued ] || continue
    (cd $java_out && timeout 120 python3 -B "$script" . pool "$name") || bad=1
  done
  return $bad
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
  local natives=$PWD/$java_out/natives/linux-x64
  "$java_home/bin/java" -Xmx512m -Dorg.evpoll.library="$natives/libevpoll_jni.so" \
    -Dorg.evpoll.bench.hand="$natives/libevpoll_jni_hand.so" \
    -cp $java_out/classes:$java_out/bench org.evpoll.bench.Bench
}
