# SPDX-License-Identifier: GPL-2.0-or-later
# What tests with RISC-V guests need; where it is missing the test is skipped. Read with ". riscv_lib.sh" where tmp is set to a
# scratch folder.
# shellcheck shell=sh disable=SC2154 # tmp comes from the reader

# shellcheck disable=SC2034 # read by the tests that include this
opensbi=/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf

# skip WHY...
skip()
{
	echo "skipped: $*"
	exit 77
}

# need_tools TOOL...
need_tools()
{
	for _tool in "$@"; do
		command -v "$_tool" >/dev/null || skip "$_tool is not installed"
	done
}

# need_dbt BUILD-DIR: engine dbt runs on this machine.
need_dbt()
{
	_why=$("$1/bin/pinfold" run --engine dbt --limit-insns 1 "$1/guests/riscv64/sum.elf" 2>&1 </dev/null)
	case $_why in
	*"needs a CPU with"*) skip "$_why" ;;
	esac
}

# need_packages ROOT: sets packages to the folder with Debian's kernel for RISC-V. ROOT is the top of the sources.
need_packages()
{
	packages=$("$1/scripts/riscv/packages" 2>"$tmp/why") || skip "$(cat "$tmp/why")"
}
