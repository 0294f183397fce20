# SPDX-License-Identifier: MIT
# evpoll.dll: exports by evpoll.def with their ordinals, a version resource, and no library but the
# system's. With it the import libraries, libevpoll.dll.a and, for MSVC, evpoll.lib.
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
  message(FATAL_ERROR "evpoll: Windows of 32 bits is not supported; build for x86-64 or arm64")
endif()
enable_language(RC)
configure_file(evpoll.rc.in evpoll.rc @ONLY)
target_sources(evpoll PRIVATE ${PROJECT_SOURCE_DIR}/evpoll.def ${CMAKE_CURRENT_BINARY_DIR}/evpoll.rc)
set_target_properties(evpoll PROPERTIES PREFIX "")
set(EVP_SYSTEM_LIBRARIES ws2_32 iphlpapi ntdll)
set(EVP_SYSTEM_LIBRARIES ${EVP_SYSTEM_LIBRARIES} ${EVP_HARD_LIBRARIES} PARENT_SCOPE) # for pkg-config
target_link_libraries(evpoll PRIVATE ${EVP_SYSTEM_LIBRARIES})
target_link_libraries(evpoll_static PUBLIC ${EVP_SYSTEM_LIBRARIES})
if(MSVC)
  include(msvc.cmake)
  return()
endif()
# For Windows 10, and the same bytes from the same sources: no time of linking, no folder's name.
target_link_options(evpoll PRIVATE LINKER:--major-os-version,10)
if(EVPOLL_ZIG) # which exports what it is told to, and has no time in what it links
  target_link_options(evpoll PRIVATE LINKER:--subsystem,console
    LINKER:--major-subsystem-version,10 LINKER:--minor-subsystem-version,0)
else()
  target_link_options(evpoll PRIVATE -static-libgcc LINKER:--exclude-all-symbols
    LINKER:--no-insert-timestamp LINKER:--subsystem,console:10.0)
endif()
foreach(target evpoll_objects evpoll evpoll_static)
  target_compile_options(${target} PRIVATE
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}=. -ffile-prefix-map=${PROJECT_BINARY_DIR}=.)
endforeach()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # The C runtime that Windows 10 has, by name, since GCC links msvcrt unless it was built for this
  # one. No object of ours depends on which, so the static library serves with either.
  set(evp_runtime -lmingw32 -lgcc -lgcc_eh -lmoldname -lmingwex -lucrt -lkernel32)
  target_link_options(evpoll PRIVATE -nodefaultlibs)
  target_link_libraries(evpoll PRIVATE ${evp_runtime} ${evp_runtime}) # they need each other
endif()
set_target_properties(evpoll_static PROPERTIES OUTPUT_NAME evpoll)

find_program(EVPOLL_DLLTOOL NAMES llvm-dlltool-14 llvm-dlltool)
if(EVPOLL_DLLTOOL)
  set(evp_msvc_library ${CMAKE_CURRENT_BINARY_DIR}/evpoll.lib)
  set(EVP_MSVC_LIBRARY ${evp_msvc_library} PARENT_SCOPE)
  set(machine i386:x86-64)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|ARM64)$")
    set(machine arm64)
  endif()
  add_custom_command(OUTPUT ${evp_msvc_library}
    COMMAND ${EVPOLL_DLLTOOL} -m ${machine} -D evpoll.dll -d ${PROJECT_SOURCE_DIR}/evpoll.def
            -l ${evp_msvc_library}
    DEPENDS ${PROJECT_SOURCE_DIR}/evpoll.def VERBATIM)
  add_custom_target(evpoll_msvc_library ALL DEPENDS ${evp_msvc_library})
endif()
