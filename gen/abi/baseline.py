# SPDX-License-Identifier: MIT
"""Numbers that callers have compiled into themselves: constants and the layout of structs. abidiff
sees neither a renumbered macro nor a field that changed its sign, so they have tables of their own.
"""
import pathlib
import tempfile

from abi import compilers, tool
from abi.rules import GROWING, VERSIONS

CONSTANTS_HEAD = "# Every constant of evpoll.h: name, value. Append-only.\n"
LAYOUT_HEAD = "# Every struct of evpoll.h: name, bytes; name.field, offset, bytes, signedness.\n"


def measure(tree):
    """What the compiled header says: ({constant: value}, {struct or field: words})."""
    header = tree.header
    lines = [f'  printf("{each.name} %lld\\n", (long long)({each.name}));'
             for each in header.constants if each.name not in VERSIONS]
    lines.append('  puts("#");')
    for struct in header.structs:
        tag = f"struct {struct.name}"
        lines.append(f'  printf("{struct.name} %zu\\n", sizeof({tag}));')
        for field in struct.fields:
            member = f"(({tag} *)0)->{field.name}"
            first = member + "[0]" if field.is_array else member
            sign = f'(__typeof__({first}))-1 < 0 ? "signed" : "unsigned"'
            if field.type in {each.name for each in header.structs}:
                sign = '"struct"'
            lines.append(f'  printf("{struct.name}.{field.name} %zu %zu %s\\n", '
                         f"offsetof({tag}, {field.name}), sizeof({member}), {sign});")
    program = ('#include "evpoll.h"\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n'
               + "\n".join(lines) + "\n}\n")
    with tempfile.TemporaryDirectory() as folder:
        binary = pathlib.Path(folder) / "measure"
        tool.output("cc", "-x", "c", "-I", tree.include, "-o", binary, "-", stdin=program)
        printed = tool.output(binary)
    constants, layout = printed.split("#\n")
    return table(constants), table(layout)


def table(text):
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, words = line.partition(" ")
            found[name] = words
    return found


def text_of(head, entries):
    return head + "".join(f"{name} {words}\n" for name, words in entries.items())


def read(path):
    if not path.exists():
        raise tool.Failure(f"{path} is missing: run gen/check_abi.py BUILD --update")
    return table(path.read_text())


def check_constants(tree):
    old = read(tree.baseline / "constants.txt")
    new = measure(tree)[0]
    yield from broken_constants(old, new)
    yield from (f"{name} is new: append it to the baseline (--update)"
                for name in new if name not in old)


def broken_constants(old, new):
    for name, value in old.items():
        if name not in new:
            yield f"constant {name} ({value}) is gone: programs were compiled with it"
        elif new[name] != value:
            yield (f"constant {name} was {value} and is {new[name]} now: programs were compiled "
                   "with the old number")


def check_layout(tree):
    old = read(tree.baseline / "layout.txt")
    new = measure(tree)[1]
    broken = list(broken_layout(old, new))
    yield from broken
    if not broken:
        yield from (f"{name} differs from the baseline, compatibly: record it there (--update)"
                    for name in new if old.get(name) != new[name])
    yield from check_padding(new)
    yield from check_targets(tree, new)


def broken_layout(old, new):
    for name, words in old.items():
        grows = name in GROWING
        if name not in new:
            yield f"{name} ({words}) is gone: programs were compiled with it"
        elif new[name] != words and not (grows and int(new[name]) > int(words)):
            yield f"{name} was {words} and is {new[name]} now (offset, bytes, signedness)"
    structs = {name for name in old if "." not in name}
    for name in new:
        struct = name.partition(".")[0]
        if name not in old and struct in structs - GROWING:
            yield f"{name} is new, but struct {struct} is frozen"
        elif name not in old and struct in structs and int(new[name].split()[0]) < int(old[struct]):
            yield f"{name} is new inside of what struct {struct} was: only append"


def check_padding(layout):
    """Without padding a struct is laid out alike by every compiler."""
    end = {}
    for name, words in layout.items():
        struct, _, field = name.partition(".")
        if not field:
            continue
        offset, size = (int(word) for word in words.split()[:2])
        if offset != end.get(struct, 0):
            yield f"{name} has {offset - end.get(struct, 0)} bytes of padding before it: name them"
        end[struct] = offset + size
    for struct, size in end.items():
        if int(layout[struct]) != size:
            gap = int(layout[struct]) - size
            yield f"struct {struct} ends with {gap} bytes of padding: name them"


def check_targets(tree, layout):
    """The same table on machines with other word sizes, byte orders and alignments."""
    lines = ['#include "evpoll.h"', "#include <stddef.h>"]
    for name, words in layout.items():
        struct, _, field = name.partition(".")
        tag = f"struct {struct}"
        if not field:
            lines.append(f'_Static_assert(sizeof({tag}) == {words}, "size of {struct}");')
            continue
        offset, size, _ = words.split()
        lines.append(f'_Static_assert(offsetof({tag}, {field}) == {offset} && '
                     f'sizeof((({tag} *)0)->{field}) == {size}, "{name}");')
    yield from compilers.compile_for_targets(tree, "\n".join(lines) + "\n")
