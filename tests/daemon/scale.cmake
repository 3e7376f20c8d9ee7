# SPDX-License-Identifier: GPL-2.0-or-later
# Many VMs, in a small form of the benchmark that judges what is counted: every VM ran to its end, parked ones never wake up,
# all are listed, none is left.
add_test(NAME daemon/scale COMMAND bench_daemon_scale ${CMAKE_BINARY_DIR} --check)
# They want the pool for themselves.
set_tests_properties(daemon/scale PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS daemon RUN_SERIAL TRUE)
