# SPDX-License-Identifier: GPL-2.0-only
# data: lines "variant works ns", sorted by ns in each; out, machine: as elsewhere
set logscale x
set xlabel "until the owner may be freed, us"
set ylabel "share of all cancels"
set yrange [0:1.02]
set title "Cancel while 64 works hammer scopes (dashed: while nobody does)\n{/*0.8 ".machine."}"
set key bottom right noenhanced
set grid
load "bench/colours.gp"
names = system("awk '!seen[$1]++ { print $1 }' '".data."'")
rows(name, works) = sprintf("< awk '$1 == \"%s\" && $2 == %d { v[++n] = $3 } END { for (i = 1; i <= n; i++) print v[i] / 1000, i / n; if (!n) print 1, 0 }' '%s'", name, works, data)
do for [kind in "svg png"] {
	if (kind eq "svg") {
		set terminal svg size 860,480 enhanced background "white"
	} else {
		set terminal pngcairo size 1290,720 enhanced fontscale 1.3
	}
	set output out.".".kind
	plot for [i = 1:words(names)] rows(word(names, i), 64) using 1:2 \
		with lines linewidth 2 linecolor i title word(names, i), \
		for [i = 1:words(names)] rows(word(names, i), 0) using 1:2 \
		with lines dashtype 2 linecolor i notitle
	set output
}
