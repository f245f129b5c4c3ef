#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The KUnit suites, inside the virtual machine: a module each, inserted and
# removed one by one. tools/check runs it, and reads in the kernel's log what
# they said, between the marks that are set here.
#
#	SUITES		modules, each with its parameters after commas:
#			bgtoken_stress_test,stress_ms=3000
#	SAMPLES		of bgtoken_state, bgfilter_badinput, bgfilter_bulk, bgfilter_cancel,
#			bgedu_unplug, bgedu_fuzz, bgfilter_fuzz, bgfilter_reload, bgfilter_failures: run those too
#	MOST		allocations that fail in each command of the last, at most
#	CALLS SEED	random calls to each device, and of which numbers
#	RELOADS		how often the modules are inserted and removed

set -u
export MOST
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

: "${SUITES:=}" "${SAMPLES:=}" "${MOST:=}" "${CALLS:=1000}" "${RELOADS:=3}" "${SEED:=}"
status=0

mark() { echo "bgtoken-check: $*" >/dev/kmsg; }

complain() {
	echo "$*"
	status=1
}

# Where a case asks for it, any allocation of its thread may fail, in silence.
failslab=/sys/kernel/debug/failslab
if [ -d $failslab ]; then
	echo N >$failslab/ignore-gfp-wait
	echo 0 >$failslab/verbose
fi

insert() {
	for module in bgtoken bgcompile bgfilter; do
		insmod /modules/$module.ko || complain "cannot insert $module"
	done
}
remove() {
	for module in bgfilter bgcompile bgtoken; do
		rmmod $module || complain "cannot remove $module"
	done
}

insert

for suite in $SUITES; do
	module=${suite%%,*}
	begin=$(seconds)
	mark "begin $module"
	parameters=$(echo "${suite#"$module"}" | tr ',' ' ')
	! modinfo -F parm "/modules/$module.ko" | grep -q '^patience:' || parameters="$parameters patience=$VM_PATIENCE"
	# shellcheck disable=SC2086 # they are words
	if insmod "/modules/$module.ko" $parameters; then
		rmmod "$module" || complain "cannot remove $module"
	else
		complain "cannot insert $module"
	fi
	mark "end $module"
	echo "$module, $(($(seconds) - begin)) s"
done

# TAP, as bgfilter-badinput prints it itself.
# shellcheck disable=SC2317 # sample calls it
cancel() {
	echo 1..1
	if bgfilter cancel -n 200 --rounds 10 >/run/cancel.txt; then
		echo "ok 1 - close() in the middle of compilation, 10 times"
	else
		echo "not ok 1 - close() in the middle of compilation, 10 times"
		return 1
	fi
}

# A close that leaves much to be freed. At which pace that goes is for kunit/results_test.c.
# shellcheck disable=SC2317 # sample calls it
bulk() {
	echo 1..2
	bgfilter bulk -n 1000 --length 100 --no-run >/run/bulk.txt 2>&1
	tap 1 "1000 filters are compiled and closed at once"
	until_so none_left
	tap 2 "what they left is freed in the end"
	[ "$failed" = 0 ]
}
# shellcheck disable=SC2317 # bulk calls it
none_left() { [ "$(param bgfilter results)" = 0 ]; }

# tap N SENTENCE: the outcome of the last command
# shellcheck disable=SC2317 # the same
tap() {
	if [ $? = 0 ]; then
		echo "ok $1 - $2"
	else
		echo "not ok $1 - $2"
		failed=$((failed + 1))
	fi
}

# check-demo compares 1000 programs, on a stock kernel: here that took a quarter of it all.
# shellcheck disable=SC2317 # sample calls it
badinput() {
	bgfilter-badinput --programs 200
}

# sample SUITE COMMAND: its TAP goes into the log, line by line, as that of a
# suite of KUnit's does.
sample() {
	begin=$(seconds)
	mark "begin $1"
	{
		echo "# Subtest: $1"
		"$2" && echo end ok || echo end not ok
	} | while read -r line; do
		case $line in
		"end "*) echo "${line#end } 1 $1" ;;
		*) echo "    $line" ;;
		esac >/dev/kmsg
	done
	mark "end $1"
	echo "$1, $(($(seconds) - begin)) s"
}

# numbered: the lines "ok" and "not ok" of a script in the guest, as TAP has them.
# shellcheck disable=SC2317 # the same
numbered() {
	awk '
	/^(not )?ok - / { sub(/ok/, "ok " ++n) }
	/^all of it held$/ { all = 1 }
	{ print; fflush() }
	END { print "1.." n; exit !all }'
}

# It uses up the creation sites, which bgtoken knows until it is removed.
# shellcheck disable=SC2317 # the same
state() {
	sh state.sh | numbered
	ended=$?
	remove >&2
	insert >&2
	return "$ended"
}

# shellcheck disable=SC2317 # the same
failures() { sh failures.sh | numbered; }

# What QEMU is asked for is no result: it goes where the host reads it. Users rest here, as
# on four debug machines at once under load a device took minutes to come back; check-demo
# has them without rest.
exec 4>&1
# shellcheck disable=SC2317 # sample calls it
unplug() {
	ROUNDS=4 USERS=4 LOAD='-r 20 -k 200' QMP=4 sh unplug.sh | numbered
}

# shellcheck disable=SC2317 # the same
reload() {
	remove >&2
	ROUNDS=$RELOADS TORTURE=1 sh reload.sh | numbered
	ended=$?
	if [ "$ended" != 0 ]; then
		for module in bgedu bgfilter bgcompile bgtoken; do
			rmmod "$module"
		done 2>/dev/null
	fi
	insert >&2
	return "$ended"
}

# shellcheck disable=SC2317 # the same
fuzz() { DEVICE=$1 CALLS=$CALLS SEED=$SEED QMP=4 sh fuzz.sh | numbered; }
# shellcheck disable=SC2317 # the same
fuzz_filter() { fuzz filter; }
# shellcheck disable=SC2317 # the same
fuzz_edu() { fuzz edu; }

for name in $SAMPLES; do
	case $name in
	bgfilter_fuzz)	sample "$name" fuzz_filter ;;
	bgedu_fuzz)	sample "$name" fuzz_edu ;;
	*)		sample "$name" "${name#*_}" ;;
	esac
done

remove
exit $status
