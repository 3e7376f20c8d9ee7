#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The bash completion, by sourcing it: commands, every option that --help of each command lists, values, files.
# Usage: test_cli_completion.sh BIN-FOLDER COMPLETION-FILE
set -u

bin=$1
failures=0
# shellcheck source=/dev/null # its path is an argument
. "$2" || exit 1

# complete_words WORDS...: what comes for the last one.
complete_words()
{
	COMP_WORDS=(pinfold "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_pinfold
}

# expect WANT WORDS...
expect()
{
	local want=$1

	shift
	complete_words "$@"
	if [ "${COMPREPLY[*]}" != "$want" ]; then
		echo "FAIL: pinfold $*: '${COMPREPLY[*]}' instead of '$want'"
		failures=$((failures + 1))
	fi
}

expect 'run resume rm restore' r
expect 'run' ru
expect 'doctor' doc
expect '--limit-cpu --limit-insns' run --limit
expect 'arm arm64' run --arch ar
expect 'riscv64' run --arch = r
expect 'x86 x64 arm arm64 riscv64' run --arch =
expect 'unicorn' run --engine u
expect 'big' run --endian b
expect '' run --mem 1
expect '--json' doctor --j
cd "$(dirname "$2")" || exit 1
expect 'pinfold' run pinf
expect 'pinfold' run --trace pinf

expect 'set-quota' user s
expect 'ls reclaim set-cap' cores ''
expect '--kill-vms' down --k
expect 'none' user set-quota ann --memory n
expect 'ssh://' ps --host s
expect '' cores reclaim ''

# options_agree WORDS...: what --help offers is what is completed.
options_agree()
{
	options=$("$bin/pinfold" "$@" --help | grep -oE '^ +(-[A-Za-z?], *)?--[a-z][a-z-]*' | grep -oE -e '--[a-z-]+' | sort -u)
	complete_words "$@" --
	known=$(printf '%s\n' "${COMPREPLY[@]}" | sort -u)
	if [ -z "$options" ] || [ "$options" != "$known" ]; then
		echo "FAIL: options of $* differ:"
		diff <(echo "$options") <(echo "$known")
		failures=$((failures + 1))
	fi
}

members()
{
	"$bin/pinfold" "$@" | sed -n 's/^  \([a-z][a-z-]*\)  *[a-z].*/\1/p'
}

commands=$(members help)
[ -n "$commands" ] || {
	echo "FAIL: pinfold help lists no commands"
	exit 1
}
for command in $commands; do
	case $command in
	help | version) continue ;;
	esac
	if "$bin/pinfold" "$command" --help | grep -q '^Commands:'; then
		for member in $(members "$command" --help); do
			options_agree "$command" "$member"
		done
	else
		options_agree "$command"
	fi
done
complete_words ''
for command in $commands; do
	if ! printf '%s\n' "${COMPREPLY[@]}" | grep -qx "$command"; then
		echo "FAIL: $command is not completed"
		failures=$((failures + 1))
	fi
done

# Names of VMs come from the daemon that the line is for.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
printf '#!/bin/sh\n[ "$*" = "ps --all --quiet --names --socket /x" ] && printf "web\\nworker\\nother\\n"\n' >"$tmp/pinfold"
chmod +x "$tmp/pinfold"
COMP_WORDS=("$tmp/pinfold" stop --socket /x w)
COMP_CWORD=4
COMPREPLY=()
_pinfold
if [ "${COMPREPLY[*]}" != 'web worker' ]; then
	echo "FAIL: names of VMs: '${COMPREPLY[*]}'"
	failures=$((failures + 1))
fi
exit "$((failures > 0))"
