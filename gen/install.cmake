# SPDX-License-Identifier: MIT
# What `cmake --install` puts where. No relative folder becomes absolute here: the prefix may be
# chosen at install time, and the installed files may be moved afterwards.
option(EVPOLL_INSTALL "Install evpoll" ${EVPOLL_TOP_LEVEL})
if(NOT EVPOLL_INSTALL)
  return()
endif()

# Package managers that build one kind of library for all say so.
option(EVPOLL_INSTALL_SHARED "Install the shared library" ON)
option(EVPOLL_INSTALL_STATIC "Install the static library" ON)
if(EVPOLL_INSTALL_SHARED)
  install(TARGETS evpoll EXPORT evpoll
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endif()
if(EVPOLL_INSTALL_STATIC)
  install(TARGETS evpoll_static EXPORT evpoll
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endif()
if(EVP_MSVC_LIBRARY AND EVPOLL_INSTALL_SHARED)
  install(FILES ${EVP_MSVC_LIBRARY}
    DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endif()
if(EVPOLL_HAS_SDT)
  install(FILES ${PROJECT_SOURCE_DIR}/bindings/c/evpoll-top.bt
    DESTINATION ${CMAKE_INSTALL_DATADIR}/evpoll COMPONENT development)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/abi/evpoll.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

# find_package(evpoll 1.0)
set(evp_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/evpoll)
configure_package_config_file(${PROJECT_SOURCE_DIR}/bindings/c/evpollConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/evpollConfig.cmake INSTALL_DESTINATION ${evp_package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/evpollConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(EXPORT evpoll NAMESPACE evpoll:: FILE evpollTargets.cmake
  DESTINATION ${evp_package_dir} COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/package/evpollConfig.cmake
  ${PROJECT_BINARY_DIR}/package/evpollConfigVersion.cmake
  DESTINATION ${evp_package_dir} COMPONENT development)

# pkg-config evpoll: the prefix is found from where the file lies, unless the library folder is
# absolute and has no fixed way back to it.
set(evp_pc_libdir ${CMAKE_INSTALL_LIBDIR})
set(evp_pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(evp_pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH evp_pc_up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /prefix)
  string(REGEX REPLACE "/$" "" evp_pc_up "${evp_pc_up}")
  set(evp_pc_prefix "\${pcfiledir}/${evp_pc_up}")
  string(PREPEND evp_pc_libdir "\${prefix}/")
endif()
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  string(PREPEND evp_pc_includedir "\${prefix}/")
endif()
set(evp_pc_private -pthread)
if(WIN32)
  list(TRANSFORM EVP_SYSTEM_LIBRARIES PREPEND -l OUTPUT_VARIABLE evp_pc_private)
  list(JOIN evp_pc_private " " evp_pc_private)
endif()
set(evp_pc_public "")
if(NOT EVPOLL_INSTALL_SHARED) # then nobody has to ask for what the static one needs
  set(evp_pc_public " ${evp_pc_private}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/bindings/c/evpoll.pc.in
  ${PROJECT_BINARY_DIR}/package/evpoll.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/evpoll.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# The two texts called README.md: the project's, and the rules that hold for all functions.
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
foreach(text README.md CHANGELOG.md)
  if(EXISTS ${PROJECT_SOURCE_DIR}/${text})
    install(FILES ${PROJECT_SOURCE_DIR}/${text}
      DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
  endif()
endforeach()
if(EXISTS ${PROJECT_SOURCE_DIR}/abi/README.md)
  install(FILES ${PROJECT_SOURCE_DIR}/abi/README.md
    DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME abi.md COMPONENT development)
endif()

# Manual pages, one for each function and evpoll(7): Python 3.9 writes them, where it is there.
find_program(EVP_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH) # version managers put slow wrappers in front
find_program(EVP_PYTHON NAMES python3 python)
set(evp_has_python OFF)
if(EVP_PYTHON)
  set(evp_has_python ON)
endif()
if(WIN32)
  return()
endif()
option(EVPOLL_MAN "Write the manual pages (needs Python 3.9), and install them" ${evp_has_python})
if(EVPOLL_MAN)
  if(NOT evp_has_python)
    message(FATAL_ERROR "evpoll: the manual pages need python3; or build with -DEVPOLL_MAN=OFF")
  endif()
  set(evp_man ${PROJECT_BINARY_DIR}/package/man)
  add_custom_command(OUTPUT ${evp_man}/man7/evpoll.7
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${evp_man}
    COMMAND ${EVP_PYTHON} -B ${PROJECT_SOURCE_DIR}/gen/man.py ${evp_man}
    DEPENDS ${PROJECT_SOURCE_DIR}/gen/man.py ${PROJECT_SOURCE_DIR}/abi/evpoll.h VERBATIM)
  add_custom_target(evpoll_man ALL DEPENDS ${evp_man}/man7/evpoll.7)
  install(DIRECTORY ${evp_man}/ DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT development)
elseif(NOT evp_has_python)
  message(STATUS "evpoll: no Python, so no manual pages; with it, -DEVPOLL_MAN=ON")
endif()
