#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guard's log as people see it: records that this script and openssl make, shown, verified, doctored; anchors from a mock of
# the daemon; a FIFO as the live log. And the state of the guard as the daemon tells it.
# Usage: test_cli_guard_log.sh BIN-FOLDER MOCK
set -u

bin=$1
mock=$2
. "$(dirname "$0")/cli_lib.sh"
command -v openssl >/dev/null || {
	echo "skip: openssl is not installed"
	exit 77
}
unset PINFOLD_HOST
answers=$tmp/answers
PINFOLD_SOCKET=$tmp/sock
export PINFOLD_SOCKET
mkdir "$answers"

# le NUMBER BYTES: little-endian.
le()
{
	_n=$1
	_i=0
	while [ $_i -lt "$2" ]; do
		# shellcheck disable=SC2059 # an octal escape
		printf "\\$(printf %03o $((_n & 255)))"
		_n=$((_n >> 8))
		_i=$((_i + 1))
	done
}

zeros()
{
	head -c "$1" /dev/zero
}

# record FILE SEQ KIND TERMINAL CHANNEL COUNT RESULT TEXT: appended; its hash is kept in FILE.hash, which is the next one's prev.
record()
{
	_end=$(($(printf %s "$8" | wc -c)))
	{
		printf PFGL
		le 1 2
		le "$3" 2
		le "$2" 8
		le $(($2 * 1000)) 8
		le $((1800000000000000000 + $2 * 1000000000)) 8
		le "$6" 4
		le "$7" 4
		if [ "$4" = - ]; then zeros 2; else printf '%s%s' "$4" "$5"; fi
		zeros 6
		printf %s "$8"
		zeros $((144 - _end))
		cat "$1.hash"
	} >"$tmp/record"
	openssl dgst -sha256 -binary "$tmp/record" >"$1.hash"
	cat "$tmp/record" "$1.hash" >>"$1"
}

# log FILE INSTANCE(hex): seven records.
make_log()
{
	rm -f "$1"
	le $((0x$2)) 8 | openssl dgst -sha256 -binary >"$1.hash"
	record "$1" 1 1 - - 1 0 "control core 0, uart 0x2f8,3"
	record "$1" 2 3 A s 1 0 command
	record "$1" 3 6 A s 17 129 "wrong answer"
	record "$1" 4 5 A s 1 0 "kill 7"
	record "$1" 5 7 A s 1 0 "kill 7"
	record "$1" 6 8 A s 1 3 "kill 7"
	record "$1" 7 4 A s 1 0 exit
	rm "$1.hash"
}

hash_of()
{
	tail -c +$((($2 - 1) * 256 + 225)) "$1" | head -c 32 | od -An -v -tx1 | tr -d ' \n'
}

one=1122334455667788
two=0000000000000002
copies=$tmp/copies
mkdir "$copies"
log=$copies/log.$one
make_log "$log" $one
check "records have 256 bytes" test "$(stat -c %s "$log")" -eq 1792

# ---- Showing it ------------------------------------------------------------------------------
run "log" 0 guard log "$log"
stderr_is_empty
checks=$((checks + 1))
cat >"$tmp/want" <<'END'
     1 2027-01-15T08:00:01Z           load      control core 0, uart 0x2f8,3
     2 2027-01-15T08:00:02Z A serial  wake      command
     3 2027-01-15T08:00:03Z A serial  refused   wrong answer: Key was rejected by service (17 times)
     4 2027-01-15T08:00:04Z A serial  challenge kill 7
     5 2027-01-15T08:00:05Z A serial  command   kill 7
     6 2027-01-15T08:00:06Z A serial  result    kill 7: No such process
     7 2027-01-15T08:00:07Z A serial  sleep     exit
END
cmp "$tmp/out" "$tmp/want" || fail "another text: $(cat "$tmp/out")"
run "log -n" 0 guard log -n 2 "$log"
check "the last two" test "$(cut -c1-6 "$tmp/out" | tr -d ' \n')" = 67
run "log --json" 0 guard log --json --last 5 "$log"
json 'map(.seq) == [3,4,5,6,7] and .[0] == {seq: 3, time: "2027-01-15T08:00:03Z", boot_ns: 3000, kind: "refused",
	terminal: "A", channel: "serial", count: 17, result: -129, text: "wrong answer"}'
run "log of an empty copy" 0 guard log /dev/null
run "log -n 0" 125 guard log -n 0 "$log"
run "no log" 125 guard log "$tmp/none"
stderr_is "pinfold: $tmp/none: No such file or directory"
run "log of a folder" 125 guard log "$tmp"
stderr_is "pinfold: $tmp: is not a file"

# Live: what is there, then what comes; ends with the device.
mkfifo "$tmp/live"
head -c 1024 "$log" >"$tmp/part1"
tail -c +1025 "$log" | head -c 512 >"$tmp/part2"
exec 7<>"$tmp/live"
cat "$tmp/part1" >&7
start guard log --follow --json "$tmp/live"
wait_for '"seq": *4' "$tmp/out"
check "no more yet" test "$(wc -l <"$tmp/out")" -eq 4
cat "$tmp/part2" >&7
wait_for '"seq": *6' "$tmp/out"
# Record 7 was overwritten: 2 cannot follow, 9 can.
cp "$log" "$tmp/longer"
hash_of "$log" 7 | sed 's/../\\x&/g' >"$tmp/escaped"
# shellcheck disable=SC2059 # escapes
/usr/bin/printf "$(cat "$tmp/escaped")" >"$tmp/longer.hash"
record "$tmp/longer" 8 2 - - 1 0 "asked to go"
tail -c 256 "$tmp/longer" >&7
wait_for '"seq": *8' "$tmp/out"
check "the gap is told" grep -qx 'pinfold: records 7 to 7 were overwritten before they could be read' "$tmp/err"
head -c 256 "$log" >&7
finish_started "a live log that makes no sense" 125
stderr_has "pinfold: $tmp/live: record 9 is not where it belongs"
exec 7>&-

# ---- Verifying copies ------------------------------------------------------------------------
# verify CASE STATUS ARGUMENTS...
verify()
{
	_case=$1
	_status=$2
	shift 2
	run "$_case" "$_status" audit verify --guard --json "$@"
}
verify "a true copy" 0 "$log"
json '.is_intact and (.copies | length) == 1 and .copies[0].first == 1 and .copies[0].last == 7 and .copies[0].proven == 0
	and .copies[0].instance == "'$one'" and .copies[0].bad_record == null'
json '.notes | any(startswith("no anchors of the audit log: "))'
run "in words" 0 audit verify --guard "$log"
stdout_has "records 1 to 7, each follows from the one before"
stdout_has "nothing outside the copy confirms it"
run "quietly" 0 audit verify --guard -q "$log"
check "nothing is said" test ! -s "$tmp/out"
run "a file without --guard" 125 audit verify "$log"
stderr_is "pinfold: a file to verify goes with --guard"
run "no copies" 125 audit verify --guard "$tmp/none"
mkdir "$tmp/empty"
run "an empty folder" 125 audit verify --guard "$tmp/empty"
stderr_is "pinfold: $tmp/empty: holds no copy of the guard's log"

# bad CASE RECORD WORDS: what lies in the folder "bad".
bad=$tmp/bad
mkdir "$bad"
bad()
{
	verify "$1" 1 "$bad"
	json '.is_intact == false and .copies[0].bad_record == '"$2"' and (.copies[0].message | contains("'"$3"'"))'
}

# put BYTES OFFSET: into a fresh copy.
put()
{
	cp "$log" "$bad/log.$one"
	printf '%b' "$1" | dd of="$bad/log.$one" bs=1 seek="$2" conv=notrunc status=none
}

# A byte of each member of record 4, which begins at 768.
for member in 0:X 4:'\002' 6:'\011' 8:'\005' 16:X 24:X 32:'\002' 36:'\001' 40:B 41:c 42:'\001' 48:b 191:X 192:X 223:X 224:X 255:X; do
	put "${member#*:}" $((768 + ${member%%:*}))
	verify "byte ${member%%:*} of record 4" 1 "$bad"
	json '.copies[0] | .bad_record == 4 and .n_records == 3 and (.message | contains("byte 768"))'
done
put X 0
bad "the first record" null "the first record is not a record of the guard"
head -c 1700 "$log" >"$bad/log.$one"
bad "cut within a record" 7 "record 7 is not whole: the copy ends within it: at byte 1536"
{
	head -c 768 "$log"
	tail -c +1025 "$log"
} >"$bad/log.$one"
bad "a record taken out" 4 "record 4 is missing: removed, or overwritten before it was copied"
{
	head -c 768 "$log"
	tail -c +1025 "$log" | head -c 256
	tail -c +769 "$log" | head -c 256
	tail -c +1281 "$log"
} >"$bad/log.$one"
bad "two swapped" 4 "is missing"
{
	head -c 768 "$log"
	tail -c +513 "$log"
} >"$bad/log.$one"
bad "a record twice" 4 "is not where it belongs"
make_log "$tmp/other" $two
{
	head -c 768 "$log"
	tail -c +769 "$tmp/other"
} >"$bad/log.$one"
bad "the rest of another log" 4 "does not follow from the one before it"
cp "$tmp/other" "$bad/log.$one"
bad "the log of another instance" null "begins the log of another loading of the module"

# An older file and the one that goes on; other names; two instances.
rm "$bad"/*
head -c 768 "$log" >"$bad/log.$one.old"
tail -c +769 "$log" >"$bad/log.$one"
cp "$tmp/other" "$bad/log.$two"
echo x >"$bad/log.$one.bad"
verify "files that belong together" 0 "$bad"
json '(.copies | length) == 2 and .copies[0].last == 7 and .copies[0].instance == "'$two'" and .copies[1].n_records == 7'
json '.notes | any(. == "not looked at: log.'$one'.bad")'
tail -c +1025 "$log" >"$bad/log.$one"
verify "a record between them is missing" 1 "$bad"
json '.copies[1].bad_record == 4'
rm "$bad"/*
tail -c +769 "$log" >"$bad/log.$one"
run "a copy without its beginning" 0 audit verify --guard "$bad"
stdout_has "what was logged before its first record is not in it"
run "damage is named" 0 guard log "$bad/log.$one"
put X 768
run "damage is not shown" 125 guard log "$bad/log.$one"
stderr_is "pinfold: $bad/log.$one: record 4 is not a record of the guard"
check "what is good is" test "$(wc -l <"$tmp/out")" -eq 3

# ---- Anchors of the audit log ----------------------------------------------------------------
mkfifo "$tmp/stop" "$tmp/up"
"$mock" "$PINFOLD_SOCKET" "$answers" <"$tmp/stop" >"$tmp/up" &
exec 8>"$tmp/stop"
read -r _ <"$tmp/up"

# anchored SEQ HASH [INSTANCE]: the audit log says so, among other things.
anchored()
{
	_body='[{"seq":1,"operation":"vm.create","arguments":"{\"seq\":3}"},{"seq":2,"operation":"guard log","arguments":"{\"hash\":\"zz\"}"},
{"seq":3,"operation":"guard log","arguments":"{"},
{"seq":9,"operation":"guard log","arguments":"{\"hash\":\"'$2'\",\"instance\":\"'${3:-$one}'\",\"seq\":'$1'}"}]'
	printf 'HTTP/1.1 200 X\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
		"$(printf %s "$_body" | wc -c)" "$_body" >"$answers/GET_v1_audit"
}
anchored 5 "$(hash_of "$log" 5)"
verify "anchored" 0 "$log"
json '.copies[0].proven == 5'
run "anchored, in words" 0 audit verify --guard "$log"
stdout_has "the audit log confirms it up to record 5: who can write the copy"
anchored 7 "$(hash_of "$log" 7)"
run "all of it" 0 audit verify --guard "$log"
stdout_has "the audit log confirms all of it"
cp "$log" "$tmp/no-name"
verify "the instance is told by record 1" 0 "$tmp/no-name"
json '.copies[0].proven == 7 and .copies[0].instance == "'$one'"'
head -c 1536 "$log" >"$bad/log.$one"
bad "cut off before an anchor" 7 "record 7 and later ones were cut off: an anchor knows them"
anchored 7 "$(hash_of "$log" 7)" $two
verify "an anchor of another instance says nothing" 0 "$bad"
# Written anew from record 4 on, with hashes that are right.
head -c 768 "$log" >"$bad/log.$one"
hash_of "$log" 3 | sed 's/../\\x&/g' >"$tmp/escaped"
# shellcheck disable=SC2059
/usr/bin/printf "$(cat "$tmp/escaped")" >"$tmp/forged.hash"
rm -f "$tmp/forged"
record "$tmp/forged" 4 5 A s 1 0 "unban 7"
record "$tmp/forged" 5 7 A s 1 0 "unban 7"
cat "$tmp/forged" >>"$bad/log.$one"
anchored 3 "$(hash_of "$log" 3)"
verify "forged behind the anchor: not found, and said" 0 "$bad"
json '.copies[0].proven == 3 and (.copies[0].proof | contains("could have changed or cut off what comes later"))'
anchored 5 "$(hash_of "$log" 5)"
bad "forged before the anchor" 5 "is not the one that was anchored"
json '.copies[0].proof == ""'
put X 1074
anchored 3 "$(hash_of "$log" 3)"
bad "damaged behind an anchor" 5 "was changed"
json '.copies[0].proof == "the audit log confirms it up to record 3"'

# ---- State -----------------------------------------------------------------------------------
# daemon_says BODY
daemon_says()
{
	printf 'HTTP/1.1 200 X\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
		"$(printf %s "$1" | wc -c)" "$1" >"$answers/GET_v1_guard"
}
daemon_says '{"is_loaded":true,"instance":"'$one'","control_core":0,"vms":2,"is_keyed":false,"sources":["chord","usb"],"spares":6,
"abandoned":1,"bans":[1000,1001],"log":{"first":1,"last":7,"exported":5,"head":"ab","copied":6,"anchored":5},"trouble":"out \u001b of step",
"is_attached":false,"is_hung":false,
"terminals":[{"terminal":"A","pid":77,"state":"asleep","deaths":0,"wakeups":3},{"terminal":"B","pid":0,"state":"gone","deaths":1,"wakeups":0}]}'
run "status" 0 guard status
cat >"$tmp/want" <<'END'
guard          loaded, instance 1122334455667788, on core 0
terminal A     asleep, thread 77, woken 3 times, died 0 times
terminal B     gone, thread 0, woken 0 times, died 1 times
woken by       chord, usb
key            NONE: nothing that changes anything can be authorised
threads        6 spare, 1 abandoned: they hang in a command, and the module
               can't be unloaded
VMs            2 registered
banned         1000, 1001
log            records 1 to 7, safe elsewhere up to 5; the last one's hash is ab
daemon         not attached: out ? of step
END
check "its text" cmp "$tmp/out" "$tmp/want"
run "status --json" 0 guard status --json
json '.terminals[0].pid == 77 and .bans == [1000,1001]'
daemon_says '{"is_loaded":true,"is_attached":false,"is_hung":true,"trouble":"it hangs"}'
run "status of a guard that hangs" 0 guard status
check "what is known" test "$(cat "$tmp/out")" = "guard          loaded
daemon         not attached: it hangs"
daemon_says '{"is_loaded":true,"instance":"'$one'","is_attached":true,"trouble":null,"log":{"last":7,"copied":6,"anchored":5}}'
run "status of a daemon that is attached" 0 guard status
stdout_has "daemon         attached; log copied up to record 6, anchored up to 5"
daemon_says '{"is_loaded":false}'
run "status of no guard" 125 guard status
stdout_has "guard          not loaded"
stderr_is_empty
run "status of no guard, for programs" 125 guard status --json
json '.is_loaded == false and (.module.next | type) == "string"'
daemon_says '[]'
run "status of nonsense" 125 guard status -q
finish
