# SPDX-License-Identifier: MIT
"""Runs the tools that the checks stand on. A tool that is not there is a failure with the name of
its package, never a reason to check less."""
import os
import shutil
import subprocess

PACKAGES = {
    "abidiff": "abigail-tools",
    "abidw": "abigail-tools",
    "cc": "gcc",
    "clang++-14": "clang-14",
    "clang-14": "clang-14",
    "cmake": "cmake",
    "g++": "g++",
    "gcc": "gcc",
    "llvm-objdump-14": "llvm-14",
    "nm": "binutils",
    "objdump": "binutils",
    "readelf": "binutils",
}


class Failure(Exception):
    """A check cannot be made; the text says why and what to do."""


def run(*command, stdin=None):
    """Runs a command and returns (exit code, stdout, stderr)."""
    name = command[0]
    if not shutil.which(name):
        package = PACKAGES.get(name, name)
        raise Failure(f"{name} is missing: install it (Debian: apt-get install {package})")
    done = subprocess.run([str(word) for word in command], input=stdin, text=True,
                          capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stdout, done.stderr


def output(*command, stdin=None):
    """Runs a command that has to succeed and returns its stdout."""
    code, out, err = run(*command, stdin=stdin)
    if code != 0:
        raise Failure(f"{command[0]} failed with {code}: {(err or out).strip()}")
    return out
