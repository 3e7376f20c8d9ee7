#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: every guest program on every engine that can run it ends as its manifest says, prints what its referee
# prints (the same source as a Linux program, on the CPU itself or under qemu-user), reports the fault that it
# announced, and ends with the same registers on all engines.
# Usage: matrix.sh PINFOLD GUESTS [NAME-REGEX]
#   PINFOLD  the program; GUESTS  the directory with manifest.json
# Prints a table of guests by variants, each failure with the command that repeats it, and why cells were left out.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
pinfold=$1
guests=$2
regex=${3:-.}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

"$pinfold" doctor --json >"$tmp/doctor.json"
# ARCH ENGINE CAPABILITIES of what is usable here; what is not, with its reason
jq -r '.engines[] | select(.usable) | [.arch, .engine, (.capabilities | join(","))] | @tsv' "$tmp/doctor.json" >"$tmp/engines"
jq -r '.engines[] | select(.usable | not) | "left out: \(.engine) for \(.arch): \(.detail)"' "$tmp/doctor.json"
if ! grep -q . "$tmp/engines"; then
	echo "skipped: no engine is usable here"
	exit 77
fi

mkdir "$tmp/cells"
jq -r --arg re "$regex" 'to_entries[] | select(.value.bench | not) | select("\(.value.variant)/\(.value.name)" | test($re)) | .key' \
	"$guests/manifest.json" >"$tmp/indices"
xargs -P "$(nproc)" -n 8 "$here/cells.sh" "$pinfold" "$guests" "$tmp" <"$tmp/indices"

# NAME VARIANT ENGINE STATUS REASON COMMAND, separated by tabs
find "$tmp/cells" -name "*.tsv" | sort -V | xargs cat >"$tmp/all"
awk -F '\t' -f "$here/table.awk" "$tmp/all"
