# SPDX-License-Identifier: GPL-2.0-or-later
# The dispatcher with fake VMs.

# A program of its own, without the sanitizers: like a VM process, it is not part of the daemon, and its spinning thread must
# get its signals at once.
set(src ${CMAKE_SOURCE_DIR}/src)
add_executable(fake_vcpu ${CMAKE_CURRENT_SOURCE_DIR}/fake_vm.c ${src}/vm/gate.c ${src}/host/timer.c ${src}/host/sock.c ${src}/base/errmsg.c ${src}/base/bug.c)
target_include_directories(fake_vcpu PRIVATE ${src})
target_compile_definitions(fake_vcpu PRIVATE _GNU_SOURCE)
target_compile_options(fake_vcpu PRIVATE -Wall -Wextra -O2)
target_link_libraries(fake_vcpu PRIVATE pthread rt)

add_library(fake_vm_rig STATIC ${CMAKE_CURRENT_SOURCE_DIR}/fake_vm_rig.c)
target_include_directories(fake_vm_rig PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(fake_vm_rig PUBLIC room_daemon_dispatch)

# They measure who runs when: one at a time.
foreach(name dispatch dispatch_bad dispatch_line dispatch_restart dispatch_threads)
	pinfold_program(test_${name} SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/test_${name}.c DEPS fake_vm_rig)
	target_include_directories(test_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../unit)
	add_dependencies(test_${name} fake_vcpu)
	add_test(NAME daemon/${name} COMMAND test_${name} $<TARGET_FILE:fake_vcpu>)
	set_tests_properties(daemon/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon RUN_SERIAL ON)
endforeach()
