#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guard's source as "cmake --install" leaves it is what DKMS builds both modules from, for a stock Debian kernel; and
# examples of the configuration name parameters that there are.
# Usage: test_dkms.sh ROOT BUILD-FOLDER VERSION
set -u

root=$1
build=$2
version=$3
. "$(dirname "$0")/check_lib.sh"
for tool in dkms modinfo gcc-12; do
	command -v "$tool" >/dev/null || {
		echo "skip: $tool is not installed"
		exit 77
	}
done
headers=$("$root/scripts/bed/headers" generic) || exit
release=${headers##*/linux-headers-}
sources=$tmp/installed/usr/src

# scratch_dkms ACTION OPTION...: nothing outside of the scratch folder is touched.
scratch_dkms()
{
	_action=$1
	shift
	dkms "$_action" -m pinfold-guard -v "$version" --dkmstree "$tmp/dkms" --sourcetree "$sources" "$@" >"$tmp/out" 2>"$tmp/err"
}

mkdir "$tmp/dkms"
check "install" env DESTDIR="$tmp/installed" cmake -DCMAKE_INSTALL_PREFIX=/usr -P "$build/packaging/cmake_install.cmake" >"$tmp/out"
check "nothing but source" test -z "$(find "$sources" -type f ! -name '*.[ch]' ! -name Kbuild ! -name Makefile ! -name LICENSE \
	! -name dkms.conf)"
check "dkms add" scratch_dkms add
check "dkms build" scratch_dkms build -k "$release" --kernelsourcedir "$headers"
modules=$tmp/dkms/pinfold-guard/$version/$release/x86_64/module
for module in pinfold_guard pinfold_guard_usb; do
	check "$module is for $release" test "$(modinfo -F vermagic "$modules/$module.ko" | cut -d ' ' -f 1)" = "$release"
done

# check_options MODULE: each NAME=VALUE of the example is a parameter of it.
check_options()
{
	modinfo -F parm "$modules/$1.ko" | sed 's/:.*//' >"$tmp/parameters"
	grep -oE "^#?options $1 .*|^# Other choices: .*" "$tmp/installed/usr/share/doc/pinfold/modprobe.d/pinfold-guard.conf" |
		sed "$2" | grep -oE '[a-z_]+=' | tr -d = >"$tmp/named"
	check "options of $1 are named" test -s "$tmp/named"
	check "options of $1 exist" test -z "$(grep -vxFf "$tmp/parameters" "$tmp/named")"
}
check_options pinfold_guard ''
check_options pinfold_guard_usb '/Other choices/d'

# The guide's table has exactly the parameters that there are. One is written while the module is loaded.
modinfo -F parm "$modules/pinfold_guard.ko" "$modules/pinfold_guard_usb.ko" | sed 's/:.*//' | grep -vx unload | sort >"$tmp/parameters"
# shellcheck disable=SC2016 # quotes of Markdown
sed -n '/^| parameter/,/^$/p' "$root/docs/guard-admin.md" | sed 1,2d | cut -d '|' -f 2 | grep -oE '`[a-z_]+`' | tr -d '\140' |
	grep -v pinfold | sort >"$tmp/documented"
check "the guide has all parameters" cmp "$tmp/parameters" "$tmp/documented"
check "the guide knows how to let it go" grep -q 'parameters/unload' "$root/docs/guard-admin.md"
check "dkms remove" scratch_dkms remove --all
verdict
