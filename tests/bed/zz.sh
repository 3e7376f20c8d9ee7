#!/bin/sh
. /bed/lib.sh
. /bed/trace_lib.sh
. /bed/daemon_lib.sh
bed_check_s=20
t() { note "$*"; timeout -k 2 30 "$@" >/tmp/o 2>&1; echo "rc $?" >>/tmp/o; tail -c 3000 /tmp/o | sed 's/^/| /' >&3; }
g=/pinfold/guests
check selftest-fail false
check selftest-busy sh -c 'sleep 100'
check selftest-fail-inside sh -c 'exit 3'
mkdir -p /etc/pinfold; echo "patience = 1000" >/etc/pinfold/pinfoldd.conf
t pinfold up
for i in 1 2 3 4 5 6; do t pinfold create a$i $g/riscv64/endless.elf --start; done
sleep 1
kill -9 $(status_of .pid)
t pinfold up
t pinfold ps --all
t pinfold down --kill-vms
t sh -c 'tail -20 /var/lib/pinfold/pinfoldd.log'
t sh -c 'for d in /proc/[0-9]*; do c=$(cat $d/comm); case $c in pinfold*) echo $d $c; for t in $d/task/*; do echo $t $(cat $t/comm) $(cut -d " " -f 3 $t/stat) $(cat $t/wchan) ; cat $t/stack; done;; esac; done'
t find /sys/fs/cgroup -name '*pinfold*'
finish
