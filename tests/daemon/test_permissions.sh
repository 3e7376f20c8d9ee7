#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every operation of the API, asked for by root, an owner, another user, a banned user, a user of the owner's group and the
# root of a nested user namespace; expected statuses stand in permissions.txt.
# Usage: test_permissions.sh BIN_DIR GUESTS_DIR TESTS_DIR
set -eu

tests=$3
# shellcheck source=tests/daemon/api_lib.sh
. "$tests/api_lib.sh"

# Rights are tried here, not time: the machine may be busy.
echo "patience = 50" >"$tmp/conf"
# All but root may call as members of a group only; that gives them no other right.
members=65534
echo "socket_group = $(getent group $members | cut -d : -f 1)" >>"$tmp/conf"

as() {
	uid=$1
	gid=$2
	shift 2
	setpriv --reuid="$uid" --regid="$gid" --groups=$members "$@"
}

cells=0
skipped=0
nested=yes
if ! as 4105 4105 unshare -Ur true 2>/dev/null; then
	echo "skipped: cells of nested user namespaces, which this host refuses to make"
	nested=no
fi
# shellcheck disable=SC2119 # no further options
daemon_start
api PUT /v1/users/4103/ban '{"reason":"a test"}' >/dev/null
endless=$(image "$guests/riscv64/endless.elf")
fault=$(image "$guests/x86/fault_read.elf")
id=

# fresh STATE: the owner's VM, in that state; the old one goes.
fresh() {
	[ -z "$id" ] || api DELETE "/v1/vms/$id?force=1" >/dev/null
	id=
	case $1 in
	-) return ;;
	faulted) image=$fault ;;
	*) image=$endless ;;
	esac
	id=$(api POST /v1/vms "{\"image\":\"$image\",\"owner\":4101}" | jq -r .id)
	case $1 in
	running | paused | faulted) api POST "/v1/vms/$id/start" >/dev/null ;;
	esac
	case $1 in
	paused) api POST "/v1/vms/$id/pause" >/dev/null ;;
	faulted) until_state "$id" faulted ;;
	esac
}

# ask WHO METHOD PATH BODY: the HTTP status.
ask() {
	who=$1
	method=$2
	path=$3
	body=$4
	case $who in
	root) set -- curl ;;
	owner) set -- as 4101 4101 curl ;;
	other) set -- as 4102 4102 curl ;;
	banned) set -- as 4103 4103 curl ;;
	group) set -- as 4104 4101 curl ;;
	nested) set -- as 4105 4105 unshare -Ur curl ;;
	esac
	set -- "$@" -s -m 20 -o /dev/null -w '%{http_code}' --unix-socket "$sock"
	case $path in
	/v1/events) set -- "$@" -N -m 1 ;;
	esac
	case $method in
	HEAD) set -- "$@" -I ;;
	*) set -- "$@" -X "$method" ;;
	esac
	[ "$body" = - ] || set -- "$@" -d "$body"
	"$@" "http://x$path" || true
}

cell() {
	if [ "$1" = nested ] && [ $nested = no ]; then
		skipped=$((skipped + 1))
		return
	fi
	got=$(ask "$1" "$2" "$3" "$4")
	cells=$((cells + 1))
	[ "$got" = "$5" ] || fail "$name as $1: got $got, want $5"
	case $got in
	2*) is_used=yes ;;
	esac
}

while read -r name method path body vm root owner other banned group user_ns; do
	case $name in
	'' | '#'*) continue ;;
	esac
	is_used=yes
	for who in other banned group nested owner root; do
		case $who in
		root) status=$root ;;
		owner) status=$owner ;;
		other) status=$other ;;
		banned) status=$banned ;;
		group) status=$group ;;
		nested) status=$user_ns ;;
		esac
		if [ $is_used = yes ]; then
			fresh "$vm"
			is_used=no
		fi
		full=$(echo "$path" | sed "s/{id}/$id/; s/{image}/$endless/; s/{hash}/$(printf '%064d' 1)/")
		cell "$who" "$method" "$full" "$body" "$status"
	done
	echo "$name" >>"$tmp/asked"
done <"$tests/permissions.txt"

want "the socket is root's and the group's" "$(stat -c %a:%u:%g "$sock")" "660:0:$members"
want "who is in another group can't call" "$(
	setpriv --reuid=4101 --regid=4101 --clear-groups curl -s -m 20 -o /dev/null -w '%{http_code} %{exitcode}' --unix-socket "$sock" \
		http://x/v1/status
)" "000 7"

# No operation without a row, no row without an operation.
api GET /v1/openapi.json | jq -r '.paths[][].operationId' | sort >"$tmp/operations"
sort "$tmp/asked" >"$tmp/rows"
if ! diff "$tmp/operations" "$tmp/rows"; then
	fail "permissions.txt and the API differ"
fi
[ "$cells" -ge 60 ] || fail "only $cells cells"
echo "$cells cells asked, $skipped skipped, $failures wrong"
exit $((failures > 0))
