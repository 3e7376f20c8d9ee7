#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What documents name is there: the targets of their links, files of this tree, tests, man pages.
# Usage: docs.sh ROOT BUILD     BUILD: of CMake, which knows the tests
set -eu

root=$1
build=$2
. "$(dirname "$0")/lib.sh"

project_files >"$tmp/files"
ctest --test-dir "$build" -N >"$tmp/ctest" || bad "ctest can't list the tests of $build"
# Files, their folders and tests with every leading part: what can be named, each behind the folders that names may leave out.
{
	sed 's|^|/|' "$tmp/files"
	sed -n 's|^ *Test *#[0-9]*: |/|p' "$tmp/ctest"
} | awk '{
	name = $0
	while (name != "") {
		print name
		if (name ~ /\.[chs]h?$/) { bare = name; sub(/\.[a-z]*$/, "", bare); print bare }
		sub(/\/[^\/]*$/, "", name)
	}
}' | sed -E 'p; s#^/(src|tests|kmod|docs)/#/#p; s#^/daemon/#/#' | sort -u >"$tmp/there"
# Words that begin with a folder of the tree, of src/ or of tests/ are about files or tests.
sed -n 's|^src/||; s|^tests/||; s|/.*||p' "$tmp/files" | sort -u >"$tmp/rooms"
printf '%s\n' src tests >>"$tmp/rooms"

# names DOCUMENT: LINE, "link" or "word", and what is named. The examples of house-style.md are files of others.
names()
{
	awk -v is_style="$([ "$1" = docs/house-style.md ] && echo 1)" '
		is_style && /^## .*[Ee]xamples/ { exit }
		{
			line = $0
			while (match(line, /\]\([^)#:]+[)#]/)) {
				print NR, "link", substr(line, RSTART + 2, RLENGTH - 3)
				line = substr(line, RSTART + RLENGTH)
			}
			gsub(/[^A-Za-z0-9_.\/$~:<>*{@-]/, " ")
			n = split($0, word, " ")
			for (i = 1; i <= n; i++) {
				sub(/[.:\/]+$/, "", word[i])
				if (word[i] ~ /^[a-z0-9_-]+(\/[A-Za-z0-9_.-]+)+$/ && word[i] !~ /NAME/) { print NR, "word", word[i] }
			}
		}' "$1"
}

grep -E '\.(md|scd)$' "$tmp/files" | while IFS= read -r doc; do
	names "$doc" | while read -r line kind name; do
		if [ "$kind" = link ]; then
			[ -e "$(dirname "$doc")/$name" ] || echo "$doc:$line: link to $name, which is not there"
		elif grep -qxF "${name%%/*}" "$tmp/rooms" && ! grep -qxF "/$name" "$tmp/there" && [ ! -e "$(dirname "$doc")/$name" ]; then
			echo "$doc:$line: $name is neither a file nor a test"
		fi
	done
	grep -noE 'pinfold[a-z-]*\([1-8]\)' "$doc" | while IFS=: read -r line page; do
		page=$(echo "$page" | sed 's/(\(.\))/.\1.scd/')
		[ -e "docs/$page" ] || echo "$doc:$line: there is no page docs/$page"
	done
done >"$tmp/found"
while IFS= read -r line; do
	bad "$line"
done <"$tmp/found"
finish
