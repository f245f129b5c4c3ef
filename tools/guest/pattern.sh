#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# One pattern, inside the virtual machine, as it was before; tools/patterns runs it. The kernel
# is to complain in its log, and there to have all that the expressions match; what hangs is
# left behind. Without expressions the pattern has to come to its end.
#
#	sh pattern.sh MODULE ["REGEX & REGEX..."]

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

module=$1 want=${2:-}

once() { insmod "/modules/$module.ko" && rmmod "$module"; }
tell() { dmesg | sed -n 's/.*\(pattern: .*\)/\1/p'; }

# It may complain at any time, from any task, and after the module has gone.
complained() {
	sleep 1 # what is run here keeps a busy machine from what it waits for
	dmesg >/run/log
	rest=$want
	while grep -E -q -e "${rest%% & *}" /run/log; do
		[ "${rest#* & }" != "$rest" ] || return 0
		rest=${rest#* & }
	done
	return 1
}

insmod /modules/bgtoken.ko || exit 1
if [ -z "$want" ]; then
	once || exit
	tell
	exit
fi
once &
until_so complained || echo "it did not complain of all that it should"
tell
