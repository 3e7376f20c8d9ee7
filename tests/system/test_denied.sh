#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# With features denied Pinfold says clearly what is missing and ends with 125, or does without it: no /dev/kvm, no Unicorn
# library, neither, no namespaces, read-only /run and /tmp, no cgroups; as root and as an ordinary user.
# Usage: test_denied.sh BUILD-DIR; needs root for the mount namespaces in which features are taken away.
set -u
build=$1
pinfold=$build/bin/pinfold
guests=$build/guests
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

if [ "$(id -u)" -ne 0 ]; then
	echo "skip: only root can take features away"
	exit 77
fi
if ! unshare -m true 2>/dev/null; then
	echo "skip: no mount namespaces here"
	exit 77
fi

library=$(readlink -f "$(ldconfig -p | awk '/libunicorn\.so\.2/ { print $NF; exit }')")
: >"$tmp/empty"
no_unicorn="mount --bind '$tmp/empty' '$library'"
no_kvm="if [ -e /dev/kvm ]; then mount --bind /dev/null /dev/kvm; fi"
# Made read-only in place, so that a build that lies there stays to be seen.
# shellcheck disable=SC2016 # expanded in the namespace
no_dirs='for d in /run /tmp; do mount --bind $d $d && mount -o remount,bind,ro $d; done'
no_cgroups="mount -t tmpfs -o ro none /sys/fs/cgroup"
no_namespaces="for kind in user mnt pid net ipc uts cgroup; do echo 0 >/proc/sys/user/max_\${kind}_namespaces; done"
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"

# denied WHAT STATUS TEXT PREPARE AS ARGUMENTS...: in a mount namespace prepared like this, run pinfold as somebody.
denied()
{
	what=$1 status=$2 text=$3 prepare=$4 as=$5
	shift 5
	exec 9>"$tmp/all"
	unshare -m sh -c "{ $prepare; } && exec $as \"\$@\"" sh "$pinfold" "$@" </dev/null >&9 2>&9
	got=$?
	exec 9>&-
	if [ "$got" -ne "$status" ] || ! grep -qF -- "$text" "$tmp/all"; then
		echo "FAIL $what: status $got, want $status and \"$text\""
		cat "$tmp/all"
		failures=$((failures + 1))
	else
		echo "pass $what"
	fi
}

arm=$guests/arm/sum.elf
x86=$guests/x86/sum.elf
answer="sum 1..100 5050"
absent="libunicorn.so.2 is not installed"
denied "no library, unicorn asked for" 125 "engine unicorn can't run" "$no_unicorn" "" run --engine unicorn "$x86"
denied "no library, what is missing" 125 "$absent" "$no_unicorn" "" run --engine unicorn "$x86"
denied "no library, no other engine" 125 "no engine can run ARMv7-A guests here" "$no_unicorn" "" run "$arm"
denied "no /dev/kvm, kvm asked for" 125 "engine kvm can't run" "$no_kvm" "" run --engine kvm "$x86"
denied "no /dev/kvm, auto" 0 "$answer" "$no_kvm" "" run "$x86"
denied "neither engine" 125 "no engine can run x86 (32-bit) guests here" "$no_kvm; $no_unicorn" "" run "$x86"
denied "read-only /run and /tmp" 0 "$answer" "$no_dirs" "" run "$arm"
denied "no cgroups" 0 "$answer" "$no_cgroups" "" run "$arm"
denied "ordinary user" 0 "$answer" "true" "$nobody" run "$arm"
denied "ordinary user, read-only /run and /tmp, no cgroups" 0 "$answer" "$no_dirs; $no_cgroups" "$nobody" run "$arm"
denied "doctor, no library" 1 "$absent" "$no_unicorn" "" doctor
denied "doctor, no cgroups" 0 "cgroup" "$no_cgroups" "" doctor
denied "doctor, ordinary user" 0 "unicorn" "true" "$nobody" doctor

# Namespaces are limited per user namespace: a child of this one may have none, whoever runs in it.
unspaced()
{
	what=$1 text=$2
	shift 2
	unshare -Ur sh -c "$no_namespaces; exec \"\$@\"" sh "$@" </dev/null >"$tmp/all" 2>&1
	got=$?
	if [ "$got" -ne 0 ] || ! grep -qF -- "$text" "$tmp/all"; then
		echo "FAIL $what: status $got"
		cat "$tmp/all"
		failures=$((failures + 1))
	else
		echo "pass $what"
	fi
}
if unshare -Ur true 2>/dev/null; then
	unspaced "no namespaces" "$answer" "$pinfold" run "$arm"
	unspaced "doctor, no namespaces" "No space left on device" "$pinfold" doctor
else
	echo "left out: no user namespaces to take namespaces away in"
fi
[ "$failures" -eq 0 ]
