# SPDX-License-Identifier: GPL-2.0-or-later
# Debian packages that the test bed unpacks and never installs; read with ". scripts/bed/apt.sh" after setting $tmp, a folder for
# what is downloaded and for the log. apt checks each package against Debian's signed lists.
# shellcheck shell=sh disable=SC2154

# dependency PACKAGE PATTERN: the first thing that it depends on whose name fits this basic regular expression.
dependency()
{
	apt-cache depends "$1" 2>/dev/null | sed -n "s/^ *Depends: \($2\)\$/\1/p" | head -n 1
}

# download PACKAGE...: into $tmp.
download()
{
	(cd "$tmp" && apt-get -o APT::Sandbox::User=root -qq download "$@") >"$tmp/log" 2>&1
}

# renew: older lists name packages that the server has replaced.
renew()
{
	[ "$(id -u)" -eq 0 ] && apt-get -qq update >"$tmp/log" 2>&1
}

# no_package TEXT: what is missing, after what apt said; ends the script with 77.
no_package()
{
	[ ! -e "$tmp/log" ] || sed 's/^/apt: /' "$tmp/log" >&2
	echo "$1" >&2
	exit 77
}
