#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The C sources of the programs are formatted as .clang-format says.
# Usage: format.sh ROOT
set -eu

root=$1
. "$(dirname "$0")/lib.sh"

format=$(command -v clang-format-14 || command -v clang-format || :)
[ -n "$format" ] || skip "clang-format is not installed"
find src include kmod -name '*.[ch]' 2>/dev/null | sort >"$tmp/files"
[ -s "$tmp/files" ] || bad "no sources found"
while IFS= read -r file; do
	if ! "$format" --style=file "$file" | cmp -s - "$file"; then
		"$format" --style=file "$file" | diff "$file" - | head -n 4
		bad "$file: not formatted (clang-format -i $file)"
	fi
done <"$tmp/files"
finish
