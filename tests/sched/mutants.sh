#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every mistake in mutants.txt, made in a copy of the scheduler, is found by the simulator; the unchanged scheduler is not
# accused of anything on the same seeds.
# Usage: mutants.sh ROOT LIB-DIR-OF-SIM LIB-OF-BASE [CC]
set -eu

root=$(cd "$1" && pwd)
sim=$2
base=$3
cc=${4:-cc}
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags="-std=gnu17 -D_GNU_SOURCE -I$root/src -O1 -w"
mixes=$root/src/sim/mixes
# shellcheck source=../mutants_lib.sh
. "$here/../mutants_lib.sh"

# One object per source of the unchanged scheduler.
mkdir "$tmp/good" "$tmp/bad"
for file in "$root"/src/sched/*.c "$root/src/sim/main.c"; do
	# shellcheck disable=SC2086 # one flag per word
	"$cc" $flags -c "$file" -o "$tmp/good/$(basename "$file" .c).o"
done

# link NAME OBJECT: the simulator with OBJECT in place of the unchanged one of the same name.
link()
{
	objects=
	for o in "$tmp"/good/*.o; do
		[ "$(basename "$o")" = "$(basename "$2")" ] || objects="$objects $o"
	done
	# shellcheck disable=SC2086 # one object per word
	"$cc" -o "$tmp/$1" "$2" $objects "$sim" "$base"
}

# try PROGRAM SEEDS: 0 when all seeds pass
try()
{
	$1 --mix "$mixes/busy-desk.mix" --faults "$mixes/all.faults" --vms 8 --cores 3 --time 2s --seeds "$2" &&
		$1 --mix "$mixes/busy-desk.mix" --vms 6 --cores 2 --time 2s --seeds "$2" &&
		$1 --mix "$mixes/fleet.mix" --faults "$mixes/all.faults" --vms 20 --cores 4 --time 2s --seeds "$2" &&
		$1 --mix "$mixes/levels.mix" --vms 12 --cores 2 --time 5s --seeds 2
}

link unchanged "$tmp/good/core.o"
if ! try "$tmp/unchanged" 100 >"$tmp/log" 2>&1; then
	echo "the unchanged scheduler is accused:"
	cat "$tmp/log"
	exit 1
fi

survives()
{
	# shellcheck disable=SC2086 # one flag per word
	"$cc" $flags -c "$1" -o "$tmp/bad/$(basename "$2" .c).o" || return 0
	link mutant "$tmp/bad/$(basename "$2" .c).o"
	timeout 60 "$tmp/mutant" --help >/dev/null && try "timeout 60 $tmp/mutant" 100 >"$tmp/log" 2>&1
}

accusation()
{
	sed -n 's/^pinfold-sim: \(.*\) broken: \(seed=[0-9]*\).*/\1, \2/p' "$tmp/log"
}

find_mutants "$here/mutants.txt" "$root/src/sched" 20
