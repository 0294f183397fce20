# SPDX-License-Identifier: MIT
"""The raw calls in Java, and the lists of operations and events: for java.py."""
import re

import shapes
from java_names import (HEAD, METHODS, OPERATIONS, Java, Writer, block, is_call, java_name,
                        of_poller)
from shapes import lower_first, pascal, signature

COUNTS = ("cancel", "cancel_all", "cancel_handle", "cancel_token", "retime")
# Calls that move what is in a direct buffer: the parameter, and what is called with the buffer.
MOVES = {"socket_recv": ("target", "evp_recv_at"), "socket_send": ("source", "evp_send_at")}
# Of a parameter: Java's type and name, and what C gets of it.
PARAMETERS = {"handle": ("long", "handle", "{}"), "listener": ("long", "listener", "{}"),
              "token": ("long", "token", "{}"), "op": ("long", "id", "{}"),
              "result": ("long", "result", "{}"), "ns": ("long", "nanos", "{}"),
              "interest": ("Interest", "interest", "{}.bits()"),
              "bits": ("Interest", "bits", "{}.bits()"), "mode": ("Mode", "mode", "{}.number"),
              "port": ("int", "port", "{}"), "backlog": ("int", "backlog", "{}"),
              "how": ("Direction", "how", "{}.number"), "on": ("boolean", "on", "{} ? 1 : 0"),
              "host": ("String", "host", "Memory.text({})"),
              "path": ("String", "path", "Memory.text({})"),
              "flags": ("FileFlag...", "flags", "FileFlag.bits(flags.length == 0 ? "
                        "new FileFlag[] {{FileFlag.READ}} : flags)")}
SAID_TOO = {"flags": "; none: {@link FileFlag#READ}"}
TOLD = ("evpoll_stats", "evpoll_info", "evpoll_describe")
NUMBERS = {"capacity": "4096", "host_capacity": "NativeConstants.EVPOLL_ADDRESS_CAPACITY",
           "permissions": "0"}
# Of what C writes: what is there for it, what C gets of it, the result's type and the result.
CELL = "long[] {0} = new long[1];"
WRITTEN = {"handle_out": ("long[] made = new long[1];", "made", "long", "made[0]"),
           "first_out": (CELL, "{0}", "long[]", "new long[] {{first[0], second[0]}}"),
           "second_out": (CELL, "{0}", "", ""),
           "size_out": (CELL, "{0}", "long", "{0}[0]"),
           "error_out": (CELL, "{0}", "Status", "Status.of((int) {0}[0])"),
           "port_out": (CELL, "{0}", "", ""),
           "text_out": ("Memory {0} = new Memory(4096);", "{0}.address", "String", "{0}.text()"),
           "host_out": ("Memory {0} = new Memory(NativeConstants.EVPOLL_ADDRESS_CAPACITY);",
                        "{0}.address", "InetSocketAddress", "{0}.socketAddress((int) port[0])"),
           "stats_out": ("Memory {0} = Memory.sized(Layout.POLLER_STATS);", "{0}.address",
                         "PollerStats", "PollerStats.of({0}.bytes)"),
           "info_out": ("Memory {0} = Memory.sized(Layout.POLLER_INFO);", "{0}.address",
                        "PollerInfo", "PollerInfo.of({0}.bytes)")}
# A parameter's type; what it stands for in an entry, and how; what is said of it.
ENTRY = {"handle": ("long", "handle", "handle", "what it is of, which was added with {@link "
                    "Mode#OPERATIONS}"),
         "offset": ("long", "offset", "offset", "the place in the file; 0 for a stream"),
         "size": ("long", "offset", "size", "bytes"),
         "nanos": ("long", "offset", "nanos", "nanoseconds from now, 0 or more"),
         "target": ("ByteBuffer", "buffer", "Memory.direct(target, true)",
                    "a direct buffer, lent until the event"),
         "source": ("ByteBuffer", "buffer", "Memory.direct(source, false)",
                    "a direct buffer, lent until the event"),
         "file": ("long", "address", "file", "the file, which was added too"),
         "length": ("long", "length", "length", "bytes"),
         "interest": ("Interest", "length", "interest.bits()", "what to wait for"),
         "how": ("Direction", "length", "how.number", "which half ends")}
ACCESSORS = {"evpoll_event": {"token": "token", "op": "operation", "result": "result",
                              "events": "bits", "status": "status"},
             "evpoll_io": {"op": "id", "status": "status"}}
# What the classes do by hand, and the header describes: Java's declaration, and its parameters.
DESCRIBED = {
    "wait": ("int waitFor(Events events, long nanos)", {"events": "events_out",
                                                        "nanos": "timeout_ns"}),
    "turn": ("int turn(Operations operations, Events events, long nanos)",
             {"operations": "what to start", "events": "events_out", "nanos": "timeout_ns"}),
    "submit": ("int submit(Operations operations)", {"operations": "ios"})}


def source(*own, java=()):
    """How a class begins: with what it imports."""
    imports = [f"java.{name}" for name in java] + [f"org.evpoll.internal.{name}" for name in own]
    return f"{HEAD};\n\n" + "".join(f"import {name};\n" for name in imports) + "\n"


class Calls(Writer):
    def method(self, name, parameters):
        """A call with Java's types and errors: of a poller inside of its gate."""
        short, comment = name.removeprefix("evpoll_"), self.contract.comments[name]
        inside = of_poller(parameters)
        words = short.removeprefix("socket_").replace("_", " ")
        what, indent = f'"{words}"', "      " if inside else "    "
        given, passed, before, result, value = [], [], "", "", ""
        tags = []
        for parameter, _ in parameters[inside:]:
            if parameter in WRITTEN:
                makes, passes, kind, gives = WRITTEN[parameter]
                plain = parameter.removesuffix("_out")
                before += f"    {makes.format(plain)}\n"
                passed.append(passes.format(plain))
                result, value = result or kind, value or gives.format(plain)
            elif parameter in NUMBERS:
                passed.append(NUMBERS[parameter])
            else:
                kind, word, passes = PARAMETERS[parameter]
                given.append(f"{kind} {word}")
                passed.append(passes.format(word))
                tags.append(f"@param {word} " + self.prose(comment.params[parameter])
                            + SAID_TOO.get(parameter, ""))
                if kind == "String":
                    what = what[:-1] + f' " + {word}'
                elif word == "port":
                    what += ' + " port " + port'
        good, errors = re.match(r"(.*?)(?:[,;] )?((?:EVPOLL_ERR_|as evpoll_).*|)$",
                                comment.returns.rstrip(".")).groups()
        if short in COUNTS or short == "add":
            result = "boolean" if short == "add" else "int"
            tags.append("@return " + self.prose("whether " + good.partition(", 1 when ")[2]
                                           if short == "add" else good))
        elif result:
            out = next(p for p, _ in parameters if p in WRITTEN and WRITTEN[p][2])
            said_of = comment.params[out].partition(";")[0]
            tags.append("@return " + self.prose({"text_out": "the text", "first_out": "both ends",
                                            "host_out": "the address; null for AF_UNIX",
                                            "info_out": "what it is made of",
                                            "stats_out": "the counters"}.get(out, said_of)))
        tags.append(f"@throws EvpollException {self.prose(errors)}")
        passed = (["state.pointer"] if inside else []) + passed
        call = f"EvpollException.check({what}, Native.{name}({', '.join(passed)}))"
        if short in COUNTS or short == "add":
            body = signature(f"return {call}{' == 1' * (short == 'add')};", [], "", indent)
        else:
            body = signature(f"{call};", [], "", indent)
            body += f"{indent}return {value};\n" if result else ""
        if inside:
            body = f"    enter();\n    try {{\n{body}    }} finally {{\n      leave();\n    }}\n"
        paragraphs = self.paragraphs(comment)
        head = "public " + "static " * (not inside) + f"{result or 'void'} {java_name(name)}("
        return "\n" + block(paragraphs + tags, "  ") + signature(
            head, given, ") throws EvpollException {", "  ") + before + body + "  }\n"

    def paragraphs(self, comment):
        rest = comment.rest.split("\n\n") if comment.rest else []
        return [self.prose(p, True) for p in [comment.first, *rest]]

    def moves(self, short):
        """A call that moves bytes, and the buffer's position; that none are there is no failure."""
        comment, (buffer, call) = self.contract.comments["evpoll_" + short], MOVES[short]
        good, errors = re.match(r"(.*?)[,;] (?=EVPOLL_ERR_|as for)(.*)$",
                                comment.returns.replace("EVPOLL_ERR_WOULD_BLOCK, ", "")).groups()
        java, writes = METHODS[short], str(buffer == "target").lower()
        tags = [f"@param handle {self.prose(comment.params['handle'])}",
                f"@param {buffer} a direct buffer, whose position is moved",
                "@return the number of bytes, {@link #WOULD_BLOCK} or {@link #END}",
                f"@throws EvpollException {self.prose(errors.rstrip('.'))}"]
        head = f"public static int {java}(long handle, ByteBuffer {buffer}) throws EvpollException"
        return f"""
{block([self.prose(comment.first, True), *tags], "  ")}  {head} {{
    int at = Memory.direct({buffer}, {writes}).position();
    int room = {buffer}.remaining();
    return Memory.moved("{java}", {buffer}, Native.{call}(handle, {buffer}, at, room),
        {"END" if buffer == "target" else "0"});
  }}
"""

    def described(self, short):
        """What is done by hand, and an override takes its comment from."""
        declaration, names = DESCRIBED[short]
        comment = self.contract.comments["evpoll_" + short]
        good, errors = re.match(r"(.*?); (?:negative, )?((?:EVPOLL_ERR_|as for).*)$",
                                comment.returns.rstrip(".")).groups()
        tags = [f"@param {java} {self.prose(comment.params.get(c, c))}"
                for java, c in names.items()]
        tags += [f"@return {self.prose(good)}", f"@throws EvpollException {self.prose(errors)}"]
        paragraphs = self.paragraphs(comment)
        return "\n" + block(paragraphs + tags, "  ") + (
            f"  public abstract {declaration} throws EvpollException;\n")

    def entry(self):
        """Writes a whole entry, and sets one field of the last."""
        fields = [f for f in self.contract.structs["evpoll_io"].fields]
        puts = ""
        for f in fields:
            value = f.name if f.name in ("token", "handle", "offset", "length", "code") else (
                "address" if f.name == "buffer" else "0")
            put = "putInt" if f.size == 4 else "putLong"
            puts += f"    bytes.{put}(at + Layout.IO_{f.name.upper()}, {value});\n"
        limit = self.prose(next(f for f in fields if f.name == "timeout_ms").text)
        limit = block([f"Gives the last operation a time limit: {limit}",
                       "@param millis the milliseconds", "@return this"], "  ")
        return f"""
  Operations put(int code, long handle, long offset, long address, long length, long token) {{
    if (offset < 0) throw new IllegalArgumentException("negative: " + offset);
    int at = at(add(token));
{puts}    return (Operations) this;
  }}

  Operations flag(int bits) {{
    int at = at(count - 1) + Layout.IO_FLAGS;
    bytes.putInt(at, bytes.getInt(at) | bits);
    return (Operations) this;
  }}

{limit}  public Operations limit(int millis) {{
    bytes.putInt(at(count - 1) + Layout.IO_TIMEOUT_MS, millis);
    return (Operations) this;
  }}
"""

    def methods(self, inside, chosen=lambda name: name not in TOLD):
        return "".join(self.method(name, parameters)
                       for name, (_, parameters) in self.contract.functions.items()
                       if is_call(name) and of_poller(parameters) == inside and chosen(name)
                       and name.removeprefix("evpoll_") not in MOVES)

    def operation(self, m):
        """What puts an operation into a list."""
        java, *names = OPERATIONS[m.short]
        entry = {"handle": "-1", "offset": "0", "address": "0", "length": "0"}
        entry |= {ENTRY[n][1]: ENTRY[n][2] for n in names}
        tags = [f"@param {n} {ENTRY[n][3]}" for n in names]
        tags += ["@param token comes back in the event", "@return this"]
        if "buffer" in entry:
            put = (f"lend(NativeConstants.{m.c}, handle, {entry['offset']}, {entry['buffer']}, "
                   "token)")
        else:
            put = (f"put(NativeConstants.{m.c}, {entry['handle']}, {entry['offset']}, "
                   f"{entry['address']}, {entry['length']}, token)")
        head = signature(f"public Operations {java}(", [f"{ENTRY[n][0]} {n}" for n in names]
                         + ["long token"], ") {", "  ")
        kind = self.contract.kinds["op"]
        of, _, does = shapes.prose(m.text, self.contract, Java, kind).partition(": ")
        text = f"Puts in {m.short}: {lower_first(of)}"
        if does:
            *what, _, _, result = does.rstrip(".").split("; ")
            text = f"Puts in {m.short}{': ' * bool(what)}{'; '.join(what)}. Of: {lower_first(of)}. "
            text += f"Its event's result: {result}."
        return "\n" + block([text, *tags], "  ") + head + signature(
            f"return {put};", [], "", "    ") + "  }\n"

    def flag(self, m):
        java = "noWait" if m.short == "NOWAIT" else lower_first(pascal(m.short))
        return "\n" + block([f"Asks this of the last operation: {self.prose(m.text)}",
                             "@return this"], "  ") + f"  public Operations {java}() {{\n" + (
            f"    return flag(NativeConstants.{m.c});\n  }}\n")

    def accessors(self, name):
        text, upper = "", name.removeprefix("evpoll_").upper()
        for f in self.contract.structs[name].fields:
            java = ACCESSORS[name].get(f.name)
            if not java:
                continue
            number = "int" if f.size == 4 else "long"
            value = f"bytes.get{number.capitalize()}(at(i) + Layout.{upper}_{f.name.upper()})"
            if f.kind and f.kind.name == "status":
                text += f"\n  int code(int i) {{\n    return {value};\n  }}\n"
                number, value = "Status", "Status.of(code(i))"
            about = self.prose(f.text.removeprefix("Out: ")).rstrip(".")
            text += "\n" + block([f"{{@return {about}}}", "@param i which one, from 0"],
                                 "  ")
            text += f"  public {number} {java}(int i) {{\n    return {value};\n  }}\n"
        return text

    def told(self):
        return source("Layout", "Native", java=("lang.ref.Reference",)) + f"""\
/** What a poller tells, and a loop of its own; after the end each is a ClosedPollerException. */
abstract class PollerTold {{
  final Poller.State state;

  PollerTold(Poller.State state) {{
    this.state = state;
  }}

  void enter() {{
    if (!state.gate.enter()) throw new ClosedPollerException();
  }}

  void leave() {{
    state.gate.leave();
    Reference.reachabilityFence(this);
  }}
{self.methods(True, TOLD.__contains__)}}}
"""

    def of_poller(self):
        return source("Native") + f"""/** The calls of a poller, with Java's types and errors. */
abstract class PollerCalls extends PollerTold {{
  PollerCalls(Poller.State state) {{
    super(state);
  }}
{"".join(map(self.described, DESCRIBED))}{self.methods(True)}}}
"""

    def by_handle(self):
        head = source("Native", "NativeConstants", java=("net.InetSocketAddress", "nio.ByteBuffer"))
        return head + f"""/**
 * Files and non-blocking sockets for a {{@link Poller}}. Handles are numbers, an fd, a SOCKET or a
 * HANDLE, and the caller's. Hosts are numeric addresses.
 */
public final class Handles {{
  /** What {{@link #receive}} and {{@link #send}} return when the socket is not ready. */
  public static final int WOULD_BLOCK = -2;
  /** What {{@link #receive}} returns at the end of the stream. */
  public static final int END = -1;

  private Handles() {{}}
{self.methods(False)}{"".join(map(self.moves, MOVES))}}}
"""

    def events(self):
        return source("Layout") + f"""/** What an event says. */
abstract class EventFields extends Structs {{
  EventFields(int capacity) {{
    super(capacity, Layout.EVENT);
  }}
{self.accessors("evpoll_event")}}}
"""

    def operations(self):
        kinds = self.contract.kinds
        text = "".join(self.operation(m) for m in kinds["op"].members if m.short in OPERATIONS)
        text += "".join(map(self.flag, kinds["opf"].members)) + self.accessors("evpoll_io")
        head = source("Layout", "NativeConstants", java=("nio.ByteBuffer",))
        return head + f"""/** What operations there are, and what is said of them. */
abstract class OperationFields extends Structs {{
  OperationFields(int capacity) {{
    super(capacity, Layout.IO);
  }}

  /** Makes room for one more; returns its index. */
  abstract int add(long token);

  abstract Operations lend(int code, long handle, long offset, ByteBuffer buffer, long token);
{self.entry()}{text}}}
"""
