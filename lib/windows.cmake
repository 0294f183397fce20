# SPDX-License-Identifier: MIT
# evpoll.dll: exports by evpoll.def with their ordinals, a version resource, and no library but the
# system's. With it the import libraries, libevpoll.dll.a and, for MSVC, evpoll.lib.
enable_language(RC)
configure_file(evpoll.rc.in evpoll.rc @ONLY)
target_sources(evpoll PRIVATE ${PROJECT_SOURCE_DIR}/evpoll.def ${CMAKE_CURRENT_BINARY_DIR}/evpoll.rc)
set_target_properties(evpoll PROPERTIES PREFIX "")
set(EVP_SYSTEM_LIBRARIES ws2_32 iphlpapi ntdll)
set(EVP_SYSTEM_LIBRARIES ${EVP_SYSTEM_LIBRARIES} PARENT_SCOPE) # for pkg-config
target_link_libraries(evpoll PRIVATE ${EVP_SYSTEM_LIBRARIES})
target_link_options(evpoll PRIVATE -static-libgcc LINKER:--exclude-all-symbols)
target_link_libraries(evpoll_static PUBLIC ${EVP_SYSTEM_LIBRARIES})
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
