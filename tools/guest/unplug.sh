#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Unplug QEMU's edu device while many use it, plug it in again, again and again; inside the
# virtual machine, whose host does what lines "qmp: ..." ask for. tools/unplug runs it. Each
# thing that must hold is said in a line "ok - SENTENCE" or "not ok - SENTENCE".
#
#	ROUNDS	how often, each way (default 200); every tenth suspends, too, from the third
#	USERS	processes that use the device (default 16)
#	LOAD	more options for bgedu-load
#	QMP	the descriptor for what the host is to do (default 1)

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh
# shellcheck source=tools/guest/edu.sh
. ./edu.sh

: "${ROUNDS:=200}" "${USERS:=16}" "${LOAD:=}"

# Up to a second: at times in the middle of the set-up; in two rounds of four when it has computed,
# however long that takes.
has_computed() { results=$(did "done") && [ "${results:-0}" -gt "$had_results" ]; }
use_it() {
	if [ $(($1 / 2 % 2)) = 1 ]; then
		until_so has_computed || { echo "nobody has got a factorial"; return 1; }
	fi
	usleep $(($(random) * 4000))
}

# A round, of which there are so many. What it does goes by its number.
once() {
	until_so bound || { echo "there is no /dev/edu0"; return 1; }
	may_sleep || { echo "/dev/edu0 has no device that may be suspended"; return 1; }
	had_results=0
	use_it "$1" || return
	if [ $(($1 % 10)) = 3 ]; then
		suspend_once || { echo "the machine could not be suspended"; return 1; }
		suspends=$((suspends + 1))
		had_results=$(did "done")
		: "${had_results:=0}"
		use_it "$1" || return
	fi
	if [ $(($1 % 2)) = 0 ]; then
		by_qemu || { echo "QEMU's device_del or device_add did not come about"; return 1; }
	else
		by_sysfs || { echo "sysfs's remove or rescan did not come about"; return 1; }
	fi
}

rounds() {
	suspends=0
	for round in $(seq "$ROUNDS"); do
		once "$round" || return
		[ $((round % 20)) != 0 ] || echo "# $round of $ROUNDS"
	done
	echo "# suspended $suspends times meanwhile"
}

# A shell can use it, too.
by_hand() (
	[ -c /dev/edu0 ] || exit
	exec 3<>/dev/edu0
	echo 10 >&3 && read -r result <&3 && [ "$result" = 3628800 ]
)

# A reader is held in the middle of its read(), by a page that is not there, while the device is
# unbound. Remove, as usual, waits for the reader, and ends when this has been seen and the reader
# goes on. -w is half of what the kernel calls a hang.
driver=/sys/bus/pci/drivers/bgedu
with_reader_held() {
	until_so bound && plugged || return
	bgedu-hold -w $((VM_PATIENCE / 4)) sh -c "$1" unbind "${edu##*/}" $driver/unbind
	set -- $?
	echo "${edu##*/}" >$driver/bind	# waits for the remove
	return "$1"
}
# shellcheck disable=SC2016 # it is for the other shell
not_waited_for() { with_reader_held 'echo "$1" >"$2"'; }
# shellcheck disable=SC2016
waited_for() {
	with_reader_held 'echo "$1" >"$2" &
		waits() { grep -qs bgedu_usual_wait /proc/$!/stack; }
		until waits && sleep 1 && waits; do
			kill -0 $! 2>/dev/null || exit
			sleep 0.1
		done'
}

# What a program without mmap() does not say: why.
refusals() { dmesg | grep -c 'bgedu: no mmap(): mapped registers cannot be taken back'; }
refuses_mmap() { [ "$(refusals)" -gt "$had_refusals" ]; }

# The check of its firmware queues itself again for as long as there is something to compute: one
# that takes some seconds, and is not given up meanwhile.
checked_again() { checks=$(did checks) && [ "${checks:-0}" -ge $((had_checks + 2)) ]; }
checks_go_on() (
	timeout=/sys/module/bgedu/parameters/timeout_ms
	read -r timeout_ms <$timeout
	echo $((patience * 1000)) >$timeout
	had_checks=$(did checks)
	exec 3<>/dev/edu0
	echo 4294967295 >&3
	until_so checked_again
	status=$?
	echo "$timeout_ms" >$timeout
	exit $status
)

# While it computes something that takes about a second. Had it gone on by itself, that would have
# been when the factorial's time is over.
shut_down() {
	read -r timeout_ms </sys/module/bgedu/parameters/timeout_ms
	exec 3<>/dev/edu0
	echo 1000000000 >&3
	had_setups=$(did setups)
	insmod /modules/bgedu_shutdown.ko wait_ms=$((timeout_ms * 3)) && rmmod bgedu_shutdown &&
		until_so set_up_again
	set -- $?
	exec 3>&-
	return "$1"
}

# did WHAT: how often, since it was plugged in; nothing while it is not there.
did() { bgedu-load -S 2>/dev/null | sed -n "s/.*$1 \([0-9]*\).*/\1/p"; }

# By itself, when nobody has used it for a while.
idle() { [ "$(cat "$edu/power/runtime_status")" = suspended ]; }
rests() { may_sleep && until_so idle; }

# Suspended while it is idle, and so suspended itself, it has lost its firmware as well.
set_up_again() { now_set_up=$(did setups) && [ "${now_set_up:-0}" -gt "$had_setups" ]; }
idle_suspend() {
	rests || return
	had_setups=$(did setups)
	suspend_once && until_so set_up_again && until_so idle
}

# Those who use it go on after the last round, and so do the checks of its firmware.
is_checked() { checks=$(did checks) && [ "${checks:-0}" -gt 0 ]; }
checked() { until_so bound && until_so is_checked; }

# load_ended: what it printed, and how it ended.
load_ended() {
	kill "$load" && wait "$load"
}

# removes WAY: how long each took, in ns, from the kernel's log, but for the first, in which a
# reader was held.
removes() {
	dmesg | sed -n "s/.*bgedu.*: removed in \([0-9]*\) ns, $1\$/\1/p" | tail -n +2 | sort -n
}

timed() {
	removes "$1" >"/run/${1##* }"
	[ "$(wc -l <"/run/${1##* }")" -ge "$ROUNDS" ]
}

# The driver says so in the log, and its users see only that the device is gone.
never_gave_up() { ! dmesg | grep -E 'bgedu.*(set-up|health check) failed'; }

# row WAY
row() {
	awk -v way="$1" '
	{ us[NR] = $1 / 1000 }
	function at(part) { return us[int((NR - 1) * part + 0.5) + 1] }
	END { if (NR) printf "%-14s %8d %12.1f %12.1f %12.1f\n", way, NR, at(0.5), at(0.99), us[NR] }' \
		"/run/${1##* }"
}

quicker() {
	{ row "with a token"; row "as usual"; } |
		awk '{ median[NR] = $(NF - 2) } END { exit !(NR == 2 && median[1] < median[2]) }'
}

# way USUAL NAME
way() {
	echo
	echo "=== $ROUNDS times, remove waiting $2"
	echo
	check "the driver can be inserted, $2" insmod /modules/bgedu.ko usual="$1" patience=$patience
	check "a file can be written and read by a shell" until_so by_hand
	if [ "$1" = 0 ]; then
		check "a reader that cannot go on does not hold up remove" not_waited_for
	else
		check "a reader that cannot go on holds up the usual remove" waited_for
	fi
	check "its firmware is checked again and again while it computes, $2" checks_go_on
	check "a device that nobody uses is suspended, $2" rests
	check "a device that was idle is set up again after a suspend" idle_suspend
	check "shut down, it is kept off the memory, and it goes on after a resume, $2" shut_down
	had_refusals=$(refusals)
	# shellcheck disable=SC2086 # options
	bgedu-load -n "$USERS" -s 500 -g $LOAD &
	load=$!
	check "unplugged and plugged in $ROUNDS times under load, $2" rounds
	check "the firmware of the device that is left is found unchanged while it is in use, $2" checked
	check "mmap() is refused in words, $2" refuses_mmap
	check "every answer was right, and every file that outlived its device was told, $2" load_ended
	check "no set-up and no health check failed, $2" never_gave_up
	check "$ROUNDS removes or more were timed, $2" timed "$2"
	check "the driver can be removed while its device is there" rmmod bgedu
}

[ -d /sys/module/bgtoken ] || insmod /modules/bgtoken.ko || exit 1
before=$(alive) || exit
until_so plugged || { echo "not ok - QEMU has no edu device"; exit 1; }
way 0 "with a token"
way 1 "as usual"
check "no token and no work is left" alive_are "$before"

# Few removes, or a kernel that is slow itself, say nothing of how long either takes.
if [ "$ROUNDS" -ge 20 ] && [ ! -e /sys/kernel/debug/kmemleak ]; then
	check "the median remove with a token is quicker than as usual" quicker
fi

echo
printf '%-14s %8s %12s %12s %12s\n' remove times 'median us' 'p99 us' 'max us'
row "with a token"
row "as usual"
[ $failed = 0 ] && echo "all of it held"
