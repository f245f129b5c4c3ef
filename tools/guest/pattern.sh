#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# One pattern, inside the virtual machine, as it was before; tools/patterns runs it. The
# kernel is to complain of it, in its log. What hangs is left behind.
#
#	sh pattern.sh MODULE

set -u

: "${VM_PATIENCE:=180}"
module=$1

# What tools/patterns looks for may come at any time, from any task.
complained() {
	dmesg | grep -E -q 'BUG:|WARNING:|ODEBUG|possible .* locking|INFO: task'
}

insmod /modules/bgtoken.ko || exit 1
{ insmod "/modules/$module.ko" && rmmod "$module"; } &
insmod=$!

seconds() { cut -d . -f 1 /proc/uptime; }

until=$(($(seconds) + VM_PATIENCE))
while kill -0 $insmod 2>/dev/null && ! complained && [ "$(seconds)" -lt $until ]; do
	sleep 0.1
done
# It has ended: what it left behind has a little more.
until=$(($(seconds) + 3))
until complained || [ "$(seconds)" -ge $until ]; do
	sleep 0.1
done
dmesg | sed -n 's/.*\(pattern: .*\)/\1/p'
