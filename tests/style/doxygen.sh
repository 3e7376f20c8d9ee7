#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every prototype in a public header has a Doxygen block right above it; NAME_internal.h is private to its folder.
# Usage: doxygen.sh ROOT
set -eu

root=$1
. "$(dirname "$0")/lib.sh"

# A declaration starts in the first column outside any braces and ends with a semicolon or an opening brace. Functions
# of a header that are static inline, data, types and function-pointer typedefs are not prototypes.
# shellcheck disable=SC2016 # awk's own variables
find src include kmod/core -name '*.h' ! -name '*_internal.h' 2>/dev/null | sort | tr '\n' '\0' | xargs -0 -r awk '
	FNR == 1 { depth = 0; text = ""; documented = comment = define = 0 }

	define { define = /\\$/; next }
	/^[ \t]*#/ { define = /\\$/; documented = 0; next }

	!comment && /^\/\*/ {
		comment = 1
		doxygen = /^\/\*\*/
	}
	comment {
		if (/\*\//) {
			comment = 0
			documented = doxygen
		}
		next
	}

	/^[ \t]*$/ && depth == 0 { documented = 0; next }

	{
		line = $0
		gsub(/"[^"]*"/, "", line)
		gsub(/\/\*[^*]*\*\//, "", line)
		sub(/\/\/.*/, "", line)
		if (depth == 0) {
			if (text == "") {
				start = FNR
				had = documented
			}
			text = text " " line
		}
		depth += gsub(/\{/, "{", line) - gsub(/\}/, "}", line)
		if (depth > 0) {
			if (text ~ /\{/) { kind = "body" }
			next
		}
		if (line !~ /[;}][ \t]*$/) {
			next
		}
		if (text ~ /^ +(extern )?[a-z_A-Z]/ && text ~ /\(/ && text !~ /\{/ && text !~ /^ *(typedef|static|_Static_assert|struct [a-z_0-9]+ *;)/ &&
		    text !~ /\(\*[a-z_0-9]+\)\(/ && !had) {
			name = text
			sub(/\(.*/, "", name)
			sub(/.*[ *]/, "", name)
			if (name != "__attribute__" && name != "") {
				printf "%s:%d: %s() has no Doxygen block\n", FILENAME, start, name
			}
		}
		text = ""
		documented = 0
	}
' >"$tmp/found"
while IFS= read -r line; do
	bad "$line"
done <"$tmp/found"
finish
