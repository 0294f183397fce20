# SPDX-License-Identifier: MIT
"""The library's types and signatures, by libabigail, against those of every released version."""
import pathlib
import re
import tempfile

from abi import rules, tool
from abi.elf import SONAME

# What depends on the machine or on the compiler stays out of the committed dump.
STABLE = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed",
          "--no-architecture", "--no-parameter-names", "--drop-undefined-syms",
          "--exported-interfaces-only",
          "--type-id-style", "hash"]


def make(tree, out):
    """Writes the dump of the built library; only what evpoll.h shows is in it."""
    library = tree.built(SONAME)
    if ".debug_info" not in tool.output("readelf", "-SW", library):
        raise tool.Failure(f"{library} has no debug information, so that its types cannot be seen: "
                           "build it with -g (CMAKE_BUILD_TYPE=RelWithDebInfo)")
    tool.output("abidw", *STABLE, "--headers-dir", tree.include, "--drop-private-types",
                "--out-file", out, library)
    # The names of sources come with the folders of the machine that compiled them.
    out.write_text(re.sub(r"(<abi-instr [^>]*path=')[^']*/", r"\1", out.read_text()))


def check(tree):
    with tempfile.TemporaryDirectory() as folder:
        new = pathlib.Path(folder) / "new.abi"
        make(tree, new)
        for version in tree.released():
            yield from compare(tree, version, new, pathlib.Path(folder))


def compare(tree, version, new, folder):
    old = tree.baseline / f"evpoll-{version}.abi"
    if not old.exists():
        raise tool.Failure(f"{old} is missing: run gen/check_abi.py BUILD --update")
    options = []
    if version != tree.version:
        options = ["--no-added-syms", "--suppressions", suppressions(folder)]
    code, out, err = tool.run("abidiff", *options, "--no-show-locs", old, new)
    if code != 0:
        report = "\n    ".join(line for line in (out + err).splitlines() if line.strip())
        yield f"the library differs from evpoll {version} (abidiff):\n    {report}"


def suppressions(folder):
    """Against an older version, structs that grow may have grown at their end."""
    path = folder / "growing.abignore"
    path.write_text("".join(f"[suppress_type]\n  name = {name}\n"
                            "  has_data_member_inserted_at = end\n"
                            for name in sorted(rules.GROWING)))
    return path
