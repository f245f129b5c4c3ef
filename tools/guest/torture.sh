#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Torture tokens, inside the virtual machine. tools/torture runs it.
#
#	SECONDS_	how long
#	PARAMETERS	more of bgtoken_torture's
#	CPUS		how many there should be
#	HOTPLUG		1: take CPUs off and bring them back meanwhile

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

state() { param bgtoken_torture state; }

# The module's lines that have come since.
tell() { dmesg -c | sed -n 's/.*bgtoken_torture: /# /p'; }

plugged=0
seen=0
# One of the CPUs but the first, off and back.
hotplug() {
	cpu=/sys/devices/system/cpu/cpu$(($(random) % ($(nproc --all) - 1) + 1))/online
	echo 0 >"$cpu" && sleep 1 && echo 1 >"$cpu" && plugged=$((plugged + 1))
}

check "there are $CPUS CPUs" [ "$(nproc)" = "$CPUS" ]
insmod /modules/bgtoken.ko && insmod /modules/bgcompile.ko &&
	eval "insmod /modules/bgtoken_torture.ko seconds=$SECONDS_ ${PARAMETERS:-}" || exit 1
# A machine that is stuck says nothing, and tools/vm ends it.
while [ "$(state)" = running ]; do
	sleep 2
	cat /sys/kernel/debug/bgtoken/totals >/dev/null || break
	lines=$(grep -v -c '^#' /sys/kernel/debug/bgtoken/tokens)
	seen=$((seen > lines ? seen : lines))
	tell
	[ "${HOTPLUG:-}" != 1 ] || hotplug	# may take as long as the test, where CPUs are busy
done
tell
[ "${HOTPLUG:-}" != 1 ] || check "CPUs went off and came back ($plugged)" [ "$plugged" -gt 0 ]
check "the tokens that are alive were read meanwhile (at most $seen)" [ "$seen" -gt 10 ]
check "what is promised held: $(state)" [ "$(state)" = SUCCESS ]
rmmod bgtoken_torture
check "nothing is left" alive_are "0 0"
rmmod bgcompile && rmmod bgtoken || exit 1
[ $failed = 0 ]
