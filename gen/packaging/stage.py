#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a package has besides the installed files: stage.py DEB|TGZ FOLDER CONTROL-FILE...

FOLDER is where CPack has installed what it will pack; for DEB a folder for each component. There each
gets Debian's layout: copyright, changelogs, compressed manual pages, stripped libraries, their symbols
in the debug component; and the control files shlibs, symbols and triggers are written. All get a bill
of materials (sbom.py)."""
import email.utils
import gzip
import os
import pathlib
import re
import subprocess
import sys
import time

import sbom

sys.path.insert(0, str(sbom.ROOT / "gen"))
from abi import exports  # noqa: E402

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: evpoll
Source: {home}

Files: *
{copyright}
License: Expat
{text}
"""
CHANGELOG = """\
evpoll ({version}-1) unstable; urgency=medium

  * Version {version}: see changelog.gz.

 -- {who}  {date}
"""


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


def write_gz(path, data):
    """Without a name and a time: the same bytes again."""
    with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, 0) as packed:
        packed.write(data)


def documents(folder, package, version):
    """The folder of documents that Debian wants, of what was installed for everybody."""
    docs = folder / "usr/share/doc" / package
    installed = folder / "usr/share/doc/evpoll"
    if installed.exists():
        installed.rename(docs)
    docs.mkdir(parents=True, exist_ok=True)
    for name in ("LICENSE", "CHANGELOG.md"):
        (docs / name).unlink(missing_ok=True)
    licence = (sbom.ROOT / "LICENSE").read_text()
    copyright_line = re.search(r"^Copyright \(c\) (.*)", licence, re.M)[1]
    text = licence.split(copyright_line)[1].strip().split("\n")
    (docs / "copyright").write_text(COPYRIGHT.format(
        home=sbom.HOME, copyright=f"Copyright: {copyright_line}",
        text="\n".join(f" {line or '.'}" for line in text)))
    write_gz(docs / "changelog.gz", (sbom.ROOT / "CHANGELOG.md").read_bytes())
    now = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    write_gz(docs / "changelog.Debian.gz", CHANGELOG.format(
        version=version, who=os.environ["EVPOLL_PACKAGER"], date=email.utils.formatdate(now)).encode())


def split(library, debug):
    """Its symbols for debuggers become a file of their own, found by the build id."""
    notes = subprocess.run(["readelf", "-n", library], check=True, capture_output=True, text=True).stdout
    build_id = re.search(r"Build ID: (\w\w)(\w+)", notes)
    target = debug / "usr/lib/debug/.build-id" / build_id[1] / f"{build_id[2]}.debug"
    target.parent.mkdir(parents=True)
    run("objcopy", "--only-keep-debug", "--compress-debug-sections", library, target)
    target.chmod(0o644)
    run("strip", "--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", library)


def control(folder, package, version, major):
    """By evpoll.def: each symbol, and the version that first had it."""
    listed = exports.read_def(sbom.ROOT / "evpoll.def").values()
    nodes = {f"{each.node}@{each.node}": each.node for each in listed}
    symbols = nodes | {f"{each.name}@{each.node}": each.node for each in listed}
    lines = [f" {symbol} {node.removeprefix('EVPOLL_')}" for symbol, node in sorted(symbols.items())]
    (folder / "symbols").write_text("\n".join([f"libevpoll.so.{major} {package} #MINVER#",
                                               "* Build-Depends-Package: libevpoll-dev", *lines]) + "\n")
    (folder / "shlibs").write_text(f"libevpoll {major} {package} (>= {version})\n")
    (folder / "triggers").write_text("activate-noawait ldconfig\n")
    for path in folder.iterdir():
        path.chmod(0o644)


def stage_deb(folder, control_folder):
    version = sbom.version()
    major = version.partition(".")[0]
    runtime, development, debug = (folder / each for each in ("runtime", "development", "debug"))
    packages = {runtime: f"libevpoll{major}", development: "libevpoll-dev", debug: f"libevpoll{major}-dbgsym"}
    for each, package in packages.items():
        documents(each, package, version)
    for page in (development / "usr/share/man").rglob("*.[37]"):
        write_gz(f"{page}.gz", page.read_bytes())
        page.unlink()
    for archive in development.rglob("*.a"):
        run("strip", "--strip-debug", "--enable-deterministic-archives", archive)
    for library in runtime.rglob("libevpoll.so.*.*"):
        split(library, debug)
    control(control_folder, f"libevpoll{major}", version, major)
    for each, package in packages.items():
        sbom.of_folder(each, package, f"usr/share/doc/{package}/{package}.spdx.json")


def main(kind, folder, control_files):
    os.umask(0o022)
    if kind == "DEB":
        stage_deb(folder, control_files[0].parent)
    for installed in folder.rglob("share/doc/evpoll"):
        sbom.of_folder(installed.parents[2], "evpoll", "share/doc/evpoll/evpoll.spdx.json")
    if when := os.environ.get("SOURCE_DATE_EPOCH"):
        for path in folder.rglob("*"):
            os.utime(path, (int(when), int(when)), follow_symlinks=False)


main(sys.argv[1], pathlib.Path(sys.argv[2]), [pathlib.Path(name) for name in sys.argv[3:]])
