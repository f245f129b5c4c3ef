#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The driver of a network card, of conversions/, on the device that QEMU has of it; inside the
# virtual machine, whose host does what lines "qmp: ..." ask for. tools/conversions runs it.
# Each thing that must hold is said in a line "ok - SENTENCE" or "not ok - SENTENCE".
#
#	sh conversion.sh WHAT...
#
# Of each WHAT there are so many rounds, and in each the driver is inserted, and removed again,
# in one form after the other, so that both see the same machine. The card has to work before
# and after:
#
#	late, rtnl, close	what conversions/provoke.c does to a network card
#	suspend-late, suspend-rtnl	the same, and the machine is suspended and resumed
#	recover, shutdown	the same, soon after its transmitter hangs
#	load		it goes while it is busy, by its driver, and in every fifth round also by
#			QEMU
#
#	FORMS	"before", "after" or both, folders of modules
#	MODULES	the driver's, in the order in which they go in
#	DEVICE	what QEMU is to plug in, in JSON
#	ROUNDS	how often
#	HUNG	after so many seconds the kernel complains of a task that is blocked

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

run() { echo "$*" >/sys/module/provoke/parameters/run; }
hangs() { dmesg | grep -c 'provoke: .* hangs'; }

# The address of the one device that is behind a bridge, QEMU's slot.
card() {
	for vendor in /sys/devices/pci0000:00/*/0000:*/vendor; do
		vendor=${vendor%/vendor}
		[ ! -d "$vendor" ] || echo "${vendor##*/}"
	done
}
plugged() { [ -n "$(card)" ]; }
unplugged() { [ -z "$(card)" ]; }
net() { ls "/sys/bus/pci/devices/$(card)/net" 2>/dev/null; }
there() { [ -n "$(net)" ]; }

# It gets its bytes back from a server behind QEMU's network. A connection may break when the
# card is reset, and the next one must work.
reachable() { ping -c 1 -W 1 10.0.2.2 >/dev/null 2>&1; }
echoed() { nc -w 5 10.0.2.100 7 </run/sent >"$1" 2>/dev/null && cmp -s /run/sent "$1"; }
in_use() {
	until_so there && ip address replace 10.0.2.15/24 dev "$(net)" &&
		ip link set "$(net)" up && until_so reachable && until_so echoed /run/got
}
works() { in_use || { echo "the card does not work"; return 1; }; }

# For as long as COMMAND... takes.
while_busy() {
	setsid sh -c 'while :; do nc -w 5 10.0.2.100 7 </run/sent >/dev/null 2>&1; done' &
	busy=$!
	# Until it has a group of its own, nobody could end that: wait below would wait for ever.
	until kill -0 -"$busy" 2>/dev/null; do usleep 10000; done
	usleep "$(random)000"
	"$@"
	went=$?
	kill -9 -"$busy"
	wait $busy 2>/dev/null
	return $went
}

# A remove may have waited for what was to outlast it: see provoke.c.
by_driver() { { run unbind "$(card)" || [ "$form" = before ]; } && run bind "$(card)"; }
by_qemu() {
	qmp 'device_del {"id": "card"}'
	until_so unplugged || { echo "QEMU did not unplug it"; return 1; }
	qmp "device_add $DEVICE"
	until_so plugged || { echo "QEMU did not plug it in"; return 1; }
}

once() {
	works || return
	before=$(hangs)
	case $1 in
	late | rtnl)	run "$1" "$(net)" && by_driver ;;
	close)		run close "$(net)" ;;
	suspend-*)	run "$1" "$(net)" && while_busy suspend_once ;;
	recover)	run hang "$(net)" && run recover "$(card)" ;;
	shutdown)	run hang "$(net)" && run shutdown "$(card)" ;;
	load)		run hang "$(net)" && works && while_busy by_driver &&
			if [ $(($2 % 5)) = 1 ]; then works && while_busy by_qemu; fi ;;
	esac || return
	[ "$(hangs)" -gt "$before" ] || { echo "nothing was provoked"; return 1; }
	works
}

inserted() {
	for module in $MODULES; do insmod "$1/$module.ko" || return; done
}
removed() {
	for module in $MODULES; do echo "$module"; done | sed '1!G;h;$!d' | xargs -n 1 rmmod
}
took() { dmesg | sed -n "s/.*provoke: removed in \([0-9]*\) ns/$1 removed \1/p" | tail -n 1; }

rounds() {
	for round in $(seq "$ROUNDS"); do
		for form in $FORMS; do
			inserted "$form" && once "$1" "$round" && removed || return
			[ "$1" != load ] || took "$form"
		done
		progress "$1: $round of $ROUNDS rounds"
	done
}

[ -z "$HUNG" ] || echo "$HUNG" >/proc/sys/kernel/hung_task_timeout_secs
# A work that takes long holds up the others of its CPU, if the workqueue does not step in.
echo 0 >/sys/module/workqueue/parameters/cpu_intensive_thresh_us
# What is said while devices are suspended is not to wait for a resume.
echo N >/sys/module/printk/parameters/console_suspend
head -c 30000 /dev/urandom >/run/sent
limit_ms=25000
[ "$FORMS" != after ] || limit_ms=$((VM_PATIENCE * 1000))
insmod /modules/bgtoken.ko && insmod /modules/provoke.ko limit_ms=$limit_ms || exit
for what; do
	check "$what, $ROUNDS times" rounds "$what"
done
none_left() { alive_are "0 0"; }
check "no token and no work is left" until_so none_left
[ $failed = 0 ]
