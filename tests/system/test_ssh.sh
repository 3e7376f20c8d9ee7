#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pinfold --host through Debian's own ssh and sshd: whose daemon is found, the life of a VM, streams, files, a terminal, ends of
# all kinds, refusals in one sentence, addresses that try to become options or shell commands.
# Everything happens in a mount namespace with its own /run and its own users.
# Usage: test_ssh.sh BIN-FOLDER GUESTS-FOLDER
set -u

bin=$(realpath "$1")
guests=$(realpath "$2")
sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd) || {
	echo "skip: sshd is not installed (package openssh-server)"
	exit 77
}
if [ "${PINFOLD_TEST_SSH:-}" != inside ]; then
	if ! unshare -m true 2>/dev/null || [ "$(id -u)" -ne 0 ]; then
		echo "skip: not root, or no mount namespace can be made: sshd can't have users of its own"
		exit 77
	fi
	PINFOLD_TEST_SSH=inside exec unshare -m "$0" "$bin" "$guests"
fi
. "$(dirname "$0")/cli_lib.sh"

unset PINFOLD_HOST PINFOLD_SOCKET SSH_AUTH_SOCK SSH_ASKPASS DISPLAY
chmod 755 "$tmp"
XDG_RUNTIME_DIR=$tmp/xdg
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
sshd_pid=
daemon=

# Nothing is left, however this ends.
# shellcheck disable=SC2317 # run by trap
clean()
{
	[ -z "$daemon" ] || "$pinfold" down --kill-vms --quiet --socket /run/pinfold/pinfoldd.sock 2>/dev/null ||
		kill -KILL "$daemon" 2>/dev/null
	[ -z "${alice_daemon:-}" ] || as_alice "$tmp/bin/pinfold" down --kill-vms --quiet 2>/dev/null ||
		kill -KILL "$alice_daemon" 2>/dev/null
	[ -z "$sshd_pid" ] || kill "$sshd_pid"
	rm -rf "$tmp"
}
trap clean EXIT

# until_true CASE COMMAND...: at most a minute.
until_true()
{
	case=$1
	shift
	checks=$((checks + 1))
	_tries=1200
	until "$@"; do
		_tries=$((_tries - 1))
		if [ "$_tries" -eq 0 ]; then
			fail "it does not come true: $*"
			return
		fi
		sleep 0.05
	done
}

stdout_is()
{
	checks=$((checks + 1))
	[ "$(cat "$tmp/out")" = "$1" ] || fail "standard output is not '$1' but '$(cat "$tmp/out")'"
}

# One line, and it is ours.
one_sentence()
{
	checks=$((checks + 1))
	if [ "$(wc -l <"$tmp/err")" -ne 1 ] || ! grep -q "^pinfold: $1" "$tmp/err"; then
		fail "not one sentence like '$1'"
	fi
}

# Processes that name our private folder: ssh, of whatever of our commands.
ssh_pids()
{
	# The pattern does not match itself.
	grep -alE "$XDG_RUNTIME_DIR/pinfold-[A-Za-z0-9]{6}/" /proc/[0-9]*/cmdline 2>/dev/null |
		sed 's|/proc/\([0-9]*\)/.*|\1|'
}

# shellcheck disable=SC2317 # called by until_true
has_ssh()
{
	[ -n "$(ssh_pids)" ]
}

# shellcheck disable=SC2317 # called by until_true
has_no_ssh()
{
	[ -z "$(ssh_pids)" ]
}

# shellcheck disable=SC2317 # called by until_true
is_clean()
{
	has_no_ssh && [ -z "$(ls "$XDG_RUNTIME_DIR")" ]
}

# shellcheck disable=SC2317 # called by until_true
sshd_is_idle()
{
	[ -z "$(cat "/proc/$sshd_pid/task/$sshd_pid/children")" ]
}

nothing_is_left()
{
	until_true "$1: no ssh, no socket is left" is_clean
	until_true "$1: nor anything on the other side" sshd_is_idle
}

as_alice()
{
	setpriv --reuid=61001 --regid=61001 --clear-groups env -i PATH="$PATH" HOME="$tmp/alice" \
		XDG_RUNTIME_DIR=/run/user/61001 "$@"
}

# ---- Another machine -------------------------------------------------------------------------
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock "$tmp/home/.ssh" "$tmp/etc" "$tmp/private" "$tmp/bin"
mkdir /run/user
mkdir -m 700 /run/user/61001
# Where other users can reach them.
cp "$pinfold" "$bin/pinfoldd" "$(realpath "$guests/../bin/pinfold-vm")" "$tmp/bin"
chmod 755 "$tmp/bin"/*
{
	echo "root:x:0:0:root:$tmp/home:/bin/sh"
	grep '^sshd:' /etc/passwd || echo "sshd:x:61000:61000::/run/sshd:/usr/sbin/nologin"
	echo "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"
} >"$tmp/etc/passwd"
printf 'root:x:0:\nsshd:x:61000:\nnogroup:x:65534:\n' >"$tmp/etc/group"
printf 'root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n' >"$tmp/etc/shadow"
uid=61001
for user in alice bob carol dave erin; do
	mkdir "$tmp/$user"
	chown "$uid:$uid" "$tmp/$user"
	echo "$user:x:$uid:$uid:$user:$tmp/$user:/bin/sh" >>"$tmp/etc/passwd"
	echo "$user:x:$uid:" >>"$tmp/etc/group"
	echo "$user:*:19000:0:99999:7:::" >>"$tmp/etc/shadow"
	uid=$((uid + 1))
done
chown 61001:61001 /run/user/61001
chmod 644 "$tmp/etc/passwd" "$tmp/etc/group"
for file in passwd group shadow; do
	mount --bind "$tmp/etc/$file" "/etc/$file"
done

for key in host id other; do
	ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$tmp/key_$key"
done
cp "$tmp/key_id.pub" "$tmp/authorized_keys"
chmod 644 "$tmp/authorized_keys"
echo "Authorized people only." >"$tmp/banner"
cat >"$tmp/sshd_config" <<END
HostKey $tmp/key_host
AuthorizedKeysFile $tmp/authorized_keys
ListenAddress 127.0.0.1
ListenAddress ::1
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
PrintMotd no
LoginGraceTime 60
# Whose greeting comes first on both streams, which may not forward, which has no shell, whose daemon is elsewhere.
Match User alice
	Banner $tmp/banner
Match User bob
	AllowStreamLocalForwarding no
Match User carol
	ForceCommand echo "No shell for you."; exit 1
Match User dave
	ForceCommand echo "welcome to my home"; printf 'no newline'; sh -c "\$SSH_ORIGINAL_COMMAND"
Match User erin
	SetEnv PINFOLD_SOCKET=$tmp/elsewhere.sock
END

# A free port: the first that sshd can listen on.
port=$((20000 + $$ % 30000))
for _ in 1 2 3 4 5 6 7 8 9 10; do
	port=$((port + 1))
	"$sshd" -D -e -f "$tmp/sshd_config" -p "$port" 2>"$tmp/sshd.log" &
	sshd_pid=$!
	until grep -q 'Server listening on 127' "$tmp/sshd.log" || ! kill -0 "$sshd_pid" 2>/dev/null; do
		sleep 0.05
	done
	kill -0 "$sshd_pid" 2>/dev/null && break
	sshd_pid=
done
[ -n "$sshd_pid" ] || {
	cat "$tmp/sshd.log"
	echo "FAIL: sshd does not start"
	exit 1
}
printf '[127.0.0.1]:%s %s\n[::1]:%s %s\n' "$port" "$(cut -d ' ' -f 1,2 "$tmp/key_host.pub")" \
	"$port" "$(cut -d ' ' -f 1,2 "$tmp/key_host.pub")" >"$tmp/known_hosts"
sed "s|AAAA.*|$(cut -d ' ' -f 2 "$tmp/key_other.pub")|" "$tmp/known_hosts" >"$tmp/known_hosts_wrong"
cat >"$tmp/home/.ssh/config" <<END
Host asks
	HostName 127.0.0.1
	Port $port
	UserKnownHostsFile $tmp/known_hosts_new
	StrictHostKeyChecking ask
	IdentityFile $tmp/key_id
Host !asks *
	BatchMode yes
Host box box.example
	HostName 127.0.0.1
	Port $port
Host mine
	HostName 127.0.0.1
	Port $port
	User alice
Host nasty
	HostName 127.0.0.1
	Port $port
	LocalForward $port localhost:1
	RemoteCommand echo what
	RequestTTY force
	ForkAfterAuthentication yes
	SessionType none
	StdinNull yes
	ControlMaster auto
	ControlPath $tmp/home/master
	ControlPersist yes
	PermitLocalCommand yes
	LocalCommand echo local
	ExitOnForwardFailure yes
Host talks
	HostName 127.0.0.1
	Port $port
	LogLevel DEBUG3
Host changed
	HostName 127.0.0.1
	Port $port
	UserKnownHostsFile $tmp/known_hosts_wrong
Host refused
	HostName 127.0.0.1
	Port $port
	IdentityFile $tmp/key_other
	IdentitiesOnly yes
Host proxied
	HostName 127.0.0.1
	Port $port
	ProxyCommand touch $tmp/canary-%h-%r
Host !refused *
	IdentityFile $tmp/key_id
Host *
	UserKnownHostsFile $tmp/known_hosts
	StrictHostKeyChecking yes
END
url=ssh://root@127.0.0.1:$port

# ---- Refusals, with no daemon there ----------------------------------------------------------
run "no daemon there" 125 ps --host "$url"
stderr_is "pinfold: the daemon is not running on $url (/run/pinfold/pinfoldd.sock); log in there and start it with 'pinfold up'"
nothing_is_left "no daemon there"
run "nor one in its name" 125 ps --host "ssh://box$tmp/none.sock"
stderr_has "($tmp/none.sock)"
run "a port that nobody listens on" 125 ps --host ssh://127.0.0.1:1
one_sentence '--host: no connection to 127.0.0.1: .*Connection refused$'
run "a host that is none" 125 ps --host ssh://no-such-host.invalid
one_sentence '--host: no connection to no-such-host.invalid: ssh: Could not resolve hostname '
run "a key that is refused" 125 ps --host ssh://refused
one_sentence '--host: no connection to refused: .*Permission denied (publickey)$'
run "a user that is none" 125 ps --host ssh://nobody-here@box
one_sentence '--host: no connection to nobody-here@box: .*Permission denied (publickey)$'
run "a host whose key has changed" 125 ps --host ssh://changed
stderr_has "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!"
check "and our sentence comes last" sh -c "tail -n 1 '$tmp/err' | grep -q '^pinfold: --host: no connection to changed: Host key verification failed\$'"
run "an account without a shell" 125 ps --host ssh://carol@box
one_sentence '--host: carol@box does not say where its daemon is; name the socket: ssh://HOST/PATH$'
run "a program that is no ssh" 125 ps --host "ssh://127.0.0.1:$port/run"
one_sentence 'the daemon is not running on '
check "no ssh here" sh -c "PATH=/nonexistent '$pinfold' ps --host '$url' 2>'$tmp/err'; [ \$? -eq 125 ]"
stderr_is "pinfold: --host: ssh can't be started; is it installed?"
nothing_is_left "refusals"
# shellcheck disable=SC2016 # nothing is to be expanded, here or there
for host in box http://box ssh:// ssh://@ ssh://@box ssh://box: ssh://box:port ssh://box:0 ssh://box:65536 ssh://box:1:2 \
	ssh://-oProxyCommand=x ssh://-oProxyCommand=x@box 'ssh://root@-oProxyCommand=x' 'ssh://[-oX]' 'ssh://[box]' 'ssh://[::1]x' \
	'ssh://a b' 'ssh://%h' 'ssh://%h@box' 'ssh://$(id)' 'ssh://$(id)@proxied' 'ssh://`id`@proxied' 'ssh://x;id@proxied' \
	"ssh://x'y@proxied" 'ssh://x"y@proxied' 'ssh://x&id@proxied' 'ssh://x|id@proxied' 'ssh://x\y@proxied' 'ssh://~root' \
	'ssh://box?x' 'ssh://box#x' 'ssh://box/a:b' 'ssh://box/%h' 'ssh://box/~x' 'ssh://box/$HOME' "ssh://box/$(printf '%0110d' 0)" \
	"$(printf 'ssh://b\nox')" "$(printf 'ssh://b\033[31mox')"; do
	run "--host $host" 125 ps --host "$host"
	one_sentence "--host: '.*' is not ssh://\\[USER@\\]HOST"
done
check "no escape sequence has come back" sh -c "! grep -q '$(printf '\033')' '$tmp/err'"
run "a password" 125 ps --host "ssh://root:secret@127.0.0.1:$port"
one_sentence "--host: a password can't be part of an address"
check "nor does it come back" sh -c "! grep -q secret '$tmp/err'"
check "no shell has been reached" test -z "$(find "$tmp" -name 'canary*')"

# ---- A daemon there --------------------------------------------------------------------------
echo "vm_program = $tmp/bin/pinfold-vm" >"$tmp/conf"
PINFOLD_HOST=$url run "up is for this machine" 125 up
stderr_is "pinfold: PINFOLD_HOST: log in there and start the daemon"
# Its folder is not this one.
run "up" 0 up --config "$tmp/conf" --state-dir "$tmp/state"
daemon=$("$pinfold" status --json | jq .pid)
cp "$guests/x64/sum.elf" "$guests/x64/echo.elf" "$guests/arm64/endless.elf" "$tmp/private"
chmod 700 "$tmp/private"
cd "$tmp/private" || exit 1

run "ps" 0 ps --json --host "$url"
json '. == []'
stderr_is_empty
run "create, of a file that is here" 0 create sum sum.elf --host "$url"
stdout_is sum
run "start" 0 start sum --host "$url"
run "wait" 0 wait sum --host "$url"
run "logs" 0 logs sum --host "$url"
stdout_has "sum 1..100 5050"
PINFOLD_HOST=$url run "PINFOLD_HOST" 0 ps --all --json
json 'length == 1 and .[0].name == "sum" and .[0].owner == "root"'
PINFOLD_HOST=ssh://127.0.0.1:1 run "--socket goes first" 0 ps --all --json --socket /run/pinfold/pinfoldd.sock
PINFOLD_HOST=ssh://127.0.0.1:1 run "--host goes first" 0 ps --json --host "$url"
PINFOLD_HOST=unix:///run/pinfold/pinfoldd.sock run "a socket of this machine" 0 ps --all --json
json 'length == 1'
run "--host and --socket" 125 ps --host "$url" --socket x
run "an alias of ssh's configuration" 0 ps --json --host ssh://box
run "with a dot, and a slash behind it" 0 ps --json --host ssh://root@box.example/
run "a socket in the address" 0 ps --json --host ssh://box/run/pinfold/pinfoldd.sock
case="an account of a service has no shell of its own here"
SHELL=/usr/sbin/nologin run "$case" 0 ps --json --host ssh://box/run/pinfold/pinfoldd.sock
if grep -q 'Server listening on ::1' "$tmp/sshd.log"; then
	run "an IPv6 address" 0 ps --json --host "ssh://root@[::1]:$port"
	run "without a user" 0 ps --json --host "ssh://[::1]:$port"
else
	echo "note: no IPv6 on this machine"
fi
run "a configuration that is meant for a shell there" 0 ps --json --host ssh://nasty
check "no master is left" test ! -e "$tmp/home/master"
run "and with a socket" 0 ps --json --host ssh://nasty/run/pinfold/pinfoldd.sock
run "an ssh that says all it does" 0 logs sum --host ssh://talks
stdout_has "sum 1..100 5050"
# shellcheck disable=SC2016 # nothing is to be expanded
run "a VM whose name looks like an option" 125 kill --host "$url" -- -oProxyCommand=x '$(id)'
check "each is told" test "$(grep -c '^pinfold: there is no VM ' "$tmp/err")" -eq 2
nothing_is_left "commands"

# ---- Whose daemon ----------------------------------------------------------------------------
run "another user at the system's daemon" 0 create --start mine sum.elf --host ssh://mine
stderr_has "Authorized people only."
run "sees only his own" 0 ps --all --json --host ssh://mine
json 'length == 1 and .[0].name == "mine" and .[0].owner == "alice"'
run "is no administrator" 125 down --host ssh://mine
stderr_has "administrators"
run "who may not forward" 125 ps --host ssh://bob@box
one_sentence 'the daemon is not running on ssh://bob@box '
run "a socket needs no shell" 0 ps --json --host ssh://carol@box/run/pinfold/pinfoldd.sock
run "a greeting comes first" 0 ps --json --host ssh://dave@box
json '. == []'
ln -s /run/pinfold/pinfoldd.sock "$tmp/elsewhere.sock"
run "PINFOLD_SOCKET there" 0 ps --json --host ssh://erin@box
rm "$tmp/elsewhere.sock"
run "and it is that one" 125 ps --json --host ssh://erin@box
stderr_has "($tmp/elsewhere.sock)"

# ---- Files -----------------------------------------------------------------------------------
run "an endless guest" 0 create --start spin endless.elf --host "$url"
run "snapshot" 0 snapshot spin snap --host "$url"
check "it is here, for its owner only" test "$(stat -c %a:%u "$tmp/private/snap")" = 600:0
run "restore" 0 restore --name twin --start snap --host "$url"
stdout_is twin
run "both run" 0 ps --json --host "$url"
json 'map(select(.state == "running") | .name) | sort == ["spin", "twin"]'
run "snapshot where nobody may write" 125 snapshot spin /proc/snap --host "$url"
check "as the other machine's user sees nothing of it" test ! -e "$tmp/home/snap"
run "top" 0 top --batch 1 --delay 200ms --width 90 --host "$url"
stdout_matches '^ [A-Z] twin +running '
PINFOLD_HOST=$url run "stats" 0 stats --no-stream
stdout_matches '^spin '
run "rm" 0 rm -f twin --host "$url"
nothing_is_left "files"

# ---- Streams and their ends ------------------------------------------------------------------
# stream: events, until one has come.
stream()
{
	start events --json --from 1 --host "$url"
	wait_for '"vm.created"' "$tmp/out"
}

for signal in INT=130 TERM=143 HUP=129; do
	stream
	kill "-${signal%=*}" "$started"
	finish_started "SIG${signal%=*} ends events" "${signal#*=}"
	nothing_is_left "SIG$signal"
done
stream
kill -KILL "$started"
finish_started "killed" 137
until_true "ssh goes with it" has_no_ssh
until_true "on both sides" sshd_is_idle
rm -rf "$XDG_RUNTIME_DIR"/pinfold-*
stream
# shellcheck disable=SC2046 # words
kill -KILL $(ssh_pids)
finish_started "ssh dies" 125
one_sentence "the connection to $url was cut"
nothing_is_left "ssh that died"
stream
# shellcheck disable=SC2046 # words
kill $(cat "/proc/$sshd_pid/task/$sshd_pid/children")
finish_started "the other side ends it" 125
one_sentence "the connection to $url was cut: Connection to 127.0.0.1 closed by remote host"
nothing_is_left "the other side"
start top --batch 1000 --delay 300ms --width 90 --host "$url"
wait_for 'spin' "$tmp/out"
# shellcheck disable=SC2046 # words
kill -KILL $(ssh_pids)
finish_started "ssh dies under top" 125
one_sentence "the connection to $url was cut"
nothing_is_left "top"
start logs -f spin --host "$url"
until_true "logs -f has begun" has_ssh
run "while it runs: its end" 0 kill spin --host "$url"
finish_started "logs -f ends with the run" 0
nothing_is_left "logs -f"

# ---- A terminal ------------------------------------------------------------------------------
run "a guest with a console" 0 create --start echo echo.elf --host "$url"
console_detach_and_end echo --host "$url"
nothing_is_left "console"
# ssh asks by the terminal, as always.
terminal "trap : INT; '$pinfold' ps --all -q --names --host ssh://asks"
wait_for 'Are you sure you want to continue connecting' "$tmp/typescript"
printf '\003' >&9
wait "$terminal"
exec 9>&-
modes_are_the_same "Ctrl-C at a question"
nothing_is_left "a question"
terminal "trap : INT; '$pinfold' ps --all -q --names --host ssh://asks"
wait_for 'Are you sure you want to continue connecting' "$tmp/typescript"
printf 'yes\n' >&9
wait "$terminal"
exec 9>&-
check "the answer counts" grep -q 'status=0' "$tmp/typescript"
check "and the list comes" grep -q '^echo' "$tmp/typescript"

# ---- A daemon of one user --------------------------------------------------------------------
run "down through ssh" 0 down --kill-vms --host "$url"
until_true "it has ended" sh -c "[ ! -e /proc/$daemon ] || grep -q '^State:.Z' /proc/$daemon/status"
daemon=
case="a daemon of alice"
checks=$((checks + 1))
if as_alice "$tmp/bin/pinfold" up --config "$tmp/conf" --quiet </dev/null >"$tmp/out" 2>"$tmp/err"; then
	alice_daemon=$(as_alice "$tmp/bin/pinfold" status --json | jq .pid)
	run "is what alice gets" 0 status --json --host ssh://alice@box
	json ".pid == $alice_daemon"
	run "and does what she wants" 0 create --start hers sum.elf --host ssh://alice@box
	run "to its end" 0 wait hers --host ssh://alice@box
	run "root still gets the system's" 125 ps --host "$url"
	stderr_has "(/run/pinfold/pinfoldd.sock)"
	run "and ends when she says so" 0 down --kill-vms --host ssh://alice@box
	until_true "it has ended" sh -c "[ ! -e /proc/$alice_daemon ] || grep -q '^State:.Z' /proc/$alice_daemon/status"
	alice_daemon=
else
	fail "it does not start"
fi
nothing_is_left "all of this"
case="no sanitizer has found anything"
checks=$((checks + 1))
grep -A 40 -E 'ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$tmp/state/pinfoldd.log" && fail "one has"
cd / || exit 1
finish
