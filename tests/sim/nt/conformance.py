#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs conformance.c on the simulator, compares it with what Wine printed, and with Wine itself.

conformance.py PROGRAM [PROGRAM.exe]: the latter where EVPOLL_WINE is the command of a Wine
"""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent


def lines(command, **environment):
    with tempfile.TemporaryDirectory(dir='.') as folder:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              env={**os.environ, **environment}, timeout=120, check=False)
    text = done.stdout.decode().replace('\r', '')
    if done.returncode != 0 or not text.endswith('done\n'):
        sys.exit(f'{command}: ended with {done.returncode} after {text.splitlines()[-1:]}')
    return text.splitlines()


def differing(left, right):
    if len(left) != len(right):
        sys.exit(f'{len(left)} lines and {len(right)} lines')
    return [(a, b) for a, b in zip(left, right) if a != b]


def explained():
    text = (HERE / 'differences.txt').read_text().splitlines()
    return {line for line in text if line and line[0] not in '# '}


def main():
    program = os.path.abspath(sys.argv[1])
    recorded = (HERE / 'conformance.wine-8.0.txt').read_text().splitlines()
    bad = 0

    wine_mode = lines([program], EVPOLL_SIM='wine')
    for said, simulated in differing(recorded, wine_mode):
        print(f'Wine 8.0:       {said}\nthe simulator:  {simulated}')
        bad += 1

    reasons = explained()
    windows_mode = lines([program], EVPOLL_SIM='windows')
    deviations = [b for _, b in differing(recorded, windows_mode)]
    for line in deviations:
        if line not in reasons:
            print(f'differs from Wine, without a reason in differences.txt: {line}')
            bad += 1
    for line in sorted(reasons - set(deviations)):
        print(f'differences.txt explains what does not differ: {line}')
        bad += 1

    wine = os.environ.get('EVPOLL_WINE') if len(sys.argv) > 2 else None
    if wine:
        command = [wine, os.path.abspath(sys.argv[2])]
        for said, live in differing(recorded, lines(command)):
            print(f'Wine 8.0 once:  {said}\nthis Wine:      {live}')
            bad += 1
    print(f'{len(recorded)} facts, {len(deviations)} differ on Windows, each explained'
          + (', Wine was asked' if wine else ', Wine was not asked') if not bad else f'{bad} bad')
    return bad != 0


sys.exit(main())
