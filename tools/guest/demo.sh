#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The demo, inside the virtual machine: real packets, all filters, cancels,
# a trace of one, and what is left behind. tools/demo and tools/check run it.
# Each thing that must hold is said in a line "ok - SENTENCE" or
# "not ok - SENTENCE"; the exit status is 0 if all held.
#
#	ROUNDS	closes to time, each way (default 200)
#	BULK	filters of 1,000 instructions to load at once (default 10000)

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

: "${ROUNDS:=200}" "${BULK:=10000}"
FILTERS=/root/filters.txt
tracing=/sys/kernel/tracing

title() { printf '\n=== %s\n\n' "$*"; }

meminfo() { awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo; }

# settles MODULE NAME COUNT: wait until a module has no more than COUNT of NAME, for
# as long as they become fewer.
settles() {
	looks=0 last=
	while now=$(param "$1" "$2") && [ -n "$now" ] || return 1; do
		[ "$now" -gt "$3" ] || return 0
		[ "$now" = "$last" ] || looks=0
		last=$now
		if [ $((looks += 1)) -gt $((VM_PATIENCE * 10)) ]; then
			give_up
			return 1
		fi
		sleep 0.1
	done
}

insert() {
	for module in bgtoken bgcompile bgfilter; do
		if [ "$module" = bgfilter ]; then
			insmod /modules/bgfilter.ko "$@" || return 1
		else
			insmod "/modules/$module.ko" || return 1
		fi
		echo "insmod $module.ko${1:+ }$([ "$module" = bgfilter ] && echo "$*")"
	done
}

remove() {
	for module in bgfilter bgcompile bgtoken; do
		rmmod "$module" || return 1
		echo "rmmod $module"
	done
}

# captured N: packets in the file.
captured() { [ "$(tcpdump -nn -r /run/lo.pcap 2>/dev/null | wc -l)" -ge "$1" ]; }

# listens PORT: somebody does, by IPv4 or IPv6.
listens() { cat /proc/net/tcp /proc/net/tcp6 | grep -q "$(printf ':%04X [0-9A-F]*:0000 0A' "$1")"; }

make_traffic() {
	ping -q -c 40 -i 0.05 127.0.0.1
	ping -q -c 40 -i 0.05 -s 1400 ::1
	mkdir -p /run/www
	seq 1 2000 >/run/www/index.html
	httpd -p 80 -h /run/www
	wget -q -O /dev/null http://127.0.0.1/index.html
	wget -q -O /dev/null 'http://[::1]/index.html'
	nc -l -p 7777 </dev/null >/dev/null &
	until_so listens 7777
	seq 1 5000 | nc -w 2 127.0.0.1 7777
	nc -w 1 127.0.0.1 8888			# refused: a reset
	nslookup example.org 127.0.0.1		# nobody there: ICMP says so
	nslookup example.org ::1
	traceroute -n -q 1 -w 1 127.0.0.1	# UDP to high ports
	killall httpd
} >/dev/null 2>&1

# --- 1 ---

title "1. The modules go in, and the close of many filters floods nothing"

# Workers of the kernel's that serve one CPU each: one that has come stays for
# minutes, so that the most there were can be counted later.
workers() { cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^kworker/[0-9]*:'; }

# None of them has anything to do: each is in state I.
workers_idle() {
	cat /proc/[0-9]*/stat 2>/dev/null |
		awk '$2 ~ /^\(kworker\/[0-9]*:/ && $3 != "I" { busy = 1 } END { exit busy }'
}

# The works by which the kernel frees a program: "MOST COUNT", how many were queued
# and had not ended at one time, and how many there were. How many workers they make
# is by how many of them sleep, which is not the same on every machine.
frees() {
	awk '!/bpf_prog_free_deferred/ { next }
		/workqueue_queue_work:/ { count++; if (++queued > most) most = queued }
		/workqueue_execute_end:/ { queued-- }
		END { print most + 0, count + 0 }' $tracing/trace
}

# Whatever makes workers counts: nothing has gone before that could.
before=$(workers)
check "three modules go in" insert
if [ "$BULK" -gt 0 ]; then
	echo 8192 >$tracing/buffer_size_kb
	echo 1 >$tracing/events/workqueue/workqueue_queue_work/enable
	echo 1 >$tracing/events/workqueue/workqueue_execute_end/enable
	# As many as there can be, and short, since it is their number that counts.
	check "16384 filters of 100 instructions load, compile and free" \
		bgfilter bulk -n 16384 --length 100 --no-run 2>/dev/null
	settles bgfilter results 0
	until_so workers_idle
	echo 0 >$tracing/events/workqueue/enable
	frees >/run/frees
	echo >$tracing/trace
	read -r most freed </run/frees
	check "their programs are freed at a pace ($freed, $most at most at a time)" \
		test "$freed" -ge 10000 -a "$most" -le 100
	more=$(($(workers) - before))
	check "their close does not flood the kernel with workers ($more more)" \
		test "$before" -gt 0 -a "$more" -le 32
fi

# --- 2 ---

title "2. Real packets: ping, TCP, UDP, IPv4 and IPv6 over loopback"

bgfilter run -F "$FILTERS" -i lo -w /run/lo.pcap --check \
	>/run/live.txt 2>/run/live.err &
capture=$!
until_so grep -qs listening /run/live.err
make_traffic
until_so captured 100
kill -INT $capture
wait $capture
check "a live capture ends cleanly at ^C" test $? = 130
tail -n 6 /run/live.err
tcpdump -nn -r /run/lo.pcap 2>/dev/null | cut -c 1-76 | awk 'NR % 16 == 1'
packets=$(tcpdump -nn -r /run/lo.pcap 2>/dev/null | wc -l)
check "at least 100 packets are captured ($packets)" test "$packets" -ge 100

# --- 3 ---

title "3. All filters on all packets, in each tier"

for tier in baseline top any; do
	echo "bgfilter run --tier=$tier --check --progress"
	# Through a pipe, so that progress comes in lines.
	{
		bgfilter run -F "$FILTERS" -r /run/lo.pcap --tier=$tier \
			--check --progress >/run/$tier.txt
		echo $? >/run/status
	} 2>&1 | cat
	check "every $tier result is that of bpf_filter()" \
		test "$(cat /run/status)" = 0
	echo
done
check "the tiers agree on the counts" \
	sh -c 'cmp /run/baseline.txt /run/top.txt && cmp /run/top.txt /run/any.txt'

echo "The ten filters that matched most, of $(wc -l </run/any.txt):"
sort -rn /run/any.txt | head -n 10 | cut -c 1-76
matching=$(awk '$1 > 0' /run/any.txt | wc -l)
check "many filters match something ($matching), and many do not" \
	test "$matching" -ge 20 -a "$matching" -lt "$(wc -l </run/any.txt)"

echo
check "what a run of a filter takes is told" \
	bgfilter cost -F "$FILTERS" -r /run/lo.pcap -c 10 --turns 3

# --- 4 ---

title "4. close() in the middle of compilation, $ROUNDS times each way"

# close_times MODE: the columns of the tool, and a row for the table. Progress comes
# in lines, through a pipe: who is silent for long is taken to hang.
close_times() {
	{
		bgfilter cancel -n 2000 --rounds "$ROUNDS" --tsv --progress >"/run/$1.tsv"
		echo $? >/run/status
	} 2>&1 | cat
	[ "$(cat /run/status)" = 0 ]
}

check "closes with the token" close_times token
settles bgfilter images 0
rmmod bgfilter && insmod /modules/bgfilter.ko teardown=flush
check "closes with teardown=flush" close_times flush
rmmod bgfilter && insmod /modules/bgfilter.ko

# field NAME FILE: by the header's name
field() {
	awk -F '\t' -v name="$1" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
		NR == 2 { print $column }' "/run/$2.tsv"
}

printf '%-22s %12s %12s %12s\n' "close(), us" token flush ratio
for column in min_us median_us p99_us max_us; do
	awk -v name="${column%_us}" -v t="$(field $column token)" \
		-v f="$(field $column flush)" 'BEGIN {
		printf "%-22s %12.1f %12.1f %12.1f\n", name, t, f, f / t }'
done
printf '%-22s %12.1f %12.1f\n' "longest unit, us" \
	"$(field longest_step_us token)" "$(field longest_step_us flush)"
printf '%-22s %12d %12d\n' "units to come, at least" \
	"$(field outstanding_min token)" "$(field outstanding_min flush)"

# --- 5 ---

title "5. The trace of one such close"

echo 0 >$tracing/tracing_on
echo 0 >$tracing/options/hash-ptr	# so that they can be told apart
echo >$tracing/trace
echo 1 >$tracing/events/bgtoken/enable
echo 1 >$tracing/events/bgcompile/enable
echo 1 >$tracing/tracing_on
bgfilter cancel -n 1000 --rounds 1 >/dev/null
settles bgtoken tokens 0
echo 0 >$tracing/tracing_on
echo 0 >$tracing/events/bgtoken/enable
echo 0 >$tracing/events/bgcompile/enable
grep -v '^#' $tracing/trace | sed 's/^ *//; s/  */ /g' >/run/trace.txt

# How it began, and everything from the cancel on.
awk '/bgtoken_cancel:/ { cancelled = 1 }
	!cancelled && NR <= 6 || cancelled && ++shown <= 10
	!cancelled && NR == 7 { print "..." }' /run/trace.txt

# before FIRST SECOND: the first FIRST comes before the last SECOND
before() {
	awk -v first="$1" -v second="$2" '
		index($0, first) && !a { a = NR }
		index($0, second) { b = NR }
		END { exit !(a && b && a < b) }' /run/trace.txt
}
echo
check "the cancel is done before the units that ran are dropped" \
	before bgtoken_cancel_done: bgcompile_unit_drop:
check "each work is traced with the function that it is for" \
	grep -q 'bgtoken_work_start:.* function=bgcompile_task_run ' /run/trace.txt
check "the units that were never started go without a compile step" \
	grep -q 'bgcompile_queue_free:.*dropped=9' /run/trace.txt
check "the token is freed last" before bgcompile_queue_free: bgtoken_free:

# --- 6 ---

if [ "$BULK" -gt 0 ]; then
	title "6. $BULK filters of 1,000 instructions in one set"
	bulk() {
		# Through a pipe, so that progress comes in lines.
		{
			bgfilter bulk -n "$BULK" --length 1000 --no-run \
				>/run/bulk.txt
			echo $? >/run/status
		} 2>&1 | cat
		cat /run/bulk.txt
		[ "$(cat /run/status)" = 0 ]
	}
	# What the kernel sets up once, and keeps, is not the set's.
	bgfilter bulk -n $(((BULK + 9) / 10)) --length 1000 --no-run \
		>/dev/null 2>&1
	settles bgfilter images 0
	sleep 1
	echo 3 >/proc/sys/vm/drop_caches
	before_kb=$(meminfo MemAvailable)
	check "they load, compile and free" bulk
	settles bgfilter images 0
	settles bgfilter results 0
	# The kernel frees programs a little later, from works of its own, and keeps
	# JIT memory in packs of 2 MB and pages on lists of each CPU: 5 to 22 MB
	# were seen, for small sets and large. So this finds a large leak only; a
	# small one is for the counters below, and for kmemleak in "make check".
	taken=$(awk '$1 == "memory" { print $2 }' /run/bulk.txt)
	allowed=$((taken / 20 + 49152))
	for look in $(seq $((VM_PATIENCE * 10))); do
		echo 3 >/proc/sys/vm/drop_caches
		lost=$((before_kb - $(meminfo MemAvailable)))
		[ $lost -lt $((taken / 20)) ] && break
		[ "$look" -ge 30 ] && [ $lost -lt "$allowed" ] && break
		sleep 0.1
	done
	check "memory is back where it was ($taken KiB taken, $lost KiB off)" \
		test "$lost" -lt "$allowed"
fi

# --- 7 ---

title "7. Nothing is left behind"

for counter in bgtoken/tokens bgtoken/works bgcompile/states \
	bgcompile/units bgfilter/sets bgfilter/images bgfilter/results; do
	settles ${counter%/*} ${counter#*/} 0
	printf '%-22s %d\n' $counter "$(param ${counter%/*} ${counter#*/})"
	check "no ${counter#*/} left" test "$(param ${counter%/*} ${counter#*/})" = 0
done
check "three modules come out" remove

echo
[ $failed = 0 ] || echo "$failed things did not hold"
[ $failed = 0 ]
