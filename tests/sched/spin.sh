#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The SPIN models hold, and each of their seeded mistakes is found.
# Usage: spin.sh MODELS-DIR [CC]
set -eu

models=$(cd "$1" && pwd)
cc=${2:-cc}
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
failed=0

# verify MODEL MUTANT CLAIM: sets $errors and $states. Without CLAIM the assertions are checked.
verify()
{
	if [ -n "$3" ]; then
		spin -a "-DMUTANT=$2" -DLIVENESS "$models/$1.pml" >spin.log 2>&1
		"$cc" -O1 -DNFAIR=4 -o pan pan.c 2>cc.log
		./pan -a -f -m1000000 -N "$3" >pan.log 2>&1
	else
		spin -a "-DMUTANT=$2" "$models/$1.pml" >spin.log 2>&1
		"$cc" -O1 -DSAFETY -DNOCLAIM -o pan pan.c 2>cc.log
		./pan -m1000000 >pan.log 2>&1
	fi
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)
	if grep -q 'max search depth too small\|out of memory' pan.log; then
		echo "$1: the search was not complete"
		errors=incomplete
	fi
}

# holds MODEL CLAIM
holds()
{
	verify "$1" 0 "$2"
	echo "$1 ${2:-safety}: errors ${errors:-none reported}, ${states:-?} states"
	[ "$errors" = 0 ] || failed=1
}

# caught MODEL MUTANT CLAIM
caught()
{
	verify "$1" "$2" "$3"
	echo "$1 with mistake $2, ${3:-safety}: errors ${errors:-none reported} after ${states:-?} states"
	[ "$errors" = 1 ] || failed=1
}

holds core_lock ""
holds core_lock served
holds core_lock given
for mutant in 1 2 3 4; do
	caught core_lock $mutant ""
done
caught core_lock 5 served
holds restart ""
holds restart again
holds restart killed
for mutant in 1 2 3 4; do
	caught restart $mutant ""
done
caught restart 5 again
exit $failed
