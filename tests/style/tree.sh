#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# No file holds a path of the machine it was written on, and every room has a README of at most 30 lines.
# Usage: tree.sh ROOT
set -eu

root=$1
. "$(dirname "$0")/lib.sh"

project_files >"$tmp/files"
[ -s "$tmp/files" ] || bad "no files found"
# The tree itself, and where people and build services keep theirs. "/root" alone is a fine path of a guest.
pattern='(^|[^A-Za-z0-9_.~}/-])/(home|root|work|builds|Users)/[A-Za-z0-9_.]'
while IFS= read -r file; do
	case $file in
	tests/style/*) continue ;;
	esac
	grep -nIE -e "$pattern" "$file" | sed "s|^|$file:|"
	# A tree right below / has a name that any path may hold.
	case $root in
	/*/*) grep -nIF -e "$root/" "$file" | sed "s|^|$file:|" ;;
	esac
done <"$tmp/files" | sort -u >"$tmp/found"
while IFS= read -r line; do
	bad "path of one machine: $line"
done <"$tmp/found"

for room in src/* guests tests bench kmod packaging; do
	# Folders without files are not in the repository.
	if [ ! -d "$room" ] || ! grep -q "^$room/" "$tmp/files"; then
		continue
	fi
	if [ ! -f "$room/README.md" ]; then
		bad "$room: no README.md"
	elif [ "$(wc -l <"$room/README.md")" -gt 30 ]; then
		bad "$room/README.md: more than 30 lines"
	fi
done
finish
