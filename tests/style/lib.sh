# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the style tests; read with ". lib.sh" after "root" is set to the top of the tree to check.
# shellcheck shell=sh disable=SC2154 # root comes from the reader

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
: >"$tmp/bad"
cd "$root" || exit 1

# One finding; the test fails at the end.
bad()
{
	printf '%s\n' "$*" | tee -a "$tmp/bad"
}

# The end of every style test: its status.
finish()
{
	count=$(wc -l <"$tmp/bad")
	if [ "$count" -gt 0 ]; then
		echo "$count findings"
		exit 1
	fi
	exit 0
}

# Files of the project, tracked or not, without what git ignores; without git, all but the build directory.
project_files()
{
	if [ -e .git ] && command -v git >/dev/null; then
		git -c safe.directory='*' ls-files -co --exclude-standard | sort -u
	else
		find . -type f ! -path './build/*' ! -path './.git/*' ! -name '*.swp' | sed 's|^\./||' | sort
	fi | while IFS= read -r _file; do
		[ ! -f "$_file" ] || printf '%s\n' "$_file"
	done
}

# skip REASON
skip()
{
	echo "skip: $*"
	exit 77
}
