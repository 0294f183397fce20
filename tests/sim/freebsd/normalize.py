#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""normalize.py: what a probe printed, without what differs from run to run.

Addresses become names in the order in which they appear, times and counts of threads' luck stars."""
import re
import sys


def normalize(lines):
    names = {}

    def name(match):
        return names.setdefault(match.group(0), f'ADDRESS{len(names)}')

    for line in lines:
        line = line.rstrip('\n')
        if re.match(r'pid \d+ .* unsafe AIO', line):  # the kernel's own log
            continue
        line = line.replace('(nil)', '0x0')  # the C library's word for %p
        line = re.sub(r'0x[0-9a-f]{7,}', name, line)
        line = re.sub(r'\b\d+(\.\d+)? (ms|s)\b', r'* \2', line)
        line = re.sub(r'returned=\d+', 'returned=*', line)
        line = re.sub(r'\(\d+ op/s under TCG\)', '(*)', line)
        yield line


def sections(path):
    """The parts of the transcript: name of the probe to its lines."""
    parts, name = {}, None
    for line in open(path, errors='replace'):
        start = re.match(r'#{8} run /(\w+)', line)
        if start:
            name = start.group(1)
            parts[name] = []
        elif re.match(r'#{8} exit', line):
            name = None
        elif name:
            parts[name].append(line)
    return parts


if __name__ == '__main__':
    print('\n'.join(normalize(sys.stdin)))
