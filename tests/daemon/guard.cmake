# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon's end of the guard, over a fake of the module's devices.
add_library(fake_guard STATIC ${CMAKE_CURRENT_LIST_DIR}/fake_guard.c)
target_link_libraries(fake_guard PUBLIC room_daemon_guard vms_rig)

pinfold_program(test_guard SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_guard.c DEPS fake_guard)
target_include_directories(test_guard PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../unit)
add_test(NAME daemon/guard COMMAND test_guard)
set_tests_properties(daemon/guard PROPERTIES TIMEOUT 120 LABELS daemon)

pinfold_program(test_guard_vms SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_guard_vms.c DEPS fake_guard)
if(NOT PINFOLD_PLAIN_DIR)
	add_dependencies(test_guard_vms pinfold-vm)
endif()
add_test(NAME daemon/guard_vms COMMAND test_guard_vms ${plain_dir})
set_tests_properties(daemon/guard_vms PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon)
