#!/bin/sh
. /bed/lib.sh
t() { note "$*"; timeout -k 2 20 "$@" >/tmp/o 2>&1; echo "rc $?" >>/tmp/o; head -c 3000 /tmp/o | sed 's/^/| /' >&3; }
g=/pinfold/guests
t pinfold up
t pinfold status
t pinfold create a $g/riscv64/endless.elf --start
t pinfold create b $g/x64/endless.elf --start
t pinfold create c $g/arm64/sum.elf --start
sleep 1
t pinfold ps --all
t pinfold wait c
t pinfold logs c
t pinfold pin a
t pinfold cores
t pinfold ps --json
t cat /sys/fs/cgroup/cgroup.controllers
t find /sys/fs/cgroup -name 'pinfold*'
t pinfold kill a b
t pinfold down --kill-vms
t sh -c 'tail -20 /var/lib/pinfold/pinfoldd.log'
finish
