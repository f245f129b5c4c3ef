# SPDX-License-Identifier: GPL-2.0-only
# data: rows of bench.tsv of case cancel; out: the files' name; machine: of whom
set datafile separator "\t"
set logscale xy
set xlabel "length of a unit, ms"
set ylabel "until the owner may be freed, us (median)"
set title "Four works in the middle of a unit, and the owner goes away\n{/*0.8 ".machine."}"
set key outside right noenhanced
set xtics (1, 10, 100, 1000)
set xrange [0.8:1250]
set grid ytics
load "bench/colours.gp"
names = system("cut -f 2 '".data."' | awk '!seen[$0]++'")
rows(name) = "< grep -F '	".name."	' '".data."'"
do for [kind in "svg png"] {
	if (kind eq "svg") {
		set terminal svg size 860,480 enhanced background "white"
	} else {
		set terminal pngcairo size 1290,720 enhanced fontscale 1.3
	}
	set output out.".".kind
	plot for [i = 1:words(names)] rows(word(names, i)) \
		using 3:($5 / 1000) with linespoints linewidth 2 pointtype i \
		title word(names, i)
	set output
}
