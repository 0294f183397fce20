# SPDX-License-Identifier: MIT
# Of the tests of the ABI those that any POSIX system and C library can run: the programs of earlier versions.
set(dir ${CMAKE_CURRENT_BINARY_DIR}/released)
file(STRINGS ${PROJECT_SOURCE_DIR}/abi/baseline/evpoll-1.0.symbols symbols REGEX "^evpoll_")
list(TRANSFORM symbols REPLACE "^([a-z_0-9]+).*" "EXPORT(\\1)")
list(JOIN symbols "\n" symbols)
file(CONFIGURE OUTPUT ${dir}/exports-1.0.inc CONTENT "${symbols}" @ONLY)
foreach(way evpoll evpoll_static)
  add_executable(released_${way} ${CMAKE_CURRENT_LIST_DIR}/released/1.0.c)
  target_include_directories(released_${way} PRIVATE ${dir} ${PROJECT_SOURCE_DIR}/abi/baseline)
  target_link_libraries(released_${way} PRIVATE evpoll::${way})
  add_test(NAME abi.released_1.0_runs_with_${way} COMMAND released_${way} ${dir}/file_${way})
  set_tests_properties(abi.released_1.0_runs_with_${way} PROPERTIES LABELS abi TIMEOUT 60)
endforeach()
