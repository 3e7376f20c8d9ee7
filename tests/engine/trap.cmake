# SPDX-License-Identifier: GPL-2.0-or-later
# Engine `trap` runs on hosts that are a RISC-V. Elsewhere it is built by the cross compiler, in a build of its own below this
# one, and tested under qemu-riscv64.
include(ExternalProject)
set(trap_dir ${CMAKE_BINARY_DIR}/riscv64)
ExternalProject_Add(riscv64
	SOURCE_DIR ${CMAKE_SOURCE_DIR}
	BINARY_DIR ${trap_dir}
	CMAKE_ARGS -DCMAKE_TOOLCHAIN_FILE=${CMAKE_SOURCE_DIR}/scripts/cmake/riscv64.cmake -DCMAKE_BUILD_TYPE=RelWithDebInfo
		-DPINFOLD_PARTS=engine -DPINFOLD_WERROR=${PINFOLD_WERROR}
	BUILD_ALWAYS ON
	INSTALL_COMMAND "")

# trap_host_test(NAME COMMAND...): a test that runs on a RISC-V, or what claims to be one
function(trap_host_test name)
	add_test(NAME engine/trap_${name} COMMAND ${ARGN})
	set_tests_properties(engine/trap_${name} PROPERTIES LABELS engine SKIP_RETURN_CODE 77 TIMEOUT 400 PROCESSORS 2)
endfunction()

trap_host_test(contract qemu-riscv64 ${trap_dir}/bin/test_engine_contract)
trap_host_test(points qemu-riscv64 ${trap_dir}/bin/test_engine_points)
trap_host_test(hostile qemu-riscv64 ${trap_dir}/bin/test_trap_hostile)
trap_host_test(guests ${CMAKE_CURRENT_SOURCE_DIR}/trap/trap_test.sh ${trap_dir}/bin/trap_run ${CMAKE_BINARY_DIR}/guests qemu-riscv64)
trap_host_test(lamb ${CMAKE_CURRENT_SOURCE_DIR}/trap/lamb_test.sh ${trap_dir}/bin/trap_run ${CMAKE_BINARY_DIR}/guests qemu-riscv64)

add_test(NAME system/trap_linux COMMAND ${CMAKE_SOURCE_DIR}/tests/system/test_trap_linux.sh ${trap_dir}/bin ${CMAKE_BINARY_DIR}/guests)
set_tests_properties(system/trap_linux PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600 LABELS system)
