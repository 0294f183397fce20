#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""truth_test.py PROBE PROGRAM: the simulated kernel answers a probe as FreeBSD 15.1 did, line by
line. A line that depends on the luck of threads may need another try."""
import difflib
import os
import subprocess
import sys
import tempfile

import normalize

TRANSCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'truth', 'transcript.txt')
TRIES = 3


def differences(probe, program):
    with tempfile.TemporaryDirectory(dir='.') as folder:
        run = subprocess.run([os.path.abspath(program)], cwd=folder, capture_output=True, timeout=100)
    said = list(normalize.normalize(run.stdout.decode(errors='replace').splitlines()))
    truth = list(normalize.normalize(normalize.sections(TRANSCRIPT)[probe]))
    if run.returncode:
        said.append(f'exit {run.returncode}: {run.stderr.decode(errors="replace")}')
    return list(difflib.unified_diff(truth, said, 'FreeBSD 15.1', 'simulated', lineterm=''))


def main():
    for _ in range(TRIES):
        found = differences(*sys.argv[1:3])
        if not found:
            return 0
    print('\n'.join(found))
    return 1


if __name__ == '__main__':
    sys.exit(main())
