# SPDX-License-Identifier: GPL-2.0-or-later
# Kernel traces inside the bed and their judgement by trace_check; read after lib.sh.
# shellcheck shell=sh

tracing=/sys/kernel/tracing
trace_facts=/tmp/trace.facts

# trace_start: events of the scheduler from here on; nothing may be lost.
trace_start()
{
	echo 0 >"$tracing/tracing_on"
	echo nop >"$tracing/current_tracer"
	echo mono >"$tracing/trace_clock"
	echo 40960 >"$tracing/buffer_size_kb"
	echo 0 >"$tracing/options/overwrite"
	for event in switch migrate_task process_fork process_exit; do
		echo 1 >"$tracing/events/sched/sched_$event/enable"
	done
	echo 1 >"$tracing/events/signal/signal_generate/enable"
	echo 1 >"$tracing/events/syscalls/sys_enter_timer_settime/enable"
	# Not judged: for who reads what is around a finding.
	echo 'comm == "vcpu"' >"$tracing/events/sched/sched_waking/filter"
	echo 1 >"$tracing/events/sched/sched_waking/enable"
	echo 1 >"$tracing/events/cgroup/cgroup_attach_task/enable"
	for event in setscheduler setaffinity; do
		echo 1 >"$tracing/events/syscalls/sys_enter_sched_$event/enable"
	done
	: >"$tracing/trace"
	: >"$trace_facts"
	trace_kthreads
	echo 1 >"$tracing/tracing_on"
}

# Kernel threads are those that kthreadd made.
trace_kthreads()
{
	for stat in /proc/[0-9]*/stat; do
		sed -n 's/^\([0-9]*\) (.*) [A-Za-z] 2 .*/kthread \1/p' "$stat" 2>/dev/null
	done >>"$trace_facts"
}

# trace_roles CONTROL HOUSEKEEPING IS_ISOLATED POOL...
trace_roles()
{
	{
		echo "control $1"
		echo "housekeeping $2"
		echo "is_isolated $3"
		shift 3
		echo "pool $*"
	} >>"$trace_facts"
}

# Seconds of the trace's clock, for the facts "from" and "exclusive".
trace_now()
{
	awk '/^now at/ { printf "%.6f\n", $3 / 1e9; exit }' /proc/timer_list
}

trace_stop()
{
	echo 0 >"$tracing/tracing_on"
	echo 0 >"$tracing/events/enable"
}

# trace_context <JUDGEMENT: what the thread of the first finding, its core and the dispatcher did around that moment.
trace_context()
{
	found=$(sed -n 's/^found: .*: \([0-9.]*\) core \([0-9]*\), .*-\([0-9]*\)$/\1 \2 \3/p' | head -n 1)
	[ -n "$found" ] || return 0
	awk -v found="$found" '
		BEGIN {
			split(found, f, " ")
			core = sprintf("[%03d]", f[2])
			pid = "pid=" f[3] "( |$)"
			hex = sprintf("%x,", f[3])
		}
		match($0, / [0-9]+\.[0-9]+: /) {
			t = substr($0, RSTART + 1, RLENGTH - 3) + 0
			d = t - f[1]
			is_near = d > -0.06 && d < 0.002 && (index($0, core) || /^ *dispatch-/ || index($0, "pid: " hex) || /cgroup_attach|pid=0x/)
			if (is_near || (d > -0.1 && d < 0.02 && $0 ~ pid)) {
				sub(/^ */, "")
				print
			}
		}' "$tracing/trace" | tail -n 160
}

# trace_judge [FACT...]: prints what was found and a line for the person watching.
trace_judge()
{
	for fact in "$@"; do
		echo "$fact" >>"$trace_facts"
	done
	if grep -h -v '^\(overrun\|commit overrun\|dropped events\): 0$' "$tracing"/per_cpu/cpu*/stats |
		grep -E '^(overrun|commit overrun|dropped events)'; then
		echo "the trace has holes"
		return 1
	fi
	trace_check "$tracing/trace" "$trace_facts" >/tmp/trace.judged || {
		status=$?
		trace_context </tmp/trace.judged
		cat /tmp/trace.judged
		return "$status"
	}
	sed 's/^/note: trace: /' /tmp/trace.judged
}
