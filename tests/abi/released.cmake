# SPDX-License-Identifier: MIT
# The program of each released version, made as it was then and run with today's library.

set(released_dir ${CMAKE_CURRENT_SOURCE_DIR}/released)
set(baseline_dir ${PROJECT_SOURCE_DIR}/abi/baseline)
file(GLOB released_programs CONFIGURE_DEPENDS ${released_dir}/*.c)
file(GLOB released_symbols CONFIGURE_DEPENDS ${baseline_dir}/evpoll-*.symbols)

# What that version's library showed to the linker: its symbols in their nodes, with no code.
function(evp_released_library version out_dir)
  set(symbols ${baseline_dir}/evpoll-${version}.symbols)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${symbols})
  file(STRINGS ${symbols} lines REGEX "^evpoll_")
  set(code "")
  set(uses "")
  set(def "LIBRARY evpoll\nEXPORTS\n")
  set(last "")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^([a-z_0-9]+) ([A-Z_0-9.]+) (@[0-9]+)$" _ "${line}")
    if(NOT CMAKE_MATCH_2 STREQUAL last)
      string(APPEND def ";@ ${CMAKE_MATCH_2}\n")
      set(last ${CMAKE_MATCH_2})
    endif()
    string(APPEND def "${CMAKE_MATCH_1} ${CMAKE_MATCH_3}\n")
    string(APPEND code "void ${CMAKE_MATCH_1}(void);\nvoid ${CMAKE_MATCH_1}(void) {}\n")
    string(APPEND uses "EXPORT(${CMAKE_MATCH_1})\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out_dir}/evpoll.c CONTENT "${code}" @ONLY)
  file(CONFIGURE OUTPUT ${out_dir}/evpoll.def CONTENT "${def}" @ONLY)
  file(CONFIGURE OUTPUT ${out_dir}/exports-${version}.inc CONTENT "${uses}" @ONLY)
  evp_version_script(${out_dir}/evpoll.def ${out_dir}/evpoll.map)
endfunction()

foreach(symbols IN LISTS released_symbols)
  string(REGEX REPLACE ".*/evpoll-(.*)\\.symbols$" "\\1" version ${symbols})
  set(program ${released_dir}/${version}.c)
  if(NOT EXISTS ${program})
    message(FATAL_ERROR "abi/baseline has evpoll ${version}, but tests/abi/released/${version}.c "
                        "is missing: each version keeps a program that uses all of it")
  endif()
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/released-${version})
  evp_released_library(${version} ${dir})

  add_library(released_library_${version} SHARED ${dir}/evpoll.c)
  set_target_properties(released_library_${version} PROPERTIES OUTPUT_NAME evpoll SOVERSION 1
    LIBRARY_OUTPUT_DIRECTORY ${dir})
  target_link_options(released_library_${version} PRIVATE
    LINKER:--version-script=${dir}/evpoll.map)

  add_executable(released_program_${version} ${program})
  target_include_directories(released_program_${version} PRIVATE ${dir} ${baseline_dir})
  target_link_libraries(released_program_${version} PRIVATE released_library_${version})
  set_target_properties(released_program_${version} PROPERTIES SKIP_BUILD_RPATH ON)
  evp_abi_test(released_${version}_runs
    COMMAND released_program_${version} ${dir}/file
    PROPERTIES ENVIRONMENT "LD_LIBRARY_PATH=$<TARGET_FILE_DIR:evpoll>;LD_BIND_NOW=1")
endforeach()
