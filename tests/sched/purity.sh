#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The scheduler is pure: its archive needs nothing but memcpy-like calls and the hook of the assertions.
# Usage: purity.sh ARCHIVE
set -eu

archive=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort -u >"$tmp/defined"
nm -g --undefined-only "$archive" | awk 'NF == 2 { print $2 }' | sort -u >"$tmp/undefined"
[ -s "$tmp/defined" ] || { echo "$archive holds no symbols"; exit 1; }
if grep -q '^__\(asan\|ubsan\|tsan\|sanitizer\|gcov\)' "$tmp/undefined"; then
	echo "built with a sanitizer or for coverage, which adds symbols of its own"
	exit 77
fi
# The stack protector's hook and the table of a position-independent program are the compiler's.
comm -13 "$tmp/defined" "$tmp/undefined" |
	grep -vx 'memcpy\|memset\|memmove\|memcmp\|bug_report\|__stack_chk_fail\|_GLOBAL_OFFSET_TABLE_' >"$tmp/foreign" || :
cat "$tmp/foreign"
[ ! -s "$tmp/foreign" ] || exit 1
# What it shows to others carries its name.
if grep -v '^sched_' "$tmp/defined"; then
	echo "the symbols above do not begin with sched_"
	exit 1
fi
echo "$(wc -l <"$tmp/defined") symbols defined, none foreign"
