#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line against real VMs: exit statuses, sentences, JSON, registers, limits, signals, pipes, mistakes.
# Usage: test_cli.sh BIN-FOLDER GUESTS-FOLDER
set -u

bin=$1
guests=$2
. "$(dirname "$0")/cli_lib.sh"

# ---- Exit statuses and their sentences -------------------------------------------------------
run "halt is 0" 0 run "$guests/x64/sum.elf"
stdout_has "sum 1..100 5050"
stderr_is_empty
run "exit 0" 0 run "$guests/riscv64/sum.elf"
stderr_is_empty
run "guest's own status" 42 run "$guests/riscv64/exit42.elf"
stderr_is "pinfold: exit42.elf: the guest exited with status 42"
run "debug-exit of x86 is (v << 1) | 1" 85 run "$guests/x86/exit42.elf"
run "--name" 42 run --name lodger "$guests/arm64/exit42.elf"
stderr_is "pinfold: lodger: the guest exited with status 42"
run "wall limit" 124 run --timeout 200ms "$guests/arm64/endless.elf"
stderr_is "pinfold: endless.elf: the guest ran for its time limit of 0.200 s"
run "CPU limit" 124 run --limit-cpu 100ms "$guests/x64/endless.elf"
stderr_is "pinfold: endless.elf: the guest used up its CPU time of 0.100 s"
run "instruction limit" 124 run --limit-insns 1000 "$guests/riscv64/endless.elf"
stderr_is "pinfold: endless.elf: the guest reached its limit of 1000 instructions"
for arch in x86 x64 arm thumb armeb arm64 riscv64; do
	run "fault on $arch" 126 run "$guests/$arch/fault_illegal.elf"
	stderr_has "guest fault: illegal-instruction"
	stderr_has "at pc 0x"
done
run "fault with bytes and disassembly" 126 run "$guests/x64/fault_illegal.elf"
stderr_has ": ud2 (0f 0b)"

# ---- JSON ------------------------------------------------------------------------------------
run "JSON after console output" 0 run --json "$guests/arm64/sum.elf"
json '.name == "sum.elf" and .arch == "arm64" and .board == "bare" and (.engine | type) == "string"'
json '.exit == {kind: "exit", code: 0, limit: null, fault: null, message: "the guest exited with status 0"}'
json '.registers | has("x0") and has("sp") and has("pc") and has("cpsr") and has("v0")'
json '[.registers[] | test("^0x(0|[1-9a-f][0-9a-f]*)$")] | all'
json '.cpu_ns > 0 and .wall_ns > 0 and .process_cpu_ns >= .cpu_ns and .peak_memory_bytes > 100000'
json '.console.out_bytes == 19 and .console.in_bytes == 0 and .io.unmapped == 0 and .instructions == null'
run "JSON is one line of its own" 124 run --json --arch x86 --limit-insns 3 "$tmp/flood.bin"
json '.exit.kind == "limit" and .exit.code == 124 and .exit.limit == "instructions" and .instructions == 3'
json '.console.out_bytes == 1'
check "console output without a newline gets one" test "$(head -n 1 "$tmp/out")" = x
run "JSON of a wall limit" 124 run --json --timeout 100ms "$guests/x86/endless.elf"
# (How many slices it had is the host's business.)
json '.exit.limit == "wall" and .slices >= 0 and .registers.eip != null'
run "JSON of another board" 124 run --json --board virt --timeout 100ms "$guests/riscv64/endless.elf"
json '.board == "virt" and .exit.limit == "wall"'
run "JSON of a fault" 126 run --json "$guests/riscv64/fault_read.elf"
json '.exit.kind == "fault" and .exit.fault.access == "read" and .exit.fault.address == "0x6000000"'
json '.exit.fault.disassembly == "lw t2,0(a5)" and .exit.fault.insn == "83a30700" and .exit.fault.kind == "unmapped"'
run "JSON of a guest code" 43 run --json "$guests/arm/semiexit.elf"
json '.exit.kind == "exit" and .exit.code == 43'
run "JSON of an error before the run" 125 run --json "$tmp/none.elf"
json '.name == "none.elf" and .exit.kind == "error" and .exit.code == 125 and (.exit.message | contains("No such file"))'
run "JSON of a wrong option" 125 run --mode 17 --json x
json '.exit.kind == "error" and (.exit.message | startswith("--mode:"))'
run "counted instructions" 0 run --json --count-insns --arch riscv64 "$guests/riscv64/sum_flat.bin"
json '.instructions > 300'

# ---- Registers -------------------------------------------------------------------------------
run "--set by name" 124 run --json --arch x86 --set eax=0x1234 --set EBX=7 --limit-insns 1 "$tmp/spin.bin"
json '.registers.eax == "0x1234" and .registers.ebx == "0x7"'
run "--set by the other name" 124 run --json --arch riscv64 --set x10=5 --limit-insns 1 "$tmp/nop_rv.bin"
json '.registers.a0 == "0x5"'
run "--set of an unknown register" 125 run --arch x86 --set foo=1 "$tmp/spin.bin"
stderr_has "no register 'foo'"
run "--set of too big a value" 125 run --arch x86 --set eax=0x100000000 "$tmp/spin.bin"
stderr_has "--set: "
run "--set without a value" 125 run --arch x86 --set eax "$tmp/spin.bin"
stderr_is "pinfold: --set: 'eax' is not REG=VALUE"
run "--regs" 0 run --regs --arch x64 "$guests/x64/sum_flat.bin"
stdout_matches 'rax +0x13ba'
stdout_has "general:"

# ---- Trace -----------------------------------------------------------------------------------
run "--trace" 0 run --trace "$tmp/trace" --arch riscv64 "$guests/riscv64/sum_flat.bin"
check "a line per instruction" test "$(sed -n 2p "$tmp/trace" | tr -s ' ')" = \
	"0000000080000002 93 05 40 06 li a1,100 a1=0x64"
for pair in 'x86:xor eax, eax' 'x64:xor eax, eax' 'arm64:movz x0, #0' 'arm:movs r0, #0'; do
	arch=${pair%%:*}
	run "--trace on $arch" 0 run --trace "$tmp/trace" --arch "$arch" "$guests/$arch/sum_flat.bin"
	check "disassembly of $arch: $(head -n 1 "$tmp/trace")" grep -q "${pair#*:}" "$tmp/trace"
done
for engine in unicorn dbt; do
	run "--trace through load-reserved and store-conditional on $engine" 0 run --engine $engine --trace "$tmp/trace" \
		--timeout 60s "$guests/riscv64/reserve.elf"
done
run "--trace to standard error" 124 run --trace - --arch x86 --limit-insns 20000 "$tmp/spin.bin"
check "20000 lines and a sentence" test "$(wc -l <"$tmp/err")" -eq 20001
run "--trace into a folder that is not there" 125 run --trace "$tmp/none/t" "$guests/x64/sum.elf"

# ---- Context ---------------------------------------------------------------------------------
run "--save-context after N instructions" 124 run --limit-insns 300 --save-context "$tmp/ctx" "$guests/arm64/sum.elf"
check "only its owner may read it" test "$(stat -c %a "$tmp/ctx")" = 600
run "--load-context needs no image" 0 run --load-context "$tmp/ctx"
stdout_has "sum 1..100 5050"
run "a damaged context" 125 run --load-context "$tmp/spin.bin"
run "a context that can't be written" 125 run --save-context "$tmp/none/ctx" "$guests/arm64/sum.elf"
stderr_is "pinfold: --save-context: $tmp/none/ctx: No such file or directory"
check "is told before the guest runs" test ! -s "$tmp/out"
mkdir "$tmp/folder"
run "a folder as context" 125 run --save-context "$tmp/folder" "$guests/arm64/sum.elf"
stderr_is "pinfold: --save-context: $tmp/folder is a directory"
check "nothing is left beside it" test -z "$(find "$tmp" -name 'folder.*')"

# ---- Console and signals ---------------------------------------------------------------------
printf 'hello, echo\n\004' >"$tmp/input"
run_with "$tmp/input" "standard input" 0 run "$guests/riscv64/echo.elf"
stdout_has "echoed 12"
check "a pipe on both sides" test "$(printf 'abc\n\004' | "$pinfold" run "$guests/x64/echo.elf" | tail -n 1)" = \
	"echoed 4"
run "guest arguments" 0 run "$guests/arm64/args.elf" -- one "two three"
stdout_has "one two three"
for signal in INT TERM HUP; do
	start run "$guests/arm64/endless.elf"
	wait_for looping "$tmp/out"
	kill -"$signal" "$started"
	finish_started "SIG$signal" 137
	stderr_is "pinfold: endless.elf: killed by SIG$signal"
done
start run --json "$guests/riscv64/endless.elf"
wait_for looping "$tmp/out"
kill -INT "$started"
finish_started "JSON of a killed guest" 137
json '.exit.kind == "killed" and .exit.code == 137 and .registers.pc != null'
start run "$guests/riscv64/endless.elf"
wait_for looping "$tmp/out"
vm=$(cat "/proc/$started/task/$started/children")
kill -KILL "${vm% }"
finish_started "a VM process that dies" 137
stderr_has "the guest was killed: the VM process was killed by signal 9"
mkfifo "$tmp/fifo"
exec 3<>"$tmp/fifo"
timeout -s KILL 60 "$pinfold" run --timeout 300ms --arch x86 "$tmp/flood.bin" >"$tmp/fifo" 2>"$tmp/err"
check "a time limit while nobody reads standard output" test $? -eq 124
exec 3>&-
# More than once: what is left in the pipe to the VM when its reader goes differs from run to run.
for i in 1 2 3 4 5 6 7 8 9 10; do
	timeout -s KILL 60 "$pinfold" run --arch x86 "$tmp/flood.bin" 2>"$tmp/err" | head -c 3 >"$tmp/out"
	check "a closed standard output ends the run, $i" grep -q "standard output can't be written" "$tmp/err"
done

# ---- A terminal ------------------------------------------------------------------------------
terminal "'$pinfold' run '$guests/x64/endless.elf'"
wait_for looping "$tmp/typescript"
printf '\003' >&9
wait "$terminal"
exec 9>&-
check "Ctrl-C at a terminal" grep -q 'status=137' "$tmp/typescript"
modes_are_the_same "Ctrl-C"

# ---- Mistakes --------------------------------------------------------------------------------
run "help about help" 0 help --help
stdout_has "Usage: pinfold COMMAND"
run "no command" 125
stderr_has "a command is missing"
run "unknown command" 125 fly
stderr_is "pinfold: there is no command 'fly'; see 'pinfold --help'"
run "unknown option" 125 run --colour "$guests/x64/sum.elf"
stderr_is "pinfold: there is no option '--colour'; see 'pinfold run --help'"
run "unknown letter" 125 run -x "$guests/x64/sum.elf"
stderr_is "pinfold: there is no option '-x'; see 'pinfold run --help'"
run "an option that could be several" 125 run --l 1 "$guests/x64/sum.elf"
stderr_has "'--l' is the beginning of several options, of --"
run "an option with a value that it does not take" 125 run --regs=all "$guests/x64/sum.elf"
stderr_is "pinfold: --regs takes no value"
run "a beginning that is enough, without its value" 125 run "$guests/x64/sum.elf" --limit-c
stderr_is "pinfold: --limit-cpu: its value is missing: --limit-cpu TIME"
run "an option without its value" 125 run "$guests/x64/sum.elf" --mem
stderr_is "pinfold: --mem: its value is missing: --mem SIZE"
run "no image" 125 run
stderr_has "an image or a kernel is missing"
run "two images" 125 run a b
stderr_has "'b' is one image too many"
run "image that is not there" 125 run "$tmp/none.elf"
stderr_is "pinfold: $tmp/none.elf: No such file or directory"
run "a folder as image" 125 run "$tmp"
run "flat image without --arch" 125 run "$tmp/spin.bin"
stderr_has "--arch"
run "wrong --arch" 125 run --arch vax "$tmp/spin.bin"
stderr_is "pinfold: --arch: 'vax' is not one of x86, x64, arm, arm64, riscv64"
run "--arch against the image" 125 run --arch arm "$guests/x64/sum.elf"
run "--thumb for another architecture" 125 run --thumb "$guests/x64/sum.elf"
stderr_is "pinfold: sum.elf: --thumb is for --arch arm only"
run "RAM that ends before the image" 125 run --mem 4K "$guests/x64/sum.elf"
stderr_has "but RAM is 0x0 to 0xfff; link it there, or change --mem"
run "a flat image behind RAM" 125 run --arch x86 --mem 4K --load 64K "$tmp/spin.bin"
stderr_has "but RAM is 0x0 to 0xfff; change --load or --mem"
run "no context" 125 run --load-context "$tmp/spin.bin"
stderr_is "pinfold: the context is not a Pinfold context file: it is too short"
run "unknown engine" 125 run --engine steam "$guests/x64/sum.elf"
stderr_has "no engine 'steam'"
run "too short a slice" 125 run --slice 0.4ms "$guests/x64/sum.elf"
stderr_is "pinfold: --slice: a slice is 0.5ms to 100ms long"
run "the shortest slice" 0 run --slice 0.5ms "$guests/x64/sum.elf"
run "a limit of 0" 125 run --timeout 0 "$guests/x64/sum.elf"
run "a negative limit" 125 run --limit-insns -1 "$guests/x64/sum.elf"
run "a size that is none" 125 run --mem 16X "$guests/x64/sum.elf"
stderr_has "--mem: "
run "an address that is none" 125 run --entry start "$guests/x64/sum.elf"
stderr_is "pinfold: --entry: 'start' is not an address; write 0x80000000 or 64K"
run "a plug-in that is none" 125 run --plugin "$tmp/spin.bin" "$guests/x64/sum.elf"
stderr_is "pinfold: the plug-in can't be loaded: file too short"
run "more memory than the board has room for" 125 run --mem 1T "$guests/x64/sum.elf"
run "--lockstep with one engine" 125 run --lockstep unicorn "$guests/x64/sum.elf"
run "--gdb where others could reach it" 125 run --gdb 0.0.0.0:1234 "$guests/x64/sum.elf"
stderr_has "--gdb: "
run "--gdb with --trace" 125 run --gdb "unix:$tmp/g" --trace - "$guests/x64/sum.elf"
stderr_is "pinfold: --gdb: not together with --trace"
"$pinfold" run "$guests/x64/sum.elf" <&- >"$tmp/out" 2>&-
check "closed standard descriptors" test $? -eq 0
stdout_has "sum 1..100 5050"

# ---- Lockstep --------------------------------------------------------------------------------
run "--lockstep of an engine with itself" 0 run --lockstep unicorn,unicorn "$guests/arm64/crc32.elf"
stdout_matches 'the engines agree over [0-9]+ instructions \(the guest exited with status 0\)'
run "--lockstep that a limit ends" 124 run --json --limit-insns 5000 --lockstep unicorn,unicorn "$guests/arm/endless.elf"
json '.agree and .limit and .instructions == 5000'

# ---- A device that its driver breaks -----------------------------------------------------------
# lui t0,0x10001; li t1,4; sw t1,0x70(t0): the status of slot 0; then the end, or a reset of the device, for ever.
printf '\267\022\000\020\023\003\100\000\043\250\142\006\267\002\020\000\067\123\000\000\023\003\123\125\043\240\142\000\157\000\000\000' \
	>"$tmp/breaks"
printf '\267\022\000\020\023\003\100\000\043\250\142\006\043\250\002\006\157\360\237\377' >"$tmp/breaks_on"
run "a device that has stopped" 0 run --board virt --arch riscv64 "$tmp/breaks"
stderr_is "pinfold: warning: virtio-rng in slot 0 has stopped until the guest resets it: DRIVER_OK without FEATURES_OK"
run "again and again" 124 run --board virt --arch riscv64 --timeout 2500ms "$tmp/breaks_on"
check "is told again" test "$(grep -c 'virtio-rng in slot 0 has stopped' "$tmp/err")" -ge 2
check "not more than once a second" test "$(grep -c 'virtio-rng in slot 0 has stopped' "$tmp/err")" -le 3

# ---- Disks -----------------------------------------------------------------------------------
head -c 65536 /dev/urandom >"$tmp/base.img"
run "disk: both" 125 run --board virt --kernel "$guests/riscv64/sum.elf" --disk "$tmp/base.img,overlay=$tmp/ov,snapshot"
stderr_has "overlay keeps changes, snapshot throws them away"
run "disk: a size of nothing else" 125 run --board virt --kernel "$guests/riscv64/sum.elf" --disk "$tmp/base.img,size=1M"
stderr_has "add overlay=FILE or snapshot"
run "disk: a size that is none" 125 run --board virt --kernel "$guests/riscv64/sum.elf" --disk "$tmp/base.img,size=big,snapshot"
stderr_has "size='big' is not a size"
run "disk: smaller than its base" 125 run --board virt --kernel "$guests/riscv64/sum.elf" --disk "$tmp/base.img,overlay=$tmp/small,size=1K"
stderr_has "the disk is smaller than its base"
run "disk: an overlay that is none" 125 run --board virt --kernel "$guests/riscv64/sum.elf" --disk "$tmp/base.img,overlay=$tmp/base.img"
stderr_has "is used by another VM"
cp "$tmp/base.img" "$tmp/noise.img"
run "disk info: no overlay" 125 disk info "$tmp/noise.img"
stderr_has "this is not an overlay of a disk"
run "disk info: nothing there" 125 disk info "$tmp/no-such-file"
stderr_has "No such file"
run "disk export: nothing is replaced" 125 disk export "$tmp/base.img" "$tmp/noise.img" "$tmp/noise.img"
stderr_has "this is not an overlay"

# ---- The rest --------------------------------------------------------------------------------
run "--version" 0 --version
stdout_matches '^pinfold [0-9]+\.[0-9]+\.[0-9]+$'
run "--help" 0 --help
stdout_has "doctor"
run "run --help" 0 run --help
for word in --mode --gdb --plugin .hex --load-context "--arch riscv64" .elf; do
	stdout_has "$word"
done
run "--verbose names the engine" 0 run -v "$guests/arm/sum.elf"
stderr_has "engine "
"$pinfold" doctor >"$tmp/out" 2>"$tmp/err"
status=$?
"$pinfold" doctor --json >"$tmp/json" 2>>"$tmp/err"
check "doctor says the same in JSON" test "$status" -eq $?
check "doctor: status and JSON agree" test "$(jq .complete "$tmp/json")" = "$([ "$status" -eq 0 ] && echo true || echo false)"
check "doctor: every architecture" test \
	"$(jq -r '[.engines[].arch] | unique | join(" ")' "$tmp/json")" = "arm arm64 riscv64 x64 x86"
check "doctor: isolation and cores" jq -e '(.isolation | length) > 5 and (.cores.plan | length) > 0' "$tmp/json"
native=$(jq '[.engines[] | select(.arch == "x64" and .engine == "kvm" and .usable and .slowdown <= 10)] | length' "$tmp/json")
check "doctor: the lack of hardware KVM is told" test "$(grep -c '^  hardware KVM ' "$tmp/out")" -eq $((1 - native))
check "doctor: nothing on standard error" test ! -s "$tmp/err"

finish
