#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unpack.py FOLDER PACKAGE...: of the packages of the Windows SDK the headers for C, in
FOLDER/include, and the import libraries that evpoll needs, in FOLDER/lib/x64 and arm64. Windows
does not tell Winsock2.h from winsock2.h; here all names, and what headers include, are lower case."""
import pathlib
import re
import sys
import zipfile

HEADER = re.compile(r"c/include/[\d.]+/((?:ucrt|um|shared)/.+\.h)")
LIBRARY = re.compile(r"c/(?:um|ucrt)/((?:x64|arm64)/(?:kernel32|ntdll|ws2_32|iphlpapi|uuid|ucrt)\.lib)")
INCLUDE = re.compile(rb'^\s*#\s*include\s*[<"].*?[>"]', re.M)


def unpack(package, folder):
    with zipfile.ZipFile(package) as packed:
        for name in packed.namelist():
            if header := HEADER.fullmatch(name.lower()):
                write(folder / "include" / header[1],
                      INCLUDE.sub(lambda found: found[0].lower(), packed.read(name)))
            elif library := LIBRARY.fullmatch(name.lower()):
                write(folder / "lib" / library[1], packed.read(name))


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


for argument in sys.argv[2:]:
    unpack(argument, pathlib.Path(sys.argv[1]))
