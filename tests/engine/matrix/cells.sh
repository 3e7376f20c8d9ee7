#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A few rows of the engine matrix: each guest on each engine, one line of result per cell in TMP/cells.
# Usage: cells.sh PINFOLD GUESTS TMP INDEX...   (called by matrix.sh)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
pinfold=$1
guests=$2
tmp=$3
shift 3

# From the manifest, see the loop at the end.
m_name='' m_arch='' m_variant='' m_format='' m_mode='' m_file='' m_exit='' m_fp='' m_stdin='' m_all=''
m_referee='' m_referee_command='' m_referee_code=''

# result ENGINE STATUS REASON
result()
{
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$m_name$suffix" "$m_variant" "$1" "$2" "$3" "$command" >>"$tmp/cells/$index.tsv"
}

knowns=$(cat "$here/known.tsv")

# The referee's output, once per guest; sets wrong if it does not end as expected.
run_referee()
{
	[ ! -e "$out.referee" ] || return 0
	_rc=0
	# shellcheck disable=SC2086 # no word when there is no command
	$m_referee_command "$guests/$m_referee" <"$out.stdin" >"$out.referee" 2>/dev/null || _rc=$?
	[ "$_rc" = "$m_referee_code" ] || wrong="the referee ended with $_rc instead of $m_referee_code"
}

# run_cell ENGINE CAPABILITIES
run_cell()
{
	set -- "$1" "$2" run --json --engine "$1"
	if [ "$m_format" != elf ]; then
		set -- "$@" --arch "$m_arch"
		[ "$m_mode" = null ] || set -- "$@" --mode "$m_mode"
		[ "$m_variant" != thumb ] || set -- "$@" --thumb
		[ "$m_variant" != armeb ] || set -- "$@" --endian big
	fi
	[ "$m_exit" != limit ] || set -- "$@" --limit-cpu 50ms
	engine=$1
	caps=,$2,
	shift 2
	set -- "$@" "$guests/$m_file"
	command="$pinfold $*"
	case "$m_fp:$m_variant:$caps" in
	true:*-ring3:*) ;;
	true:*:*,fp,*) ;;
	true:*)
		result "$engine" skip "no floating point in ring 0 here"
		return 0
		;;
	esac
	rc=0
	timeout 60 "$pinfold" "$@" <"$out.stdin" >"$out.$engine" 2>"$out.err" || rc=$?
	wrong=$(jq -Rsr --argjson rc "$rc" --slurpfile m "$out.manifest" --rawfile first "$out.first" -f "$here/check.jq" \
		"$out.$engine" 2>&1) || wrong="no JSON object (status $rc): $(head -c 200 "$out.err")"
	if [ -z "$wrong" ] && [ -n "$m_referee" ]; then
		run_referee
		[ -n "$wrong" ] || sed '$d' "$out.$engine" | cmp -s "$out.referee" - || wrong="output differs from the referee's"
	fi
	[ -s "$out.first" ] || cp "$out.$engine" "$out.first"
	known=
	case $knowns in
	*"$m_name/$m_arch/$engine	"*)
		known=${knowns#*"$m_name/$m_arch/$engine	"}
		known=${known%%"
"*}
		;;
	esac
	if [ -n "$known" ] && [ "${wrong#output differs from }" != "$wrong" ]; then
		result "$engine" known "$known"
	elif [ -n "$known" ] && [ -z "$wrong" ]; then
		result "$engine" fail "the known difference is gone: $known"
	elif [ -n "$wrong" ]; then
		result "$engine" fail "$(printf %s "$wrong" | tr '\n\t' '  ')"
	else
		result "$engine" pass ""
	fi
}

for index; do
	out=$tmp/cells/$index
	: >"$out.first"
	eval "$(jq -r --argjson i "$index" '.[$i] | tojson as $all | to_entries + [{key: "all", value: $all}] | .[] |
		"m_\(.key)=\(.value | tostring | @sh)"' "$guests/manifest.json")"
	printf '%s' "$m_all" >"$out.manifest"
	printf '%s' "$m_stdin" >"$out.stdin"
	suffix=
	[ "$m_format" = elf ] || suffix=.$m_format
	while read -r arch engine caps; do
		[ "$arch" = "$m_arch" ] || continue
		run_cell "$engine" "$caps"
	done <"$tmp/engines"
done
