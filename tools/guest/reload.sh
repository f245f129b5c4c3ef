#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Insert the modules, cancel compilation in the middle, remove them at once;
# inside the virtual machine, again and again. tools/check-stock runs it.
#
#	ROUNDS	how often (default 20)

set -u

: "${ROUNDS:=20}"
failed=0

once() {
	for module in bgtoken bgcompile bgfilter; do
		insmod /modules/$module.ko || return 1
	done
	bgfilter cancel -n 500 --rounds 2 >/run/cancel.txt || return 1
	# What was cancelled may be running still: removal has to wait for it.
	for module in bgfilter bgcompile bgtoken; do
		rmmod $module || return 1
	done
}

for round in $(seq "$ROUNDS"); do
	if once; then
		echo "ok $round - in, cancelled, out"
	else
		echo "not ok $round - in, cancelled, out"
		failed=$((failed + 1))
	fi
done
[ $failed = 0 ]
