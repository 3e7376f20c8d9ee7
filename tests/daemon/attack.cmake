# SPDX-License-Identifier: GPL-2.0-or-later
# Attacks on the real daemon: other users, files and folders that are not what they seem, made-up requests.
add_test(NAME daemon/attack COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_attack.sh
	${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${plain_dir}/guests ${CMAKE_CURRENT_SOURCE_DIR})
pinfold_program(test_api_fuzz SOURCES test_api_fuzz.c DEPS http_rig room_daemon_api)
target_include_directories(test_api_fuzz PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../unit)
add_test(NAME daemon/api_fuzz COMMAND test_api_fuzz ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${plain_dir}/guests)
# They want the cores and the partition for themselves.
set_tests_properties(daemon/attack daemon/api_fuzz PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon RUN_SERIAL TRUE)
