#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What a strict reader of Prometheus' text format would refuse; prints nothing when all is well.
# Usage: metrics_check.sh FILE
set -eu

awk '
	function bad(why) {
		printf "line %d: %s: %s\n", NR, why, $0
	}
	/^# HELP / {
		if ($3 in help) bad("second HELP")
		if (NF < 4) bad("HELP without a text")
		help[$3] = 1
		family = $3
		next
	}
	/^# TYPE / {
		if ($3 in type) bad("second TYPE")
		if ($3 != family) bad("TYPE of another family")
		if ($4 != "counter" && $4 != "gauge") bad("unknown type")
		type[$3] = $4
		if ($4 == "counter" && $3 !~ /_total$/) bad("a counter ends in _total")
		if ($4 != "counter" && $3 ~ /_total$/) bad("only a counter ends in _total")
		next
	}
	/^#/ || /^$/ { bad("neither sample nor HELP nor TYPE"); next }
	{
		name = $0
		sub(/[{ ].*/, "", name)
		if (name !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*$/) bad("bad name")
		if (name != family) bad("sample outside its family")
		if (!(name in type)) bad("no TYPE")
		rest = substr($0, length(name) + 1)
		key = rest
		sub(/ [^ ]*$/, "", key)
		if ((name, key) in seen) bad("twice the same labels")
		seen[name, key] = 1
		if (rest ~ /^\{/) {
			if (rest !~ /^\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*",?)*\} /) bad("bad labels")
			sub(/^\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\["\\n])*",?)*\}/, "", rest)
		}
		if (rest !~ /^ -?[0-9]+(\.[0-9]+)?$/) bad("bad value")
		n++
	}
	END {
		if (n < 40) print "only " n " samples"
		for (f in help) if (!(f in type)) print f ": HELP without TYPE"
	}
' "$1"
tail -c 1 "$1" | od -An -c | grep -q '\\n' || echo "no newline at the end"
