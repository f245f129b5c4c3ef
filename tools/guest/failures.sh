#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each allocation that is made on behalf of the modules fails once, one after the other, while
# they are inserted and while the samples use them; inside the virtual machine, whose kernel has
# failslab. tools/guest/check.sh runs it. After each failure a command has to end as if nothing was,
# or with an error that is told; the same command has to work once more, and nothing may be left.
# Each thing that must hold is said in a line "ok - SENTENCE" or "not ok - SENTENCE".
#
#	MOST	allocations of each command, at most (default: all)

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

: "${MOST:=1000000}"
slab=/sys/kernel/debug/failslab
[ -e $slab/require-start ] || { echo "not ok - failslab of this kernel cannot tell whose they are"; exit 1; }

# With an interval, failslab counts the allocations that are meant, and one fails whose number is
# a multiple of it. So the number of the last, which begins as 0, is known after each failure.
count=0

# arm INTERVAL: one failure.
arm() {
	echo "$1" >$slab/interval
	echo 1 >$slab/times
	echo 100 >$slab/probability
}
disarm() { echo 0 >$slab/probability; }
failed_now() { [ "$(cat $slab/times)" = 0 ]; }

# meant NAME...: those made below a function of that name, or of these modules, by whomever.
meant() {
	# The last ends where whatever comes next begins, or in the same page.
	grep ' [tT] ' /proc/kallsyms | sort | awk -v names=" $* " '
		last != "" && next_one == "" && $1 != last { next_one = $1 }
		index(names, " " (NF > 3 ? $4 : $3) " ") {
			if (first == "")
				first = $1
			last = $1
			next_one = ""
		}
		END {
			if (last != "")
				print "0x" first, "0x" (next_one != "" ? next_one : substr(last, 1, length(last) - 3) "fff")
		}' >/run/meant
	read -r first next_one </run/meant || { echo "no symbols of $*"; return 1; }
	echo "$first" >$slab/require-start
	echo "$next_one" >$slab/require-end
}

# What a command may end with, and what it says then.
told() {
	[ "$1" != 0 ] || return 0
	grep -q -i -e 'cannot allocate memory' -e 'out of memory' -e "can't insert" /run/said
}

# once COMMAND: what it printed is in /run/said.
once() {
	"$@" >/run/said 2>&1
	status=$?
	disarm
}

# each WHAT COMMAND CLEAN: one failure after the other in COMMAND, until there is no further
# allocation. CLEAN is called after each, and looks for what is left.
each() {
	nth=1
	bad=''
	while [ "$nth" -le "$MOST" ]; do
		arm $((count + nth))
		once "$2"
		failed_now || break
		[ $((count + nth)) = 1 ] || count=$((count + nth))	# by 1 it does not count
		told $status || { bad="allocation $nth: status $status: $(head -c 300 /run/said)"; break; }
		once "$2"
		[ $status = 0 ] || { bad="after allocation $nth: status $status: $(head -c 300 /run/said)"; break; }
		"$3" || { bad="after allocation $nth: something is left"; break; }
		nth=$((nth + 1))
		progress "$1: $((nth - 1)) allocations failed"
	done
	[ -z "$bad" ] || echo "$1: $bad"
	echo "# $1: $((nth - 1)) allocations failed, one at a time"
	[ "$nth" -gt 1 ] || { echo "$1: no allocation was counted"; return 1; }
	# How many were counted without a failure is not known until there is one.
	if ! failed_now; then
		until failed_now; do
			arm $((count + nth + 1))
			once "$2"
		done
		count=$((count + nth + 1))
	fi
	[ -z "$bad" ]
}

# The command that is tried

insert() {
	insmod /modules/bgtoken.ko && insmod /modules/bgcompile.ko && insmod /modules/bgfilter.ko
}
insert_and_remove() {
	insert
	result=$?
	for module in bgfilter bgcompile bgtoken; do
		[ ! -d /sys/module/$module ] || rmmod $module
	done
	return $result
}
no_module() { [ ! -d /sys/module/bgtoken ]; }

run_filters() {
	bgfilter run -r kinds.pcap --tier=top -F few.filters >/run/counts || return
	cmp /run/counts /run/right
}
replace_filters() { bgfilter-badinput --replace; }
close_filters() { bgfilter cancel -n 40 --rounds 1 --length 64; }
nothing_left() { until_so alive_are "$before" && until_so no_results; }
no_results() { [ "$(param bgfilter results)" = 0 ]; }

echo N >$slab/ignore-gfp-wait
echo 0 >$slab/verbose
disarm
for module in bgfilter bgcompile bgtoken; do
	[ ! -d /sys/module/$module ] || rmmod $module || exit
done

meant do_one_initcall || exit
check "whatever cannot be allocated, modules are inserted or not, and removed" \
	each "insmod" insert_and_remove no_module

insert || exit
meant '[bgtoken]' '[bgcompile]' '[bgfilter]' || exit
printf 'tcp\nudp port 53\nip host 10.0.0.1 and not icmp\nvlan and arp\n' >few.filters
bgfilter run -r kinds.pcap --tier=top -F few.filters >/run/right
before=$(alive) || exit
check "whatever cannot be allocated, filters are run or it is said why not" \
	each "bgfilter run" run_filters nothing_left
check "whatever cannot be allocated, a set that cannot be replaced stays in use" \
	each "a second load" replace_filters nothing_left
check "whatever cannot be allocated, a close in the middle of compiling leaves nothing" \
	each "bgfilter cancel" close_filters nothing_left
rmmod bgfilter && rmmod bgcompile || exit

# A device for which there was no memory is left alone, and that is told in the log.
insert_edu() {
	dmesg -c >/dev/null
	insmod /modules/bgedu.ko && until_so bound_or_told
	result=$?
	[ -c /dev/edu0 ] || dmesg
	[ ! -d /sys/module/bgedu ] || rmmod bgedu
	return $result
}
bound_or_told() { [ -c /dev/edu0 ] || dmesg | grep -q 'failed with error -12'; }
no_edu() { [ ! -d /sys/module/bgedu ] && alive_are "0 0"; }

# In a shell of its own, as one ends if it cannot open a file.
compute() { sh -c 'exec 6<>/dev/edu0 && echo 5 >&6 && result=$(head -n 1 <&6) && [ "$result" = 120 ]'; }
edu_idle() { until_so alive_are "$before"; }

if [ "$(cat /sys/bus/pci/devices/*/device | grep -c 0x11e8)" = 1 ]; then
	meant do_one_initcall || exit
	check "whatever cannot be allocated, a device is bound or it is told why not" \
		each "insmod bgedu" insert_edu no_edu
	insmod /modules/bgedu.ko && until_so test -c /dev/edu0 || exit
	meant '[bgtoken]' '[bgedu]' || exit
	compute
	before=$(alive) || exit
	check "whatever cannot be allocated, the device computes or it is said why not" \
		each "a computation" compute edu_idle
	rmmod bgedu || exit
else
	check "there is an edu device" false
fi
insmod /modules/bgcompile.ko && insmod /modules/bgfilter.ko || exit
[ $failed = 0 ] && echo "all of it held"
