# SPDX-License-Identifier: GPL-2.0-or-later
# pinfold top before a made-up daemon.
pinfold_program(top_daemon SOURCES ${CMAKE_CURRENT_LIST_DIR}/top_daemon.c DEPS PkgConfig::JANSSON)
pinfold_system_test(top 300 ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
