#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by check
# The daemon on real cores: roles, isolated partition, sharing, exclusive cores and their cap, quotas, kills; all of it
# under a trace of the kernel's scheduler that must hold no offence.
# Usage: daemon.sh [short]
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=trace_lib.sh
. /bed/trace_lib.sh
# shellcheck source=daemon_lib.sh
. /bed/daemon_lib.sh

# The emulated processors stand still for milliseconds when the machine below is busy: who is late is not hostile, and
# what takes microseconds elsewhere, a change of slices, takes a good part of a millisecond.
mkdir -p /etc/pinfold
printf 'patience = 1000\nslice_default = 30ms\n' >/etc/pinfold/pinfoldd.conf

daemon_starts()
{
	pinfold up
	[ "$(status_of .backend)" = isolated ]
	[ "$(status_of .control_core)" = 0 ]
	[ "$(status_of .housekeeping_core)" = 1 ]
	[ "$(status_of '.pool | join(" ")')" = "2 3 4 5" ]
	[ "$(status_of .exclusive.cap)" = 2 ]
}

partition_is_isolated()
{
	grep -l isolated /sys/fs/cgroup/*/cpuset.cpus.partition
	part=$(grep -l '^isolated$' /sys/fs/cgroup/*/cpuset.cpus.partition)
	[ "$(cat "${part%.partition}.effective")" = 2-5 ]
	[ "$(cat /sys/fs/cgroup/cpuset.cpus.effective)" = 0-1 ]
	# No one else gets there, not even root.
	! taskset -c 3 true
}

eight_share_the_pool()
{
	n=0
	for guest in x86 x64 arm arm64 riscv64 x86 arm64 riscv64; do
		n=$((n + 1))
		create "share$n" "$guest/endless.elf"
	done
	wait_for 60 all_have_run 20
	vms_of '.[] | [.name, .state, .core, .slices, .cpu_ns, .wait_ns] | @tsv'
	[ "$(vms_of '[.[] | select(.state == "running")] | length')" = 8 ]
}

# all_have_run SLICES
all_have_run()
{
	[ "$(vms_of "[.[] | select(.slices >= $1)] | length")" = 8 ]
}

# share_rows: name, slices and CPU time of those who share, by name.
share_rows()
{
	vms_of '.[] | select(.name | startswith("share")) | [.name, .slices, .cpu_ns] | @tsv' | sort
}

# have_had MORE: whether each has had so many slices more than in /tmp/before.
have_had()
{
	share_rows >/tmp/after
	paste /tmp/before /tmp/after | awk -v more="$1" '{ n += $5 - $2 >= more } END { exit n != 8 }'
}

# Equal VMs get equal turns and equal time, from a common start until each has had 40 turns. A processor that the machine below does
# not run makes one turn long: its VM is counted time that it did not have.
sharing_is_fair()
{
	share_rows >/tmp/before
	wait_for 120 have_had 40
	paste /tmp/before /tmp/after | awk '
		function add(i, got) {
			sum[i] += got
			squares[i] += got * got
			least[i] = NR == 1 || got < least[i] ? got : least[i]
			most[i] = got > most[i] ? got : most[i]
		}
		{
			add(1, $5 - $2)
			add(2, ($6 - $3) / 1e6)
		}
		END {
			turns = squares[1] ? sum[1] * sum[1] / (NR * squares[1]) : 0
			time = squares[2] ? sum[2] * sum[2] / (NR * squares[2]) : 0
			printf "note: fairness of %d VMs: turns %d to %d, Jain %.4f; time %.0f to %.0f ms, Jain %.4f\n",
				NR, least[1], most[1], turns, least[2], most[2], time
			exit !(NR == 8 && turns >= 0.95 && time >= 0.9)
		}'
}

# exclusive_used N: a core is exclusive once its last sharer has left.
exclusive_used()
{
	[ "$(status_of .exclusive.used)" = "$1" ]
}

# Two may have a core of their own, half of the pool; a third is refused and nothing changes.
exclusive_cores_and_cap()
{
	create own1 arm64/endless.elf --exclusive
	create own2 x64/endless.elf --exclusive
	wait_for 60 exclusive_used 2
	wait_for 60 has_run own1 1
	wait_for 60 has_run own2 1
	if create own3 arm/endless.elf --exclusive; then
		echo "a third exclusive core was given"
		return 1
	fi
	[ "$(status_of .exclusive.used)" = 2 ]
	a=$(vms_of '.[] | select(.name == "own1") | .core')
	b=$(vms_of '.[] | select(.name == "own2") | .core')
	[ "$a" != "$b" ]
	echo "$a $(vcpu_of own1)" >/tmp/own1
	echo "$b $(vcpu_of own2)" >/tmp/own2
	from=$(trace_now)
	# All of their cores' time is theirs.
	for name in own1 own2; do
		cut -d ' ' -f 1 "/proc/$(cut -d ' ' -f 2 "/tmp/$name")/schedstat" >"/tmp/$name.ns"
	done
	start=$(trace_now)
	sleep 3
	for name in own1 own2; do
		cut -d ' ' -f 1 "/proc/$(cut -d ' ' -f 2 "/tmp/$name")/schedstat" >>"/tmp/$name.ns"
		awk -v s="$start" -v e="$(trace_now)" -v name="$name" '
			{ ns[NR] = $1 }
			END {
				share = (ns[2] - ns[1]) / 1e9 / (e - s)
				printf "note: %s had %.1f %% of its core\n", name, 100 * share
				exit !(share > 0.7)
			}' "/tmp/$name.ns"
		echo "exclusive $(cat "/tmp/$name") $from $(trace_now)" >>"$trace_facts"
	done
	pinfold rm --force own3 2>/dev/null || :
}

# Sharing goes on in what is left, and comes back to all of it.
pin_and_unpin()
{
	if pinfold pin share1; then
		echo "pinned over the cap"
		return 1
	fi
	pinfold unpin own1
	pinfold pin share1
	wait_for 60 exclusive_used 2
	pinfold unpin share1
	pinfold unpin own2
	wait_for 60 exclusive_used 0
	before=$(vms_of '.[] | select(.name == "own2") | .slices')
	wait_for 30 has_run own2 $((before + 10))
}

# has_passed SECONDS: since the trace's time $start.
has_passed()
{
	awk -v s="$start" -v e="$(trace_now)" -v max="$1" 'BEGIN { exit e - s < max }'
}

# Cores are taken from those who share them, again and again: each time they park, none is held to be hung. Three times around;
# a machine that takes minutes for that may stop when it has been around once.
pins_come_and_go()
{
	start=$(trace_now)
	n=0
	while [ "$n" -lt 24 ] && { [ "$n" -lt 8 ] || ! has_passed 120; }; do
		name=share$((n % 8 + 1))
		pinfold pin "$name"
		wait_for 60 exclusive_used 1
		pinfold unpin "$name"
		n=$((n + 1))
	done
	awk -v n="$n" -v s="$start" -v e="$(trace_now)" \
		'BEGIN { printf "note: %d pins given and taken back, %.2f s each with the command line\n", n, (e - s) / n }'
}

# What alice may not have is refused before anything changes.
# The partition leaves a VM no memory group: what bounds its memory there is a limit of the process.
memory_is_bounded()
{
	create bounded arm64/endless.elf --mem 32M
	wait_for 30 has_run bounded 3
	pid=$(vms_of '.[] | select(.name == "bounded") | .pid')
	grep . "/proc/$pid/cgroup" "/proc/$pid/task"/*/cgroup
	[ "$(cat "/proc/$pid/cgroup")" = 0::/ ]
	grep -E '^Max (data size|address space|processes)' "/proc/$pid/limits"
	[ "$(awk '/^Max data size/ { print $5 }' "/proc/$pid/limits")" = $(((32 + 1280) << 20)) ]
	[ "$(awk '/^Max processes/ { print $4 }' "/proc/$pid/limits")" = 0 ]
	pinfold rm -f bounded
}

quotas_hold()
{
	pinfold user set-quota alice --running-vms 1 --exclusive-cores 0
	create alice1 riscv64/endless.elf --owner alice
	if create alice2 riscv64/endless.elf --owner alice; then
		echo "a second VM of alice runs"
		return 1
	fi
	if pinfold pin alice/alice1; then
		echo "alice has an exclusive core"
		return 1
	fi
	wait_for 30 has_run alice1 3
	pinfold user ban alice --reason test || pinfold user ban alice
	wait_for 30 is_state alice1 killed
}

# A VM process that dies gives its core back at once; its neighbours run on.
killed_processes()
{
	for name in share2 share3 own1; do
		kill -9 "$(vms_of ".[] | select(.name == \"$name\") | .pid")"
	done
	for name in share2 share3 own1; do
		wait_for 30 is_state "$name" killed || wait_for 5 is_state "$name" faulted
	done
	before=$(vms_of '.[] | select(.name == "share4") | .slices')
	wait_for 30 has_run share4 $((before + 20))
}

# Without a daemon all park, at the latest at the end of their slice.
all_sleep()
{
	while read -r task; do
		grep -q '^State:[[:space:]]*S' "$task/status" || return 1
	done </tmp/vcpus
}

# The daemon dies and comes back: every VM lives, none is lost, all run on; also one that answers late.
killed_daemon()
{
	vms_of '.[] | select(.state == "running") | [.name, .pid] | @tsv' | sort >/tmp/before
	for name in share4 share5 share6 share7 share8; do
		vcpu_of "$name" >"/tmp/$name.vcpu"
	done
	vms_of '.[] | select(.name == "share4") | .pid' >/tmp/share4.pid
	pid=$(status_of .pid)
	kill -9 "$pid"
	wait_for 20 [ ! -e "/proc/$pid" ]
	for name in share4 share5 share6 share7 share8; do
		echo "/proc/$(cat "/tmp/$name.vcpu")"
	done >/tmp/vcpus
	wait_for 20 all_sleep
	kill -STOP "$(cat /tmp/share4.pid)"
	pinfold up
	grep -q 'a VM takes its time to be met again' /var/lib/pinfold/pinfoldd.log
	vms_of '.[] | select(.state == "running") | [.name, .pid] | @tsv' | sort >/tmp/after
	diff /tmp/before /tmp/after
	for name in share4 share5 share6; do
		before=$(vms_of ".[] | select(.name == \"$name\") | .slices")
		wait_for 30 has_run "$name" $((before + 10))
	done
}

nothing_is_left()
{
	pinfold down --kill-vms
	sleep 1
	for d in /proc/[0-9]*; do
		case $(cat "$d/comm" 2>/dev/null) in
		pinfoldd | pinfold-vm) echo "still there: $d" && return 1 ;;
		esac
	done
	find /sys/fs/cgroup -name '*pinfold*' -o -name 'vm-*' | tee /tmp/left
	[ ! -s /tmp/left ]
	[ "$(cat /sys/fs/cgroup/cpuset.cpus.effective)" = 0-5 ]
}

# Nobody was condemned who had done nothing.
nobody_is_condemned()
{
	pinfold faults --json >/tmp/faults.json
	jq -r '.[] | "note: condemned: \(.vm) \(.kind)"' /tmp/faults.json
	[ "$(jq length /tmp/faults.json)" = 0 ]
}

trace_start
trace_roles 0 1 1 2 3 4 5
check daemon/starts daemon_starts
echo "from $(trace_now)" >>"$trace_facts"
check daemon/isolated-partition partition_is_isolated
check daemon/eight-share-the-pool eight_share_the_pool
check daemon/sharing-is-fair sharing_is_fair
check daemon/exclusive-cores-and-cap exclusive_cores_and_cap
check daemon/memory-is-bounded memory_is_bounded
check daemon/quotas quotas_hold
if [ "${1:-}" != short ]; then
	check daemon/pin-and-unpin pin_and_unpin
	check daemon/pins pins_come_and_go
fi
check daemon/nobody-condemned nobody_is_condemned
if [ "${1:-}" != short ]; then
	check daemon/killed-processes killed_processes
	check daemon/killed-daemon killed_daemon
fi
echo "to $(trace_now)" >>"$trace_facts"
trace_stop
check daemon/nothing-is-left nothing_is_left
check daemon/trace trace_judge "min_runs 300" "min_vcpus 10" "min_cores 4" "min_timers 300"
[ "$bed_failed" -eq 0 ] || tail -n 30 /var/lib/pinfold/pinfoldd.log | sed 's/^/| /' >&3
finish
