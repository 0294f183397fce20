# SPDX-License-Identifier: MIT
"""Java's enums, records, options and offsets, and with java_calls.py the raw calls and the lists
of operations and events: java.py HEADER FOLDER. See shapes.py. The other constants are in
NativeConstants, which SWIG writes."""
import shapes
from java_calls import Calls
from java_names import (CALLS, ENUMS, GROWING, HEAD, RECORDS, Java, Writer, block, is_call,
                        java_name, of_poller)
from shapes import lower_first, pascal, signature, wrapped

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
  /** Nothing: the registration stays and reports nothing at all. */
  public static final Interest NONE = new Interest(0);
CONSTANTS
  /** {@link #READABLE} and {@link #WRITABLE}. */
  public static final Interest READ_WRITE = READABLE.and(WRITABLE);

  /**
   * {@return this and another one together}
   *
   * @param other what to add
   */
  public Interest and(Interest other) {
    return new Interest(bits | other.bits);
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


class Types(Writer):
    def comment(self, text, indent, kind=None):
        text = shapes.sentence(shapes.prose(text, self.contract, Java, kind))
        one = f"{indent}/** {text} */\n"
        if len(one) <= 101:
            return one
        return f"{indent}/**\n{wrapped(text, indent + ' * ')}{indent} */\n"

    def enum(self, kind, name):
        text = HEAD + ";\n\n"
        text += "import java.util.EnumSet;\nimport java.util.Set;\n\n" if kind.bits else ""
        members = [self.comment(m.text, "  ", kind) + f"  {m.short}({m.raw})" for m in kind.members]
        if kind.name in GROWING:
            members.append(self.comment("One that a newer library knows.", "  ") + "  UNKNOWN(-1)")
        text += f"{self.comment(kind.text, '', kind)}public enum {name} {{\n"
        text += ",\n".join(members) + ";\n"
        rest = STATUS if kind.name == "status" else KNOWN if kind.name in GROWING else NUMBER
        return text + (BITS if kind.bits else rest).replace("NAME", name)

    def record(self, s):
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
            text = lower_first(shapes.prose(f.text, self.contract, Java, f.kind)).rstrip(".")
            said += wrapped(f"@param {Java.field(f.name)} {text}", " * ")
        text = f"{HEAD};\n\nimport java.nio.ByteBuffer;\n{sets}"
        text += "import org.evpoll.internal.Layout;\n\n"
        text += f"/**\n{wrapped(shapes.prose(s.text, self.contract, Java), ' * ')} *\n{said} */\n"
        text += signature(f"public record {name}(", parts, ") {", "")
        text += f"  static {name} of(ByteBuffer at) {{\n"
        return text + signature(f"return new {name}(", values, ");", "    ") + "  }\n}\n"

    def options(self, s):
        """The record has Java's types; C's struct is written from it."""
        parts, tags, puts, withs = [], [], "", ""
        fields = [f for f in s.fields if f.name != "struct_size"]
        names = [Java.field(f.name) for f in fields]
        for f, java in zip(fields, names):
            kind = "Set<OpenFlag>" if f.kind else "int" if f.size == 4 else "long"
            parts.append(f"{kind} {java}")
            about = self.prose(f.text).rstrip(".")
            tags.append(f"@param {java} {'none unless said' if f.kind else about}")
            value = "OpenFlag.bits(flags.toArray(new OpenFlag[0]))" if f.kind else java
            put = "putInt" if f.size == 4 else "putLong"
            puts += f"    to.{put}(Layout.OPTIONS_{f.name.upper()}, {value});\n"
            if not f.kind:
                args = ", ".join("value" if n == java else n for n in names)
                withs += "\n" + block([f"{{@return these options with this: {about}}}",
                                       "@param value in place of what there is"], "  ")
                name = f"with{java[0].upper()}{java[1:]}"
                withs += f"  public PollerOptions {name}({kind} value) {{\n"
                withs += f"    return new PollerOptions({args});\n  }}\n"
        rest, zeros = ", ".join(names[1:]), ", ".join("0" for _ in names[1:])
        text = f"{HEAD};\n\nimport java.nio.ByteBuffer;\nimport java.util.EnumSet;\n"
        text += "import java.util.List;\nimport java.util.Set;\n"
        text += "import org.evpoll.internal.Layout;\n\n"
        text += block([shapes.prose(s.text, self.contract, Java), *tags], "")
        text += signature("public record PollerOptions(", parts, ") {", "")
        return text + f"""  /** What suits most programs. */
  public static final PollerOptions DEFAULT = new PollerOptions(Set.of(), {zeros});

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

    def interest(self, kind):
        bits = kind.members[:4]  # those that can be asked for
        constants, texts = "", ""
        for m in bits:
            constants += self.comment(m.text, "  ") + (
                f"  public static final Interest {m.short} = new Interest({m.raw});\n")
            texts += f'    if (contains({m.short})) text.add("{m.short}");\n'
        text = f"{HEAD};\n\nimport java.util.StringJoiner;\n\n" + block(
            ["A set of what can be waited for.", "@param bits as the C interface has them"], "")
        return text + "public record Interest(int bits) {" + INTEREST.replace(
            "CONSTANTS\n", constants).replace("TEXTS\n", texts)

    def layout(self):
        text = f"{HEAD}.internal;\n\n/** Sizes of the C structs, and where their fields are. */\n"
        text += "public final class Layout {\n"
        for s in self.contract.structs.values():
            upper = s.name.removeprefix("evpoll_").upper()
            text += f"  /** struct {s.name}. */\n  public static final int {upper} = {s.size};\n"
            for f in s.fields:
                text += f"  public static final int {upper}_{f.name.upper()} = {f.offset};\n"
            text += "\n"
        return text + "  private Layout() {}\n}\n"


def write(contract, out):
    for name, (_, parameters) in contract.functions.items():
        if is_call(name):
            owner = "Poller" if of_poller(parameters) else "Handles"
            CALLS[name] = f"{{@link {owner}#{java_name(name)}}}"
    types, calls = Types(contract), Calls(contract)
    classes = {java: types.enum(contract.kinds[name], java) for name, java in ENUMS.items()}
    for name in RECORDS:
        classes[pascal(name.removeprefix("evpoll_"))] = types.record(contract.structs[name])
    classes |= {"PollerOptions": types.options(contract.structs["evpoll_options"]),
                "Interest": types.interest(contract.kinds["event"]),
                "internal/Layout": types.layout(), "PollerCalls": calls.of_poller(),
                "PollerTold": calls.told(), "Handles": calls.by_handle(),
                "EventFields": calls.events(), "OperationFields": calls.operations()}
    (out / "org/evpoll/internal").mkdir(parents=True)
    for java, text in classes.items():
        (out / f"org/evpoll/{java}.java").write_text(text)


shapes.main(write)
