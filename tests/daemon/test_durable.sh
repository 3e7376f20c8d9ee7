#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What outlives the daemon: settings made at run time. Real program, real kills.
# Usage: test_durable.sh BIN GUESTS SOURCE-DIR
# shellcheck source=tests/daemon/api_lib.sh
. "$3/api_lib.sh"

cap() {
	api GET /v1/status | jq -r .exclusive.cap
}

setting_survives() {
	echo "exclusive_cap = 0" >"$tmp/conf"
	# shellcheck disable=SC2119 # no further options
	daemon_start
	want "cap of the configuration" "$(cap)" 0
	want "cap is set" "$(api PUT /v1/cores/exclusive-cap '{"cores":1}' | jq -r .cores)" 1
	daemon_end KILL
	# shellcheck disable=SC2119 # no further options
	daemon_start
	want "cap after a kill" "$(cap)" 1
	want "cap is audited" "$(api GET /v1/audit | jq '[.[]|select(.operation=="core.exclusive-cap")]|length')" 1
	want "half of the pool" "$(api PUT /v1/cores/exclusive-cap '{"cores":null}' | jq -r .cores)" "$half"
	daemon_end TERM
	# shellcheck disable=SC2119 # no further options
	daemon_start
	want "half after a restart" "$(cap)" "$half"
	want "more than the pool has" "$(api PUT /v1/cores/exclusive-cap '{"cores":9999}' | jq -r .error.code)" invalid
	want "a refused cap changes nothing" "$(cap)" "$half"
	daemon_end TERM
}

# run_of VM FIELD: of its row in the history.
run_of() {
	api GET "/v1/history?vm=$1" | jq -r ".[0].$2"
}

history_is_live() {
	create live "$guests/arm64/endless.elf" >/dev/null
	api POST /v1/vms/live/start >/dev/null
	until_state live running
	i=0
	while { [ "$(run_of live slices)" -lt 2 ] || [ "$(run_of live cpu_ns)" = 0 ]; } && [ $i -lt 400 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	want "slices of a running VM" "$([ "$(run_of live slices)" -ge 2 ] && echo some)" some
	want "CPU time of a running VM" "$([ "$(run_of live cpu_ns)" -gt 0 ] && echo some)" some
	want "memory of a running VM" "$([ "$(run_of live memory_peak_bytes)" -gt 0 ] && echo some)" some
	want "no end yet" "$(run_of live ended_at)" null
	api POST /v1/vms/live/kill >/dev/null
	before=$(run_of live cpu_ns)
	want "an end" "$([ "$(run_of live ended_at)" != null ] && echo some)" some
	want "figures stand still behind the end" "$(run_of live cpu_ns)" "$before"
}

# The store is whole, and older than the audit log knows.
old_store_is_noticed() {
	# shellcheck disable=SC2119 # no further options
	daemon_start
	daemon_end TERM
	cp -a "$state/store" "$tmp/store-before"
	# shellcheck disable=SC2119 # no further options
	daemon_start
	want "a change" "$(api PUT /v1/cores/exclusive-cap '{"cores":1}' | jq -r .cores)" 1
	daemon_end TERM
	rm -r "$state/store"
	mv "$tmp/store-before" "$state/store"
	# shellcheck disable=SC2119 # no further options
	daemon_start
	want "an older store is set aside" \
		"$(api GET /v1/status | jq '[.warnings[]|select(test("set aside.*generation|generation.*set aside"))]|length')" 1
	daemon_end TERM
}

# second OPTION...: another daemon on the same cores, with folders of its own.
second=
trap '[ -z "$second" ] || kill -KILL "$second" 2>/dev/null; finish' EXIT

second() {
	"$bin/pinfoldd" --state-dir "$tmp/state2" --run-dir "$tmp/run2" --config "$tmp/conf" "$@" >"$tmp/second" 2>&1 &
	second=$!
}

pool_is_claimed() {
	# shellcheck disable=SC2119 # no further options
	daemon_start
	if api GET /v1/status | jq -e '.warnings | any(test("another pinfoldd"))' >/dev/null; then
		echo "not tested: somebody else's daemon has the core"
		daemon_end TERM
		return
	fi
	second
	wait "$second" && fail "a second daemon starts on the same core"
	grep -q "another pinfoldd (pid $daemon, run folder $tmp/run) schedules guests on pool core" "$tmp/second" ||
		fail "why it does not start: $(cat "$tmp/second")"
	grep -q -- --allow-shared-pool "$tmp/second" || fail "what to do about it: $(cat "$tmp/second")"
	echo "pass a second daemon is refused"
	second --allow-shared-pool
	i=0
	until [ "$(curl -s -m 5 -o "$tmp/status2" -w '%{http_code}' --unix-socket "$tmp/run2/pinfoldd.sock" http://x/v1/status)" = 200 ]; do
		i=$((i + 1))
		if [ $i -gt 600 ] || ! kill -0 "$second" 2>/dev/null; then
			fail "a second daemon is not allowed: $(cat "$tmp/second")"
			break
		fi
		sleep 0.05
	done
	want "it says so in its status" "$(jq '[.warnings[]|select(test("starve each other"))]|length' "$tmp/status2")" 1
	grep -q "starve each other" "$tmp/second" || fail "it says so in its log"
	kill -TERM "$second"
	wait "$second" || fail "the second daemon ended with status $?"
	daemon_end KILL
	second
	i=0
	until grep -q "ready:" "$tmp/second" || [ $i -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	want "a dead daemon has no claim" "$(grep -c ready: "$tmp/second")" 1
	kill -TERM "$second"
	wait "$second" || fail "the second daemon ended with status $?"
}

: >"$tmp/conf"
# shellcheck disable=SC2119 # no further options
daemon_start
half=$(cap)
history_is_live
daemon_end TERM
setting_survives
old_store_is_noticed
pool_is_claimed
exit $((failures > 0))
