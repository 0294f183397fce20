# SPDX-License-Identifier: MIT
# gen/clang-cl.cmake with what `./run test msvc` puts into build/msvc.
set(EVPOLL_WINDOWS_MACHINE x86_64 CACHE STRING "x86_64 or aarch64")
set(machine x64)
if(EVPOLL_WINDOWS_MACHINE STREQUAL "aarch64")
  set(machine arm64)
endif()
get_filename_component(msvc ${CMAKE_CURRENT_LIST_DIR}/../../build/msvc ABSOLUTE)
set(include ${msvc}/sdk/include)
set(EVPOLL_WINDOWS_INCLUDE ${CMAKE_CURRENT_LIST_DIR}/include ${include}/ucrt ${include}/um ${include}/shared
  CACHE STRING "Folders of headers")
set(EVPOLL_WINDOWS_LIB ${msvc}/runtime/${machine} ${msvc}/sdk/lib/${machine}
  CACHE STRING "Folders of import libraries")
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug would need a runtime of its own")
include(${CMAKE_CURRENT_LIST_DIR}/../../gen/clang-cl.cmake)
