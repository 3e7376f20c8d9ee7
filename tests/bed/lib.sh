# SPDX-License-Identifier: GPL-2.0-or-later
# For the scripts that run inside the test bed; read with ". /bed/lib.sh". Descriptor 3 goes to the host
# (scripts/bed/init). A script ends with "finish".
# shellcheck shell=sh

bed_failed=0
bed_out=/tmp/bed-out
# The most that one check may take: many times what it needs, for the machine below may be busy.
bed_check_s=900
mkdir -p "$bed_out"

# Text for the person watching.
note()
{
	echo "note: $*" >&3
}

# kill_tree PID: a process with all that it started; first those, for they get another parent when it dies.
kill_tree()
{
	# shellcheck disable=SC2013 # one number per line
	for bed_child in $(sed -n "s/^\([0-9]*\) (.*) [A-Za-z] $1 .*/\1/p" /proc/[0-9]*/stat 2>/dev/null); do
		(kill_tree "$bed_child")
	done
	kill -9 "$1" 2>/dev/null
}

# check NAME COMMAND...: passes when the command succeeds. Exit status 77 is a skip; the last line of output is its reason.
check()
{
	bed_name=$1
	shift
	bed_start=$(cut -d ' ' -f 1 /proc/uptime)
	# In the background, so that it can be ended; not as a condition: there "set -e" has no effect.
	(set -e; "$@") >"$bed_out/log" 2>&1 </dev/null 3>&- &
	bed_pid=$!
	(
		sleep "$bed_check_s" || exit
		echo "still busy after $bed_check_s s" >>"$bed_out/log"
		kill_tree "$bed_pid"
	) 3>&- >/dev/null 2>&1 &
	bed_guard=$!
	wait "$bed_pid"
	bed_status=$?
	kill_tree "$bed_guard"
	bed_s=$(cut -d ' ' -f 1 /proc/uptime | awk -v a="$bed_start" '{ printf "%.1f", $1 - a }')
	case $bed_status in
	0)
		echo "check: $bed_name pass $bed_s" >&3
		grep '^note: ' "$bed_out/log" >&3
		;;
	77)
		echo "check: $bed_name skip $bed_s $(tail -n 1 "$bed_out/log")" >&3
		;;
	*)
		echo "check: $bed_name fail $bed_s exit status $bed_status" >&3
		tail -n 200 "$bed_out/log" | sed 's/^/| /' >&3
		bed_failed=$((bed_failed + 1))
		;;
	esac
}

# expect WANT COMMAND...: for use in functions given to check: the command must end with this exit status.
expect()
{
	bed_want=$1
	shift
	bed_got=0
	"$@" || bed_got=$?
	if [ "$bed_got" -ne "$bed_want" ]; then
		echo "exit status $bed_got instead of $bed_want: $*"
		return 1
	fi
}

# How much longer a busy machine below makes things take.
bed_patience=5

# wait_for SECONDS COMMAND...: until it succeeds. SECONDS are those of a quiet machine; and while the machine below is so busy that the
# command itself takes long, it is tried as often as it would be on a quiet one.
wait_for()
{
	bed_end=$(($(cut -d . -f 1 /proc/uptime) + $1 * bed_patience))
	bed_tries=$(($1 * bed_patience))
	shift
	until "$@"; do
		bed_tries=$((bed_tries - 1))
		[ "$bed_tries" -gt 0 ] || [ "$(cut -d . -f 1 /proc/uptime)" -lt "$bed_end" ] || return 1
		usleep 50000
	done
}

finish()
{
	[ "$bed_failed" -eq 0 ] || exit 1
	exit 0
}
