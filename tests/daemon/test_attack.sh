#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Attacks on pinfoldd and pinfold by other users of the host, each of which once worked or must never work.
# Usage: test_attack.sh BIN_DIR GUESTS_DIR TESTS_DIR
set -eu

tests=$3
# shellcheck source=tests/daemon/api_lib.sh
. "$tests/api_lib.sh"
evil=4301
victim=4302

# Rights are tried here, not time: the machine may be busy.
echo "patience = 1000" >"$tmp/conf"
mkdir -m 755 "$tmp/evil"
chown $evil:$evil "$tmp/evil"

# ask UID CURL_ARGUMENT...: the answer's body.
ask() {
	who=$1
	shift
	as "$who" "$who" curl -s -m 30 --unix-socket "$sock" "$@" || true
}

# status UID CURL_ARGUMENT...: the HTTP status.
status() {
	ask "$@" -o /dev/null -w '%{http_code}'
}

# upload UID FILE: print its hash.
upload() {
	hash=$(sha256sum "$2" | cut -d' ' -f1)
	ask "$1" -o /dev/null -T "$2" "http://x/v1/images/$hash"
	echo "$hash"
}

# refused OPTION...: whether the daemon says no to these, and why.
refused() {
	timeout -s KILL 20 "$bin/pinfoldd" --config "$tmp/conf" --backend ordinary "$@" 2>&1 >/dev/null | tail -n 1
}

# --- folders and files that others can change -----------------------------------------------------------------------
folders() {
	mkdir "$tmp/open"
	chmod 777 "$tmp/open"
	ln -s "$tmp/evil" "$tmp/link"
	for dir in "$tmp/evil" "$tmp/evil/below" "$tmp/open" "$tmp/open/below" "$tmp/link"; do
		for option in run state; do
			case $option in
			run) other=state ;;
			state) other=run ;;
			esac
			why=$(refused "--$option-dir" "$dir" "--$other-dir" "$tmp/good-$other" --socket "$tmp/good.sock")
			case $why in
			*"others could change"*) echo "pass $option folder $dir is refused" ;;
			*) fail "$option folder $dir: $why" ;;
			esac
		done
	done
	rm -rf "$tmp/evil/below" "$tmp/open"
}

log_files() {
	as $evil $evil sh -c "echo precious >$tmp/evil/precious"
	echo secret >"$tmp/secret"
	ln -s "$tmp/secret" "$tmp/evil/symlink"
	ln "$tmp/secret" "$tmp/evil/hardlink"
	for name in symlink hardlink precious; do
		timeout -s KILL 20 "$bin/pinfoldd" --config "$tmp/conf" --backend ordinary --run-dir "$tmp/r" --state-dir "$tmp/s" \
			--log "$tmp/evil/$name" 2>/dev/null && fail "the daemon logs to $name"
		PINFOLD_SOCKET="$tmp/r/pinfoldd.sock" timeout -s KILL 20 "$bin/pinfold" up --run-dir "$tmp/r" --state-dir "$tmp/s" \
			--log "$tmp/evil/$name" --config "$tmp/conf" --backend ordinary >/dev/null 2>&1 && fail "pinfold up logs to $name"
	done
	want "what a link pointed to" "$(cat "$tmp/secret")" secret
	want "what belongs to somebody else" "$(cat "$tmp/evil/precious")" precious
}

# --- programs found in the caller's $PATH ---------------------------------------------------------------------------
search_path() {
	mkdir "$tmp/alone" "$tmp/path"
	cp "$bin/pinfold" "$bin/pinfoldd" "$tmp/alone"
	for name in pinfoldd pinfold-vm; do
		printf '#!/bin/sh\ntouch %s/stolen-%s\n' "$tmp" $name >"$tmp/path/$name"
		chmod 755 "$tmp/path/$name"
	done
	PATH="$tmp/path:$PATH" timeout -s KILL 20 "$tmp/alone/pinfold" run "$guests/riscv64/exit42.elf" >/dev/null 2>&1 &&
		fail "a VM ran without pinfold-vm"
	rm "$tmp/alone/pinfoldd"
	PINFOLD_SOCKET="$tmp/r/pinfoldd.sock" PATH="$tmp/path:$PATH" timeout -s KILL 80 "$tmp/alone/pinfold" up --run-dir "$tmp/r" \
		--state-dir "$tmp/s" --config "$tmp/conf" >/dev/null 2>&1 && fail "something else than the daemon was started"
	for name in pinfoldd pinfold-vm; do
		[ ! -e "$tmp/stolen-$name" ] || fail "root ran $name out of \$PATH"
	done
	echo "pass nothing out of \$PATH"
}

# --- the restart ----------------------------------------------------------------------------------------------------
restart() {
	# Whoever can read a file can lock it.
	for file in "$tmp"/run/*; do
		[ -f "$file" ] || continue
		setpriv --reuid=$evil --regid=$evil --clear-groups flock -F -x "$file" sleep 30 2>/dev/null &
		pids="${pids:-} $!"
	done
	# Until one of them waits in the kernel; where none can, nothing happens.
	i=0
	until grep -q -e '-> FLOCK' /proc/locks || [ $i -gt 20 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	daemon_end KILL
	# shellcheck disable=SC2119 # no further options
	daemon_start
	want "a restart while others lock what they can" "$(status 0 http://x/v1/status)" 200
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# --- whose daemon it is ---------------------------------------------------------------------------------------------
strange_socket() {
	as $evil $evil mkdir "$tmp/evil/run" "$tmp/evil/state"
	setpriv --reuid=$evil --regid=$evil --clear-groups "$bin/pinfoldd" --run-dir "$tmp/evil/run" --state-dir "$tmp/evil/state" --config "$tmp/conf" \
		--backend ordinary >/dev/null 2>&1 &
	strange=$!
	i=0
	until [ "$(as $evil $evil curl -s -o /dev/null -w '%{http_code}' --unix-socket "$tmp/evil/run/pinfoldd.sock" \
		http://x/v1/status)" = 200 ] || [ $i -gt 400 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	why=$(PINFOLD_SOCKET="$tmp/evil/run/pinfoldd.sock" "$bin/pinfold" ps 2>&1 || true)
	case $why in
	*"is served by user $evil"*) echo "pass a daemon of somebody else is not trusted" ;;
	*) fail "a daemon of somebody else: $why" ;;
	esac
	why=$(as $evil $evil env PINFOLD_SOCKET="$tmp/evil/run/pinfoldd.sock" "$bin/pinfold" status 2>&1 || true)
	case $why in
	*"is served by"* | *"not running"*) fail "one's own daemon: $why" ;;
	esac
	kill $strange
	wait $strange || true
}

# --- ids that are nobody's ------------------------------------------------------------------------------------------
borrowed_ids() {
	vm_id=$((0x70000000 + 1234))
	want "the id of a VM process" "$(status $vm_id http://x/v1/vms | sed s/000/403/)" 403
	# Refused before a byte is read: the answer may be lost with the connection.
	got=$(status 700001 http://x/v1/vms)
	[ "$got" != 000 ] || got=403
	want "an id out of /etc/subuid" "$got" "$1"
	want "an id before it" "$(status 699999 http://x/v1/vms)" 200
	api POST /v1/users '{"user":"700002"}' >/dev/null
	want "one that an administrator has added" "$(status 700002 http://x/v1/vms)" 200
}

# --- other people's VMs ---------------------------------------------------------------------------------------------
others() {
	upload $victim "$guests/riscv64/endless.elf" >"$tmp/hash"
	id=$(ask $victim -d "{\"name\":\"mine\",\"image\":\"$(cat "$tmp/hash")\"}" http://x/v1/vms | jq -r .id)
	want "the victim's VM starts" "$(status $victim -d '{}' http://x/v1/vms/mine/start)" 200
	for name in mine "$id" "$victim%2Fmine" "$victim/mine" "%2Fmine" "..%2F$victim%2Fmine" "$victim%2F$id" "$id%00" "$id%0A"; do
		for op in "-X DELETE http://x/v1/vms/$name?force=1" "-d {} http://x/v1/vms/$name/kill" "http://x/v1/vms/$name" \
			"-d x http://x/v1/vms/$name/console" "http://x/v1/vms/$name/snapshot" "-X DELETE http://x/v1/faults/$name"; do
			# shellcheck disable=SC2086 # several words
			got=$(status $evil $op)
			case $got in
			400 | 404 | 405) ;;
			*) fail "$op as somebody else: $got" ;;
			esac
		done
	done
	want "an image of somebody else" "$(status $evil "http://x/v1/images/$(cat "$tmp/hash")")" 404
	want "a VM of it" "$(status $evil -d "{\"image\":\"$(cat "$tmp/hash")\"}" http://x/v1/vms)" 404
	want "a VM for somebody else" "$(status $evil -d "{\"image\":\"$(cat "$tmp/hash")\",\"owner\":$victim}" http://x/v1/vms)" 403
	for path in /v1/vms?all=1 /v1/cores /metrics /v1/faults /v1/history "/v1/history?vm=$id" /v1/users '/v1/events?from=0'; do
		if ask $evil -N -m 1 "http://x$path" | grep -qe "$id" -e "$victim" -e mine; then
			fail "$path tells of somebody else's VM"
		fi
	done
	pid=$(ask $victim http://x/v1/vms/mine | jq .pid)
	for file in mem maps environ root/ fd/ stack; do
		as $victim $victim ls -d "/proc/$pid/$file." >/dev/null 2>&1 && fail "/proc/$pid/$file is open to the VM's owner"
		as $victim $victim dd "if=/proc/$pid/$file" bs=1 count=1 >/dev/null 2>&1 && fail "/proc/$pid/$file can be read"
	done
	as $victim $victim kill -STOP "$pid" 2>/dev/null && fail "a user can stop the process of a VM"
	want "the victim's VM" "$(ask $victim http://x/v1/vms/mine | jq -r .state)" running
}

# --- many at once ---------------------------------------------------------------------------------------------------
races() {
	api PUT /v1/users/$evil/quota '{"running_vms":2,"definitions":5,"images_bytes":65536}' >/dev/null
	hash=$(upload $evil "$guests/riscv64/endless.elf")
	for i in $(seq 32); do
		ask $evil -o /dev/null -d "{\"name\":\"r$i\",\"image\":\"$hash\"}" http://x/v1/vms &
		begun="$begun $!"
	done
	for i in $(seq 16); do
		head -c 20000 /dev/urandom >"$tmp/random$i"
		upload $evil "$tmp/random$i" >/dev/null &
		begun="$begun $!"
	done
	wait_begun
	names=$(ask $evil 'http://x/v1/vms?all=1' | jq -r '.[].name')
	want "definitions after 32 at once" "$(echo "$names" | wc -l)" 5
	for i in 1 2 3 4; do
		for name in $names; do
			ask $evil -d '{}' "http://x/v1/vms/$name/start" >>"$tmp/starts" &
			begun="$begun $!"
		done
	done
	wait_begun
	n=$(ask $evil http://x/v1/vms | jq '[.[] | select(.pid)] | length')
	if [ "$n" -ge 1 ] && [ "$n" -le 2 ]; then
		echo "pass VMs after 20 starts at once"
	else
		fail "VMs after 20 starts at once: $n of $(ask $evil http://x/v1/vms | jq -c '[.[] | [.name, .state, .message]]') $(cat "$tmp/starts")"
	fi
	used=$(ask $evil http://x/v1/users | jq '.[0].used.images_bytes')
	want "images after 16 at once are within 64 KiB" "$((used <= 65536))" 1
}

# Everything that was begun, but not the daemon.
begun=
wait_begun() {
	for pid in $begun; do
		wait "$pid" || true
	done
	begun=
}

# --- one user's use that others would feel --------------------------------------------------------------------------
crowd() {
	for i in $(seq 70); do
		# exec: what is killed below is curl itself
		(exec setpriv --reuid=$evil --regid=$evil --clear-groups curl -s -N -m 600 -o /dev/null --unix-socket "$sock" \
			http://x/v1/events) &
		listeners="${listeners:-} $!"
	done
	i=0
	until [ "$(api GET /metrics | sed -n 's/^pinfold_http_open //p')" -ge 64 ] || [ $i -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	want "another user beside 64 listeners" "$(status $victim http://x/v1/vms)" 200
	want "one connection more" "$(status $evil http://x/v1/vms | sed s/000/429/)" 429
	for pid in $listeners; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	i=0
	until [ "$(status $evil http://x/v1/vms)" = 200 ] || [ $i -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	want "after they have gone" "$(status $evil http://x/v1/vms)" 200
}

# The oldest records go when the log is full: nobody may fill it with a few requests.
audit_fill() {
	before=$(du -sb "$state/audit" | cut -f1)
	jq -nc '{name: ("x" * 25000)}' >"$tmp/long"
	for i in 1 2 3 4 5 6 7 8; do
		want "a long body, time $i" "$(status $evil -d "@$tmp/long" http://x/v1/vms)" 400
	done
	after=$(du -sb "$state/audit" | cut -f1)
	want "8 long requests leave 40000 bytes or less in the audit log" "$((after - before <= 40000))" 1
}

# --- text of others on a terminal, in the log -----------------------------------------------------------------------
text() {
	want "a name with an escape sequence" \
		"$(status $evil -d "{\"name\":\"a\\u001b[2J\",\"image\":\"$hash\"}" http://x/v1/vms)" 400
	want "an image's name with a newline" \
		"$(status $evil -d "{\"image_name\":\"a\\nerr gone\",\"image\":\"$hash\"}" http://x/v1/vms)" 400
	create echo "$guests/riscv64/echo.elf" "" >/dev/null
	api POST /v1/vms/echo/start '{}' >/dev/null
	printf '\033]0;owned\007\033[2J\302\233 caf\303\251 end\n' >"$tmp/escape"
	api POST /v1/vms/echo/console "@$tmp/escape" >/dev/null
	i=0
	until api GET /v1/vms/echo/console | grep -q end || [ $i -gt 600 ]; do
		i=$((i + 1))
		sleep 0.05
	done
	want "a file gets every byte" "$(PINFOLD_SOCKET=$sock "$bin/pinfold" logs echo | grep -c "$(printf '\033')")" 1
	if ! command -v script >/dev/null; then
		echo "skipped: script is not installed, to make a terminal"
		return
	fi
	PINFOLD_SOCKET=$sock script -qec "$bin/pinfold logs echo" /dev/null </dev/null >"$tmp/shown"
	grep -q 'caf. end' "$tmp/shown" || grep -q 'café end' "$tmp/shown" || fail "a terminal shows $(cat -v "$tmp/shown")"
	if grep -q "$(printf '\033')" "$tmp/shown" || grep -q "$(printf '\302\233')" "$tmp/shown"; then
		fail "a guest's escape sequence reaches the terminal: $(cat -v "$tmp/shown")"
	else
		echo "pass escape sequences are shown, not done"
	fi
	api PUT /v1/users/4399/ban '{"reason":"one\n2026-11-20T00:00:00.000Z err two"}' >/dev/null
	status 4399 http://x/v1/vms >/dev/null
	if grep -q '^2026-11-20T00:00:00.000Z err two' "$tmp/log"; then
		fail "a reason became a line of the log"
	fi
}

# --- a ban ----------------------------------------------------------------------------------------------------------
ban() {
	for name in $names; do
		ask $evil -o /dev/null -d '{}' "http://x/v1/vms/$name/kill"
	done
	for i in 1 2 3; do
		for name in $names; do
			ask $evil -o /dev/null -d '{}' "http://x/v1/vms/$name/start" &
			begun="$begun $!"
		done
		[ $i != 2 ] || api PUT "/v1/users/$evil/ban" '{"reason":"a test"}' >/dev/null
	done
	wait_begun
	want "VMs of a banned user" \
		"$(api GET '/v1/vms?everyone=1' | jq "[.[] | select(.owner_uid == $evil and .pid)] | length")" 0
	want "its next request" "$(status $evil http://x/v1/vms)" 403
}

folders
log_files
search_path
subuid=200
if [ -e /etc/subuid ] && unshare -m true 2>/dev/null; then
	echo "somebody:700000:65536" >"$tmp/subuid"
	subuid=403
	mkdir "$tmp/wrapped"
	# shellcheck disable=SC2016 # for the inner shell
	printf '#!/bin/sh\nexec unshare -m sh -c '\''mount --bind "$0" /etc/subuid && exec "$@"'\'' %s %s "$@"\n' \
		"$tmp/subuid" "$bin/pinfoldd" >"$tmp/wrapped/pinfoldd"
	chmod 755 "$tmp/wrapped/pinfoldd"
else
	echo "skipped: no mount namespace, or no /etc/subuid, to lend ids in"
fi
real=$bin
[ $subuid = 200 ] || bin=$tmp/wrapped
daemon_start --backend ordinary
bin=$real
borrowed_ids $subuid
daemon_end TERM
daemon_start --backend ordinary
restart
strange_socket
others
races
crowd
audit_fill
text
ban
echo "$failures attacks worked"
exit $((failures > 0))
