# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by tests that check many things one after the other; read with ". check_lib.sh".
# Sets tmp, a scratch folder; out and err in it are what was printed last.
# shellcheck shell=sh

tmp=$(mktemp -d)
checks=0
failures=0
pid= # of something that must not outlive the test
trap 'if [ -n "$pid" ]; then kill "$pid" 2>/dev/null; fi; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# check WHAT COMMAND...
check()
{
	_what=$1
	shift
	checks=$((checks + 1))
	"$@" || {
		echo "FAIL: $_what"
		failures=$((failures + 1))
		tail -n 5 "$tmp/out" "$tmp/err" 2>/dev/null
	}
}

# The last command of the test: its status.
verdict()
{
	echo "$checks checks, $failures failures"
	[ "$failures" -eq 0 ]
}
