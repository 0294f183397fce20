# SPDX-License-Identifier: MIT
# What distributions build with. evp_harden(TARGET...) gives it to the library, to what has the library
# inside and to the examples; the compiler is asked for what it may not have. tests/hardened.py says
# what each system's binaries have of it, and looks.
include_guard(GLOBAL)
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)

option(EVPOLL_HARDENED "Full RELRO, stack protector, FORTIFY_SOURCE, and CET or BTI where there are any" ON)

set(evp_hard_compile "")
set(evp_hard_link "")
set(EVP_HARD_LIBRARIES "") # what a static library's users link with it
# Sanitizers see more than these do, and are in the way of some.
if(EVPOLL_HARDENED AND NOT EVPOLL_SANITIZE AND NOT MSVC)
  set(wanted -fstack-protector-strong)
  if(NOT WIN32) # there the system's loader wants stacks to grow by their guard page, which is so anyway
    list(APPEND wanted -fstack-clash-protection)
  endif()
  if(NOT WIN32 AND NOT APPLE) # whose processes have neither: the first has shadow stacks, by MSVC's linker
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
int main(int argc, char **argv) { char text[64]; sprintf(text, argv[0], argc); return text[1]; }" ${has})
    if(${has})
      list(APPEND evp_hard_compile ${flag})
    endif()
  endforeach()
  unset(CMAKE_REQUIRED_FLAGS)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)

  # Checks of lengths are the optimizer's: without it the C library's headers warn.
  set(level 2)
  if((CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 12) OR
     (CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 12))
    set(level 3)
  endif()
  foreach(config Release RelWithDebInfo MinSizeRel)
    list(APPEND evp_hard_compile
      $<$<CONFIG:${config}>:-U_FORTIFY_SOURCE> $<$<CONFIG:${config}>:-D_FORTIFY_SOURCE=${level}>)
  endforeach()

  if(WIN32 AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # What the checks call, which GCC has in a library of its own there: not as a DLL to be shipped along.
    set(EVP_HARD_LIBRARIES :libssp.a)
  endif()
  if(WIN32) # GNU's linker and Zig's set these by themselves since some version
    if(NOT EVPOLL_ZIG)
      set(evp_hard_link LINKER:--dynamicbase LINKER:--high-entropy-va LINKER:--nxcompat)
    endif()
  elseif(NOT APPLE)
    set(evp_hard_link LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
  endif()
endif()

function(evp_harden)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE ${evp_hard_compile})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      target_link_libraries(${target} PUBLIC ${EVP_HARD_LIBRARIES})
    elseif(NOT type STREQUAL "OBJECT_LIBRARY")
      target_link_options(${target} PRIVATE ${evp_hard_link})
      target_link_libraries(${target} PRIVATE ${EVP_HARD_LIBRARIES})
    endif()
  endforeach()
endfunction()
