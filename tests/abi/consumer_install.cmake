# SPDX-License-Identifier: MIT
# cmake -P consumer_install.cmake BUILD PREFIX: installs into an empty folder.
file(REMOVE_RECURSE ${CMAKE_ARGV4})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${CMAKE_ARGV3} --prefix ${CMAKE_ARGV4}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
