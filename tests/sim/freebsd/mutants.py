#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutants.py make NAME LIB OUT: the library's source with a mistake put back.
mutants.py try NAME PROGRAM: the tests must notice it: they fail, or hang."""
import subprocess
import sys

MISTAKES = {
    # name: (source, what is there, what is put, the test that notices)
    'no_oneshot': ('posix_aio.c', 'sigev_notify_kevent_flags = EV_ONESHOT;',
                   'sigev_notify_kevent_flags = 0;', 'CompletionsInAnyOrder'),
    'returned_early': ('posix_aio.c', '  r->where = IN_KERNEL;\n',
                       '  r->where = IN_KERNEL;\n  while (aio_error(&r->cb) == EINPROGRESS) {\n  }\n'
                       '  aio_return(&r->cb);\n', 'AnErrorOfTheDeviceIsTheOperations'),
    'slot_reused': ('posix_aio.c', 'const ssize_t n = aio_return(&r->cb);\n  const int os_code',
                    'const ssize_t n = (ssize_t)op->length;\n  const int os_code',
                    'AFullQueueIsWaitedForEachPlaceAnew'),
    'list_errno_trusted': ('posix_aio.c', 'if (!all && !was_started(p, ops[i], r)) continue;',
                           'if (!all) continue;', 'AListThatStartedInPart'),
    'waiter_not_woken': ('kqueue.c', '  const int saved = errno;\n',
                         '  const int saved = errno;\n  if (evp_is_shut_down(p)) return;\n',
                         'AWaiterIsSentAwayBeforeTheQueueIsClosed'),
}


def make(name, lib, out):
    source, old, new, _ = MISTAKES[name]
    text = open(f'{lib}/backend/kqueue/{source}').read()
    if text.count(old) != 1:
        sys.exit(f'{source} has changed: "{old}" is there {text.count(old)} times')
    open(out, 'w').write(text.replace(old, new))


def attempt(name, program):
    choice = f'--gtest_filter=On/Traps.{MISTAKES[name][3]}/many'
    try:
        run = subprocess.run([program, choice, '--gtest_brief=1'], timeout=40, capture_output=True,
                             text=True)
    except subprocess.TimeoutExpired:
        print(f'{name}: noticed, the test hangs')
        return 0
    noticed = run.returncode != 0
    print(f'{name}: ' + ('noticed' if noticed else 'NOT NOTICED\n' + run.stdout))
    return 0 if noticed else 1


if __name__ == '__main__':
    sys.exit(make(*sys.argv[2:]) if sys.argv[1] == 'make' else attempt(*sys.argv[2:]))
