# SPDX-License-Identifier: GPL-2.0-or-later
# Helpers for checks of the daemon inside the bed; read after lib.sh and trace_lib.sh.
# shellcheck shell=sh

guests=/pinfold/guests

# What the daemon says of itself, of its cores, of its VMs: one value by a jq expression.
status_of()
{
	pinfold status --json | jq -r "$1"
}

cores_of()
{
	pinfold cores --json | jq -r "$1"
}

vms_of()
{
	pinfold ps --all --everyone --json | jq -r "$1"
}

# is_state NAME STATE
is_state()
{
	[ "$(vms_of ".[] | select(.name == \"$1\") | .state")" = "$2" ]
}

# has_run NAME SLICES: whether a VM has had so many slices.
has_run()
{
	[ "$(vms_of ".[] | select(.name == \"$1\") | .slices // 0")" -ge "$2" ]
}

# create NAME GUEST OPTION...: a VM that runs.
create()
{
	name=$1
	guest=$2
	shift 2
	pinfold create "$name" "$guests/$guest" --start "$@"
}

# The thread that executes the guest of VM NAME.
vcpu_of()
{
	pid=$(vms_of ".[] | select(.name == \"$1\") | .pid")
	for task in /proc/"$pid"/task/*; do
		[ "$(cat "$task/comm")" != vcpu ] || echo "${task##*/}"
	done
}
