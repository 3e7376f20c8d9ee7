# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scripts here; read with ". scripts/common.sh" from the top of the repository.
# shellcheck shell=sh

# A step that a person watching wants to see.
say()
{
	printf '==> %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Seconds since the epoch.
now_s()
{
	date +%s
}

# configure PRESET: quiet unless it fails; cheap when nothing changed.
configure()
{
	mkdir -p "build/$1"
	if ! cmake --preset "$1" >"build/$1/configure.log" 2>&1; then
		cat "build/$1/configure.log" >&2
		die "configuring build/$1 failed"
	fi
}

# Pass on one of ten of ninja's progress lines, and every other line. A loop and not awk: mawk reads a pipe in blocks.
every_tenth()
{
	_last=
	while IFS= read -r _line; do
		case $_line in
		"ninja: Entering directory"* | "ninja: no work"*)
			continue
			;;
		"["[0-9]*/[0-9]*"] "*)
			_done=${_line#"["}
			_all=${_done%%"]"*}
			_all=${_all#*/}
			_done=${_done%%/*}
			[ "$((_done * 10 / _all))" != "$_last" ] || continue
			_last=$((_done * 10 / _all))
			;;
		esac
		printf "%s\n" "$_line"
	done
}

# compile PRESET [TARGET...]: build, with ninja's own line on a terminal and a line for every tenth of the way
# elsewhere. Everything that is not progress (warnings, errors) is passed on.
compile()
{
	_preset=$1
	shift
	if [ -t 1 ]; then
		ninja -C "build/$_preset" "$@" || die "building build/$_preset failed"
		return 0
	fi
	rm -f "build/$_preset/failed"
	{
		ninja -C "build/$_preset" "$@" 2>&1 || echo "$?" >"build/$_preset/failed"
	} | every_tenth
	[ ! -e "build/$_preset/failed" ] || die "building build/$_preset failed"
}

# build_preset PRESET [TARGET...]
build_preset()
{
	say "building build/$1"
	configure "$1"
	compile "$@"
}
