# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A pinfoldd of its own in a scratch folder, and curl to talk to it. Included by test_api.sh and test_permissions.sh.
# Sets: tmp, sock, state, pidfile, bin, guests.

bin=$1
# shellcheck disable=SC2034 # read by the tests that include this
guests=$2
failures=0
umask 022
if [ "$(id -u)" != 0 ]; then
	echo "skipped: needs root, to start a daemon with real-time threads and to call as other users"
	exit 77
fi
for tool in curl jq setpriv unshare; do
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: $tool is not installed"
		exit 77
	fi
done
tmp=$(mktemp -d /tmp/pinfold-api-XXXXXX)
chmod 755 "$tmp"
state=$tmp/state
sock=$tmp/run/pinfoldd.sock
daemon=

fail() {
	echo "FAIL $*"
	failures=$((failures + 1))
}

# daemon_start OPTION...: returns when it answers.
daemon_start() {
	# Whatever groups this host has.
	grep -qs '^socket_group' "$tmp/conf" || echo "socket_group = everybody" >>"$tmp/conf"
	# Another run of these tests on this host is no reason to fail.
	"$bin/pinfoldd" --allow-shared-pool --state-dir "$state" --run-dir "$tmp/run" --config "$tmp/conf" --vm-program "$guests/../bin/pinfold-vm" \
		"$@" >>"$tmp/log" 2>&1 &
	daemon=$!
	i=0
	until [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' --unix-socket "$sock" http://x/v1/status)" = 200 ]; do
		i=$((i + 1))
		if [ $i -gt 600 ] || ! kill -0 "$daemon" 2>/dev/null; then
			echo "FAIL pinfoldd does not start:"
			tail -n 20 "$tmp/log"
			exit 1
		fi
		sleep 0.05
	done
}

# daemon_end SIGNAL: waits for its end.
daemon_end() {
	kill "-$1" "$daemon"
	wait "$daemon" || [ "$1" = KILL ] || fail "pinfoldd ended with status $?"
	daemon=
}

# Everything that was started ends here, whatever happened.
finish() {
	if [ -n "$daemon" ]; then
		curl -s -m 20 -o /dev/null -d '{"vms":"kill"}' --unix-socket "$sock" http://x/v1/shutdown || true
		i=0
		while kill -0 "$daemon" 2>/dev/null && [ $i -lt 600 ]; do
			i=$((i + 1))
			sleep 0.05
		done
		kill -KILL "$daemon" 2>/dev/null || true
	fi
	if [ "$failures" -gt 0 ]; then
		tail -n 30 "$tmp"/*log
	fi
	# Whatever the test itself found.
	if grep -h -A 40 -E 'ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$tmp"/*log; then
		rm -rf "$tmp"
		exit 1
	fi
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# api METHOD PATH [BODY]: the answer's body.
api() {
	if [ $# -gt 2 ]; then
		curl -s -m 30 --unix-socket "$sock" -X "$1" -d "$3" "http://x$2"
	else
		curl -s -m 30 --unix-socket "$sock" -X "$1" "http://x$2"
	fi
}

# as UID GID COMMAND...
as() {
	uid=$1
	gid=$2
	shift 2
	setpriv --reuid="$uid" --regid="$gid" --clear-groups "$@"
}

# want WHAT GOT EXPECTED
want() {
	if [ "$2" = "$3" ]; then
		echo "pass $1"
	else
		fail "$1: got '$2', want '$3'"
	fi
}

# image FILE: upload it, print its hash.
image() {
	hash=$(sha256sum "$1" | cut -d' ' -f1)
	curl -s -m 30 -o /dev/null --unix-socket "$sock" -T "$1" "http://x/v1/images/$hash"
	echo "$hash"
}

# create NAME FILE [MORE]: define a VM; MORE are members of the JSON object, with a comma in front.
create() {
	api POST /v1/vms "{\"name\":\"$1\",\"image\":\"$(image "$2")\",\"image_name\":\"$(basename "$2")\"$3}"
}

# within SECONDS COMMAND...: try until it succeeds. Fails when the time is over.
within() {
	_tries=$(($1 * 10))
	shift
	until "$@"; do
		_tries=$((_tries - 1))
		[ "$_tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

is_state() {
	[ "$(api GET "/v1/vms/$1" | jq -r .state)" = "$2" ]
}

# until_state VM STATE
until_state() {
	within 30 is_state "$@" || fail "$1 is not $2 but $(api GET "/v1/vms/$1" | jq -c '[.state,.message]')"
}
