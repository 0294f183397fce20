#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutants.py make NAME LIB OUT: the library's source with a mistake put back.
mutants.py try NAME PROGRAM: the tests must notice it: they fail, or hang.
Those of streams and timers are noticed by random calls (calls.cc)."""
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
    'asked_again': ('posix_aio.c', 'op->target->pooled = evp_io_has_pool(p);\n'
                    '    if (op->target->pooled && to_pool',
                    'if (evp_io_has_pool(p) && to_pool',
                    'AFileThatAioHasRefusedStaysWithThePool'),
    'given_up': ('posix_aio.c', 'return !evp_io_redo(p, op);', 'return true;',
                 'AnOperationThatIsGivenUpIsDoneOnceMore'),
    'use_kept': ('posix_aio.c', '  if (op->uses) evp_target_drop_later(p, op->target);\n'
                 '  op->uses = false;\n', '', 'WhatFoundRoomIsNamedByNobody'),
    'waiter_not_woken': ('kqueue.c', '  const int saved = errno;\n',
                         '  const int saved = errno;\n  if (evp_is_shut_down(p)) return;\n',
                         'AWaiterIsSentAwayBeforeTheQueueIsClosed'),
}

STREAMS = {
    # name: (source, what is there, what is put)
    'writable_not_asked_for': ('stream.c', 'bits |= evp_flow_wants(t, i);',
                               'bits |= i == EVP_WRITES ? 0 : evp_flow_wants(t, i);'),
    'connecting_for_ever': ('performer.c', '  if (op->code == EVPOLL_OP_CONNECT) {\n    t->stream.connecting = false;\n',
                            '  if (op->code == EVPOLL_OP_CONNECT) {\n'),
    'short_read_is_empty': ('performer.c', '  if (!t->stream.kind.ends_short || n == 0)', '  if (n == 0)'),
    'begins_anew': ('performer.c', 'op->moved ? (char *)op->buffer + op->moved : op->buffer',
                    'op->buffer'),
    'withdrawn_too_late': ('performer.c', 'if (!op->queued || op->performed) return false;',
                           'if (op->performed) return false;\n  return false;'),
    'end_is_early': ('timer.c', 't->heap[0].at <= now; left--', 't->heap[0].at <= now + 500000; left--'),
    'token_of_another': ('timer.c', '      if (op->token != token) continue;\n', ''),
}


def make(name, lib, out):
    if name in STREAMS:
        source, old, new = STREAMS[name]
        source = f'{lib}/core/{source}'
    else:
        source, old, new, _ = MISTAKES[name]
        source = f'{lib}/backend/kqueue/{source}'
    text = open(source).read()
    if text.count(old) != 1:
        sys.exit(f'{source} has changed: "{old}" is there {text.count(old)} times')
    open(out, 'w').write(text.replace(old, new))


def attempt(name, program):
    choice = ['3000'] if name in STREAMS else [f'--gtest_filter=On/Traps.{MISTAKES[name][3]}/many', '--gtest_brief=1']
    try:
        run = subprocess.run([program] + choice, timeout=100 if name in STREAMS else 40,
                             capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        print(f'{name}: noticed, the test hangs')
        return 0
    noticed = run.returncode != 0
    print(f'{name}: ' + ('noticed' if noticed else 'NOT NOTICED\n' + run.stdout))
    return 0 if noticed else 1


if __name__ == '__main__':
    sys.exit(make(*sys.argv[2:]) if sys.argv[1] == 'make' else attempt(*sys.argv[2:]))
