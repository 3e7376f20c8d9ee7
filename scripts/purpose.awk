# SPDX-License-Identifier: GPL-2.0-or-later
# Fills in the purpose (column 4) of test results that lack one, with the first sentence of the head comment of the
# test's source. Variables: "commands", a file of "name TAB what runs it"; "files", a list of sources.

BEGIN {
	while ((getline line < files) > 0) {
		base = line
		sub(/.*\//, "", base)
		sub(/\.[^.]*$/, "", base)
		source[base] = line
	}
	while ((getline line < commands) > 0) {
		split(line, f, "\t")
		command[f[1]] = f[2]
	}
}

function first_sentence(file,    s, line, n)
{
	while ((getline line < file) > 0 && n++ < 20) {
		if (line ~ /SPDX|^#!/) {
			continue
		}
		if (line !~ /^(#|\/\*| \*)/) {
			break
		}
		ended = line ~ /\*\//
		gsub(/^(#+|\/\*+| \*)[ ]*|[ ]*\*\/.*$/, "", line)
		s = s (s == "" || line == "" ? "" : " ") line
		if (match(s, /[.;:]( |$)/)) {
			s = substr(s, 1, RSTART - 1)
			break
		}
		if (ended && s != "") {
			break
		}
	}
	close(file)
	return s
}

$4 == "" && ($1 in command) {
	file = command[$1]
	if (file !~ /\.(c|sh|exp)$/) {
		sub(/.*\//, "", file)
		file = source[file]
	}
	if (file != "") {
		$4 = first_sentence(file)
	}
}

{ print }
