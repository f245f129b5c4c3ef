#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Random calls to the device of a sample, inside the virtual machine: to /dev/bgfilter, or to
# /dev/edu0 while it is plugged in and out, for which lines "qmp: ..." ask the host.
# tools/guest/check.sh runs it. What must hold is said in a line "ok - SENTENCE" or
# "not ok - SENTENCE".
#
#	DEVICE	filter or edu
#	CALLS	how many (default 1000000)
#	SEED	of the random numbers (default: the time)
#	QMP	the descriptor for what the host is to do (default 1)

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh
# shellcheck source=tools/guest/edu.sh
. ./edu.sh

: "${CALLS:=1000000}" "${SEED:=}"
[ -n "$SEED" ] || SEED=$(date +%s)
export VM_PATIENCE

# Until it is told to end, which leaves the device plugged in.
plug_in_and_out() {
	while [ -e /run/plugging ]; do
		until_so bound || return
		usleep $(($(random) * 8000))
		if [ $(($(random) % 2)) = 0 ]; then by_qemu; else by_sysfs; fi || return
	done
}

before=$(alive) || exit
case $DEVICE in
filter)	module=bgfilter path=/dev/bgfilter rest=0 ;;
edu)	module=bgedu path=/dev/edu0 rest=20
	until_so plugged || { echo "not ok - QEMU has no edu device"; exit 1; }
	insmod /modules/bgedu.ko patience="$patience" || exit
	: >/run/plugging
	plug_in_and_out &
	plugger=$! ;;
esac
check "random calls to $path return what they may, and it works afterwards" \
	bgfuzz -n "$CALLS" -s "$SEED" -r "$rest" "$DEVICE"
if [ "$DEVICE" = edu ]; then
	rm /run/plugging
	check "the device can be plugged in and out meanwhile" wait "$plugger"
fi
check "the driver can be removed" rmmod "$module"
check "no token and no work is left" alive_are "$before"
[ "$DEVICE" = edu ] || insmod "/modules/$module.ko"
[ $failed = 0 ] && echo "all of it held"
