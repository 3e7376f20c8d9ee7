# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the tests of the command line; read with ". cli_lib.sh" after "bin" is set to the folder with pinfold.
# shellcheck shell=sh disable=SC2154 # bin comes from the reader

pinfold=$bin/pinfold
tmp=$(mktemp -d)
checks=0
failures=0
case=start
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

for tool in jq script; do
	command -v "$tool" >/dev/null || {
		echo "skip: $tool is not installed"
		exit 77
	}
done

# Guests of a few bytes: print x for ever; loop on the spot (x86), the same for RISC-V.
printf '\146\272\370\003\260\170\356\353\375' >"$tmp/flood.bin"
printf '\353\376' >"$tmp/spin.bin"
printf '\157\000\000\000' >"$tmp/nop_rv.bin"

fail()
{
	failures=$((failures + 1))
	echo "FAIL: $case: $*"
	sed 's/^/  stderr: /' "$tmp/err" 2>/dev/null | head -n 5
}

# check WHAT COMMAND...
check()
{
	case=$1
	shift
	checks=$((checks + 1))
	"$@" >/dev/null || fail "$*"
}

# run_with INPUT CASE STATUS ARGUMENTS...: run pinfold, check its exit status, keep its output.
run_with()
{
	_input=$1
	case=$2
	_want=$3
	shift 3
	checks=$((checks + 1))
	timeout -s KILL 60 "$pinfold" "$@" <"$_input" >"$tmp/out" 2>"$tmp/err"
	_got=$?
	[ "$_got" -eq "$_want" ] || fail "exit status $_got instead of $_want"
}

run()
{
	run_with /dev/null "$@"
}

# start ARGUMENTS...: in the background, as "started". A shell ignores SIGINT for it; that is undone.
start()
{
	: >"$tmp/out"
	env --default-signal=INT "$pinfold" "$@" </dev/null >"$tmp/out" 2>"$tmp/err" &
	started=$!
}

# finish_started CASE STATUS
finish_started()
{
	case=$1
	checks=$((checks + 1))
	wait "$started"
	_got=$?
	[ "$_got" -eq "$2" ] || fail "exit status $_got instead of $2"
}

# wait_for TEXT FILE: at most a minute.
wait_for()
{
	_tries=1200
	until grep -q "$1" "$2" 2>/dev/null; do
		_tries=$((_tries - 1))
		if [ "$_tries" -eq 0 ]; then
			fail "'$1' does not come"
			return
		fi
		sleep 0.05
	done
}

# terminal COMMAND...: on a terminal, in the background; keys by descriptor 9, what it shows in typescript.
terminal()
{
	rm -f "$tmp/typescript"
	[ -p "$tmp/keys" ] || mkfifo "$tmp/keys"
	# bash: another shell may end at a Ctrl-C that is meant for the guest.
	SHELL=/bin/bash env --default-signal=INT script -qefc "stty -g; $* 2>&1; echo status=\$?; stty -g" \
		"$tmp/typescript" <"$tmp/keys" >/dev/null 2>&1 &
	# shellcheck disable=SC2034 # the reader waits for it
	terminal=$!
	exec 9<>"$tmp/keys"
}

# modes_are_the_same CASE: what stty said before and after.
modes_are_the_same()
{
	modes=$(tr -d '\r' <"$tmp/typescript" | grep -E '^[0-9a-f]+(:[0-9a-f]+)+$')
	check "$1: the terminal is given back as it was" test \
		"$(echo "$modes" | wc -l):$(echo "$modes" | sort -u | wc -l)" = 2:1
}

# console_detach_and_end VM OPTION...: on a terminal, the console of a guest that echoes until Ctrl-D: left by its key, entered
# again, and ended.
console_detach_and_end()
{
	terminal "'$pinfold' console $*"
	wait_for 'Ctrl-\] detaches' "$tmp/typescript"
	printf 'first line\n' >&9
	wait_for 'first line' "$tmp/typescript"
	printf '\035' >&9
	wait "$terminal"
	exec 9>&-
	check "detach" grep -q 'status=0' "$tmp/typescript"
	modes_are_the_same "detach"
	terminal "'$pinfold' console --from-start $*"
	wait_for 'first line' "$tmp/typescript"
	printf '\003more\n\004' >&9
	wait "$terminal"
	exec 9>&-
	check "its end is the console's" grep -q 'status=0' "$tmp/typescript"
	check "Ctrl-C was for the guest" grep -q 'echoed 17' "$tmp/typescript"
	modes_are_the_same "end"
}

stdout_has()
{
	checks=$((checks + 1))
	grep -qF -e "$1" "$tmp/out" || fail "standard output lacks '$1'"
}

stdout_matches()
{
	checks=$((checks + 1))
	grep -qE -e "$1" "$tmp/out" || fail "standard output has nothing like '$1'"
}

stderr_has()
{
	checks=$((checks + 1))
	grep -qF -e "$1" "$tmp/err" || fail "standard error lacks '$1'"
}

stderr_is()
{
	checks=$((checks + 1))
	[ "$(cat "$tmp/err")" = "$1" ] || fail "standard error is not '$1'"
}

stderr_is_empty()
{
	checks=$((checks + 1))
	[ ! -s "$tmp/err" ] || fail "standard error is not empty"
}

# json EXPRESSION: true for the last line of standard output.
json()
{
	checks=$((checks + 1))
	tail -n 1 "$tmp/out" | jq -e "$1" >/dev/null 2>&1 ||
		fail "not so: $1 in $(tail -n 1 "$tmp/out" | jq -c 'del(.registers)' 2>&1)"
}

finish()
{
	echo "$checks checks, $failures failures"
	[ "$failures" -eq 0 ]
	exit
}
