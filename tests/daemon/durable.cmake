# SPDX-License-Identifier: GPL-2.0-or-later
# What outlives the daemon, with the real program.
add_test(NAME daemon/durable COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_durable.sh
	${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${plain_dir}/guests ${CMAKE_CURRENT_SOURCE_DIR})
set_tests_properties(daemon/durable PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120 LABELS daemon RUN_SERIAL TRUE)
