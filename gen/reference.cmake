# SPDX-License-Identifier: MIT
# The HTML reference: cmake --build BUILD --target docs, then BUILD/docs/html/index.html.
include_guard(GLOBAL)

add_custom_target(docs
  COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/reference.py ${PROJECT_BINARY_DIR}/docs
  VERBATIM)
