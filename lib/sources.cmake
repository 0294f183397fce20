# SPDX-License-Identifier: MIT
# What the library consists of, and the warnings it is built with; tests build it too.
set(EVP_CORE_SOURCES api/api.c api/api_closely.c api/api_aio.c api/api_files.c api/api_sockets.c core/poller.c core/source.c
    core/target.c core/ending.c core/operation.c core/submit.c core/cancel.c core/stream.c core/stream_entry.c core/flow.c core/performer.c
    core/engine.c core/list.c core/cached.c core/append.c core/timer.c core/workers.c core/status.c core/trace.c
    os/os_address.c os/os_message.c)
set(EVP_POSIX_SOURCES os/posix/posix_file.c os/posix/posix_socket.c os/posix/posix_stream.c os/posix/posix_status.c)
set(EVP_POSIX_ENTRY_SOURCES os/posix/posix.c) # once more for each library that names glibc's versions
set(EVP_LINUX_SOURCES os/linux/linux_cached.c backend/epoll/epoll.c backend/epoll/uring.c)
set(EVP_WINDOWS_SOURCES os/windows/windows.c os/windows/windows_file.c os/windows/windows_socket.c
    os/windows/windows_status.c os/windows/windows_stream.c os/os_cached_none.c backend/afd/afd.c backend/afd/afd_base.c backend/afd/afd_number.c
    backend/afd/afd_socket.c backend/afd/overlapped.c backend/afd/port.c)
set(EVP_KQUEUE_SOURCES os/os_cached_none.c os/posix/posix_look.c backend/kqueue/kqueue.c backend/kqueue/filters.c)
set(EVP_KQUEUE_AIO_SOURCES backend/kqueue/posix_aio.c backend/kqueue/foreign_aio.c)
set(EVP_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wconversion -Wno-sign-conversion -Wundef -Wvla -Werror)
