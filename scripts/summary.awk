# SPDX-License-Identifier: GPL-2.0-or-later
# Prints what each test proved, then why tests were skipped or failed, then the count. Fails when a test failed.

{
	rows++
	count[$2]++
	name[rows] = $1
	status[rows] = $2
	seconds[rows] = $3
	purpose[rows] = $4
	reason[rows] = $5
	if (length($1) > width) {
		width = length($1)
	}
}

function list(which, title,    i)
{
	if (!count[which]) {
		return
	}
	printf "\n%s:\n", title
	for (i = 1; i <= rows; i++) {
		if (status[i] == which) {
			printf "  %s: %s\n", name[i], reason[i] == "" ? "(no reason printed)" : reason[i]
		}
	}
}

END {
	print "\nWhat was proved:"
	for (i = 1; i <= rows; i++) {
		printf "  %s %-*s %6.1f s  %s\n", status[i] == "fail" ? "FAIL" : status[i], width, name[i],
		       seconds[i], purpose[i] == "" ? "-" : purpose[i]
	}
	list("skip", "Skipped, and why")
	list("fail", "Failed")
	printf "\n%d passed, %d failed, %d skipped (%d s)\n", count["pass"], count["fail"], count["skip"], took_s
	exit count["fail"] > 0 || rows == 0
}
