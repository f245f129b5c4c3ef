#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the recipes of Documentation/tracing.rst, which are in recipes/NAME, with what they are to
# print in recipes/NAME.expect, while filters are compiled, files of them closed and, for some,
# tokens and works used at random; inside the virtual machine. tools/check-recipes runs it, and
# fetches what each printed, recipes/NAME.output.

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

# Until there are random numbers, hashed addresses are not printed.
head -c 1 /dev/random >/dev/null
bgfilter cancel -n 200 --rounds 1000000 >/dev/null 2>&1 &
cancels=$!
while bgfilter bulk -n 4 --no-run; do :; done >/dev/null 2>&1 &
bulks=$!

# Cancels that wait, scopes that last, works that are refused: beside a recipe that wants those.
torture() {
	insmod /modules/bgtoken_torture.ko seconds=0 steps=0 preempts=0 units=0 delays=4 || return
	dmesg -c >/dev/null
	try "$1"
	tried=$?
	rmmod bgtoken_torture && dmesg | grep -q 'bgtoken_torture: end of test: SUCCESS' && return "$tried"
}

try() {
	sh "recipes/$1" >"recipes/$1.output" 2>&1 || { tail -n 20 "recipes/$1.output"; return 1; }
	grep -E -q -f "recipes/$1.expect" "recipes/$1.output" || { tail -n 20 "recipes/$1.output"; return 1; }
}

# Each event has the fields that the document names, and no other; and the document names each.
fields_are_documented() {
	for format in /sys/kernel/tracing/events/bgtoken/*/format /sys/kernel/tracing/events/bgcompile/*/format; do
		event=${format%/format}
		echo "${event##*/}" "$(sed -n 's/^\tfield:.*[ *]\([a-z_]*\)\(\[[0-9]*\]\)*;\toffset.*/\1/p' "$format" |
			grep -v ^common_ | sort | tr '\n' ' ')"
	done | sort >/run/has
	while read -r event fields; do
		# shellcheck disable=SC2086 # words
		echo "$event" "$(printf '%s\n' $fields | sort | tr '\n' ' ')"
	done <recipes/fields | sort >/run/documented
	diff /run/has /run/documented
}
check "each event has the fields that are documented" fields_are_documented

for recipe in recipes/*; do
	case $recipe in
	*.expect | *.output | */fields) continue ;;
	esac
	beside=try
	case ${recipe#recipes/} in
	cancel-histogram | cancel-trace | longest-scopes | refusals) beside=torture ;;
	esac
	check "${recipe#recipes/} prints what it is to" $beside "${recipe#recipes/}"
done
kill "$cancels" "$bulks"
wait
[ $failed = 0 ]
