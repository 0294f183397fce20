# SPDX-License-Identifier: MIT
# What is installed for Windows serves another project, and the sources compile for arm64, for which
# there is no tool chain here that could link.
set(consumer_prefix ${CMAKE_CURRENT_BINARY_DIR}/consumer/prefix)
evp_abi_test(consumer_install
  COMMAND ${CMAKE_COMMAND} -P ${CMAKE_CURRENT_LIST_DIR}/consumer_install.cmake
    ${PROJECT_BINARY_DIR} ${consumer_prefix}
  PROPERTIES FIXTURES_SETUP evpoll_installed)
foreach(way cmake-shared cmake-static pkg-config-shared pkg-config-static msvc-library)
  evp_abi_test(consumer_${way}
    COMMAND sh ${PROJECT_SOURCE_DIR}/tests/consumer/windows.sh ${way} ${consumer_prefix}
      ${CMAKE_CURRENT_BINARY_DIR}/consumer/${way}
    PROPERTIES FIXTURES_REQUIRED evpoll_installed
      ENVIRONMENT "CMAKE_GENERATOR=${CMAKE_GENERATOR};EMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR}")
endforeach()
evp_abi_test(arm64 COMMAND sh ${PROJECT_SOURCE_DIR}/tests/abi/arm64.sh ${PROJECT_SOURCE_DIR})
