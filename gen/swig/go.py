# SPDX-License-Identifier: MIT
"""Go's types, constants and structs: go.py HEADER FILE. See shapes.py."""
import subprocess
import textwrap

import shapes
from shapes import pascal, wrapped

# The type, a prefix, and names that are not made of prefix and C's name.
KINDS = {
    "status": ("Status", "Err", {"OK": "OK"}),
    "event": ("Events", "", {"ERROR": "ErrorEvent", "IO": "IODone", "IO_LIST": "ListDone",
                             "AIO": "AIODone", "LIO": "LIODone", "WAKE": "Woken",
                             "POST": "Posted"}),
    "mode": ("Mode", "", {}),
    "change": ("Action", "Change", {}),
    "op": ("Code", "", {"READV": "ReadV", "WRITEV": "WriteV", "FSYNC": "Sync",
                        "FDATASYNC": "DataSync", "SHUTDOWN": "ShutDown", "TRUNCATE": "SetSize"}),
    "opf": ("OpFlags", "", {"NOWAIT": "NoWait"}),
    "open": ("OpenFlags", "", {}),
    "feature": ("Features", "Feature", {}),
    "backend": ("Backend", "", {}),
    "engine": ("Engine", "", {"NONE": "NoEngine"}),
    "file": ("FileFlags", "", {"READ": "ForReading", "WRITE": "ForWriting",
                               "APPEND": "ForAppending", "DURABLE": "DurableName"}),
    "family": ("Family", "Family", {}),
    "message": ("MessageFlags", "Message", {}),
    "shutdown": ("Direction", "", {"READ": "Receiving", "WRITE": "Sending"}),
}
# Those that begin small are the binding's alone.
STRUCTS = {"evpoll_event": "Event", "evpoll_change": "Change", "evpoll_io": "IO",
           "evpoll_result": "Result", "evpoll_iovec": "cIOVec", "evpoll_address": "cAddress",
           "evpoll_message": "cMessage", "evpoll_options": "cOptions",
           "evpoll_poller_stats": "Stats", "evpoll_poller_info": "Info"}
FIELDS = {"struct_size": "size", "reserved": "_", "timeout_ms": "TimeoutMS",
          "evpoll_result.result": "N", "evpoll_io.buffer": "buffer"}  # IO.Use sets that one
# Functions that the package has in words of its own, and those for C alone.
OWN = ("open", "close", "wait", "turn", "submit", "submit_list", "list_take", "info", "stats",
       "describe", "version", "version_string", "strerror", "os_error", "buffer_alloc",
       "buffer_free", "now")
FUNCTIONS = {"poller_handle": "Handle"}
RECORDS = {"stats": "Stats", "info": "Info", "describe": "Describe"}  # calls that tell
COUNTS = ("update", "cancel", "cancel_all", "cancel_handle", "cancel_token", "retime",
          "socket_recv", "socket_send", "socket_recvfrom", "socket_sendto")
# Of a parameter: Go's type, and what C gets of it.
PARAMETERS = {"handle": ("Handle", "int64({})"), "listener": ("Handle", "int64({})"),
              "token": ("uint64", "{}"), "op": ("OpID", "uint64({})"), "result": ("int64", "{}"),
              "interest": ("Events", "uint32({})"), "bits": ("Events", "uint32({})"),
              "mode": ("Mode", "uint32({})"), "ns": ("time.Duration", "int64({})"),
              "port": ("int", "int64({})"), "backlog": ("int", "int64({})"),
              "on": ("int", "int64({})"), "how": ("Direction", "int64({})"),
              "host": ("string", "{}"), "path": ("string", "{}"),
              "flags": ("FileFlags", "uint32({})"), "permissions": ("uint32", "{}")}
ARRAYS = {"buffer": ("[]byte", "first({0}), uint64(len({0}))"),
          "buffer_out": ("[]byte", "first({0}), uint64(len({0}))"),
          "changes": ("[]Change", "first({0}), clip(len({0}))")}
RESULTS = {"handle_out": ("made", "Handle"), "first_out": ("one", "Handle"),
           "second_out": ("other", "Handle"), "size_out": ("size", "int64"),
           "error_out": ("taken", "Status")}
WORDS = {"Io": "IO", "Tcp": "TCP", "Udp": "UDP", "Nodelay": "NoDelay", "Recvfrom": "RecvFrom",
         "Sendto": "SendTo", "Aio": "AIO", "Lio": "LIO", "Os": "OS", "Afd": "AFD", "Iocp": "IOCP",
         "Uring": "URing", "Ipv4": "IPv4", "Ipv6": "IPv6"}


IMPORTS = """
import (
	"net/netip"
	"time"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)
"""


def go_name(name):
    return "".join(WORDS.get(word, word) for word in map(pascal, name.split("_")))


class Go:
    escape = code = staticmethod(str)
    kind = staticmethod(lambda kind: KINDS[kind.name][0])
    field = staticmethod(lambda name: go_name(shapes.FIELDS.get(name, name)))

    @staticmethod
    def struct(name):
        return STRUCTS[name] if STRUCTS[name][0].isupper() else f"struct {name}"

    @staticmethod
    def member(kind, m, whole=True):
        _, prefix, names = KINDS[kind.name]
        return names.get(m.short, prefix + go_name(m.short))


def field_name(s, f):
    given = FIELDS.get(f.name) or FIELDS.get(f"{s.name}.{f.name}")
    name = given or Go.field(f.name)
    if given or STRUCTS[s.name][0].isupper():
        return name
    first = f.name.split("_")[0]
    return first + name[len(first):]


def field_type(f):
    if f.kind:
        return Go.kind(f.kind)
    name = {"op": "OpID", "handle": "Handle"}.get(f.name)
    return name or STRUCTS.get(f.type) or f.type.removesuffix("_t")


def strings(kind):
    """Bits are joined by a bar; of the others there is a text for each number."""
    if kind.bits:
        texts = {m.value.bit_length() - 1: m.short.lower().replace("_", "-") for m in kind.members}
        call = "names(uint32(v), "
    else:
        texts = {m.value: m.short.lower() for m in kind.members}
        call = "nth(int(v), "
    listed = ", ".join(f'"{texts.get(i, "")}"' for i in range(max(texts) + 1))
    call = textwrap.fill(f"return {call}{listed})", 92, initial_indent="\t",
                         subsequent_indent="\t\t", break_on_hyphens=False)
    return f"\n// String is for logs.\nfunc (v {Go.kind(kind)}) String() string {{\n{call}\n}}\n"


def function(contract, name, parameters):
    """A call with Go's types: of a poller a method, else a function."""
    short = name.removeprefix("evpoll_")
    takes, gives, passed, results, skipped = [], "", [], [], ""
    of_poller = bool(parameters) and parameters[0] == ("p", "p.evpoll")
    for parameter, _ in parameters[of_poller:]:
        plain = parameter.removesuffix("_out")
        if parameter == "host_out":  # with its capacity, and the port
            gives, skipped = "var at place\n", ("host_capacity", "port_out")
            passed.append("first(at.text[:]), int64(len(at.text)), unsafe.Pointer(&at.port)")
            results.append(("at.address()", "netip.AddrPort"))
        elif parameter in RESULTS:
            made, kind = RESULTS[parameter]
            gives += f"var {made} {kind}\n"
            passed.append(f"unsafe.Pointer(&{made})")
            results.append((made, kind))
        elif parameter in ARRAYS:
            skipped = ("length", "n")
            takes.append(f"{plain} {ARRAYS[parameter][0]}")
            passed.append(ARRAYS[parameter][1].format(plain))
        elif parameter not in skipped:
            takes.append(f"{plain} {PARAMETERS[parameter][0]}")
            passed.append(PARAMETERS[parameter][1].format(plain))
    if short in COUNTS:
        results.insert(0, ("n", "int"))
    receiver, done = "", "done"
    if of_poller:
        receiver, done, passed = "(p *Poller) ", "p.done", ["p.enter()"] + passed
    done += f'("{short.removeprefix("socket_").replace("_", " ")}",'
    call = f"capi.{short[0].upper()}{short[1:]}({', '.join(passed)}))"
    call = f"{done} {call}" if len(done + call) < 80 else f"{done}\n{call}"
    types = ", ".join([t for _, t in results] + ["error"])
    back = ", ".join([v for v, _ in results] + ["err"])
    count = "n" if short in COUNTS else "_"
    head = f"func {receiver}{FUNCTIONS.get(short) or go_name(short)}({', '.join(takes)}) "
    if back == "n, err":
        return f"{head}({types}) {{\nreturn {call}\n}}\n"
    head += f"({types})" if results else types
    return f"{head} {{\n{gives}{count}, err := {call}\nreturn {back}\n}}\n"


def record(short):
    """A call of a poller or a loop that fills in a struct, which begins with its size, or a text."""
    name = RECORDS[short]
    if short == "describe":
        return """func (n *native) Describe() (string, error) {
b := make([]byte, 4096)
_, err := n.done("describe", capi.Describe(n.enter(), unsafe.Pointer(&b[0]), int64(len(b))))
return text(b), err
}
"""
    return f"""func (n *native) {name}() ({name}, error) {{
of := {name}{{size: uint32(unsafe.Sizeof({name}{{}}))}}
_, err := n.done("{short}", capi.{name}(n.enter(), unsafe.Pointer(&of)))
return of, err
}}
"""


def options(s, comment):
    """C's struct has numbers without a sign, Go's programs an int."""
    fields = [f for f in s.fields if f.name != "struct_size"]
    text = comment("says how to open a Poller or a Loop; what is 0 is the default.", "", None,
                   "Options: ") + "type Options struct {\n"
    checks, puts = [], ""
    for f in fields:
        number = "int" if not f.kind and f.size == 4 else field_type(f)
        own = Go.field(f.name)
        text += comment(f.text, "\t", f.kind) + f"\t{own} {number}\n"
        value = f"given.{own}"
        if number == "int":
            checks.append(f"{value} < 0 || {value} > 1<<30")
            value = f"uint32({value})"
        puts += f"\to.{field_name(s, f)} = {value}\n"
    return f"""
{text}}}

// put takes over what is given; false: something is out of range.
func (o *cOptions) put(given Options) bool {{
if {" || ".join(checks)} {{
return false
}}
{puts}return true
}}
"""


def write(contract, out):
    def comment(text, indent, kind=None, before=""):
        text = shapes.prose(text, contract, Go, kind)
        return wrapped(before + (text if indent else shapes.lower_first(text)), indent + "// ", 97)

    text = f"// {shapes.NOTICE.format('//')}\n\npackage evpoll\n" + IMPORTS
    for kind in contract.kinds.values():
        name = Go.kind(kind)
        text += "\n" + comment(kind.text, "", kind, name + ": ")
        text += f"type {name} {kind.type.removesuffix('_t')}\n\n// The values of {name}.\nconst (\n"
        for m in kind.members:
            one = Go.member(kind, m)
            text += comment(m.text, "\t", kind, one + ": ") + f"\t{one} {name} = {m.raw}\n"
        text += ")\n" + (strings(kind) if kind.name != "status" else "")
    for s in contract.structs.values():
        name = STRUCTS[s.name]
        text += "\n" + comment(s.text, "", None, name + ": ") + f"type {name} struct {{\n"
        for f in s.fields:
            count = f"[{f.count}]" if f.count else ""
            text += comment(f.text, "\t", f.kind) + f"\t{field_name(s, f)} {count}{field_type(f)}\n"
        text += "}\n"
    text += options(contract.structs["evpoll_options"], comment)
    for name, (_, parameters) in contract.functions.items():
        short = name.removeprefix("evpoll_")
        if short in RECORDS:
            text += "\n" + comment(contract.comments[name].first, "", None, RECORDS[short] + ": ")
            text += record(short)
        elif short not in OWN and not short.startswith("aio_"):
            said = FUNCTIONS.get(short) or go_name(short)
            text += "\n" + comment(contract.comments[name].first, "", None, said + ": ")
            text += function(contract, name, parameters)
    out.write_text(text)
    subprocess.run(["gofmt", "-w", out], check=True)


shapes.main(write)
