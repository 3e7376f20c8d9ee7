# SPDX-License-Identifier: GPL-2.0-or-later
# VMs that run operating systems, under the real daemon. daemon/virt needs none; daemon/linux takes Debian's kernel.
# The long form is in scripts/test-riscv.
foreach(name linux virt)
	add_test(NAME daemon/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_${name}.sh
		${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${plain_dir}/guests ${CMAKE_CURRENT_SOURCE_DIR})
	set_tests_properties(daemon/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon RUN_SERIAL TRUE)
endforeach()
