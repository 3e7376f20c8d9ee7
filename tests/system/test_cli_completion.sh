#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The bash completion, by sourcing it: commands, every option that pinfold run --help lists, values, files.
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

expect 'run' r
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

options=$("$bin/pinfold" run --help | grep -oE '^ +(-[A-Za-z?], *)?--[a-z][a-z-]*' | grep -oE -e '--[a-z-]+' | sort -u)
complete_words run --
known=$(printf '%s\n' "${COMPREPLY[@]}" | sort -u)
if [ -z "$options" ] || [ "$options" != "$known" ]; then
	echo "FAIL: options differ:"
	diff <(echo "$options") <(echo "$known")
	failures=$((failures + 1))
fi
exit "$((failures > 0))"
