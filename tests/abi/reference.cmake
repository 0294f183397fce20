# SPDX-License-Identifier: MIT
# The reference is written without a single warning.
include(${PROJECT_SOURCE_DIR}/gen/reference.cmake)
evp_abi_test(reference
  COMMAND ${EVP_PYTHON} ${PROJECT_SOURCE_DIR}/gen/reference.py ${CMAKE_CURRENT_BINARY_DIR}/reference)
