# SPDX-License-Identifier: MIT
"""Reads evpoll.h. Its grammar is closed: constants, opaque handles, structs and prototypes. What is
anything else becomes a complaint, so that nothing new crosses the border unnoticed."""
import dataclasses
import re


@dataclasses.dataclass
class Constant:
    name: str
    text: str
    line: int


@dataclasses.dataclass
class Field:
    type: str
    name: str
    line: int
    is_array: bool


@dataclasses.dataclass
class Struct:
    name: str
    fields: list
    line: int


@dataclasses.dataclass
class Function:
    name: str
    result: str
    params: list  # of (type, name)
    doc: str  # the text of the block in front, or None
    line: int


@dataclasses.dataclass
class Header:
    text: str
    constants: list = dataclasses.field(default_factory=list)
    opaque: list = dataclasses.field(default_factory=list)
    aliases: dict = dataclasses.field(default_factory=dict)
    structs: list = dataclasses.field(default_factory=list)
    functions: list = dataclasses.field(default_factory=list)
    complaints: list = dataclasses.field(default_factory=list)

    def complain(self, line, what):
        self.complaints.append(f"evpoll.h:{line}: {what}")


# The only conditions, and the only macros that are no constants. Anything that asks for an
# operating system would give two systems two headers.
CONDITIONS = {
    "#ifndef EVPOLL_H", "#define EVPOLL_H", "#include <stdint.h>", "#ifndef EVPOLL_API",
    "#define EVPOLL_API", "#ifdef __cplusplus", "#endif",
}
ADDRESS_MACRO = "#define EVPOLL_ADDR(pointer) ((uint64_t)(uintptr_t)(pointer))"


def read(path):
    header = Header(path.read_text())
    code = re.sub(r"/\*.*?\*/", lambda found: re.sub(r"[^\n]", " ", found[0]), header.text,
                  flags=re.S)
    code = re.sub(r"//[^\n]*", "", code)
    code = read_directives(header, code)
    for start, declaration in split(code):
        read_declaration(header, start, declaration)
    return header


def read_directives(header, code):
    """Takes the constants, and returns the code without preprocessor lines and extern "C"."""
    rest = []
    in_cplusplus = False
    for number, line in enumerate(code.split("\n"), 1):
        directive = " ".join(line.split())
        if directive.startswith("#"):
            in_cplusplus = directive == "#ifdef __cplusplus"
            constant = re.fullmatch(r"#define (EVPOLL_[A-Z0-9_]+) (.+)", directive)
            if constant:
                header.constants.append(Constant(constant[1], constant[2], number))
            elif directive not in CONDITIONS and directive != ADDRESS_MACRO:
                header.complain(number, f'"{directive}": only plain constants, the include guard, '
                                        "EVPOLL_API, EVPOLL_ADDR and __cplusplus may be here; no "
                                        "condition on a system")
            line = ""
        elif in_cplusplus:
            line = line.replace('extern "C" {', "").replace("}", "")
        rest.append(line)
    return "\n".join(rest)


def split(code):
    """Yields (offset's line, text) of each declaration at file level."""
    depth = 0
    start = 0
    for place, letter in enumerate(code):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        body_ends = letter == "}" and depth == 0 and ")" in code[start:place].split("{")[0]
        if (letter == ";" and depth == 0) or body_ends:
            text = code[start:place + 1]
            lead = len(text) - len(text.lstrip())
            yield code.count("\n", 0, start + lead) + 1, text.strip()
            start = place + 1
    if code[start:].strip():
        yield code.count("\n", 0, start) + 1, code[start:].strip()


def read_declaration(header, line, text):
    flat = " ".join(text.split())
    if opaque := re.fullmatch(r"typedef struct (\w+) (\w+);", flat):
        header.opaque.append(opaque[2])
    elif alias := re.fullmatch(r"typedef (\w+) (\w+);", flat):
        header.aliases[alias[2]] = alias[1]
    elif struct := re.fullmatch(r"(?:typedef )?struct (\w+) ?\{(.*)\} ?(\w*);", text, re.S):
        header.structs.append(Struct(struct[1], read_fields(header, line, text), line))
    elif function := re.fullmatch(r"EVPOLL_API (.*?)(\w+)\((.*)\);", flat):
        header.functions.append(read_function(header, line, function))
    else:
        header.complain(line, f'"{shorten(flat)}": {why_refused(flat)}')


def why_refused(flat):
    if "{" in flat and ")" in flat.split("{")[0]:
        return "an inline function would be compiled into callers and never change again"
    if re.match(r"(typedef )?enum\b", flat):
        return "an enum has no fixed width: use constants and int32_t or uint32_t"
    if "(*" in flat:
        return "a callback crosses the border: report by an event instead"
    if re.search(r"\w\(.*\);", flat):
        return "a function without EVPOLL_API: it would not be exported"
    return "neither a constant, an opaque handle, a struct of fixed-width integers nor a prototype"


def shorten(text):
    return text if len(text) <= 60 else text[:57] + "..."


def read_fields(header, line, text):
    fields = []
    body = text[text.index("{") + 1:text.rindex("}")]
    line += text[:text.index("{")].count("\n")
    for piece in re.finditer(r"[^;]+;|[^;\s][^;]*$", body):
        flat = " ".join(piece[0].split())
        lead = len(piece[0]) - len(piece[0].lstrip())
        where = line + body.count("\n", 0, piece.start() + lead)
        if field := re.fullmatch(r"(\w+) (\w+)(\[\d+\])?;", flat):
            fields.append(Field(field[1], field[2], where, bool(field[3])))
        else:
            header.complain(where, f'field "{flat}": one fixed-width integer for each field, or an '
                                   "array of them, or a frozen struct; no pointers, no bit-fields")
    return fields


def read_function(header, line, found):
    params = []
    for text in found[3].split(","):
        text = text.strip()
        if param := re.fullmatch(r"(.*?[ *])(\w+)", text):
            params.append((param[1].strip(), param[2]))
        elif text != "void":
            why = "variadic" if text == "..." else "not a type and a name"
            header.complain(line, f'{found[2]}: parameter "{text}" is {why}')
    return Function(found[2], found[1].strip(), params, doc_before(header.text, line), line)


def doc_before(text, line):
    """The documentation block that ends directly above a line."""
    above = "\n".join(text.split("\n")[:line - 1])
    start = above.rfind("/**")
    if start < 0 or not above.endswith("*/") or "*/" in above[start:-2]:
        return None
    return above[start:]
