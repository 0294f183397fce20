#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sbom.py PACKAGE...: each package (.deb, .tar.gz, .nupkg, .jar, .zip) has the licence's text and one bill of
materials, in SPDX 2.3: what that requires is there, every file of the package is in it with its sums and
no other is, and it refers to nothing that it has not."""
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile

LICENCE = 'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND'
KINDS = {"DESCRIBES", "CONTAINS", "STATIC_LINK"}
DOCUMENT = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT"}


def read(path):
    """name -> bytes, of the files; what is a link has no bytes of its own."""
    if path.endswith((".nupkg", ".jar", ".zip")):
        with zipfile.ZipFile(path) as archive:
            return without_folder({info.filename: archive.read(info) for info in archive.infolist()
                                   if not info.is_dir()})
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True).stdout \
        if path.endswith(".deb") else open(path, "rb").read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return without_folder({member.name.removeprefix("./"): archive.extractfile(member).read()
                               for member in archive if member.isfile()})


def without_folder(files):
    """The C library's archives have one folder, which is named after the package."""
    return {re.sub(r"^evpoll-\d[^/]*/", "", name): data for name, data in files.items()}


def faults(path):
    files = read(path)
    words = {name: " ".join(data.decode(errors="replace").split()) for name, data in files.items()
             if re.search(r"(^|/)(LICENSE|copyright)$", name)}
    if not any(LICENCE in text for text in words.values()):
        yield f"no file has the licence's text: {sorted(words)}"
    bills = [name for name in files if name.endswith("spdx.json")]
    if len(bills) != 1:
        yield f"has {bills}, not one bill of materials"
        return
    bill = json.loads(files.pop(bills[0]))
    yield from document_faults(bill)
    yield from file_faults(bill, files, bills[0])


def document_faults(bill):
    for key, value in DOCUMENT.items():
        if bill.get(key) != value:
            yield f"{key} is {bill.get(key)}"
    if not re.fullmatch(r"https://[^#\s]+", bill["documentNamespace"]) or not bill["name"]:
        yield "no name or no namespace"
    created = bill["creationInfo"]
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created["created"]):
        yield f"made at {created['created']}"
    if not created["creators"] or not all(re.match("(Person|Organization|Tool): .", each) for each in created["creators"]):
        yield f"made by {created['creators']}"
    main = bill["packages"][0]
    if main["licenseDeclared"] != "MIT" or not re.fullmatch(r"\d+\.\d+\.\d+", main["versionInfo"]):
        yield f"is for {main['versionInfo']} by {main['licenseDeclared']}"
    for each in bill["packages"] + bill["files"]:
        for key in ("SPDXID", "licenseConcluded", "copyrightText"):
            if not each.get(key):
                yield f"{each.get('name') or each.get('fileName')} has no {key}"
    for each in bill["packages"]:
        if not each.get("name") or not each.get("downloadLocation"):
            yield f"{each['SPDXID']} has no name or no downloadLocation"
    ids = [each["SPDXID"] for each in [bill] + bill["packages"] + bill["files"]]
    if len(set(ids)) < len(ids) or not all(re.fullmatch(r"SPDXRef-[-.A-Za-z0-9]+", each) for each in ids):
        yield "two elements have one id, or an id is none"
    relations = [(each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"])
                 for each in bill["relationships"]]
    if not all(one in ids and kind in KINDS and other in ids for one, kind, other in relations):
        yield "relates what it has not"
    if ("SPDXRef-DOCUMENT", "DESCRIBES", main["SPDXID"]) not in relations:
        yield "describes nothing"
    contained = {other for one, kind, other in relations if (one, kind) == (main["SPDXID"], "CONTAINS")}
    if contained != {each["SPDXID"] for each in bill["files"]}:
        yield "its files are not the package's"


def file_faults(bill, files, own):
    listed = {each["fileName"]: {sum_of["algorithm"]: sum_of["checksumValue"] for sum_of in each["checksums"]}
              for each in bill["files"]}
    have = {f"./{name}": {"SHA1": hashlib.sha1(data).hexdigest(), "SHA256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()}
    for name in sorted(have.keys() | listed.keys()):
        if have.get(name) != listed.get(name):
            yield f"{name} is {'another' if name in have and name in listed else 'here' if name in have else 'in the bill'}"
    code = hashlib.sha1("".join(sorted(sums["SHA1"] for sums in have.values())).encode()).hexdigest()
    said = bill["packages"][0]["packageVerificationCode"]
    if said != {"packageVerificationCodeValue": code, "packageVerificationCodeExcludedFiles": [f"./{own}"]}:
        yield "its verification code is that of another package"
    for name, data in files.items():
        if name.endswith(".dll") and b"Mingw-w64 runtime" in data and "mingw-w64-runtime" not in str(bill["packages"]):
            yield f"does not say what {name} has inside"


found = [f"{path}: {fault}" for path in sys.argv[1:] for fault in faults(path)]
for line in found:
    print(line, file=sys.stderr)
sys.exit(bool(found) or len(sys.argv) < 2)
