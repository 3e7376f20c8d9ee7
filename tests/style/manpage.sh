#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The man pages and --help list the same options: pinfold-run(1) as a whole, for the commands of the daemon section by
# section.
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

# Options of the help text "help": at the start of a line, after an optional short form.
offered()
{
	grep -oE '^ +(-[A-Za-z?], *)?--[a-z][a-z0-9-]*' "$tmp/help" | grep -oE -e '--[a-z][a-z0-9-]*' | sort -u >"$tmp/offered"
}

# compare PAGE COMMAND: "text" mentions all that is offered; its entries, which start a line in bold, offer no more.
compare()
{
	grep -oE -e '--[a-z][a-z0-9-]*' "$tmp/text" | sort -u >"$tmp/mentioned"
	grep -E '^\*-' "$tmp/text" | grep -oE -e '--[a-z][a-z0-9-]*' | sort -u >"$tmp/entries"
	[ -s "$tmp/offered" ] || bad "$2 --help lists no options"
	for option in $(comm -23 "$tmp/offered" "$tmp/mentioned"); do
		bad "$1 does not mention $option of $2"
	done
	for option in $(comm -13 "$tmp/offered" "$tmp/entries"); do
		bad "$1 describes $option, which $2 --help does not offer"
	done
}

offered
sed 's|[\]||g' "$page" >"$tmp/text"
compare "$page" "pinfold run"

# Options that all of those commands have stand in one section of each page.
: >"$tmp/described"
for page in docs/pinfold-*.1.scd; do
	case $page in
	*/pinfold-run.1.scd | */pinfold-doctor.1.scd | */pinfold-top.1.scd) continue ;;
	esac
	common='--help --usage'
	# Those of pinfold-disk and some of pinfold-guard work on files.
	case $page in
	*/pinfold-disk.1.scd | */pinfold-guard.1.scd) ;;
	*) common="$common --socket --host" ;;
	esac
	sed 's|[\]||g' "$page" >"$tmp/page"
	for option in $common; do
		sed -n '/^# COMMON OPTIONS/,$p' "$tmp/page" | grep -qE "^\*(-.\*, \*)?$option\*" || bad "$page does not explain $option"
	done
	sed -n 's/^## //p' "$tmp/page" >"$tmp/sections"
	[ -s "$tmp/sections" ] || bad "$page has no sections"
	while IFS= read -r command; do
		# shellcheck disable=SC2086 # words
		if ! "$pinfold" ${command#pinfold } --help >"$tmp/help" 2>&1; then
			bad "$page describes $command, which there is not"
			continue
		fi
		sed -n "/^## $command\$/,/^#/p" "$tmp/page" >"$tmp/text"
		echo "$common" >>"$tmp/text"
		offered
		compare "$page" "$command"
		echo "$command" >>"$tmp/described"
	done <"$tmp/sections"
done

# Every command has its section.
"$pinfold" help | sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' >"$tmp/commands"
[ -s "$tmp/commands" ] || bad "pinfold help lists no commands"
while IFS= read -r command; do
	case $command in
	run | doctor | help | version | top) continue ;;
	esac
	if "$pinfold" "$command" --help | grep -q '^Commands:'; then
		"$pinfold" "$command" --help | sed -n "s/^  \([a-z][a-z-]*\)  *[a-z].*/$command \1/p"
	else
		echo "$command"
	fi
done <"$tmp/commands" >"$tmp/all"
while IFS= read -r command; do
	grep -qx "pinfold $command" "$tmp/described" || bad "no man page describes pinfold $command"
done <"$tmp/all"
finish
