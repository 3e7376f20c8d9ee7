#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Lamb, the teaching kernel, on board virt: starts in M-mode with its own firmware, in S-mode on the board's SBI and on
# OpenSBI, with one and four harts; what its shell and its own tests print is the same each time, and the same on
# qemu. A debugger finds the kernel's and a program's source lines. Usage: test_teaching_kernel.sh BUILD-DIR
set -u
build=$1
here=$(dirname "$0")
. "$here/../riscv_lib.sh"
. "$here/check_lib.sh"
pinfold=$build/bin/pinfold
lamb=$build/guests/lamb
need_dbt "$build"

# Firmware that looks at the serial line may swallow what is typed first. What a session prints counts from "begin" on.
session()
{
	printf '\n\n\n\necho begin\n'
	cat
	printf 'echo end\npoweroff\n'
}

session >"$tmp/keys" <<'EOS'
ls /bin | wc
cat /etc/motd >/tmp/motd; echo one more line >>/tmp/motd
cat </tmp/motd | grep Lamb | wc
grep ^one /tmp/motd /dev/null; status
mkdir /tmp/d; cd /tmp/d; echo x >y; cat y ../d/y; cd /; rm /tmp/d/y /tmp/d; ls /tmp
nothing; status
cat /none; status
| what
kill 999; status
primes 60
stress
forktest
usertests
status
EOS

# boot NAME HARTS COMMAND...: one session, compared with the first one
boot()
{
	name="$1, $2 harts"
	harts=$2
	shift 2
	timeout 60 "$@" <"$tmp/keys" 2>"$tmp/err" | tr -d '\r' >"$tmp/out"
	sed '1,/^begin$/d; /^end$/,$d' "$tmp/out" >"$tmp/session"
	[ -e "$tmp/expected" ] || cp "$tmp/session" "$tmp/expected"
	check "$name: harts" grep -q "^lamb: $harts hart.*64 MiB" "$tmp/out"
	check "$name: kernel's tests" grep -q '^usertests: 26 passed, 0 failed$' "$tmp/session"
	check "$name: same output" cmp "$tmp/session" "$tmp/expected"
	check "$name: powers off" grep -q '^. poweroff$' "$tmp/out"
	cat "$tmp/err"
}

# on_pinfold NAME HARTS ARGUMENTS...
on_pinfold()
{
	name=$1
	harts=$2
	shift 2
	boot "$name" "$harts" "$pinfold" run --board virt --engine dbt --mem 64M --smp "$harts" "$@"
	check "$name: no complaint" test ! -s "$tmp/err"
}

# on_qemu NAME HARTS ARGUMENTS...
on_qemu()
{
	name=$1
	harts=$2
	shift 2
	boot "qemu: $name" "$harts" qemu-system-riscv64 -M virt -m 64M -smp "$harts" -display none -monitor none -serial stdio "$@"
}

for harts in 1 4; do
	on_pinfold M-mode "$harts" "$lamb/lamb-m.elf"
	on_pinfold S-mode "$harts" --kernel "$lamb/lamb.elf"
done

# Known answers: the comparison alone would like it if all of them were wrong.
for answer in '17 51 [0-9]* -' '1 13 72 -' '^one more line$' 'nothing: no such command' '/none: no such file' \
	'sh: that makes no sense' 'kill: 999: no such process' '^59$' \
	'stress: 8 processes, 4 rounds, sum 4577b29403f424c3' 'forktest: ok' \
	"^0 can't be read$"; do
	check "session: $answer" grep -q -e "$answer" "$tmp/expected"
done

if [ -e "$opensbi" ]; then
	on_pinfold "OpenSBI" 4 "$opensbi" --kernel "$lamb/lamb.elf"
else
	echo "without OpenSBI: apt-get install opensbi"
fi
if command -v qemu-system-riscv64 >/dev/null; then
	for harts in 1 4; do
		on_qemu M-mode "$harts" -bios none -kernel "$lamb/lamb-m.elf"
		on_qemu S-mode "$harts" -kernel "$lamb/lamb.elf"
	done
else
	echo "without the referee: apt-get install qemu-system-misc"
fi

# The firmware passes on why the machine goes off.
printf 'poweroff 1\n' | timeout 60 "$pinfold" run --board virt "$lamb/lamb-m.elf" >"$tmp/out" 2>&1
check "a failure is one" test $? -eq 1

# A debugger finds its way from M-mode to a program.
if command -v gdb-multiarch >/dev/null; then
	printf 'echo hello\npoweroff\n' >"$tmp/keys"
	"$pinfold" run --board virt --gdb "unix:$tmp/gdb" "$lamb/lamb-m.elf" <"$tmp/keys" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	i=0
	while [ ! -S "$tmp/gdb" ] && [ $i -lt 600 ]; do
		i=$((i + 1))
		sleep 0.1
	done
	# shellcheck disable=SC2016 # $priv is gdb's
	timeout 60 gdb-multiarch -batch -iex 'set debuginfod enabled off' -ex "file $lamb/lamb-m.elf" \
		-ex "add-symbol-file $lamb/firmware.elf" -ex "target remote $tmp/gdb" \
		-ex 'hbreak enter_supervisor' -ex continue -ex 'printf "privilege %d\n", $priv' -ex delete \
		-ex 'hbreak call_exec if harts[0].process->pid == 3' -ex continue -ex backtrace \
		-ex 'printf "parent %s\n", harts[0].process->parent->name' -ex delete \
		-ex "add-symbol-file $lamb/debug/echo" -ex 'hbreak echo.c:main' -ex continue \
		-ex 'printf "argument %s\n", argv[1]' -ex delete -ex detach >"$tmp/gdb.out" 2>&1
	wait "$pid"
	status=$?
	pid=
	check "gdb: the guest goes on and ends well" test "$status" -eq 0
	for answer in 'privilege 3' 'trap_user (f=' 'parent sh' 'argument hello'; do
		check "gdb: $answer" grep -q -- "$answer" "$tmp/gdb.out"
	done
	[ "$failures" -eq 0 ] || cat "$tmp/gdb.out"
else
	echo "without the debugger: apt-get install gdb-multiarch"
fi

verdict
