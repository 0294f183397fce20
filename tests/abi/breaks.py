# SPDX-License-Identifier: MIT
"""Every way to break the contract that a check is there for: what is done to a copy of it, which
check has to complain, and the culprit that it has to name."""
import dataclasses
import subprocess

import stub


@dataclasses.dataclass
class Break:
    check: str
    name: str
    culprit: str  # a pattern that the complaint matches
    change: object  # called with a Copy
    builds: str = ""  # the library that is built after the change: "so", "dll" or none


BREAKS = []


def add(check, name, culprit, change, builds=""):
    BREAKS.append(Break(check, name, culprit, change, builds))


def header(check, name, culprit, old, new, builds=""):
    add(check, name, culprit, lambda copy: copy.header(old, new), builds)


def exports(check, name, culprit, old, new, builds=""):
    add(check, name, culprit, lambda copy: copy.exports(old, new), builds)


def field(name, text, culprit):
    header("rules", name, culprit, r"^  uint64_t address;.*\n", text + "\n")


def before_functions(name, text, culprit):
    header("rules", name, culprit, r"^(?=/\* ---- about)", text + "\n")


# rules: what may cross the border
field("a pointer in a struct", "  void *address;", r'"void \*address;"')
field("an array of anything in a struct", "  long address[2];", r"evpoll_iovec\.address is long:")
field("a struct that grows in a struct", "  evpoll_options address;",
      r"evpoll_iovec\.address is evpoll_options:")
field("a bit-field", "  uint32_t address : 4;", r'"uint32_t address : 4;"')
for c_type in ("long", "size_t", "bool", "int", "short"):
    field(f"{c_type} in a struct", f"  {c_type} address;", rf"evpoll_iovec\.address is {c_type}:")
field("an enum in a struct", "  enum kind address;", '"enum kind address;"')
before_functions("an enum", "enum kind { EVPOLL_A, EVPOLL_B };", '"enum kind .*no fixed width')
before_functions("an inline function", "static inline int32_t evpoll_x(void) { return 1; }",
                 '"static inline int32_t evpoll_x.*inline')
before_functions("a callback type", "typedef void (*evpoll_callback)(int32_t status);",
                 "evpoll_callback.*callback")
before_functions("a function that is not exported", "int32_t evpoll_x(void);",
                 "evpoll_x.*without EVPOLL_API")
before_functions("a variable", "extern int32_t evpoll_count;", "evpoll_count")
before_functions("a condition on the system", "#ifdef _WIN32\n#endif", "#ifdef _WIN32")
before_functions("a system's header", "#include <sys/types.h>", "#include <sys/types.h>")
before_functions("a function macro", "#define EVPOLL_MAX(a, b) ((a) > (b) ? (a) : (b))",
                 "EVPOLL_MAX")
for what, number in (("a suffix", "0x1000u"), ("a shift", "(1 << 12)"), ("an octal number", "010000"),
                   ("an expression", "(EVPOLL_POST / 2)"), ("no parentheses", "-1")):
    header("rules", f"a constant with {what}", "EVPOLL_WAKE is ", r"^#define EVPOLL_WAKE +0x1000",
           f"#define EVPOLL_WAKE {number}")
header("rules", "a constant with bit 31", "EVPOLL_WAKE.*bit 31", r"^#define EVPOLL_WAKE +0x1000",
       "#define EVPOLL_WAKE 0x80000000")
header("rules", "a constant twice", "EVPOLL_WAKE is defined twice", r"^#define EVPOLL_POST ",
       "#define EVPOLL_WAKE 0x1000\n#define EVPOLL_POST ")
add("rules", "a version that the build does not have", r"EVPOLL_VERSION_MAJOR is 1, but .* 9\.9\.9",
    lambda copy: copy.edit("CMakeLists.txt", r"evpoll VERSION [0-9.]+", "evpoll VERSION 9.9.9"))
header("rules", "a variadic function", r"evpoll_wake.*\.\.\.", r"evpoll_wake\(evpoll \*p\)",
       "evpoll_wake(evpoll *p, ...)")
header("rules", "size_t as a parameter", "evpoll_describe: parameter capacity is size_t",
       r"char \*text_out, int32_t capacity\)", "char *text_out, size_t capacity)")
header("rules", "a callback as a parameter", "evpoll_wake", r"evpoll_wake\(evpoll \*p\)",
       "evpoll_wake(evpoll *p, void (*done)(void))")
header("rules", "another result", "evpoll_wake returns bool", "EVPOLL_API int32_t evpoll_wake",
       "EVPOLL_API bool evpoll_wake")
header("rules", "another prefix", "poller_wake", r"evpoll_wake\(evpoll \*p\)",
       "poller_wake(evpoll *p)")

# documentation: evpoll_add's block, tag by tag
BLOCK = r"(@return 0 when new(?:.*\n)*?.*)"
for tag in ("return", "owns", "threads", "blocks", "since", "platform"):
    header("documentation", f"no @{tag}", f"evpoll_add: no @{tag}",
           rf"(@param interest EVPOLL_READABLE, WRITABLE(?:(?! \*/).*\n)*?) \* @{tag}\b",
           r"\1 * And")
header("documentation", "no @param", "evpoll_add: no @param token",
       r"^ \* @param token any 64-bit value; returned in .*\n", "")
header("documentation", "another parameter's name", "evpoll_add: @param tokens",
       "@param token any 64-bit", "@param tokens any 64-bit")
header("documentation", "parameters in another order", "evpoll_turn: @param in the prototype",
       r"^( \* @param nchanges 0 or more\n)( \* @param ios .*\n)", r"\2\1")
header("documentation", "tags in another order", "evpoll_wake: tags in the order",
       r"( \* @owns nothing\n)( \* @threads any; async-signal-safe\n)"
       r"(?=(?: \*.*\n)+EVPOLL_API int32_t evpoll_wake)", r"\2\1")
header("documentation", "a tag that says nothing", "evpoll_wake: @blocks says nothing",
       r"@blocks no(?=\n \* @since 1.0\n \* @platform all\n \*/\nEVPOLL_API int32_t evpoll_wake)",
       "@blocks")
header("documentation", "no first sentence", "evpoll_wake: the block starts with a sentence",
       r"^ \* Makes one wait return with .*\n \*\n.*\n", "")
header("documentation", "an unknown tag", "evpoll_wake: @locks",
       r"( \*/\n)(?=EVPOLL_API int32_t evpoll_wake)", r" * @locks none\n\1")
header("documentation", "no block", "evpoll_new: no documentation block",
       r"^(?=/\* ---- about)", "EVPOLL_API int32_t evpoll_new(void);\n")
header("documentation", "a name that does not exist", "EVPOLL_ERR_INVALD",
       r"EVPOLL_ERR_INVALID \(value out", "EVPOLL_ERR_INVALD (value out")
header("documentation", "another version than the node", r"evpoll_wake: @since 9\.9",
       r"@since 1.0(?=\n \* @platform all\n \*/\nEVPOLL_API int32_t evpoll_wake)", "@since 9.9")
header("documentation", "what clang refuses", "error:.*'b'", "Opens a poller\\.",
       "Opens a <b>poller.")

# compile: every dialect
header("compile", "a word of C++", r"c\+\+17", r"evpoll_wake\(evpoll \*p\)",
       "evpoll_wake(evpoll *class)")
header("compile", "a word of C11", "c99", r"^(?=/\* ---- about)",
       "typedef struct evpoll evpoll;\n")
header("compile", "a type that is not declared", "evpoll_wake|evpol",
       r"evpoll_wake\(evpoll \*p\)", "evpoll_wake(evpol *p)")

# constants
header("constants", "a renumbered constant", "EVPOLL_WAKE was 4096 and is 16384",
       r"^#define EVPOLL_WAKE +0x1000", "#define EVPOLL_WAKE 0x4000")
header("constants", "a constant that is gone", r"EVPOLL_WAKE \(4096\) is gone",
       r"^#define EVPOLL_WAKE .*\n", "")
header("constants", "a constant that is not recorded", "EVPOLL_NEW is new",
       r"^(?=#define EVPOLL_WAKE )", "#define EVPOLL_NEW 0x4000\n")

# layout
OP_LINE = r"^  uint64_t op;     /\*\*< 0 for readiness.*\n"
TOKEN_LINE = r"^(  uint64_t token;  /\*\*< As given at.*\n)"
header("layout", "a frozen struct that grew", "struct evpoll_iovec is frozen",
       r"^(?=\} evpoll_iovec;)", "  uint64_t more;\n")
header("layout", "fields of one type in another order", r"evpoll_event\.token was 0 8 unsigned",
       TOKEN_LINE + "(" + OP_LINE[1:] + ")", r"\2\1")
header("layout", "another sign", r"evpoll_iovec\.length was 8 8 unsigned and is 8 8 signed",
       "uint64_t length;  /", "int64_t length;  /")
header("layout", "a smaller field", r"evpoll_iovec\.length was 8 8", "uint64_t length;  /",
       "uint32_t length;  /")
header("layout", "a renamed field", r"evpoll_iovec\.length .*gone", "uint64_t length;  /",
       "uint64_t size;  /")
header("layout", "a field inside of a struct that grows", r"evpoll_poller_info\.version was",
       r"^(?=  uint32_t version;  )", "  uint32_t more;\n")
header("layout", "an unnamed gap", r"evpoll_poller_stats\.more has|evpoll_poller_stats ends with",
       r"^(?=\};\n\n/\*\* What this poller)", "  uint32_t more;\n")
header("layout", "a field that is not recorded", r"evpoll_poller_stats\.more differs.*--update",
       r"^(?=\};\n\n/\*\* What this poller)", "  uint64_t more;\n")
header("layout", "a struct that is not recorded", "evpoll_new differs.*--update",
       r"^(?=/\* ---- about)", "struct evpoll_new {\n  uint32_t kind;\n};\n")

# exports
exports("exports", "an export dropped from the list", "evpoll_turn is in evpoll.h but not in evp",
        "^evpoll_turn @17\n", "", builds="")
header("exports", "an export without a prototype", "evpoll_turn is in evpoll.def but not in",
       r"^EVPOLL_API int32_t evpoll_turn\((?:.*\n)*?.*;\n", "")
exports("exports", "the same name twice", "evpoll_turn is exported twice", "^evpoll_wake @18",
        "evpoll_turn @18")
exports("exports", "a comment behind an export", "evpoll_turn @17 ; x", "@17$", "@17 ; x")


def leak(copy):
    copy.library_code = "EVPOLL_API int evpoll_debug(void) { return 0; }\n"
    copy.link_edit = ("    evpoll_turn;", "    evpoll_turn;\n    evpoll_debug;")


def forget(copy):
    copy.link_edit = ("    evpoll_turn;\n", "")


def misplace(copy):
    copy.link_edit = ("EVPOLL_1.0 {", "EVPOLL_9.9 {")


def link_with(*flags):
    def change(copy):
        copy.library_flags = list(flags)
    return change


def code(text):
    def change(copy):
        copy.library_code = text
    return change


add("exports", "an export that is not listed", r"exports evpoll_debug@@EVPOLL_1\.0", leak, "so")
add("exports", "an export that the library lacks", "does not export it", forget, "so")
add("exports", "another version node", r"exports evpoll_add@@EVPOLL_9\.9", misplace, "so")
add("exports", "another SONAME", r"libevpoll\.so\.2", link_with("-Wl,-soname,libevpoll.so.2"), "so")
add("exports", "another library", r"needs libm\.so\.6",
    link_with("-Wl,--no-as-needed", "-lm"), "so")
add("exports", "a folder of this machine", "RUNPATH", link_with("-Wl,-rpath,/somewhere"), "so")
add("exports", "a common name in the archive", "defines helper",
    code("int helper(void); int helper(void) { return 1; }\n"), "so")
add("exports", "no library", "build the targets", lambda copy: setattr(
    copy, "build_folder", copy.source / "nowhere"))

add("exports", "a version in the archive", "calls pthread_create@GLIBC_2.2.5",
    code('#include <pthread.h>\n__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");\n'
         "int evp_start(pthread_t *t, void *(*f)(void *));\n"
         "int evp_start(pthread_t *t, void *(*f)(void *)) {\n"
         "  return pthread_create(t, 0, f, 0);\n}\n"),
    "so")

# glibc
add("glibc", "a newer glibc", "arc4random@GLIBC_2.36",
    code("#include <stdlib.h>\nunsigned evp_random(void);\n"
         "unsigned evp_random(void) { return arc4random(); }\n"), "so")

# released
exports("released", "an export that is gone", "evpoll_reopen is no longer in evpoll.def",
        "^evpoll_reopen @58\n?", "")
exports("released", "an ordinal that was used for another name",
        r"has evpoll_post EVPOLL_1\.0 @18; in evpoll 1\.0 it was .*@19",
        "^evpoll_wake @18\nevpoll_post @19", "evpoll_post @18\nevpoll_wake @19")
exports("released", "another node", r"evpoll_post EVPOLL_9\.9 @19", "^(?=evpoll_post @19)",
        ";@ EVPOLL_9.9\n")
exports("released", "an export that is not recorded", "evpoll_new is new",
        "^(evpoll_reopen.*)", r"\1\nevpoll_new @999")
header("released", "a prototype that is not recorded", "evpoll_new.*record it",
       r"^(?=/\* ---- about)", "EVPOLL_API int32_t evpoll_new(void);\n")
add("released", "a version without a baseline", r"nothing for version 9\.9", lambda copy: copy.edit(
    "CMakeLists.txt", r"evpoll VERSION [0-9.]+", "evpoll VERSION 9.9.9"))

# dump: what only the debug information shows
header("dump", "a parameter of another type", "evpoll_remove.*parameter 3", "(evpoll_remove.*) "
       "uint64_t token", r"\1 int64_t token", "so")
header("dump", "a parameter more", "evpoll_wake.*added", r"evpoll_wake\(evpoll \*p\)",
       "evpoll_wake(evpoll *p, uint64_t token)", "so")
header("dump", "another result", "evpoll_os_error.*return type", "int32_t evpoll_os_error",
       "const char *evpoll_os_error", "so")
header("dump", "a grown struct", "evpoll_io'.*size changed", r"^(?=\} evpoll_io;)",
       "  uint64_t more;\n", "so")
header("dump", "fields in another order", "evpoll_event", TOKEN_LINE + "(" + OP_LINE[1:] + ")",
       r"\2\1", "so")
exports("dump", "an export that is gone", "evpoll_reopen", "^evpoll_reopen @58\n?", "",
        "so")
add("dump", "no debug information", "no debug information", link_with("-Wl,--strip-debug"), "so")


# dll
def export_otherwise(old, new, text=""):
    def change(copy):
        copy.link_edit = (old, new)
        copy.library_code = text
    return change


def need_a_runtime(copy):
    other = copy.source / "other"
    other.mkdir()
    (other / "other.def").write_text("LIBRARY libother\nEXPORTS\nother @1\n")
    stub.build_dll(other, other, other / "other.def", "void other(void) {}\n")
    copy.library_code = "void other(void); void evp_call(void); void evp_call(void) { other(); }\n"
    copy.library_flags = [other / "lib/evpoll.dll"]


def link_otherwise(*flags):
    def change(copy):
        copy.library_flags = flags
    return change


add("dll", "as it is", None, lambda copy: None, "dll")
add("dll", "an export less", "does not export it", export_otherwise("evpoll_turn @17\n", ""), "dll")
add("dll", "another ordinal", "exports evpoll_turn @99; evpoll.def says @17",
    export_otherwise("evpoll_turn @17", "evpoll_turn @99"), "dll")
add("dll", "an export that is not listed", "exports evpoll_debug, which is not",
    export_otherwise("EXPORTS\n", "EXPORTS\nevpoll_debug @100\n",
                     "int evpoll_debug(void) { return 0; }\n"), "dll")
add("dll", "another name", r"calls itself poller\.dll",
    export_otherwise("LIBRARY evpoll", "LIBRARY poller"), "dll")
add("dll", "a library that Windows lacks", r"needs libother\.dll", need_a_runtime, "dll")
add("dll", "for an older Windows", "MajorSubsystemVersion is not 10",
    link_otherwise("--subsystem", "console:6.1"), "dll")
add("dll", "a fixed address", "without DYNAMIC_BASE", link_otherwise("--disable-dynamicbase"), "dll")
add("dll", "the time of linking", "holds the time", link_otherwise("--insert-timestamp"), "dll")


def import_library_for(machine):
    def change(copy):
        lib = copy.source / "build" / "lib"
        lib.mkdir(parents=True)
        subprocess.run(["llvm-dlltool-14", "-m", machine, "-d", copy.source / "evpoll.def",
                        "-l", lib / "evpoll.lib"], check=True)
    return change


def as_by_msvc(copy):
    lib = copy.source / "build" / "lib"
    lib.mkdir(parents=True)
    (lib / "evpoll_static.lib").touch()


add("dll", "an import library", None, import_library_for("i386:x86-64"), "dll")
add("dll", "one for another machine", r"evpoll\.lib is for machine 0xaa64, evpoll\.dll for 0x8664",
    import_library_for("arm64"), "dll")
add("dll", "MSVC's linker without Control Flow Guard", "without GUARD_CF", as_by_msvc, "dll")
