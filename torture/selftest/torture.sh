#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Torture tokens for a while, by kselftest: bgtoken_torture says whether what they promise held.

DIR=$(dirname "$(readlink -f "$0")")
# shellcheck disable=SC1091 # it is in the kernel's tree
. "$DIR"/../kselftest/ktap_helpers.sh

state=/sys/module/bgtoken_torture/parameters/state

ktap_print_header
skip() {
	ktap_skip_all "$1"
	exit "$KSFT_SKIP"
}
[ "$(id -u)" = 0 ] || skip "needs root"
modprobe -n -q bgtoken_torture || skip "no module bgtoken_torture"
ktap_set_plan 1
if modprobe bgtoken_torture seconds="${SECONDS_:-30}"; then
	while [ "$(cat $state)" = running ]; do
		sleep 1
	done
	result=$(cat $state)
	modprobe -r bgtoken_torture
fi
if [ "$result" = SUCCESS ]; then
	ktap_test_pass "what tokens promise held"
else
	ktap_test_fail "what tokens promise held: $result"
fi
ktap_finished
