#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# How fast the simulator simulates 64 cores: every mix in src/sim/mixes, with rare.faults, with all checks. A table for
# docs/performance.md. "budget" is the CPU time that an event could take for simulated time to pass 1,000 times as fast as
# real time; "alone" what the scheduler's own decision takes, without machine and checks.
# Usage: bench/sim_speed.sh PINFOLD-SIM [TIME [VMS...]]      TIME as --time takes it, 300s by default; VMS 100 and 100000.
# A run ends with its time or with 3 million events.
set -eu

sim=$1
time=${2:-300s}
[ $# -lt 2 ] || shift
shift
[ $# -gt 0 ] || set -- 100 100000
mixes=$(cd "$(dirname "$0")/../src/sim/mixes" && pwd)
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# value KEY
value()
{
	sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "$out"
}

echo "| mix | VMs | events per simulated second | budget (ns) | CPU per event (ns) | alone (ns) | x real time (CPU) | x real time (wall) | violations |"
echo "|---|---|---|---|---|---|---|---|---|"
for mix in "$mixes"/*.mix; do
	for vms in "$@"; do
		# A mix for small machines: a ban of a third of all VMs every few hundred ms, and their return, is all there is.
		[ "$(basename "$mix" .mix)" != busy-desk ] || [ "$vms" -le 1000 ] || continue
		"$sim" --cores 64 --vms "$vms" --seed 1 --time "$time" --decisions 3000000 --mix "$mix" --faults "$mixes/rare.faults" --json >"$out" || true
		awk -v mix="$(basename "$mix" .mix)" -v vms="$vms" -v n="$(value decisions)" -v s="$(value sim_s)" -v cpu="$(value cpu_s)" \
			-v alone="$(value ns_per_decision)" -v speed="$(value speed)" -v v="$(value violations)" 'BEGIN {
			printf "| %s | %d | %d | %.0f | %.0f | %.0f | %.0f | %.0f | %d |\n", mix, vms, n / s, 1e6 / (n / s), cpu * 1e9 / n, alone,
				s / cpu, speed, v }'
	done
done
