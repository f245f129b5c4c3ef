#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# One pattern, inside the virtual machine, as it was before; tools/patterns runs it. The
# kernel is to complain of it, in its log. What hangs is left behind.
#
#	sh pattern.sh MODULE

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

module=$1

# What tools/patterns looks for may come at any time, from any task.
complained() {
	dmesg | grep -E -q 'BUG:|WARNING:|ODEBUG|possible .* locking|INFO: task'
}

insmod /modules/bgtoken.ko || exit 1
{ insmod "/modules/$module.ko" && rmmod "$module"; } &
insmod=$!

over() { complained || ! kill -0 $insmod 2>/dev/null; }

until_so over || echo "neither complained nor ended"
# What it left behind, if it has ended, has a little more.
# shellcheck disable=SC2034 # until_so reads it
VM_PATIENCE=3
until_so complained || true
dmesg | sed -n 's/.*\(pattern: .*\)/\1/p'
