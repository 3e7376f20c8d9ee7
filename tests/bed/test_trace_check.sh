#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The judge of scheduler traces passes a good trace and finds each forged offence.
# Usage: test_trace_check.sh TRACE_CHECK
set -eu

judge=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# Threads of the forged traces: 100 the daemon; 200, 300 VM processes; 201, 301 their vCPUs; 900 somebody else.
describe()
{
	cat <<TEXT
control 0
housekeeping 1
pool 2 3 4 5
is_isolated 1
kthread 15
TEXT
}

# at TIME CORE PREV STATE NEXT: one switch. PREV and NEXT are NAME-PID.
at()
{
	printf '%16s [%03d] d..2. %s: sched_switch: prev_comm=%s prev_pid=%s prev_prio=89 prev_state=%s ==> ' \
		"$3" "$2" "$1" "${3%-*}" "${3##*-}" "$4"
	printf 'next_comm=%s next_pid=%s next_prio=89\n' "${5%-*}" "${5##*-}"
}

# fork TIME PARENT CHILD; migrate TIME TASK FROM TO; gone TIME TASK
fork()
{
	printf '%16s [001] ..... %s: sched_process_fork: comm=%s pid=%s child_comm=%s child_pid=%s\n' \
		"$2" "$1" "${2%-*}" "${2##*-}" "${3%-*}" "${3##*-}"
}

migrate()
{
	printf '%16s [000] d..3. %s: sched_migrate_task: comm=%s pid=%s prio=89 orig_cpu=%s dest_cpu=%s\n' \
		pinfoldd-100 "$1" "${2%-*}" "${2##*-}" "$3" "$4"
}

gone()
{
	printf '%16s [001] ..... %s: sched_process_exit: comm=%s pid=%s prio=89\n' "$2" "$1" "${2%-*}" "${2##*-}"
}

# signal TIME NUMBER TASK: to its process as a whole.
signal()
{
	printf '%16s [000] d..3. %s: signal_generate: sig=%s errno=0 code=0 comm=%s pid=%s grp=1 res=0\n' \
		pinfoldd-100 "$1" "$2" "${3%-*}" "${3##*-}"
}

# timer TIME CORE TASK: it sets its timer, as before and after each run of a guest.
timer()
{
	printf '%16s [%03d] ..... %s: sys_timer_settime(timer_id: 0, flags: 0, new_setting: 7f8a13ffcc90, old_setting: 0)\n' \
		"$3" "$2" "$1"
}

# Two VMs are made on the housekeeping core and take turns on core 2 twice, with a kernel thread between.
good()
{
	echo "# tracer: nop"
	fork 1.000001 pinfoldd-100 pinfoldd-200
	fork 1.000002 pinfoldd-100 pinfoldd-300
	at 1.000100 1 swapper/1-0 R pinfold-vm-200
	fork 1.000110 pinfold-vm-200 pinfold-vm-201
	at 1.000200 1 pinfold-vm-200 S vcpu-201
	at 1.000300 1 vcpu-201 S pinfold-vm-300
	fork 1.000310 pinfold-vm-300 pinfold-vm-301
	at 1.000400 1 pinfold-vm-300 S vcpu-301
	at 1.000500 1 vcpu-301 S swapper/1-0
	at 1.001000 2 swapper/2-0 R vcpu-201
	timer 1.001010 2 vcpu-201
	at 1.003000 2 vcpu-201 R kworker/2:1-15
	at 1.003100 2 kworker/2:1-15 S vcpu-201
	at 1.011000 2 vcpu-201 S vcpu-301
	at 1.021000 2 vcpu-301 S vcpu-201
	at 1.031000 2 vcpu-201 S vcpu-301
	at 1.041000 2 vcpu-301 S swapper/2-0
}

# want STATUS NAME [TEXT]: the judgement of $tmp/trace with $tmp/facts, and what it must say.
want()
{
	status=0
	"$judge" "$tmp/trace" "$tmp/facts" >"$tmp/out" 2>&1 || status=$?
	if [ "$status" -eq "$1" ] && grep -q "${3:-switches}" "$tmp/out"; then
		echo "pass $2"
	else
		echo "FAIL $2: exit status $status, want $1, and '${3:-}' in:"
		sed 's/^/    /' "$tmp/out"
		failed=1
	fi
	describe >"$tmp/facts"
	good >"$tmp/trace"
}

describe >"$tmp/facts"
good >"$tmp/trace"
printf 'min_runs 5\nmin_vcpus 2\nmin_cores 1\nmin_timers 1\n' >>"$tmp/facts"
want 0 "a good trace" "5 runs of 2 vCPU threads on 1 pool cores.* 0 findings"

at 1.050000 0 swapper/0-0 R vcpu-201 >>"$tmp/trace"
want 1 "a vCPU on the control core" "1 times: vCPU threads on the control core"

at 1.000250 0 swapper/0-0 R vcpu-201 >>"$tmp/trace"
want 1 "a new vCPU on the control core" "1 times: vCPU threads on the control core"

{
	at 1.050000 1 swapper/1-0 R vcpu-201
	at 1.050100 1 vcpu-201 R shell-900
	at 1.050200 1 shell-900 S vcpu-201
	at 1.050300 1 vcpu-201 S swapper/1-0
	at 1.060000 2 swapper/2-0 R vcpu-201
} >>"$tmp/trace"
want 0 "a vCPU at rest that looks at its gate on the housekeeping core" "came to rest on the housekeeping core 1 times; 0 findings"

{
	at 1.050000 1 swapper/1-0 R vcpu-201
	timer 1.050050 1 vcpu-201
	at 1.050100 1 vcpu-201 S swapper/1-0
} >>"$tmp/trace"
want 1 "a vCPU at rest that runs its guest on the housekeeping core" "1 times: vCPU threads that began to run their guest"

timer 1.000250 1 vcpu-201 >>"$tmp/trace"
want 1 "a new vCPU that runs its guest on the housekeeping core" "1 times: vCPU threads that began to run their guest"

timer 1.050000 1 pinfold-vm-200 >>"$tmp/trace"
want 0 "another thread of a VM with a timer" " 0 findings"

# midway: a vCPU has the core and has not left it.
midway()
{
	at 1.045000 3 swapper/3-0 R vcpu-201
	at 1.046000 3 vcpu-201 R kworker/3:1-15
	migrate 1.047000 vcpu-201 3 1
	at 1.048000 3 kworker/3:1-15 S swapper/3-0
}

{
	midway
	at 1.050000 1 swapper/1-0 R vcpu-201
	at 1.060000 2 swapper/2-0 R vcpu-201
} >>"$tmp/trace"
want 1 "a vCPU on the housekeeping core in the middle of its turn" "1 times: vCPU threads on the housekeeping core"

{
	midway
	at 1.050000 1 swapper/1-0 R vcpu-201
} >>"$tmp/trace"
want 1 "a vCPU on the housekeeping core that does not end" "1 times: vCPU threads on the housekeeping core"

{
	midway
	at 1.050000 1 swapper/1-0 R vcpu-201
	gone 1.050001 vcpu-201
} >>"$tmp/trace"
want 0 "a vCPU that dies on the housekeeping core" " 0 findings"

{
	gone 1.049000 vcpu-201
	at 1.050000 1 swapper/1-0 R vcpu-201
} >>"$tmp/trace"
want 0 "a vCPU that is cleaned up on the housekeeping core" " 0 findings"

{
	midway
	signal 1.049000 19 pinfold-vm-200
	at 1.050000 1 swapper/1-0 R vcpu-201
	at 1.050100 1 vcpu-201 T swapper/1-0
} >>"$tmp/trace"
want 0 "a vCPU that had been told to stop when it came to the housekeeping core" " 0 findings"

{
	midway
	at 1.050000 1 swapper/1-0 R vcpu-201
	signal 1.050050 19 pinfold-vm-200
	at 1.050100 1 vcpu-201 T swapper/1-0
} >>"$tmp/trace"
want 1 "a vCPU that was told to stop only there" "1 times: vCPU threads on the housekeeping core"

{
	midway
	signal 1.049000 19 pinfold-vm-200
	signal 1.049500 18 pinfold-vm-200
	at 1.050000 1 swapper/1-0 R vcpu-201
} >>"$tmp/trace"
want 1 "a vCPU that was told to stop, and to go on" "1 times: vCPU threads on the housekeeping core"

{
	signal 1.049000 19 pinfold-vm-200
	at 1.049100 2 swapper/2-0 R vcpu-201
	at 1.049200 2 vcpu-201 T swapper/2-0
	signal 1.049500 18 pinfold-vm-200
	at 1.050000 1 swapper/1-0 R vcpu-201
	at 1.050100 1 vcpu-201 S swapper/1-0
} >>"$tmp/trace"
want 0 "a vCPU at rest that was told to stop, and to go on" " 0 findings"

{
	midway
	signal 1.049000 19 pinfold-vm-300
	signal 1.049000 10 pinfold-vm-200
	at 1.050000 1 swapper/1-0 R vcpu-201
} >>"$tmp/trace"
want 1 "a vCPU while another was told to stop" "1 times: vCPU threads on the housekeeping core"

at 1.050000 9 swapper/9-0 R vcpu-201 >>"$tmp/trace"
want 1 "a vCPU outside all roles" "1 times: vCPU threads on a core without a role"

at 1.050000 0 swapper/0-0 R pinfold-vm-200 >>"$tmp/trace"
want 1 "a VM's control thread on the control core" "1 times: other threads of VMs on the control core"

at 1.050000 3 swapper/3-0 R pinfold-vm-200 >>"$tmp/trace"
want 1 "a VM's control thread in the pool" "1 times: other threads of VMs on a pool core"

at 1.050000 4 swapper/4-0 R "my [003] shell-900" >>"$tmp/trace"
want 1 "a foreign task in the pool" "1 times: user tasks that are not ours"

at 1.050000 4 swapper/4-0 R vcpu-900 >>"$tmp/trace"
want 1 "a foreign task that calls itself vcpu" "1 times: user tasks that are not ours"

at 1.050000 4 swapper/4-0 R kworker/4:1-900 >>"$tmp/trace"
want 1 "a foreign task that calls itself a kernel thread" "1 times: user tasks that are not ours"

at 1.050000 4 swapper/4-0 R shell-900 >>"$tmp/trace"
sed -i 's/is_isolated 1/is_isolated 0/' "$tmp/facts"
want 0 "a foreign task in a pool that is not isolated" "1 of user tasks;.* 0 findings"

{
	fork 1.050000 kthreadd-2 kthreadd-16
	at 1.060000 4 swapper/4-0 R irq/9-16
} >>"$tmp/trace"
want 0 "a new kernel thread in the pool" " 0 findings"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 R vcpu-301
} >>"$tmp/trace"
want 1 "two vCPUs interleaved" "vcpu-201 had been switched out at 1.051000 in state R"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 R kworker/3:1-15
	at 1.052000 3 kworker/3:1-15 S vcpu-301
} >>"$tmp/trace"
want 1 "two vCPUs interleaved behind a kernel thread" "1 times: two vCPUs taking turns"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 D vcpu-301
} >>"$tmp/trace"
want 1 "a core that went on while its holder waited for memory" "1 times: two vCPUs taking turns"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 D vcpu-301
	at 1.052000 3 vcpu-301 S vcpu-201
	gone 1.053000 vcpu-201
} >>"$tmp/trace"
want 0 "a holder that was killed and is cleaned up" " 0 findings"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 D vcpu-301
	at 1.052000 3 vcpu-301 S vcpu-201
	at 1.053000 3 vcpu-201 S swapper/3-0
	gone 1.054000 vcpu-201
} >>"$tmp/trace"
want 1 "a holder that went on and was killed later" "1 times: two vCPUs taking turns"

{
	signal 1.049000 9 pinfold-vm-200
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 D vcpu-301
	at 1.052000 3 vcpu-301 S vcpu-201
	at 1.053000 3 vcpu-201 S swapper/3-0
	gone 1.054000 vcpu-201
} >>"$tmp/trace"
want 0 "a holder that sleeps in the kernel after it was killed" " 0 findings"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 R kworker/3:1-15
	signal 1.051500 9 pinfold-vm-200
	at 1.052000 3 kworker/3:1-15 S vcpu-301
	at 1.053000 3 vcpu-301 S vcpu-201
	at 1.054000 3 vcpu-201 S swapper/3-0
} >>"$tmp/trace"
want 0 "a holder that was killed while it was switched out" " 0 findings"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 D vcpu-301
	signal 1.051500 9 pinfold-vm-200
	at 1.052000 3 vcpu-301 S vcpu-201
	at 1.053000 3 vcpu-201 S swapper/3-0
	gone 1.054000 vcpu-201
} >>"$tmp/trace"
want 0 "a holder that was killed when another had its core" " 0 findings"

{
	signal 1.049000 9 pinfold-vm-300
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 D vcpu-301
	at 1.052000 3 vcpu-301 S vcpu-201
	at 1.053000 3 vcpu-201 S swapper/3-0
} >>"$tmp/trace"
want 1 "a holder that waits while another is killed" "1 times: two vCPUs taking turns"

{
	at 1.050000 3 swapper/3-0 R vcpu-201
	at 1.051000 3 vcpu-201 R kworker/3:1-15
	migrate 1.051500 vcpu-201 3 1
	at 1.052000 3 kworker/3:1-15 S vcpu-301
} >>"$tmp/trace"
want 0 "a vCPU that was moved away first" " 0 findings"

echo "exclusive 5 201 1.0 2.0" >>"$tmp/facts"
at 1.050000 5 swapper/5-0 R vcpu-301 >>"$tmp/trace"
want 1 "somebody else on an exclusive core" "1 times: somebody else on an exclusive core"

echo "exclusive 5 201 1.0 2.0" >>"$tmp/facts"
at 2.050000 5 swapper/5-0 R vcpu-301 >>"$tmp/trace"
want 0 "somebody else after its time" " 0 findings"

echo "from 1.06" >>"$tmp/facts"
at 1.050000 0 swapper/0-0 R vcpu-201 >>"$tmp/trace"
want 0 "an offence before the time that is judged" " 0 findings"

echo "CPU:3 [LOST 17 EVENTS]" >>"$tmp/trace"
want 2 "a trace with a hole" "has a hole"

echo "nonsense" >>"$tmp/trace"
want 2 "a line that is no event" "no event"

echo "whatever 1" >>"$tmp/facts"
want 2 "a fact that nobody knows" "unknown fact"

: >"$tmp/trace"
echo "min_runs 1" >>"$tmp/facts"
want 2 "an empty trace" "too little to judge"

echo "min_vcpus 3" >>"$tmp/facts"
want 2 "fewer vCPUs than there must be" "too little to judge"

echo "min_timers 2" >>"$tmp/facts"
want 2 "fewer timers than there must be" "too little to judge"

sed -i '/^control/d' "$tmp/facts"
want 2 "no roles" "names no control"

exit "$failed"
