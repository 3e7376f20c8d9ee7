#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What one user can't do to the others: a priority or slices beyond the ceiling, changes without end, an audit log full of
# refusals. The real pinfoldd, asked by curl and by pinfold.
# Usage: test_api_limits.sh BIN_DIR GUESTS_DIR TESTS_DIR
set -eu

tests=$3
# shellcheck source=tests/daemon/api_lib.sh
. "$tests/api_lib.sh"

# as_api UID METHOD PATH [BODY]: the answer's body.
as_api() {
	_uid=$1
	_method=$2
	_path=$3
	shift 3
	if [ $# -gt 0 ]; then
		set -- -d "$1"
	fi
	as "$_uid" "$_uid" curl -s -m 30 --unix-socket "$sock" -X "$_method" "$@" "http://x$_path"
}

# code UID METHOD PATH [BODY]: the error's code; "none".
code() {
	as_api "$@" | jq -r '.error.code // "none"'
}

# vm NAME FILTER: of user 4101's VM.
vm() {
	as_api 4101 GET "/v1/vms/$1" | jq -c "$2"
}
export PINFOLD_SOCKET="$sock"

printf 'patience = 1000\nquota_max_prio = 4\nquota_max_slice = 20ms\nquota_definitions = 3\n' >"$tmp/conf"
printf 'slice_default = 30ms\n' >>"$tmp/conf"
# shellcheck disable=SC2119 # no further options
daemon_start

# -- ceilings
endless=$(image "$guests/riscv64/endless.elf")
as 4101 4101 curl -s -m 30 -o /dev/null --unix-socket "$sock" -T "$guests/riscv64/endless.elf" "http://x/v1/images/$endless"
body="\"image\":\"$endless\""
want "priority above the ceiling" "$(code 4101 POST /v1/vms "{$body,\"prio\":5}")" quota
want "the sentence names it" "$(as_api 4101 POST /v1/vms "{$body,\"prio\":7}" | jq -r .error.message)" \
	"user 4101 may give his VMs priority 4 at most, not 7"
want "slice above the ceiling" "$(code 4101 POST /v1/vms "{$body,\"slice_ns\":20000001}")" quota
want "an administrator can't go around it" "$(code 0 POST /v1/vms "{$body,\"prio\":5,\"owner\":4101}")" quota
want "an administrator's own VM" "$(code 0 POST /v1/vms "{$body,\"prio\":7,\"slice_ns\":100000000}")" none
want "as much as is allowed" "$(code 4101 POST /v1/vms "{$body,\"name\":\"a\",\"prio\":4,\"slice_ns\":20000000}")" none
want "a default above the ceiling is lowered" \
	"$(code 4101 POST /v1/vms "{$body,\"name\":\"b\"}") $(vm b '[.prio,.slice_ns]')" \
	"none [3,20000000]"
want "update above the ceiling" "$(code 4101 PATCH /v1/vms/a '{"prio":5}')" quota
want "update of something else" "$(code 4101 PATCH /v1/vms/a '{"limits":{"cpu_ns":3600000000000}}')" none
a=$(vm a .id | tr -d '"')
as_api 4101 POST /v1/vms/a/start '{}' >/dev/null
until_state "$a" running
want "the ceiling is shown" \
	"$("$bin/pinfold" user set-quota 4101 --max-prio 2 --max-slice 5ms >"$tmp/out" 2>&1
	api GET /v1/users | jq -c '.[]|select(.uid==4101)|[.quota.max_prio,.quota.max_slice_ns]')" '[2,5000000]'
want "a running VM comes down with it" "$(vm a '[.state,.prio,.slice_ns]')" '["running",2,5000000]'
want "and one that does not run" "$(vm b '[.prio,.slice_ns]')" '[2,5000000]'
api PUT /v1/users/4101/quota '{"max_prio":null,"max_slice_ns":null}' >/dev/null
want "no ceiling" "$(code 4101 PATCH /v1/vms/a '{"prio":7,"slice_ns":100000000}')" none
want "a ceiling out of range" "$(code 0 PUT /v1/users/4101/quota '{"max_prio":8}')" invalid
api PUT /v1/users/4101/quota '{"max_prio":1,"max_slice_ns":2000000}' >/dev/null
daemon_end TERM
# shellcheck disable=SC2119 # no further options
daemon_start
want "ceilings outlive a restart" "$(code 4101 PATCH /v1/vms/a '{"prio":2}')" quota
want "as do the VMs below them" "$(vm a .prio)" 1

# -- refusals: the first is recorded, those that follow within a minute are counted
for i in 1 2 3 4 5 6; do
	code 4101 POST /v1/vms "{$body,\"name\":\"full$i\",\"prio\":0,\"slice_ns\":1000000}" >>"$tmp/codes"
done
want "refused by the quota" "$(sort "$tmp/codes" | uniq -c | tr -s ' \n' ' ')" " 1 none 5 quota "
for i in 1 2 3 4 5; do
	want "no right, $i" "$(code 4102 POST /v1/shutdown '{}')" forbidden
done
api PUT /v1/users/4103/ban '{"reason":"a test"}' >/dev/null
for i in 1 2 3 4 5; do
	want "banned, $i" "$(code 4103 GET /v1/vms)" banned
done
want "the first has a record, with the reason" \
	"$(api GET '/v1/audit?last=1000' | jq -r '[.[]|select(.uid==4103 and .operation=="vm.list").arguments][0]')" \
	'{"refused":"banned"}'

# -- rates: a daemon that allows little. What was counted before is recorded when the first one ends.
daemon_end TERM
printf 'patience = 1000\nrate_changes = 1\nrate_burst = 3\n' >"$tmp/conf"
# shellcheck disable=SC2119 # no further options
daemon_start
api GET '/v1/audit?last=1000' >"$tmp/audit"
# sum UID RESULT: refusals with a record of their own or in a count.
sum() {
	jq "[.[]|select(.uid==$1 and .result==$2)|if .operation==\"refused\" then (.arguments|fromjson.n) else 1 end]|add" \
		"$tmp/audit"
}
want "none is missing: quota" "$(sum 4101 -122)" 10
want "none is missing: right" "$(sum 4102 -1)" 5
want "none is missing: ban" "$(sum 4103 -129)" 5
want "how they are counted" \
	"$(jq -r '[.[]|select(.operation=="refused" and .uid==4102).arguments|fromjson|[.refused,.last]|join(" ")][0]' "$tmp/audit")" \
	"no_right shutdown"
# flood: forty changes by one process, which is faster than one per second on the busiest machine; again if it was not.
flood() {
	_i=0
	until as 4104 4104 curl -s -m 60 -i --unix-socket "$sock" -X DELETE "http://x/v1/vms/none[1-40]" >"$tmp/answers" &&
		grep -q '"too_many_requests"' "$tmp/answers"; do
		_i=$((_i + 1))
		if [ $_i -gt 50 ]; then
			fail "one change per second is allowed, and forty in a row went through"
			return
		fi
	done
}
flood
[ "$(grep -c '"not_found"' "$tmp/answers")" -ge 1 ] || fail "no change went through: $(cat "$tmp/answers")"
tr -d '\r' <"$tmp/answers" >"$tmp/lines"
want "when to come back" "$(grep -ci '^retry-after: 1$' "$tmp/lines")" "$(grep -c 'HTTP/1.1 429' "$tmp/lines")"
want "reading goes on" "$(code 4104 GET /v1/vms/none)" not_found
want "so do others" "$(code 4105 DELETE /v1/vms/none)" not_found
for i in 1 2 3 4 5 6 7 8 9 10; do
	want "and administrators, $i" "$(code 0 DELETE /v1/vms/none)" not_found
done
flood
i=0
names=$(seq -f 'none%g' 1 40)
# shellcheck disable=SC2086 # one name per word
while status=0 && { as 4104 4104 "$bin/pinfold" rm $names 2>"$tmp/err" || status=$?; } &&
	! grep -q 'faster than is allowed' "$tmp/err"; do
	i=$((i + 1))
	[ $i -le 50 ] || break
done
want "pinfold says so, and what to do" \
	"$(sed -n 's/.*\(user 4104 changes.*\)/\1/p' "$tmp/err" | sort -u)" \
	"user 4104 changes things faster than is allowed; wait a second; the bound is rate_changes in pinfoldd.conf"
want "and fails" "$status" 125
api DELETE '/v1/vms/a?force=1' >/dev/null
exit $((failures > 0))
