#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Board virt under the daemon, without an operating system: what makes no sense is refused in one sentence, disks are the VM's
# own and count, ordinary users have no port but theirs. Real program, real uids.
# Usage: test_virt.sh BIN GUESTS SOURCE-DIR
# shellcheck source=tests/daemon/api_lib.sh
. "$3/api_lib.sh"

sum=$guests/riscv64/sum.elf
: >"$tmp/conf"
cat >>"$tmp/conf" <<'EOF'
quota_images = 40M
EOF
# shellcheck disable=SC2119 # no further options
daemon_start
head -c 100000 /dev/urandom >"$tmp/noise"
head -c 100 /dev/zero >"$tmp/tiny"
truncate -s 8M "$tmp/disk"
printf 'what the disk holds' | dd of="$tmp/disk" bs=1 seek=5000000 conv=notrunc 2>/dev/null
kernel=$(image "$sum")
noise=$(image "$tmp/noise")
tiny=$(image "$tmp/tiny")
disk=$(image "$tmp/disk")
nothing=$(printf %064d 0)
api PUT /v1/users/root/quota '{"images_bytes":null}' >/dev/null

cli() {
	PINFOLD_SOCKET=$sock "$bin/pinfold" "$@" 2>&1
}

# refused WHAT JSON-MEMBERS WORDS [BOARD]: POST /v1/vms answers with these words.
refused() {
	answer=$(api POST /v1/vms "{\"name\":\"x\",\"board\":\"${4:-virt}\"$2}" | jq -r .error.message)
	case $answer in
	*"$3"*) echo "pass $1" ;;
	*) fail "$1: got '$answer', want '$3'" ;;
	esac
}

# says WHAT WORDS COMMAND...: fails, and says so in one line.
says() {
	what=$1
	words=$2
	shift 2
	# A VM that was made and can't start has its name printed.
	if answer=$("$@" 2>&1); then
		fail "$what: was not refused"
		return
	fi
	answer=$(echo "$answer" | grep '^pinfold:')
	if [ "$(echo "$answer" | wc -l)" != 1 ]; then
		fail "$what: more than a sentence: $answer"
	else
		case $answer in
		*"$words"*) echo "pass $what" ;;
		*) fail "$what: got '$answer', want '$words'" ;;
		esac
	fi
}

# Of an overlay of the 8 MiB disk (docs/disks.md): the header, a page of map, the blocks.
blocks_at=8192

# scribble OVERLAY BLOCK TEXT: as the VM process would write it.
scribble() {
	{ printf '%s' "$3" && head -c $((4096 - ${#3})) /dev/zero; } | dd of="$1" bs=4096 seek=$(($2 + blocks_at / 4096)) conv=notrunc 2>/dev/null
	# shellcheck disable=SC2059 # an octal number
	printf "\\$(printf %o $((1 << $2 % 8)))" | dd of="$1" bs=1 seek=$((4096 + $2 / 8)) conv=notrunc 2>/dev/null
}

# Bytes of a VM's own disk, from an offset.
held() {
	rm -f "$tmp/held"
	"$bin/pinfold" disk export "$state/images/$(api GET "/v1/vms/$1" | jq -r '.spec.disks[0].image')" \
		"$state/disks/$(api GET "/v1/vms/$1" | jq -r .id)/0" "$tmp/held" || return
	dd if="$tmp/held" bs=1 skip="$2" count="$3" 2>/dev/null
}

# ---- what makes no sense, by the API ----

refused "nothing to start from" "" "image, kernel or context is needed"
refused "initrd without kernel" ",\"image\":\"$kernel\",\"initrd\":\"$noise\"" "initrd needs kernel"
refused "kernel and context" ",\"kernel\":\"$kernel\",\"context\":\"$noise\"" "kernel is in the context already"
refused "kernel on board bare" ",\"kernel\":\"$kernel\"" "kernel can't be had on board bare" bare
refused "disks on board bare" ",\"image\":\"$kernel\",\"disks\":[{\"image\":\"$disk\"}]" "disks can't be had on board bare" bare
refused "two CPUs on board bare" ",\"image\":\"$kernel\",\"cpus\":2" "cpus can't be had on board bare" bare
refused "a kernel that is not here" ",\"kernel\":\"$nothing\"" "there is no kernel 0000000000000000"
refused "an initrd that is not here" ",\"kernel\":\"$kernel\",\"initrd\":\"$nothing\"" "there is no initrd 0000000000000000"
refused "a disk that is not here" ",\"kernel\":\"$kernel\",\"disks\":[{\"image\":\"$nothing\"}]" "there is no image 0000000000000000... for disk 0"
refused "a disk without a sector" ",\"kernel\":\"$kernel\",\"disks\":[{\"image\":\"$tiny\"}]" "disk 0 is smaller than a sector"
refused "a disk without an image" ",\"kernel\":\"$kernel\",\"disks\":[{}]" "disks 0 needs image"
refused "a disk with a path" ",\"kernel\":\"$kernel\",\"disks\":[{\"path\":\"/etc/shadow\"}]" "disks 0 path is no field of a disk"
refused "five disks" ",\"kernel\":\"$kernel\",\"disks\":[{},{},{},{},{}]" "disks must be a list of at most 4 disks"
refused "a console of another kind" ",\"kernel\":\"$kernel\",\"console\":\"vga\"" "console must be uart or virtio"
refused "a virtio console on board bare" ",\"image\":\"$kernel\",\"console\":\"virtio\"" "console can't be had on board bare" bare
refused "nine CPUs" ",\"kernel\":\"$kernel\",\"cpus\":9" "cpus must be from 1 to 8"
refused "no CPU" ",\"kernel\":\"$kernel\",\"cpus\":0" "cpus must be from 1 to 8"
refused "a network of another kind" ",\"kernel\":\"$kernel\",\"net\":\"tap0\"" "net can't be had: 'tap0' is no kind of network"
refused "a port that is none" ",\"kernel\":\"$kernel\",\"net\":\"user,hostfwd=tcp::99999-:22\"" "net can't be had: hostfwd: '99999' is not a port"
want "nothing is left of what was refused" "$(api GET '/v1/vms?all=1')" "[]"
want "nor of its disks" "$(ls "$state/disks")" ""

# ---- and on the command line ----

says "create without anything" "an image or a kernel is missing" cli create x --board virt
says "create: board bare and a kernel" "--kernel needs another board: add --board virt" cli create x --kernel "$sum"
says "create: an initrd without a kernel" "--initrd needs --kernel" cli create x "$sum" --board virt --initrd "$tmp/noise"
says "create: a kernel that is not there" "no-such-file: No such file" cli create x --board virt --kernel "$tmp/no-such-file"
says "create: a disk that is a folder" "Is a directory" cli create x --board virt --kernel "$sum" --disk "$tmp"
says "create: a console of another kind" "--console: 'vga' is neither uart nor virtio" cli create x --board virt --kernel "$sum" --console vga
says "create: a port that is none" "--net: hostfwd: '0' is not a port" cli create x --board virt --kernel "$sum" --net user,hostfwd=tcp::0-:22
says "create: nine CPUs" "--smp: a number from 1 to 8" cli create x --board virt --kernel "$sum" --smp 9
says "run says the same" "--initrd needs --kernel" cli run "$sum" --board virt --initrd "$tmp/noise"

# ---- what only a VM process can tell: when it is made as well as when it starts ----

for how in --json --start; do
	says "a kernel that is none, $how" "kernel: a flat or HEX image does not say what it is for" cli create bad $how --board virt --kernel "$tmp/noise"
	says "a kernel of another machine, $how" "board virt is not for AArch64 guests" cli create bad $how --board virt --kernel "$guests/arm64/sum.elf"
	says "a board that there is not, $how" "there is no board 'nosuch'" cli create bad $how --board nosuch --kernel "$sum"
	says "an image that is none, $how" "noise: a flat or HEX image does not say what it is for" cli create bad $how "$tmp/noise"
	says "another architecture, $how" "sum.elf: the image is for RISC-V (RV64GC), not for ARMv7-A" cli create bad $how --arch arm "$sum"
	says "an engine that can't, $how" "engine dbt can't run AArch64 guests here" cli create bad $how --engine dbt "$guests/arm64/sum.elf"
	says "an engine that there is not, $how" "there is no engine 'nosuch'" cli create bad $how --engine nosuch "$sum"
	says "a register that there is not, $how" "has no register 'eax'" cli create bad $how --set eax=1 "$sum"
	says "an address of an ELF file, $how" "--load is for flat images" cli create bad $how --load 64K "$sum"
	says "too much memory, $how" "use a smaller --mem" cli create bad $how --mem 4G "$guests/x86/sum.elf"
	says "too many CPUs for its board, $how" "needs another board" cli create bad $how --smp 2 "$sum"
done
want "nothing is left of them" "$(api GET '/v1/vms?all=1')$(ls "$state/disks")" "[]"

# ---- disks ----

cli create --quiet one --board virt --kernel "$sum" --smp 2 --disk "$tmp/disk" --disk "$tmp/disk,ro" >/dev/null || fail "create one"
id=$(api GET /v1/vms/one | jq -r .id)
own=$state/disks/$id/0
want "a disk of its own" "$(held one 5000000 19)" "what the disk holds"
want "which others can't open" "$(stat -c %a "$own")" 600
want "which takes no room yet" "$([ "$(stat -c %b "$own")" -le 32 ] && echo yes)" yes
want "a disk that is only read has no copy" "$(ls "$state/disks/$id")" 0
want "what the VM is" "$(api GET /v1/vms/one | jq -c '[.cpus, .board, [.spec.disks[]|[.read_only,.bytes,.name]]]')" \
	'[2,"virt",[[false,8388608,"disk"],[true,8388608,"disk"]]]'
says "disks count against the quota" "images and disks of this user" as 65001 65001 env PINFOLD_SOCKET="$sock" "$bin/pinfold" \
	create big --board virt --kernel "$sum" --disk "$tmp/disk" --disk "$tmp/disk" --disk "$tmp/disk" --disk "$tmp/disk"
want "and nothing is left of it" "$(ls "$state/disks")" "$id"
scribble "$own" 0 changed
daemon_end KILL
mkdir "$state/disks/0123456789abcdef"
: >"$state/disks/0123456789abcdef/0"
# shellcheck disable=SC2119 # no further options
daemon_start
want "disks outlive the daemon" "$(held one 0 7)" changed
want "those of no VM go" "$(ls "$state/disks")" "$id"
truncate -s 4M "$own"
says "a disk that was changed behind its back" "disk 0 of VM one can't be used: its file was changed" cli start one
cli rm --quiet one >/dev/null
want "disks go with their VM" "$(ls "$state/disks")" ""

# Twelve VMs of one image: more than the quota has room for, were each to have a copy.
used() {
	api GET /v1/users | jq '.[]|select(.uid==65001)|.used.images_bytes'
}
mine() {
	as 65001 65001 env PINFOLD_SOCKET="$sock" "$bin/pinfold" "$@"
}
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
	mine create --quiet "many$i" --board virt --kernel "$sum" --disk "$tmp/disk,room=1M" >/dev/null || fail "create many$i"
done
want "twelve disks of one image" "$(find "$state/disks" -type f | wc -l)" 12
want "take next to no room" "$([ "$(find "$state/disks" -type f -printf '%b\n' | awk '{ n += $1 } END { print n }')" -le 384 ] && echo yes)" yes
want "count with the room that they may take" "$(($(used) - 8388608 - $(stat -c %s "$sum" | awk '{ print int(($1 + 4095) / 4096) * 4096 }')))" $((12 * (1048576 + blocks_at)))
says "until the quota is used up" "images and disks of this user" mine create more --board virt --kernel "$sum" --disk "$tmp/disk,room=8M" --disk "$tmp/disk,room=8M" --disk "$tmp/disk,room=8M"
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
	mine rm --quiet "many$i" >/dev/null
done
want "and give it back" "$(ls "$state/disks")" ""
says "room above the disk" "there is no use for more room" cli create x --board virt --kernel "$sum" --disk "$tmp/disk,room=9M"
says "an overlay of one's own" "overlay and size are for pinfold run" cli create x --board virt --kernel "$sum" --disk "$tmp/disk,overlay=$tmp/overlay"
says "a snapshot that is only read" "ro is for a disk that is not written to" cli create x --board virt --kernel "$sum" --disk "$tmp/disk,snapshot,ro"
refused "the same by the API" ",\"kernel\":\"$kernel\",\"disks\":[{\"image\":\"$disk\",\"read_only\":true,\"snapshot\":true}]" "0 is read_only"

cli create --quiet --start --board virt --mem 16M --engine dbt again "$guests/riscv64/endless.elf" --disk "$tmp/disk,snapshot" >/dev/null || fail "a snapshot disk"
until_state again running
scribble "$state/disks/$(api GET /v1/vms/again | jq -r .id)/0" 3 "of this run"
want "a snapshot disk is written to" "$(held again 12288 11)" "of this run"
cli kill --quiet again >/dev/null
cli start --quiet again >/dev/null
want "and begins anew" "$(held again 12288 11 | tr -d '\0')" ""
cli rm --quiet --force again >/dev/null

# ---- snapshots ----

cli create --quiet --start --board virt --mem 16M --engine dbt snap "$guests/riscv64/endless.elf" --disk "$tmp/disk" --disk "$tmp/disk,ro" >/dev/null ||
	fail "a VM with disks"
until_state snap running
scribble "$state/disks/$(api GET /v1/vms/snap | jq -r .id)/0" 1 before
cli snapshot --quiet snap "$tmp/snap" >/dev/null || fail "a snapshot with disks"
want "it has its disks" "$([ "$(stat -c %s "$tmp/snap")" -gt 16777216 ] && echo yes)" yes
want "their copies are given back" "$(ls "$state/disks")" "$(api GET /v1/vms/snap | jq -r .id)"
scribble "$state/disks/$(api GET /v1/vms/snap | jq -r .id)/0" 1 behind
cli rm --quiet --force snap >/dev/null
cli restore --quiet --start "$tmp/snap" >/dev/null || fail "a restored VM with disks"
until_state snap running
want "a restored disk is as it was" "$(held snap 4096 6)$(held snap 5000000 19)" "beforewhat the disk holds"
# As a VM process would that was taken over.
truncate -s 16M "$state/disks/$(api GET /v1/vms/snap | jq -r .id)/0"
until_state snap killed
want "a VM whose disk grows is killed" "$(api GET /v1/vms/snap | jq -r .message)" "its process wrote more to a disk than it may"
want "and its disk is cut" "$(stat -c %s "$state/disks/$(api GET /v1/vms/snap | jq -r .id)/0")" $((8388608 + blocks_at))
cli start --quiet snap >/dev/null
scribble "$state/disks/$(api GET /v1/vms/snap | jq -r .id)/0" 1 'later!'
cli kill --quiet snap >/dev/null
cli start --quiet snap >/dev/null
want "and is so again at its next start" "$(held snap 4096 6)" before
n=$(find "$state/images" -type f | wc -l)
cli rm --quiet --force snap >/dev/null
want "context and disks of a restored VM go with it" "$((n - $(find "$state/images" -type f | wc -l)))" 4
for where in 17 9000000; do
	cp "$tmp/snap" "$tmp/bad"
	printf X | dd of="$tmp/bad" bs=1 seek=$(($(stat -c %s "$tmp/bad") - where)) conv=notrunc 2>/dev/null
	says "a damaged disk, $where bytes from the end" "the disk in this snapshot is damaged" cli restore "$tmp/bad"
done
head -c -1 "$tmp/snap" >"$tmp/bad"
says "a snapshot whose disks are cut" "the disks in this snapshot are not whole" cli restore "$tmp/bad"
(cat "$tmp/snap" && echo) >"$tmp/bad"
says "a snapshot with something behind" "the disks in this snapshot are not whole" cli restore "$tmp/bad"
want "nothing is left of them" "$(api GET '/v1/vms?all=1')$(ls "$state/disks")" "[]"

# ---- resets ----

# lui t0,0x100; lui t1,0x7; addi t1,t1,0x777; sw t1,0(t0); j .: it resets the machine, at once and for ever.
printf '\267\002\020\000\067\163\000\000\023\003\163\167\043\240\142\000\157\000\000\000' >"$tmp/resetter"
resets() {
	api GET "/v1/vms/$1" | jq .resets
}
cli create --quiet --start --board virt --arch riscv64 --mem 16M --smp 2 resets "$tmp/resetter" --disk "$tmp/disk" >/dev/null || fail "a VM that resets itself"
i=0
until [ "$(resets resets)" -ge 20 ] || [ $i -gt 600 ]; do
	i=$((i + 1))
	sleep 0.05
done
want "a guest that resets its machine begins anew" "$([ "$(resets resets)" -ge 20 ] && echo yes)" yes
want "is told" "$( (curl -s -N -m 5 --unix-socket "$sock" 'http://x/v1/events?from=1' || true) | grep -c '"vm.reset"' | sed 's/^[1-9][0-9]*$/yes/')" yes
want "is still the same run" "$(api GET /v1/vms/resets | jq .runs)" 1
cli pause --quiet resets || fail "pause a VM that resets itself"
n=$(resets resets)
sleep 0.2
want "paused it resets nothing" "$(($(resets resets) - n <= 1))" 1
cli snapshot --quiet resets "$tmp/resets.snap" || fail "a snapshot of it"
cli resume --quiet resets || fail "resume it"
daemon_end KILL
# shellcheck disable=SC2119 # no further options
daemon_start
n=$(resets resets)
i=0
until [ "$(resets resets)" -gt "$n" ] || [ $i -gt 600 ]; do
	i=$((i + 1))
	sleep 0.05
done
want "it goes on behind a new daemon" "$([ "$(resets resets)" -gt "$n" ] && echo yes)" yes
want "nothing ran without a grant" "$(api GET /v1/vms/resets | jq '[.scheduling.strays,.scheduling.forged,.scheduling.freezes]|add')" 0
cli kill --quiet resets || fail "kill it"
cli rm --quiet resets >/dev/null
cli restore --quiet --start --name restored "$tmp/resets.snap" >/dev/null || fail "restore it"
until_state restored stopped
want "from a context there is no beginning" "$(api GET /v1/vms/restored | jq -r .message)" "the guest asked for a reset; a VM that goes on from a context has no beginning to go back to"
cli rm --quiet --force restored >/dev/null
cli create --quiet --start --board virt --arch riscv64 --mem 16M ends "$tmp/resetter" --no-reboot >/dev/null || fail "--no-reboot"
until_state ends stopped
want "without reboots it ends" "$(api GET /v1/vms/ends | jq -c '[.message,.resets]')" '["the guest asked for a reset",0]'
cli rm --quiet ends >/dev/null

# ---- a device that its driver breaks ----

# lui t0,0x10001; li t1,4; sw t1,0x70(t0); j .: DRIVER_OK before anything else.
printf '\267\022\000\020\023\003\100\000\043\250\142\006\157\000\000\000' >"$tmp/breaker"
cli create --quiet --start --board virt --arch riscv64 --mem 16M breaks "$tmp/breaker" --disk "$tmp/disk" >/dev/null || fail "a VM that breaks its disk"
i=0
until grep -q 'why="virtio-blk in slot 0 has stopped until the guest resets it: DRIVER_OK without FEATURES_OK"' "$tmp/log" || [ $i -gt 200 ]; do
	i=$((i + 1))
	sleep 0.05
done
want "is told in the log" "$([ $i -le 200 ] && echo yes)" yes
want "and as an event" "$( (curl -s -N -m 5 --unix-socket "$sock" 'http://x/v1/events?from=1' || true) | grep -c '"vm.device".*virtio-blk')" 1
cli kill --quiet breaks >/dev/null
cli rm --quiet breaks >/dev/null

# ---- stop ----

cli create --quiet --start --board virt --mem 16M --engine dbt deaf "$guests/riscv64/endless.elf" >/dev/null || fail "a VM without a driver"
until_state deaf running
want "a guest without a driver can't be asked" "$(api POST /v1/vms/deaf/shutdown '{}' | jq -r .error.message)" \
	"the guest of VM deaf has no driver for a power button"
before=$(date +%s)
cli stop --quiet --time 1m deaf || fail "stop a VM without a driver"
want "and is ended at once" "$([ $(($(date +%s) - before)) -lt 30 ] && echo yes)" yes
says "stop: a time that is none" "--time: 'soon' is not a time" cli stop --time soon deaf
cli rm --quiet deaf >/dev/null

# ---- networks ----

# ask UID NET: what an ordinary user is told.
ask() {
	answer=$(as "$1" "$1" env PINFOLD_SOCKET="$sock" "$bin/pinfold" create --quiet net --board virt --kernel "$sum" --net "$2" 2>&1)
	as "$1" "$1" env PINFOLD_SOCKET="$sock" "$bin/pinfold" rm --quiet net >/dev/null 2>&1
	echo "$answer"
}
case $(ask 65001 user,hostfwd=tcp::80-:80) in
*"port 80 is for administrators"*) echo "pass a port below 1024" ;;
*) fail "an ordinary user has port 80" ;;
esac
case $(ask 65001 user,hostfwd=tcp:0.0.0.0:18080-:80) in
*"only administrators open ports for others"*) echo "pass a port for others" ;;
*) fail "an ordinary user has a port for others" ;;
esac
case $(ask 65001 user,hostfwd=tcp:127.0.0.2:18080-:80) in
*administrators*) fail "an ordinary user has no port at all" ;;
*) echo "pass a port of the loopback" ;;
esac
want "an administrator has any" "$(cli create net --board virt --kernel "$sum" --net user,hostfwd=tcp:0.0.0.0:80-:80)" net
want "but not for an ordinary user" "$(cli create net2 --owner 65001 --board virt --kernel "$sum" --net user,hostfwd=tcp::80-:80 | grep -c 'is for administrators')" 1
cli rm --quiet net >/dev/null

# A VM that stands: its network is there with it, jailed, and gone with it.
cli create --quiet --start --board virt net "$guests/riscv64/endless.elf" --net user,hostfwd=udp::"$((20000 + $$ % 20000))"-:53 >/dev/null ||
	fail "a VM with a network"
until_state net running
net=$(pgrep -n -P "$daemon" pinfold-net)
want "a network of its own, as nobody" "$([ "$(stat -c %u "/proc/$net")" -gt 100000 ] && echo yes)" yes
want "without rights" "$(grep -c '^Cap\(Prm\|Eff\|Bnd\):.0000000000000000' "/proc/$net/status")" 3
want "with a filter" "$(sed -n 's/^Seccomp:.//p' "/proc/$net/status")" 2
want "off the pool" "$(taskset -pc "$net" | sed 's/.*: //' | tr ',-' '\n' | grep -cx "$(api GET /v1/cores | jq '[.[]|select(.is_pool)][0].host_core')")" 0
want "nothing but its sockets" "$(find "/proc/$net/fd" -lname 'socket:*' | wc -l) $(find "/proc/$net/fd" -not -lname 'socket:*' -type l -exec readlink {} + | sort -u)" "2 /dev/null"
want "its port is taken" "$(cli create --start --board virt net3 "$sum" --net user,hostfwd=udp::"$((20000 + $$ % 20000))"-:53 | grep -c "UDP port .* can't be opened: Address already in use")" 1
want "a port below 1024 for an administrator" "$(cli create --start --board virt low "$guests/riscv64/endless.elf" --net user,hostfwd=udp::"$((600 + $$ % 400))"-:53)" low
cli rm --quiet --force low >/dev/null
kill -KILL "$net"
cli kill --quiet net >/dev/null || fail "a VM that lost its network"
cli rm --quiet net net3 >/dev/null
cli create --quiet --start --board virt net "$guests/riscv64/endless.elf" --net user >/dev/null
net=$(pgrep -n -P "$daemon" pinfold-net)
daemon_end KILL
# shellcheck disable=SC2119 # no further options
daemon_start
want "a network outlives the daemon" "$(ps -o stat= -p "$net" | grep -c '^S')" 1
cli kill --quiet net >/dev/null
i=0
while ps -o stat= -p "$net" | grep -q '^[SR]' && [ $i -lt 600 ]; do
	i=$((i + 1))
	sleep 0.05
done
want "and goes with its VM" "$(ps -o stat= -p "$net" | grep -c '^[SR]')" 0
exit $((failures > 0))
