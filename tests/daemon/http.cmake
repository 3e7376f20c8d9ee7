# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the API's server and of the events, with toy operations.
add_library(http_rig STATIC http_rig.c)
target_link_libraries(http_rig PUBLIC pinfold_options room_daemon_http)

# pinfold_http_test(NAME SECONDS): builds test_NAME.c and registers it as daemon/NAME.
function(pinfold_http_test name seconds)
	pinfold_program(test_${name} SOURCES test_${name}.c DEPS http_rig)
	target_include_directories(test_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../unit)
	add_test(NAME daemon/${name} COMMAND test_${name})
	set_tests_properties(daemon/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${seconds} LABELS daemon)
endfunction()

pinfold_http_test(http 240)
pinfold_http_test(http_life 240)
pinfold_http_test(http_crowd 240)
pinfold_http_test(http_events 240)
pinfold_http_test(http_curl 240)
pinfold_http_test(http_fuzz 240)
