# SPDX-License-Identifier: MIT
# What is installed for Windows serves another project, and the sources compile for arm64 with mingw's
# headers too.
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
evp_abi_test(two_files
  COMMAND sh ${PROJECT_SOURCE_DIR}/tests/consumer/two_files.sh
    ${CMAKE_CURRENT_BINARY_DIR}/consumer/two_files ${CMAKE_C_COMPILER}
  PROPERTIES ENVIRONMENT
    "CXX=${CMAKE_CXX_COMPILER} -static;NM=x86_64-w64-mingw32-nm;EMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR}")
evp_abi_test(arm64 COMMAND sh ${PROJECT_SOURCE_DIR}/tests/abi/arm64.sh ${PROJECT_SOURCE_DIR})

evp_abi_test(reproducible
  COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/reproducible.sh ${PROJECT_SOURCE_DIR}
    ${CMAKE_CURRENT_BINARY_DIR}/reproducible ${PROJECT_SOURCE_DIR}/gen/mingw-x86_64.cmake RelWithDebInfo
  PROPERTIES ENVIRONMENT "CMAKE_GENERATOR=${CMAKE_GENERATOR}")
evp_abi_test(refuses_32_bits
  COMMAND ${CMAKE_COMMAND} -S ${PROJECT_SOURCE_DIR} -B ${CMAKE_CURRENT_BINARY_DIR}/refused
    --toolchain ${PROJECT_SOURCE_DIR}/gen/mingw-x86_64.cmake -DCMAKE_C_FLAGS=-m32
    -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY
  PROPERTIES PASS_REGULAR_EXPRESSION "Windows of 32 bits is not supported")
