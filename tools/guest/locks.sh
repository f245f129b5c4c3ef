#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Tokens of each kind under many works, inside the virtual machine, by the
# benchmark: it fails when two are where one may be, or somebody is in a scope
# after the cancel. Its figures are not looked at.
#
#	WORKS	how many works, at most: a power of 4 (default 16)
#	CPUS	how many CPUs there have to be (default: as many as there are)

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

: "${WORKS:=16}" "${CPUS:=$(nproc)}"
what="the scopes and cancels of each kind add up under load, CPUs: $(nproc)"
tab=$(printf '\t')

# Said to be well, and of each kind there is a row. The units are looked at one by one.
well() {
	{
		CLOSE_TURNS=0 sh run.sh /modules cases=cancel,tail,units length=10 "works=$WORKS" \
			units=10000 rounds=2
		echo $? >status
	} | tee bench.txt | awk '/^bench: / { print; fflush() }'
	[ "$(cat status)" = 0 ] || return
	for kind in mutex shared percpu spin; do
		grep -q "^tail${tab}token-$kind${tab}$WORKS${tab}[1-9]" bench.txt || return
		grep -q "^cancel${tab}token-$kind${tab}10${tab}[1-9]" bench.txt || return
	done
	grep -q "^units${tab}bgcompile-mutex${tab}10000${tab}[1-9]" bench.txt
}

check "all CPUs have come up: $CPUS" [ "$(nproc)" = "$CPUS" ]
if well; then
	awk -v works="$WORKS" -F '\t' '$1 == "tail" && $2 ~ /^token/ && $3 == works {
		print "# " $2 ", " works " works: cancels: " $4 }' bench.txt
	echo "ok 1 - $what"
else
	echo "not ok 1 - $what"
	sed -n '/^=== /q; p' bench.txt
	dmesg | grep 'bgtoken_bench: failure'
	exit 1
fi
[ $failed = 0 ]
