#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The commands that talk to the daemon, against a mock that says what it is told: requests, tables, JSON, every class of
# error, cut connections, slow answers, hostile names, files, a console on a terminal, ssh.
# Usage: test_cli_mock.sh BIN-FOLDER MOCK
set -u

bin=$1
mock=$2
. "$(dirname "$0")/cli_lib.sh"

unset PINFOLD_HOST
answers=$tmp/answers
PINFOLD_SOCKET=$tmp/sock
export PINFOLD_SOCKET
mkdir "$answers"
mkfifo "$tmp/stop" "$tmp/up"
"$mock" "$PINFOLD_SOCKET" "$answers" <"$tmp/stop" >"$tmp/up" &
mock_pid=$!
exec 8>"$tmp/stop"
read -r _ <"$tmp/up"

# answer REQUEST STATUS [BODY]: what the mock says, "GET_v1_vms" 200; without BODY standard input.
answer()
{
	if [ $# -gt 2 ]; then
		printf '%s' "$3" >"$tmp/answer"
	else
		cat >"$tmp/answer"
	fi
	{
		printf 'HTTP/1.1 %s X\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n' \
			"$2" "$(wc -c <"$tmp/answer")"
		cat "$tmp/answer"
	} >"$answers/$1"
}

# asked LINE: the mock got this request.
asked()
{
	checks=$((checks + 1))
	grep -qxF -e "$1" "$answers/log" || fail "was not asked '$1' but: $(cat "$answers/log")"
	: >"$answers/log"
}

stdout_is()
{
	checks=$((checks + 1))
	[ "$(cat "$tmp/out")" = "$1" ] || fail "standard output is not '$1' but '$(cat "$tmp/out")'"
}

# ---- One request per command -----------------------------------------------------------------
for verb in start pause resume stop kill; do
	answer "POST_v1_vms_web_$verb" 200 '{"id":"0123456789abcdef","state":"x"}'
	run "$verb" 0 "$verb" web
	stdout_is web
	asked "POST /v1/vms/web/$verb 0 "
done
answer DELETE_v1_vms_web 200 '{}'
run "rm" 0 rm web
asked "DELETE /v1/vms/web 0 "
run "rm --force, quietly" 0 rm -fq web
asked "DELETE /v1/vms/web?force=1 0 "
stdout_is ""
run "several names: all are tried, each failure is told" 125 start none web nothing
stdout_is web
check "two sentences" test "$(grep -c '^pinfold: there is no such VM$' "$tmp/err")" -eq 2
run "a name is escaped" 125 start 'a/b?c=../d e'
asked 'POST /v1/vms/a%2Fb%3Fc%3D..%2Fd%20e/start 0 '
run "dots are no way up" 125 start ..
checks=$((checks + 1))
grep -q '^POST /v1/start' "$answers/log" && fail "the path was folded"
answer PUT_v1_vms_web_pin 200 '{}'
answer DELETE_v1_vms_web_pin 200 '{}'
answer PATCH_v1_vms_web 200 '{}'
: >"$answers/log"
run "pin" 0 pin web
stdout_is web
asked 'PUT /v1/vms/web/pin 13 {"core":null}'
run "pin --core" 0 pin web --core 3
asked 'PUT /v1/vms/web/pin 10 {"core":3}'
run "unpin" 0 unpin web
stdout_is web
run "unpin --quiet" 0 unpin --quiet web
stdout_is ""
asked 'DELETE /v1/vms/web/pin 0 '
run "update" 0 update --slice 2ms --prio 6 --limit-cpu 1s --limit-insns 9 --timeout 2m web
stdout_is web
asked 'PATCH /v1/vms/web 93 {"slice_ns":2000000,"prio":6,"limits":{"cpu_ns":1000000000,"insns":9,"wall_ns":120000000000}}'
run "update nothing" 125 update web
run "update beyond the bounds" 125 update --prio 8 web
stderr_is "pinfold: --prio: a priority is a number from 0 to 7"
run "the same words as pinfold run" 125 update --slice 0.4ms web
stderr_is "pinfold: --slice: a slice is 0.5ms to 100ms long"
answer POST_v1_users 201 '{}'
answer PUT_v1_users_ann_quota 200 '{}'
answer PUT_v1_users_ann_ban 200 '{}'
answer DELETE_v1_users_ann_ban 200 '{}'
answer DELETE_v1_users_ann 200 '{}'
run "user add" 0 user add ann --admin
asked 'POST /v1/users 29 {"role":"admin","user":"ann"}'
run "user add with a quota" 0 user add ann --running-vms 2 --memory 64M
asked 'POST /v1/users 64 {"quota":{"running_vms":2,"memory_bytes":67108864},"user":"ann"}'
run "user set-quota" 0 user set-quota ann --memory none --exclusive-cores 1
asked 'PUT /v1/users/ann/quota 41 {"memory_bytes":null,"exclusive_cores":1}'
run "user ban" 0 user ban ann --reason 'too loud'
asked 'PUT /v1/users/ann/ban 21 {"reason":"too loud"}'
run "user ban without a reason" 0 user ban ann
asked 'PUT /v1/users/ann/ban 2 {}'
run "user unban" 0 user unban ann
asked 'DELETE /v1/users/ann/ban 0 '
run "user rm" 0 user rm ann
asked 'DELETE /v1/users/ann 0 '
run "user fly" 125 user fly
stderr_is "pinfold: there is no 'pinfold user fly'; see 'pinfold user --help'"
answer DELETE_v1_faults 200 '{}'
answer DELETE_v1_faults_web 200 '{}'
run "faults clear --all" 0 faults clear --all
asked 'DELETE /v1/faults 0 '
run "faults clear" 0 faults clear web
asked 'DELETE /v1/faults/web 0 '
run "faults clear: which?" 125 faults clear
answer POST_v1_cores_3_reclaim 200 '{}'
answer PUT_v1_cores_exclusive-cap 200 '{}'
run "cores reclaim" 0 cores reclaim 3
asked 'POST /v1/cores/3/reclaim 0 '
run "cores set-cap" 0 cores set-cap 2
asked 'PUT /v1/cores/exclusive-cap 11 {"cores":2}'
run "cores set-cap default" 0 cores set-cap default
asked 'PUT /v1/cores/exclusive-cap 14 {"cores":null}'

# ---- create, restore, snapshot ---------------------------------------------------------------
printf 'image bytes' >"$tmp/image.elf"
hash=$(sha256sum "$tmp/image.elf" | cut -d ' ' -f 1)
answer "PUT_v1_images_$hash" 200 '{}'
answer POST_v1_vms 201 '{"id":"0123456789abcdef","name":"web"}'
: >"$answers/log"
run "create sends an image that the daemon lacks" 0 create web "$tmp/image.elf"
stdout_is web
check "all of it" grep -q "^PUT /v1/images/$hash 11 image bytes\$" "$answers/log"
answer "GET_v1_images_$hash" 200 '{}'
: >"$answers/log"
run "create does not send what is there" 0 create -q --arch arm --thumb --endian big --mem 1M --load 0x1000 --entry 4K \
	--set r0=0x10 --image-ro --count-insns --prio 5 --exclusive=3 --slice 5ms --owner ann --no-kvm web "$tmp/image.elf" -- one 'two x'
stdout_is 0123456789abcdef
check "no upload" test "$(grep -c '^PUT' "$answers/log")" -eq 0
check "everything that was asked for" test "$(jq -cS . "$answers/body")" = "$(jq -cS . <<END
{"name":"web","arch":"arm","engine":"auto","thumb":true,"endian":"big","mem_bytes":1048576,"load":"0x1000",
"entry":"0x1000","set":{"r0":"0x10"},"image_read_only":true,"count_insns":true,"prio":5,"exclusive":true,"core":3,
"owner":"ann","kvm":false,"slice_ns":5000000,"args":"one two x","image":"$hash","image_name":"image.elf"}
END
)"
run "--exclusive CORE behind the image" 0 create web "$tmp/image.elf" --exclusive 2
check "core 2" jq -e '.core == 2 and .exclusive' "$answers/body"
run "--exclusive CORE between" 0 create web --exclusive 2 "$tmp/image.elf"
check "core 2, with that image" jq -e '.core == 2 and .name == "web" and .image != null' "$answers/body"
run "--exclusive CORE in front" 0 create --exclusive 2 web "$tmp/image.elf"
check "core 2, and the name" jq -e '.core == 2 and .name == "web"' "$answers/body"
run "--exclusive" 0 create --exclusive web "$tmp/image.elf"
check "any core" jq -e '.exclusive and (has("core") | not)' "$answers/body"
run "--load-context needs no image" 0 create --load-context "$tmp/image.elf" web
# shellcheck disable=SC2016 # a variable of jq
check "a context" jq -e --arg h "$hash" '.context == $h and (has("image") | not)' "$answers/body"
run "create without an image" 125 create web
stderr_is "pinfold: an image or a kernel is missing; see 'pinfold create --help'"
run "create with an image that is not there" 125 create web "$tmp/none.elf"
stderr_is "pinfold: $tmp/none.elf: No such file or directory"
: >"$tmp/empty"
run "create with an empty image" 125 create web "$tmp/empty"
run "create with a folder" 125 create web "$tmp"
run "create with a value that run refuses" 125 create --mem 0 web "$tmp/image.elf"
stderr_is "pinfold: --mem: a guest needs memory"
: >"$answers/log"
run "create --start" 0 create --start web "$tmp/image.elf"
check "in one request" grep -q '^POST /v1/vms?start=1 ' "$answers/log"
# A refusal before the body is read.
dd if=/dev/zero of="$tmp/big" bs=1M count=8 2>"$tmp/err"
big=$(sha256sum "$tmp/big" | cut -d ' ' -f 1)
answer "PUT_v1_images_$big" 413 '{"error":{"code":"too_large","message":"the image is too large"}}'
run "an image that is refused" 125 create web "$tmp/big"
stderr_is "pinfold: the image is too large"

{
	printf 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
	printf '4\r\nhead\r\n100000\r\n'
	head -c 1048576 /dev/zero
	printf '\r\n4\r\ntail\r\n0\r\n\r\n'
} >"$answers/GET_v1_vms_web_snapshot"
run "snapshot" 0 snapshot web "$tmp/snap"
check "whole" test "$(stat -c %s "$tmp/snap"):$(head -c 4 "$tmp/snap"):$(tail -c 4 "$tmp/snap")" = 1048584:head:tail
check "sparse" test "$(du -k "$tmp/snap" | cut -f 1)" -lt 64
check "for its owner only" test "$(stat -c %a "$tmp/snap")" = 600
head -c 500000 "$answers/GET_v1_vms_web_snapshot" >"$tmp/cut"
cp "$tmp/cut" "$answers/GET_v1_vms_web_snapshot"
run "a snapshot that is cut off" 125 snapshot web "$tmp/snap2"
stderr_is "pinfold: the daemon cut the connection before its answer was complete"
check "leaves nothing" test "$(find "$tmp" -maxdepth 1 -name 'snap2*' | wc -l)" -eq 0
run "nor does it touch what was there" 125 snapshot web "$tmp/snap"
check "the old one" test "$(stat -c %s "$tmp/snap")" -eq 1048584
answer GET_v1_vms_web_snapshot 409 '{"error":{"code":"busy","message":"web is being stopped","hint":"try again"}}'
run "a snapshot that is refused" 125 snapshot web "$tmp/snap2"
stderr_is "pinfold: web is being stopped; try again"
run "a snapshot into a folder that is not there" 125 snapshot web "$tmp/none/snap"
answer POST_v1_restore 201 '{"id":"0123456789abcdef","name":"web2"}'
: >"$answers/log"
run "restore" 0 restore --name web2 "$tmp/image.elf"
stdout_is web2
asked 'POST /v1/restore?name=web2 11 image bytes'

# ---- Lists -----------------------------------------------------------------------------------
cat >"$tmp/vms" <<'END'
[{"name":"web","id":"0123456789abcdef","owner":"ann","owner_uid":1000,"arch":"x64","engine":"kvm","state":"running",
"core":2,"exclusive":false,"cpu_ns":1234000000,"wait_ns":35000000,"slices":123,"mem_bytes":67108864,
"created_at":"2020-01-01T00:00:00Z","future":{"x":[1]}},
{"name":"w","id":"fedcba9876543210","owner":"bob","arch":"riscv64","engine":"unicorn","state":"stopped","core":null,
"exit_code":42,"cpu_ns":900,"wait_ns":0,"slices":1,"mem_bytes":1572864,"created_at":"nonsense"}]
END
answer GET_v1_vms 200 <"$tmp/vms"
: >"$answers/log"
run "ps" 0 ps
asked "GET /v1/vms 0 "
check "a head" grep -qE '^NAME +STATE +ARCH +BOARD +ENGINE +CORE +CPU +WAITED +SLICES +MEM +CREATED$' "$tmp/out"
check "a row" grep -qE '^web +running +x64 +- +kvm +2 +1\.2s +35ms +123 +64M +[0-9]+ weeks ago$' "$tmp/out"
check "another" grep -qE '^w +stopped \(42\) +riscv64 +- +unicorn +- +900ns +0 +1 +1\.5M +-$' "$tmp/out"
run "ps --all --everyone" 0 ps -ae
asked "GET /v1/vms?all=1&everyone=1 0 "
stdout_has OWNER
run "ps -q" 0 ps -q
stdout_is "0123456789abcdef
fedcba9876543210"
run "ps -q --names" 0 ps -aq --names
stdout_is "web
w"
run "ps --json is the daemon's answer" 0 ps --json
check "nothing more, nothing less" test "$(jq -cS . "$tmp/out")" = "$(jq -cS . "$tmp/vms")"

# Names that would do things to a terminal.
printf '[{"name":"a\\u001b[2J\\u009b1m\\u202e\\u007f","state":"\303\251\346\227\245","arch":"\\n\\r","engine":7,"core":"x",' >"$tmp/hostile"
printf '"cpu_ns":-5,"slices":9223372036854775807,"created_at":{}},7,"x",[],null]' >>"$tmp/hostile"
answer GET_v1_vms 200 <"$tmp/hostile"
run "hostile names" 0 ps
check "no escape sequence" test "$(LC_ALL=C tr -d '\n' <"$tmp/out" | LC_ALL=C grep -c '[[:cntrl:]]')" -eq 0
stdout_has 'a?[2J?1m'
check "wide characters are counted" grep -qE '^a\?\[2J\?1m.+ é日 ' "$tmp/out"
run "hostile names in JSON" 0 ps --json
check "plain ASCII" test "$(LC_ALL=C grep -c '[^ -~]' "$tmp/out")" -eq 0
check "and the same" test "$(jq -cS . "$tmp/out")" = "$(jq -cS . "$tmp/hostile")"
answer GET_v1_vms 200 '{"a":1}'
run "what is no list" 125 ps
stderr_is "pinfold: the daemon's answer is not a list"
awk 'BEGIN { printf "[" ; for (i = 0; i < 100000; i++) printf "%s{\"name\":\"vm%d\",\"id\":\"%016x\",\"state\":\"running\"}", i ? "," : "", i, i; printf "]" }' |
	answer GET_v1_vms 200
run "100,000 VMs" 0 ps
check "a line each" test "$(wc -l <"$tmp/out")" -eq 100001
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "[" }' | answer GET_v1_vms 200
run "JSON that is deeper than any sane one" 125 ps
stderr_is "pinfold: the daemon's answer is not JSON"

answer GET_v1_cores 200 '[{"host_core":0,"roles":["control","housekeeping"],"is_pool":false,"online":true},{"host_core":1,"roles":["pool"],"is_pool":true,"online":true,"holder":"web","exclusive":true,"switches":12,"lock_waits":3,"lock_wait_ns":5000,"foreign":[{"pid":7,"name":"cron\u001b[1m","ns":5}]},{"host_core":2,"roles":["pool"],"is_pool":true,"online":true,"holder":null}]'
run "cores" 0 cores
stdout_matches '^ +0 +control,housekeeping +- '
stdout_matches '^ +1 +pool +web \(alone\) +12 +3 +5us .* cron\?\[1m$'
stdout_matches '^ +2 +pool +idle '
answer GET_v1_users 200 '[{"uid":1000,"name":"ann","role":"user","is_banned":true,"ban_reason":"loud","quota":{"running_vms":4,"vcpus":null,"memory_bytes":268435456,"slice_share_permille":125},"used":{"running_vms":2,"vcpus":2,"memory_bytes":1048576}}]'
run "user ls" 0 user ls
stdout_matches '^ann +1000 +user +2 of 4 +2 +1M of 256M +0 +12\.5% +loud$'
answer GET_v1_faults 200 '[{"vm":"web","id":"0123456789abcdef","owner":"ann","kind":"illegal-instruction","message":"guest fault: illegal-instruction at pc 0x10","pc":"0x10","address":null,"faulted_at":"2020-01-01T00:00:00Z","has_context":true}]'
run "faults" 0 faults
stdout_matches '^web +ann +illegal-instruction +0x10 +- +[0-9]+ weeks ago +guest fault: illegal-instruction at pc 0x10$'
run "faults ls -q" 0 faults ls -q
stdout_is 0123456789abcdef
answer GET_v1_history 200 '[{"run":1,"vm":"web","id":"0","owner":"ann","started_at":"2020-01-01T00:00:00Z","ended_at":"2020-01-01T00:01:05.5Z","result":"exit 0","cpu_ns":60000000000,"wait_ns":0,"slices":6000,"memory_peak_bytes":4096}]'
: >"$answers/log"
run "history" 0 history --last 7 web
asked 'GET /v1/history?vm=web&last=7 0 '
stdout_matches '^web +ann +1 +[0-9]+ weeks ago +1m05s +1m00s +0 +6000 +4K +exit 0$'
answer GET_v1_audit 200 '[{"seq":9,"time":"2020-01-01T00:00:00Z","kind":"request","uid":0,"pid":12,"result":-13,"operation":"vm.start","arguments":{"vm":"w\u001b"}}]'
run "audit show" 0 audit show --last 1
stdout_matches '^ +9 +2020-01-01T00:00:00Z +request +0 +12 +-13 +vm.start +\{"vm":"w'
check "no escape sequence" test "$(LC_ALL=C tr -d '\n' <"$tmp/out" | LC_ALL=C grep -c '[[:cntrl:]]')" -eq 0
answer GET_v1_audit_verify 200 '{"finding":"bad_mac","is_intact":false,"is_authentic":true,"n_records":41,"bad_seq":42,"bad_file":1,"bad_offset":4711,"message":"record 42: changed, or not written by the daemon"}'
run "audit verify finds something" 1 audit verify
stdout_is "record 42: changed, or not written by the daemon; in file 1 at byte 4711; good records before it: 41"
printf 'pinfold-audit-anchor 5 abc\n\npinfold-audit-anchor 7 def\n' >"$tmp/anchors"
answer POST_v1_audit_verify 200 '{"finding":"intact","is_intact":true,"n_records":41,"n_anchors_met":1,"message":"41 records, unbroken"}'
run_with "$tmp/anchors" "audit verify --anchors" 0 audit verify --anchors -
check "the lines of the file" jq -e '.anchors == ["pinfold-audit-anchor 5 abc", "pinfold-audit-anchor 7 def"]' "$answers/body"
stdout_is "41 records, unbroken
it has the records of 1 of 2 anchors; those of the others are older than the log"
answer POST_v1_audit_verify 200 '{"finding":"rolled_back","is_intact":false,"n_records":4,"bad_seq":5,"bad_file":1,"bad_offset":9,"message":"record 5: x"}'
run "audit verify --anchors finds something" 1 audit verify --anchors "$tmp/anchors"
run "no anchors" 125 audit verify --anchors /dev/null
stderr_is "pinfold: --anchors: /dev/null: 1 to 256 lines of 'pinfold audit anchor' are expected"
run "anchors that are not there" 125 audit verify --anchors "$tmp/none"
stderr_is "pinfold: --anchors: $tmp/none: No such file or directory"
run "anchors of the guard's log" 125 audit verify --guard --anchors "$tmp/anchors"
stderr_is "pinfold: --anchors: not together with --guard"
answer GET_v1_audit_anchor 200 '{"anchor":"pinfold-audit-anchor 5 abc"}'
run "audit anchor" 0 audit anchor
stdout_is "pinfold-audit-anchor 5 abc"
answer GET_v1_status 200 '{"version":"0.1.0","pid":7,"uptime_ns":185000000000,"control_core":0,"housekeeping_core":0,"pool":[1],"is_folded":true,"backend":"affinity","guarantees":[{"name":"one holder per core","holds":true,"why":""},{"name":"no foreign tasks","holds":false,"why":"no cgroup v2"}],"vms":{"defined":3,"running":1,"paused":0,"faulted":0},"exclusive":{"cap":0,"used":0},"store":{"generation":5,"depth":0,"last_error":null},"audit":{"seq":9,"is_ok":true,"has_key_here":true},"warnings":["mind the gap"]}'
run "status" 0 status
stdout_matches '^pinfoldd +0\.1\.0, pid 7, up 3 minutes$'
stdout_matches '^cores +control 0, housekeeping 0, pool 1 \(folded'
stdout_matches ' no +no foreign tasks: no cgroup v2$'
stdout_matches '^warning +mind the gap$'
run "up, when it is up" 0 up
stdout_is "pinfoldd runs already: pid 7, socket $PINFOLD_SOCKET"
answer GET_v1_vms 200 <"$tmp/vms"
checks=$((checks + 1))
case="a stream that can't be written ends"
timeout -s KILL 60 "$pinfold" stats --interval 100ms web >/dev/full 2>"$tmp/err" && fail "exit status 0"
stderr_has "can't write to standard output"
run "stats --no-stream" 0 stats --no-stream web
check "one VM of two" test "$(wc -l <"$tmp/out")" -eq 2
stdout_matches '^web +running +2 +- +1\.2s +35ms +123 +- +- +64M$'
answer GET_v1_vms_web 200 '{"name":"web","id":"0123456789abcdef","state":"faulted","pid":7,"fault":{"kind":"unmapped","pc":"0x10","address":"0x20","access":"read","insn":"8b00","message":"guest fault: unmapped"},"registers":{"eax":"0x1","pc":"0x10\u001b"},"exit":{"kind":"fault","code":126,"message":"guest fault: unmapped"}}'
run "inspect" 0 inspect web
stdout_matches '^ +address +0x20$'
stdout_matches '^ +eax +0x1 '
check "no escape sequence" test "$(LC_ALL=C tr -d '\n' <"$tmp/out" | LC_ALL=C grep -c '[[:cntrl:]]')" -eq 0

# ---- wait: exit statuses as of run -----------------------------------------------------------
while read -r status end; do
	answer GET_v1_vms_w_wait 200 "{\"name\":\"w\",\"state\":\"stopped\",\"exit\":$end}"
	answer GET_v1_vms_w 200 "{\"name\":\"w\",\"state\":\"stopped\",\"exit\":$end}"
	run "wait: $end" "$status" wait w
	stdout_is "$status"
done <<'END'
0 {"kind":"halt","code":0,"message":"halt"}
0 {"kind":"exit","code":0,"message":"exit"}
42 {"kind":"exit","code":42,"message":"the guest exited with status 42"}
255 {"kind":"exit","code":300,"message":"the guest exited with status 300"}
124 {"kind":"limit","code":124,"message":"time"}
126 {"kind":"fault","code":126,"message":"fault"}
137 {"kind":"killed","code":null,"message":"killed"}
137 {"kind":"requested","code":null,"message":"stopped"}
126 {"kind":"scheduler","code":null,"message":"hung"}
125 {"kind":"error","code":125,"message":"device"}
END
stderr_is "pinfold: w: device"
printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n' >"$answers/GET_v1_vms_w_wait"
run "wait --timeout" 125 wait --timeout 300ms w
stderr_is "pinfold: w has not ended yet"

# ---- Streams ---------------------------------------------------------------------------------
printf 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello\033[1m\n' >"$answers/GET_v1_vms_web_console"
: >"$answers/log"
run "logs, byte by byte" 0 logs web
check "as they are" test "$(od -An -c "$tmp/out" | tr -d ' \n')" = 'hello033[1m\n'
asked "GET /v1/vms/web/console?from=0 0 "
run "logs -f" 0 logs -f --from 1K web
asked "GET /v1/vms/web/console?from=1024&follow=1 0 "
{
	printf '#hold\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n'
	printf ': hi\n\nid: 1\ndata: {"seq":1,"time":"2020-01-01T00:00:00Z","type":"vm.started","vm":"web","core":2,"why":"a b"}\n\n'
	printf 'data: nonsense\n\ndata: {"seq":2,"time":"t","type":"user.banned","x":"\\u001b[1m"}\r\n\r\n'
} >"$answers/GET_v1_events"
start events
wait_for banned "$tmp/out"
kill -INT "$started"
finish_started "Ctrl-C ends events" 130
stdout_is '2020-01-01T00:00:00Z vm.started    web core=2 why="a b"
t user.banned   - x=?[1m'
start events --json --type vm.
wait_for web "$tmp/out"
kill -TERM "$started"
finish_started "SIGTERM ends events" 143
check "a line, the daemon's" test "$(jq -c '[.seq, .why]' "$tmp/out")" = '[1,"a b"]'
sed -i 1d "$answers/GET_v1_events"
run "events that the daemon ends" 125 events
stderr_is "pinfold: the daemon has ended the stream of events"

# ---- The console on a terminal ---------------------------------------------------------------
printf '#hold\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nlogin: ' >"$answers/GET_v1_vms_web_console"
answer POST_v1_vms_web_console 200 '{"taken":1}'
: >"$answers/log"
terminal "'$pinfold' console web"
wait_for login: "$tmp/typescript"
printf '\003' >&9
wait_for 'POST /v1/vms/web/console 1' "$answers/log"
printf 'x\035' >&9
wait "$terminal"
exec 9>&-
check "detach key" grep -q 'detached; the VM goes on' "$tmp/typescript"
check "status of detaching" grep -q 'status=0' "$tmp/typescript"
check "it says how to leave" grep -q 'Ctrl-\] detaches' "$tmp/typescript"
check "Ctrl-C went to the guest" grep -qaP '^POST /v1/vms/web/console 1 \x03$' "$answers/log"
modes_are_the_same "detach"
answer POST_v1_vms_web_console 503 '{"error":{"code":"again","message":"the guest does not read"}}'
terminal "'$pinfold' console --detach-key ctrl-a web"
wait_for login: "$tmp/typescript"
printf 'abc' >&9
wait_for 'POST /v1/vms/web/console 3 abc' "$answers/log"
printf '\035\001' >&9
wait "$terminal"
exec 9>&-
check "another detach key, while the guest does not read" grep -q 'status=0' "$tmp/typescript"
modes_are_the_same "another key"
sed -i 1d "$answers/GET_v1_vms_web_console"
answer GET_v1_vms_web 200 '{"name":"web","state":"stopped","exit":{"kind":"exit","code":3,"message":"the guest exited with status 3"}}'
terminal "'$pinfold' console --from-start web"
wait "$terminal"
exec 9>&-
check "status of a VM that ends" grep -q 'status=3' "$tmp/typescript"
modes_are_the_same "end"
printf 'a line\n' >"$tmp/input"
printf '#hold\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nout' >"$answers/GET_v1_vms_web_console"
answer POST_v1_vms_web_console 200 '{"taken":7}'
: >"$answers/log"
env --default-signal=INT "$pinfold" console web <"$tmp/input" >"$tmp/out" 2>"$tmp/err" &
started=$!
wait_for 'POST /v1/vms/web/console 7 a line' "$answers/log"
wait_for out "$tmp/out"
kill -INT "$started"
finish_started "without a terminal Ctrl-C ends it" 130
run "a detach key that is none" 125 console --detach-key x web

# ---- Errors ----------------------------------------------------------------------------------
for status in 400 403 404 409 413 422 429 500 503; do
	answer GET_v1_status "$status" '{"error":{"code":"c","message":"a sentence","hint":"what to do"}}'
	run "HTTP $status" 125 status
	stderr_is "pinfold: a sentence; what to do"
done
answer GET_v1_status 500 '{"error":{"code":"c","message":"a\u001b[1m sentence"}}'
run "a hostile sentence" 125 status
stderr_is "pinfold: a?[1m sentence"
answer GET_v1_status 502 '<html>'
run "an error without a sentence" 125 status
stderr_is "pinfold: the daemon refused with HTTP status 502 and did not say why"
answer GET_v1_status 200 '{"a":'
run "half an answer" 125 status
stderr_is "pinfold: the daemon's answer is not JSON"
printf 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}' >"$answers/GET_v1_status"
run "a cut connection" 125 status
stderr_is "pinfold: the daemon cut the connection before its answer was complete"
: >"$answers/GET_v1_status"
run "no answer at all" 125 status
stderr_is "pinfold: the daemon cut the connection before its answer was complete"
printf 'SSH-2.0-OpenSSH\r\n' >"$answers/GET_v1_status"
run "another program" 125 status
stderr_has "pinfold: what answers is not the daemon: "
printf '#hold\n' >"$answers/GET_v1_status"
: >"$answers/log"
start status
wait_for 'GET /v1/status' "$answers/log"
kill -INT "$started"
finish_started "Ctrl-C while the daemon says nothing" 130
run "no daemon" 125 status --socket "$tmp/none.sock"
stderr_is "pinfold: the daemon is not running at $tmp/none.sock; start it with 'pinfold up'"
: >"$tmp/file.sock"
run "no socket" 125 ps --socket "$tmp/file.sock"
stderr_has "start it with 'pinfold up'"
run "too long a path" 125 ps --socket "$tmp/$(printf '%0120d' 0)"
stderr_has "the path of a socket has at most 107 bytes"
http_proxy=http://127.0.0.1:1 run "a proxy in the environment is not asked" 125 start nobody
stderr_is "pinfold: there is no such VM"
run "an option that is none" 125 ps --colour
run "one argument too many" 125 ps web
stderr_is "pinfold: 'web' is one argument too many; see 'pinfold ps --help'"
run "an argument that is missing" 125 start
stderr_is "pinfold: VM... is missing; see 'pinfold start --help'"
run "the second that is missing" 125 snapshot web
stderr_is "pinfold: FILE is missing; see 'pinfold snapshot --help'"
run "--help has an exit status" 0 pause --help
stdout_has "Exit status: 0; 125"
run "--help has that of the command" 0 status --help
stdout_matches "^Exit status: 0 it answers"

# ---- ssh -------------------------------------------------------------------------------------
# Stands in for ssh: the first says which socket and stays; the second forwards by a link. The real one: test_ssh.sh.
mkdir "$tmp/path"
cat >"$tmp/path/ssh" <<END
#!/bin/sh
case "\$*" in
*"-O forward"*)
	echo "\$@" >"$tmp/ssh.forward"
	while [ "\$1" != -L ]; do shift; done
	exec ln -s "$PINFOLD_SOCKET" "\${2%%:*}"
	;;
esac
echo "\$@" >"$tmp/ssh.args"
case " \$* " in
*" -N "*) socket= ;;
*) socket=/run/far/pinfoldd.sock ;;
esac
case "\$*" in
*" -- refuse"*)
	echo "a warning" >&2
	echo "ssh: connect to host refuse: no route" >&2
	exit 255
	;;
*" -- odd"*) socket='/run/\$(id)' ;;
esac
echo \$\$ >"$tmp/ssh.pid"
echo "Welcome."
echo "pinfold-socket:\$socket"
exec sleep 60 >/dev/null 2>&1
END
chmod +x "$tmp/path/ssh"
PATH=$tmp/path:$PATH
export PATH
export XDG_RUNTIME_DIR="$tmp"
answer GET_v1_vms 200 <"$tmp/vms"
run "--host" 0 ps -q --host ssh://ann@box:2222/run/x/pinfoldd.sock
stdout_has fedcba9876543210
check "the port, the user" grep -qE -- "-N -p 2222 -- ann@box\$" "$tmp/ssh.args"
check "the socket" grep -qE -- "-L $tmp/pinfold-[^ ]+/daemon.sock:/run/x/pinfoldd.sock -- " "$tmp/ssh.forward"
check "ssh has ended" test ! -e "/proc/$(cat "$tmp/ssh.pid")"
check "nothing is left" test "$(find "$tmp" -maxdepth 1 -name 'pinfold-*' | wc -l)" -eq 0
PINFOLD_HOST=ssh://box run "PINFOLD_HOST" 0 ps -q
check "the socket that is said there" grep -qE -- ":/run/far/pinfoldd.sock -- " "$tmp/ssh.forward"
run "an IPv6 address" 0 ps -q --host 'ssh://[fe80::1]:22'
check "without brackets" grep -qE -- '-p 22 -- fe80::1 ' "$tmp/ssh.args"
: >"$answers/log"
start status --host ssh://box
wait_for 'GET /v1/status' "$answers/log"
kill -TERM "$started"
finish_started "a signal ends ssh, too" 143
check "nothing is left after a signal" test "$(find "$tmp" -maxdepth 1 -name 'pinfold-*' | wc -l)" -eq 0
run "ssh that fails" 125 ps --host ssh://refuse
stderr_is "a warning
pinfold: --host: no connection to refuse: ssh: connect to host refuse: no route"
run "a socket that is none" 125 ps --host ssh://odd
stderr_is "pinfold: --host: the socket '/run/\$(id)' of odd can't be forwarded"
check "nothing is left after a failure" test "$(find "$tmp" -maxdepth 1 -name 'pinfold-*' | wc -l)" -eq 0
for host in box http://box ssh:// ssh://-oProxyCommand=x ssh://@ 'ssh://a b' ssh://box:port ssh://box:1:2 'ssh://box/a:b' ssh://%h; do
	: >"$tmp/ssh.args"
	run "--host $host" 125 ps --host "$host"
	stderr_has "pinfold: --host: "
	check "ssh is not started for $host" test ! -s "$tmp/ssh.args"
done
run "--host and --socket" 125 ps --host ssh://box --socket x

exec 8>&-
wait "$mock_pid"
finish
