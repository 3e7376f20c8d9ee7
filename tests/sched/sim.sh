#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The simulator: same seed, same run; fairness; JSON; timeline; wrong input is refused with a sentence.
# Usage: sim.sh PINFOLD-SIM MIXES-DIR
set -eu

sim=$1
mixes=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
bad()
{
	echo "$*"
	failed=1
}

# value KEY FILE
value()
{
	sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "$2"
}

set -- --mix "$mixes/busy-desk.mix" --faults "$mixes/all.faults" --cores 3 --vms 8 --time 5s --json
"$sim" "$@" --seed 7 >"$tmp/a"
"$sim" "$@" --seed 7 >"$tmp/b"
"$sim" "$@" --seed 8 >"$tmp/c"
[ "$(value event_hash "$tmp/a")" = "$(value event_hash "$tmp/b")" ] || bad "one seed gave two runs"
[ "$(value decisions "$tmp/a")" = "$(value decisions "$tmp/b")" ] || bad "one seed gave two runs"
[ "$(value event_hash "$tmp/a")" != "$(value event_hash "$tmp/c")" ] || bad "two seeds gave one run"
for key in decisions violations event_hash ns_per_decision ns_per_decision_cold max_wait_ns jain; do
	[ -n "$(value $key "$tmp/a")" ] || bad "--json has no $key"
done
[ "$(value violations "$tmp/a")" = 0 ] || bad "violations"
[ "$(value restarts "$tmp/a")" -gt 0 ] || bad "the daemon never died in 5 s"

for n in 2 8 32; do
	"$sim" --cores 1 --vms $n --time "$n"s --json >"$tmp/fair"
	echo "$n equal VMs on one core, 100 rounds: Jain $(value jain "$tmp/fair"), longest wait $(value max_wait_ns "$tmp/fair") ns"
	[ "$(awk "BEGIN { print ($(value jain "$tmp/fair") >= 0.9999) }")" = 1 ] || bad "not fair with $n VMs"
done

# Sizes at which the tree of timers gets another level.
for n in 8 9 65 1024; do
	"$sim" --cores $n --vms $((2 * n)) --time 1s --full-every 100 --mix "$mixes/fleet.mix" --faults "$mixes/all.faults" \
		>"$tmp/cores" 2>&1 || bad "$n cores: $(cat "$tmp/cores")"
done

"$sim" --cores 64 --vms 100000 --time 60s --no-checks --json >"$tmp/many"
"$sim" --cores 64 --vms 100 --time 60s --no-checks --json >"$tmp/few"
many=$(value ns_per_decision "$tmp/many")
few=$(value ns_per_decision "$tmp/few")
echo "ns per decision: $few with 100 VMs, $many with 100,000; $(value speed "$tmp/few") times real time at 64 cores"
[ "$(awk "BEGIN { print ($many > 0 && $many <= 3 * $few) }")" = 1 ] || bad "a decision costs more than three times as much"

"$sim" --time 1s --timeline "$tmp/t.svg" >/dev/null
grep -q '<rect' "$tmp/t.svg" || bad "the timeline is empty"
grep -q '</svg>' "$tmp/t.svg" || bad "the timeline is not complete"

echo "class x
speed 3" >"$tmp/bad.mix"
if "$sim" --mix "$tmp/bad.mix" 2>"$tmp/err"; then
	bad "a wrong mix was taken"
fi
grep -q 'bad.mix:2: unknown key "speed"' "$tmp/err" || bad "wrong mix: $(cat "$tmp/err")"
for args in "--cores 0" "--cores 1025" "--vms 0" "--hours x" "--mix /nonexistent" "--bogus" "extra"; do
	# shellcheck disable=SC2086 # several words
	if "$sim" $args >/dev/null 2>"$tmp/err" || [ ! -s "$tmp/err" ]; then
		bad "\"$args\" was taken, or refused without a word"
	fi
done
exit $failed
