# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the scripts in the virtual machine share. tools/vm brings it; source it there.

failed=0

# check SENTENCE COMMAND...: does it hold? Says so in a line "ok" or "not ok".
check() {
	sentence=$1
	shift
	if "$@"; then
		echo "ok - $sentence"
	else
		echo "not ok - $sentence"
		failed=$((failed + 1))
	fi
}

param() { cat "/sys/module/$1/parameters/$2"; }

# How many tokens and works there are; it fails if nobody can tell.
alive() {
	tokens=$(param bgtoken tokens) && works=$(param bgtoken works) &&
		[ -n "$tokens" ] && [ -n "$works" ] && echo "$tokens $works"
}
# alive_are NUMBERS
alive_are() {
	now_alive=$(alive) && [ "$now_alive" = "$1" ]
}

# In $now, the seconds since the boot. Without a fork, which takes long on a debug kernel: what
# waits by looking again and again would keep a busy machine from what it waits for.
look_at_clock() {
	read -r now _ </proc/uptime
	now=${now%.*}
}
seconds() { look_at_clock; echo "$now"; }

# What does not come about in this time, in seconds, never will: tools/guest/init
# says how long that is on this machine. Once is enough to know.
: "${VM_PATIENCE:=180}"
give_up() { VM_PATIENCE=5; }

# until_so COMMAND...: wait for it to hold.
until_so() {
	look_at_clock
	end=$((now + VM_PATIENCE))
	until "$@"; do
		look_at_clock
		if [ "$now" -ge "$end" ]; then
			give_up
			return 1
		fi
		sleep 0.05
	done
}

# progress SENTENCE: say it, in a line that begins with "#", once in ten seconds at most.
progress() {
	look_at_clock
	: "${told_at:=$now}"
	[ $((now - told_at)) -ge 10 ] || return 0
	told_at=$now
	echo "# $1"
}

# Suspend and resume the devices. Kernels with CONFIG_PM_DEBUG have a test for that, which does no
# more. Others hibernate, and come back at once: processes and devices are frozen, all CPUs but one
# go off, an image of the memory is made, all come back, and then there is no swap for the image,
# which the kernel says. No real suspend: QEMU's tcg was seen to come back from memory with broken
# flags, and the kernel to trip over them; from "freeze" it did not come back.
suspend_once() {
	if [ -w /sys/power/pm_test ]; then
		echo 0 >/sys/module/suspend/parameters/pm_test_delay
		echo devices >/sys/power/pm_test
		echo mem >/sys/power/state
	else
		had_images=$(images)
		echo disk >/sys/power/state 2>/dev/null
		[ "$(images)" -gt "$had_images" ]
	fi
}
images() { dmesg | grep -c 'PM: Cannot get swap writer'; }

# A random number from 0 to 255.
random() { echo $(($(od -An -N1 -tu1 /dev/urandom))); }

# What QEMU is to do: see tools/lib/qmp.
qmp() { echo "qmp: $*" >&"${QMP:-1}"; }
