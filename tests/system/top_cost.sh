#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What pinfold top costs: CPU time of its process over 20 s on a terminal of 120 x 40, before a made-up daemon.
# Usage: top_cost.sh BIN [VMS]    prints per mille of one core; needs tmux. A measurement, no test.
set -eu

bin=$1
vms=${2:-1000}
tmp=$(mktemp -d)
export TMUX_TMPDIR="$tmp"
unset TMUX
stop()
{
	tmux -L cost kill-server 2>/dev/null || :
	kill "$daemon" 2>/dev/null || :
	wait
	rm -rf "$tmp"
}
"$bin/top_daemon" "$tmp/sock" "$vms" 6 >/dev/null &
daemon=$!
trap stop EXIT
trap 'exit 130' INT TERM
until [ -S "$tmp/sock" ]; do
	sleep 0.1
done

# ticks: user and system time of top so far.
ticks()
{
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

tmux -L cost -f /dev/null new-session -d -x 120 -y 40 "exec env LC_ALL=C.UTF-8 '$bin/pinfold' top --socket '$tmp/sock'"
sleep 2
pid=$(tmux -L cost list-panes -F '#{pane_pid}')
before=$(ticks "$pid")
sleep 20
after=$(ticks "$pid")
echo "$vms VMs, 6 pool cores: $(((after - before) * 1000 / 20 / $(getconf CLK_TCK))) per mille of a core"
