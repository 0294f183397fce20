# SPDX-License-Identifier: MIT
"""Rewrites the baseline of the version in development. Those of earlier versions are never touched:
they belong to binaries that are out there."""
from abi import baseline, dump, exports, released
from abi.baseline import CONSTANTS_HEAD, LAYOUT_HEAD


def update(tree, may_break):
    """Returns what stops it: incompatible changes, where they were not allowed."""
    constants, layout = baseline.measure(tree)
    broken = list(incompatible(tree, constants, layout))
    if broken and not may_break:
        return broken + ["released versions keep working, so nothing was written. If this version "
                         "was never released: --update --break"]
    tree.baseline.mkdir(exist_ok=True)
    write(tree.baseline / "constants.txt", baseline.text_of(CONSTANTS_HEAD, constants))
    write(tree.baseline / "layout.txt", baseline.text_of(LAYOUT_HEAD, layout))
    write(tree.baseline / f"evpoll-{tree.version}.symbols", exports.symbols_text(tree.exports))
    write(tree.baseline / f"evpoll-{tree.version}.h", released.declarations(tree))
    dump.make(tree, tree.baseline / f"evpoll-{tree.version}.abi")
    return []


def incompatible(tree, constants, layout):
    for name, new, compare in (("constants.txt", constants, baseline.broken_constants),
                               ("layout.txt", layout, baseline.broken_layout)):
        path = tree.baseline / name
        if path.exists():
            yield from compare(baseline.read(path), new)
    for version in tree.released():
        path = tree.baseline / f"evpoll-{version}.symbols"
        yield from released.gone(version, exports.read_symbols(path), tree.exports)


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
