# SPDX-License-Identifier: MIT
# cmake --toolchain gen/zig.cmake -DEVPOLL_ZIG_TARGET=x86_64-freebsd.14.0: for another Unix, by Zig's C
# compiler (0.16), which brings that system's headers and what to link with: FreeBSD, NetBSD, OpenBSD,
# macOS, Linux with a chosen glibc or musl; `zig targets` has their names. And for Windows.
set(EVPOLL_ZIG_TARGET "" CACHE STRING "Zig's name of the system that it is for")
find_program(EVPOLL_ZIG NAMES zig REQUIRED)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES EVPOLL_ZIG_TARGET EVPOLL_ZIG)
if(NOT EVPOLL_ZIG_TARGET MATCHES "^([a-z0-9_]+)-(freebsd|netbsd|openbsd|macos|linux|windows)(-[a-z]+)?[.]?([0-9.]*)$")
  message(FATAL_ERROR "evpoll: set EVPOLL_ZIG_TARGET, for example to x86_64-freebsd.14.0")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
set(CMAKE_SYSTEM_VERSION ${CMAKE_MATCH_4})
set(name_of_freebsd FreeBSD)
set(name_of_netbsd NetBSD)
set(name_of_openbsd OpenBSD)
set(name_of_macos Darwin)
set(name_of_linux Linux)
set(name_of_windows Windows)
set(CMAKE_SYSTEM_NAME ${name_of_${CMAKE_MATCH_2}})

# Unless told otherwise Zig adds checks for undefined behaviour, without the library that they need. It
# names a version of Windows, which we do, and has no <sys/disk.h> of macOS.
set(options -target ${EVPOLL_ZIG_TARGET} -fno-sanitize=undefined)
if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  list(APPEND options -U_WIN32_WINNT)
elseif(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
  list(APPEND options -isystem ${CMAKE_CURRENT_LIST_DIR}/../tests/cross/include)
endif()
set(CMAKE_C_COMPILER ${EVPOLL_ZIG} cc ${options})
set(CMAKE_CXX_COMPILER ${EVPOLL_ZIG} c++ ${options})
# CMake has these be one word.
foreach(tool ar ranlib rc)
  set(wrapper ${CMAKE_BINARY_DIR}/zig-${tool})
  file(WRITE ${wrapper} "#!/bin/sh\nexec '${EVPOLL_ZIG}' ${tool} \"$@\"\n")
  file(CHMOD ${wrapper} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endforeach()
set(CMAKE_AR ${CMAKE_BINARY_DIR}/zig-ar)
set(CMAKE_RANLIB ${CMAKE_BINARY_DIR}/zig-ranlib)
set(CMAKE_RC_COMPILER ${CMAKE_BINARY_DIR}/zig-rc)

# This machine's libraries and headers are another system's.
set(CMAKE_FIND_ROOT_PATH ${CMAKE_CURRENT_LIST_DIR})
foreach(kind LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
