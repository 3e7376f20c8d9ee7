#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's stock RISC-V kernel on board virt: boots to busybox with one and four harts, reads and writes its disks, fetches a
# file from a server on this machine's loopback and serves one, and powers off; a snapshot in the middle of the boot goes
# on where it was. Usage: test_linux.sh BUILD-DIR
# Exit status 77 when the packages can't be had.
set -u
build=$1
cd "$(dirname "$0")/../.." || exit 1
. tests/riscv_lib.sh
. tests/system/check_lib.sh
pinfold=$build/bin/pinfold
need_dbt "$build"
need_packages .

# boot NAME ARGUMENTS...: a guest that does what $tmp/NAME says, with $input on its console; $tmp/out, $tmp/err, $status
input=/dev/null
boot()
{
	scripts/riscv/initrd "$packages" "$tmp/initrd" "$tmp/$1"
	shift
	timeout 200 "$pinfold" run --board virt --mem 256M --timeout 180s --kernel "$packages/vmlinux" --initrd "$tmp/initrd" \
		--append "console=ttyS0 quiet" "$@" <"$input" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

says()
{
	grep -q -- "$1" "$tmp/out"
}

ended_well()
{
	[ "$status" -eq 0 ]
}

cat >"$tmp/hello" <<'EOF'
echo "harts: $(nproc)"
i=0; while [ $i -lt 200 ]; do i=$((i + 1)); (exit $((i % 2))); done
echo "forked: $i"
EOF
boot hello
check "one hart: ends with the guest's power-off" ended_well
check "one hart: the guest sees one" says "harts: 1"
check "one hart: processes come and go" says "forked: 200"
boot hello --smp 4
check "four harts: ends well" ended_well
check "four harts: the guest sees four" says "harts: 4"
check "four harts: processes come and go" says "forked: 200"

if [ -e "$opensbi" ]; then
	boot hello --smp 2 "$opensbi"
	check "behind OpenSBI: ends well" ended_well
	check "behind OpenSBI: the guest sees two harts" says "harts: 2"
	check "behind OpenSBI: processes come and go" says "forked: 200"
fi

head -c 4194304 /dev/urandom >"$tmp/read.img"
sum=$(md5sum <"$tmp/read.img" | cut -d ' ' -f 1)
truncate -s 1G "$tmp/write.img" # much larger than the guest's RAM
cat >"$tmp/disks" <<'EOF'
echo "sum: $(md5sum </dev/vda)"
echo "written by the guest" | dd of=/dev/vdb seek=2000000 conv=sync 2>/dev/null
echo x 2>/dev/null >/dev/vda || echo "vda: refused"
sync
EOF
boot disks --disk "$tmp/read.img,ro" --disk "$tmp/write.img"
check "disks: ends well" ended_well
check "disks: all bytes are read" says "sum: $sum"
check "disks: read-only is read-only" says "vda: refused"
wrote()
{
	dd if="$tmp/write.img" skip=2000000 count=1 2>/dev/null | grep -q "written by the guest"
}
check "disks: what was written is in the file" wrote

# Copy-on-write: the base stays as it is, changes are kept, thrown away, written back.
cp "$tmp/read.img" "$tmp/base.img"
cat >"$tmp/cow" <<'EOF'
echo "sum: $(md5sum </dev/vda)"
dd if=/dev/urandom of=/dev/vda bs=1000 seek=77 count=40 conv=notrunc 2>/dev/null
sync
echo "then: $(md5sum </dev/vda)"
EOF
then_sum()
{
	sed -n 's/^then: \([0-9a-f]*\).*/\1/p' "$tmp/out"
}
boot cow --disk "$tmp/base.img,overlay=$tmp/overlay"
then=$(then_sum)
check "overlay: ends well" ended_well
check "overlay: begins as its base" says "sum: $sum"
check "overlay: is not a copy" test "$(du -k "$tmp/overlay" | cut -f 1)" -lt 200
boot cow --disk "$tmp/base.img,overlay=$tmp/overlay"
check "overlay: keeps what was written" says "sum: $then"
then=$(then_sum)
boot cow --disk "$tmp/base.img,snapshot"
check "snapshot: begins as its base" says "sum: $sum"
check "snapshot: is written to" test "$(then_sum)" != "$sum"
check "the base is as it was" cmp "$tmp/read.img" "$tmp/base.img"
"$pinfold" disk export "$tmp/base.img" "$tmp/overlay" "$tmp/whole.img"
check "export: base and changes" test "$(md5sum <"$tmp/whole.img" | cut -d ' ' -f 1)" = "$then"
"$pinfold" disk commit "$tmp/base.img" "$tmp/overlay"
check "commit: the base is the disk" cmp "$tmp/base.img" "$tmp/whole.img"
boot cow --disk "$tmp/base.img,overlay=$tmp/overlay"
check "commit: the overlay goes on from there" says "sum: $then"
boot cow --disk "$tmp/read.img,overlay=$tmp/overlay"
check "another base is refused" grep -q "not the base" "$tmp/err"

cat >"$tmp/console" <<'EOF'
echo "from the serial port"
exec </dev/hvc0 >/dev/hvc0 2>&1
echo "what now?"
read -r line
echo "read: $line"
echo "rng: $(cat /sys/class/misc/hw_random/rng_current) $(head -c 1000 /dev/hwrng | wc -c)"
i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); echo "a line of many that go out through a virtio console"; done
EOF
# Linux drops input that comes before its driver is ready.
: >"$tmp/out"
mkfifo "$tmp/line"
(
	i=0
	until grep -q "what now" "$tmp/out" || [ $i -gt 900 ]; do
		i=$((i + 1))
		sleep 0.2
	done
	echo "to the guest"
) >"$tmp/line" &
client=$!
input=$tmp/line
boot console --console virtio
input=/dev/null
wait "$client"
check "virtio console: ends well" ended_well
check "virtio console: input" says "read: to the guest"
check "virtio console: output that is read slowly" test "$(grep -c "a line of many" "$tmp/out")" = 3000
check "virtio console: the serial port prints, too" says "from the serial port"
check "entropy source: virtio" says "rng: virtio_rng.0 1000"

# Three times, while the disk is at work. What is on the disk stays, and what is in memory does not.
truncate -s 1M "$tmp/count.img"
cat >"$tmp/reboots" <<'EOF'
n=$(head -c 1 /dev/vda | tr -d '\0')
echo "boot ${n:-0}, $(nproc) harts, $(cut -d ' ' -f 1 /proc/uptime | cut -d . -f 1) s"
[ "${n:-0}" -lt 3 ] || exit 0
echo "$((${n:-0} + 1))" | dd of=/dev/vda conv=notrunc,sync 2>/dev/null
sync
(while :; do dd if=/dev/vda of=/dev/null bs=4k iflag=direct 2>/dev/null; done) &
reboot -f
EOF
boot reboots --smp 2 --json --disk "$tmp/count.img"
check "reboots: ends well" ended_well
for n in 0 1 2 3; do
	check "reboots: number $n" says "boot $n, 2 harts"
done
check "reboots: are counted" test "$(tail -n 1 "$tmp/out" | jq .resets)" = 3
truncate -s 0 "$tmp/count.img"
truncate -s 1M "$tmp/count.img"
boot reboots --no-reboot --disk "$tmp/count.img,snapshot"
check "no reboot: ends" ended_well
check "no reboot: is not begun anew" test "$(grep -c "boot" "$tmp/out")" = 2

mkdir "$tmp/www"
head -c 300000 /dev/urandom >"$tmp/www/file"
sum=$(md5sum <"$tmp/www/file" | cut -d ' ' -f 1)
# Ports of our own, so that two runs of this test don't meet.
port=$((20000 + $$ % 20000))
busybox httpd -f -p "127.0.0.1:$port" -h "$tmp/www" &
pid=$!
cat >"$tmp/net" <<EOF
ip link set eth0 up
echo 'ip addr add \$ip/24 dev eth0; ip route add default via \$router' >/tmp/lease
chmod 755 /tmp/lease
udhcpc -i eth0 -n -q -s /tmp/lease >/dev/null 2>&1
echo "address: \$(ip addr show eth0 | grep -o '10.0.2.15')"
echo "fetched: \$(wget -q -O - http://10.0.2.2:$port/file | md5sum)"
printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 15\\r\\n\\r\\nfrom the guest\\n' | timeout 100 nc -l -p 80 >/dev/null
EOF
(
	i=0
	while [ $i -lt 300 ]; do
		i=$((i + 1))
		# It serves once: who gives up too early on a busy machine gets nothing more.
		curl -s -m 30 "http://127.0.0.1:$((port + 1))/" >"$tmp/served" && grep -q "from the guest" "$tmp/served" && break
		sleep 0.2
	done
) &
client=$!
boot net --net "user,host=on,hostfwd=tcp:127.0.0.1:$((port + 1))-:80"
wait "$client"
check "network: ends well" ended_well
check "network: DHCP gives the address" says "address: 10.0.2.15"
check "network: a file from this machine's loopback" says "fetched: $sum"
check "network: a file from the guest" grep -q "from the guest" "$tmp/served"

boot hello --limit-insns 250000000 --save-context "$tmp/context"
check "snapshot: made in the middle of the boot" test "$status" -eq 124
timeout 200 "$pinfold" run --timeout 180s --load-context "$tmp/context" </dev/null >"$tmp/out" 2>"$tmp/err"
status=$?
check "snapshot: goes on to the end" ended_well
check "snapshot: and does what it was to do" says "forked: 200"
timeout 60 "$pinfold" run --load-context "$tmp/context" --smp 2 --board bare --engine unicorn </dev/null >"$tmp/out" 2>"$tmp/err"
check "snapshot: an engine that can't have it says why" grep -q "can't interrupt its guests" "$tmp/err"

verdict
