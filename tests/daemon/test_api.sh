#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The real pinfoldd with real guests, asked by curl: life cycle, console, faults, users, snapshots, events, metrics, audit,
# restarts while VMs run.
# Usage: test_api.sh BIN_DIR GUESTS_DIR TESTS_DIR
set -eu

tests=$3
# shellcheck source=tests/daemon/api_lib.sh
. "$tests/api_lib.sh"

# What is tried here is not time: the machine may be busy.
printf 'quota_running_vms = 5\npatience = 50\ncolour = blue\nslice_default = 5ms\n' >"$tmp/conf"
daemon_start

# -- status
want "status says who it is" "$(api GET /v1/status | jq -r .pid)" "$daemon"
want "the configuration's unknown key is a warning" \
	"$(api GET /v1/status | jq '[.warnings[]|select(test("conf:3: colour is not known"))]|length')" 1
want "the pool is not empty" "$(api GET /v1/status | jq '.pool|length>0')" true
want "another daemon on the same folder is refused" \
	"$("$bin/pinfoldd" --state-dir "$state" --run-dir "$tmp/run" 2>&1 | grep -c 'another pinfoldd serves')" 1
want "what is not there" "$(api GET /v1/nothing | jq -r .error.code)" not_found

# -- a VM from its definition to its end
create sum "$guests/x64/sum.elf" '' >/dev/null
want "created" "$(api GET /v1/vms/sum | jq -r '[.state,.slice_ns,.owner]|join(" ")')" "created 5000000 root"
want "a name is used once" "$(create sum "$guests/x64/sum.elf" '' | jq -r .error.code)" exists
want "an unknown field" "$(create y "$guests/x64/sum.elf" ',"colour":1' | jq -r .error.code)" invalid
want "an image that nobody uploaded" \
	"$(api POST /v1/vms "{\"image\":\"$(printf '%064d' 7)\"}" | jq -r .error.code)" not_found
# It may have done its work when the answer comes.
started=$(api POST /v1/vms/sum/start | jq -r '.state//.error.message')
case $started in
running | blocked | stopping | stopped) echo "pass start" ;;
*) fail "start: $started" ;;
esac
want "wait" "$(api GET '/v1/vms/sum/wait?timeout_ms=20000' | jq -r '[.state,.exit_code]|join(" ")')" "stopped 0"
want "what it printed" "$(api GET /v1/vms/sum/console | head -n 1)" "sum 1..100 5050"
want "from an offset" "$(api GET '/v1/vms/sum/console?from=4' | head -n 1)" "1..100 5050"
want "ended VMs are in the list of all" "$(api GET '/v1/vms?all=1' | jq -r '.[0].name')" sum
want "and in no other" "$(api GET /v1/vms | jq length)" 0
want "runs are remembered" "$(api GET '/v1/history?vm=sum' | jq -r '.[0]|[.vm,.owner,.result]|join(" ")')" \
	"sum root the guest halted"
create exit "$guests/arm64/exit42.elf" '' >/dev/null
api POST /v1/vms/exit/start >/dev/null
want "exit status" "$(api GET '/v1/vms/exit/wait?timeout_ms=20000' | jq .exit_code)" 42

# -- made and started by one request
want "created and started" "$(api POST '/v1/vms?start=1' \
	"{\"name\":\"echo\",\"image\":\"$(image "$guests/riscv64/echo.elf")\"}" | jq -r .name)" echo
want "it runs" "$(api GET /v1/vms/echo | jq '.state|test("running|blocked")')" true
want "a user is told why it does not start" "$(api POST '/v1/vms?start=1' \
	"{\"name\":\"not\",\"image\":\"$(image "$guests/riscv64/echo.elf")\",\"arch\":\"arm\",\"image_name\":\"it\"}" |
	jq -r .error.message)" \
	"it: the image is for RISC-V (RV64GC), not for ARMv7-A"
want "and it is not made" "$(api GET /v1/vms/not | jq -r .error.code)" not_found
want "the audit log says so" "$(api GET '/v1/audit?last=1000' |
	jq -c '[.[]|select(.operation=="vm.create" and (.arguments|fromjson|.start=="1"))|.result < 0]')" '[false,true]'

# -- console
want "input is taken" "$(api POST /v1/vms/echo/console 'hello, echo
' | jq .taken)" 12
printf '\004' >"$tmp/eot"
curl -s -m 20 -o /dev/null --unix-socket "$sock" --data-binary "@$tmp/eot" http://x/v1/vms/echo/console
want "followed to its end" "$(api GET '/v1/vms/echo/console?follow=1' | tr -d '\r' | grep -c 'echoed 12')" 1

# -- pause, change, snapshot, restore
create loop "$guests/riscv64/endless.elf" '' >/dev/null
api POST /v1/vms/loop/start >/dev/null
want "time over" "$(curl -s -m 20 -o /dev/null -w '%{http_code}' --unix-socket "$sock" \
	'http://x/v1/vms/loop/wait?timeout_ms=50')" 204
curl -s -m 0.3 -o /dev/null --unix-socket "$sock" 'http://x/v1/vms/loop/wait?timeout_ms=60000' || true
i=0
until [ "$(api GET /metrics | sed -n 's/^pinfold_http_open //p')" -le 1 ] || [ $i -ge 200 ]; do
	i=$((i + 1))
	sleep 0.05
done
want "who waits and hangs up is waited for no longer" "$([ $i -lt 200 ] && echo yes)" yes
want "start again" "$(api POST /v1/vms/loop/start | jq -r .error.code)" wrong_state
want "pause" "$(api POST /v1/vms/loop/pause | jq -r .state)" paused
want "registers of what stands still" "$(api GET /v1/vms/loop | jq '.registers|has("pc")')" true
want "change" "$(api PATCH /v1/vms/loop '{"slice_ns":2000000,"prio":5,"limits":{"cpu_ns":3600000000000}}' |
	jq -c '[.slice_ns,.prio]')" '[2000000,5]'
want "out of range" "$(api PATCH /v1/vms/loop '{"prio":8}' | jq -r .error.code)" invalid
api GET /v1/vms/loop/snapshot >"$tmp/snapshot"
want "it stays paused" "$(api GET /v1/vms/loop | jq -r .state)" paused
curl -s -m 20 -o "$tmp/answer" --unix-socket "$sock" -X POST -T "$tmp/snapshot" 'http://x/v1/restore?name=copy'
want "restore" "$(jq -r .name "$tmp/answer")" copy
want "its program counter comes along" \
	"$(api POST /v1/vms/copy/start >/dev/null && api POST /v1/vms/copy/pause >/dev/null &&
		api GET /v1/vms/copy | jq '.registers.pc != "0x80000000"')" true
size=$(stat -c %s "$tmp/snapshot")
for at in 0 8 13 20 40 70 $((size - 5)); do
	cp "$tmp/snapshot" "$tmp/bad"
	was=$(od -An -tu1 -j "$at" -N 1 "$tmp/bad" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %03o $((was ^ 255)))" | dd of="$tmp/bad" bs=1 seek="$at" conv=notrunc 2>/dev/null
	code=$(curl -s -m 20 --unix-socket "$sock" -X POST -T "$tmp/bad" 'http://x/v1/restore?name=bad' | jq -r .error.code)
	case $code in
	invalid | damaged) echo "pass a snapshot with a flipped byte at $at is refused" ;;
	*) fail "a snapshot with a flipped byte at $at: $code" ;;
	esac
done
head -c $((size - 1)) "$tmp/snapshot" >"$tmp/bad"
want "a snapshot cut short" "$(curl -s -m 20 --unix-socket "$sock" -X POST -T "$tmp/bad" 'http://x/v1/restore' |
	jq -r .error.code)" damaged
want "resume" "$(api POST /v1/vms/loop/resume | jq -r .state)" running

# -- faults
create bad "$guests/x86/fault_read.elf" '' >/dev/null
api POST /v1/vms/bad/start >/dev/null
until_state bad faulted
want "the fault queue" "$(api GET /v1/faults | jq -r '.[0]|[.vm,.kind,.address]|join(" ")')" "bad unmapped 0xd0000000"
want "registers of what faulted" "$(api GET /v1/vms/bad | jq -r .registers.edx)" 0xd0000000
api DELETE /v1/faults/bad >/dev/null
want "cleared" "$(api GET /v1/faults | jq length) $(api GET /v1/vms/bad | jq -r .state)" "0 killed"

# -- users
as_4001() {
	as 4001 4001 curl -s -m 20 --unix-socket "$sock" "$@"
}
curl_image() {
	as_4001 -T "$1" "http://x/v1/images/$(sha256sum "$1" | cut -d' ' -f1)" | jq -r .hash
}
cp "$guests/riscv64/endless.elf" "$tmp/endless.elf"
chmod 644 "$tmp/endless.elf"
hash=$(sha256sum "$tmp/endless.elf" | cut -d' ' -f1)
want "an image of somebody else" "$(as_4001 "http://x/v1/images/$hash" | jq -r .error.code)" not_found
want "uploaded by a user" "$(curl_image "$tmp/endless.elf")" "$hash"
for i in 1 2 3; do
	as_4001 -d "{\"name\":\"u$i\",\"image\":\"$hash\"}" http://x/v1/vms >/dev/null
done
want "a quota" "$(api PUT /v1/users/4001/quota '{"running_vms":2}' | jq -c '[.quota.running_vms,.is_known]')" '[2,true]'
want "as many as allowed" "$(for i in 1 2 3; do as_4001 -X POST "http://x/v1/vms/u$i/start" | jq -r '.state//.error.code'; done |
	tr '\n' ' ')" "running running quota "
want "a user sees what is his" "$(as_4001 http://x/v1/vms | jq length)" 3
want "and not what is not" "$(as_4001 http://x/v1/vms/loop | jq -r .error.code)" not_found
want "administrators see all" "$(api GET '/v1/vms?everyone=1' | jq '[.[]|select(.owner_uid==4001)]|length')" 3
want "by owner and name" "$(api GET /v1/vms/4001%2Fu1 | jq -r .owner_uid)" 4001
want "a holder has no name for others" \
	"$(as_4001 http://x/v1/cores | jq '[.[]|select(.holder=="loop")]|length')" 0
want "own numbers only" "$(as_4001 http://x/metrics | grep -c 'vm="loop"' || true)" 0
want "a ban ends VMs" "$(api PUT /v1/users/4001/ban '{"reason":"mining"}' | jq .killed_vms)" 2
want "a banned user" "$(as_4001 http://x/v1/vms | jq -r .error.code)" banned
want "may see the status" "$(as_4001 -o /dev/null -w '%{http_code}' http://x/v1/status)" 200
want "the superuser can't be banned" "$(api PUT /v1/users/root/ban '{}' | jq -r .error.code)" forbidden

# -- numbers and events
# Where tests run there is no module; what the daemon does with one is tested with a fake, and in the bed.
if [ ! -e /dev/pinfold-guard ]; then
	want "no guard" "$(api GET /v1/guard | jq -c '[.is_loaded, .is_attached, .trouble]')" "[false,false,null]"
fi
api GET /metrics >"$tmp/metrics"
want "the guard has metrics" "$(grep -c '^pinfold_guard_' "$tmp/metrics")" 5
want "metrics are well-formed" "$(sh "$tests/metrics_check.sh" "$tmp/metrics")" ""
want "events from the start" "$( (curl -s -N -m 5 --unix-socket "$sock" 'http://x/v1/events?from=1' || true) |
	grep -c 'event: vm.created' | awk '{ print ($1 >= 8) }')" 1
want "decisions" "$(api GET '/v1/sched/log?last=5' | jq length)" 5
want "description" "$(api GET /v1/openapi.json | jq -r .info.title)" Pinfold

# -- restarts while VMs run
pid=$(api GET /v1/vms/loop | jq .pid)
daemon_end KILL
daemon_start
want "killed: the VM runs on" "$(api GET /v1/vms/loop | jq -c '[.pid,.state]')" "[$pid,\"running\"]"
want "killed: one that was paused is paused" "$(api GET /v1/vms/copy | jq -r .state)" paused
want "killed: quota and ban are there" \
	"$(api GET /v1/users | jq -c '.[]|select(.uid==4001)|[.quota.running_vms,.is_banned]')" '[2,true]'
cpu=$(api GET /v1/vms/loop | jq .cpu_ns)
i=0
until [ "$(api GET /v1/vms/loop | jq ".cpu_ns > $cpu")" = true ] || [ $i -gt 400 ]; do
	i=$((i + 1))
	sleep 0.05
done
want "killed: it gets slices" "$(api GET /v1/vms/loop | jq ".cpu_ns > $cpu")" true
daemon_end TERM
want "ended: the VM is alive" "$(kill -0 "$pid" && echo yes)" yes
printf 'log_level = debug\nquota_running_vms = 7\npatience = 50\n' >"$tmp/conf"
daemon_start --log "$tmp/file.log"
want "ended: the VM runs on" "$(api GET /v1/vms/loop | jq -c '[.pid,.state]')" "[$pid,\"running\"]"
want "a log file" "$(grep -c ' info ready: ' "$tmp/file.log")" 1

# -- reload
printf 'log_level = warn\nquota_running_vms = 9\npatience = 50\n' >"$tmp/conf"
mv "$tmp/file.log" "$tmp/file.log.old"
kill -HUP "$daemon"
i=0
until [ -e "$tmp/file.log" ] || [ $i -gt 600 ]; do
	i=$((i + 1))
	sleep 0.05
done
want "a log file that was moved away is made again" "$(test -e "$tmp/file.log" && echo yes)" yes
# The log file may be there first.
uid=4777
until [ "$(as $uid $uid curl -s -m 20 --unix-socket "$sock" http://x/v1/users | jq '.[0].quota.running_vms')" = 9 ] ||
	[ $uid -gt 4877 ]; do
	uid=$((uid + 1))
	sleep 0.05
done
want "new users get the new quota" "$(as $uid $uid curl -s -m 20 --unix-socket "$sock" http://x/v1/users |
	jq '.[0].quota.running_vms')" 9

# -- cores
core=$(api GET /v1/cores | jq '[.[]|select(.is_pool)][0].host_core')
want "a core that is not exclusive can't be taken back" "$(api POST "/v1/cores/$core/reclaim" '{}' | jq -r .error.message)" \
	"core $core is not exclusive"

# -- audit
want "the audit log is whole" "$(api GET /v1/audit/verify | jq -c '[.finding,.is_authentic]')" '["intact",true]'
want "it names who asked for what" "$(api GET '/v1/audit?last=1000' |
	jq -c '[.[]|select(.operation=="user.ban")][0]|[.uid,.result,(.arguments|fromjson|.user)]')" '[0,0,"4001"]'
want "and what was refused by its handler" "$(api GET '/v1/audit?last=1000' |
	jq '[.[]|select(.operation=="user.ban" and .result<0)]|length')" 1
anchor=$(api GET /v1/audit/anchor | jq -r .anchor)
want "an anchor" "${anchor%% *}" pinfold-audit-anchor
# compare ANCHOR...: what the daemon finds.
compare() {
	api POST /v1/audit/verify "$(jq -nc '{anchors: $ARGS.positional}' --args "$@")"
}
want "the log has the anchor's record" "$(compare "$anchor" | jq -c '[.finding,.n_anchors_met]')" '["intact",1]'
seq=${anchor#* }
seq=${seq% *}
want "another record in its place is found" "$(compare "$anchor" "pinfold-audit-anchor $seq $(printf %064d 0)" |
	jq -c '[.finding,.bad_seq]')" "[\"rolled_back\",$seq]"
want "so is a log that ends before it" "$(compare "pinfold-audit-anchor 999999 ${anchor##* }" | jq -r .finding)" rolled_back
want "what is no anchor" "$(compare "$anchor" nonsense | jq -r .error.message)" \
	"anchor 2 is none: such are printed by GET /v1/audit/anchor"
want "no list" "$(api POST /v1/audit/verify '{"anchors":7}' | jq -r .error.message)" \
	"anchors must be a list of at most 256 anchors"

# -- a log that can't be written
limit=$(prlimit --pid "$daemon" --fsize --output SOFT --noheadings | tr -d ' ')
prlimit --pid "$daemon" --fsize=1:
want "what can't be recorded is said not to be" "$(api PUT /v1/cores/exclusive-cap '{"cores":null}' | jq -r .error.code)" \
	not_recorded
want "and nothing is changed after that" "$(curl -s -m 20 -o /dev/null -w '%{http_code}' --unix-socket "$sock" -X PUT \
	-d '{"cores":null}' http://x/v1/cores/exclusive-cap)" 503
want "the status says so" "$(api GET /v1/status | jq .audit.is_ok)" false
prlimit --pid "$daemon" --fsize="$limit":
want "until it can be written again" "$(api PUT /v1/cores/exclusive-cap '{"cores":null}' | jq 'has("cores")')" true
want "the log is still whole" "$(api GET /v1/audit/verify | jq -r .finding)" intact

# -- the end
want "it still runs" "$(api GET /v1/vms/loop | jq -c '[.state,.message]')" '["running",null]'
want "remove one that runs" "$(api DELETE /v1/vms/loop | jq -r .error.code)" busy
want "by force" "$(api DELETE '/v1/vms/loop?force=1')" "{}"
want "kill" "$(api POST /v1/vms/copy/kill | jq -r .state)" killed
pids=$(api GET '/v1/vms?everyone=1' | jq -r '.[]|.pid//empty')
api POST /v1/shutdown '{"vms":"kill"}' >/dev/null
wait "$daemon" || fail "pinfoldd ended with status $?"
daemon=
for pid in $pids; do
	kill -0 "$pid" 2>/dev/null && fail "VM process $pid is left"
done
exit $((failures > 0))
