#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by check
# What the kernel takes from real-time VMs: fair server and throttling are changed when pinfoldd is told to, on pool cores only,
# and are as before afterwards, also after kill -9; without them a VM keeps no core from a daemon that comes back. The fair
# server needs --kernel cloud-6.12.
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=daemon_lib.sh
. /bed/daemon_lib.sh

mkdir -p /etc/pinfold
mount -t debugfs none /sys/kernel/debug
fair=/sys/kernel/debug/sched/fair_server
throttle=/proc/sys/kernel/sched_rt_runtime_us

# runtimes: of all cores.
runtimes()
{
	for core in 0 1 2 3 4 5; do
		cat "$fair/cpu$core/runtime"
	done | tr '\n' ' '
}

needs_fair_server()
{
	[ -e "$fair/cpu0/runtime" ] || {
		echo "Linux $(uname -r) has no fair server"
		exit 77
	}
}

# up OPTION...: with patience = 1000, as in daemon.sh.
up()
{
	echo "patience = 1000" >/etc/pinfold/pinfoldd.conf
	for line in "$@"; do
		echo "$line" >>/etc/pinfold/pinfoldd.conf
	done
	timeout 300 pinfold up
	pinfold status
}

down()
{
	pinfold down --kill-vms
	wait_for 60 is_ended
}

is_ended()
{
	! kill -0 "$(cat /run/pinfold/pinfoldd.pid)" 2>/dev/null
}

killed()
{
	kill -9 "$(cat /run/pinfold/pinfoldd.pid)"
	wait_for 60 is_ended
}

left_alone()
{
	needs_fair_server
	up
	[ "$(runtimes)" = "$before" ]
	[ "$(status_of .fair_server.state)" = on ]
	down
	[ "$(runtimes)" = "$before" ]
}

switched_off()
{
	needs_fair_server
	up "fair_server = off"
	[ "$(runtimes)" = "50000000 50000000 0 0 0 0 " ]
	[ "$(status_of .fair_server.state)" = off ]
	[ "$(status_of '.guarantees[] | select(.name | startswith("no gap")) | .holds')" = true ]
	# VMs run as ever.
	create busy riscv64/endless.elf
	wait_for 60 has_run busy 20
	killed
	[ "$(runtimes)" = "50000000 50000000 0 0 0 0 " ]
	up "fair_server = 1ms"
	[ "$(runtimes)" = "50000000 50000000 1000000 1000000 1000000 1000000 " ]
	[ "$(status_of .fair_server.state)" = short ]
	wait_for 60 has_run busy 40
	down
	[ "$(runtimes)" = "$before" ]
	[ ! -e /run/pinfold/fair-server ]
}

killed_and_left()
{
	needs_fair_server
	up "fair_server = off"
	[ "$(runtimes)" = "50000000 50000000 0 0 0 0 " ]
	[ "$(cat "$throttle")" = 950000 ]
	killed
	up
	[ "$(runtimes)" = "$before" ]
	down
}

doctor_says()
{
	pinfold doctor | sed -n '/^Gaps/,/^$/p'
	if [ -e "$fair/cpu0/runtime" ]; then
		[ "$(pinfold doctor --json | jq -r '.fair_server.state, .fair_server.runtime_ns' | tr '\n' ' ')" = "on 50000000 " ]
		# Without real-time groups its kernel does not throttle.
		[ "$(pinfold doctor --json | jq -r .fair_server.throttling)" = off ]
	else
		[ "$(pinfold doctor --json | jq -r '.fair_server.state, .fair_server.throttled_ns_per_s' | tr '\n' ' ')" = "none 50000000 " ]
	fi
}

# A kernel that throttles is told not to; one that does not is left alone.
throttling()
{
	was=$(cat "$throttle")
	up "rt_throttling = off"
	if [ -e "$fair/cpu0/runtime" ]; then
		[ "$(cat "$throttle")" = "$was" ]
	else
		[ "$(cat "$throttle")" = -1 ]
		[ "$(status_of .rt_throttling.is_ended)" = true ]
		killed
		[ "$(cat "$throttle")" = -1 ]
		up "rt_throttling = off"
		[ "$(cat "$throttle")" = -1 ]
	fi
	[ "$(status_of .rt_throttling.state)" = off ]
	down
	[ "$(cat "$throttle")" = "$was" ]
}

# The daemon's new housekeeping core is where a VM has a core of its own, and the kernel takes nothing from that.
other_cores()
{
	was=$(cat "$throttle")
	up "backend = affinity" "rt_throttling = off" "fair_server = off" "cores = 0-3"
	create alone riscv64/endless.elf
	wait_for 60 has_run alone 5
	pinfold pin alone --core 2
	wait_for 60 is_alone 2
	killed
	up "backend = affinity" "rt_throttling = off" "fair_server = off" "cores = 1-3"
	[ "$(cores_of ".[] | select(.host_core == 2) | .roles[]")" = housekeeping ]
	wait_for 60 is_state alone running
	down
	[ "$(cat "$throttle")" = "$was" ]
}

# is_alone CORE: whether VM alone runs there as a real-time thread.
is_alone()
{
	[ "$(taskset -p "$(vcpu_of alone)" | sed 's/.*: //')" = "$(printf %x $((1 << $1)))" ]
	chrt -p "$(vcpu_of alone)" | grep SCHED_FIFO
}

before=
[ ! -e "$fair/cpu0/runtime" ] || before=$(runtimes)
note "fair server: ${before:-none}; throttling: $(cat "$throttle")"
check gaps/doctor doctor_says
check gaps/left-alone left_alone
check gaps/fair-server switched_off
check gaps/killed killed_and_left
check gaps/throttling throttling
check gaps/other-cores other_cores
[ "$bed_failed" -eq 0 ] || tail -n 30 /var/lib/pinfold/pinfoldd.log | sed 's/^/| /' >&3
finish
