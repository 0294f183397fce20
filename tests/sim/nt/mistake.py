#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts a mistake into a copy of a source, or shows that the schedules catch it.

mistake.py put MISTAKE LIB OUT     replacements; fails when a text is not there once
mistake.py catch PROGRAM           runs the schedules of a library with a mistake: they must fail
"""
import os
import pathlib
import re
import subprocess
import sys


def put(mistake, lib, out):
    text = pathlib.Path(mistake).read_text()
    head, *pieces = text.split('--- old\n')
    name = re.search(r'^file: (.*)$', head, re.M).group(1)
    source = (pathlib.Path(lib) / name).read_text()
    for piece in pieces:
        old, new = piece.split('--- new\n')
        if source.count(old) != 1:
            sys.exit(f'{mistake}: its text is {source.count(old)} times in {name}, not once')
        source = source.replace(old, new)
    pathlib.Path(out).write_text(source)


def catch(program):
    environment = {**os.environ, 'EVPOLL_SIM_SECONDS': '60'}
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=environment, timeout=110, check=False)
    said = done.stdout.decode(errors='replace')
    if done.returncode == 0:
        sys.exit(f'the mistake was not seen: {said}')
    how = re.search(r'simulated NT: .*|ERROR: AddressSanitizer: \S+|runtime error: .*', said)
    if not how:
        sys.exit(f'ended with {done.returncode}, for no reason that it knows:\n{said[-2000:]}')
    seed = re.search(r'EVPOLL_SIM_SEED=\d+', said)
    if not seed: sys.exit(f'no seed was told: {said[-2000:]}')
    print('caught:', how.group(0), seed.group(0))
    environment['EVPOLL_SIM_SEED'] = seed.group(0).split('=')[1]
    again = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env=environment, timeout=60, check=False)
    if again.returncode == 0 or how.group(0) not in again.stdout.decode(errors='replace'):
        sys.exit(f'the seed did not replay: {again.stdout.decode(errors="replace")[-2000:]}')
    print('... and the seed replays it')


if __name__ == '__main__':
    {'put': put, 'catch': catch}[sys.argv[1]](*sys.argv[2:])
