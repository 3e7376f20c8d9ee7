#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A real gdb-multiarch drives one architecture on one engine: breakpoint, step, registers, memory,
# watchpoint, fault, interrupt, detach and attach again, a client that dies, a second client.
# Usage: test_gdb.sh PINFOLD GUESTS VARIANT ENGINE
# shellcheck disable=SC2016 # $pc and the like are gdb's
set -eu

pinfold=$1
guests=$2
variant=$3
engine=$4

tmp=$(mktemp -d)
sock=$tmp/gdb
vm=
gdb=
stop()
{
	for pid in $vm $gdb; do
		kill -KILL "$pid" 2>/dev/null || :
	done
	rm -rf "$tmp"
}
trap stop EXIT
trap 'exit 1' INT TERM

skip()
{
	echo "skipped: $*"
	exit 77
}

fail()
{
	echo "FAILED: $*"
	for f in "$tmp/log" "$tmp/err" "$tmp/out"; do
		[ ! -f "$f" ] || { echo "--- ${f##*/}" && cat "$f"; }
	done
	exit 1
}

command -v gdb-multiarch >/dev/null || skip "gdb-multiarch is not installed"
if [ "$engine" = kvm ]; then
	"$pinfold" run --engine kvm "$guests/$variant/sum.elf" >"$tmp/out" 2>&1 </dev/null || :
	grep -q '^ok' "$tmp/out" || skip "kvm can't run $variant here: $(head -n 1 "$tmp/out")"
	rm "$tmp/out"
fi

# What differs per architecture: a general register and a floating-point, vector or system register,
# with values that fill them.
case $variant in
x86) reg=ebx wide=0x89abcdef other='$xmm3.v4_int32[1]' other_value=0x7654321 ;;
x64 | x64-ring3)
	reg=r13 wide=0x123456789abcdef0 other='$xmm13.v2_int64[1]' other_value=0x76543210fedcba
	;;
arm | thumb | armeb) reg=r7 wide=0x89abcdef other='$fpscr' other_value=0x3c00000 ;;
arm64) reg=x19 wide=0x123456789abcdef0 other='$v13.d.u[1]' other_value=0x76543210fedcba ;;
riscv64) reg=s5 wide=0x123456789abcdef0 other='$mscratch' other_value=0x76543210fedcba ;;
*) fail "no such variant: $variant" ;;
esac
# guest_status CODE: what a run reports when the guest's main() returns that.
guest_status()
{
	case $variant in
	x86 | x64) echo $(($1 == 0 ? 0 : $1 * 2 + 1)) ;;
	x64-ring3) echo $(($1 * 2 + 1)) ;;
	*) echo "$1" ;;
	esac
}

# start GUEST [OPTION...]: a VM that waits for a client; $elf is its image, $bin if that is set. Its output goes to
# $tmp/out, or is read from descriptor 4 when $piped is set.
piped=
bin=
start()
{
	elf=$guests/$variant/$1.elf
	shift
	rm -f "$tmp/out" "$tmp/err" "$tmp/err.fifo"
	[ -z "$piped" ] || mkfifo "$tmp/out"
	mkfifo "$tmp/err.fifo"
	"$pinfold" run --engine "$engine" --gdb "unix:$sock" "$@" "${bin:-$elf}" >"$tmp/out" \
		2>"$tmp/err.fifo" </dev/null &
	vm=$!
	[ -z "$piped" ] || exec 4<"$tmp/out"
	exec 3<"$tmp/err.fifo"
	IFS= read -r line <&3 || fail "pinfold says nothing"
	case $line in
	"gdb: waiting on $sock; connect with: gdb-multiarch -ex 'target remote $sock'") ;;
	*) fail "first line is: $line" ;;
	esac
}

# finish STATUS: the VM ends with it.
finish()
{
	status=0
	wait "$vm" || status=$?
	vm=
	cat <&3 >"$tmp/err"
	[ "$status" = "$1" ] || fail "pinfold ended with status $status, want $1"
	[ ! -e "$sock" ] || fail "the socket is left over"
}

# session COMMAND...: one client, from connecting to its end.
session()
{
	printf '%s\n' "set confirm off" "set pagination off" "set width 0" "file $elf" \
		"target remote $sock" "$@" >"$tmp/commands"
	# Without a file of commands gdb would go on after an error; with one it stops.
	timeout 60 gdb-multiarch -nx -batch -x "$tmp/commands" >"$tmp/log" 2>&1 </dev/null || :
}

# expect LINE...: each is a whole line of the client's log, in this order.
expect()
{
	printf '%s\n' "$@" >"$tmp/want"
	awk 'NR == FNR { want[++n] = $0; next }
	     i < n && $0 == want[i + 1] { i++ }
	     END { if (i < n) { print "missing: " want[i + 1]; exit 1 } }' \
		"$tmp/want" "$tmp/log" >"$tmp/missing" || fail "$(cat "$tmp/missing")"
}

# expect_match REGEX: some line of the log matches as a whole.
expect_match()
{
	grep -Eqx -e "$1" "$tmp/log" || fail "no line matches: $1"
}

ok()
{
	echo "ok: $*"
}

static_pcs=$(gdb-multiarch -nx -batch -ex 'x/4i main' "$guests/$variant/sieve.elf" 2>&1 |
	sed -n 's/^ *\(0x[0-9a-f]*\) <main.*/\1/p')
# shellcheck disable=SC2086 # four words
set -- $static_pcs
[ $# = 4 ] || fail "main has no four instructions: $static_pcs"
pc0=$1 pc1=$2 pc2=$3 pc3=$4

# ---- breakpoint, step, registers, memory: what gdb changes changes what the guest does ----
start sieve
session 'break *main' 'continue' 'p/x (long)$pc' 'stepi' 'p/x (long)$pc' 'stepi' 'p/x (long)$pc' \
	'stepi' 'p/x (long)$pc' \
	"set \$saved = \$$reg" "set var \$$reg = $wide" 'maintenance flush register-cache' \
	"p/x \$$reg" "set var \$$reg = \$saved" \
	"set $other = $other_value" 'maintenance flush register-cache' "p/x $other" \
	'p/x is_composite[101]' 'set var is_composite[101] = 1' \
	'maintenance flush dcache' 'p/x is_composite[101]' 'p/x is_composite[100]' \
	'p sizeof(is_composite)' 'x/2xb &is_composite[100]' \
	'break guest_verdict' 'continue' 'p is_right' 'monitor info' 'continue'
expect '$1 = '"$pc0" '$2 = '"$pc1" '$3 = '"$pc2" '$4 = '"$pc3" '$5 = '"$wide" \
	'$6 = '"$other_value" '$7 = 0x0' '$8 = 0x1' '$9 = 0x0' '$10 = 10000' '$11 = 0' \
	'state:        paused: breakpoint'
expect_match 'Breakpoint 1, main .*'
expect_match 'Breakpoint 2, guest_verdict .*'
expect_match '0x[0-9a-f]+ <is_composite\+100>:[[:space:]]+0x00[[:space:]]+0x01'
expect_match "architecture: [a-z0-9]+(, big endian)?"
expect_match "engine: +$engine .*"
expect_match "\[Inferior 1 \(.*\) exited with code 0*$(printf %o "$(guest_status 1)")\]"
finish "$(guest_status 1)"
grep -qx 'primes 1228' "$tmp/out" || fail "the guest did not see the written byte"
grep -qx WRONG "$tmp/out" || fail "the guest ended differently"
ok "breakpoint, step, registers, memory, end of the guest"

# ---- watchpoint ----
start sieve
session 'break *main' 'continue' 'watch is_composite[8]' 'rwatch is_composite[9]' 'delete 3' \
	'continue' 'p is_composite[6]' 'p is_composite[8]' 'p is_composite[10]' 'delete' 'continue'
expect 'Hardware watchpoint 2: is_composite[8]' "Hardware watchpoint 2: is_composite[8]" \
	"Old value = 0 '\\000'" "New value = 1 '\\001'" "\$1 = 1 '\\001'" "\$2 = 1 '\\001'" \
	"\$3 = 0 '\\000'"
finish "$(guest_status 0)"
grep -qx 'primes 1229' "$tmp/out" || fail "the guest ended differently"
ok "watchpoint"

# ---- watched reads, where the engine sees them: the write that came before is not one ----
start sieve
if [ "$engine" = kvm ]; then
	session 'rwatch is_composite[9]' 'continue'
	expect_match 'Could not insert hardware watchpoint 1\.'
	finish "$(guest_status 0)" # gdb left the guest alone
	grep -q 'shows changes of memory only' "$tmp/err" || fail "pinfold does not say why"
	ok "read watchpoint refused"
else
	session 'rwatch is_composite[9]' 'continue' 'p is_composite[8]' 'delete' 'continue'
	expect 'Hardware read watchpoint 1: is_composite[9]' "Value = 1 '\\001'" "\$1 = 1 '\\001'"
	finish "$(guest_status 0)"
	start sieve
	# Three times: the start-up code clears it, the sieve sets it, and looks at it.
	session 'awatch is_composite[9]' 'continue' 'continue' 'continue' 'delete' 'continue'
	expect 'Hardware access (read/write) watchpoint 1: is_composite[9]' "Value = 0 '\\000'" \
		'Hardware access (read/write) watchpoint 1: is_composite[9]' \
		"Old value = 0 '\\000'" "New value = 1 '\\001'" \
		'Hardware access (read/write) watchpoint 1: is_composite[9]' "Value = 1 '\\001'"
	finish "$(guest_status 0)"
	ok "read and access watchpoints"
fi

# ---- faults ----
for fault in "illegal SIGILL Illegal instruction" "read SIGSEGV Segmentation fault"; do
	# shellcheck disable=SC2086 # words
	set -- $fault
	name=$1 signal=$2
	shift 2
	start "fault_$name"
	session 'continue' 'p $pc == fault_pc || $pc == (void *)&fault_pc' 'p/x (long)$sp != 0' \
		'set var $pc = $pc' 'continue'
	expect "Program received signal $signal, $*." '$1 = 1' '$2 = 0x1' \
		"Program terminated with signal $signal, $*."
	finish 126
	grep -q 'guest fault' "$tmp/err" || fail "pinfold does not report the fault"
	ok "fault: $signal"
done

# ---- a client that leaves while it looks at a fault ----
start fault_illegal
session 'continue' 'detach'
expect 'Program received signal SIGILL, Illegal instruction.'
finish 126
ok "detach after a fault"

# ---- real mode ----
if [ "$variant" = x86 ]; then
	bin=$guests/x86/hello16.bin
	start hello16.flat --arch x86 --mode 16
	elf=
	session 'show architecture' 'p/x $eip' 'stepi' 'p/x $eip' 'p/x $dx' 'x/2i $eip' \
		'break *0x7c09' 'continue' 'p/x $al' 'p/c $al' 'delete' 'continue'
	expect 'The target architecture is set to "auto" (currently "i8086").' '$1 = 0x7c00' \
		'$2 = 0x7c03' '$3 = 0x3f8' '$4 = 0x65' "\$5 = 101 'e'"
	expect_match '=> 0x7c03:[[:space:]]+mov[[:space:]]+\$0x48,%al'
	finish 0
	grep -qx 'Hello, world!' "$tmp/out" || fail "the guest printed something else"
	bin=
	ok "real mode"
fi

# ---- interrupt, detach, attach again, kill ----
piped=1
start endless
session 'break *main' 'continue' 'p $pc == main' 'detach'
expect '$1 = 1'
IFS= read -r line <&4 || fail "the guest prints nothing"
[ "$line" = looping ] || fail "the guest printed: $line"
session 'info symbol $pc' 'stepi' 'info symbol $pc' 'monitor info' 'detach'
expect_match 'main( \+ [0-9]+)? in section \.text.*'
expect 'state:        paused: stepped'

printf '%s\n' "set confirm off" "file $elf" "target remote $sock" 'set debug remote 1' 'continue' \
	'info symbol $pc' 'kill' >"$tmp/commands"
mkfifo "$tmp/log.fifo"
# A shell starts background jobs with SIGINT ignored; env gives it back.
env --default-signal=INT gdb-multiarch -nx -batch -x "$tmp/commands" >"$tmp/log.fifo" 2>&1 \
	</dev/null &
gdb=$!
exec 5<"$tmp/log.fifo"
is_running=
while IFS= read -r line <&5; do
	case $line in
	*'Sending packet: $vCont;c'*) is_running=1 && break ;;
	esac
done
[ "$is_running" ] || fail "gdb did not let the guest go on"
printf '%s\n' "target remote $sock" >"$tmp/second"
timeout 60 gdb-multiarch -nx -batch -x "$tmp/second" >"$tmp/second.log" 2>&1 </dev/null || :
IFS= read -r line <&3 || fail "pinfold does not refuse a second client"
[ "$line" = 'gdb: a second client was refused' ] || fail "pinfold said: $line"
kill -INT "$gdb"
cat <&5 >"$tmp/log"
wait "$gdb" || :
gdb=
expect_match 'Program received signal SIGINT, Interrupt\.'
expect_match 'main( \+ [0-9]+)? in section \.text.*'
finish 137
grep -q 'killed by the debugger' "$tmp/err" || fail "pinfold does not say who killed it"
ok "interrupt, second client refused, kill"
