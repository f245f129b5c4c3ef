# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# QEMU's edu device, plugged in and out, for the scripts that use it in the virtual machine;
# source it there, after lib.sh.

# The users keep all CPUs busy. On a debug kernel beside other machines a device was found
# four minutes after it was plugged in.
VM_PATIENCE=$((VM_PATIENCE * 2))
# The driver has as long: what the device is stuck on takes a busy host a multiple of five seconds.
# shellcheck disable=SC2034
patience=$VM_PATIENCE

# In $edu, the device that is plugged in.
plugged() {
	for edu in /sys/bus/pci/devices/*; do
		read -r id <"$edu/device" && [ "$id" = 0x11e8 ] && return
	done 2>/dev/null
	return 1
}
unplugged() { ! plugged; }
# When it is idle, by itself. One that was just plugged in may not.
may_sleep() { plugged && echo auto >"$edu/power/control"; }
bound() { [ -c /dev/edu0 ]; }

by_qemu() {
	qmp 'device_del {"id": "edu0"}'
	until_so unplugged || return
	[ $(($(random) % 2)) = 0 ] || sleep 0.05
	qmp 'device_add {"driver": "edu", "id": "edu0", "bus": "slot0"}'
	until_so plugged
}

by_sysfs() {
	plugged && echo 1 >"$edu/remove" && unplugged || return
	echo 1 >/sys/bus/pci/rescan
	until_so plugged
}
