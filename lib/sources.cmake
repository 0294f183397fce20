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
if(MSVC) # clang-cl takes it for MSVC as well
  # What C11 allows and /W4 does not: unnamed members (4201), values of variables in initializers
  # (4204, 4221), flexible arrays (4200), a constant without one (4132). What is meant: assignments in
  # conditions (4706), constant conditions (4127), padding by _Alignas (4324), a return behind a call
  # that does not (4702), signs (4245, 4389), as above. MSVC's own atomics shorten what they load (4244).
  set(EVP_WARNINGS /W4 /wd4127 /wd4132 /wd4200 /wd4201 /wd4204 /wd4221 /wd4244 /wd4245 /wd4324 /wd4389
    /wd4702 /wd4706)
  if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
    list(APPEND EVP_WARNINGS -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion
      -Wno-sign-conversion -Wundef -Wvla /WX)
  endif()
endif()
