#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by check
# The short form: what this kernel offers, limits of a VM process on it, and the daemon on real cores.
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=launch_lib.sh
. /bed/launch_lib.sh

check machine/six-processors [ "$(nproc)" -ge 6 ]
check machine/no-cgroup-v1 no_cgroup_v1
check doctor doctor_knows_this_host
check run/limits-in-force limits_in_force system.slice
check run/groups-removed groups_removed
/bed/daemon.sh short || bed_failed=$((bed_failed + 1))
finish
