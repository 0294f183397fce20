# SPDX-License-Identifier: MIT
# cmake --toolchain gen/clang-cl.cmake: for Windows as Visual Studio builds, by clang-cl and lld-link.
# EVPOLL_WINDOWS_INCLUDE and EVPOLL_WINDOWS_LIB are the folders that cl and link find in INCLUDE and
# LIB: the SDK's and the compiler's. All their files, and what they include, in lower case.
set(EVPOLL_WINDOWS_MACHINE x86_64 CACHE STRING "x86_64 or aarch64")
set(EVPOLL_WINDOWS_INCLUDE "" CACHE STRING "Folders of headers")
set(EVPOLL_WINDOWS_LIB "" CACHE STRING "Folders of import libraries")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES
  EVPOLL_WINDOWS_MACHINE EVPOLL_WINDOWS_INCLUDE EVPOLL_WINDOWS_LIB)
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR ${EVPOLL_WINDOWS_MACHINE})

find_program(EVPOLL_CLANG_CL NAMES clang-cl-14 clang-cl REQUIRED)
find_program(EVPOLL_LLD_LINK NAMES lld-link-14 lld-link REQUIRED)
find_program(EVPOLL_LLVM_LIB NAMES llvm-lib-14 llvm-lib REQUIRED)
find_program(EVPOLL_LLVM_RC NAMES llvm-rc-14 llvm-rc REQUIRED)
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER ${EVPOLL_CLANG_CL})
  set(CMAKE_${language}_COMPILER_TARGET ${EVPOLL_WINDOWS_MACHINE}-pc-windows-msvc)
  foreach(folder IN LISTS EVPOLL_WINDOWS_INCLUDE)
    string(APPEND CMAKE_${language}_FLAGS_INIT " -imsvc ${folder}")
  endforeach()
  # What each program is linked with.
  set(CMAKE_${language}_STANDARD_LIBRARIES kernel32.lib CACHE STRING "")
endforeach()
set(CMAKE_LINKER ${EVPOLL_LLD_LINK})
set(CMAKE_AR ${EVPOLL_LLVM_LIB})
set(CMAKE_RC_COMPILER ${EVPOLL_LLVM_RC})

foreach(kind EXE SHARED)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT /manifest:no)
  foreach(folder IN LISTS EVPOLL_WINDOWS_LIB)
    string(APPEND CMAKE_${kind}_LINKER_FLAGS_INIT " /libpath:${folder}")
  endforeach()
endforeach()
set(CMAKE_TRY_COMPILE_CONFIGURATION Release) # the debug runtime need not be there

find_program(EVPOLL_WINE NAMES wine64 wine PATHS /usr/lib/wine)
if(EVPOLL_WINE AND EVPOLL_WINDOWS_MACHINE STREQUAL "x86_64")
  set(CMAKE_CROSSCOMPILING_EMULATOR ${EVPOLL_WINE})
endif()
