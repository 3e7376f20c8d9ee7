# SPDX-License-Identifier: GPL-2.0-or-later
# pinfold --host through a real sshd, before a real daemon with real-time threads: nobody else on its cores.
pinfold_system_test(ssh 300 ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${plain_dir}/guests)
math(EXPR ssh_seconds "300 * ${timeout_factor}")
set_tests_properties(system/ssh PROPERTIES RUN_SERIAL TRUE RESOURCE_LOCK pool TIMEOUT ${ssh_seconds})
