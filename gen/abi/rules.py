# SPDX-License-Identifier: MIT
"""What may cross the border: the rules of the ABI that no compiler knows."""
import re

INTEGERS = {"int32_t", "uint32_t", "int64_t", "uint64_t"}
FIELDS = INTEGERS | {"uint8_t", "uint16_t"}
STRINGS = {"const char *"}
MEMORY = {"char *", "const char *", "void *", "const void *", "void **"}
# Opened by newer callers on older libraries and the reverse; their first field says which.
GROWING = {"evpoll_options", "evpoll_poller_stats", "evpoll_poller_info"}
# Versions are meant to change: they are held to the build's version, not to the baseline.
VERSIONS = {"EVPOLL_VERSION", "EVPOLL_VERSION_MAJOR", "EVPOLL_VERSION_MINOR",
            "EVPOLL_VERSION_PATCH"}


def check(tree):
    header = tree.header
    yield from header.complaints
    yield from check_constants(header)
    yield from check_version(header, tree.project_version)
    yield from check_structs(header)
    yield from check_functions(header)


def value_of(constant):
    """The number that a constant stands for, or None where it is not written plainly."""
    plain = re.fullmatch(r"(0x[0-9A-Fa-f]+|0|[1-9][0-9]*)|\((-[1-9][0-9]*)\)", constant.text)
    return int(plain[0].strip("()"), 0) if plain else None


def check_constants(header):
    seen = set()
    for constant in header.constants:
        where = f"evpoll.h:{constant.line}: {constant.name}"
        value = value_of(constant)
        if constant.name in seen:
            yield f"{where} is defined twice"
        seen.add(constant.name)
        if value is None:
            yield (f"{where} is {constant.text}: write a plain decimal or hex number, without "
                   "suffix, shift or expression, negative ones as (-1)")
        elif not -2**31 < value < 2**31:
            yield f"{where} is {constant.text}: bit 31 is a sign in C# and Java, stay below it"


def check_version(header, project):
    value = {constant.name: value_of(constant) for constant in header.constants}
    major, minor, patch = (int(part) for part in project.split("."))
    wanted = {"EVPOLL_VERSION_MAJOR": major, "EVPOLL_VERSION_MINOR": minor,
              "EVPOLL_VERSION_PATCH": patch, "EVPOLL_VERSION": major * 65536 + minor * 256 + patch}
    for name, number in wanted.items():
        if value.get(name) != number:
            yield (f"{name} is {value.get(name)}, but CMakeLists.txt says {project}: make it "
                   f"{number}")


def check_structs(header):
    frozen = {struct.name for struct in header.structs} - GROWING
    integers = FIELDS | set(header.aliases) | frozen
    for alias, target in header.aliases.items():
        if target not in INTEGERS:
            yield f"evpoll.h: typedef {alias} is {target}: not a fixed-width integer"
    for struct in header.structs:
        for field in struct.fields:
            if field.type not in integers:
                yield (f"evpoll.h:{field.line}: {struct.name}.{field.name} is {field.type}: only "
                       f"{', '.join(sorted(integers))} have one size everywhere")
        grows = [field.name for field in struct.fields[:1]] == ["struct_size"]
        if grows != (struct.name in GROWING):
            yield (f"evpoll.h:{struct.line}: struct {struct.name}: those that grow start with "
                   "struct_size and are listed as GROWING in gen/abi/rules.py; the rest are frozen")


def check_functions(header):
    structs = {struct.name for struct in header.structs}
    named = structs | set(header.opaque) | {f"struct {name}" for name in structs}
    integers = INTEGERS | set(header.aliases)
    allowed = integers | MEMORY
    for name in named | integers:
        allowed |= {f"{name} *", f"const {name} *"}
    allowed |= {f"{name} **" for name in header.opaque}
    for function in header.functions:
        where = f"evpoll.h:{function.line}: {function.name}"
        if not re.fullmatch(r"evpoll_[a-z0-9_]+", function.name):
            yield f"{where}: public names are evpoll_noun_verb or evpoll_verb"
        if function.result not in {"int32_t", "int64_t"} | STRINGS:
            yield f"{where} returns {function.result}: functions return int32_t, a time or const char *"
        if function.name in structs:
            yield f"{where} shares its name with a struct: generators lose one of them"
        for kind, name in function.params:
            if kind not in allowed:
                yield (f"{where}: parameter {name} is {kind}: fixed-width integers, handles and "
                       "pointers to the header's structs cross the border, nothing else")
