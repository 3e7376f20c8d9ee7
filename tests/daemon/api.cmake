# SPDX-License-Identifier: GPL-2.0-or-later
# Users, images, configuration, the API and the program itself.

# pinfold_api_test(NAME SECONDS ROOM...): builds test_NAME.c and registers it as daemon/NAME.
function(pinfold_api_test name seconds)
	pinfold_program(test_${name} SOURCES test_${name}.c DEPS ${ARGN})
	target_include_directories(test_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../unit ${CMAKE_CURRENT_SOURCE_DIR})
	add_test(NAME daemon/${name} COMMAND test_${name})
	set_tests_properties(daemon/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${seconds} LABELS daemon)
endfunction()

pinfold_api_test(users 180 room_daemon_users)
pinfold_api_test(images 180 room_daemon_images)
pinfold_api_test(config 180 room_daemon_config)
pinfold_api_test(openapi 180 room_daemon_api)
pinfold_api_test(user_limits 180 room_daemon_api)

# With the real program and real guests.
foreach(name api api_limits permissions)
	add_test(NAME daemon/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_${name}.sh
		${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${plain_dir}/guests ${CMAKE_CURRENT_SOURCE_DIR})
	# They want the cores and the partition for themselves.
	set_tests_properties(daemon/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon RUN_SERIAL TRUE)
endforeach()
