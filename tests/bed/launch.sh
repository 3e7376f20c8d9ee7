#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by check
# VM processes of "pinfold run" on a kernel with cgroup v2 alone: every system test of theirs, and limits wherever the
# controller was started from.
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=launch_lib.sh
. /bed/launch_lib.sh

# by_user USER COMMAND...: an ordinary user without any group.
by_user()
{
	uid=$(id -u "$1")
	shift
	# By its path: BusyBox prefers its own.
	/bin/setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}

# A group that belongs to alice, with controllers that work below it, as systemd delegates it to a user's services. Her
# processes are in a leaf, and what moves them must be hers too: the group above.
delegated_limits()
{
	mkdir -p "$cg/user.slice/alice/shell"
	for dir in user.slice user.slice/alice; do
		echo "+memory +pids" >"$cg/$dir/cgroup.subtree_control"
	done
	chown -R 1000:1000 "$cg/user.slice/alice"
	start_endless in_group user.slice/alice/shell /bin/setpriv --reuid 1000 --regid 1000 --clear-groups
	path=$cg$(sed -n 's/^0:://p' "/proc/$vm_pid/cgroup")
	stop_endless
	echo "note: an ordinary user's VM with a delegated group ran in $path"
}

# Nobody switched controllers on: VMs run all the same, and "doctor" says that there is no limit.
no_controllers()
{
	find "$cg" -mindepth 1 -type d | sort -r | while IFS= read -r dir; do
		echo "-memory -pids -cpu -io -cpuset" >"$dir/cgroup.subtree_control" 2>/dev/null || :
	done
	echo "-memory -pids" >"$cg/cgroup.subtree_control"
	pinfold run "$guests/arm/sum.elf" | grep -q 5050
	pinfold doctor | grep 'cgroup .* limit' | tee /tmp/doctor.limits
	[ "$(grep -c ' no ' /tmp/doctor.limits)" -eq 2 ]
	echo "+memory +pids +cpu +io +cpuset" >"$cg/cgroup.subtree_control"
	pinfold doctor | grep 'cgroup .* limit' | tee /tmp/doctor.limits
	[ "$(grep -c ' yes ' /tmp/doctor.limits)" -eq 2 ]
}

# 80 at once. On a busy machine a process may take longer than the ten seconds that "pinfold run" waits for it: that one ends with
# a sentence and leaves nothing, and is made once more, alone. No other sentence will do.
crowd()
{
	i=0
	pids=
	while [ "$i" -lt 16 ]; do
		for arch in x86 x64 arm arm64 riscv64; do
			pinfold run "$guests/$arch/sum.elf" >"/tmp/crowd.$i.$arch" 2>&1 &
			pids="$pids $!"
		done
		i=$((i + 1))
	done
	for pid in $pids; do
		wait "$pid" || [ "$?" -eq 125 ]
	done
	late=0
	for out in /tmp/crowd.*; do
		grep -q 5050 "$out" && continue
		echo "$out: $(cat "$out")"
		[ "$(cat "$out")" = "pinfold: the VM process does not answer" ]
		pinfold run "$guests/${out##*.}/sum.elf" >"$out"
		late=$((late + 1))
	done
	[ "$(cat /tmp/crowd.* | grep -c '5050')" -eq 80 ]
	wait_for 10 no_vm_process
	echo "note: 80 at once, of which $late took too long and were made once more"
}

no_vm_process()
{
	[ -z "$(pgrep_vm)" ]
}

build=/pinfold
for arch in x86 x64 arm arm64 riscv64; do
	check "system/limits/$arch" /pinfold/bin/test_limits "$build" "$arch"
done
for name in memory reattach; do
	check "system/$name" "/pinfold/bin/test_$name" "$build"
done
for arch in x86 x64 arm arm64 riscv64; do
	check "run/$arch" run_guest "$arch"
done
for name in host launch image_store jail gate; do
	check "unit/$name" in_group system.slice/unit "/pinfold/bin/test_$name"
done
check run/ordinary-user by_user alice pinfold run "$guests/arm64/sum.elf"
check run/limits-from-a-service limits_in_force system.slice
check run/limits-from-a-session limits_in_force session.scope/deeper
check run/limits-from-the-root limits_in_force .
check run/delegated-group delegated_limits
check run/80-at-once crowd
check run/groups-removed groups_removed
check run/no-controllers no_controllers
finish
