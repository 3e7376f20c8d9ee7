#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The units for systemd: systemd-analyze has nothing to say where it is there; VMs outlive the daemon; the rights are bounded,
# and each says why; sysusers.d and tmpfiles.d have lines that they can have.
# Usage: units.sh ROOT
set -eu

root=$1
. "$(dirname "$0")/lib.sh"

units=packaging/systemd
[ -d "$units" ] || bad "$units is missing"

# Lines are sections, settings, comments, or empty; settings stand in a section.
for unit in "$units"/*.service "$units"/*.socket; do
	[ -r "$unit" ] || continue
	awk -v unit="$unit" '
		/^[#;]/ || /^$/ { next }
		/^\[(Unit|Service|Socket|Install)\]$/ { section = $0; next }
		section != "" && /^[A-Z][A-Za-z]*=/ { next }
		{ print unit ":" NR ": neither section nor setting: " $0 }' "$unit"
done >"$tmp/lines"
while IFS= read -r line; do
	bad "$line"
done <"$tmp/lines"

for unit in "$units"/*.service; do
	[ -r "$unit" ] || continue
	for setting in Type=notify KillMode=process Delegate=yes NoNewPrivileges=yes RuntimeDirectoryPreserve=yes; do
		grep -qx "$setting" "$unit" || bad "$unit lacks $setting"
	done
done
service=$units/pinfoldd.service
for setting in CapabilityBoundingSet ProtectSystem ProtectHome PrivateTmp RestrictAddressFamilies SystemCallFilter; do
	grep -q "^$setting=" "$service" || bad "$service lacks $setting"
done
# shellcheck disable=SC2013 # words
for cap in $(sed -n 's/^CapabilityBoundingSet=//p' "$service"); do
	grep -qE "^# .*${cap#CAP_}[, ].*[a-z]{3}" "$service" || bad "$service does not say what $cap is for"
done

for file in packaging/sysusers.d/*.conf; do
	if [ -r "$file" ] && grep -vE '^(#.*|u +[a-z][a-z0-9-]* +- +"[^"]+".*)?$' "$file" >"$tmp/odd"; then
		bad "$file: $(head -n 1 "$tmp/odd")"
	fi
done
for file in packaging/tmpfiles.d/*.conf; do
	if [ -r "$file" ] && grep -vE '^(#.*|d +/[^ ]+ +[0-7]{4} +[a-z]+ +[a-z]+ +-)?$' "$file" >"$tmp/odd"; then
		bad "$file: $(head -n 1 "$tmp/odd")"
	fi
done

if ! command -v systemd-analyze >/dev/null; then
	echo "note: systemd-analyze is not installed; syntax was checked without it"
	finish
fi
# The program must exist for the verification.
mkdir -p "$tmp/units"
for unit in pinfoldd.service pinfoldd.socket pinfoldd-user.service; do
	sed 's|@BINDIR@/pinfoldd|/bin/true|; /^Documentation=/d' "$units/$unit" >"$tmp/units/$unit"
done
for set in "system pinfoldd.service pinfoldd.socket" "user pinfoldd-user.service"; do
	# shellcheck disable=SC2086 # words
	set -- $set
	manager=$1
	shift
	for unit; do
		# Without an init the manager says so, before it says anything about the unit.
		SYSTEMD_UNIT_PATH="$tmp/units:" systemd-analyze verify "--$manager" --man=no --recursive-errors=no \
			"$tmp/units/$unit" 2>&1 | grep -F "$unit" >"$tmp/said" || :
		while IFS= read -r line; do
			bad "systemd-analyze: $line"
		done <"$tmp/said"
	done
done
finish
