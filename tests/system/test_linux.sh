#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's stock RISC-V kernel on board virt: boots to busybox with one and four harts, reads and writes its disks, fetches a
# file from a server on this machine's loopback and serves one, and powers off; a snapshot in the middle of the boot goes
# on where it was. Usage: test_linux.sh BUILD-DIR
# Exit status 77 when the packages can't be had.
set -u
build=$1
cd "$(dirname "$0")/../.." || exit 1
pinfold=$build/bin/pinfold
tmp=$(mktemp -d)
server=
failures=0
checks=0
trap 'if [ -n "$server" ]; then kill "$server"; fi; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

why=$("$pinfold" run --engine dbt --limit-insns 1 "$build/guests/riscv64/sum.elf" 2>&1 </dev/null)
case $why in
*"needs a CPU with"*)
	echo "$why"
	exit 77
	;;
esac
packages=$(scripts/riscv/packages 2>"$tmp/why") || {
	cat "$tmp/why"
	exit 77
}

# check WHAT COMMAND...
check()
{
	what=$1
	shift
	checks=$((checks + 1))
	"$@" || {
		echo "FAIL: $what"
		failures=$((failures + 1))
		tail -n 5 "$tmp/out" "$tmp/err" 2>/dev/null
	}
}

# boot NAME ARGUMENTS...: a guest that does what $tmp/NAME says; $tmp/out, $tmp/err, $status
boot()
{
	scripts/riscv/initrd "$packages" "$tmp/initrd" "$tmp/$1"
	shift
	timeout 200 "$pinfold" run --board virt --mem 256M --timeout 180s --kernel "$packages/vmlinux" --initrd "$tmp/initrd" \
		--append "console=ttyS0 quiet" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
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

opensbi=/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf
if [ -e "$opensbi" ]; then
	boot hello --smp 2 "$opensbi"
	check "behind OpenSBI: ends well" ended_well
	check "behind OpenSBI: the guest sees two harts" says "harts: 2"
	check "behind OpenSBI: processes come and go" says "forked: 200"
fi

head -c 4194304 /dev/urandom >"$tmp/read.img"
sum=$(md5sum <"$tmp/read.img" | cut -d ' ' -f 1)
truncate -s 1M "$tmp/write.img"
cat >"$tmp/disks" <<'EOF'
echo "sum: $(md5sum </dev/vda)"
echo "written by the guest" | dd of=/dev/vdb seek=100 conv=sync 2>/dev/null
echo x 2>/dev/null >/dev/vda || echo "vda: refused"
sync
EOF
boot disks --disk "$tmp/read.img,ro" --disk "$tmp/write.img"
check "disks: ends well" ended_well
check "disks: all bytes are read" says "sum: $sum"
check "disks: read-only is read-only" says "vda: refused"
wrote()
{
	dd if="$tmp/write.img" skip=100 count=1 2>/dev/null | grep -q "written by the guest"
}
check "disks: what was written is in the file" wrote

mkdir "$tmp/www"
head -c 300000 /dev/urandom >"$tmp/www/file"
sum=$(md5sum <"$tmp/www/file" | cut -d ' ' -f 1)
# Ports of our own, so that two runs of this test don't meet.
port=$((20000 + $$ % 20000))
busybox httpd -f -p "127.0.0.1:$port" -h "$tmp/www" &
server=$!
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
		curl -s -m 2 "http://127.0.0.1:$((port + 1))/" >"$tmp/served" && grep -q "from the guest" "$tmp/served" && break
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

echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]
