# SPDX-License-Identifier: GPL-2.0-or-later
# Checks of VM processes on a kernel with cgroup v2 alone; read after lib.sh.
# shellcheck shell=sh

guests=/pinfold/guests
cg=/sys/fs/cgroup

no_cgroup_v1()
{
	! grep -q ' cgroup ' /proc/mounts
	grep -q ' cgroup2 ' /proc/mounts
}

doctor_knows_this_host()
{
	pinfold doctor
	pinfold doctor --json >/tmp/doctor.json
	jq -e . /tmp/doctor.json
}

# in_group GROUP COMMAND...: runs in a cgroup of its own, as a service does.
in_group()
{
	mkdir -p "$cg/$1"
	group=$1
	shift
	sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cg/$group" "$@"
}

# run_guest ARCH: answers, exit status, fault and limit of one architecture.
run_guest()
{
	pinfold run "$guests/$1/sum.elf" | grep -q 5050
	code=42
	case $1 in
	x86 | x64) code=85 ;; # the exit device: (42 << 1) | 1
	esac
	expect "$code" pinfold run "$guests/$1/exit42.elf"
	expect 126 pinfold run "$guests/$1/fault_read.elf"
	expect 124 pinfold run --limit-cpu 100ms "$guests/$1/endless.elf"
	expect 124 pinfold run --timeout 300ms "$guests/$1/endless.elf"
}

# start_endless [COMMAND...]: a VM that runs until stop_endless; sets vm_pid (the VM process), run_pid (pinfold run) and
# job_pid. COMMAND may be a function: then the job is a shell of its own, and signals for "pinfold run" must not go to it.
start_endless()
{
	rm -f /tmp/endless.out
	"$@" pinfold run "$guests/riscv64/endless.elf" >/tmp/endless.out 2>&1 &
	job_pid=$!
	wait_for 60 grep -q looping /tmp/endless.out
	vm_pid=$(pgrep_vm)
	[ -n "$vm_pid" ]
	run_pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$vm_pid/status")
	[ "$(cat "/proc/$run_pid/comm")" = pinfold ]
}

# A job in the background ignores SIGINT, and so does "pinfold run" then. It ends with 137: the VM was killed.
stop_endless()
{
	kill -TERM "$run_pid"
	expect 137 wait "$job_pid"
}

# The newest VM process.
pgrep_vm()
{
	for d in /proc/[0-9]*; do
		[ "$(cat "$d/comm" 2>/dev/null)" != pinfold-vm ] || echo "${d#/proc/}"
	done | sort -n | tail -n 1
}

# limits_in_force [SLICE]: memory.max and pids.max hold for a running VM, wherever its controller was started from.
limits_in_force()
{
	start_endless in_group "$1/limits"
	path=$cg$(sed -n 's/^0:://p' "/proc/$vm_pid/cgroup")
	echo "cgroup of the VM: $path"
	cat "$path/cgroup.controllers" "$path/memory.max" "$path/pids.max"
	[ "$(cat "$path/cgroup.procs")" = "$vm_pid" ]
	max=$(cat "$path/memory.max")
	[ "$max" != max ] && [ "$max" -gt 134217728 ]
	[ "$(cat "$path/pids.max")" = 16 ]
	cat "$path/memory.current" "$path/pids.current"
	stop_endless
	[ ! -d "$path" ]
}

groups_removed()
{
	! find "$cg" -name 'vm-*' | grep .
	! find "$cg" -name pinfold | grep .
}
