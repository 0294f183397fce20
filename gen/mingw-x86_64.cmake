# SPDX-License-Identifier: MIT
# cmake --toolchain gen/mingw-x86_64.cmake: for Windows on x86-64, by Debian's mingw-w64. Programs
# built with it run under Wine where that is installed, with CTest too.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)

# The full names: what the short ones stand for depends on what is installed.
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

find_program(EVPOLL_WINE NAMES wine64 wine PATHS /usr/lib/wine)
if(EVPOLL_WINE)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${EVPOLL_WINE})
endif()
