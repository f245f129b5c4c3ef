#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Insert the modules, cancel compilation in the middle, leave the edu device with something to
# compute, if QEMU has it, and remove them at once; inside the virtual machine, again and again.
# Then the same with bgtoken_torture in the middle of a test. tools/check and tools/check-stock run
# it.
#
#	ROUNDS	how often (default 20)
#	TORTURE	1: there is that module

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

: "${ROUNDS:=20}" "${TORTURE:=}"
device=$(cat /sys/bus/pci/devices/*/device | grep -c 0x11e8)

# For about half a second; a device that is not set up yet would drop it as the file is closed.
set_up() { bgedu-load -S | grep -q 'setups [1-9]'; }
compute() {
	[ "$device" = 1 ] || return 0
	until_so set_up && echo 400000000 >/dev/edu0
}

compiling() { units=$(param bgcompile units) && [ "$units" -gt 0 ]; }

once() {
	for module in bgtoken bgcompile bgfilter bgedu; do
		insmod /modules/$module.ko || return 1
	done
	bgfilter cancel -n 500 --rounds 2 >/run/cancel.txt || return 1
	compute || return 1
	# Killed in the middle: what it has cancelled is running still, and removal has to wait.
	bgfilter cancel -n 500 --rounds 1000 >/run/cancel.txt &
	until_so compiling || return 1
	kill -9 $!
	wait $! 2>/dev/null
	for module in bgfilter bgedu bgcompile bgtoken; do
		rmmod $module || return 1
	done
}

# The test goes on until it is removed, and then has a verdict.
tortured_once() {
	for module in bgtoken bgcompile; do
		insmod /modules/$module.ko || return 1
	done
	insmod /modules/bgtoken_torture.ko seconds=0 steps=0 || return 1
	usleep $(($(random) * 4000))
	for module in bgtoken_torture bgcompile bgtoken; do
		rmmod $module || return 1
	done
	dmesg -c | grep -q 'bgtoken_torture: end of test: SUCCESS'
}

all() {
	for round in $(seq "$ROUNDS"); do
		"$1" || { echo "# in round $round"; return 1; }
		progress "$round of $ROUNDS"
	done
}

refused() { ! insmod /modules/bgtoken.ko tokens=1 2>/dev/null && [ ! -d /sys/module/bgtoken ]; }

check "what a parameter counts cannot be set" refused
check "in, cancelled, out, $ROUNDS times" all once
[ -z "$TORTURE" ] || check "in, tortured, out, $ROUNDS times" all tortured_once
[ $failed = 0 ] && echo "all of it held"
