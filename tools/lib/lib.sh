# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts in tools/ share: where things are, how a kernel is named,
# and which lines in a kernel log mean that a run failed. Source it; it runs
# nothing by itself.

# What programs say is read, and a locale that the machine has not got is complained of.
export LC_ALL=C.UTF-8

# Debian keeps depmod, modprobe and the like out of a plain user's PATH.
PATH=$PATH:/usr/sbin:/sbin

BG_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034 # used by those who source this
BG_BUILD=$BG_ROOT/build

# The XDG specification says that a relative path is to be ignored.
case ${XDG_CACHE_HOME:-} in
/*)	BG_CACHE=$XDG_CACHE_HOME/bgtoken ;;
*)	BG_CACHE=${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache/bgtoken ;;
esac

BG_PROG=${0##*/}
BG_EXIT_USAGE=2 # a script may say another
# shellcheck disable=SC2034
BG_EXIT_ABSENT=77 # what is asked for is not to be had here; no fault

say() { printf '%s: %s\n' "$BG_PROG" "$*" >&2; }

# die MESSAGE [STATUS]
die() { say "$1"; exit "${2:-1}"; }

have() { command -v -- "$1" >/dev/null 2>&1; }

# need_value OPTION COUNT: an option that wants a value was given last.
need_value() { [ "$2" -ge 2 ] || die "$1 needs a value; see $BG_PROG --help" "$BG_EXIT_USAGE"; }

# What tools/kernels has, a line each: series, suites, flavours, kinds.
mapfile -t BG_KERNELS < <(sed '/^#/d' "$BG_ROOT/tools/kernels")
# shellcheck disable=SC2034
BG_KERNEL_DEFAULT=${BG_KERNELS[0]%%[[:space:]]*}

# has LIST WORD: is it in a list of words that commas part?
has() { [[ ,$1, == *",$2,"* ]]; }

# stock_kernels: the names of Debian's own kernels, a line each. A kernel is
# named by its series, and "-rt" after it for the real-time flavour.
stock_kernels() {
	local line series flavours flavour

	for line in "${BG_KERNELS[@]}"; do
		read -r series _ flavours _ <<<"$line"
		for flavour in ${flavours//,/ }; do
			case $flavour in
			cloud)	echo "$series" ;;
			*)	echo "$series-$flavour" ;;
			esac
		done
	done
}

# test_kernels KIND: the series of which tools/kernel builds that kind.
test_kernels() {
	local line series kinds

	for line in "${BG_KERNELS[@]}"; do
		read -r series _ _ kinds <<<"$line"
		! has "$kinds" "$1" || echo "$series"
	done
}

# kernel_kinds: what tools/kernel builds of one series or another, a line each.
kernel_kinds() {
	local line kinds

	for line in "${BG_KERNELS[@]}"; do
		read -r _ _ _ kinds <<<"$line"
		printf '%s\n' "${kinds//,/$'\n'}"
	done | awk '!seen[$0]++'
}

# kernel_suites NAME: where Debian has it.
kernel_suites() {
	local line series suites

	for line in "${BG_KERNELS[@]}"; do
		read -r series suites _ <<<"$line"
		[ "$series" != "${1%%-*}" ] || printf '%s\n' "${suites//,/$'\n'}"
	done
}

# one_of: the lines of standard input, as a sentence has them: "6.12, 7.3 or 6.1".
one_of() {
	awk '{ word[NR] = $0 }
	END { for (i = 1; i <= NR; i++)
		printf "%s%s", word[i], i < NR - 1 ? ", " : i < NR ? " or " : "\n" }'
}

# shellcheck disable=SC2034
BG_STOCK_KERNELS=$(stock_kernels | sed "1s/\$/ (default)/" | one_of)

# check_kernel_name NAME: is there a stock kernel of that name?
check_kernel_name() {
	stock_kernels | grep -x -F -e "$1" >/dev/null ||
		die "there is no kernel '$1': say $(stock_kernels | one_of)" "$BG_EXIT_USAGE"
}

# check_test_kernel KIND NAME: does tools/kernel build it?
check_test_kernel() {
	test_kernels "$1" | grep -x -F -e "$2" >/dev/null ||
		die "there is no $1 kernel '$2': say $(test_kernels "$1" | one_of)" "$BG_EXIT_USAGE"
}

# wanted_options ARCH,KIND SERIES FRAGMENT...: what the fragments ask of that kernel,
# a line an option. The last that names one wins; tools/configs/absent says which
# of them the series does not have.
wanted_options() {
	awk -v on=",$1,-," -v series="$2" '
	function number(version,  part) {
		split(version, part, ".")
		return part[1] * 1000 + part[2]
	}
	FILENAME == ARGV[1] {
		if (/^CONFIG_/ && index(on, "," $2 ",") &&
		    ($3 != "-" && number(series) < number($3) ||
		     $4 != "-" && number(series) >= number($4)))
			absent[$1] = 1
		next
	}
	/^CONFIG_[A-Za-z0-9_]+=/ { name = substr($0, 1, index($0, "=") - 1) }
	/^# CONFIG_[A-Za-z0-9_]+ is not set$/ { name = $2 }
	name != "" {
		if (!(name in line) && !(name in absent))
			order[n++] = name
		line[name] = $0
		name = ""
	}
	END { for (i = 0; i < n; i++) print line[order[i]] }
	' "$BG_ROOT/tools/configs/absent" "${@:3}"
}

# guest_busybox ARCH: of an architecture that is not this machine's.
guest_busybox() { printf '%s\n' "$BG_CACHE/guest/$1/busybox"; }

# Where tools/setup puts, with their libraries, herd7 --with litmus, and clang --with context.
# shellcheck disable=SC2034
BG_HERD=$BG_CACHE/herd7
# shellcheck disable=SC2034
BG_CLANG=$BG_CACHE/clang

# The first that the kernel's CONFIG_WARN_CONTEXT_ANALYSIS takes.
# shellcheck disable=SC2034
BG_CLANG_CONTEXT=23

# kernel_dir NAME: the folder that tools/setup made for it, whether or not it exists.
kernel_dir() { printf '%s\n' "$BG_CACHE/kernels/$1"; }

kernel_ready() { [ -f "$(kernel_dir "$1")/release" ]; }

# Lines in a kernel log that fail a run, whatever the command in the guest
# said. Case matters: "kasan: KernelAddressSanitizer initialized" is welcome.
BG_LOG_BAD=(
	'BUG:'
	'WARNING:'
	'Call Trace'
	'KASAN'
	'KCSAN'
	'UBSAN'
	'KFENCE: (memory|use-after|out-of|invalid)'
	'Kernel panic'
	'Oops'
	'kernel BUG at'
	'general protection fault'
	'possible recursive locking'
	'possible circular locking'
	'possible irq lock inversion'
	'inconsistent lock state'
	'bad unlock balance'
	'held lock freed'
	'lock held when returning'
	'still has locks held'
	'[Ss]uspicious RCU usage'
	'sleeping function called from invalid context'
	'scheduling while atomic'
	'Invalid wait context'
	'ODEBUG'
	'refcount_t:'
	'list_(add|del) corruption'
	'hung task'
	'blocked for more than'
	'soft lockup'
	'hard LOCKUP'
	'detected stalls'
	'self-detected stall'
	'kmemleak: [0-9]+ new suspected'
	'kmemleak: (cannot be asked|Kernel memory leak detector disabled)'
	'unreferenced object( \(percpu\))? 0x'
	'Objects remaining in'
	'Out of memory'
	'page allocation failure'
)

# log_complaints FILE [ALLOW]: the numbered lines of a kernel log that fail a
# run, less those that match the extended regular expression ALLOW.
log_complaints() {
	local bad IFS='|'

	bad="${BG_LOG_BAD[*]}"
	if [ -n "${2:-}" ]; then
		grep -a -n -E -e "$bad" -- "$1" | grep -a -v -E -e "$2"
	else
		grep -a -n -E -e "$bad" -- "$1"
	fi
}

# The status of tools/vm if the emulator has ended the machine, and nothing else.
BG_EXIT_EMULATOR=123

# emulator_failed FILE: does this kernel's log say that a CPU ran a breakpoint which was not in
# its memory? It names the byte before the next instruction, which a breakpoint is.
emulator_failed() {
	awk '
	/ int3: 0000 \[#1\]/ { trap = 1 }
	trap && / Code: / {
		stale = match($0, / [0-9a-f][0-9a-f] <[0-9a-f][0-9a-f]>/) && substr($0, RSTART + 1, 2) != "cc"
		exit
	}
	END { exit !stale }' "$1"
}

# A hang is told from a slow machine by what it says. The start of a machine is a
# known piece of work, which it has just done, emulated or not, beside whatever else
# runs, and takes longer than any test case: tools/guest/init takes five times as long
# as that, and BG_PATIENCE seconds at least, for the longest that anything may hang. It
# gives that to the kernel's own detectors, and says so in the log, "vm: patience N s".
# Who looks on from outside gives half as long again, so that the kernel, which can
# name who hangs, comes first; or ten times the longest silence so far, if that is more.
# shellcheck disable=SC2034
BG_PATIENCE=${BG_PATIENCE:-180}

# outlast PID SILENCE MOST FILE...: wait until a child of this shell has ended. Fail,
# and say why in $why, if before that the files have not grown for too long, and for
# SILENCE seconds at least; or after MOST seconds, if that is not 0. What is counted is
# looks, two a second: of a time in which this script did not run either, nobody can
# say that nothing came.
outlast() {
	local pid=$1 limit=$(($2 * 2)) most=$(($3 * 2)) size last='' looks=0 all=0 patience=''
	shift 3

	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		all=$((all + 1))
		if [ "$all" = "$most" ]; then
			why="not done after $((most / 2)) seconds"
			return 1
		fi
		size=$(stat -c %s -- "$@" 2>/dev/null || true)
		if [ "$size" = "$last" ]; then
			looks=$((looks + 1))
			[ "$looks" -ge "$limit" ] || continue
			# shellcheck disable=SC2034
			why="it hangs: nothing came of it for $((limit / 2)) seconds"
			return 1
		fi
		[ $((looks * 10)) -le "$limit" ] || limit=$((looks * 10))
		last=$size looks=0
		if [ -z "$patience" ]; then
			patience=$(sed -n 's/.*vm: patience \([0-9]*\) s.*/\1/p' "$@" 2>/dev/null | head -n 1)
			[ $((${patience:-0} * 3)) -le "$limit" ] || limit=$((patience * 3))
		fi
	done
}

# tools/vm, which is ended when the shell that runs it dies.
# shellcheck disable=SC2034
BG_VM=(setpriv --pdeathsig TERM -- "$BG_ROOT/tools/vm")

# run_vm [--sed SCRIPT] FILE ARG...: tools/vm with these. What the command prints is in FILE, and
# printed, edited by SCRIPT. (Not by a pipe from here: all of this would be a shell of its own then,
# which the caller's end does not end.) A machine that the emulator failed says nothing of what is
# tested, and is started again; FILE is of the last one. Three in a row are no accident.
run_vm() {
	local script='' file try status

	[ "$1" != --sed ] || { script=$2; shift 2; }
	file=$1
	shift
	for try in 1 2 3; do
		status=0
		"${BG_VM[@]}" "$@" | tee -i -p -- "$file" | sed -u "$script" || status=$?
		{ [ $status = "$BG_EXIT_EMULATOR" ] && [ $try -lt 3 ]; } || break
		say "the emulator failed: again, try $((try + 1)) of 3"
	done
	return $status
}

# in_order J RUN TELL ITEM...: "RUN ITEM" of each in the background, J at a time, and, in this
# shell and in the order of the items, "TELL STATUS ITEM" of those that have ended. Items are
# words. Who calls it ends with end_jobs, which ends all that they started: each is a process
# group, as a signal for a shell is none for what it waits for.
in_order() {
	local at_once=$1 run=$2 tell=$3 begun=0 told=0 pid status words
	local -A item_of=() status_of=()
	shift 3
	local items=("$@")

	while [ $told -lt ${#items[@]} ]; do
		if [ $begun -lt ${#items[@]} ] && [ ${#item_of[@]} -lt "$at_once" ]; then
			read -ra words <<<"${items[begun]}"
			set -m
			"$run" "${words[@]}" </dev/null &
			set +m
			item_of[$!]=$begun
			begun=$((begun + 1))
			continue
		fi
		status=0 pid=''
		wait -n -p pid "${!item_of[@]}" || status=$?
		# One that a signal has ended may be forgotten already: then each is looked at.
		[ -n "$pid" ] || for pid in "${!item_of[@]}"; do
			kill -0 "$pid" 2>/dev/null || break
		done
		status_of[${item_of[$pid]}]=$status
		unset "item_of[$pid]"
		while [ -n "${status_of[$told]:-}" ]; do
			read -ra words <<<"${items[told]}"
			"$tell" "${status_of[$told]}" "${words[@]}"
			told=$((told + 1))
		done
	done
}

# shellcheck disable=SC2317 # a trap calls it
end_jobs() {
	local pids

	mapfile -t pids < <(jobs -p)
	[ ${#pids[@]} = 0 ] || kill -- "${pids[@]/#/-}" 2>/dev/null || true
}

# same FILE COPY: make it so, and leave the time of a file that is.
same() {
	cmp -s -- "$1" "$2" && return
	mkdir -p -- "${2%/*}"
	cp -p -- "$1" "$2"
	touch -- "$2"
}

# mirror FROM TO FOLDER-OR-FILE...: no less and no more, save what was built.
mirror() {
	local from=$1 to=$2 file
	shift 2

	mkdir -p -- "$to"
	(cd -- "$from" && find "$@" -type f) | while read -r file; do
		same "$from/$file" "$to/$file"
	done
	(cd -- "$to" && find . -path ./build -prune -o -type f -print) | while read -r file; do
		[ -f "$from/$file" ] || rm -- "$to/$file"
	done
}

# take_sources FOLDER: a copy of the sources as they are now; others may go on editing.
take_sources() {
	rm -rf -- "$1"
	mkdir -p -- "$1"
	(cd -- "$BG_ROOT" && cp -rp --parents Kbuild Kconfig Makefile ./*.[ch] Documentation bench kunit samples \
		tools torture "$1")
}

# A slot for a device that can be unplugged, as tools/vm takes it. On the older board a driver
# that binds has ACPI look for the device's pin, which it does not use: that took the debug
# kernels half a minute.
# shellcheck disable=SC2034
BG_SLOT=(--qmp --machine q35 --device "pcie-root-port,id=slot0")

# QEMU's edu device in it, and the scripts that use it.
# shellcheck disable=SC2034
BG_EDU=("${BG_SLOT[@]}" --device "edu,id=edu0,bus=slot0" --append log_buf_len=4M
	--add tools/guest/edu.sh --add tools/guest/unplug.sh --add tools/guest/fuzz.sh)

# For kernels that run the suites: only WQ_CPU_INTENSIVE is to make a work CPU-intensive, see
# kunit/work_test.c. So it is more than TEST_TIMEOUT_MS in kunit/test_gate.h. KUnit gives a case
# five minutes, however slow the machine is; who hangs is told by patience. Kernels without
# kunit.timeout, as 6.1 and 6.12, keep these five.
# shellcheck disable=SC2034
BG_SUITE_ARGS='workqueue.cpu_intensive_thresh_us=1000000000 kunit.timeout=3600'
