# SPDX-License-Identifier: GPL-2.0-or-later
# Reads the JUnit report of ctest; prints name, status, seconds, purpose, reason, separated by tabs.
# A test says its purpose in a line "proves: ..."; one that skips says why in a line with the word "skip", else in its
# last line. The reason of a failure is the last line.

function attr(line, key)
{
	if (!match(line, " " key "=\"[^\"]*\"")) {
		return ""
	}
	return text(substr(line, RSTART + length(key) + 3, RLENGTH - length(key) - 4))
}

function text(s)
{
	gsub(/\t/, " ", s)
	gsub(/&lt;/, "<", s)
	gsub(/&gt;/, ">", s)
	gsub(/&quot;/, "\"", s)
	gsub(/&apos;/, "'", s)
	gsub(/&amp;/, "\\&", s)
	return s
}

function output_line(s)
{
	s = text(s)
	if (s ~ /^[ ]*$/) {
		return
	}
	if (s ~ /^proves: /) {
		purpose = substr(s, 9)
		return
	}
	if (tolower(s) ~ /skip/) {
		skip_line = s
	}
	last_line = s
}

/^\t<testcase / {
	name = attr($0, "name")
	seconds = attr($0, "time")
	status = attr($0, "status")
	purpose = skip_line = last_line = skip_code = ""
	next
}

/^\t\t<skipped / {
	skip_code = attr($0, "message")
	next
}

/^\t\t<system-out>/ {
	inside = 1
	sub(/^\t\t<system-out>/, "")
}

inside {
	done = sub(/<\/system-out>$/, "")
	output_line($0)
	inside = !done
	next
}

/^\t<\/testcase>/ {
	if (status == "run") {
		status = "pass"
		last_line = ""
	} else if (status == "notrun" && skip_code ~ /^SKIP_/) {
		status = "skip"
		last_line = skip_line != "" ? skip_line : last_line
	} else {
		status = "fail"
	}
	printf "%s%s\t%s\t%.1f\t%s\t%s\n", prefix, name, status, seconds, purpose, last_line
}
