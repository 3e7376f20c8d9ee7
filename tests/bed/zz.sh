#!/bin/sh
. /bed/lib.sh
bed_check_s=5
check selftest-fail false
check selftest-busy sh -c 'sleep 100; true'
check selftest-pass sh -c 'exit 0'
note "$(ps | grep -c sleep)"
finish
