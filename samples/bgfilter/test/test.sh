#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The user tool as people use it who know tcpdump: what it counts, what it says
# of bad usage and bad files, and how it ends. Prints TAP; the exit status is 0 if
# all is well. Runs where the device is: in the virtual machine.
#
#	BGFILTER	the tool (default: bgfilter)
#	INPUTS		the folder of captures and filters (default: inputs, beside this)

set -u

: "${BGFILTER:=bgfilter}" "${INPUTS:=$(cd "$(dirname "$0")" && pwd)/inputs}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 3
count=0 failed=0

# result SENTENCE WHY-NOT: the outcome of the last command
result() {
	if [ $? = 0 ]; then
		count=$((count + 1))
		echo "ok $count - $1"
	else
		count=$((count + 1))
		echo "not ok $count - $1 # $2"
		failed=$((failed + 1))
	fi
}

# says SENTENCE STATUS PATTERN COMMAND...: ends so, and says so
says() {
	sentence=$1 status=$2 pattern=$3
	shift 3
	"$@" >out 2>err </dev/null
	got=$?
	[ $got = "$status" ] && cat out err | grep -q -e "$pattern"
	result "$sentence" "status $got: $(head -n 1 err)"
}

#
# Captures, as small as they can be
#

# byte N...: each as one byte
byte() {
	for one; do
		# shellcheck disable=SC2059 # the escape is made here
		printf "\\$(printf %03o "$one")"
	done
}

# word N: four bytes, little-endian
word() { byte $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }

# pcap LINKTYPE: the header of a capture file
pcap() {
	word 0xa1b2c3d4
	byte 2 0 4 0
	word 0
	word 0
	word 1048576
	word "$1"
}

# packet LENGTH-CAPTURED LENGTH: what comes before its bytes
packet() {
	word 0
	word 0
	word "$1"
	word "$2"
}

# fill N LETTER: that many of it
fill() { head -c "$1" /dev/zero | tr '\0' "$2"; }

# ipv4 PROTOCOL LAST-BYTE: 54 bytes, from 10.0.0.1 to 10.0.0.LAST-BYTE, port 80
ipv4() {
	byte 2 0 0 0 0 2 2 0 0 0 0 1 8 0
	byte 69 0 0 40 0 1 0 0 64 "$1" 0 0 10 0 0 1 10 0 0 "$2"
	byte 156 64 0 80 0 0 0 1 0 0 0 0 80 2 32 0 0 0 0 0
}

pcap 1 >empty.pcap
{ pcap 1; for n in 2 3 4; do packet 54 54; ipv4 6 "$n"; done; } >good.pcap
{ pcap 1; packet 54 10; ipv4 6 2; } >shorter.pcap
{ pcap 1; packet 54 0x80000000; ipv4 6 2; } >top-bit.pcap
{
	pcap 1
	packet 54 0xffffffff; ipv4 6 2
	packet 54 0xffffffff; ipv4 6 3
	packet 54 0; ipv4 6 4
} >any-length.pcap
{ pcap 1; packet 65535 65535; ipv4 6 2; fill 65481 U; } >long.pcap
# D-Bus: libpcap lets through more of a packet than of any other kind
{ pcap 231; packet 300000 300000; fill 300000 U; } >cut.pcap
{ cat good.pcap; packet 64 64; echo abc; } >truncated.pcap
head -c 10 empty.pcap >short.pcap
echo 'not a capture' >text.pcap
# Linux cooked captures: to us, and outgoing; TCP over IPv4
{
	pcap 113
	packet 56 56; byte 0 0 0 1 0 6 2 0 0 0 0 1 0 0 8 0; ipv4 6 2 | tail -c 40
	packet 56 56; byte 0 4 0 1 0 6 2 0 0 0 0 1 0 0 8 0; ipv4 17 3 | tail -c 40
} >cooked.pcap
{ pcap 276; packet 60 60; byte 8 0 0 0 0 0 0 2 0 1 0 6 2 0 0 0 0 1 0 0; ipv4 6 2 | tail -c 40; } >cooked2.pcap
{ pcap 101; packet 40 40; ipv4 6 2 | tail -c 40; } >raw.pcap

printf 'tcp\n\n# a comment\nudp and and\n' >bad.txt
printf 'tcp\n' >good.txt
printf '# nothing\n' >none.txt
printf 'tcp\n\nip protochain 6\n' >loop.txt
printf 'ip protochain 6\ntcp\nudp and and\nether[4294967295] = 0\nudp\n' >mixed.txt
# hosts N: an expression of that many
hosts() {
	seq "$1" | awk '{
		printf "%ssrc host 10.%d.%d.1", (NR == 1 ? "" : " or "), $1 / 256, $1 % 256
	} END { print "" }'
}
hosts 200 >hosts.txt
printf 'host 10.0.0.3\nhost 10.0.0.4\n' >two.txt
seq 16385 | sed 's/.*/tcp/' >many.txt
# More than a pipe takes.
seq 100 | awk '{ line = "tcp"; for (i = 0; i < 140; i++) line = line " or tcp"; print line }' >wide.txt
hosts 3000 >slow.txt # minutes for libpcap's optimizer, on any machine

#
# The command line
#

for command in run cancel cost bulk dump; do
	says "$command --help is a success" 0 "^Usage: bgfilter $command" \
		"$BGFILTER" $command --help
	says "$command with an unknown option is bad usage" 2 . \
		"$BGFILTER" $command --frobnicate
done
says "--help is a success" 0 '^Usage:' "$BGFILTER" --help
says "run --help tells of what is cut" 0 'rest is cut off' "$BGFILTER" run --help
says "run --help tells of what is not run" 0 'jump backwards (protochain),' "$BGFILTER" run --help
says "run --help tells what is not as tcpdump has it" 0 'ignored: names are never' "$BGFILTER" run --help
says "-w without -i is bad usage" 2 'needs -i' "$BGFILTER" run -r good.pcap -w out.pcap tcp
says "--version names libpcap" 0 libpcap "$BGFILTER" --version
says "no command is bad usage" 2 . "$BGFILTER"
says "an unknown command is bad usage" 2 frobnicate "$BGFILTER" frobnicate
says "an unknown tier is bad usage" 2 . \
	"$BGFILTER" run -F good.txt -r empty.pcap --tier=best
says "0 filters to cancel are bad usage" 2 . "$BGFILTER" cancel -n 0
says "0 turns are bad usage" 2 . "$BGFILTER" cost -r good.pcap --turns=0 tcp
says "two things for cost from standard input are bad usage" 2 'standard input' \
	"$BGFILTER" cost -r - -F -
says "a cost without packets is bad usage" 2 '-r FILE is missing' "$BGFILTER" cost tcp
says "no expression is bad usage" 2 'an expression or -F' "$BGFILTER" run -r good.pcap
says "an expression beside -F is bad usage" 2 exclude "$BGFILTER" run -r good.pcap -F good.txt udp
says "two things from standard input are bad usage" 2 'standard input' \
	"$BGFILTER" run -r - -F -
says "a link type that nobody knows is bad usage" 2 NOSUCH \
	"$BGFILTER" run -i lo -y NOSUCH tcp
says "a netmask that is none is bad usage" 2 300 \
	"$BGFILTER" run -r good.pcap --netmask=300 tcp

#
# Counts are tcpdump's
#

# As many as tcpdump counts, in each tier, and each as bpf_filter() has it.
same_count() {
	expected=$(tcpdump -Z root --count -r "$1" "$2" 2>/dev/null | cut -d ' ' -f 1)
	for tier in baseline top; do
		"$BGFILTER" run -r "$1" --tier=$tier --check "$2" >out 2>err || return 1
		[ "$(cut -f 1 out)" = "$expected" ] || return 1
	done
}

while read -r file wanted expression; do
	same_count "$file" "$expression" &&
		[ "$expected" = "$wanted" ]
	result "$file: $wanted of \"$expression\", as tcpdump has it" \
		"tcpdump ${expected:-nothing}, $(cat out) $(head -n 1 err)"
done <<EXPRESSIONS
good.pcap 3 tcp port 80
good.pcap 3 tcp port http
good.pcap 1 host 10.0.0.3
good.pcap 0 ether[-1 + len] >= 0
good.pcap 0 ip[len - 68] >= 0
good.pcap 0 1 << len != 0
good.pcap 3 ip broadcast or tcp
good.pcap 0 ip broadcast
shorter.pcap 1 len = 10
shorter.pcap 0 len > 10
shorter.pcap 1 tcp dst port 80
shorter.pcap 1 less 10
shorter.pcap 1 ether[len + 2] = 8
top-bit.pcap 1 tcp
top-bit.pcap 1 len = 0x80000000
top-bit.pcap 1 greater 1000
any-length.pcap 3 tcp
any-length.pcap 2 len = 0xffffffff
any-length.pcap 1 len = 0
any-length.pcap 0 ether[len] >= 0 and len != 0
long.pcap 1 ether[64000] = 0x55
long.pcap 1 ether[65534] = 0x55
long.pcap 0 ether[65535] = 0x55
cooked.pcap 1 tcp
cooked.pcap 1 inbound
cooked.pcap 1 outbound and udp
cooked2.pcap 1 tcp dst port 80
cooked2.pcap 1 ifindex 2
raw.pcap 1 tcp and dst host 10.0.0.2
EXPRESSIONS

# Captures and filters on which it fell short once.
while read -r file filter status wanted; do
	"$BGFILTER" run -r "$INPUTS/$file" --check -F "$INPUTS/$filter" >out 2>err
	[ $? = "$status" ] && [ "$(cut -f 1 out)" = "${wanted#-}" ] &&
		{ [ "$wanted" = - ] || [ "$wanted" = "$(tcpdump -Z root --count -r "$INPUTS/$file" -F "$INPUTS/$filter" 2>/dev/null | cut -d ' ' -f 1)" ]; }
	result "$file, $filter: status $status, count $wanted" "$(cat out) $(head -n 1 err)"
done <<INPUTS
wire_lt_cap.pcap wire_lt_cap.filter 0 1
wire_80000000.pcap tcp.filter 0 1
wire_ffffffff.pcap tcp.filter 0 3
good.pcap tcp.filter 0 3
good.pcap protochain.filter 2 -
good.pcap inbound.filter 2 -
good.pcap offset-negative.filter 2 -
good.pcap index-wraps.filter 0 0
len65535.pcap over-64000.filter 0 1
INPUTS
says "good.pcap, hosts1000.filter: too long without the optimizer" 2 \
	'hosts1000.filter:1: the filter has 14938 instructions, and 4096 are the limit' \
	"$BGFILTER" run -O -r "$INPUTS/good.pcap" -F "$INPUTS/hosts1000.filter"

says "an expression may be many words" 0 '^1	tcp and dst host 10.0.0.3$' \
	"$BGFILTER" run -r good.pcap tcp and dst host 10.0.0.3
says "-n is taken, as tcpdump takes it" 0 '^3	tcp$' "$BGFILTER" run -nr good.pcap tcp
says "a capture without packets counts nothing" 0 '^0	tcp$' \
	"$BGFILTER" run -F good.txt -r empty.pcap
says "-c ends it" 0 '^2	tcp$' "$BGFILTER" run -r good.pcap -c 2 tcp
says "-c counts the packets that match" 0 '^packets    2,' \
	"$BGFILTER" run -r good.pcap -c 1 host 10.0.0.3
says "-c counts the packets that any filter matches" 0 '^packets    3,' \
	"$BGFILTER" run -r good.pcap -c 2 -F two.txt
says "a netmask tells which address is for all" 0 '^2	ip broadcast$' \
	"$BGFILTER" run -r good.pcap --netmask=255.255.255.252 ip broadcast
[ "$("$BGFILTER" dump -O tcp 2>err | cut -f 2)" -gt "$("$BGFILTER" dump tcp 2>err | cut -f 2)" ]
result "-O leaves the optimizer out" "$(cat err)"
printf 'tcp\nudp\n' | "$BGFILTER" run -r good.pcap -F - >out 2>err
[ "$(tr '\n' ' ' <out)" = '3	tcp 0	udp ' ]
result "-F - takes the filters from standard input" "$(head -n 1 err)"
"$BGFILTER" run -r - tcp <good.pcap >out 2>err
[ "$(cat out)" = '3	tcp' ]
result "-r - takes the packets from standard input" "$(head -n 1 err)"
# Ethernet: TCP over IPv4, with SYN, with HTTP, and with neither; DNS; an ICMP echo; a
# fragment; ARP; TCP, DNS and a neighbour solicitation over IPv6; HTTP in a VLAN.
# How long it takes it may be unable to tell, of a single turn beside other work.
says "cost has every verdict as bpf_filter() has it" 0 '^1 filters, 11 packets' \
	"$BGFILTER" cost -r "$INPUTS/kinds.pcap" --turns=1 'tcp port 80 or vlan'
says "cost knows a netmask, and leaves the optimizer out" 0 '^1 filters, 11 packets' \
	"$BGFILTER" cost -r "$INPUTS/kinds.pcap" --turns=1 -On --netmask=255.0.0.0 ip broadcast
says "cost --skip-bad goes on with the rest" 0 '^2 filters, ' \
	"$BGFILTER" cost -r good.pcap --turns=1 --skip-bad -F mixed.txt
says "cost without a packet says so" 2 'empty.pcap: there is no packet' \
	"$BGFILTER" cost -r empty.pcap tcp
says "cost takes no packet that the kernel would not" 2 'packet 1 is longer' \
	"$BGFILTER" cost -r cut.pcap tcp
says "a cut packet is counted" 0 'packets    1, of which 1 cut' \
	"$BGFILTER" run -r cut.pcap --check 'link[262143] = 0x55 and len = 300000'
says "--check sees what the cut has changed" 1 'bpf_filter() says match' \
	"$BGFILTER" run -r cut.pcap --check 'link[262144] = 0x55'

#
# Bad files, and what cannot be run
#

says "a filter that does not compile is named by file and line" 2 'bad.txt:4:' \
	"$BGFILTER" run -F bad.txt -r empty.pcap
says "an expression that does not compile is shown" 2 'syntax error.*: tcp and and' \
	"$BGFILTER" run -r empty.pcap tcp and and
says "a file without filters is refused" 2 none.txt \
	"$BGFILTER" run -F none.txt -r empty.pcap
says "more filters than a set can have are refused" 2 'many.txt:16385: more than 16384' \
	"$BGFILTER" run -F many.txt -r empty.pcap
says "a line without an end is refused" 2 '/dev/zero:1: longer than' \
	"$BGFILTER" run -F /dev/zero -r empty.pcap
long=$(fill 250 a)/$(fill 250 b)
mkdir -p "$long"
cp bad.txt "$long"
says "a long name does not hide the number of the line" 2 'bad.txt:4: .*syntax error' \
	"$BGFILTER" run -F "$long/bad.txt" -r empty.pcap
says "a missing file of filters is named" 2 missing.txt \
	"$BGFILTER" run -F missing.txt -r empty.pcap
says "a folder of filters is named" 2 'Is a directory' \
	"$BGFILTER" run -F "$folder" -r empty.pcap
says "a missing capture is named" 2 missing.pcap \
	"$BGFILTER" run -F good.txt -r missing.pcap
says "a capture that ends in its header is refused" 2 short.pcap \
	"$BGFILTER" run -F good.txt -r short.pcap
says "what is no capture is refused" 2 text.pcap \
	"$BGFILTER" run -F good.txt -r text.pcap
says "a capture that ends in a packet is named" 2 'truncated.pcap: truncated' \
	"$BGFILTER" run -F good.txt -r truncated.pcap
says "and what came before it is counted" 2 '^3	tcp$' \
	"$BGFILTER" run -F good.txt -r truncated.pcap
says "an unknown interface is named" 3 nosuch0 \
	"$BGFILTER" run -F good.txt -i nosuch0 -c 1
says "a missing device is named" 3 /dev/nosuch \
	"$BGFILTER" run -F good.txt -r empty.pcap --device=/dev/nosuch

says "a loop is refused by line, instruction and reason" 2 \
	'loop.txt:3: the kernel cannot run instruction [0-9]*: ja .*jump backwards' \
	"$BGFILTER" run -r good.pcap -F loop.txt
says "a jump backwards is refused by instruction and reason" 2 \
	'the kernel cannot run instruction [0-9]*: ja .*jump backwards' \
	"$BGFILTER" run -r good.pcap ip protochain 6
says "an offset of 2^31 or more is refused by instruction and reason" 2 \
	'instruction 0: ldb *\[-1\]: an offset of 2^31 or more.*ether\[4294967295\] = 0' \
	"$BGFILTER" run -r good.pcap 'ether[4294967295] = 0'
says "what no capture file says is refused by libpcap" 2 'not supported on Ethernet' \
	"$BGFILTER" run -r good.pcap inbound
says "nor an interface's number, on Ethernet" 2 'ifindex not supported on Ethernet.*: ifindex 2' \
	"$BGFILTER" run -r good.pcap ifindex 2
says "what only a socket knows is refused by instruction and reason" 2 \
	'instruction 0: .*only a socket has' \
	"$BGFILTER" run -i lo -c 1 inbound
says "--skip-bad goes on with the rest" 0 '^3	tcp$' \
	"$BGFILTER" run -r good.pcap --skip-bad -F mixed.txt
says "and says how many it skipped" 0 '^skipped    3 of 5 expressions$' \
	"$BGFILTER" run -r good.pcap --skip-bad -F mixed.txt
says "and names each" 0 'mixed.txt:4: .*instruction 0' \
	"$BGFILTER" run -r good.pcap --skip-bad -F mixed.txt
says "--skip-bad with nothing left is bad input" 2 'no filter is left' \
	"$BGFILTER" run -r good.pcap --skip-bad ip protochain 6

#
# What cannot be read or written
#

# Lines that there is no memory for are not the end of the file.
echo tcp >lines.txt
for n in $(seq 64); do fill 1000000 a && echo; done >>lines.txt
# shellcheck disable=SC3045 # dash and busybox have it
(ulimit -v 40960 && "$BGFILTER" dump -F lines.txt) >out 2>err
[ $? = 3 ] && grep -q 'out of memory' err && ! grep -q tcp out
result "lines too long for memory are no end of the file" "$(head -n 1 err)"
rm lines.txt

# Nor is an expression bad that libpcap had no memory for.
awk 'BEGIN { for (i = 0; i < 80000; i++) printf "len = 1 or "; print "tcp" }' >long.txt
# shellcheck disable=SC3045
(ulimit -v 40960 && exec "$BGFILTER" dump -O --skip-bad -F long.txt) >out 2>err
[ $? = 3 ] && grep -q "out of memory" err
result "an expression too long for memory is not skipped as a bad one" "$(head -n 1 err)"
rm long.txt

"$BGFILTER" run -r good.pcap tcp >/dev/full 2>err
[ $? = 3 ] && grep -q 'standard output: No space' err
result "counts that cannot be written are no success" "$(cat err)"
"$BGFILTER" run -r good.pcap tcp >out 2>/dev/full
[ $? = 3 ]
result "a summary that cannot be written is no success" "$(cat out)"
"$BGFILTER" dump tcp >/dev/full 2>err
[ $? = 3 ] && grep -q 'standard output: No space' err
result "a dump that cannot be written is no success" "$(cat err)"
"$BGFILTER" --help >/dev/full 2>err
[ $? = 3 ]
result "help that cannot be written is no success" "$(cat err)"

ping -q -i 0.05 127.0.0.1 >/dev/null 2>&1 &
ping=$!
"$BGFILTER" run -i lo -w /dev/full -c 3 icmp >out 2>err
[ $? = 3 ] && grep -q 'cannot write /dev/full: No space' err && grep -q '^3	icmp$' out
result "packets that cannot be written are no success, and counted" "$(cat err)"
"$BGFILTER" run -i lo -w /dev/full -c 1000 icmp >out 2>err
[ $? = 3 ] && [ "$(cut -f 1 out)" -lt 1000 ]
result "nor does it go on for long" "$(cat out err)"
says "what is no file may be written to" 0 '^2	icmp$' \
	"$BGFILTER" run -i lo -w /dev/null -c 2 icmp

# A message that comes while a bar is drawn begins a line.
script -q -c "'$BGFILTER' dump --progress -F bad.txt" typescript >/dev/null 2>&1 </dev/null
grep -q '1/2' typescript && tr '\r' '\n' <typescript | grep -q '^bgfilter: bad.txt:4:'
result "a message does not stick to the bar" "$(cat -v typescript)"

#
# Interfaces
#

"$BGFILTER" run -i any --check -c 4 icmp >out 2>err &&
	 grep -q 'listening on any, link-type LINUX_SLL2' err && grep -q '^4	icmp$' out
result "-i any listens to all" "$(cat out err)"
"$BGFILTER" run -i any --check -c 4 icmp and ifindex 1 >out 2>err && grep -q '^4	' out
result "-i any knows the interfaces" "$(cat out err)"
"$BGFILTER" run -i any -y LINUX_SLL --check -c 4 icmp >out 2>err &&
	 grep -q 'link-type LINUX_SLL$' err && grep -q '^4	' out
result "-y asks for another link type" "$(cat out err)"
printf 'icmp\nlen > 20\n' | "$BGFILTER" run -i lo -s 20 -c 2 -F - >out 2>err &&
	 grep -q '^0	icmp$' out && grep -q '^2	len' out
result "-s cuts what is captured" "$(cat out err)"
says "-s 0 is the most" 0 '^2	icmp$' "$BGFILTER" run -i lo -s 0 -c 2 icmp
"$BGFILTER" run -i lo -c 2 -w lo.pcap 'icmp[icmptype] = icmp-echo' >out 2>err &&
	 [ "$(tcpdump -Z root --count -r lo.pcap 2>/dev/null)" = "2 packets" ] &&
	 [ "$(tcpdump -Z root --count -r lo.pcap 'icmp[icmptype] = icmp-echo' 2>/dev/null)" = "2 packets" ]
result "-w writes what matches, and tcpdump reads it" "$(cat out err)"
kill $ping
ping -q -i 0.05 127.255.255.255 >/dev/null 2>&1 &
ping=$!
"$BGFILTER" run -i lo -c 4 --check ip broadcast >out 2>err && [ "$(cut -f 1 out)" -ge 1 ]
result "-i knows the netmask of its interface" "$(cat out err)"
kill $ping

gone() { [ "$(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null || echo Z)" = Z ]; }

# listen OPTION...: one that listens on lo, as $child
listen() {
	: >err
	"$BGFILTER" run -i lo "$@" >out 2>err &
	child=$!
	until grep -q listening err || gone $child; do
		:
	done
}

# end_listening: by ^C, with its counts
end_listening() {
	kill -INT $child
	wait $child
	[ $? = 130 ]
}

for option in '' -p; do
	listen $option icmp
	flags=$(cat /sys/class/net/lo/flags)
	[ $((flags >> 8 & 1)) = "$([ "$option" ] && echo 0 || echo 1)" ]
	result "the interface is ${option:+not }promiscuous${option:+ with -p}" "$flags"
	end_listening
done

listen icmp
end_listening && grep -q '^packets    0, .*; 0 dropped by the kernel' err
result "no packet is dropped where none is" "$(cat err)"

# Stopped, it cannot take what comes: more than the kernel has room for.
listen icmp
kill -STOP $child
ping -q -c 200 -i 0.002 127.0.0.1 >/dev/null 2>&1
kill -CONT $child
end_listening && grep -q '; [1-9][0-9]* dropped by the kernel' err
result "packets that the kernel drops are told of" "$(cat out err)"

# What came while the filters were read is older than what was asked for.
mkfifo late
"$BGFILTER" run -i lo -F late >out 2>err &
child=$!
exec 3>late # once it has opened both
ping -q -c 200 -i 0.002 127.0.0.1 >/dev/null 2>&1
echo icmp >&3
exec 3>&-
until grep -q listening err || gone $child; do
	:
done
end_listening && grep -q '^0	icmp$' out && grep -q '^packets    0, .*; 0 dropped' err
result "packets from before it listens do not count, nor as dropped" "$(cat out err)"

#
# Signals
#

# ends_at SIGNAL: once it catches SIGTERM, and SIGINT before that
ends_at() {
	until gone $child || [ $((0x$(awk '$1 == "SigCgt:" { print $2 }' /proc/$child/status) & 0x4000)) != 0 ]; do
		:
	done
	kill "-$1" $child
	wait $child
}

mkfifo fifo
for signal in INT TERM; do
	"$BGFILTER" run -r good.pcap -F fifo >out 2>err &
	child=$!
	ends_at $signal
	[ $? = 130 ]
	result "SIG$signal ends a wait for a FIFO of filters with 130" "$(cat err)"
	"$BGFILTER" run -r fifo tcp >out 2>err &
	child=$!
	ends_at $signal
	[ $? = 130 ]
	result "SIG$signal ends a wait for a FIFO of packets with 130" "$(cat err)"
done

# A writer that opens it and writes half a capture, and then waits.
{ head -c 94 good.pcap; exec sleep 1000; } >fifo &
writer=$!
"$BGFILTER" run -r fifo tcp >out 2>err &
child=$!
until [ "$(cat /sys/module/bgfilter/parameters/sets)" -gt 0 ] || gone $child; do
	:
done
ends_at INT
[ $? = 130 ] && grep -q '	tcp$' out
result "SIGINT ends a wait in the middle of a capture with 130, and counts" "$(cat out err)"
kill $writer

# A reader that takes nothing, of a pipe that is full before all is printed.
mkfifo full
# shellcheck disable=SC2217 # that is the point
sleep 1000 <full &
reader=$!
"$BGFILTER" dump -d -F wide.txt >full 2>err &
child=$!
until [ "$(cut -d ' ' -f 3 /proc/$child/stat)" = S ] && grep -q pipe /proc/$child/wchan || gone $child; do
	:
done
ends_at INT
[ $? = 130 ] && ! grep -q 'cannot write' err
result "SIGINT ends a dump into a full pipe with 130" "$(cat err)"
kill $reader
# shellcheck disable=SC2217
sleep 1000 <full &
reader=$!
"$BGFILTER" run -r good.pcap -F wide.txt >full 2>err &
child=$!
until [ "$(cut -d ' ' -f 3 /proc/$child/stat)" = S ] && grep -q pipe /proc/$child/wchan || gone $child; do
	:
done
ends_at INT
[ $? = 130 ] && ! grep -q 'cannot write' err && grep -q '^packets    3,' err
result "SIGINT ends the printing of counts into a full pipe with 130" "$(cat err)"
kill $reader
"$BGFILTER" bulk -n 16384 --length 1000 >out 2>err &
child=$!
ends_at INT
[ $? = 130 ] && [ ! -s out ]
result "SIGINT ends bulk with 130" "$(cat out err)"

"$BGFILTER" run -r good.pcap -F slow.txt >out 2>err &
child=$!
until grep -q 'slow.txt:1: libpcap is still compiling this' err || gone $child; do
	sleep 0.1
done
grep -q 'still compiling' err
result "an expression that libpcap takes long over is named" "$(head -c 200 err)"
ends_at INT
[ $? = 130 ]
result "and SIGINT ends that with 130" "$(head -c 200 err)"
says "without the optimizer it does not take long" 2 'slow.txt:1: the filter has' \
	"$BGFILTER" run -O -r good.pcap -F slow.txt
says "--progress tells of each expression" 0 'expressions.*1/1' \
	"$BGFILTER" dump --progress -O -F hosts.txt

echo "1..$count"
[ $failed = 0 ]
