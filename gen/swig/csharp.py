# SPDX-License-Identifier: MIT
"""C#'s enums, structs, P/Invokes, and the calls of the raw poller: csharp.py HEADER FOLDER. See
shapes.py."""
import re

import shapes
from shapes import pascal, signature, wrapped

ENUMS = {"status": "Status", "event": "PollEvents", "mode": "PollMode", "change": "ChangeAction",
         "op": "IoCode", "opf": "IoFlags", "open": "PollerFlags", "feature": "PollerFeatures",
         "backend": "PollerBackend", "engine": "IoEngine", "file": "FileFlags",
         "family": "IoFamily", "message": "MessageFlags", "shutdown": "IoDirection"}
STRUCTS = {"evpoll_event": "PollEvent", "evpoll_change": "PollChange", "evpoll_io": "IoRequest",
           "evpoll_result": "IoResult", "evpoll_iovec": "IoVector", "evpoll_address": "IoAddress",
           "evpoll_message": "IoMessage", "evpoll_options": "NativeOptions",
           "evpoll_poller_stats": "PollerStats", "evpoll_poller_info": "PollerInfo"}
INTERNAL = ("evpoll_options", "struct_size")
FIELDS = shapes.FIELDS | {"op": "operation"}
TYPES = {"uint64_t": "ulong", "int64_t": "long", "evpoll_handle": "long", "uint32_t": "uint",
         "int32_t": "int", "uint16_t": "ushort", "uint8_t": "byte"}
# What the class Poller has by hand: its life, what fills in a struct or a text, and waits.
BY_HAND = {"open", "close", "shutdown", "stats", "info", "describe", "poller_handle", "wait", "turn"}
METHODS = {"list_take": "TakeList"}
ARGUMENTS = {"interest": "PollEvents", "bits": "PollEvents", "mode": "PollMode"}  # of these enums
WORDS = {"ios": "requests", "op": "operation", "op_out": "operation", "results_out": "results",
         "ns": "nanoseconds"}
HEAD = f"// {shapes.NOTICE.format('//')}\n"


class CSharp:
    escape = staticmethod(shapes.xml_text)
    code = staticmethod("<c>{}</c>".format)
    struct = staticmethod(lambda name: f"<c>{STRUCTS[name]}</c>")
    field = staticmethod(lambda name: pascal(FIELDS.get(name, name)))
    kind = staticmethod(lambda kind: f'<see cref="{ENUMS[kind.name]}"/>')

    @staticmethod
    def member(kind, m, whole):
        name = pascal(m.short)
        return f'<see cref="{ENUMS[kind.name]}.{name}"/>' if whole else name


def scope(name):
    return "internal" if name in INTERNAL else "public"


def parameter(name, c_type):
    """The library keeps nothing of it: a reference is pinned for the call, and not copied."""
    pointer, base = re.fullmatch(r"((?:p\.|q\(const\)\.)*)(\w+)", c_type).groups()
    if not pointer:
        return f"{TYPES[base]} {name}"
    if pointer == "p.p.":
        return f"out nint {name}"
    if base == "evpoll":
        return f"PollerHandle {name}"
    if base in STRUCTS:
        return f"ref {STRUCTS[base]} {name}"
    if base in TYPES:
        return f"out {TYPES[base]} {name}"
    if base == "char" and "const" in pointer:
        return f"string {name}"
    kept = c_type == "p.void" and not name.endswith("_out")
    return f"nint {name}" if kept else f"ref byte {name}"


def methods(contract):
    """One for each call that takes a poller: arrays are spans, and a failure is an exception."""
    for name, said in contract.comments.items():
        short = name.removeprefix("evpoll_")
        parameters = [parameter(*p) for p in contract.functions[name][1]]
        if parameters[:1] != ["PollerHandle p"] or short in BY_HAND or short.startswith("aio_"):
            continue
        counts = not re.match(r"0(, EVPOLL|\.)", said.returns)
        yield f"\n{wrapped(f'<summary>{plain(said.first, contract)}</summary>', '    /// ')}"
        if said.rest:
            yield wrapped(f"<remarks>{plain(said.rest, contract)}</remarks>", "    /// ")
        given, passed = [], []
        for i, p in enumerate(parameters[1:], 1):
            kind, word = p.rsplit(" ", 1)
            if parameters[i - 1].startswith("ref "):
                continue  # its number, which the span knows
            about = plain(said.params[word], contract)
            enum, word = ARGUMENTS.get(word), WORDS.get(word, word)
            yield wrapped(f'<param name="{word}">{about}</param>', "    /// ")
            if kind.startswith("ref "):
                given.append(f"Span<{kind[4:]}> {word}")
                passed.append(f"ref MemoryMarshal.GetReference({word}), {word}.Length")
            else:
                given.append(f"{enum or kind} {word}" + " = PollMode.Level" * (word == "mode"))
                passed.append(f"(uint){word}" if enum else
                              f"out {word}" if kind.startswith("out ") else word)
        if counts:
            about = plain(said.returns.partition(";")[0], contract)
            yield wrapped(f"<returns>{about}</returns>", "    /// ")
        # That something is over already is no failure of who asks for its end.
        over = "Asked" if short in ("cancel", "cancel_token", "retime") else "Check"
        yield signature(f"public {'int' if counts else 'void'} {METHODS.get(short, pascal(short))}(",
                        given, f") => {over}(Native.{name}(Handle, {', '.join(passed)}));".replace(
                            ", )", ")"), "    ")


def plain(text, contract):
    return shapes.sentence(shapes.prose(" ".join(text.split()), contract, CSharp))


def write(contract, out):
    def summary(text, indent, kind=None):
        text = shapes.sentence(shapes.prose(text, contract, CSharp, kind))
        return wrapped(f"<summary>{text}</summary>", indent + "/// ")

    text = HEAD + "namespace Evpoll;\n"
    for kind in contract.kinds.values():
        text += "\n" + summary(kind.text, "", kind) + ("[Flags]\n" if kind.bits else "")
        text += f"public enum {ENUMS[kind.name]} : {TYPES[kind.type]}\n{{\n"
        if kind.bits:
            text += summary("None of these.", "    ") + "    None = 0,\n"
        for m in kind.members:
            text += summary(m.text, "    ", kind) + f"    {pascal(m.short)} = {m.raw},\n"
        text += "}\n"
    (out / "Enums.cs").write_text(text)

    text = HEAD + "using System.Runtime.InteropServices;\n\nnamespace Evpoll;\n"
    for s in contract.structs.values():
        unsafe = "unsafe " if any(f.count for f in s.fields) else ""
        text += f"\n{summary(s.text, '')}[StructLayout(LayoutKind.Sequential, Size = {s.size})]\n"
        text += f"{scope(s.name)} {unsafe}partial struct {STRUCTS[s.name]}\n{{\n"
        for f in s.fields:
            type_name = STRUCTS.get(f.type) or (ENUMS[f.kind.name] if f.kind else TYPES[f.type])
            text += summary(f.text, "    ", f.kind) + f"    {scope(f.name)} "
            text += f"fixed {type_name} {CSharp.field(f.name)}[{f.count}];\n" if f.count else (
                f"{type_name} {CSharp.field(f.name)};\n")
        text += "}\n"
    (out / "Structs.cs").write_text(text)

    text = HEAD + """using System.Runtime.InteropServices;

namespace Evpoll.Interop;

/// <summary>The C interface, argument for argument, but for foreign operations, which are for C.
/// The reference of an empty span is NULL on the other side.</summary>
static partial class Native
{
"""
    text += "".join(f"    public const int {name} = {value};\n"
                    for name, value in contract.constants.items())
    for name, (result, parameters) in contract.functions.items():
        if name.startswith("evpoll_aio_"):
            continue
        result = "nint" if result.startswith("p.") else TYPES[result]
        parameters = [parameter(*p) for p in parameters]
        utf8 = any(p.startswith("string") for p in parameters)
        text += "\n    [LibraryImport(NativeLoader.Name"
        text += (", StringMarshalling = StringMarshalling.Utf8" if utf8 else "") + ")]\n"
        text += signature(f"internal static partial {result} {name}(", parameters, ");", "    ")
    (out / "Native.cs").write_text(text + "}\n")

    text = HEAD + """using System.Runtime.InteropServices;
using Evpoll.Interop;

namespace Evpoll;

partial class Poller
{
"""
    (out / "Poller.cs").write_text(text + "".join(methods(contract)).removeprefix("\n") + "}\n")


shapes.main(write)
