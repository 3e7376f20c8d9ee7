#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every source, script and man page names its licence in its first lines, and the licence text is there.
# Usage: licence.sh ROOT
set -eu

root=$1
. "$(dirname "$0")/lib.sh"

# Without a line: texts in Markdown, formats without comments, data that tests read as it is.
project_files | grep -vE '\.(md|json|bin|hex|elf|golden|svg|png)$|^(LICENSE|\.gitignore)$|^tests/.*/(seeds|corpus|data)/' >"$tmp/files" ||
	bad "no files found"
while IFS= read -r file; do
	case $file in
	kmod/*.[ch]) licence='GPL-2\.0\( WITH Linux-syscall-note \*/\|\( \*/\)\?$\)' ;;
	*) licence=GPL-2.0-or-later ;;
	esac
	head -n 4 "$file" | grep -q "SPDX-License-Identifier: $licence" ||
		bad "$file: no SPDX-License-Identifier of its licence in its first four lines (GPL-2.0-or-later; the kernel module: GPL-2.0)"
done <"$tmp/files"
if ! grep -q 'Version 2, June 1991' LICENSE 2>/dev/null || ! grep -q 'END OF TERMS AND CONDITIONS' LICENSE; then
	bad "LICENSE is not the text of the GNU General Public License, version 2"
fi
finish
