#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line against the real daemon: up and down, the life of VMs, lists as JSON, the console on a terminal, faults,
# snapshots, changes while VMs run, the audit log, and several users where there are any.
# Usage: test_cli_daemon.sh BIN-FOLDER GUESTS-FOLDER
set -u

bin=$1
guests=$2
. "$(dirname "$0")/cli_lib.sh"

unset PINFOLD_HOST
chmod 755 "$tmp"
PINFOLD_SOCKET=$tmp/sock
export PINFOLD_SOCKET
daemon=

# Nothing is left, however this ends.
# shellcheck disable=SC2317 # run by trap
clean()
{
	[ -z "$daemon" ] || "$pinfold" down --kill-vms --quiet 2>/dev/null || kill -KILL "$daemon" 2>/dev/null
	rm -rf "$tmp"
}
trap clean EXIT

stdout_is()
{
	checks=$((checks + 1))
	[ "$(cat "$tmp/out")" = "$1" ] || fail "standard output is not '$1' but '$(cat "$tmp/out")'"
}

# state VM WANT: what the daemon says, at most a minute later.
state()
{
	checks=$((checks + 1))
	_tries=1200
	until [ "$("$pinfold" inspect --json "$1" 2>/dev/null | jq -r .state)" = "$2" ]; do
		_tries=$((_tries - 1))
		if [ "$_tries" -eq 0 ]; then
			fail "$1 is '$("$pinfold" inspect --json "$1" 2>&1 | jq -c '[.state, .exit, .message]')', not $2"
			return
		fi
		sleep 0.05
	done
}

# has_ended PID: it is gone, or dead and not yet reaped by whoever does that here.
has_ended()
{
	case="pid $1 has ended"
	checks=$((checks + 1))
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" || fail "it runs"
}

echo "vm_program = $(realpath "$guests/../bin/pinfold-vm")" >"$tmp/conf"
group=$(getent group 65534 | cut -d : -f 1)
[ "$(id -u)" -ne 0 ] || echo "socket_group = ${group:=everybody}" >>"$tmp/conf"

# ---- up --------------------------------------------------------------------------------------
run "status without a daemon" 125 status
stderr_is "pinfold: the daemon is not running at $PINFOLD_SOCKET; start it with 'pinfold up'"
run "a daemon that can't start says why" 125 up --state-dir /proc/none --run-dir "$tmp/run" --log "$tmp/log"
stderr_has "pinfold: the daemon did not start: "
run "up" 0 up --config "$tmp/conf" --state-dir "$tmp/state" --run-dir "$tmp/run"
stdout_matches "^pinfoldd is up: pid [0-9]+, socket $PINFOLD_SOCKET\$"
daemon=$("$pinfold" status --json | jq .pid)
check "its log is in the state directory" test -s "$tmp/state/pinfoldd.log"
run "up again" 0 up
stdout_has "runs already: pid $daemon"
run "status" 0 status
stdout_matches '^cores +control [0-9]+, housekeeping [0-9]+, pool '
stdout_matches '^guarantees +(yes|no) '
run "status --json" 0 status --json
json '.pid > 0 and (.guarantees | length) > 3 and (.pool | type) == "array" and .vms.defined == 0'
run "cores" 0 cores
stdout_matches '^ +[0-9]+ +.*control'
run "cores --json" 0 cores --json
json '[.[] | select(.roles | index("control"))] | length == 1'

# ---- Life of a VM ----------------------------------------------------------------------------
run "create" 0 create sum "$guests/x64/sum.elf"
stdout_is sum
run "a name that is taken" 125 create sum "$guests/x64/sum.elf"
stderr_has "pinfold: "
run "a name that is none" 125 create 'a b' "$guests/x64/sum.elf"
run "start" 0 start sum
run "wait for a guest that halts" 0 wait sum
stdout_is 0
stderr_is_empty
run "logs" 0 logs sum
stdout_has "sum 1..100 5050"
run "start again" 0 start sum
run "wait again" 0 wait --timeout 20s sum
for arch in x86 arm arm64 riscv64; do
	run "create and start on $arch" 0 create --start "sum-$arch" "$guests/$arch/sum.elf"
done
run "wait for all" 0 wait sum-x86 sum-arm sum-arm64 sum-riscv64
check "a line each" test "$(grep -c '^sum-[a-z0-9]* 0$' "$tmp/out")" -eq 4
run "create with an exit status" 0 create --start exit42 "$guests/riscv64/exit42.elf"
run "wait: the guest's own" 42 wait exit42
stderr_is "pinfold: exit42: the guest exited with status 42"
run "a CPU limit" 0 create --start --limit-cpu 50ms limited "$guests/arm64/endless.elf"
run "wait: a limit" 124 wait limited
run "an endless guest" 0 create --start --json spin "$guests/riscv64/endless.elf"
json '(.id | test("^[0-9a-f]{16}$")) and .name == "spin"'
id=$(jq -r .id "$tmp/out")
run "ps" 0 ps
stdout_matches '^spin +running +riscv64 +bare +(dbt|unicorn) '
checks=$((checks + 1))
grep -q '^sum ' "$tmp/out" && fail "ps lists what has ended"
run "ps --all --json" 0 ps --all --json
json 'map(.name) | sort == ["exit42", "limited", "spin", "sum", "sum-arm", "sum-arm64", "sum-riscv64", "sum-x86"]'
json '.[] | select(.name == "spin") | has("name") and has("id") and .arch == "riscv64" and has("engine") and
	.state == "running" and has("owner") and has("core") and .cpu_ns >= 0 and .wait_ns >= 0 and .slices >= 0'
run "ps -q" 0 ps -q
stdout_is "$id"
run "wait --timeout" 125 wait --timeout 200ms spin
stderr_is "pinfold: spin has not ended yet"
run "pause by id" 0 pause "$id"
state spin paused
run "inspect shows registers" 0 inspect spin
stdout_matches '^ +x?[a-z0-9]+ +0x'
run "inspect --json" 0 inspect --json spin
json '.registers.pc != null and .spec.image_name == "endless.elf"'
run "resume" 0 resume spin
state spin running
run "update" 0 update --slice 2ms --prio 6 spin
run "it took" 0 inspect --json spin
json '.slice_ns == 2000000 and .prio == 6 and .state == "running"'
run "stats --no-stream" 0 stats --no-stream
stdout_matches '^spin +(running|blocked) '
run "rm of one that runs" 125 rm spin
run "kill" 0 kill spin
run "wait: killed" 137 wait spin
run "start of one that was killed" 0 start spin
run "stop" 0 stop spin
run "wait: stopped" 137 wait spin
run "rm, several, one of which there is not" 125 rm sum-x86 nobody sum-arm
stdout_is "sum-x86
sum-arm"
stderr_has "nobody"
run "rm --force" 0 rm -f spin
run "it is gone" 125 inspect spin

# ---- Faults ----------------------------------------------------------------------------------
run "a guest that faults" 0 create --start bad "$guests/arm64/fault_illegal.elf"
run "wait: a fault" 126 wait bad
stderr_has "pinfold: bad: guest fault: illegal-instruction"
run "faults" 0 faults
stdout_matches '^bad +[^ ]+ +illegal-instruction +0x'
run "faults --json" 0 faults --json
json '.[0].vm == "bad" and .[0].kind == "illegal-instruction" and (.[0].pc | startswith("0x"))'
run "faults show" 0 faults show bad
stdout_matches '(^| )pc +0x'
run "faults clear" 0 faults clear bad
run "faults, empty" 0 faults --json
json '. == []'

# ---- Snapshots -------------------------------------------------------------------------------
run "a guest to save" 0 create --start saved "$guests/arm64/endless.elf"
state saved running
run "snapshot" 0 snapshot saved "$tmp/snap"
check "only its owner may read it" test "$(stat -c %a "$tmp/snap")" = 600
state saved running
run "restore" 0 restore --name twin "$tmp/snap"
stdout_is twin
run "start of the twin" 0 start twin
state twin running
run "snapshot of what there is not" 125 snapshot nobody "$tmp/snap2"
check "no file" test ! -e "$tmp/snap2"
run "restore of what is no snapshot" 125 restore --name x "$guests/arm64/sum.elf"
stderr_has "pinfold: "
run "rm --force of both" 0 rm -f saved twin

# ---- The console on a terminal ---------------------------------------------------------------
run "a guest with a console" 0 create --start echo "$guests/x64/echo.elf"
console_detach_and_end echo
run "logs have it, too" 0 logs echo
stdout_has "echoed 17"
run "start once more" 0 start echo
printf 'piped\n\004' >"$tmp/input"
run_with "$tmp/input" "a console without a terminal" 0 console --from-start echo
stdout_has "echoed 6"
start logs -f echo
finish_started "logs -f ends with the run" 0

# ---- Exclusive cores, events, history, audit -------------------------------------------------
env --default-signal=INT "$pinfold" events --json --from 1 </dev/null >"$tmp/events" 2>"$tmp/err" &
started=$!
run "something happens" 0 create --start eventful "$guests/x64/sum.elf"
run "to its end" 0 wait eventful
wait_for '"vm.stopped".*eventful\|eventful.*"vm.stopped"' "$tmp/events"
kill -INT "$started"
finish_started "Ctrl-C ends events" 130
check "a line of JSON each" jq -es 'map(.seq) == (map(.seq) | sort) and any(.[]; .type == "vm.created" and .vm == "eventful")' \
	"$tmp/events"
run "history" 0 history --json eventful
json '.[0].vm == "eventful" and .[0].slices > 0'
run "pin beyond the cap, or as it allows" 0 create --start pinned "$guests/x64/endless.elf"
cap=$("$pinfold" status --json | jq .exclusive.cap)
if [ "$cap" -gt 0 ]; then
	run "pin" 0 pin pinned
	run "unpin" 0 unpin pinned
else
	run "pin where no core may be exclusive" 125 pin pinned
	stderr_has "exclusive"
fi
run "audit verify" 0 audit verify
run "audit show" 0 audit show --last 5 --json
json 'length == 5 and all(.[]; .seq > 0)'
run "audit anchor" 0 audit anchor
stdout_matches '^pinfold-audit-anchor [0-9]+ [0-9a-f]{64}$'

# ---- Several users ---------------------------------------------------------------------------
# as_nobody CASE STATUS ARGUMENTS...
as_nobody()
{
	case=$1
	_want=$2
	shift 2
	checks=$((checks + 1))
	timeout -s KILL 60 setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/pinfold" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	_got=$?
	[ "$_got" -eq "$_want" ] || fail "exit status $_got instead of $_want"
}

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	# Where another user can reach them.
	cp "$pinfold" "$tmp/pinfold"
	cp "$guests/x64/sum.elf" "$guests/x64/endless.elf" "$tmp"
	chmod 755 "$tmp/pinfold"
	chmod 644 "$tmp/sum.elf" "$tmp/endless.elf"
	if [ "$group" != everybody ]; then
		checks=$((checks + 1))
		case="who is not in the socket's group"
		setpriv --reuid=1 --regid=1 --clear-groups "$tmp/pinfold" ps </dev/null >"$tmp/out" 2>"$tmp/err"
		[ $? -eq 125 ] || fail "is let in"
		stderr_is "pinfold: the daemon's socket $PINFOLD_SOCKET can't be opened: only root and the members of group $group may \
call; 'usermod -aG $group $(id -un 1)' as root makes you one, from your next login on"
		setpriv --reuid=1 --regid=1 --clear-groups "$tmp/pinfold" doctor --json >"$tmp/out" 2>"$tmp/err"
		check "doctor says so" jq -e ".socket.exists and (.socket.usable | not) and .socket.group == \"$group\" and
			(.socket.detail | contains(\"usermod -aG $group\"))" "$tmp/out"
	fi
	as_nobody "another user's own VM, of the same name" 0 create --start sum "$tmp/sum.elf"
	as_nobody "and its end" 0 wait sum
	as_nobody "sees only that" 0 ps --all --json
	json 'length == 1 and .[0].name == "sum" and .[0].owner_uid == 65534'
	as_nobody "not root's" 125 inspect pinned
	as_nobody "nor may kill it" 125 kill root/pinned
	as_nobody "nor see everybody's" 125 ps --everyone
	as_nobody "nor read the audit log" 125 audit show
	as_nobody "nor end the daemon" 125 down
	as_nobody "nor add users" 125 user add nobody
	run "an administrator sees everybody's" 0 ps --all --everyone --json
	json '[.[] | select(.name == "sum") | .owner_uid] | sort == [0, 65534]'
	run "set-quota" 0 user set-quota 65534 --running-vms 1
	as_nobody "one VM runs" 0 create --start one "$tmp/endless.elf"
	as_nobody "not two" 125 create --start two "$tmp/endless.elf"
	stderr_has "1"
	run "inspect as OWNER/NAME" 0 inspect --json 65534/one
	json '.state == "running"'
	run "ban" 0 user ban 65534 --reason 'a test'
	state 65534/one killed
	as_nobody "is refused" 125 ps
	stderr_has "a test"
	run "user ls" 0 user ls
	stdout_matches ' 65534 +user .* a test$'
	run "unban" 0 user unban 65534
	as_nobody "may again" 0 ps
else
	echo "note: not root, so there is only one user"
fi

# ---- down and up again -----------------------------------------------------------------------
# counts VM: what was counted of its run.
counts()
{
	"$pinfold" inspect --json "$1" | jq -c '[.slices, .wait_ns, .cpu_ns]'
}

before=$(counts pinned)
run "down" 0 down
stdout_has "stand parked"
has_ended "$daemon"
run "the next daemon" 0 up --config "$tmp/conf" --state-dir "$tmp/state" --run-dir "$tmp/run"
daemon=$("$pinfold" status --json | jq .pid)
state pinned running
check "counts on" jq -en "[$before, $(counts pinned)] | transpose | all(.[]; .[0] <= .[1]) and .[0][0] > 0"
run "down --kill-vms" 0 down --kill-vms
has_ended "$daemon"
daemon=
run "no daemon any more" 125 ps
case="no sanitizer has found anything"
checks=$((checks + 1))
grep -A 40 -E 'ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$tmp/state/pinfoldd.log" && fail "one has"
finish
