#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Thousands of simulated machines, all faults thrown in, and not one broken promise; the same seed gives the same run.
# Usage: seeds.sh PINFOLD-SIM MIXES-DIR [FACTOR]
set -eu

sim=$1
mixes=$2
factor=${3:-1}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# run SEEDS ARGS...: adds to $seeds and $decisions
seeds=0
decisions=0
run()
{
	_n=$(($1 * factor))
	shift
	"$sim" --seeds "$_n" --full-every 1000 "$@" >"$tmp/out" || { cat "$tmp/out"; exit 1; }
	seeds=$((seeds + _n))
	decisions=$((decisions + $(sed -n 's/.* seeds, \([0-9]*\) decisions.*/\1/p' "$tmp/out")))
}

run 300 --mix "$mixes/busy-desk.mix" --cores 2 --vms 6 --time 3s
run 300 --mix "$mixes/busy-desk.mix" --faults "$mixes/all.faults" --cores 3 --vms 8 --time 3s
run 100 --mix "$mixes/busy-desk.mix" --faults "$mixes/all.faults" --cores 1 --vms 5 --time 3s --seed 5000
run 300 --mix "$mixes/fleet.mix" --faults "$mixes/all.faults" --cores 4 --vms 24 --time 3s
run 20 --mix "$mixes/levels.mix" --cores 2 --vms 16 --time 10s
run 20 --mix "$mixes/fleet.mix" --faults "$mixes/rare.faults" --cores 16 --vms 200 --time 30s
run 4 --mix "$mixes/fleet.mix" --faults "$mixes/rare.faults" --cores 64 --vms 2000 --time 100s
echo "$seeds seeds, $decisions decisions, no violation"
[ "$seeds" -ge 1000 ] || exit 1
[ "$decisions" -ge 10000000 ] || { echo "fewer than 1e7 decisions"; exit 1; }
