# SPDX-License-Identifier: MIT
# cmake --toolchain gen/freebsd.cmake -DEVPOLL_FREEBSD_SYSROOT=FOLDER: for FreeBSD, from elsewhere,
# by clang and lld. FOLDER holds a FreeBSD's /lib, /usr/lib and /usr/include (its base.txz).
# EVPOLL_FREEBSD_TARGET is the triple, x86_64-unknown-freebsd14 by default. On FreeBSD itself no tool
# chain file is needed.
set(CMAKE_SYSTEM_NAME FreeBSD)
set(EVPOLL_FREEBSD_SYSROOT "" CACHE PATH "Root of a FreeBSD's headers and libraries")
set(EVPOLL_FREEBSD_TARGET x86_64-unknown-freebsd14 CACHE STRING "Triple of the machine that it runs on")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES EVPOLL_FREEBSD_SYSROOT EVPOLL_FREEBSD_TARGET)
if(EVPOLL_FREEBSD_SYSROOT STREQUAL "" OR NOT IS_DIRECTORY "${EVPOLL_FREEBSD_SYSROOT}/usr/include")
  message(FATAL_ERROR "evpoll: set EVPOLL_FREEBSD_SYSROOT to a folder that has usr/include of FreeBSD")
endif()
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${EVPOLL_FREEBSD_TARGET}")
string(REGEX MATCH "[0-9.]+$" CMAKE_SYSTEM_VERSION "${EVPOLL_FREEBSD_TARGET}")

find_program(EVPOLL_FREEBSD_CC NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 REQUIRED)
find_program(EVPOLL_FREEBSD_CXX NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14)
set(CMAKE_C_COMPILER ${EVPOLL_FREEBSD_CC})
set(CMAKE_C_COMPILER_TARGET ${EVPOLL_FREEBSD_TARGET})
if(EVPOLL_FREEBSD_CXX)
  set(CMAKE_CXX_COMPILER ${EVPOLL_FREEBSD_CXX})
  set(CMAKE_CXX_COMPILER_TARGET ${EVPOLL_FREEBSD_TARGET})
endif()
set(CMAKE_SYSROOT ${EVPOLL_FREEBSD_SYSROOT})
foreach(kind EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT -fuse-ld=lld)
endforeach()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
