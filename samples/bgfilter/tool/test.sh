#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the user tool says of bad usage and bad files. Prints TAP; the exit
# status is 0 if all is well. Runs where the device is: in the virtual machine.
#
#	BGFILTER	the tool (default: bgfilter)

set -u

: "${BGFILTER:=bgfilter}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 3
count=0 failed=0

# says SENTENCE STATUS PATTERN COMMAND...: ends so, and says so on stderr
says() {
	sentence=$1 status=$2 pattern=$3
	shift 3
	count=$((count + 1))
	"$@" >out 2>err </dev/null
	got=$?
	if [ $got = "$status" ] && cat out err | grep -q -e "$pattern"; then
		echo "ok $count - $sentence"
	else
		echo "not ok $count - $sentence # status $got: $(head -n 1 err)"
		failed=$((failed + 1))
	fi
}

# pcap LINKTYPE: the header of a capture file, little-endian
pcap() {
	printf '\324\303\262\241\002\000\004\000\000\000\000\000\000\000\000\000'
	printf '\000\000\004\000'
	# shellcheck disable=SC2059 # the escape is made here
	printf "\\$(printf %03o "$1")\\000\\000\\000"
}

printf 'tcp\n\n# a comment\nudp and and\n' >bad.txt
printf 'tcp\n' >good.txt
printf '# nothing\n' >none.txt
pcap 1 >empty.pcap
pcap 113 >cooked.pcap
{ pcap 1; printf '\000\000\000\000\000\000\000\000\100\000\000\000\100\000\000\000abc'; } >cut.pcap
pcap 1 | head -c 10 >short.pcap
echo 'not a capture' >text.pcap

for command in run cancel bulk dump; do
	says "$command --help is a success" 0 "^Usage: bgfilter $command" \
		"$BGFILTER" $command --help
	says "$command with an unknown option is bad usage" 2 . \
		"$BGFILTER" $command --frobnicate
done
says "--help is a success" 0 '^Usage:' "$BGFILTER" --help
says "--version names libpcap" 0 libpcap "$BGFILTER" --version
says "no command is bad usage" 2 . "$BGFILTER"
says "an unknown command is bad usage" 2 frobnicate "$BGFILTER" frobnicate
says "a filter that does not compile is named by file and line" 2 'bad.txt:4:' \
	"$BGFILTER" run -F bad.txt -r empty.pcap
says "a file without filters is refused" 2 none.txt \
	"$BGFILTER" run -F none.txt -r empty.pcap
says "a missing file of filters is named" 2 missing.txt \
	"$BGFILTER" run -F missing.txt -r empty.pcap
says "a missing capture is named" 2 missing.pcap \
	"$BGFILTER" run -F good.txt -r missing.pcap
says "a capture that is not Ethernet is refused" 2 cooked.pcap \
	"$BGFILTER" run -F good.txt -r cooked.pcap
says "a capture that ends in a packet is refused" 2 cut.pcap \
	"$BGFILTER" run -F good.txt -r cut.pcap
says "a capture that ends in its header is refused" 2 short.pcap \
	"$BGFILTER" run -F good.txt -r short.pcap
says "what is no capture is refused" 2 text.pcap \
	"$BGFILTER" run -F good.txt -r text.pcap
says "a capture without packets counts nothing" 0 '^0	tcp$' \
	"$BGFILTER" run -F good.txt -r empty.pcap
says "an unknown interface is named" 3 nosuch0 \
	"$BGFILTER" run -F good.txt -i nosuch0 -c 1
says "an unknown tier is bad usage" 2 . \
	"$BGFILTER" run -F good.txt -r empty.pcap --tier=best
says "a missing device is named" 3 /dev/nosuch \
	"$BGFILTER" run -F good.txt -r empty.pcap --device=/dev/nosuch
says "0 filters to cancel are bad usage" 2 . "$BGFILTER" cancel -n 0

echo "1..$count"
[ $failed = 0 ]
