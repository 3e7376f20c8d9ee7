# SPDX-License-Identifier: GPL-2.0-or-later
# The table of the engine matrix from lines NAME VARIANT ENGINE STATUS REASON COMMAND. A cell has one letter per
# engine: its initial if it passed, "-" if it was left out, "!" if it differs as
# docs/known-differences.md says under that heading, "X" if it failed.
{
	if (!($1 in seen)) {
		seen[$1] = 1
		names[++n] = $1
	}
	if (!($2 in vseen)) {
		vseen[$2] = 1
		variants[++v] = $2
	}
	letter = $4 == "pass" ? substr($3, 1, 1) : $4 == "skip" ? "-" : $4 == "known" ? "!" : "X"
	cell[$1, $2] = cell[$1, $2] letter
	count[$4]++
	if ($4 == "fail") {
		failures[++nf] = $1 " " $2 " " $3 ": " $5 "\n    repeat: " $6
	} else if ($4 == "skip") {
		skips[$3 ": " $5]++
	} else if ($4 == "known") {
		knowns[$3 ": " $5]++
	}
}

END {
	printf "%-18s", "guest"
	for (i = 1; i <= v; i++) {
		printf " %-10s", variants[i]
	}
	print ""
	for (i = 1; i <= n; i++) {
		printf "%-18s", names[i]
		for (j = 1; j <= v; j++) {
			printf " %-10s", ((names[i], variants[j]) in cell) ? cell[names[i], variants[j]] : "."
		}
		print ""
	}
	print "u, k: passed on unicorn, kvm; -: left out; !: known difference; X: failed; .: there is no such guest"
	for (s in skips) {
		printf "left out %d: %s\n", skips[s], s
	}
	for (k in knowns) {
		printf "known difference %d times: %s\n", knowns[k], k
	}
	for (i = 1; i <= nf; i++) {
		print "FAILED " failures[i]
	}
	printf "%d cells passed, %d failed, %d known differences, %d left out\n", count["pass"], count["fail"],
		count["known"], count["skip"]
	exit count["fail"] > 0 || count["pass"] == 0
}
