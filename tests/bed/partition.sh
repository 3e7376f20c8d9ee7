#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by check
# The room "partition" on real cores: its unit and host tests, from the root group and from a service's.
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=launch_lib.sh
. /bed/launch_lib.sh

check unit/partition in_group system.slice/test test_partition
check host/from-a-service in_group system.slice/test test_partition_host
check host/from-the-root in_group . test_partition_host
check host/left-nothing groups_removed
finish
