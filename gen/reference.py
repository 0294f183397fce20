#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the HTML reference by Doxygen: gen/reference.py FOLDER, then FOLDER/html/index.html. A warning is
a failure. With --filter FILE it is what Doxygen reads each file through: what is written for GitHub and
for compilers becomes what Doxygen makes pages, groups and links of, line by line."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUBLIC = "https://github.com/evpoll/evpoll"
EXAMPLES = sorted(path.name for path in (ROOT / "bindings/c/examples").glob("*.[ch]"))
# The files that are pages, and Doxygen's names for these.
PAGES = {"README.md": "index", "abi/README.md": "rules", "abi/porting.md": "porting", "bindings/c/README.md": "c",
         "abi/evpoll.h": "evpoll.h", **{f"bindings/c/examples/{name}": name for name in EXAMPLES}}
FRONT = f"""
- [Functions, structs and constants](modules.html), by what they are for
- [The rules](@ref rules) that hold for all functions
- [From epoll, wepoll, libuv, mio, IOCP and kqueue](@ref porting), call by call
- [In C](@ref c): how to build with it, three patterns, the [example programs](examples.html)
- [The repository]({PUBLIC}): C\\#, Java and Go, systems, figures
"""


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


ARTICLES = re.findall(r"^\*\*([A-Z]\d+)\.\*\*", read("abi/README.md"), re.M)
CONSTANTS = re.findall(r"^#define (EVPOLL_\w+)", read("abi/evpoll.h"), re.M)
NAMES = re.compile(rf"@code.*?@endcode|@name [^\n]*|(?<!\x22)\b(?:({'|'.join(ARTICLES)})|({'|'.join(CONSTANTS)}))\b(?!\*)", re.S)


def refer(text):
    """Articles and constants become links."""
    return NAMES.sub(lambda found: f"[{found[1]}](@ref {found[1]})" if found[1] else
                     f"#{found[2]}" if found[2] else found[0], text)


def section(anchor):
    return "rules_" + anchor.replace("-", "_")


def coded(text, name):
    """A link; in its text Doxygen leaves backticks as they are."""
    words = text.strip("`")
    return f"[{text}](@ref {name})" if words == text else f"<code>[{words}](@ref {name})</code>"


def link(path, text, target):
    """A link that GitHub resolves."""
    if ":" in target:
        return f"[{text}]({target})"
    name, mark, anchor = target.partition("#")
    file = (path.parent / name).resolve() if name else path
    place = file.relative_to(ROOT).as_posix()
    if place == "abi/README.md" and anchor:
        return f'@{"ref" if name else "subpage"} {section(anchor)} "{text}"'
    if place in PAGES:
        return coded(text, PAGES[place])
    return f"[{text}]({PUBLIC}/{'tree' if file.is_dir() else 'blob'}/main/{place}{mark}{anchor})"


def markdown(path):
    def piece(found):
        if found["target"]:
            return link(path, found["text"], found["target"])
        if not found["span"]:
            return refer(found[0]) if found["words"] else found[0]
        name = found["span"].strip("`")
        return coded(found["span"], name) if name in EXAMPLES + CONSTANTS else found[0]

    return re.sub(r"(?P<code>^```.*?^```$|(?:^ {4}[^\n]*\n)+)|\[(?P<text>[^]]+)\]\((?P<target>[^)]+)\)|(?P<span>`[^`]+`)|(?P<words>[^[`\n]+)",
                  piece, read(path.relative_to(ROOT)), flags=re.M | re.S)


def filtered(path):
    place = path.relative_to(ROOT).as_posix()
    if place == "abi/evpoll.h":
        return header(read(place))
    if place not in PAGES or path.suffix != ".md":
        return read(place)
    text = re.sub(r"\A(# .*)", rf"\1 {{#{PAGES[place]}}}", markdown(path))
    if place == "README.md":  # to the end of the program, without badges, and with what else there is
        text = re.sub(r"^\[?!\[.*\n", "", text[:text.index("\n```\n", text.index("\n```c\n")) + 5], flags=re.M)
        text = re.sub(r"\A(#.*\n+(?:.+\n)+)", lambda found: found[0].replace("{#index}", "{#mainpage}") + FRONT, text)
    if place == "abi/README.md":
        text = re.sub(r"^## (.*)", lambda found: f"@page {section(found[1].lower().replace(' ', '-'))} {found[1]}", text, flags=re.M)
        text = re.sub(r"^\*\*\[(\w+)\]", r"@anchor \1 \g<0>", text, flags=re.M)
    if place == "bindings/c/README.md":
        text += "".join(f"\n@example {name}\n" for name in EXAMPLES)
    return text


def header(text):
    """The blocks between its banners become groups; what is above the first, two more."""
    text = re.sub(r"/\*\*.*?\*/", lambda found: refer(found[0]), text, flags=re.S)
    text = re.sub(r"README\.md", '@ref rules "the rules"', text.replace("abi/README.md", "README.md"))
    text = re.sub(r"\n(?=/\*\* @name)", "/* ---- constants ---- */\n", text, count=1)
    text = re.sub(r"\n(?=/\*\* A poller:)", "/* ---- structs and handles ---- */\n", text)
    text = re.sub(r"^/\* -{4} (.*?) -+ \*/\n", lambda found: f"/** @}} */ /** {group(found[1])}\n@{{ */", text, flags=re.M)
    return text.replace("/** @} */ ", "", 1).replace("#ifdef __cplusplus\n}", "/** @} */ #ifdef __cplusplus\n}")


def group(title):
    name = re.sub(r"\W+", "_", title)
    return f"@defgroup {name} {title.capitalize()}"


def main(out):
    if not shutil.which("doxygen"):
        sys.exit("reference: doxygen is missing: install it (Debian: apt-get install doxygen)")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    version = re.search(r"^project\(evpoll VERSION ([\d.]+)", read("CMakeLists.txt"), re.M)[1]
    values = {"VERSION": version, "OUT": out, "SOURCE": ROOT, "PYTHON": sys.executable}
    text = re.sub(r"@([A-Z]+)@", lambda found: str(values[found[1]]), read("gen/Doxyfile.in"))
    (out / "Doxyfile").write_text(text, encoding="utf-8")
    if subprocess.run(["doxygen", out / "Doxyfile"], stdout=sys.stderr, check=False).returncode:
        sys.exit("reference: see above")
    print(f"reference: {out}/html/index.html")


if sys.argv[1] == "--filter":
    print(filtered(pathlib.Path(sys.argv[2]).resolve()), end="")
else:
    main(pathlib.Path(sys.argv[1]).resolve())
