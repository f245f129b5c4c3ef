# SPDX-License-Identifier: GPL-2.0-only
# Twelve that can be told apart; the first eight are gnuplot's own.
set linetype 9 linecolor rgb "#8b4513"
set linetype 10 linecolor rgb "#708090"
set linetype 11 linecolor rgb "#ff1493"
set linetype 12 linecolor rgb "#6b8e23"
set linetype cycle 12
