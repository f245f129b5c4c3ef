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

# How many tokens and works there are.
alive() { echo "$(param bgtoken tokens) $(param bgtoken works)"; }

seconds() { cut -d . -f 1 /proc/uptime; }

# What does not come about in this time, in seconds, never will: tools/guest/init
# says how long that is on this machine. Once is enough to know.
: "${VM_PATIENCE:=180}"
give_up() { VM_PATIENCE=5; }

# until_so COMMAND...: wait for it to hold.
until_so() {
	end=$(($(seconds) + VM_PATIENCE))
	until "$@"; do
		if [ "$(seconds)" -ge "$end" ]; then
			give_up
			return 1
		fi
		sleep 0.05
	done
}

# Suspend and resume the devices, which the debug kernels can test. Others are not suspended: QEMU's tcg was seen to
# come back from memory with broken flags, and the kernel to trip over them.
suspend_once() {
	[ -w /sys/power/pm_test ] || return 0
	echo 0 >/sys/module/suspend/parameters/pm_test_delay
	echo devices >/sys/power/pm_test
	echo mem >/sys/power/state
}

# A random number from 0 to 255.
random() { od -A n -t u1 -N 1 /dev/urandom | tr -d ' '; }

# What QEMU is to do: see tools/qmp.
qmp() { echo "qmp: $*" >&"${QMP:-1}"; }
