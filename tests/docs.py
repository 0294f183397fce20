#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The HTML reference that gen/reference.py wrote, as a reader has it: from files, by Chromium.

docs.py links FOLDER      no link and no anchor leads to nothing
docs.py entries FOLDER    every export, article and example is there
docs.py browser FOLDER    no page is wider than a phone, the search finds; pictures for a person beside it"""
import base64
import html.parser
import json
import os
import pathlib
import re
import select
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
PHONE, DESK = (390, 844), (1280, 900)
PICTURES = ["index", "modules", "group__wait", "group__constants", "structevpoll__io", "rules", "rules_operations",
            "rules_what_raises_each_bit", "porting", "c", "examples", "echo_8c-example"]


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.links += [attrs[key] for key in ("href", "src") if attrs.get(key)]


def links(folder):
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            to = urllib.parse.urlsplit(link)
            if to.scheme == "javascript":
                continue
            file = (path.parent / urllib.parse.unquote(to.path)).resolve() if to.path else path
            if to.scheme:
                at = re.fullmatch(r"https://github\.com/evpoll/evpoll/(?:blob|tree)/main/([^#]+).*", link)
                if at and not (ROOT / at[1]).exists():
                    yield f"{path.name}: the repository has no {at[1]}"
            elif not file.is_file():
                yield f"{path.name}: there is no {link}"
            elif to.fragment and to.fragment not in pages[file].anchors:
                yield f"{path.name}: nothing there has the name {link}"
    for path in folder.glob("search/*.js"):
        for file, name in re.findall(r"'\.\./([^'#]+)#?([^']*)'", path.read_text(encoding="utf-8")):
            if folder / file not in pages or (name and name not in pages[folder / file].anchors):
                yield f"search/{path.name}: there is no {file}#{name}"


def entries(folder):
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.html"))
    for name in re.findall(r"^(evpoll_\w+) @", (ROOT / "evpoll.def").read_text(), re.M):
        if f"</span>{name}()</h2>" not in text:
            yield f"no entry for {name}()"
    for article in re.findall(r"^\*\*(\w\d+)\.\*\*", (ROOT / "abi/README.md").read_text(encoding="utf-8"), re.M):
        if f'id="{article}"' not in text:
            yield f"no article {article}"
    for path in (ROOT / "bindings/c/examples").glob("*.[ch]"):
        page = folder / f"{path.name.replace('.', '_8')}-example.html"
        if not page.exists() or 'class="fragment"' not in page.read_text(encoding="utf-8"):
            yield f"no example {path.name}"


class Chromium:
    """Chromium's DevTools protocol, through a pipe: messages end with a zero."""

    def __init__(self, home):
        down, self.to = os.pipe()
        self.back, up = os.pipe()
        # The shell gives it 3 and 4, which are what it reads and writes.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{down} 4>&{up}', "chromium", "chromium", "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={home}", "about:blank"],
            pass_fds=(down, up), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(down)
        os.close(up)
        self.read, self.number, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        answer = self.answer()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def answer(self):
        while True:
            while b"\0" not in self.read:
                there, _, _ = select.select([self.back], [], [], 300)
                more = os.read(self.back, 1 << 20) if there else b""
                if not more:
                    raise RuntimeError("chromium has ended, or says nothing any more")
                self.read += more
            message, self.read = self.read.split(b"\0", 1)
            said = json.loads(message)
            if said.get("id") == self.number:  # not an event
                return said

    def open(self, path, size, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=size == PHONE)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=path.as_uri())
        # The search box is what a page's scripts make last.
        self.run("""new Promise(done => { const look = () => document.readyState == "complete" &&
                        (!window.searchBox || document.getElementById("MSearchField")) ? done() : setTimeout(look); look(); })""")

    def run(self, script, **where):
        """What a script gives; a promise is waited for."""
        said = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, **where)
        if "exceptionDetails" in said:
            raise RuntimeError(f"{script}: {said['exceptionDetails']}")
        return said["result"].get("value")

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


def search(chromium, page, size, text):
    """What the search shows for what somebody types."""
    chromium.open(page, size)
    if not chromium.run("!!window.searchBox"):
        return []
    chromium.run("""const field = document.getElementById("MSearchField");
                    field.focus();
                    var found = new Promise(done => document.getElementById("MSearchResults").onload = () => done());""")
    chromium.call("Input.insertText", text=text[:-1])
    for kind in "keyDown", "keyUp":
        chromium.call("Input.dispatchKeyEvent", type=kind, text=text[-1] * (kind == "keyDown"))
    chromium.run("found")
    frame = chromium.call("Page.getFrameTree")["frameTree"]["childFrames"][0]["frame"]["id"]
    world = chromium.call("Page.createIsolatedWorld", frameId=frame)["executionContextId"]
    return chromium.run('[...document.querySelectorAll(".SRSymbol")].filter(each => each.offsetHeight).map(each => each.innerText)',
                        contextId=world)


def browser(folder):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        chromium = Chromium(home)
        for page in sorted(folder.glob("*.html")):
            for size in PHONE, DESK:
                chromium.open(page, size)
                wide = chromium.run("document.documentElement.scrollWidth") - size[0]
                if wide > 0:
                    yield f"{page.name}: {wide} pixels wider than {size[0]}"
        for size in PHONE, DESK:
            for text, entry in ("evpoll_wait", "evpoll_wait"), ("oper", "Operations"):
                found = search(chromium, folder / "index.html", size, text)
                if found != [entry]:
                    yield f"the search for {text} at {size[0]} found {found}"
                chromium.picture(folder.parent / f"search-{text}-{size[0]}.png")
            for name in PICTURES:
                for dark in False, True:
                    chromium.open(folder / f"{name}.html", size, dark)
                    chromium.picture(folder.parent / f"{name}-{size[0]}{'-dark' * dark}.png")
        chromium.call("Browser.close")
        chromium.process.wait()


if __name__ == "__main__":
    checks = {"links": links, "entries": entries, "browser": browser}
    if len(sys.argv) != 3 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    complaints = list(checks[sys.argv[1]](pathlib.Path(sys.argv[2]).resolve()))
    sys.exit("\n".join(complaints) or 0)
