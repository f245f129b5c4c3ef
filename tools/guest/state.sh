#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# /sys/kernel/debug/bgtoken/: does it show the tokens that are alive, and while they come and go?
# Inside the virtual machine; tools/guest/check.sh runs it, with the modules inserted.

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

state=/sys/kernel/debug/bgtoken
packets=/run/packets

tokens() { grep -v '^#' $state/tokens; }
total() { sed -n "s/^$1 //p" $state/totals; }

loaded() { [ "$(param bgfilter sets)" = 1 ]; }
none_loaded() { [ "$(param bgfilter sets)" = 0 ]; }

# A header, and a line for each token, of which one is that of the set that is loaded.
shown() {
	head -n 1 $state/tokens | grep -q '^# *id kind *state *refs scopes pending name, created at$' &&
		[ "$(tokens | wc -l)" = "$(param bgtoken tokens)" ] &&
		[ "$(tokens | grep -c '^ *[0-9]* [a-z]* *open *[1-9][0-9]* *0 *0 bgcompile:.*, bgfilter:set\.c:[0-9]*$')" = 1 ]
}

summed_up() {
	[ "$(total tokens)" = "$(tokens | wc -l)" ] &&
		[ "$(total tokens)" = $(($(total tokens_mutex) + $(total tokens_shared) + $(total tokens_spin) + $(total tokens_percpu))) ] &&
		[ "$(total works)" = "$(param bgtoken works)" ] &&
		[ "$(total sites)" -gt 0 ]
}

not_shown() { [ "$(tokens | grep -c bgfilter:)" = 0 ]; }

# Each line is whole, whatever comes and goes meanwhile.
reads_on() {
	bgfilter cancel -n 300 --rounds 20 >/run/cancel.txt &
	child=$!
	reads=0
	bad=''
	while [ -z "$bad" ] && kill -0 $child 2>/dev/null; do
		cat $state/totals >/run/totals || bad=totals
		cat $state/tokens >/run/tokens || bad=tokens
		! grep -v -e '^#' -e '^ *[0-9]* [a-z]* *[a-z]* *[0-9]* *[0-9]* *[0-9]* .*, [a-z_]*:[a-z_]*\.c:[0-9]*$' /run/tokens || bad=line
		reads=$((reads + 1))
	done
	echo "# $reads reads"
	wait $child && [ -z "$bad" ] && [ $reads -gt 0 ]
}

mkfifo $packets
exec 5<>$packets	# does not wait for a reader
head -c 24 kinds.pcap >&5	# its header: the packets are still to come
bgfilter run -r $packets tcp >/run/said 2>&1 5>&- &
child=$!
check "a set of filters is loaded" until_so loaded
check "its token is shown, and where it was created" until_so shown
check "the totals agree with that" until_so summed_up
exec 5>&-
wait $child || cat /run/said
check "it is not shown any more when the set is gone" until_so eval 'none_loaded && not_shown'
check "sets come and go while their tokens are read" reads_on

# A file keeps the token of a device that has gone.
driver=/sys/bus/pci/drivers/bgedu
of_edu() { [ "$(tokens | grep -c "^ *[0-9]* [a-z]* *$1 *[1-9][0-9]* *0 *[0-9]* .*, bgedu:main\.c:[0-9]*\$")" = 1 ]; }
not_of_edu() { ! tokens | grep -q bgedu:; }
edu=$(grep -l 0x11e8 /sys/bus/pci/devices/*/device | sed 's|/device$||; s|.*/||')
if [ -n "$edu" ]; then
	insmod /modules/bgedu.ko
	until_so test -c /dev/edu0
	exec 6<>/dev/edu0
	check "the token of a device is shown as open" until_so of_edu open
	echo "$edu" >$driver/unbind
	check "that of a device that has gone, as cancelled" until_so of_edu cancelled
	exec 6>&-
	check "and no more when its last file is closed" until_so not_of_edu
	rmmod bgedu
else
	check "there is a device" false
fi
# Tokens that are paused or refused, for longer than a look at them takes.
shows() { tokens | grep -q "^ *[0-9]* [a-z]* *$1 "; }
insmod /modules/bgtoken_torture.ko seconds=0 steps=0 preempts=0 pauses=4 odds_guests=2 hold_ms=1000
some() { [ "$(total "$1")" -gt 0 ]; }
for word in paused refused; do
	check "a token is shown as $word" until_so shows $word
done
check "the totals have tokens that are paused" until_so some tokens_paused
check "and some that are refused or cancelled" until_so some tokens_cancelled
check "the test that made these tokens can be removed" rmmod bgtoken_torture

# More creation sites than there is room for, until bgtoken is removed.
unknown() { tokens | grep -q '(unknown):0$'; }
logged() { dmesg | grep -q 'bgtoken: only the first [0-9]* creation sites are told apart$'; }
# While a kprobe is being placed in a module, that has a reference, and cannot be removed: none here.
insmod /modules/bgtoken_torture.ko seconds=0 steps=0 sites=1000
check "tokens created beyond the last known site are shown" until_so unknown
check "the log says that there are too many sites" until_so logged
check "torture with such tokens can be removed" rmmod bgtoken_torture
[ $failed = 0 ] && echo "all of it held"
