# SPDX-License-Identifier: GPL-2.0-or-later
# The table of VMs: specs, and life cycles with real VM processes over a dispatcher that grants endlessly.
pinfold_program(test_vms_spec SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_vms_spec.c DEPS room_daemon_vms)
target_include_directories(test_vms_spec PRIVATE ${CMAKE_SOURCE_DIR}/tests)
add_test(NAME daemon/vms_spec COMMAND test_vms_spec)
set_tests_properties(daemon/vms_spec PROPERTIES TIMEOUT 120 LABELS daemon)

add_library(vms_rig STATIC ${CMAKE_CURRENT_LIST_DIR}/vms_rig.c ${CMAKE_CURRENT_LIST_DIR}/fake_dispatch.c)
target_link_libraries(vms_rig PUBLIC pinfold_options room_daemon_vms room_daemon_users room_daemon_images room_daemon_http
	room_daemon_store room_sched room_host)
target_include_directories(vms_rig PUBLIC ${CMAKE_SOURCE_DIR}/tests)
foreach(name vms vms_code vms_race vms_refused vms_restart vms_console vms_restore)
	pinfold_program(test_${name} SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_${name}.c DEPS vms_rig)
	if(NOT PINFOLD_PLAIN_DIR)
		add_dependencies(test_${name} pinfold-vm)
	endif()
	add_test(NAME daemon/${name} COMMAND test_${name} ${plain_dir})
	set_tests_properties(daemon/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon)
endforeach()

# On hosts without cgroup v2 VMs are frozen by SIGSTOP, and a process that a record doesn't name can only be asked to end.
add_test(NAME daemon/vms_restart_sigstop COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/without_cgroup2.sh $<TARGET_FILE:test_vms_restart>
	${plain_dir})
set_tests_properties(daemon/vms_restart_sigstop PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon)
