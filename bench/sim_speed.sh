#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# How fast the simulator simulates 64 cores: every mix in src/sim/mixes, with rare.faults, with all checks. A table for
# docs/performance.md. "budget" is the CPU time that an event could take for simulated time to pass 1,000 times as fast as
# real time; "alone" what the scheduler's own decision takes, without machine and checks.
# Usage: bench/sim_speed.sh [--against OLD-PINFOLD-SIM] PINFOLD-SIM [VMS...]
# VMS are 100, 1000, 10000 and 100000 by default. With --against both programs run in turns, three times each, and the
# table gives the medians, old -> new.
set -eu

old=
if [ "${1-}" = --against ]; then
	old=$2
	shift 2
fi
sim=$1
shift
[ $# -gt 0 ] || set -- 100 1000 10000 100000
mixes=$(cd "$(dirname "$0")/../src/sim/mixes" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# time_of MIX VMS: to be simulated: some million events, at least half of which come after the VMs were created
time_of()
{
	case $(basename "$1" .mix)-$2 in
	sleepers-100) echo 3000s ;;
	*-100 | *-1000) echo 300s ;;
	*-10000) echo 60s ;;
	*) echo 20s ;;
	esac
}

# run PROGRAM MIX VMS FILE: one line more in FILE
run()
{
	"$1" --cores 64 --vms "$3" --seed 1 --time "$(time_of "$2" "$3")" --mix "$2" --faults "$mixes/rare.faults" --json >>"$4" || true
}

# median KEY FILE: of the runs in FILE
median()
{
	sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "$2" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# events FILE: a simulated second's
events()
{
	echo "$(median decisions "$1") $(median sim_s "$1")" | awk '{ print $1 / $2 }'
}

# cpu_ns FILE: of an event
cpu_ns()
{
	echo "$(median cpu_s "$1") $(median decisions "$1")" | awk '{ print $1 * 1e9 / $2 }'
}

# cell FORMAT NEW [OLD]
cell()
{
	# shellcheck disable=SC2059 # the format is ours
	[ -z "${3-}" ] || printf " $1 ->" "$3"
	# shellcheck disable=SC2059
	printf " $1 |" "$2"
}

# of COMMAND ARGS...: a cell of what it says about the old program's runs, where there are some, and the new one's
of()
{
	_format=$1
	shift
	cell "$_format" "$("$@" "$tmp/new")" ${old:+"$("$@" "$tmp/old")"}
}

echo "| mix | VMs | events per simulated second | budget (ns) | CPU per event (ns) | alone (ns) | x real time (CPU) | x real time (wall) | violations |"
echo "|---|---|---|---|---|---|---|---|---|"
for mix in "$mixes"/*.mix; do
	for vms in "$@"; do
		# A mix for small machines: a ban of a third of all VMs every few hundred ms, and their return, is all there is.
		[ "$(basename "$mix" .mix)" != busy-desk ] || [ "$vms" -le 1000 ] || continue
		rm -f "$tmp/old" "$tmp/new"
		for _ in 1 ${old:+2 3}; do
			[ -z "$old" ] || run "$old" "$mix" "$vms" "$tmp/old"
			run "$sim" "$mix" "$vms" "$tmp/new"
		done
		printf '| %s | %d |' "$(basename "$mix" .mix)" "$vms"
		per_s=$(events "$tmp/new")
		cell %.0f "$per_s"
		cell %.0f "$(echo "$per_s" | awk '{ print 1e6 / $1 }')"
		of %.0f cpu_ns
		of %.0f median ns_per_decision
		of %.0f median cpu_speed
		of %.0f median speed
		cell %d "$(median violations "$tmp/new")"
		echo
	done
done
