#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The simulator's headers have the numbers and layouts of mingw's: numbers_test.py CC MINGW-CC"""
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
INCLUDES = ''.join(f'#include <{h}.h>\n' for h in ('winsock2', 'ws2tcpip', 'mswsock', 'windows', 'winioctl'))
LAYOUTS = {
    'OVERLAPPED': 'Internal InternalHigh Offset OffsetHigh Pointer hEvent',
    'OVERLAPPED_ENTRY': 'lpCompletionKey lpOverlapped Internal dwNumberOfBytesTransferred',
    'LARGE_INTEGER': 'QuadPart', 'SECURITY_ATTRIBUTES': 'bInheritHandle', 'FILETIME': '',
    'FILE_STANDARD_INFO': 'EndOfFile NumberOfLinks Directory', 'FILE_END_OF_FILE_INFO': '',
    'struct sockaddr': 'sa_data', 'struct sockaddr_in': 'sin_port sin_addr',
    'struct sockaddr_in6': 'sin6_port sin6_addr sin6_scope_id',
    'struct sockaddr_storage': '', 'struct linger': 'l_linger', 'WSABUF': 'buf',
    'SRWLOCK': '', 'CONDITION_VARIABLE': '', 'INIT_ONCE': '',
    'GET_LENGTH_INFORMATION': '',
    'DWORD': '', 'LONG': '', 'BOOL': '', 'WCHAR': '', 'SOCKET': '', 'HANDLE': '', 'ULONG_PTR': '',
    'SIZE_T': '', 'u_long': '', 'BOOLEAN': '', 'LONGLONG': '',
}


def names():
    """Every macro that is a number, by the headers' text."""
    found = []
    for header in sorted((HERE / 'include').glob('*.h')):
        for name, value in re.findall(r'^#define (\w+)[ \t]+(.+)$', header.read_text(), re.M):
            if name.startswith(('NT_', 'nt_', 's_addr', 's6_addr', 'u_', 'hto', 'nto')): continue
            if re.search(r'[0-9]|FILE_|INIT|AF_', value) and '{' not in value: found.append(name)
    return found


def main():
    compiler, mingw = sys.argv[1:]
    wanted = names()
    layouts = [f'sizeof({t})' for t in LAYOUTS]
    layouts += [f'offsetof({t}, {f})' for t, fields in LAYOUTS.items() for f in fields.split()]
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder) / 'table.c', pathlib.Path(folder) / 'table'
        rows = [(n, f'(long long)({n})') for n in wanted] + [(e, f'(long long){e}') for e in layouts]
        source.write_text(INCLUDES + '#include <stdio.h>\n#include <stddef.h>\nint main(void) {\n'
                          + ''.join(f'  printf("%lld %s\\n", {v}, "{n}");\n' for n, v in rows) + '}\n')
        subprocess.run([compiler, '-std=c11', '-fshort-wchar', '-w', '-I', HERE / 'include', source,
                        '-o', program], check=True)
        said = subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout.decode()
        values = [line.split(' ', 1) for line in said.splitlines()]
        asserts = []
        for value, name in values:
            text = f'_Static_assert((long long)({name}) == {value}LL, "{name}");\n'
            asserts.append(f'#ifdef {name}\n{text}#else\n#warning "none: {name}"\n#endif\n'
                           if name in wanted and name not in ('FileStandardInfo',) else text)
        source.write_text('#define _WIN32_WINNT 0x0A00\n' + INCLUDES
                          + '#include <stddef.h>\n' + ''.join(asserts))
        done = subprocess.run([mingw, '-std=gnu11', '-fsyntax-only', source], stderr=subprocess.PIPE,
                              check=False)
        errors = re.findall(r'static assertion failed: "(.*?)"|error: (.*)', done.stderr.decode())
        unknown = re.findall(r'none: (\w+)', done.stderr.decode())
        for a, b in errors: print('differs from mingw:', a or b)
        print(f'{len(values)} numbers and layouts, {len(set(unknown))} unknown to mingw:',
              *sorted(set(unknown)))
        sys.exit(done.returncode != 0)


main()
