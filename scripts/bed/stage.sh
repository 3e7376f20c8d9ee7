# SPDX-License-Identifier: GPL-2.0-or-later
# Puts files into an initramfs; read with ". scripts/bed/stage.sh" after setting $stage, the folder that becomes its root.
# shellcheck shell=sh disable=SC2154

# add_file SOURCE DESTINATION
add_file()
{
	mkdir -p "$stage/${2%/*}"
	cp -L "$1" "$stage/$2"
}

# add_libraries PROGRAM...: the libraries of dynamic programs, at the paths where their loader finds them.
add_libraries()
{
	ldd "$@" 2>/dev/null | sed -n 's/^.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | sort -u |
		while IFS= read -r lib; do
			[ -e "$stage$lib" ] || add_file "$lib" "$lib"
		done
}

# write_archive OUTPUT: not compressed, for the bed's processors are slow.
write_archive()
{
	chmod 755 "$stage"
	(cd "$stage" && find . | cpio -o -H newc --quiet -R 0:0) >"$1"
}
