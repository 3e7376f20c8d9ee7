# SPDX-License-Identifier: GPL-2.0-or-later
# A real gdb-multiarch against every architecture. Not x64-ring3 on kvm: a software KVM loses steps
# and breakpoints when the guest enters ring 3 (docs/gdb.md).
set(GDB_TEST ${CMAKE_CURRENT_LIST_DIR}/test_gdb.sh)
foreach(pair x86/unicorn x64/unicorn x64-ring3/unicorn arm/unicorn thumb/unicorn armeb/unicorn
	arm64/unicorn riscv64/unicorn x86/kvm x64/kvm)
	string(REPLACE "/" ";" words ${pair})
	add_test(NAME system/gdb/${pair} COMMAND ${GDB_TEST} $<TARGET_FILE:pinfold>
		${CMAKE_BINARY_DIR}/guests ${words})
	set_tests_properties(system/gdb/${pair} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS system)
endforeach()
