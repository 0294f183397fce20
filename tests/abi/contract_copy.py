# SPDX-License-Identifier: MIT
"""A copy of the contract in a temporary folder, to be broken there."""
import pathlib
import re
import shutil
import subprocess

import stub
from abi import header
from abi.tree import Tree

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Copy:
    """Edits files of the copy, builds a library of them, and runs the checks on both."""

    def __init__(self, folder):
        self.source = pathlib.Path(folder)
        self.build_folder = self.source / "build"
        self.library_code = ""
        self.library_flags = []
        self.link_edit = ("", "")  # what the linker is told otherwise than evpoll.def says
        shutil.copytree(ROOT / "abi", self.source / "abi")
        for name in ("evpoll.def", "CMakeLists.txt"):
            shutil.copy(ROOT / name, self.source / name)

    def edit(self, name, old, new):
        """Replaces the only place that matches a pattern."""
        path = self.source / name
        text, count = re.subn(old, new, path.read_text(), flags=re.M)
        if count != 1:
            raise AssertionError(f"{old!r} is {count} times in {name}: adapt this test")
        path.write_text(text)

    def header(self, old, new):
        self.edit("abi/evpoll.h", old, new)

    def exports(self, old, new):
        self.edit("evpoll.def", old, new)

    def tree(self):
        return Tree(self.source, self.build_folder)

    def version_script(self):
        """(exit code, script or message in one line)"""
        out = self.source / "evpoll.map"
        done = subprocess.run(
            ["cmake", f"-DDEF={self.source / 'evpoll.def'}", f"-DOUT={out}", "-P",
             ROOT / "tests/abi/version_script.cmake"], capture_output=True, text=True, check=False)
        text = out.read_text() if done.returncode == 0 else " ".join(done.stderr.split())
        return done.returncode, text

    def build(self):
        """A library with the border of this copy."""
        code, script = self.version_script()
        if code != 0:
            raise AssertionError(script)
        path = self.source / "edited.map"
        path.write_text(script.replace(*self.link_edit))
        stub.build(self.build_folder, self.source / "abi", path, self.code(), self.library_flags)

    def build_dll(self):
        """The same for Windows."""
        path = self.source / "edited.def"
        path.write_text((self.source / "evpoll.def").read_text().replace(*self.link_edit))
        stub.build_dll(self.build_folder, self.source / "abi", path, self.code(),
                       self.library_flags)

    def code(self):
        read = header.read(self.source / "abi" / "evpoll.h")
        names = {function.name for function in read.functions} & set(self.tree().exports)
        return stub.source(read, names) + self.library_code
