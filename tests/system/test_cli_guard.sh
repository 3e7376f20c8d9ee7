#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What people use of the guard without its module: answers to challenges and keys, compared with what openssl computes;
# key files that must be refused.
# Usage: test_cli_guard.sh BIN-FOLDER DIALOGUES
set -u

bin=$1
golden=$2
. "$(dirname "$0")/cli_lib.sh"
for tool in openssl basenc; do
	command -v "$tool" >/dev/null || {
		echo "skip: $tool is not installed"
		exit 77
	}
done
umask 077
key=$tmp/key
hex=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
echo $hex >"$key"

# check_not WHAT COMMAND...: the command fails.
check_not()
{
	case=$1
	shift
	checks=$((checks + 1))
	! "$@" >/dev/null || fail "$*"
}

# answer_of TEXT: HMAC-SHA-256 under the key, its first 60 bits in Crockford's digits, in groups of four.
answer_of()
{
	printf '%s' "pinfold-guard 1 $1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$hex" -binary |
		basenc --base32hex -w 0 | tr 0-9A-V 0-9A-HJKMNP-TV-Z | sed 's/^\(....\)\(....\)\(....\).*/\1-\2-\3/'
}

# answers MEANING CHALLENGE WORDS...: CHALLENGE as it is authenticated, WORDS as they are typed.
answers()
{
	_line="$1 (terminal ${2%% *}): $(answer_of "$2")"
	_challenge=$2
	shift 2
	run "respond $*" 0 guard respond --key "$key" "$@"
	checks=$((checks + 1))
	[ "$(cat "$tmp/out")" = "$_line" ] || fail "$_challenge: '$(cat "$tmp/out")' instead of '$_line'"
	stderr_is_empty
}

# ---- Answers ---------------------------------------------------------------------------------
answers "kill VM 7" "A kill 7 000000B29XKMPA3C" A kill 7 0000-00B2-9XKM-PA3C
answers "kill VM 18446744073709551615" "A kill 18446744073709551615 ZZZZZZZZZZZZZZZZ" A kill 18446744073709551615 ZZZZZZZZZZZZZZZZ
answers "kill every VM on core 3" "B kill-core 3 000000J29XKMPA3C" B kill-core 3 0000-00J2-9XKM-PA3C
answers "kill every VM of user 1000" "A kill-user 1000 000000B29XKMPA3C" A kill-user 1000 0000-00B2-9XKM-PA3C
answers "ban user 1000 and kill every VM of that user" "A ban 1000 000000B29XKMPA3C" A ban 1000 0000-00B2-9XKM-PA3C
answers "let user 1000 start VMs again" "A unban 1000 000000B29XKMPA3C" A unban 1000 0000-00B2-9XKM-PA3C
answers "take core 3 away from its VM" "A reclaim 3 000000B29XKMPA3C" A reclaim 3 0000-00B2-9XKM-PA3C
answers "freeze VM 7" "A freeze 7 000000B29XKMPA3C" A freeze 7 0000-00B2-9XKM-PA3C
answers "thaw VM 7" "A thaw 7 000000B29XKMPA3C" A thaw 7 0000-00B2-9XKM-PA3C
answers "look at VMs, cores, users and the log" "A login 000000B29XKMPA3C" A login 0000-00B2-9XKM-PA3C

# As people type: case, blanks, dashes, O for 0, I and L for 1, one word or many.
answers "kill VM 7" "A kill 7 000100D29XKM1A1C" a KILL 007 oOo1oOd29xkmIalc
answers "kill VM 7" "A kill 7 000100D29XKM1A1C" "a  kill 7	0001 00d2 9xkm ia1c"
answers "kill VM 7" "A kill 7 000100D29XKM1A1C" a kill 7 0-0-0-1 00d2 9-xkm1a1c-
answers "look at VMs, cores, users and the log" "B login 00000002000000ZZ" b Login "0000 0002" 000000ZZ

# The dialogues of the module's own tests: every answer that is taken there is the one that is computed here.
printf 'the key of this machine, 32 byte' | od -An -v -tx1 | tr -d ' \n' >"$tmp/dialogue-key"
echo >>"$tmp/dialogue-key"
sed -n 's/^challenge: //p' "$golden" >"$tmp/challenges"
sed -n 's/^answer within 30 s (an empty line gives up): \([0-9A-Z]\{4\}-.*\)$/\1/p' "$golden" >"$tmp/theirs"
while read -r challenge; do
	"$pinfold" guard respond --key "$tmp/dialogue-key" "$challenge" | sed 's/.*: //'
done <"$tmp/challenges" >"$tmp/ours"
check "challenges of the dialogues" test "$(wc -l <"$tmp/ours")" -ge 5
check "answers of the dialogues" test "$(grep -vx 0000-0000-0000 "$tmp/theirs" | grep -cvxFf "$tmp/ours")" -eq 0
check "they are many" test "$(grep -cxFf "$tmp/ours" "$tmp/theirs")" -ge 5

# The example of the documents.
printf '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n' | cmp -s - "$key" || fail "the key of the example is another one"
for page in guard.md guard-admin.md guard-card.md guard-card.html pinfold-guard.1.scd; do
	check "example in $page" grep -qF "$(answer_of "A kill 7 000000B29XKMPA3C")" "${golden%tests/guard/*}docs/$page"
done

run "respond --json" 0 guard respond --json --key "$key" a kill 07 0000-00b2-9xkm-pa3c
json '. == {terminal: "A", command: "kill 7", meaning: "kill VM 7", nonce: "000000B29XKMPA3C", answer: "'"$(answer_of "A kill 7 000000B29XKMPA3C")"'"}'
run_with "$key" "the key from standard input" 0 guard respond --key - a kill 7 000000B29XKMPA3C
stdout_has "$(answer_of "A kill 7 000000B29XKMPA3C")"

# ---- What is no challenge --------------------------------------------------------------------
# refuses SENTENCE WORDS...
refuses()
{
	_sentence=$1
	shift
	run "respond $*" 125 guard respond --key "$key" "$@"
	stderr_is "pinfold: $_sentence"
	checks=$((checks + 1))
	[ ! -s "$tmp/out" ] || fail "something was printed"
}
refuses "'C' is no terminal: A or B" C kill 7 0000-00B2-9XKM-PA3C
refuses "'fly' is no command that the guard asks an answer for" A fly 7 0000-00B2-9XKM-PA3C
refuses "'vms' is no command that the guard asks an answer for" A vms 0000-00B2-9XKM-PA3C
refuses "'web' after 'kill' is not the number of a VM" A kill web 0000-00B2-9XKM-PA3C
refuses "'18446744073709551616' after 'kill' is not the number of a VM" A kill 18446744073709551616 0000-00B2-9XKM-PA3C
refuses "'4294967295' after 'ban' is not the number of a user" A ban 4294967295 0000-00B2-9XKM-PA3C
refuses "'0x7' after 'reclaim' is not the number of a core" A reclaim 0x7 0000-00B2-9XKM-PA3C
refuses "the nonce has 15 characters instead of 16" A kill 7 0000-00B2-9XKM-PA3
refuses "the nonce has 17 characters instead of 16" A kill 7 0000-00B2-9XKM-PA3C5
refuses "the nonce has 0 characters instead of 16" A kill 7
refuses "'U' is never part of a nonce" A kill 7 0000-00B2-9XKM-PAUC
refuses "'?' is never part of a nonce" A kill 7 "$(printf '0000-00B2-9XKM-PA\033C')"
refuses "this nonce is not one of terminal B: read terminal and nonce again" B kill 7 0000-00B2-9XKM-PA3C
refuses "the challenge is too long" A kill 7 "$(printf '%0300d' 0)"
run "respond without anything" 125 guard respond

# ---- Key files that are refused --------------------------------------------------------------
# refuses_key SENTENCE: what lies in the file "bad".
refuses_key()
{
	run "key: $1" 125 guard respond --key "$tmp/bad" a login 000000B29XKMPA3C
	stderr_is "pinfold: $tmp/bad: $1"
}
phrase="passphrase 00112233445566778899aabbccddeeff 20000 $hex"
first="the first line is not a key: 64 hexadecimal digits and a line end"
second="the second line is not 'passphrase SALT ITERATIONS HASH', or more follows"
refuses_key "No such file or directory"
for text in '' "$hex" "${hex}0\n" " $hex\n" "${hex%?}g\n" "\n$hex\n" "$hex \n"; do
	# shellcheck disable=SC2059 # the texts are formats
	printf "$text" >"$tmp/bad"
	refuses_key "$first"
done
for line in '\n' 'passphrase\n' "$phrase" "$phrase\nmore\n" "${phrase}0\n" "passphrase 00 20000 $hex\n" \
	"passphrase 00112233445566778899aabbccddeeff 999 $hex\n" "passphrase 00112233445566778899aabbccddeeff 100001 $hex\n" \
	"passphrase 00112233445566778899aabbccddeeff 020000 $hex\n" "passphrase 00112233445566778899aabbccddeeff  $hex\n"; do
	# shellcheck disable=SC2059
	printf "$hex\n$line" >"$tmp/bad"
	refuses_key "$second"
done
printf '%s\n%0300d\n' $hex 0 >"$tmp/bad"
refuses_key "is not a key file"
printf '%s\n\0' $hex >"$tmp/bad"
refuses_key "is not a key file"
printf '%s\n%s\n' $hex "$phrase" >"$tmp/bad"
run "a key with a passphrase" 0 guard respond --key "$tmp/bad" a login 000000B29XKMPA3C
for mode in 0640 0604 0620; do
	chmod $mode "$tmp/bad"
	refuses_key "others may read or write it (mode $mode): make it 0600, and a new key if somebody can have read it"
done
rm "$tmp/bad"
mkfifo "$tmp/bad"
refuses_key "is not a file; '-' is standard input"
rm "$tmp/bad"

# ---- Keys that are made ----------------------------------------------------------------------
run "key" 0 guard key -o "$tmp/new"
check "its mode" test "$(stat -c %a "$tmp/new")" = 600
check "its text" test "$(grep -cxE '[0-9a-f]{64}' "$tmp/new"):$(wc -l <"$tmp/new")" = 1:1
check "nothing secret is printed" test "$(cat "$tmp/out")" = "$tmp/new"
cp "$tmp/new" "$tmp/kept"
run "key over another one" 125 guard key -o "$tmp/new"
stderr_is "pinfold: $tmp/new: is there already, and is not overwritten"
check "it stays" cmp "$tmp/new" "$tmp/kept"
ln -s "$tmp/nothing" "$tmp/link"
run "key through a link" 125 guard key -o "$tmp/link"
check "the link leads nowhere" test ! -e "$tmp/nothing"
run "key in no folder" 125 guard key -o "$tmp/none/key"
stderr_is "pinfold: $tmp/none/key: No such file or directory"
run "another key" 0 guard key -o -
check_not "no two are equal" cmp -s "$tmp/out" "$tmp/new"
run_with "$tmp/new" "it answers" 0 guard respond --key - a login 000000B29XKMPA3C

# stretched_is PHRASE FILE: the hash in a key file is what openssl makes of the passphrase.
stretched_is()
{
	# shellcheck disable=SC2046 # words
	set -- "$1" $(sed -n 2p "$2")
	checks=$((checks + 1))
	[ "$(openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt "pass:$1" -kdfopt "hexsalt:$3" -kdfopt "iter:$4" PBKDF2 |
		tr -d ':\n' | tr A-F a-f)" = "$5" ] || fail "openssl makes another hash"
}
echo 'correct horse' >"$tmp/phrase"
run_with "$tmp/phrase" "key --passphrase" 0 guard key --passphrase -o "$tmp/with"
stretched_is 'correct horse' "$tmp/with"
for phrase in short "$(printf '%065d' 0)" ' blank before' "$(printf 'bell \007 inside')" 'schöne Worte'; do
	echo "$phrase" >"$tmp/phrase"
	run_with "$tmp/phrase" "passphrase '$phrase'" 125 guard key --passphrase -o "$tmp/none"
	check "no key is made" test ! -e "$tmp/none"
done

# On a terminal: twice, nothing echoed; two that differ; given up.
# types STATUS KEYS...: to "key --passphrase", each when it is asked for.
types()
{
	_want=$1
	shift
	terminal "'$pinfold' guard key --passphrase -o '$tmp/typed'"
	wait_for 'New passphrase' "$tmp/typescript"
	printf '%b' "$1" >&9
	if [ $# -gt 1 ]; then
		wait_for 'same again' "$tmp/typescript"
		printf '%b' "$2" >&9
	fi
	wait "$terminal"
	exec 9>&-
	check "its status" grep -q "status=$_want" "$tmp/typescript"
	check_not "nothing is echoed" grep -E 'horse|battery' "$tmp/typescript"
	modes_are_the_same "typed"
}
types 125 'correct horse\n' 'correct battery\n'
check "two differ: no key" test ! -e "$tmp/typed"
types 125 'correct horse\003'
check "given up: no key" test ! -e "$tmp/typed"
types 0 'wrong\025correct hordd\177\010se\n' 'correct horse\n'
stretched_is 'correct horse' "$tmp/typed"
finish
