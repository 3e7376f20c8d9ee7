#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every header compiles alone, and its Doxygen blocks fit their prototypes.
# Usage: headers.sh ROOT [CC]
set -eu

root=$1
cc=${2:-gcc}
. "$(dirname "$0")/lib.sh"

flags="-std=gnu17 -D_GNU_SOURCE -fsyntax-only -Isrc -Iinclude -Ikmod -Wall -Wextra -Wconversion -Wsign-conversion -Wundef
	-Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror"
clang=$(command -v clang || :)
[ -n "$clang" ] || echo "clang is missing: documentation comments were not checked"

# check COMPILER FLAGS...
check()
{
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"$tmp/alone.c"
	if ! "$@" "$tmp/alone.c" 2>"$tmp/err"; then
		bad "$header: $(grep -m 1 'error' "$tmp/err" || head -n 1 "$tmp/err")"
	fi
}

count=0
for header in $(find src include kmod/core kmod/uapi -name '*.h' 2>/dev/null | sort); do
	count=$((count + 1))
	header=$root/$header
	# shellcheck disable=SC2086 # one flag per word
	check "$cc" $flags
	if [ -n "$clang" ]; then
		check "$clang" -std=gnu17 -D_GNU_SOURCE -fsyntax-only -Isrc -Iinclude -Ikmod -Wdocumentation \
			-Werror=documentation
	fi
done
[ "$count" -gt 0 ] || bad "no headers found"
echo "$count headers"
finish
