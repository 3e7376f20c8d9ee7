#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: `pinfold run --lockstep` runs guests on two engines side by side without a difference, up to and including
# a fault.
# Usage: lockstep.sh PINFOLD GUESTS ENGINE,ENGINE VARIANT/NAME...
set -eu

pinfold=$1
guests=$2
engines=$3
shift 3

for engine in $(echo "$engines" | tr ',' ' '); do
	for guest; do
		arch=${guest%%/*}
		case $arch in
		x64-ring3) arch=x64 ;;
		thumb | armeb) arch=arm ;;
		esac
		if ! "$pinfold" doctor --json | jq -e --arg a "$arch" --arg e "$engine" \
			'any(.engines[]; .arch == $a and .engine == $e and .usable)' >/dev/null; then
			echo "skipped: engine $engine is not usable for $arch guests here"
			exit 77
		fi
	done
done

failed=0
for guest; do
	status=0
	text=$(timeout 120 "$pinfold" run --lockstep "$engines" "$guests/$guest.elf" 2>&1 </dev/null) || status=$?
	echo "$guest: status $status: $(printf '%s\n' "$text" | tail -n 1)"
	if [ "$status" != 0 ]; then
		printf '%s\n' "$text"
		echo "repeat: $pinfold run --lockstep $engines $guests/$guest.elf"
		failed=1
	fi
done
exit "$failed"
