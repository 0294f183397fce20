#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds programs of its own with the jar, and runs them: what the README shows, and one on the module
# path, in a folder that has nothing of this repository but the jar, and without SWIG.
#
#   bindings/java/consumer/try.sh JDK JAR NEWER-JDK      the newer one is for virtual threads
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
jdk=$1
newer=$3
work=$(mktemp -d)
server=
# shellcheck disable=SC2317 # by the trap
end() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}

trap end EXIT
cp "$2" "$work/evpoll.jar"
mkdir -p "$work/modules/consumer/app" "$work/readme"
cp "$here/classpath/Client.java" "$work/"
cp "$here/modules/consumer/module-info.java" "$work/modules/consumer/"
# Each Java block of the README is a program, in a file that its class names.
awk -v out="$work/readme" '
  /^```java$/ { text = ""; inside = 1; next }
  /^```$/ && inside { print text > (out "/" name ".java"); close(out "/" name ".java"); inside = 0 }
  inside { text = text $0 "\n"; if ($1 == "public" && $2 == "class") name = $3 }
' "$here/../README.md"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s/7000/$port/" "$work/readme/Echo.java"
{ echo 'package app;' && cat "$work/readme/Turns.java"; } >"$work/modules/consumer/app/Turns.java"
cd "$work"
mkdir bin # what a program needs to start, and no more: SWIG is not among it
for tool in sh env tee rm; do ln -s "$(command -v $tool)" bin/; done
export PATH=$work/bin
unset JAVA_TOOL_OPTIONS CLASSPATH
options=(-Xmx64m -Djava.io.tmpdir="$work")

"$jdk/bin/javac" -Xlint:all -Werror -cp evpoll.jar -d classes readme/Turns.java readme/Log.java Client.java
"$jdk/bin/java" -Xcheck:jni "${options[@]}" -cp evpoll.jar:classes Turns | tee out.txt
[[ $(<out.txt) == "5 bytes came back" ]]
for at in "0 and 4" "8 and 12"; do
  "$jdk/bin/java" -Xcheck:jni "${options[@]}" -cp evpoll.jar:classes Log | tee out.txt
  [[ $(<out.txt) == "at $at" ]]
done

"$jdk/bin/javac" -Xlint:all -Werror -p evpoll.jar --module-source-path modules -m consumer -d mods
"$jdk/bin/java" -Xcheck:jni "${options[@]}" -p evpoll.jar:mods -m consumer/app.Turns | tee out.txt
[[ $(<out.txt) == "5 bytes came back" ]]

if [ "$newer" = "$jdk" ]; then
  echo "gate virtual-threads: Echo of the README wants Java 21"
  exit 0
fi
# Nothing may be said about native access: neither on the class path nor by a module.
"$newer/bin/java" --enable-native-access=org.evpoll "${options[@]}" -p evpoll.jar:mods \
  -m consumer/app.Turns 2>&1 | tee out.txt
[[ $(<out.txt) == "5 bytes came back" ]]
"$newer/bin/javac" -Xlint:all -Werror -cp evpoll.jar -d newer readme/Echo.java
"$newer/bin/java" --enable-native-access=ALL-UNNAMED "${options[@]}" -cp evpoll.jar:newer Echo &
server=$!
"$newer/bin/java" "${options[@]}" -cp classes Client "$port" | tee out.txt
[[ $(<out.txt) == "hello" ]]
