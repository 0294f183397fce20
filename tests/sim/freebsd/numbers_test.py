#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""numbers_test.py CC: our headers' numbers and layouts against two independent records of FreeBSD's,
Debian's librust-libc-dev and golang-golang-x-sys-dev. Exit 77 where neither is installed."""
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RUST = '/usr/share/cargo/registry/libc-*/src/unix/bsd/freebsdlike'
GO = '/usr/share/gocode/src/golang.org/x/sys/unix'
PREFIX = r'(?:EVFILT|EV|NOTE|AIO|LIO|SIGEV)_[A-Z_]+'
CODES = ['EAGAIN', 'EINPROGRESS', 'EOPNOTSUPP', 'ECONNREFUSED', 'ECANCELED']
STRUCTS = {'kevent': 'freebsd14', 'sigevent': 'freebsd', 'aiocb': 'freebsd'}
SIZES = {'c_int': 4, 'c_uint': 4, 'c_short': 2, 'c_ushort': 2, 'c_long': 8, 'off_t': 8, 'size_t': 8,
         'uintptr_t': 8, 'i64': 8, 'u64': 8, 'lwpid_t': 4, 'sigval': 8, 'sigevent': 80}


def rust():
    """What the crate libc says: constants, and offsets of the public fields of structs."""
    folders = sorted(glob.glob(RUST))
    if not folders:
        return None
    names, layouts = {}, {}
    text = {f: open(f'{folders[-1]}/{f}/mod.rs').read() for f in ('.', 'freebsd', 'freebsd/freebsd14')}
    for part in text.values():
        for name, value in re.findall(rf'pub const ({PREFIX}|E[A-Z]+): \S+ = (-?\w+);', part):
            if re.fullmatch(r'-?(0x[0-9a-fA-F]+|\d+)', value):
                names[name] = int(value, 0)
    for struct, where in STRUCTS.items():
        part = text['freebsd/freebsd14' if where == 'freebsd14' else 'freebsd']
        body = re.search(rf'pub struct {struct} {{(.*?)}}', part, re.S).group(1)
        layouts[struct] = layout(re.findall(r'(pub )?(\w+): ([^,\n]+),?\n', body))
    return names, layouts


def layout(fields):
    at, most, offsets = 0, 1, {}
    for public, name, kind in fields:
        array = re.match(r'\[(.*); (\d+)\]', kind)
        base, count = (array.group(1), int(array.group(2))) if array else (kind, 1)
        size = 8 if '*' in base else SIZES[base.split('::')[-1]]
        aligned_to = min(size, 8)
        at = (at + aligned_to - 1) // aligned_to * aligned_to
        if public:
            offsets[name] = at
        at += size * count
        most = max(most, aligned_to)
    offsets['sizeof'] = (at + most - 1) // most * most
    return offsets


def go():
    if not os.path.exists(f'{GO}/zerrors_freebsd_amd64.go'):
        return None
    text = open(f'{GO}/zerrors_freebsd_amd64.go').read()
    names = {n: int(v, 0) for n, v in re.findall(rf'^\s({PREFIX})\s+= (-?0x[0-9a-f]+)$', text, re.M)}
    for name, value in re.findall(r'^\s(E[A-Z]+)\s+= syscall.Errno\((0x[0-9a-f]+)\)', text, re.M):
        names[name] = int(value, 0)
    types = open(f'{GO}/ztypes_freebsd_amd64.go').read()
    body = re.search(r'type Kevent_t struct {(.*?)}', types, re.S).group(1)
    sizes = {'uint64': 'u64', 'int64': 'i64', 'int16': 'c_short', 'uint16': 'c_ushort',
             'uint32': 'c_uint', '*byte': '*', '[4]uint64': '[u64; 4]'}
    fields = [('pub', n.lower(), sizes[k]) for n, k in re.findall(r'(\w+)\s+(\S+)\n', body)]
    return names, {'kevent': layout(fields)}


def ours(compiler, constants, layouts):
    """The same, of our headers: a program says it."""
    lines = [f'#ifdef {n}\n  printf("{n} %lld\\n", (long long)({n}));\n#endif' for n in constants]
    for struct, offsets in layouts.items():
        for field in offsets:
            of = f'sizeof(struct {struct})'
            if field != 'sizeof':
                name = field.replace('sigev_notify_thread_id', '_sigev_un')
                of = f'offsetof(struct {struct}, {name})'
            lines.append(f'  printf("{struct}.{field} %zu\\n", {of});')
    with tempfile.TemporaryDirectory() as folder:
        with open(f'{folder}/say.c', 'w') as f:
            f.write('#include <stddef.h>\n#include <stdio.h>\n#include <aio.h>\n#include <sys/event.h>\n'
                    'int main(void) {\n' + '\n'.join(lines) + '\n}\n')
        subprocess.run([compiler, '-w', '-D_GNU_SOURCE', '-isystem', f'{HERE}/include', '-include',
                        f'{HERE}/include/probe_libc.h', '-o', f'{folder}/say', f'{folder}/say.c'],
                       check=True)
        said = subprocess.run([f'{folder}/say'], capture_output=True, text=True, check=True).stdout
    return {n: int(v) for n, v in (line.split() for line in said.splitlines())}


def main():
    wrong = compared = 0
    for name, record in (('librust-libc-dev', rust()), ('golang-golang-x-sys-dev', go())):
        if not record:
            continue
        constants, layouts = record
        wanted = {n: v for n, v in constants.items() if re.fullmatch(PREFIX, n) or n in CODES}
        for struct, offsets in layouts.items():
            wanted.update({f'{struct}.{f}': v for f, v in offsets.items()})
        said = ours(sys.argv[1], [n for n in wanted if '.' not in n], layouts)
        same = [n for n in wanted if n in said]
        compared += len(same)
        print(f'{name}: {len(same)} numbers')
        for n in same:
            if said[n] != wanted[n]:
                print(f'{name} has {n} = {wanted[n]}, our headers {said[n]}')
                wrong += 1
    if not compared:
        return 77
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
