#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every room includes only the rooms, members and libraries that layers.txt allows.
# Usage: layers.sh ROOT
set -eu

root=$1
rules=$(cd "$(dirname "$0")" && pwd)/layers.txt
. "$(dirname "$0")/lib.sh"

for dir in src include; do
	[ ! -d "$dir" ] || find "$dir" -name '*.[chS]' -o -name '*.inc'
done | sort >"$tmp/files"
[ -s "$tmp/files" ] || bad "no sources found"

# shellcheck disable=SC2016 # awk's own variables
tr '\n' '\0' <"$tmp/files" | xargs -0 -r awk -v rules="$rules" '
	BEGIN {
		while ((getline line < rules) > 0) {
			if (line ~ /^#/ || line == "") {
				continue
			}
			key = line
			sub(/:.*/, "", key)
			values = index(line, ":") ? substr(line, length(key) + 2) : ""
			rule[key] = values " "
			if (key ~ /^library /) {
				library[substr(key, 9)] = values " "
			}
		}
	}

	function bad(why) {
		printf "%s:%d: %s\n", FILENAME, FNR, why
	}

	# What a path below the room belongs to: its folder, or for single-file members the name without its ending.
	function member(path, room,    rest) {
		rest = substr(path, length(room) + 2)
		if (rest ~ /\//) {
			sub(/\/.*/, "", rest)
			return rest
		}
		if (room != "dev") {
			return ""
		}
		sub(/\.[^.]*$/, "", rest)
		return rest ~ /_table$/ ? "" : rest
	}

	function check_own(header,    room, mine, theirs, base) {
		if (header !~ /\//) {
			return
		}
		if (header ~ /(^|\/)\.\.?\//) {
			bad("relative path in #include \"" header "\"")
			return
		}
		room = header
		sub(/\/.*/, "", room)
		if (!(("room " room) in rule)) {
			bad("#include \"" header "\": no such room")
			return
		}
		if (room != here && index(rule["room " here], " " room " ") == 0 &&
		    index(rule["room " here], " " header " ") == 0) {
			bad("room " here " may not include " header)
			return
		}
		theirs = member(header, room)
		if (room != here) {
			if (("private " room) in rule && header ~ /\/.*\//) {
				bad("room " here " may not look into " header)
			}
			return
		}
		mine = member(path, here)
		base = substr(header, length(room) + 2)
		if (("members " room) in rule && mine != "" && theirs != mine &&
		    index(rule["members " room], " " base " ") == 0) {
			bad("member " here "/" mine " may not include " header)
		}
	}

	function check_library(header,    prefix, ok, n, dirs, i) {
		for (prefix in library) {
			if (index(header, prefix) != 1) {
				continue
			}
			ok = 0
			n = split(library[prefix], dirs, " ")
			for (i = 1; i <= n; i++) {
				ok = ok || index(path, dirs[i] "/") == 1
			}
			if (!ok) {
				bad("<" header "> is only for:" library[prefix])
			}
		}
	}

	FNR == 1 {
		path = FILENAME
		sub(/^(src|include)\//, "", path)
		here = path
		sub(/\/.*/, "", here)
		if (!(("room " here) in rule)) {
			bad("room " here " is not in layers.txt")
			nextfile
		}
	}

	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, part, "\"")
		check_own(part[2])
	}

	/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
		split($0, part, /[<>"]/)
		check_library(part[2])
	}
' >"$tmp/found"
while IFS= read -r line; do
	bad "$line"
done <"$tmp/found"
finish
