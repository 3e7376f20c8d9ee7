#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by check
# The short form: what this kernel offers, the unit tests that depend on it, and a VM of each architecture.
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=launch_lib.sh
. /bed/launch_lib.sh

check machine/six-processors [ "$(nproc)" -ge 6 ]
check machine/no-cgroup-v1 no_cgroup_v1
check doctor doctor_knows_this_host
for name in host launch image_store; do
	check "unit/$name" in_group system.slice/unit "/pinfold/bin/test_$name"
done
for arch in x86 x64 arm arm64 riscv64; do
	check "run/$arch" run_guest "$arch"
done
check run/limits-in-force limits_in_force system.slice
check run/groups-removed groups_removed
finish
