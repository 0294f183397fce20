# SPDX-License-Identifier: MIT
"""How what abi/evpoll.h names is called in Java: for java.py and java_calls.py."""
import shapes
from shapes import lower_first, pascal, wrapped

ENUMS = {"status": "Status", "mode": "Mode", "open": "OpenFlag", "feature": "Feature",
         "backend": "Backend", "engine": "Engine", "file": "FileFlag", "shutdown": "Direction"}
GROWING = ("backend", "engine")  # a newer library may say what nobody here knows
RECORDS = ("evpoll_poller_stats", "evpoll_poller_info")
# Calls that the classes have by hand: what takes lists, and what is not for programs.
BY_HAND = ("open", "close", "shutdown", "update", "wait", "turn", "submit", "submit_list",
           "list_take", "version", "version_string", "strerror", "os_error", "now", "buffer_alloc",
           "buffer_free", "socket_recvfrom", "socket_sendto")
METHODS = {"socket_recv": "receive", "socket_send": "send", "poller_handle": "descriptor",
           "file_open": "open", "file_size": "size",
           "file_close": "close", "socket_tcp_listen": "listen", "socket_tcp_connect": "connect",
           "socket_udp_bind": "bindUdp", "socket_close": "closeSocket",
           "socket_set_nodelay": "setNoDelay"}
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
HEAD = f"// {shapes.NOTICE.format('//')}\npackage org.evpoll"


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


def block(parts, indent):
    """A comment of paragraphs, and of tags behind an empty line."""
    text, tags = "", [p for p in parts if p.startswith("@")]
    for i, part in enumerate(p for p in parts if not p.startswith("@")):
        text += (f"{indent} *\n" if i else "") + wrapped("<p>" * (i > 0) + part, indent + " * ")
    text += f"{indent} *\n" if tags else ""
    return f"{indent}/**\n{text}{''.join(wrapped(t, indent + ' * ') for t in tags)}{indent} */\n"


class Writer:
    def __init__(self, contract):
        self.contract = contract

    def prose(self, text, whole=False):
        text = shapes.prose(text, self.contract, Java)
        if whole:
            return shapes.sentence(text)
        return lower_first(text) if text[1:2].islower() else text
