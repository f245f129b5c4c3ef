#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# All patterns, inside the virtual machine, as they are after; tools/patterns runs it. Each
# says in a line "ok" or "not ok", and those that measured it how long they kept their caller.
#
#	ROUNDS	how often each, some at a time, lest nobody hear of it for long
#	AT_EXIT	modules that are inserted and removed as often instead
#
#	sh patterns.sh MODULE...

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

: "${ROUNDS:=1000}" "${AT_EXIT:=}"

insmod /modules/bgtoken.ko || exit 1
none=$(alive) || exit

# once MODULE ROUNDS: in $longest, what the module says of the longest, in ns.
once() {
	insmod "/modules/$1.ko" after=1 rounds="$2" && took=$(param "$1" longest) &&
		rmmod "$1" && alive_are "$none" || return
	[ "$took" -le "$longest" ] || longest=$took
}

all_rounds() {
	at_once=50 left=$ROUNDS longest=0
	case " $AT_EXIT " in
	*" $1 "*)	at_once=1 ;;
	esac
	while [ "$left" -gt 0 ]; do
		[ "$left" -ge "$at_once" ] || at_once=$left
		once "$1" "$at_once" || return
		left=$((left - at_once))
		progress "$1: $((ROUNDS - left)) of $ROUNDS rounds"
	done
}

for module; do
	check "$module" all_rounds "$module"
	[ "$longest" = 0 ] || echo "pattern: $module after: $ROUNDS rounds, longest $longest ns"
done
[ $failed = 0 ]
