#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# SPIN models hold, and each of their seeded mistakes is found.
# Usage: spin.sh MODELS-DIR CC MODEL...
set -eu

models=$(cd "$1" && pwd)
cc=$2
shift 2
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

for model; do
	case $model in
	core_lock)
		safety="1 2 3 4"
		claims="served given"
		liveness="5:served"
		;;
	restart)
		safety="1 2 3 4"
		claims="again killed"
		liveness="5:again"
		;;
	guard)
		safety="1 2 3 4 10 11 12"
		claims="served served_too back"
		liveness="5:served 6:served_too 7:served 8:served 9:back"
		;;
	*)
		echo "no such model: $model"
		exit 1
		;;
	esac
	holds "$model" ""
	for claim in $claims; do
		holds "$model" "$claim"
	done
	for mutant in $safety; do
		caught "$model" "$mutant" ""
	done
	for mutant in $liveness; do
		caught "$model" "${mutant%%:*}" "${mutant#*:}"
	done
done
exit $failed
