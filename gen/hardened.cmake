# SPDX-License-Identifier: MIT
# What distributions build with. evp_harden(TARGET...) gives it to the library, to what has the library
# inside and to the examples; the compiler is asked for what it may not have. tests/hardened.py says
# what each system's binaries have of it, and looks.
include_guard(GLOBAL)
include(CheckCSourceCompiles)

option(EVPOLL_HARDENED "Full RELRO, stack protector, FORTIFY_SOURCE, and CET or BTI where there are any" ON)

set(compile "")
set(link "")
set(libraries "")
# Sanitizers see more than these do, and are in the way of some.
if(EVPOLL_HARDENED AND NOT EVPOLL_SANITIZE AND NOT MSVC)
  # Each guard page is touched there anyway, and no process has CET by this flag or BTI.
  set(wanted "")
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "OpenBSD") # whose compilers do so unasked
    list(APPEND wanted -fstack-protector-strong)
  endif()
  if(NOT WIN32)
    list(APPEND wanted -fstack-clash-protection)
  endif()
  if(NOT WIN32 AND NOT APPLE)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
      list(APPEND wanted -fcf-protection=full)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
      list(APPEND wanted -mbranch-protection=standard)
    endif()
  endif()
  foreach(flag IN LISTS wanted)
    string(MAKE_C_IDENTIFIER "EVPOLL_HAS${flag}" has)
    set(CMAKE_REQUIRED_FLAGS "-Werror ${flag}")
    set(CMAKE_REQUIRED_LINK_OPTIONS ${flag})
    # With a buffer to protect: some compilers know the flag, and have not what it calls.
    check_c_source_compiles("#include <stdio.h>
int main(int argc, char **argv) { char text[64]; snprintf(text, sizeof text, \"%d%p\", argc, (void *)argv); return text[1]; }" ${has})
    if(${has})
      list(APPEND compile ${flag})
    endif()
  endforeach()
  unset(CMAKE_REQUIRED_FLAGS)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)

  # The checks of lengths are the optimizer's: without it the C library's headers warn.
  set(level 2)
  if(CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
    set(level 3)
  endif()
  foreach(config Release RelWithDebInfo MinSizeRel)
    list(APPEND compile $<$<CONFIG:${config}>:-U_FORTIFY_SOURCE> $<$<CONFIG:${config}>:-D_FORTIFY_SOURCE=${level}>)
  endforeach()

  if(NOT WIN32 AND NOT APPLE)
    set(link LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
  elseif(WIN32 AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(link LINKER:--dynamicbase LINKER:--high-entropy-va LINKER:--nxcompat)
    # GCC has what its checks call in a library of its own there; not as a DLL to be shipped along.
    set(libraries :libssp.a)
  endif()
endif()
# For every folder; the last is what a static library's users have to link too.
set(EVP_HARD_COMPILE "${compile}" CACHE INTERNAL "")
set(EVP_HARD_LINK "${link}" CACHE INTERNAL "")
set(EVP_HARD_LIBRARIES "${libraries}" CACHE INTERNAL "")

function(evp_harden)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE ${EVP_HARD_COMPILE})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      target_link_libraries(${target} PUBLIC ${EVP_HARD_LIBRARIES})
    elseif(NOT type STREQUAL "OBJECT_LIBRARY")
      target_link_options(${target} PRIVATE ${EVP_HARD_LINK})
      target_link_libraries(${target} PRIVATE ${EVP_HARD_LIBRARIES})
    endif()
  endforeach()
endfunction()
