#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pinfold top on a real terminal (tmux), before a daemon with a made-up fleet: what is seen, what keys do, sizes, a
# daemon that goes away, and that the terminal is given back. Then --batch, and terminals that are none.
# Usage: test_top.sh BIN
set -u

bin=$1
pinfold=$bin/pinfold
tmp=$(mktemp -d)
export TMUX_TMPDIR="$tmp"
unset TMUX NO_COLOR PINFOLD_SOCKET PINFOLD_HOST
export PINFOLD_SOCKET="$tmp/sock"
export LC_ALL=C.UTF-8
checks=0
failures=0
daemon=

# shellcheck disable=SC2317 # called by the trap
stop()
{
	tmux -L top kill-server 2>/dev/null
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null
	wait
	rm -rf "$tmp"
}
trap stop EXIT
trap 'exit 130' INT TERM

command -v tmux >/dev/null || {
	echo "skip: tmux is not installed"
	exit 77
}

t()
{
	tmux -L top -f /dev/null "$@"
}

keys()
{
	t send-keys -t top "$@"
}

fail()
{
	failures=$((failures + 1))
	echo "FAIL: $*"
	t capture-pane -t top -p 2>/dev/null | sed 's/^/  screen: /' | grep -v ': *$'
}

# shows PATTERN [OPTIONS]: the screen comes to show it, within half a minute.
shows()
{
	checks=$((checks + 1))
	_n=0
	# shellcheck disable=SC2086 # options are words
	until t capture-pane -t top -p ${2:-} | grep -q -e "$1"; do
		_n=$((_n + 1))
		if [ "$_n" -gt 300 ]; then
			fail "the screen does not show: $1"
			return 0
		fi
		sleep 0.1
	done
}

# hides PATTERN: it comes to show it no more.
hides()
{
	checks=$((checks + 1))
	_n=0
	while t capture-pane -t top -p | grep -q -e "$1"; do
		_n=$((_n + 1))
		if [ "$_n" -gt 300 ]; then
			fail "the screen still shows: $1"
			return 0
		fi
		sleep 0.1
	done
}

# told PATTERN COUNT: what the daemon was told to do, once the screen has shown the outcome.
told()
{
	checks=$((checks + 1))
	_got=$(grep -c -e "$1" "$tmp/log")
	[ "$_got" -eq "$2" ] || fail "the daemon was told $1 $_got times instead of $2"
}

# is WHAT GOT WANT
is()
{
	checks=$((checks + 1))
	[ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"
}

start_daemon()
{
	"$bin/top_daemon" "$PINFOLD_SOCKET" 12 2 >>"$tmp/log" &
	daemon=$!
	_n=0
	until [ -S "$PINFOLD_SOCKET" ]; do
		_n=$((_n + 1))
		[ "$_n" -lt 300 ] || {
			echo "FAIL: the daemon does not listen"
			exit 1
		}
		sleep 0.1
	done
}

stop_daemon()
{
	kill "$daemon"
	wait "$daemon" 2>/dev/null
	daemon=
	rm -f "$PINFOLD_SOCKET"
}

# in_terminal COLUMNS ROWS COMMAND: a shell in a fresh terminal that runs it.
in_terminal()
{
	t kill-session -t top 2>/dev/null
	t new-session -d -s top -x "$1" -y "$2" "env PS1='shell> ' sh"
	shows 'shell>'
	keys "$3; echo left=\$?" Enter
}

# The terminal is as it was: its own screen, a cursor, and what is typed is seen.
is_restored()
{
	shows "left=$1\$"
	is "alternate screen" "$(t display-message -t top -p '#{alternate_on}')" 0
	is "cursor" "$(t display-message -t top -p '#{cursor_flag}')" 1
	keys "stty -a" Enter
	shows ' echo '
	shows ' icanon'
}

start_daemon
# The server outlives each terminal: one that ends with its last session may refuse the next.
t start-server \; set-option -s exit-empty off

# What is seen, with colours.
in_terminal 80 24 "'$pinfold' top"
shows 'CORE ROLE    HOLDER'
shows '^   0 control '
shows '^   1 house '
shows '^   2 pool    [A-Z] vm-'
shows '^.[A-Z] vm-0  *running .* [0-9][0-9]*\.[0-9] '
shows '12 running of 12'
shows '4[0-9;]*m[A-Z]' -e
# The cursor lies on the first VM; another one is chosen, and stays chosen.
keys N
shows '^▶[A-Z] vm-0 '
keys Down
shows '^▶[A-Z] vm-1 '

# Wishes, and what comes of them.
keys p
shows 'vm-1: paused'
shows '^▶[A-Z] vm-1  *paused'
told 'POST /v1/vms/0000000000000002/pause' 1
keys p
shows 'vm-1: goes on'
told 'POST /v1/vms/0000000000000002/resume' 1
keys n
shows 'vm-1: has a core of its own'
shows '^   3 excl '
keys n
shows 'vm-1: all exclusive cores are in use'
keys u
shows 'vm-1: shares cores again'
keys k
shows 'kill vm-1? y'
keys q
shows 'vm-1 was not killed'
told /kill 0
keys k
shows 'kill vm-1? y'
keys y
shows 'vm-1: killed'
told 'POST /v1/vms/0000000000000002/kill' 1
hides '^.[A-Z] vm-1 '
keys z
shows 'lanes by decision are for administrators'

# Filter, pages.
keys / 'vm-7'
shows 'filter: vm-7_'
keys Enter
shows 'filter "vm-7"'
hides 'vm-0 '
keys Enter
shows '^ VM vm-7'
shows 'engine_reason .*fastest'
keys Escape
hides '^ VM vm-7'
keys Escape
shows '^.[A-Z] vm-0 '
keys f
shows 'wild .*illegal-instruction .*at 0x8000'
keys q
hides 'Fault queue'
keys '?'
shows '^ Help'
keys q
hides '^ Help'

# Sizes.
t resize-window -t top -x 40 -y 10
shows '^CPU R HOLDER'
shows 'STATE .*CPU%'
t resize-window -t top -x 130 -y 30
shows 'ENGINE .*QUOTA'
t resize-window -t top -x 8 -y 2
t resize-window -t top -x 80 -y 24
shows 'CORE ROLE    HOLDER'

# The daemon goes away and comes back.
stop_daemon
shows 'no answer from the daemon'
shows 'trying again'
keys p
shows 'vm-'
start_daemon
shows 'the daemon answers again'
keys q
shows "left=0\$"

# Leaving by a key, by Ctrl-C, by a signal: always in peace.
in_terminal 80 24 "'$pinfold' top"
shows 'CORE ROLE'
keys q
is_restored 0
in_terminal 80 24 "NO_COLOR=1 '$pinfold' top"
shows '^   2 pool    [A-Z] vm-'
if t capture-pane -t top -p -e | grep -q "$(printf '\033')\\[[0-9;]*[34][0-7]m"; then
	fail "colours in spite of NO_COLOR"
fi
keys C-c
is_restored 130
# An ASCII locale gets ASCII.
in_terminal 80 24 "LC_ALL=C '$pinfold' top"
shows '^>[A-Z] vm-'
if t capture-pane -t top -p | LC_ALL=C grep -q '[^ -~]'; then
	fail "an ASCII locale was shown something else"
fi
keys q
is_restored 0

# Terminals that are none.
"$pinfold" top </dev/null >"$tmp/out" 2>"$tmp/err"
is "status without a terminal" "$?" 125
is "lines of the refusal" "$(grep -c 'top needs a terminal: .*--batch' "$tmp/err")" 1
in_terminal 80 24 "TERM=dumb '$pinfold' top"
shows 'top needs a terminal: '
shows 'left=125'

# Snapshots.
"$pinfold" top --batch 2 --delay 300ms --width 90 >"$tmp/out" 2>"$tmp/err"
is "status of --batch" "$?" 0
is "snapshots" "$(grep -c '^CORE ROLE' "$tmp/out")" 2
is "rows of a VM" "$(grep -c '^ [A-Z] vm-11  *running' "$tmp/out")" 2
is "escape sequences" "$(grep -c "$(printf '\033')" "$tmp/out")" 0
LC_ALL=C "$pinfold" top --batch 1 --delay 200ms --width 90 >"$tmp/out" 2>"$tmp/err"
is "too wide" "$(awk 'length($0) > 90' "$tmp/out" | wc -l)" 0
is "bytes beyond ASCII" "$(LC_ALL=C grep -c '[^ -~]' "$tmp/out")" 0
"$pinfold" top --batch 1 --delay 200ms --sort name | grep '^ [A-Z] vm-' >"$tmp/out"
is "first by name" "$(awk 'NR == 1 { print $2 }' "$tmp/out")" vm-0
"$pinfold" top --batch 0 2>"$tmp/err"
is "status of --batch 0" "$?" 125
is "refusal of --batch 0" "$(grep -c -e '--batch: between 1 and 1000000' "$tmp/err")" 1
"$pinfold" top --sort colour 2>"$tmp/err"
is "status of --sort colour" "$?" 125
"$pinfold" top --delay 1ms 2>"$tmp/err"
is "refusal of --delay 1ms" "$(grep -c -e '--delay: between 200ms and 1h' "$tmp/err")" 1
stop_daemon
"$pinfold" top --batch 3 >"$tmp/out" 2>"$tmp/err"
is "status without a daemon" "$?" 125
is "lines about it" "$(wc -l <"$tmp/err")" 1

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
