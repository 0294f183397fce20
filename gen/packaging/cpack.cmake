# SPDX-License-Identifier: MIT
# cpack -G DEB gives libevpoll1, libevpoll-dev and libevpoll1-dbgsym of a build that was configured with
# -DCMAKE_INSTALL_PREFIX=/usr, cpack -G TGZ the whole of any build in one folder. stage.py adds what is a
# package's alone. `./run package c` makes both.
if(NOT EVPOLL_INSTALL OR NOT EVPOLL_TOP_LEVEL OR NOT evp_has_python)
  return()
endif()
set(EVPOLL_PACKAGER "The evpoll authors <evpoll@users.noreply.github.com>" CACHE STRING "Who stands in the .deb as its maintainer")

set(CPACK_PACKAGE_NAME evpoll)
set(CPACK_PACKAGE_VENDOR "The evpoll authors")
set(CPACK_PACKAGE_HOMEPAGE_URL https://github.com/evpoll/evpoll)
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
string(TOLOWER "evpoll-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}"
  CPACK_PACKAGE_FILE_NAME)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/gen/packaging/stage.cmake)
set(CPACK_EVPOLL_STAGE ${CMAKE_COMMAND} -E env "EVPOLL_PACKAGER=${EVPOLL_PACKAGER}" ${EVP_PYTHON} -B ${PROJECT_SOURCE_DIR}/gen/packaging/stage.py)
set(CPACK_COMPONENTS_ALL runtime development debug)
install(CODE "# what stage.py splits off" COMPONENT debug)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${EVPOLL_PACKAGER})
set(CPACK_DEBIAN_PACKAGE_MULTIARCH same) # CMake 3.31 or later writes it
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(evp_same "libevpoll${PROJECT_VERSION_MAJOR} (= ${PROJECT_VERSION}-1)")
set(evp_what "evpoll has one wait for everything: operations on sockets, files and
timers that are done, and handles that became ready, come out of one call.")

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libevpoll${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "one wait for sockets, files and timers (library)\n${evp_what}")
set(evp_control ${PROJECT_BINARY_DIR}/package/debian)
file(MAKE_DIRECTORY ${evp_control})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${evp_control}/shlibs ${evp_control}/symbols ${evp_control}/triggers)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libevpoll-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${evp_same}, libc6-dev | libc-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "one wait for sockets, files and timers (development files)\n${evp_what}
.
This package has what programs are built with: the header, the static
library, the files for pkg-config and CMake, and the manual pages, of which
evpoll(7) is the first to read.")

set(CPACK_DEBIAN_DEBUG_PACKAGE_NAME libevpoll${PROJECT_VERSION_MAJOR}-dbgsym)
set(CPACK_DEBIAN_DEBUG_PACKAGE_SECTION debug)
set(CPACK_DEBIAN_DEBUG_PACKAGE_DEPENDS ${evp_same})
set(CPACK_COMPONENT_DEBUG_DESCRIPTION "debug symbols for libevpoll${PROJECT_VERSION_MAJOR}\nFor debuggers, which find them by the library's build id.")

include(CPack)
