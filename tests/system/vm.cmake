# SPDX-License-Identifier: GPL-2.0-or-later
# The VM interface, contexts, limits and memory, driven through real VM processes.
add_library(vmtest STATIC ${CMAKE_CURRENT_LIST_DIR}/vmtest.c)
target_link_libraries(vmtest PUBLIC pinfold_options room_launch)
target_include_directories(vmtest PUBLIC ${CMAKE_SOURCE_DIR}/tests)
foreach(name context)
	pinfold_program(test_${name} SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_${name}.c DEPS vmtest room_vm)
	target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
endforeach()
foreach(variant x86 x64 x64-ring3 arm thumb armeb arm64 riscv64)
	add_test(NAME system/context/${variant} COMMAND test_context ${CMAKE_BINARY_DIR} ${variant})
	set_tests_properties(system/context/${variant} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120 LABELS system)
endforeach()
