#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# cpu: max
# shellcheck disable=SC2317 # functions are called by check
# The units under the real systemd: what sysusers and tmpfiles make, the verdicts of systemd-analyze, start by hand and by the
# socket, users, VMs of five architectures, networks, restart, stop, kill -9, a daemon that hangs, the journal, a group's socket.
# Usage: systemd.sh
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=daemon_lib.sh
. /bed/daemon_lib.sh

printf 'patience = 1000\nslice_default = 30ms\n' >/etc/pinfold/pinfoldd.conf

# as USER COMMAND...
as()
{
	_user=$1
	shift
	setpriv --reuid="$(id -u "$_user")" --regid="$(id -g "$_user")" --init-groups "$@"
}

show()
{
	systemctl show -P "$1" "${2:-pinfoldd.service}"
}

is_inactive()
{
	[ "$(show ActiveState)" = inactive ]
}

boots()
{
	systemctl is-system-running --wait || :
	systemctl --no-pager --failed --no-legend | tee /tmp/failed
	[ ! -s /tmp/failed ]
}

sysusers_and_tmpfiles()
{
	systemd-sysusers
	getent passwd pinfold
	[ "$(id -gn pinfold)" = pinfold ]
	rmdir /run/pinfold /var/lib/pinfold 2>/dev/null || :
	systemd-tmpfiles --create
	getent group pinfold
	sed -i 's/^\(pinfold:.*\)$/\1alice,bob/' /etc/group
	[ "$(stat -c %a:%U /run/pinfold)" = 755:root ]
	[ "$(stat -c %a:%U /var/lib/pinfold)" = 700:root ]
}

units_are_verified()
{
	systemd-analyze verify --man=no pinfoldd.service pinfoldd.socket 2>&1 | tee /tmp/said
	[ ! -s /tmp/said ]
	systemd-analyze verify --man=no --user /usr/lib/systemd/user/pinfoldd.service 2>&1 | grep pinfold | tee /tmp/said
	[ ! -s /tmp/said ]
}

# exposure_is MOST: what systemd-analyze thinks of the unit, in tenths.
exposure_is()
{
	systemd-analyze security --no-pager pinfoldd.service >/tmp/security
	grep '✗' /tmp/security || :
	line=$(grep -o 'Overall exposure level.*' /tmp/security)
	echo "note: $line"
	score=$(echo "$line" | grep -o '[0-9]*\.[0-9]' | tr -d .)
	[ "$score" -le "$1" ]
}

# Networks of VMs, and nothing else, cost 0.9: see networks_can_be_taken_away.
exposure_is_low()
{
	exposure_is 47
}

starts()
{
	systemctl enable --now pinfoldd.service || {
		journalctl --no-pager -u pinfoldd
		return 1
	}
	systemctl --no-pager status pinfoldd.service
	[ "$(show ActiveState)" = active ]
	[ "$(show SubState)" = running ]
	[ "$(show ActiveState pinfoldd.socket)" = active ]
	[ "$(systemctl is-enabled pinfoldd.socket)" = enabled ]
	pinfold status
	[ "$(status_of .pid)" = "$(show MainPID)" ]
}

# What each guarantee of the daemon is worth here, so that a right that is missing is seen.
rights_suffice()
{
	status_of '.guarantees'
	[ "$(status_of .backend)" = isolated ]
	[ "$(status_of '.warnings | length')" -le 1 ]
	[ "$(stat -c %a:%G /run/pinfold/pinfoldd.sock)" = 660:pinfold ]
}

# The pool is one's own, whatever the manager does to its groups.
is_isolated()
{
	part=$(grep -l '^isolated$' /sys/fs/cgroup/*/cpuset.cpus.partition)
	[ "$(cat "${part%.partition}.effective")" = "2-$(($(nproc --all) - 1))" ]
}

has_exited()
{
	[ "$(show SubState "$1.service")" = exited ]
}

# Something of a slice that is new. (To wait for it, systemd-run would need D-Bus.)
in_slice()
{
	systemd-run --unit="in-${1%.slice}" --remain-after-exit --slice="$1" true
	wait_for 60 has_exited "in-${1%.slice}"
}

manager_leaves_the_partition()
{
	is_isolated
	systemctl daemon-reload
	systemctl restart systemd-journald.service
	in_slice other.slice
	is_isolated
}

users_have_vms()
{
	for arch in x86 x64 arm arm64 riscv64; do
		as alice pinfold create --start "$arch" "$guests/$arch/endless.elf"
	done
	as alice pinfold create --start sum "$guests/x64/sum.elf"
	as alice pinfold wait --timeout 100s sum
	as alice pinfold logs sum
	wait_for 60 all_run
	as alice pinfold ps
	[ "$(as bob pinfold ps --all -q | wc -l)" = 0 ]
	expect 125 as bob pinfold down
}

# Five VMs have had turns since they were last looked at.
all_run()
{
	vms_of '.[] | select(.state == "running") | [.name, .pid, .slices] | @tsv' | sort >/tmp/now
	[ "$(wc -l </tmp/now)" -ge 5 ] && [ "$(awk '$3 > 2' /tmp/now | wc -l)" -ge 5 ]
}

remember()
{
	vms_of '.[] | select(.state == "running") | [.name, .pid] | @tsv' | sort >/tmp/before
	vms_of '[.[] | .cpu_ns // 0] | add' >/tmp/before_ns
	cat /tmp/before
	[ "$(wc -l </tmp/before)" -ge 5 ]
}

# The same processes, and they have run since.
are_the_same()
{
	vms_of '.[] | select(.state == "running") | [.name, .pid] | @tsv' | sort >/tmp/after
	cmp -s /tmp/before /tmp/after && [ "$(vms_of "([.[] | .cpu_ns // 0] | add) > $(cat /tmp/before_ns) + 300000000")" = true ]
}

go_on()
{
	wait_for 60 are_the_same || {
		diff /tmp/before /tmp/after
		pinfold ps --all --everyone
		journalctl --no-pager -u pinfoldd -n 30
		return 1
	}
}

restart_keeps_vms()
{
	remember
	pid=$(show MainPID)
	systemctl restart pinfoldd.service
	[ "$(show MainPID)" != "$pid" ]
	go_on
}

# new_daemon PID: another one, that answers.
new_daemon()
{
	[ "$(show MainPID)" != "$1" ] && [ "$(show MainPID)" != 0 ] && [ "$(show ActiveState)" = active ]
}

killed_daemon_comes_back()
{
	remember
	pid=$(show MainPID)
	kill -9 "$pid"
	wait_for 60 new_daemon "$pid"
	[ "$(show NRestarts)" -ge 1 ]
	go_on
}

# Its main thread, which tells the manager that it lives, does so no more.
hung_daemon_is_replaced()
{
	[ "$(show WatchdogUSec)" = 1min ]
	mkdir -p /run/systemd/system/pinfoldd.service.d
	printf '[Service]\nWatchdogSec=15s\nTimeoutAbortSec=5s\n' >/run/systemd/system/pinfoldd.service.d/watchdog.conf
	systemctl daemon-reload
	systemctl restart pinfoldd.service
	sleep 20
	[ "$(show NRestarts)" = 0 ]
	remember
	pid=$(show MainPID)
	kill -STOP "$pid"
	wait_for 200 new_daemon "$pid"
	journalctl --no-pager -u pinfoldd | grep -i watchdog
	go_on
	rm -r /run/systemd/system/pinfoldd.service.d
	systemctl daemon-reload
}

vms_live()
{
	while read -r _ pid; do
		[ -d "/proc/$pid" ] || return 1
	done </tmp/before
}

stop_keeps_vms()
{
	remember
	systemctl stop pinfoldd.service pinfoldd.socket
	[ "$(show ActiveState)" = inactive ]
	[ "$(show Result)" = success ]
	vms_live
	expect 125 pinfold ps
	# Nothing of the unit is active: the manager may take its controllers back.
	systemctl daemon-reload
	in_slice another.slice
	grep . /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/*/cpuset.cpus.partition || :
	vms_live
	systemctl start pinfoldd.service
	go_on
	is_isolated
}

socket_starts_it()
{
	remember
	systemctl stop pinfoldd.service
	[ "$(show ActiveState)" = inactive ]
	[ "$(show ActiveState pinfoldd.socket)" = active ]
	pinfold status
	[ "$(show ActiveState)" = active ]
	go_on
}

down_ends_it()
{
	remember
	pinfold down
	wait_for 60 is_inactive
	[ "$(show Result)" = success ]
	vms_live
	pinfold status
	go_on
}

journal_has_levels()
{
	journalctl --no-pager -u pinfoldd -o json | jq -r 'select(._COMM == "pinfoldd") | [.PRIORITY, .MESSAGE] | @tsv' >/tmp/journal
	head -n 5 /tmp/journal
	grep '^6.ready: version=' /tmp/journal
	grep '^4.the first key of the audit log' /tmp/journal
	grep '^6.the partition of an earlier daemon is kept' /tmp/journal
	if grep -E '^[0-9].(<[0-9]>|pinfoldd: )' /tmp/journal; then
		return 1
	fi
	journalctl --no-pager -u pinfoldd -p err -o cat --output-fields=MESSAGE _COMM=pinfoldd | tee /tmp/errors
}

reload_reads_the_configuration()
{
	systemctl reload pinfoldd.service
	wait_for 20 journal_says 'configuration read again'
}

journal_says()
{
	journalctl --no-pager -u pinfoldd | grep -q "$1"
}

# Who is not in the group is told how to get there; one can do without the group; without the unit the daemon does it.
group_socket()
{
	expect 125 as nobody pinfold ps 2>/tmp/said
	cat /tmp/said
	grep -q "can't be opened: only root and the members of group pinfold may call; 'usermod -aG pinfold nobody'" /tmp/said
	as nobody pinfold doctor | grep -q "can't be used: only root and the members of group pinfold"
	mkdir -p /etc/systemd/system/pinfoldd.socket.d
	printf '[Socket]\nSocketMode=0666\n' >/etc/systemd/system/pinfoldd.socket.d/mode.conf
	systemctl daemon-reload
	systemctl stop pinfoldd.service
	systemctl restart pinfoldd.socket
	systemctl start pinfoldd.service
	[ "$(stat -c %a /run/pinfold/pinfoldd.sock)" = 666 ]
	as nobody pinfold ps
	systemctl stop pinfoldd.service pinfoldd.socket
	systemctl mask --runtime pinfoldd.socket
	systemctl start pinfoldd.service
	[ "$(stat -c %a:%G /run/pinfold/pinfoldd.sock)" = 660:pinfold ]
	as alice pinfold ps
	expect 125 as nobody pinfold ps
	systemctl stop pinfoldd.service
	rm -r /etc/systemd/system/pinfoldd.socket.d
	systemctl unmask --runtime pinfoldd.socket
	systemctl daemon-reload
	systemctl start pinfoldd.service
	[ "$(stat -c %a:%G /run/pinfold/pinfoldd.sock)" = 660:pinfold ]
}

kill_vms_leaves_nothing()
{
	pinfold down --kill-vms
	wait_for 60 is_inactive
	expect 1 pgrep -x pinfold-vm
	find /sys/fs/cgroup -name '*pinfold*' | grep -v '/system.slice/pinfoldd\.' | tee /tmp/groups
	[ ! -s /tmp/groups ]
}

# net_vm NAME FORWARDED-PORT
net_vm()
{
	pinfold create --start --board virt "$1" "$guests/riscv64/endless.elf" --net "user,hostfwd=tcp::$2-:$2"
}

# listens PORT: somebody on the loopback of this network.
listens()
{
	grep -q ": 0100007F:$(printf %04X "$1") 00000000:0000 0A " /proc/net/tcp
}

# A VM's network opens a port below 1024, and has no right left then.
vms_have_networks()
{
	net_vm net 80
	listens 80
	pid=$(pgrep -x pinfold-net)
	[ "$(grep -c '^Cap\(Prm\|Eff\|Bnd\):.0000000000000000' "/proc/$pid/status")" = 3 ]
	pinfold rm --force net
	wait_for 20 expect 1 pgrep -x pinfold-net
}

# As pinfoldd(8) says it. Without networks the unit must be what it was before there were any.
networks_can_be_taken_away()
{
	install -Dm644 /usr/share/doc/pinfold/no-network.conf /etc/systemd/system/pinfoldd.service.d/no-network.conf
	systemctl daemon-reload
	exposure_is 40
	systemctl restart pinfoldd.service
	expect 125 net_vm net2 81 2>/tmp/said
	cat /tmp/said
	grep "can't be opened" /tmp/said
	expect 125 pinfold inspect net2
	pinfold create --start none "$guests/x64/endless.elf"
	wait_for 60 has_run none 2
	pinfold rm --force none
	rm -r /etc/systemd/system/pinfoldd.service.d
	systemctl daemon-reload
	systemctl restart pinfoldd.service
	vms_have_networks
}

# alice's own manager and daemon. Without logind nobody else makes her runtime folder.
as_alice()
{
	as alice env HOME=/var/alice XDG_RUNTIME_DIR=/run/user/1000 "$@"
}

user_show()
{
	as_alice systemctl --user show -P "$1" pinfoldd.service
}

is_user_daemon()
{
	[ "$(user_show ActiveState)" = active ] && [ "$(user_show MainPID)" != "${1:-0}" ] &&
		[ "$(as_alice pinfold status --json | jq .pid)" = "$(user_show MainPID)" ]
}

hers_runs()
{
	[ "$(as_alice pinfold ps --json | jq -r '.[] | [.name, .pid, .state] | @tsv')" = "hers	$1	running" ]
}

user_daemon()
{
	systemctl disable --now pinfoldd.socket pinfoldd.service
	mkdir -p /run/user/1000 /var/alice
	chown alice:alice /run/user/1000 /var/alice
	chmod 700 /run/user/1000
	systemd-run --unit=manager-of-alice --uid=alice -p Delegate=yes --setenv=HOME=/var/alice \
		--setenv=XDG_RUNTIME_DIR=/run/user/1000 /lib/systemd/systemd --user
	wait_for 60 test -S /run/user/1000/systemd/private
	as_alice systemctl --user enable --now pinfoldd.service
	is_user_daemon
	as_alice pinfold status
	as_alice pinfold create --start hers "$guests/arm64/endless.elf"
	pid=$(as_alice pinfold ps --json | jq '.[0].pid')
	main=$(user_show MainPID)
	as_alice systemctl --user restart pinfoldd.service
	is_user_daemon "$main"
	wait_for 60 hers_runs "$pid"
	main=$(user_show MainPID)
	kill -9 "$main"
	wait_for 60 is_user_daemon "$main"
	wait_for 60 hers_runs "$pid"
	as_alice systemctl --user stop pinfoldd.service
	[ -d "/proc/$pid" ]
	as_alice systemctl --user start pinfoldd.service
	wait_for 60 hers_runs "$pid"
	as_alice pinfold down --kill-vms
	expect 1 pgrep -x pinfold-vm
}

check boot boots
check sysusers-and-tmpfiles sysusers_and_tmpfiles
check analyze/verify units_are_verified
check start starts
check analyze/security exposure_is_low
check rights rights_suffice
check users-and-architectures users_have_vms
check manager manager_leaves_the_partition
check restart restart_keeps_vms
check kill-9 killed_daemon_comes_back
check watchdog hung_daemon_is_replaced
check stop stop_keeps_vms
check socket-starts-it socket_starts_it
check down down_ends_it
check reload reload_reads_the_configuration
check journal journal_has_levels
check group-of-the-socket group_socket
check networks vms_have_networks
check networks-taken-away networks_can_be_taken_away
check nothing-is-left kill_vms_leaves_nothing
[ "$bed_failed" -eq 0 ] || journalctl --no-pager -u pinfoldd -n 60 -o cat | sed 's/^/| /' >&3
check daemon-of-a-user user_daemon
finish
