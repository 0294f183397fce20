# SPDX-License-Identifier: MIT
"""Where the parts of the contract lie, and each of them read once."""
import functools
import pathlib
import re

from abi import exports, header
from abi.tool import Failure


class Tree:
    """The source tree that is checked, and the library that was built from it."""

    def __init__(self, source, build):
        self.source = pathlib.Path(source)
        self.build = pathlib.Path(build)
        self.include = self.source / "abi"
        self.baseline = self.source / "abi" / "baseline"

    def built(self, name):
        """A file that the build makes in its folder for lib/, or, a DLL, beside the programs."""
        path = self.build / "bin" / name
        if not path.exists():
            path = self.build / "lib" / name
        if not path.exists():
            raise Failure(f"{path} is missing: build the targets evpoll and evpoll_static first")
        return path

    @functools.cached_property
    def header(self):
        return header.read(self.include / "evpoll.h")

    @functools.cached_property
    def exports(self):
        return exports.read_def(self.source / "evpoll.def")

    @functools.cached_property
    def project_version(self):
        """major.minor.patch, as the build says."""
        text = (self.source / "CMakeLists.txt").read_text()
        return re.search(r"^project\(evpoll VERSION ([0-9.]+)", text, re.M).group(1)

    @functools.cached_property
    def version(self):
        """major.minor: the version of the ABI, and the name of its baseline."""
        return self.project_version.rpartition(".")[0]

    def released(self):
        """The versions that have a baseline, oldest first; the last may be in development."""
        found = [path.name[len("evpoll-"):-len(".symbols")]
                 for path in self.baseline.glob("evpoll-*.symbols")]
        return sorted(found, key=lambda version: [int(part) for part in version.split(".")])
