# SPDX-License-Identifier: GPL-2.0-or-later
# For tests of tests: mistakes made on purpose, each of which has to be found. Read with ". mutants_lib.sh" after "tmp" is set.
# shellcheck shell=sh disable=SC2154 # tmp comes from the reader

# mutate FILE OLD NEW: print FILE with the line OLD (without the blanks at its start) replaced by NEW. Fails if there is not exactly
# one such line.
mutate()
{
	OLD=$2 NEW=$3 awk '
		{ line = $0; sub(/^[ \t]+/, "", line) }
		line == ENVIRON["OLD"] { n++; $0 = ENVIRON["NEW"] }
		{ print }
		END { exit n != 1 }' "$1"
}

# find_mutants LIST SOURCES AT-LEAST: make each mistake of the list in a copy of its file in SOURCES. The reader has two functions:
# "survives COPY FILE" succeeds when nothing notices, and "accusation" prints what did. Fails unless all, and so many, are found.
find_mutants()
{
	_failed=0
	_found=0
	mkdir "$tmp/mutant"
	grep -v '^#' "$1" >"$tmp/list"
	while IFS=@ read -r _name _file _old _new; do
		mutate "$2/$_file" "$_old" "$_new" >"$tmp/mutant/$_file" || {
			echo "$_name: its line is not in $_file exactly once: mend mutants.txt"
			_failed=1
			continue
		}
		if survives "$tmp/mutant/$_file" "$_file"; then
			echo "$_name: NOT found"
			_failed=1
		else
			echo "$_name: found ($(accusation | head -n 1))"
			_found=$((_found + 1))
		fi
	done <"$tmp/list"
	echo "$_found mistakes found"
	[ "$_found" -ge "$3" ] && [ "$_failed" -eq 0 ]
}
