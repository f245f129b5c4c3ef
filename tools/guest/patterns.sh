#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# All patterns, inside the virtual machine, as they are after; tools/patterns runs it. Each
# says in the kernel's log how long it took, and here in a line "ok" or "not ok".
#
#	ROUNDS	how often each
#	AT_EXIT	modules that are inserted and removed as often instead
#
#	sh patterns.sh MODULE...

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

: "${ROUNDS:=1000}" "${AT_EXIT:=}"

insmod /modules/bgtoken.ko || exit 1
none=$(alive) || exit

# once MODULE ROUNDS
once() {
	insmod "/modules/$1.ko" after=1 rounds="$2" && rmmod "$1" && alive_are "$none"
}

all_rounds() {
	case " $AT_EXIT " in
	*" $1 "*)
		for _ in $(seq "$ROUNDS"); do
			once "$1" 1 || return
		done ;;
	*)	once "$1" "$ROUNDS" ;;
	esac
}

for module; do
	check "$module" all_rounds "$module"
	dmesg | sed -n "s/.*\(pattern: $module after.*\)/\1/p" | tail -n 1
done
[ $failed = 0 ]
