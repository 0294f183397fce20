# SPDX-License-Identifier: MIT
# What the library consists of, and the warnings it is built with; tests build it too.
set(EVP_CORE_SOURCES api.c api_helpers.c poller.c source.c io.c list.c kind.c cached.c linger.c aio.c
    workers.c status.c os_address.c)
set(EVP_WINDOWS_SOURCES os_windows.c os_windows_file.c os_windows_socket.c os_windows_status.c
    os_cached_none.c backend/afd/afd.c backend/afd/afd_base.c backend/afd/afd_number.c
    backend/afd/afd_socket.c backend/afd/overlapped.c backend/afd/port.c)
set(EVP_KQUEUE_SOURCES backend/kqueue/kqueue.c backend/kqueue/filters.c)
set(EVP_KQUEUE_AIO_SOURCES backend/kqueue/posix_aio.c backend/kqueue/foreign_aio.c)
set(EVP_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wconversion -Wno-sign-conversion -Wundef -Wvla -Werror)
