#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds a program of its own with the jar, and runs it: on the class path and on the module path,
# in a folder that has nothing of this repository but the jar, and without SWIG.
#
#   bindings/java/consumer/try.sh JDK JAR
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
jdk=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$2" "$work/evpoll.jar"
cp "$here/classpath/Echo.java" "$work/"
mkdir -p "$work/modules/consumer/app"
cp "$here/modules/consumer/module-info.java" "$work/modules/consumer/"
{ echo 'package app;' && cat "$here/classpath/Echo.java"; } >"$work/modules/consumer/app/Echo.java"
cd "$work"
mkdir bin # what a program needs to start, and no more: SWIG is not among it
for tool in sh env tee rm; do ln -s "$(command -v $tool)" bin/; done
export PATH=$work/bin
unset JAVA_TOOL_OPTIONS CLASSPATH
java=("$jdk/bin/java" -Xcheck:jni -Xmx64m -Djava.io.tmpdir="$work")

"$jdk/bin/javac" -Xlint:all -Werror -cp evpoll.jar -d classes Echo.java
"${java[@]}" -cp evpoll.jar:classes Echo | tee class-path.txt
[[ $(<class-path.txt) == "consumed unnamed module"* ]]

"$jdk/bin/javac" -Xlint:all -Werror -p evpoll.jar --module-source-path modules -m consumer -d mods
"${java[@]}" -p evpoll.jar:mods -m consumer/app.Echo | tee module-path.txt
[[ $(<module-path.txt) == "consumed module org.evpoll"* ]]
