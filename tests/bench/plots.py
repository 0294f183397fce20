# SPDX-License-Identifier: MIT
"""The bench's pictures, as SVG: what a contender costs in multiples of the bare system calls."""
import math
from xml.sax.saxutils import escape

# file: title, group, rows that begin so, what x counts
LINES = {
    "dispatch": ("A wait, events of sockets that are ready", "readiness", "dispatch", "ready"),
    "ring": ("A byte passed on from socket to socket", "readiness", "ring", "sockets"),
    "oneshot": ("One shot, armed again after each event", "oneshot", "dispatch", "ready"),
    "modify": ("A registration changed", "modify", "modify", "descriptors"),
    "cached": ("4 KiB from the cache, CPU", "cached", "read", "at a time"),
    "direct": ("4 KiB from the disk, CPU", "direct", "read", "at a time"),
    "echo-64": ("Echo of 64 bytes over TCP", "echo", "64 B", "connections"),
    "echo-16k": ("Echo of 16 KiB over TCP", "echo", "16 KiB", "connections"),
}
# The one of the front page: what is said of a row, its group and its name.
SUMMARY = [
    ("one socket ready", "readiness", "dispatch, 1 ready"),
    ("100 sockets ready", "readiness", "dispatch, 100 ready"),
    ("100 one-shot, armed again", "oneshot", "dispatch, 100 ready"),
    ("1,000 registrations changed", "modify", "modify, 1000 descriptors"),
    ("echo, 100 connections", "echo", "64 B, 100 connections"),
    ("accept and close", "accepts", "accept, close"),
    ("16 sockets and 32 reads", "mixed", "16 sockets, 32 cached blocks"),
    ("disk reads, 32 at a time", "direct", "read 4 KiB, O_DIRECT, depth 32"),
]
PEERS = ("libuv", "libevent", "libev", "Asio")
STYLE = """
  .page { fill: #ffffff }
  text { fill: #24292f; stroke: #ffffff; stroke-width: 3; paint-order: stroke; font: 15px system-ui, sans-serif }
  .title { font-size: 18px; font-weight: 600 } .small { font-size: 14px }
  .grid { stroke: #d8dee4 } .one { stroke: #24292f; stroke-width: 1.5 } .noise { fill: #d8dee4 }
  .line { fill: none; stroke-linejoin: round } .lead { stroke: #b6bec6 }
  .own { stroke: #0969da; stroke-width: 4 } .variant { stroke: #0969da; stroke-width: 2; stroke-dasharray: 6 4 }
  .peer { stroke: #8c959f; stroke-width: 2 } .other { stroke: #8c959f; stroke-width: 2; stroke-dasharray: 2 4 }
  text.own, text.variant, text.peer, text.other { font-size: 14px; stroke: #ffffff; stroke-width: 3; stroke-dasharray: none }
  text.own, text.variant { fill: #0969da } text.own { font-weight: 600 }
  text.peer, text.other { fill: #57606a } circle { stroke: none }
  circle.own { fill: #0969da } circle.peer { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3; stroke: #0d1117 } .grid { stroke: #30363d } .noise { fill: #30363d }
    .one { stroke: #e6edf3 } .lead { stroke: #57606a } .own, .variant { stroke: #58a6ff }
    .peer, .other { stroke: #8b949e } circle.own, text.own, text.variant { fill: #58a6ff }
    text.own, text.variant, text.peer, text.other { stroke: #0d1117 }
    circle.peer { fill: #8b949e } text.peer, text.other { fill: #a5afb9 }
  }"""
TICKS = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100]


def kind(name):
    return ("own" if name == "evpoll" else "variant" if name.startswith("evpoll") else
            "peer" if name in PEERS else "other")


def ratios(row):
    return {name: max(figure["cpu"], 0.01) for name, figure in row["contenders"].items()
            if figure and name != "itself"}


def noise_of(row):
    """A quick run's may be 1 and more, and 1 less it has no place on the axis."""
    return min(row["noise"], 0.9)


def ticks(least, most):
    chosen = [t for t in TICKS if least <= t <= most]
    if len(chosen) >= 4:
        return chosen
    step = 0.05 if most / least < 1.4 else 0.1 if most / least < 1.8 else 0.2
    return [round(i * step, 2) for i in range(math.ceil(least / step), int(most / step) + 1)]


def spread(wanted, gap):
    """Places for labels near the wanted ones, in order, a gap apart, moved as little as can be."""
    places = []
    for at in wanted:
        places.append([at, [at]])
        while len(places) > 1:
            (above, over), (below, under) = places[-2:]
            if above + len(over) * gap / 2 <= below - len(under) * gap / 2:
                break
            both = over + under
            shifted = [at - (i - (len(both) - 1) / 2) * gap for i, at in enumerate(both)]
            places[-2:] = [[sum(shifted) / len(both), both]]
    return [middle + (i - (len(block) - 1) / 2) * gap
            for middle, block in places for i in range(len(block))]


def text(x, y, words, class_="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{class_}" text-anchor="{anchor}">'
            f"{escape(words)}</text>")


def segment(x1, y1, x2, y2, class_):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{class_}"/>'


def page(path, width, height, title, parts):
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>", f"<style>{STYLE}\n</style>",
            f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
            text(16, 28, title, "title"), *parts, "</svg>\n"]))


def lines(path, rows, title, x_name):
    """A line for each contender, over what the rows' x counts; its name is at its end."""
    width, height, left, right, top, bottom = 560, 400, 52, 360, 62, 350
    curves = {}
    for i, row in enumerate(rows):
        for name, ratio in ratios(row).items():
            curves.setdefault(name, []).append((i, ratio))
    noise = [noise_of(row) for row in rows]
    values = [ratio for points in curves.values() for _, ratio in points]
    least = min(values + [1 - max(noise)]) * 0.96
    most = max(values + [1 + max(noise)]) * 1.04

    def x(i):
        return left + (right - left) * (i / (len(rows) - 1) if len(rows) > 1 else 0.5)

    def y(ratio):
        return bottom - (bottom - top) * math.log(ratio / least) / math.log(most / least)

    parts = [text(16, 46, "CPU, in multiples of the system's own calls; the band is the noise",
                  "small"),
             '<polygon class="noise" points="'
             + " ".join([f"{x(i):.1f},{y(1 + off):.1f}" for i, off in enumerate(noise)]
                        + [f"{x(i):.1f},{y(1 - off):.1f}" for i, off in enumerate(noise)][::-1])
             + '"/>']
    for tick in ticks(least, most):
        parts += [segment(left, y(tick), right, y(tick), "one" if tick == 1 else "grid"),
                  text(left - 8, y(tick) + 5, f"{tick:g}" if tick != 1 else "1.00", "small", "end")]
    for i, row in enumerate(rows):
        parts.append(text(x(i), bottom + 22, f"{row['x']:,.0f}", "small", "middle"))
    parts.append(text((left + right) / 2, bottom + 40, x_name, "small", "middle"))
    order = sorted(curves, key=lambda name: y(curves[name][-1][1]))
    for name in sorted(order, key=lambda name: kind(name) == "own"):
        points = [(x(i), y(ratio)) for i, ratio in curves[name]]
        parts.append(f'<polyline class="line {kind(name)}" points="'
                     + " ".join(f"{px:.1f},{py:.1f}" for px, py in points) + '"/>')
    ends = [(x(curves[name][-1][0]), y(curves[name][-1][1])) for name in order]
    for name, (px, py), at in zip(order, ends, spread([py for _, py in ends], 17)):
        parts += [segment(px + 3, py, right + 14, at, "lead"),
                  text(right + 18, at + 4, f"{name} {curves[name][-1][1]:.2f}", kind(name))]
    page(path, width, height, title, parts)


def summary(path, rows):
    """A row of dots for each thing that is done; the peers' names are beside theirs."""
    width, left, right, top, step = 600, 208, 590, 92, 46
    bottom = top + step * len(rows) - 16
    values = [ratio for _, row in rows for name, ratio in ratios(row).items()
              if name == "evpoll" or name in PEERS]
    least, most = min(values + [0.9]) * 0.75, max(values + [1.2]) * 1.45

    def x(ratio):
        return left + (right - left) * math.log(ratio / least) / math.log(most / least)

    band = max(noise_of(row) for _, row in rows)
    parts = [text(16, 50, "CPU time in multiples of the system's own calls, less is better",
                  "small"),
             f'<rect class="noise" x="{x(1 - band):.1f}" width="{x(1 + band) - x(1 - band):.1f}" '
             f'y="{top - 18}" height="{bottom - top + 18}"/>']
    for tick in TICKS:
        if least <= tick <= most:
            parts += [segment(x(tick), top - 18, x(tick), bottom, "one" if tick == 1 else "grid"),
                      text(x(tick), bottom + 18, f"{tick:g}" if tick != 1 else "1.00", "small",
                           "middle")]
    for i, (words, row) in enumerate(rows):
        at = top + i * step
        parts.append(text(16, at + 5, words))
        found = ratios(row)
        peers = sorted((p for p in PEERS if p in found), key=found.get)
        parts += [f'<circle class="peer" cx="{x(found[name]):.1f}" cy="{at}" r="5"/>'
                  for name in peers]
        end, places = width - 8, []  # the names stand below their dots, or as near as there is room
        for name in reversed(peers):
            room = 7.6 * len(name)
            others = sum(7.6 * len(n) + 8 for n in peers[:peers.index(name)])
            places.append(min(max(x(found[name]) - 5, x(found[peers[0]]) - 5 + others), end - room))
            end = places[-1] - 8
        parts += [text(place, at + 20, name, "peer") for name, place in zip(reversed(peers), places)]
        parts += [f'<circle class="own" cx="{x(found["evpoll"]):.1f}" cy="{at}" r="7"/>',
                  text(x(found["evpoll"]), at - 11, f"evpoll {found['evpoll']:.2f}", "own small",
                       "middle")]
    page(path, width, bottom + 32, "What evpoll costs", parts)


def draw(folder, rows):
    """All that there are rows for."""
    for name, (title, group, prefix, x_name) in LINES.items():
        chosen = [row for row in rows if row["group"] == group and row["row"].startswith(prefix)]
        if chosen:
            lines(f"{folder}/{name}.svg", chosen, title, x_name)
    by_name = {(row["group"], row["row"]): row for row in rows}
    chosen = [(words, by_name[group, row]) for words, group, row in SUMMARY if (group, row) in by_name]
    if chosen:
        summary(f"{folder}/summary.svg", chosen)
