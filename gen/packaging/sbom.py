#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The bill of materials of a package, as SPDX 2.3 in JSON: each file with its sums, the licence, and what
else a binary has inside.

    sbom.py FOLDER NAME PATH           writes FOLDER/PATH, about all files of FOLDER
    sbom.py ARCHIVE.zip NAME PATH      puts it into the archive (a nupkg, a jar, a module's zip) as PATH

The same bytes for the same files: the time is that of $SOURCE_DATE_EPOCH, or of an archive's newest
entry."""
import hashlib
import json
import os
import pathlib
import re
import sys
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOME = "https://github.com/evpoll/evpoll"
AUTHORS = "Organization: The evpoll authors"
TIME = "%Y-%m-%dT%H:%M:%SZ"
# What a compiler links into a DLL: its name in the file, the package, its licence.
INSIDE = [(b"stack smashing detected", "gcc-runtime", "GPL-3.0-or-later WITH GCC-exception-3.1"),
          (b"Mingw-w64 runtime", "mingw-w64-runtime", "ZPL-2.1")]


def version():
    return re.search(r"^project\(evpoll VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]


def package(name, spdx_id, licence, **more):
    return {"name": name, "SPDXID": spdx_id, "downloadLocation": "NOASSERTION", "licenseConcluded": licence,
            "licenseDeclared": licence, "copyrightText": "NOASSERTION", **more}


def document(name, files, path, created):
    """files: {name in the package: bytes}, path: that of the document itself, which is not among them."""
    sums = {file: hashlib.sha1(data).hexdigest() for file, data in files.items()}
    code = hashlib.sha1("".join(sorted(sums.values())).encode()).hexdigest()
    main = package(name, "SPDXRef-Package", "MIT", versionInfo=version(), supplier=AUTHORS, homepage=HOME,
                   filesAnalyzed=True, primaryPackagePurpose="LIBRARY", licenseInfoFromFiles=["NOASSERTION"],
                   packageVerificationCode={"packageVerificationCodeValue": code,
                                            "packageVerificationCodeExcludedFiles": [f"./{path}"]})
    main["copyrightText"] = re.search(r"^Copyright.*", (ROOT / "LICENSE").read_text(), re.M)[0]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package")]
    entries, others = [], {}
    for number, (file, data) in enumerate(sorted(files.items())):
        spdx_id = f"SPDXRef-File-{number}"
        entries.append({"fileName": f"./{file}", "SPDXID": spdx_id, "copyrightText": "NOASSERTION",
                        "checksums": [{"algorithm": "SHA1", "checksumValue": sums[file]},
                                      {"algorithm": "SHA256", "checksumValue": hashlib.sha256(data).hexdigest()}],
                        "licenseConcluded": "NOASSERTION", "licenseInfoInFiles": ["NOASSERTION"]})
        relations.append(("SPDXRef-Package", "CONTAINS", spdx_id))
        for mark, other, licence in INSIDE:
            if file.endswith(".dll") and mark in data:
                others[other] = package(other, f"SPDXRef-{other}", licence, filesAnalyzed=False)
                relations.append((spdx_id, "STATIC_LINK", f"SPDXRef-{other}"))
    text = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"{name}-{version()}", "documentNamespace": f"{HOME}/spdx/{name}-{version()}-{code}",
            "creationInfo": {"created": created, "creators": [AUTHORS, "Tool: evpoll-sbom"]},
            "packages": [main, *others.values()], "files": entries,
            "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                              for one, kind, other in relations]}
    return json.dumps(text, indent=1) + "\n"


def of_folder(folder, name, path):
    (folder / path).unlink(missing_ok=True)
    files = {each.relative_to(folder).as_posix(): each.read_bytes()
             for each in folder.rglob("*") if each.is_file() and not each.is_symlink()}
    created = time.strftime(TIME, time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(document(name, files, path, created))


def into_archive(archive, name, path):
    """NuGet's have a list of the kinds of files that are in them."""
    types = "[Content_Types].xml"
    with zipfile.ZipFile(archive) as old:
        entries = {info: old.read(info) for info in old.infolist() if info.filename != path}
    for info in entries:
        if info.filename == types and b'Extension="json"' not in entries[info]:
            entries[info] = entries[info].replace(
                b"</Types>", b'<Default Extension="json" ContentType="application/octet" /></Types>')
    newest = max(info.date_time for info in entries)
    files = {info.filename: data for info, data in entries.items() if not info.is_dir()}
    own = zipfile.ZipInfo(path, newest)
    own.external_attr = 0o644 << 16
    own.compress_type = zipfile.ZIP_DEFLATED
    text = document(name, files, path, time.strftime(TIME, (*newest, 0, 0, 0)))
    with zipfile.ZipFile(f"{archive}.new", "w") as new:
        for info, data in [*entries.items(), (own, text)]:
            new.writestr(info, data)
    os.replace(f"{archive}.new", archive)


def main(target, name, path):
    if target.is_dir():
        of_folder(target, name, path)
    else:
        into_archive(target, name, path)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
