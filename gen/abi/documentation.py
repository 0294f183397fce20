# SPDX-License-Identifier: MIT
"""Every public function says the same things in the same order."""
import re

from abi import tool

TAGS = ["return", "owns", "threads", "blocks", "since", "platform"]
CLANG_OWN_TAGS = "owns,threads,blocks,platform"


def check(tree):
    exports = tree.exports
    for function in tree.header.functions:
        where = f"evpoll.h:{function.line}: {function.name}"
        if function.doc is None:
            yield f"{where}: no documentation block directly above it"
            continue
        node = exports[function.name].node if function.name in exports else None
        for complaint in check_block(function, node):
            yield f"{where}: {complaint}"
    yield from check_mentions(tree.header)
    yield from ask_clang(tree)


def read_block(doc):
    """(prose, [(tag, first word, text)]) of a comment."""
    body = re.sub(r"^\s*/?\*+/?", "", doc.replace("*/", ""), flags=re.M)
    prose, *tagged = re.split(r"^\s*@(?=\w)", body, flags=re.M)
    tags = []
    for piece in tagged:
        tag, _, text = " ".join(piece.split()).partition(" ")
        tags.append((tag, text))
    return " ".join(prose.split()), tags


def check_block(function, node):
    prose, tags = read_block(function.doc)
    if not re.match(r"[A-Z].*?\.(\s|$)", prose):
        yield "the block starts with a sentence that ends with a full stop"
    documented = [text.split(" ")[0] for tag, text in tags if tag == "param"]
    yield from check_params(documented, [name for _, name in function.params])
    yield from check_order([tag for tag, _ in tags], ["param"] * len(documented) + TAGS)
    for tag, text in tags:
        if not (text.partition(" ")[2] if tag == "param" else text):
            yield f"@{tag} {text}".rstrip() + " says nothing"
        if tag == "since" and node and f"EVPOLL_{text}" != node:
            yield f"@since {text}, but evpoll.def exports it in {node}"


def check_params(documented, names):
    for name in names:
        if name not in documented:
            yield f"no @param {name}"
    for name in documented:
        if name not in names:
            yield f"@param {name}: the prototype has no such parameter"
    if sorted(documented) == sorted(names) and documented != names:
        yield f"@param in the prototype's order: {', '.join(names)}"


def check_order(found, order):
    for tag in TAGS:
        if found.count(tag) != 1:
            yield f"{'no' if tag not in found else 'more than one'} @{tag}"
    for tag in found:
        if tag not in order:
            yield f"@{tag} is not one of @param, @{', @'.join(TAGS)}"
    if sorted(found) == sorted(order) and found != order:
        yield f"tags in the order @param, @{', @'.join(TAGS)}"


def check_mentions(header):
    """Names in comments are those of the header."""
    known = {constant.name for constant in header.constants}
    known |= {function.name for function in header.functions}
    known |= {"EVPOLL_ADDR", "EVPOLL_API"}
    for comment in re.finditer(r"/\*\*.*?\*/", header.text, re.S):
        for name in re.finditer(r"\bEVPOLL_[A-Z0-9_]+\b(?!\*)|\bevpoll_\w+(?=\(\))", comment[0]):
            if name[0] not in known:
                line = header.text.count("\n", 0, comment.start() + name.start()) + 1
                yield f"evpoll.h:{line}: a comment speaks of {name[0]}, which is not in the header"


def ask_clang(tree):
    code, _, err = tool.run(
        "clang-14", "-x", "c", "-std=c11", "-fsyntax-only", "-Werror", "-Wdocumentation",
        "-Wdocumentation-pedantic", f"-fcomment-block-commands={CLANG_OWN_TAGS}",
        "-fno-caret-diagnostics", tree.include / "evpoll.h")
    if code != 0:
        yield from (line for line in err.splitlines() if "error:" in line)
