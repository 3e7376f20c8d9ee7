# SPDX-License-Identifier: GPL-2.0-or-later
# Faults under the real daemon with real VM processes. More of each: scripts/chaos.

add_library(chaos_rig STATIC chaos.c chaos_look.c core_watch.c)
target_link_libraries(chaos_rig PUBLIC pinfold_options room_sched jansson sodium pthread)
target_include_directories(chaos_rig PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})

# pinfold_faults_test(NAME TIMEOUT ARGUMENT...): alone on the machine, they measure and count.
function(pinfold_faults_test name timeout)
	pinfold_program(test_faults_${name} SOURCES test_faults_${name}.c DEPS chaos_rig)
	add_dependencies(test_faults_${name} pinfoldd)
	if(NOT PINFOLD_PLAIN_DIR)
		add_dependencies(test_faults_${name} pinfold-vm)
	endif()
	add_test(NAME daemon/faults_${name} COMMAND test_faults_${name} ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
		${plain_dir}/guests ${ARGN})
	set_tests_properties(daemon/faults_${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${timeout} LABELS daemon
		RUN_SERIAL TRUE)
endfunction()

pinfold_faults_test(vms 300 --count 1000 --seconds 55)
pinfold_faults_test(daemon 300 --count 100 --seconds 45)
pinfold_faults_test(hostile 300)

# A program of its own, without the sanitizers, like a VM process.
set(src ${CMAKE_SOURCE_DIR}/src)
add_executable(chaos_hostile chaos_hostile.c ${src}/vm/gate.c ${src}/host/timer.c ${src}/host/sock.c ${src}/base/errmsg.c
	${src}/base/bug.c ${src}/proto/proto.c)
target_include_directories(chaos_hostile PRIVATE ${src})
target_compile_definitions(chaos_hostile PRIVATE _GNU_SOURCE)
target_compile_options(chaos_hostile PRIVATE -Wall -Wextra -O2)
target_link_libraries(chaos_hostile PRIVATE pthread rt)
add_dependencies(test_faults_hostile chaos_hostile)

pinfold_faults_test(disk 300)
# Preloaded into the daemon.
add_library(chaos_eio MODULE chaos_eio.c)
target_compile_definitions(chaos_eio PRIVATE _GNU_SOURCE)
target_compile_options(chaos_eio PRIVATE -Wall -Wextra -O2)
target_link_libraries(chaos_eio PRIVATE dl)
set_target_properties(chaos_eio PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} C_CLANG_TIDY "")
add_dependencies(test_faults_disk chaos_eio)
