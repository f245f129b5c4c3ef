# SPDX-License-Identifier: GPL-2.0-only
# data: lines "variant instructions"; out: the files' name; machine: of whom
set title "One scope, or one pair of a primitive's calls, uncontended: instructions\n{/*0.8 ".machine."}"
set ylabel "instructions"
set yrange [0:*]
set style fill solid 0.7
set boxwidth 0.7
set xtics rotate by -40 noenhanced
set grid ytics
unset key
colour(name) = strstrt(name, "token-") ? 2 : strstrt(name, "-") ? 4 : 1
do for [kind in "svg png"] {
	if (kind eq "svg") {
		set terminal svg size 860,480 enhanced background "white"
	} else {
		set terminal pngcairo size 1290,720 enhanced fontscale 1.3
	}
	set output out.".".kind
	plot data using 0:2:(colour(strcol(1))):xtic(1) with boxes linecolor variable, \
		"" using 0:2:(sprintf("%.0f", $2)) with labels offset 0,0.6
	set output
}
