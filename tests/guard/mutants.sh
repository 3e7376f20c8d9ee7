#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every mistake in mutants.txt, made in a copy of the guard's core, is found by the tests of the file that it is in; the
# unchanged core passes them.
# Usage: mutants.sh ROOT [CC]
set -eu

root=$(cd "$1" && pwd)
cc=${2:-cc}
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" # tests may write where they stand
flags="-std=gnu17 -D_GNU_SOURCE -I$root/kmod -I$root/kmod/core -I$root/tests/unit -O1 -w"
# shellcheck source=../mutants_lib.sh
. "$here/../mutants_lib.sh"

# tests_of FILE: the tests that are to find mistakes in it
tests_of()
{
	case $1 in
	action.c | guard.c | listing.c | session.c | session_ask.c) echo session ;;
	arbiter.c) echo arbiter ;;
	auth.c | base32.c) echo auth ;;
	chain.c) echo "log log_model" ;;
	registry.c) echo "registry registry_model" ;;
	*) echo "${1%.c}" ;;
	esac
}

# survives SOURCE FILE: 0 when all tests of FILE pass with SOURCE in its place
survives()
{
	others=
	for object in "$tmp"/core/*.o; do
		[ "${object##*/}" = "${2%.c}.o" ] || others="$others $object"
	done
	for test in $(tests_of "$2"); do
		# shellcheck disable=SC2086 # one flag, or file, per word
		"$cc" $flags -o "$tmp/test" "$tmp/$test.o" "$1" $others "$tmp/world.o" -lsodium || return 0
		timeout 60 "$tmp/test" >"$tmp/log" 2>&1 || return 1
	done
}

mkdir "$tmp/core"
for file in "$root"/kmod/core/*.c; do
	name=${file##*/}
	# shellcheck disable=SC2086 # one flag per word
	"$cc" $flags -c "$file" -o "$tmp/core/${name%.c}.o"
done
# shellcheck disable=SC2086 # one flag per word
"$cc" $flags -c "$here/world.c" -o "$tmp/world.o"
for test in arbiter auth chord command line log log_model registry registry_model session; do
	# shellcheck disable=SC2086 # one flag per word
	"$cc" $flags "-DGUARD_DIALOGUE=\"$here/dialogue.golden\"" -c "$here/test_$test.c" -o "$tmp/$test.o"
done
sed -n 's/^[^#@]*@\([^@]*\)@.*/\1/p' "$here/mutants.txt" | sort -u >"$tmp/files"
while read -r file; do
	if ! survives "$root/kmod/core/$file" "$file"; then
		echo "the unchanged $file is accused:"
		cat "$tmp/log"
		exit 1
	fi
done <"$tmp/files"

accusation()
{
	grep -v '^pass' "$tmp/log"
}

find_mutants "$here/mutants.txt" "$root/kmod/core" 70
