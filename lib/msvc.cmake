# SPDX-License-Identifier: MIT
# evpoll.dll and evpoll_static.lib by MSVC or clang-cl, from any generator.
if(CMAKE_C_COMPILER_ID STREQUAL "MSVC")
  if(MSVC_VERSION LESS 1935)
    message(FATAL_ERROR "evpoll: needs C11's atomics: Visual Studio 2022 17.5 or later, or clang-cl")
  endif()
  set(evp_atomics /experimental:c11atomics)
endif()
foreach(target evpoll_objects evpoll evpoll_static)
  # No object depends on which C runtime there is, or names one, so the static library serves with each.
  set_target_properties(${target} PROPERTIES MSVC_RUNTIME_LIBRARY MultiThreaded)
  target_compile_options(${target} PRIVATE /Zl ${evp_atomics} /guard:cf /Brepro)
endforeach()
# The DLL has the compiler's part of the runtime inside, and needs the UCRT, which Windows 10 has.
target_link_libraries(evpoll PRIVATE libcmt libvcruntime ucrt)
target_link_options(evpoll PRIVATE /NODEFAULTLIB:libucrt /SUBSYSTEM:CONSOLE,10.0
  /DYNAMICBASE /HIGHENTROPYVA /NXCOMPAT /GUARD:CF
  /Brepro /PDBALTPATH:evpoll.pdb /INCREMENTAL:NO)
