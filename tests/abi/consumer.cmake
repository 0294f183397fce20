# SPDX-License-Identifier: MIT
# Installs into the build folder and builds tests/consumer against that, in every way that is
# promised. That project is somebody else's: it is not part of this build.

set(consumer_dir ${CMAKE_CURRENT_LIST_DIR}/../consumer)
set(consumer_work ${CMAKE_CURRENT_BINARY_DIR}/consumer)
set(consumer_prefix ${consumer_work}/prefix)
set(consumer_env "CC=${CMAKE_C_COMPILER}" "CXX=${CMAKE_CXX_COMPILER}"
  "CMAKE_GENERATOR=${CMAKE_GENERATOR}")

evp_abi_test(consumer_layouts
  COMMAND sh ${consumer_dir}/layouts.sh ${PROJECT_SOURCE_DIR} ${consumer_work}/layouts
  PROPERTIES ENVIRONMENT "${consumer_env}")

# An absolute folder is not below any prefix: installing would leave the build folder.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  return()
endif()
evp_abi_test(consumer_install
  COMMAND ${CMAKE_COMMAND} -P ${CMAKE_CURRENT_LIST_DIR}/consumer_install.cmake
    ${PROJECT_BINARY_DIR} ${consumer_prefix}
  PROPERTIES FIXTURES_SETUP evpoll_installed)
set(consumer_files)
if(EVPOLL_HAS_SDT)
  set(consumer_files ${CMAKE_INSTALL_DATADIR}/evpoll/evpoll-top.bt)
endif()
evp_abi_test(consumer_manifest
  COMMAND sh ${consumer_dir}/manifest.sh ${PROJECT_SOURCE_DIR} ${consumer_prefix}
    ${CMAKE_INSTALL_LIBDIR} ${CMAKE_INSTALL_DOCDIR} ${CMAKE_INSTALL_MANDIR} ${consumer_files}
  PROPERTIES FIXTURES_REQUIRED evpoll_installed)
evp_abi_test(consumer_man
  COMMAND sh ${consumer_dir}/man.sh ${PROJECT_SOURCE_DIR} ${consumer_prefix}/${CMAKE_INSTALL_MANDIR}
  PROPERTIES FIXTURES_REQUIRED evpoll_installed)
foreach(way cmake-shared cmake-static pkg-config-shared pkg-config-static)
  evp_abi_test(consumer_${way}
    COMMAND sh ${consumer_dir}/try.sh ${way} ${consumer_prefix}/${CMAKE_INSTALL_LIBDIR}
      ${consumer_work}/${way}
    PROPERTIES FIXTURES_REQUIRED evpoll_installed ENVIRONMENT "${consumer_env}")
endforeach()
# The examples say that they build by themselves against an installed evpoll.
if(EXISTS ${PROJECT_SOURCE_DIR}/bindings/c/examples/CMakeLists.txt)
  evp_abi_test(consumer_examples
    COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${PROJECT_SOURCE_DIR}/bindings/c/examples
      ${consumer_work}/examples --build-generator ${CMAKE_GENERATOR} --build-options
      -Devpoll_DIR=${consumer_prefix}/${CMAKE_INSTALL_LIBDIR}/cmake/evpoll
    PROPERTIES FIXTURES_REQUIRED evpoll_installed ENVIRONMENT "${consumer_env}")
endif()

# Without a build system of ours: evpoll.c and evpoll.h alone.
find_program(EVP_CLANG NAMES clang-14 clang REQUIRED)
find_program(EVP_CLANGXX NAMES clang++-14 clang++ REQUIRED)
evp_abi_test(two_files_gcc
  COMMAND sh ${consumer_dir}/two_files.sh ${consumer_work}/two_files_gcc ${CMAKE_C_COMPILER}
  PROPERTIES ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER}")
evp_abi_test(two_files_clang
  COMMAND sh ${consumer_dir}/two_files.sh ${consumer_work}/two_files_clang ${EVP_CLANG}
  PROPERTIES ENVIRONMENT "CXX=${EVP_CLANGXX}")
evp_abi_test(two_files_inside
  COMMAND sh ${consumer_dir}/two_files_inside.sh ${consumer_work}/two_files_inside ${CMAKE_C_COMPILER})
