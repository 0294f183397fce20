# SPDX-License-Identifier: MIT
"""C's asserts: c.py HEADER FILE. See shapes.py."""
import shapes


def write(contract, out):
    text = f"/* {shapes.NOTICE.format(' *')} */\n"
    text += "/* The offsets that the bindings rely on. It compiles, or it does not. */\n"
    text += "#include <evpoll.h>\n#include <stddef.h>\n"
    for s in contract.structs.values():
        text += f'\n_Static_assert(sizeof(struct {s.name}) == {s.size}, "{s.name}");\n'
        for f in s.fields:
            for what, number in ((f"offsetof(struct {s.name}, {f.name})", f.offset),
                                 (f"sizeof(((struct {s.name} *)0)->{f.name})", f.size)):
                text += f'_Static_assert({what} == {number}, "{s.name}.{f.name}");\n'
    out.write_text(text)


shapes.main(write)
