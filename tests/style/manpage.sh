#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The man page of "pinfold run" and its --help list the same options.
# Usage: manpage.sh ROOT PINFOLD
set -eu

root=$1
pinfold=$2
. "$(dirname "$0")/lib.sh"

page=docs/pinfold-run.1.scd
if [ ! -r "$page" ]; then
	bad "$page is missing"
	finish
fi
if ! "$pinfold" run --help >"$tmp/help" 2>&1; then
	bad "$pinfold run --help failed: $(head -n 1 "$tmp/help")"
	finish
fi

# Options of the help text: at the start of a line, after an optional short form.
grep -oE '^ +(-[A-Za-z?], *)?--[a-z][a-z0-9-]*' "$tmp/help" | grep -oE -e '--[a-z][a-z0-9-]*' | sort -u >"$tmp/offered"
sed 's|[\\]||g' "$page" | grep -oE -e '--[a-z][a-z0-9-]*' | sort -u >"$tmp/mentioned"
# The entries of the page start a line in bold.
sed 's|[\\]||g' "$page" | grep -E '^\*-' | grep -oE -e '--[a-z][a-z0-9-]*' | sort -u >"$tmp/entries"
[ -s "$tmp/offered" ] || bad "pinfold run --help lists no options"
for option in $(comm -23 "$tmp/offered" "$tmp/mentioned"); do
	bad "$page does not mention $option"
done
for option in $(comm -13 "$tmp/offered" "$tmp/entries"); do
	bad "$page describes $option, which pinfold run --help does not offer"
done
finish
