#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs a test as on a host without cgroup v2: in a mount namespace in which no such hierarchy is mounted.
# Usage: without_cgroup2.sh PROGRAM [ARG...]
set -eu

if [ "${IN_OWN_NAMESPACE:-}" != yes ]; then
	if ! unshare --mount true 2>/dev/null; then
		echo "skipped: no mount namespace can be made here; run it as root"
		exit 77
	fi
	IN_OWN_NAMESPACE=yes exec unshare --mount --propagation private sh "$0" "$@"
fi
awk '$3 == "cgroup2" { print $2 }' /proc/mounts | while read -r folder; do
	umount -l "$folder"
done
if grep ' cgroup2 ' /proc/mounts; then
	echo "FAIL: cgroup v2 is still mounted"
	exit 1
fi
exec "$@"
