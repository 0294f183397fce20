# SPDX-License-Identifier: MIT
"""Java's enums, records and offsets, the raw calls, and the lists of operations and events:
java.py HEADER FOLDER. See shapes.py. The other constants are in NativeConstants, which SWIG writes."""
import re

import shapes
from shapes import lower_first, pascal, signature, wrapped

ENUMS = {"status": "Status", "mode": "Mode", "open": "OpenFlag", "feature": "Feature",
         "backend": "Backend", "engine": "Engine", "file": "FileFlag", "shutdown": "Direction"}
GROWING = ("backend", "engine")  # a newer library may say what nobody here knows
RECORDS = ("evpoll_poller_stats", "evpoll_poller_info")
# Calls that the classes have by hand: what takes lists, and what is not for programs.
BY_HAND = ("open", "close", "shutdown", "update", "wait", "turn", "submit", "submit_list",
           "list_take", "version", "version_string", "strerror", "os_error", "now", "buffer_alloc",
           "buffer_free", "socket_recvfrom", "socket_sendto")
METHODS = {"socket_recv": "receive", "socket_send": "send", "poller_handle": "descriptor", "file_open": "open", "file_size": "size",
           "file_close": "close", "socket_tcp_listen": "listen", "socket_tcp_connect": "connect",
           "socket_udp_bind": "bindUdp", "socket_close": "closeSocket",
           "socket_set_nodelay": "setNoDelay"}
COUNTS = ("cancel", "cancel_all", "cancel_handle", "cancel_token", "retime")
# Calls that move what is in a direct buffer: the parameter, and what is called with the buffer.
MOVES = {"socket_recv": ("target", "evp_recv_at"), "socket_send": ("source", "evp_send_at")}
# Of a parameter: Java's type and name, and what C gets of it.
PARAMETERS = {"handle": ("long", "handle", "{}"), "listener": ("long", "listener", "{}"),
              "token": ("long", "token", "{}"), "op": ("long", "id", "{}"),
              "result": ("long", "result", "{}"), "ns": ("long", "nanos", "{}"),
              "interest": ("Interest", "interest", "{}.bits"),
              "bits": ("Interest", "bits", "{}.bits"), "mode": ("Mode", "mode", "{}.number"),
              "port": ("int", "port", "{}"), "backlog": ("int", "backlog", "{}"),
              "how": ("Direction", "how", "{}.number"), "on": ("boolean", "on", "{} ? 1 : 0"),
              "host": ("String", "host", "Memory.text({})"),
              "path": ("String", "path", "Memory.text({})"),
              "flags": ("FileFlag...", "flags",
                        "FileFlag.bits(flags.length == 0 ? new FileFlag[] {{FileFlag.READ}} : flags)")}
SAID_TOO = {"flags": "; none: {@link FileFlag#READ}"}
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
# Operations: Java's name, and where each parameter goes.
OPERATIONS = {"READ": ("read", "handle", "offset", "target"),
              "WRITE": ("write", "handle", "offset", "source"),
              "APPEND": ("append", "handle", "source"), "POLL": ("poll", "handle", "interest"),
              "ACCEPT": ("accept", "handle"), "CONNECT": ("connect", "handle"),
              "SEND_FILE": ("sendFile", "handle", "offset", "file", "length"),
              "SHUTDOWN": ("shutdown", "handle", "how"), "TIMER": ("timer", "nanos"),
              "FSYNC": ("sync", "handle"), "FDATASYNC": ("syncData", "handle"),
              "SIZE": ("size", "handle"), "TRUNCATE": ("truncate", "handle", "size"),
              "CLOSE": ("close", "handle")}
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
         "interest": ("Interest", "length", "interest.bits", "what to wait for"),
         "how": ("Direction", "length", "how.number", "which half ends")}
ACCESSORS = {"evpoll_event": {"token": "token", "op": "operation", "result": "result",
                              "events": "bits", "status": "status"},
             "evpoll_io": {"op": "id", "status": "status"}}
# What the classes do by hand, and the header describes: Java's declaration, and its parameters.
DESCRIBED = {
    "wait": ("int waitFor(Events events, long nanos)", {"events": "events_out",
                                                        "nanos": "timeout_ns"}),
    "turn": ("int turn(Operations operations, Events events, long nanos)",
             {"operations": "what to start; null: nothing",
                                                    "events": "events_out",
                                                    "nanos": "timeout_ns"}),
    "submit": ("int submit(Operations operations)", {"operations": "ios"})}
HEAD = f"// {shapes.NOTICE.format('//')}\npackage org.evpoll"

BITS = """
  final int bit;

  NAME(int bit) {
    this.bit = bit;
  }

  static int bits(NAME... flags) {
    int bits = 0;
    for (NAME flag : flags) bits |= flag.bit;
    return bits;
  }

  static Set<NAME> of(int bits) {
    EnumSet<NAME> set = EnumSet.noneOf(NAME.class);
    for (NAME flag : values()) if ((bits & flag.bit) != 0) set.add(flag);
    return set;
  }
}
"""
NUMBER = """
  final int number;

  NAME(int number) {
    this.number = number;
  }
}
"""
KNOWN = NUMBER[:-2] + """
  static NAME of(int number) {
    for (NAME one : values()) if (one.number == number) return one;
    return UNKNOWN;
  }
}
"""
INTEREST = """
  private static final Interest[] ALL = new Interest[16];

  static {
    for (int bits = 0; bits < ALL.length; bits++) ALL[bits] = new Interest(bits);
  }

  /** Nothing: the registration stays and reports nothing at all. */
  public static final Interest NONE = ALL[0];
CONSTANTS
  /** {@link #READABLE} and {@link #WRITABLE}. */
  public static final Interest READ_WRITE = READABLE.and(WRITABLE);

  final int bits;

  private Interest(int bits) {
    this.bits = bits;
  }

  static Interest of(int bits) {
    return ALL[bits & ALL.length - 1];
  }

  /**
   * {@return this and another one together}
   *
   * @param other what to add
   */
  public Interest and(Interest other) {
    return of(bits | other.bits);
  }

  /**
   * {@return whether all of another one is in this one}
   *
   * @param other what to look for
   */
  public boolean contains(Interest other) {
    return (bits & other.bits) == other.bits;
  }

  @Override
  public String toString() {
    StringJoiner text = new StringJoiner(" ").setEmptyValue("NONE");
TEXTS
    return text.toString();
  }
}
"""
STATUS = """
  private static final Status[] BY_CODE = values();

  private final int code;

  Status(int code) {
    this.code = code;
  }

  /**
   * The number that the C interface uses: 0 for success, else negative.
   *
   * @return the number
   */
  public int code() {
    return code;
  }

  /**
   * The status of a number; a count, which is no failure, gives {@link #OK}.
   *
   * @param code a number as the C interface returns it
   * @return its status; {@link #OS} for a number that this version does not know
   */
  public static Status of(int code) {
    if (code >= 0) return OK;
    return code > -BY_CODE.length ? BY_CODE[-code] : OS;
  }
}
"""


class Java:
    escape = staticmethod(shapes.xml_text)
    struct = staticmethod("{{@code {}}}".format)
    field = staticmethod(lambda name: lower_first(pascal(shapes.FIELDS.get(name, name))))

    @staticmethod
    def code(name):
        """A function is linked where Java has it."""
        return CALLS.get(name.removesuffix("()")) or f"{{@code {name}}}"

    @staticmethod
    def kind(kind):
        known = kind.name in ENUMS
        return f"{{@link {ENUMS[kind.name]}}}" if known else f"{{@code EVPOLL_{kind.prefix}*}}"

    @staticmethod
    def member(kind, m, whole):
        if whole and kind.name == "event" and m.value < 16:
            return f"{{@link Interest#{m.short}}}"
        if whole and kind.name == "op" and m.short in OPERATIONS:
            return f"{{@link Operations#{OPERATIONS[m.short][0]}}}"
        known = kind.name in ENUMS
        return m.short if not whole else (
            f"{{@link {ENUMS[kind.name]}#{m.short}}}" if known else f"{{@code {m.c}}}")


CALLS = {"evpoll_wait": "{@link Poller#waitFor}", "evpoll_turn": "{@link Poller#turn}",
         "evpoll_submit": "{@link Poller#submit}", "evpoll_open": "{@link Poller#open}",
         "evpoll_close": "{@link Poller#close}"}


def java_name(name):
    short = name.removeprefix("evpoll_")
    return METHODS.get(short) or lower_first(pascal(short.removeprefix("socket_")))


def is_call(name):
    return name.removeprefix("evpoll_") not in BY_HAND and "_aio_" not in name


def of_poller(parameters):
    return parameters[:1] == [("p", "p.evpoll")]


def write(contract, out):
    for name, (_, parameters) in contract.functions.items():
        if is_call(name):
            owner = "Poller" if of_poller(parameters) else "Handles"
            CALLS[name] = f"{{@link {owner}#{java_name(name)}}}"

    def comment(text, indent, kind=None):
        text = shapes.sentence(shapes.prose(text, contract, Java, kind))
        one = f"{indent}/** {text} */\n"
        if len(one) <= 101:
            return one
        return f"{indent}/**\n{wrapped(text, indent + ' * ')}{indent} */\n"

    def enum(kind, name):
        text = HEAD + ";\n\n"
        text += "import java.util.EnumSet;\nimport java.util.Set;\n\n" if kind.bits else ""
        members = [comment(m.text, "  ", kind) + f"  {m.short}({m.raw})" for m in kind.members]
        if kind.name in GROWING:
            members.append(comment("One that a newer library knows.", "  ") + "  UNKNOWN(-1)")
        text += f"{comment(kind.text, '', kind)}public enum {name} {{\n"
        text += ",\n".join(members) + ";\n"
        rest = STATUS if kind.name == "status" else KNOWN if kind.name in GROWING else NUMBER
        return text + (BITS if kind.bits else rest).replace("NAME", name)

    def record(s):
        """What the library fills in, and a program reads once."""
        name, upper = pascal(s.name.removeprefix("evpoll_")), s.name.removeprefix("evpoll_").upper()
        parts, values, said, sets = [], [], "", ""
        for f in s.fields:
            if f.name == "struct_size":
                continue
            number = "int" if f.size == 4 else "long"
            value = f"at.get{number.capitalize()}(Layout.{upper}_{f.name.upper()})"
            if f.kind:
                sets = "import java.util.Set;\n"
                number = f"Set<{ENUMS[f.kind.name]}>" if f.kind.bits else ENUMS[f.kind.name]
                value = f"{ENUMS[f.kind.name]}.of({value})"
            parts.append(f"{number} {Java.field(f.name)}")
            values.append(value)
            text = lower_first(shapes.prose(f.text, contract, Java, f.kind)).rstrip(".")
            said += wrapped(f"@param {Java.field(f.name)} {text}", " * ")
        text = f"{HEAD};\n\nimport java.nio.ByteBuffer;\n{sets}"
        text += "import org.evpoll.internal.Layout;\n\n"
        text += f"/**\n{wrapped(shapes.prose(s.text, contract, Java), ' * ')} *\n{said} */\n"
        text += signature(f"public record {name}(", parts, ") {", "")
        text += f"  static {name} of(ByteBuffer at) {{\n"
        return text + signature(f"return new {name}(", values, ");", "    ") + "  }\n}\n"

    def block(parts, indent):
        """A comment of paragraphs, and of tags behind an empty line."""
        text, tags = "", [p for p in parts if p.startswith("@")]
        for i, part in enumerate(p for p in parts if not p.startswith("@")):
            text += (f"{indent} *\n" if i else "") + wrapped("<p>" * (i > 0) + part, indent + " * ")
        text += f"{indent} *\n" if tags else ""
        return f"{indent}/**\n{text}{''.join(wrapped(t, indent + ' * ') for t in tags)}{indent} */\n"

    def method(name, parameters):
        """A call with Java's types and errors: of a poller inside of its gate."""
        short, comment = name.removeprefix("evpoll_"), contract.comments[name]
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
                tags.append(f"@param {word} " + prose(comment.params[parameter])
                            + SAID_TOO.get(parameter, ""))
                if kind == "String":
                    what = what[:-1] + f' " + {word}'
                elif word == "port":
                    what += ' + " port " + port'
        good, errors = re.match(r"(.*?)(?:[,;] )?((?:EVPOLL_ERR_|as evpoll_).*|)$",
                                comment.returns.rstrip(".")).groups()
        if short in COUNTS or short == "add":
            result = "boolean" if short == "add" else "int"
            tags.append("@return " + prose("whether " + good.partition(", 1 when ")[2]
                                           if short == "add" else good))
        elif result:
            out = next(p for p, _ in parameters if p in WRITTEN and WRITTEN[p][2])
            said_of = comment.params[out].partition(";")[0]
            tags.append("@return " + prose({"text_out": "the text", "first_out": "both ends",
                                            "host_out": "the address; null for AF_UNIX",
                                            "info_out": "what it is made of",
                                            "stats_out": "the counters"}.get(out, said_of)))
        tags.append(f"@throws EvpollException {prose(errors)}")
        passed = (["state.pointer"] if inside else []) + passed
        call = f"EvpollException.check({what}, Native.{name}({', '.join(passed)}))"
        if short in COUNTS or short == "add":
            body = signature(f"return {call}{' == 1' * (short == 'add')};", [], "", indent)
        else:
            body = signature(f"{call};", [], "", indent)
            body += f"{indent}return {value};\n" if result else ""
        if inside:
            body = f"    enter();\n    try {{\n{body}    }} finally {{\n      leave();\n    }}\n"
        paragraphs = [prose(p, True) for p in [comment.first, *filter(None, comment.rest.split("\n\n"))]]
        head = "public " + "static " * (not inside) + f"{result or 'void'} {java_name(name)}("
        return "\n" + block(paragraphs + tags, "  ") + signature(
            head, given, ") throws EvpollException {", "  ") + before + body + "  }\n"

    def moves(short):
        """A call that moves bytes, and the buffer's position; that none are there is no failure."""
        comment, (buffer, call) = contract.comments["evpoll_" + short], MOVES[short]
        good, errors = re.match(r"(.*?)[,;] (?=EVPOLL_ERR_|as for)(.*)$",
                                comment.returns.replace("EVPOLL_ERR_WOULD_BLOCK, ", "")).groups()
        java, writes = METHODS[short], str(buffer == "target").lower()
        tags = [f"@param handle {prose(comment.params['handle'])}",
                f"@param {buffer} a direct buffer, whose position is moved",
                "@return the number of bytes, {@link Handles#WOULD_BLOCK} or {@link Handles#END}",
                f"@throws EvpollException {prose(errors.rstrip('.'))}"]
        return f"""
{block([prose(comment.first, True), *tags], "  ")}  public static int {java}(long handle, ByteBuffer {buffer}) throws EvpollException {{
    int at = Memory.direct({buffer}, {writes}).position();
    int room = {buffer}.remaining();
    return Memory.moved("{java}", {buffer}, Native.{call}(handle, {buffer}, at, room),
        {"Handles.END" if buffer == "target" else "0"});
  }}
"""

    def told(name, parameters):
        """What a poller tells, told by the loop that has it."""
        head = method(name, parameters).partition(" {\n")[0]
        call = java_name(name)
        return f"{head} {{\n    return poller().{call}();\n  }}\n"

    def described(short):
        """What is done by hand, and an override takes its comment from."""
        declaration, names = DESCRIBED[short]
        comment = contract.comments["evpoll_" + short]
        good, errors = re.match(r"(.*?); (?:negative, )?((?:EVPOLL_ERR_|as for).*)$",
                                comment.returns.rstrip(".")).groups()
        tags = [f"@param {java} {prose(comment.params.get(c, c))}" for java, c in names.items()]
        tags += [f"@return {prose(good)}", f"@throws EvpollException {prose(errors)}"]
        paragraphs = [prose(p, True) for p in [comment.first, *comment.rest.split("\n\n")]]
        return f"\n{block(paragraphs + tags, '  ')}  public abstract {declaration} throws EvpollException;\n"

    def entry():
        """Writes a whole entry, and sets one field of the last."""
        fields = [f for f in contract.structs["evpoll_io"].fields]
        puts = ""
        for f in fields:
            value = f.name if f.name in ("token", "handle", "offset", "length", "code") else (
                "address" if f.name == "buffer" else "0")
            puts += f"    bytes.put{'Int' if f.size == 4 else 'Long'}(at + Layout.IO_{f.name.upper()}, {value});\n"
        limit = next(f for f in fields if f.name == "timeout_ms")
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

{block([f"Gives the last operation a time limit: {prose(limit.text)}", "@param millis the milliseconds",
        "@return this"], "  ")}  public Operations limit(int millis) {{
    bytes.putInt(at(count - 1) + Layout.IO_TIMEOUT_MS, millis);
    return (Operations) this;
  }}
"""

    def prose(text, whole=False):
        text = shapes.prose(text, contract, Java)
        return shapes.sentence(text) if whole else lower_first(text) if text[1:2].islower() else text

    def methods(inside):
        return "".join(method(name, parameters)
                       for name, (_, parameters) in contract.functions.items()
                       if is_call(name) and of_poller(parameters) == inside
                       and name.removeprefix("evpoll_") not in MOVES)

    def operation(m):
        """What puts an operation into a list."""
        java, *names = OPERATIONS[m.short]
        entry = {"handle": "-1", "offset": "0", "address": "0", "length": "0"}
        entry |= {ENTRY[n][1]: ENTRY[n][2] for n in names}
        tags = [f"@param {n} {ENTRY[n][3]}" for n in names]
        tags += ["@param token comes back in the event", "@return this"]
        if "buffer" in entry:
            put = f"lend(NativeConstants.{m.c}, handle, {entry['offset']}, {entry['buffer']}, token)"
        else:
            put = (f"put(NativeConstants.{m.c}, {entry['handle']}, {entry['offset']}, "
                   f"{entry['address']}, {entry['length']}, token)")
        head = signature(f"public Operations {java}(", [f"{ENTRY[n][0]} {n}" for n in names]
                         + ["long token"], ") {", "  ")
        of, _, does = shapes.prose(m.text, contract, Java, contract.kinds["op"]).partition(": ")
        text = f"Puts in {m.short}: {lower_first(of)}"
        if does:
            *what, _, _, result = does.rstrip(".").split("; ")
            text = f"Puts in {m.short}{': ' * bool(what)}{'; '.join(what)}. Of: {lower_first(of)}. "
            text += f"Its event's result: {result}."
        return "\n" + block([text, *tags], "  ") + head + signature(
            f"return {put};", [], "", "    ") + "  }\n"

    def flag(m):
        java = "noWait" if m.short == "NOWAIT" else lower_first(pascal(m.short))
        return "\n" + block([f"Asks this of the last operation: {prose(m.text)}", "@return this"],
                            "  ") + f"  public Operations {java}() {{\n" + (
            f"    return flag(NativeConstants.{m.c});\n  }}\n")

    def accessors(name):
        text, upper = "", name.removeprefix("evpoll_").upper()
        for f in contract.structs[name].fields:
            java = ACCESSORS[name].get(f.name)
            if not java:
                continue
            number = "int" if f.size == 4 else "long"
            value = f"bytes.get{number.capitalize()}(at(i) + Layout.{upper}_{f.name.upper()})"
            if f.kind and f.kind.name == "status":
                text += f"\n  int code(int i) {{\n    return {value};\n  }}\n"
                number, value = "Status", "Status.of(code(i))"
            about = prose(f.text.removeprefix("Out: ")).rstrip(".")
            text += "\n" + block([f"{{@return {about}}}", "@param i which one, from 0"],
                                 "  ")
            text += f"  public {number} {java}(int i) {{\n    return {value};\n  }}\n"
        return text

    def options(s):
        """The record has Java's types; C's struct is written from it."""
        parts, tags, puts, withs = [], [], "", ""
        fields = [f for f in s.fields if f.name != "struct_size"]
        names = [Java.field(f.name) for f in fields]
        for f, java in zip(fields, names):
            kind = "Set<OpenFlag>" if f.kind else "int" if f.size == 4 else "long"
            parts.append(f"{kind} {java}")
            about = prose(f.text).rstrip(".")
            tags.append(f"@param {java} {'none unless said' if f.kind else about}")
            value = "OpenFlag.bits(flags.toArray(new OpenFlag[0]))" if f.kind else java
            puts += (f"    to.put{'Int' if f.size == 4 else 'Long'}(Layout.OPTIONS_{f.name.upper()}, "
                     f"{value});\n")
            if not f.kind:
                args = ", ".join("value" if n == java else n for n in names)
                withs += "\n" + block([f"{{@return these options with this: {about}}}",
                                       "@param value in place of what there is"], "  ")
                withs += f"  public PollerOptions with{java[0].upper()}{java[1:]}({kind} value) {{\n"
                withs += f"    return new PollerOptions({args});\n  }}\n"
        rest = ", ".join(names[1:])
        text = f"{HEAD};\n\nimport java.nio.ByteBuffer;\nimport java.util.EnumSet;\n"
        text += "import java.util.List;\nimport java.util.Set;\nimport org.evpoll.internal.Layout;\n\n"
        text += block([shapes.prose(s.text, contract, Java), *tags], "")
        text += signature("public record PollerOptions(", parts, ") {", "")
        return text + f"""  /** What suits most programs. */
  public static final PollerOptions DEFAULT = new PollerOptions(Set.of(), {", ".join("0" for _ in names[1:])});

  /**
   * {{@return these options with more flags}}
   *
   * @param more to be added
   */
  public PollerOptions with(OpenFlag... more) {{
    EnumSet<OpenFlag> all = EnumSet.noneOf(OpenFlag.class);
    all.addAll(flags);
    all.addAll(List.of(more));
    return new PollerOptions(all, {rest});
  }}
{withs}
  void write(ByteBuffer to) {{
{puts}  }}
}}
"""

    def interest(kind):
        bits = kind.members[:4]  # those that can be asked for
        constants, texts = "", ""
        for m in bits:
            constants += comment(m.text, "  ") + (f"  public static final Interest {m.short} = "
                                                 f"ALL[NativeConstants.{m.c}];\n")
            texts += f'    if (contains({m.short})) text.add("{m.short}");\n'
        text = f"{HEAD};\n\nimport java.util.StringJoiner;\n"
        text += "import org.evpoll.internal.NativeConstants;\n\n"
        text += "/** A set of what can be waited for: one object for each, so that {@code ==} compares. */\n"
        return text + "public final class Interest {" + INTEREST.replace(
            "CONSTANTS\n", constants).replace("TEXTS\n", texts)

    package = out / "org/evpoll"
    (package / "internal").mkdir(parents=True)
    for name, java in ENUMS.items():
        (package / f"{java}.java").write_text(enum(contract.kinds[name], java))
    for name in RECORDS:
        java = pascal(name.removeprefix("evpoll_"))
        (package / f"{java}.java").write_text(record(contract.structs[name]))
    (package / "PollerOptions.java").write_text(options(contract.structs["evpoll_options"]))
    (package / "Interest.java").write_text(interest(contract.kinds["event"]))
    imports = ";\n\n{}import org.evpoll.internal.Layout;\n" + (
        "import org.evpoll.internal.Native;\nimport org.evpoll.internal.NativeConstants;\n\n")
    (package / "PollerCalls.java").write_text(HEAD + imports.format("").replace(
        "import org.evpoll.internal.NativeConstants;\n", "") + """/** The calls of a poller, with Java's types and errors. */
abstract class PollerCalls {
  final Poller.State state;

  PollerCalls(Poller.State state) {
    this.state = state;
  }

  abstract void enter();

  abstract void leave();
""" + "".join(map(described, DESCRIBED)) + methods(True) + "}\n")
    (package / "PollerTold.java").write_text(f"""{HEAD};

/** What a loop tells of its poller; after the end it is a {{@link ClosedPollerException}}. */
abstract class PollerTold {{
  abstract Poller poller();
""" + "".join(told("evpoll_" + short, contract.functions["evpoll_" + short][1])
              for short in ("stats", "info", "describe")) + "}\n")
    (package / "HandleCalls.java").write_text(HEAD + imports.format(
        "import java.net.InetSocketAddress;\nimport java.nio.ByteBuffer;\n").replace("import org.evpoll.internal.Layout;\n", "")
        + "/** The calls by a handle's number, with Java's types and errors. */\n"
        + "abstract class HandleCalls {\n  HandleCalls() {}\n" + methods(False)
        + "".join(map(moves, MOVES)) + "}\n")
    (package / "EventFields.java").write_text(f"""{HEAD};

import org.evpoll.internal.Layout;

/** What an event says. */
abstract class EventFields extends Structs {{
  EventFields(int capacity) {{
    super(capacity, Layout.EVENT);
  }}
{accessors("evpoll_event")}}}
""")
    ops, flags = contract.kinds["op"].members, contract.kinds["opf"].members
    (package / "OperationFields.java").write_text(HEAD + imports.format(
        "import java.nio.ByteBuffer;\n").replace("import org.evpoll.internal.Native;\n", "") + f"""/** What operations there are, and what is said of them. */
abstract class OperationFields extends Structs {{
  OperationFields(int capacity) {{
    super(capacity, Layout.IO);
  }}

  /** Makes room for one more; returns its index. */
  abstract int add(long token);

  abstract Operations lend(int code, long handle, long offset, ByteBuffer buffer, long token);
{entry()}{"".join(operation(m) for m in ops if m.short in OPERATIONS)}{"".join(map(flag, flags))}{accessors("evpoll_io")}}}
""")
    text = f"{HEAD}.internal;\n\n/** Sizes of the C structs, and where their fields are. */\n"
    text += "public final class Layout {\n"
    for s in contract.structs.values():
        upper = s.name.removeprefix("evpoll_").upper()
        text += f"  /** struct {s.name}. */\n  public static final int {upper} = {s.size};\n"
        for f in s.fields:
            text += f"  public static final int {upper}_{f.name.upper()} = {f.offset};\n"
        text += "\n"
    (package / "internal/Layout.java").write_text(text + "  private Layout() {}\n}\n")


shapes.main(write)
