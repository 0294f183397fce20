# SPDX-License-Identifier: MIT
"""The export list, evpoll.def, and its record in the baseline."""
import dataclasses
import re

from abi.tool import Failure


@dataclasses.dataclass(frozen=True)
class Export:
    name: str
    node: str
    ordinal: int

    def __str__(self):
        return f"{self.name} {self.node} @{self.ordinal}"


def read_def(path):
    """name -> Export. gen/version_script.cmake says more about lines that are wrong."""
    found = {}
    node = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if opened := re.fullmatch(r";@ (EVPOLL_\d+\.\d+)", line):
            node = opened[1]
        elif line.startswith(";") or line in ("", "LIBRARY evpoll", "EXPORTS"):
            continue
        elif export := re.fullmatch(r"([a-z][a-z0-9_]*) @(\d+)", line):
            if export[1] in found:
                raise Failure(f"{path.name}:{number}: {export[1]} is exported twice")
            found[export[1]] = Export(export[1], node, int(export[2]))
        else:
            raise Failure(f'{path.name}:{number}: "{line}" is not "name @ordinal"')
    return found


def read_symbols(path):
    """name -> Export, from a file that `write_symbols` made."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, node, ordinal = line.split()
        found[name] = Export(name, node, int(ordinal[1:]))
    return found


def symbols_text(exports):
    head = "# What a library of this version exports: name, version node, ordinal.\n"
    return head + "".join(f"{export}\n" for export in exports.values())
