# SPDX-License-Identifier: MIT
# The reference is written without a single warning.
include(${PROJECT_SOURCE_DIR}/gen/reference.cmake)
evp_abi_test(reference
  COMMAND sh ${PROJECT_SOURCE_DIR}/gen/reference.sh ${CMAKE_CURRENT_BINARY_DIR}/reference)
