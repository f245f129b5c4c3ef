#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the benchmark on this machine, as root, and print what it found:
#
#	bench/run.sh DIR [PARAMETER=VALUE]...
#
# DIR has bgtoken.ko, bgcompile.ko, bgtoken_bench.ko and, if closes and filters are
# to be measured too, bgfilter.ko. The parameters are the module's (modinfo tells). In
# the environment:
#
#	CLOSES	closes to time in each of CLOSE_TURNS turns, each way (default 50)
#	CLOSE_TURNS	(default 3; 0: none)
#	FILTERS PACKETS	files: what a filter takes for a packet (default: none)
#
# What comes out: lines of progress, and then the files of debugfs, each after
# a line "=== NAME". Exit status 0 if all counts added up.

set -u

: "${CLOSES:=50}" "${CLOSE_TURNS:=3}"
dir=$1
shift
debugfs=/sys/kernel/debug/bgtoken_bench

progress() { printf 'bench: %4ds  %s\n' $(($(cut -d. -f1 /proc/uptime) - started)) "$*"; }
started=$(cut -d. -f1 /proc/uptime)

# remove MODULE: it may be busy for a moment with what runs.
remove() {
	for _ in $(seq $((${VM_PATIENCE:-180} * 10))); do
		rmmod "$1" 2>/dev/null && return 0
		sleep 0.1
	done
	rmmod "$1"
}

insmod "$dir/bgtoken.ko" || exit 1
insmod "$dir/bgcompile.ko" || exit 1
insmod "$dir/bgtoken_bench.ko" "$@" || exit 1
last=
while read -r status <$debugfs/status; do
	case $status in
	running*) ;;
	*)	break ;;
	esac
	if [ "$status" != "$last" ]; then
		progress "${status#running }"
		last=$status
	fi
	sleep 1
done
for file in bench.tsv rates.tsv samples.tsv; do
	echo "=== $file"
	cat $debugfs/$file
done
remove bgtoken_bench || exit 1

# close(): the module's parameter is set when it goes in, so turn by turn.
if [ "$CLOSE_TURNS" -gt 0 ] && [ -e "$dir/bgfilter.ko" ]; then
	for turn in $(seq "$CLOSE_TURNS"); do
		for way in token flush; do
			progress "close $way $turn/$CLOSE_TURNS"
			insmod "$dir/bgfilter.ko" teardown=$way || exit 1
			bgfilter cancel -n 2000 --rounds "$CLOSES" --tsv \
				>/tmp/bench.close || exit 1
			echo "=== close.tsv"
			cat /tmp/bench.close
			remove bgfilter || exit 1
		done
	done
	rm -f /tmp/bench.close
fi

if [ -n "${FILTERS:-}" ] && [ -e "$dir/bgfilter.ko" ]; then
	progress "filters on packets"
	insmod "$dir/bgfilter.ko" || exit 1
	echo "=== rates.tsv"
	printf 'case\tvariant\tparam\tvalue\tunit\n'
	bgfilter cost -F "$FILTERS" -r "${PACKETS:?}" --tsv || exit 1
	remove bgfilter || exit 1
fi

# Each of them warns when it goes and something is left.
remove bgcompile && remove bgtoken || exit 1
echo "=== verdict"
echo "$status"
[ "$status" = passed ]
