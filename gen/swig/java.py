# SPDX-License-Identifier: MIT
"""Java's enums, records and offsets: java.py HEADER FOLDER. See shapes.py. The other constants are
in NativeConstants, which SWIG writes."""
import shapes
from shapes import lower_first, pascal, signature, wrapped

ENUMS = {"status": "Status", "mode": "Mode", "open": "OpenFlag", "feature": "Feature",
         "backend": "Backend", "engine": "Engine", "file": "FileFlag"}
GROWING = ("backend", "engine")  # a newer library may say what nobody here knows
RECORDS = ("evpoll_poller_stats", "evpoll_poller_info")
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
    code = staticmethod("{{@code {}}}".format)
    struct = staticmethod("{{@code {}}}".format)
    field = staticmethod(lambda name: lower_first(pascal(shapes.FIELDS.get(name, name))))

    @staticmethod
    def kind(kind):
        known = kind.name in ENUMS
        return f"{{@link {ENUMS[kind.name]}}}" if known else f"{{@code EVPOLL_{kind.prefix}*}}"

    @staticmethod
    def member(kind, m, whole):
        known = kind.name in ENUMS
        return m.short if not whole else (
            f"{{@link {ENUMS[kind.name]}#{m.short}}}" if known else f"{{@code {m.c}}}")


def write(contract, out):
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

    package = out / "org/evpoll"
    (package / "internal").mkdir(parents=True)
    for name, java in ENUMS.items():
        (package / f"{java}.java").write_text(enum(contract.kinds[name], java))
    for name in RECORDS:
        java = pascal(name.removeprefix("evpoll_"))
        (package / f"{java}.java").write_text(record(contract.structs[name]))
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
