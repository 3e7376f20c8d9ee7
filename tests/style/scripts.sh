#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Shell scripts parse, and shellcheck has nothing to say about them.
# Usage: scripts.sh ROOT
set -eu

root=$1
. "$(dirname "$0")/lib.sh"

command -v shellcheck >/dev/null || skip "shellcheck is not installed"
project_files | while IFS= read -r file; do
	case $file in
	*.sh) echo "$file" ;;
	*)
		if head -n 1 "$file" | grep -qaE '^#!.*[ /](sh|bash)$'; then
			echo "$file"
		fi
		;;
	esac
done >"$tmp/files"
[ -s "$tmp/files" ] || bad "no scripts found"
while IFS= read -r file; do
	shellcheck -x -P SCRIPTDIR -P "$root" -f gcc "$file" >"$tmp/out" || bad "$(head -n 1 "$tmp/out")"
done <"$tmp/files"
finish
