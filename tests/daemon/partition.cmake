# SPDX-License-Identifier: GPL-2.0-or-later
# Partitioning the host's cores: rules against a made-up tree, and what this host can do for real.
# Of the program; what it says goes to the test.
set(sources_partition_rivals ${CMAKE_SOURCE_DIR}/src/daemon/main/pool.c)
foreach(name partition partition_fair partition_host partition_rivals partition_scan)
	pinfold_program(test_${name} SOURCES test_${name}.c ${sources_${name}} DEPS room_daemon_partition)
	target_include_directories(test_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../unit)
	add_test(NAME daemon/${name} COMMAND test_${name})
	set_tests_properties(daemon/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 180 LABELS daemon)
endforeach()
# They move this host's cores between cgroups and look for busy tasks: others would be in their way.
set_tests_properties(daemon/partition_host daemon/partition_rivals daemon/partition_scan PROPERTIES RUN_SERIAL ON)
