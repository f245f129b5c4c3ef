#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# All that is tested, inside the virtual machine, and then the counts that the
# kernel kept of what was run, in /root/gcov. tools/coverage runs it.
#
#	SUITES	as for check.sh
#	ROUNDS	as for demo.sh
#	TORTURE	how many seconds of torture
#	PREFIX	the folder that the modules were built in

set -u

: "${SUITES:=}" "${ROUNDS:=3}" "${TORTURE:=60}" "${PREFIX:=}"
export SUITES ROUNDS SAMPLES="bgfilter_badinput bgtoken_state" BULK=0
gcov=/sys/kernel/debug/gcov
status=0

sh check.sh || status=1
sh demo.sh || status=1
SECONDS_=$TORTURE CPUS=$(nproc) sh torture.sh || status=1

# The kernel keeps the counts of modules that are gone. The sizes of these files
# are 0 until they are read.
mkdir -p /root/gcov
find $gcov -name '*.gcda' | while read -r file; do
	to=/root/gcov/${file#"$gcov$PREFIX"/}
	mkdir -p "${to%/*}"
	cat "$file" >"$to"
done
exit $status
