# SPDX-License-Identifier: MIT
# cmake -DDEF=<evpoll.def> -DOUT=<script> -P version_script.cmake: what the build does, alone.
cmake_minimum_required(VERSION 3.20)
include(${CMAKE_CURRENT_LIST_DIR}/../../gen/version_script.cmake)
evp_version_script(${DEF} ${OUT})
