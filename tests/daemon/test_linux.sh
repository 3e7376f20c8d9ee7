#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by name
# Linux VMs under the daemon: they share the pool fairly, and are killed, paused, snapshotted and restored at random, the daemon
# too, while a program in each of them looks for mistakes of its machine (linux_checker.c). One has a core of its own; where the
# pool has no second one, for a while only, and the others wait.
# Usage: test_linux.sh BIN GUESTS SOURCE-DIR [--vms N] [--times N] [--seed N]
# --times: how often each of the four things is done. The long form is --vms 10 --times 100.
here=$3
vms=3
times=3
seed=$(($(date +%s) % 100000))
# shellcheck source=tests/daemon/api_lib.sh
. "$3/api_lib.sh"
# shellcheck source=tests/riscv_lib.sh
. "$3/../riscv_lib.sh"
shift 3
while [ $# -ge 2 ]; do
	case $1 in
	--vms) vms=$2 ;;
	--times) times=$2 ;;
	--seed) seed=$2 ;;
	*) echo "unknown option $1" && exit 2 ;;
	esac
	shift 2
done
echo "vms=$vms times=$times seed=$seed"
started=$(date +%s)
say() { echo "$(($(date +%s) - started)) s: $*"; }

need_dbt "$guests/.."
need_tools riscv64-linux-gnu-gcc cc cpio
need_packages "$here/../.."

# build COMPILER OPTION...: the checker for one of the machines.
build() {
	"$@" -D_GNU_SOURCE -O2 -ffp-contract=off "$here/linux_checker.c" -lm || exit 1
}
build riscv64-linux-gnu-gcc -static -o "$tmp/checker"
build cc -o "$tmp/verify"
cat >"$tmp/script" <<'EOF'
checker 0 /dev/vda &
checker 1 &
wait
EOF
"$here/../../scripts/riscv/initrd" "$packages" "$tmp/initrd" "$tmp/script" "$tmp/checker"
truncate -s 8M "$tmp/disk"
mkdir "$tmp/out"
# Contexts of all sizes come and go; also the only core may be somebody's own.
printf 'quota_images = none\nexclusive_cap = 1\n' >"$tmp/conf"

cli() {
	PINFOLD_SOCKET=$sock "$bin/pinfold" "$@"
}

vm_field() {
	api GET "/v1/vms/$1" | jq -r "$2"
}

# The latest round of a stream that VM $1 has printed, or -1.
round() {
	cli logs "$1" 2>/dev/null | tr -d '\r' | sed -n "s/^check $2 \([0-9]*\) [0-9a-f]\{16\}\$/\1/p" | tail -n 1 | grep . || echo -1
}

# is_past VM ROUND ROUND: of both streams.
is_past() {
	[ "$(round "$1" 0)" -gt "$2" ] && [ "$(round "$1" 1)" -gt "$3" ]
}

# VM $1 prints more rounds of both streams than it has so far.
goes_on() {
	within 120 is_past "$1" "$(round "$1" 0)" "$(round "$1" 1)" ||
		fail "$1 does not go on: $(vm_field "$1" '[.state,.message]') $(cli logs "$1" | tail -n 3)"
}

# VM $1 prints $2.
says() {
	cli logs "$1" | grep -q "$2"
}

# What VM $1 has printed in the run that ends now.
runs=0
keep_output() {
	runs=$((runs + 1))
	cli logs "$1" >"$tmp/out/$1.$runs" 2>/dev/null
}

make() {
	cli create --quiet --start --board virt --mem 96M --smp 2 --kernel "$packages/vmlinux" --initrd "$tmp/initrd" \
		--append "console=ttyS0 quiet" --disk "$tmp/disk" "$1" >/dev/null || fail "$1 can't be made"
}

pick() { # N: $picked is from 0 to N-1
	seed=$(((seed * 1103515245 + 12345) & 2147483647))
	picked=$(((seed >> 8) % $1))
}

# ---- what is done to them; called by name ----

do_pause() {
	cli pause --quiet "$1" || fail "$1: pause"
	sleep 0.05
	cli resume --quiet "$1" || fail "$1: resume"
}

do_snapshot() {
	cli snapshot --quiet "$1" "$tmp/$1.snap" || fail "$1: snapshot"
}

do_kill() {
	keep_output "$1"
	cli kill --quiet "$1" || fail "$1: kill"
	cli start --quiet "$1" || fail "$1: start"
}

# From the last snapshot, in place of the VM that there is.
do_restore() {
	[ -e "$tmp/$1.snap" ] || do_snapshot "$1"
	keep_output "$1"
	cli rm --quiet --force "$1" || fail "$1: rm"
	cli restore --quiet --start --name "$1" "$tmp/$1.snap" >/dev/null || fail "$1: restore"
}

daemon_again() {
	daemon_end KILL
	# shellcheck disable=SC2119 # no further options
	daemon_start
	restarts=$((restarts + 1))
}

# ---- one that waits ----

# A guest that waits costs the wake-ups of its own timers: its vCPU thread sleeps once per grant, and never wakes without one.
idle_costs_nothing() {
	"$here/../../scripts/riscv/initrd" "$packages" "$tmp/idle"
	cli create --quiet --start --board virt --mem 96M --smp 2 --kernel "$packages/vmlinux" --initrd "$tmp/idle" \
		--append "console=ttyS0 quiet" --net user idle >/dev/null || fail "idle can't be made"
	within 60 says idle "shell ready" || fail "idle does not boot"
	sleep 2
	pid=$(vm_field idle .pid)
	vcpu=$(grep -lx vcpu "/proc/$pid/task/"*/comm)
	sleeps() {
		awk '/voluntary_ctxt_switches/ { n += $2 } END { print n }' "${vcpu%comm}status"
	}
	sleeps_before=$(sleeps)
	before=$(vm_field idle '"\(.scheduling.grants) \(.cpu_ns)"')
	sleep 4
	after=$(vm_field idle '"\(.scheduling.grants) \(.cpu_ns)"')
	sleeps=$(($(sleeps) - sleeps_before))
	grants=$((${after% *} - ${before% *}))
	cpu_ms=$(((${after#* } - ${before#* }) / 1000000))
	say "a guest that waits for 4 s: $grants grants, its thread slept $sleeps times, $cpu_ms ms of CPU time"
	if [ "$grants" -eq 0 ] || [ "$sleeps" -gt $((grants + grants / 2 + 10)) ]; then
		fail "a vCPU thread wakes without a grant"
	fi
	[ "$cpu_ms" -le 200 ] || fail "a guest that waits uses CPU time"
	want "idle: nothing ran without a grant" "$(vm_field idle '[.scheduling.strays,.scheduling.forged,.scheduling.freezes]|add')" 0
	cli rm --quiet --force idle >/dev/null
}

# ---- one alone ----

# CPU time of all VMs with a shared core: NAME NS ...
times_now() {
	api GET /v1/vms | jq -r '.[]|select(.exclusive|not)|"\(.name) \(.cpu_ns)"' | sort
}

is_used() {
	[ "$(api GET /v1/status | jq .exclusive.used)" = 1 ]
}

# The pool's only core is linux0's for as long as others need for some rounds; they stand still, and go on afterwards.
alone_for_a_while() {
	cli pin --quiet linux0 || fail "no core for linux0 alone"
	within 10 is_used || fail "the core is not given"
	want "linux0 has the core" "$(vm_field linux0 .exclusive)" true
	times_now >"$tmp/before"
	goes_on linux0
	goes_on linux0
	times_now >"$tmp/after"
	want "nobody else has run" "$(cat "$tmp/after")" "$(cat "$tmp/before")"
	cli unpin --quiet linux0 || fail "linux0 keeps the core"
	goes_on linux1
}

# ---- stop ----

# What listens to the power button shuts down; what does not is ended when its time is over, and at once if it has no driver.
stop_asks() {
	cat >"$tmp/listen" <<'EOF'
echo "listens"
head -c 24 /dev/input/event0 >/dev/null
echo "shuts down"
EOF
	cat >"$tmp/deaf" <<'EOF'
echo "listens"
while :; do sleep 1; done
EOF
	for name in listen deaf; do
		"$here/../../scripts/riscv/initrd" "$packages" "$tmp/initrd-$name" "$tmp/$name"
		cli create --quiet --start --board virt --mem 96M --kernel "$packages/vmlinux" --initrd "$tmp/initrd-$name" \
			--append "console=ttyS0 quiet" "$name" >/dev/null || fail "$name can't be made"
		within 60 says "$name" listens || fail "$name does not boot"
	done
	cli stop --quiet --time 60 listen || fail "stop: a guest that listens"
	want "a guest that listens shuts down by itself" "$(vm_field listen .message)" "the guest exited with status 0"
	want "and says so" "$(cli logs listen | grep -c "shuts down")" 1
	before=$(date +%s)
	cli stop --quiet --time 2 deaf || fail "stop: a guest that is deaf"
	want "one that is deaf has its time" "$([ $(($(date +%s) - before)) -ge 2 ] && echo yes)" yes
	want "and is ended" "$(vm_field deaf .state)" stopped
	cli rm --quiet listen deaf >/dev/null
}

# ---- the fleet ----

# shellcheck disable=SC2119 # no further options
daemon_start
idle_costs_nothing
stop_asks
pool=$(api GET /v1/cores | jq '[.[]|select(.is_pool)]|length')
n=0
while [ $n -lt "$vms" ]; do
	make "linux$n"
	n=$((n + 1))
done
n=0
while [ $n -lt "$vms" ]; do
	goes_on "linux$n"
	n=$((n + 1))
done
say "all $vms have booted"

if [ "$pool" -ge 2 ] && [ "$vms" -ge 3 ]; then
	cli pin --quiet linux0 || fail "no core for linux0 alone"
	want "one has a core of its own" "$(vm_field linux0 .exclusive)" true
	per_core=$(((vms - 1 + pool - 2) / (pool - 1)))
else
	alone_for_a_while
	per_core=$vms
fi
times_now >"$tmp/before"
sleep 4
times_now >"$tmp/after"
# Jain's index of what each got; a reading may be one slice old.
fair=$(join "$tmp/before" "$tmp/after" | awk '{ d = $3 - $2; s += d; q += d * d; n++ } END { printf "%.5f", n ? s * s / (n * q) : 0 }')
echo "fairness of $(wc -l <"$tmp/before") VMs, $per_core on a core: Jain $fair"
[ "$(echo "$fair" | awk '{ print ($1 >= 0.995) }')" = 1 ] || fail "not fair: $(join "$tmp/before" "$tmp/after")"

# ---- at random ----

restarts=0
ops=$(awk -v n="$times" -v seed="$seed" 'BEGIN {
	srand(seed); k = split("pause snapshot kill restore", name)
	for (i = 0; i < n * k; i++) { op[i] = name[i % k + 1] }
	for (i = n * k - 1; i > 0; i--) { j = int(rand() * (i + 1)); t = op[i]; op[i] = op[j]; op[j] = t }
	for (i = 0; i < n * k; i++) { print op[i] }
}')
done_ops=0
for op in $ops; do
	pick "$vms"
	vm=linux$picked
	"do_$op" "$vm"
	done_ops=$((done_ops + 1))
	[ "$failures" -gt 3 ] && break
	[ $((done_ops % 10)) -ne 5 ] || daemon_again
	pick 5
	sleep "0.$picked"
done
say "$done_ops operations, the daemon killed $restarts times"

n=0
while [ $n -lt "$vms" ]; do
	goes_on "linux$n"
	want "linux$n: nothing ran without a grant" "$(vm_field "linux$n" '[.scheduling.strays,.scheduling.forged,.scheduling.freezes]|add')" 0
	keep_output "linux$n"
	n=$((n + 1))
done
want "faults" "$(api GET /v1/faults)" "[]"
if "$tmp/verify" --verify "$tmp"/out/* >"$tmp/verdict"; then
	echo "pass $(awk '{ n += $(NF - 1) } END { print n }' "$tmp/verdict") links are right"
else
	fail "wrong in a guest: $(grep -v links "$tmp/verdict" | head -n 5)"
fi
exit $((failures > 0))
