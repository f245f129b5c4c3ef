# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The folder in a kernel tree, for User-Mode Linux: what tools/kunit, tools/bench --native and
# tools/torture uml build, and for the last two, how it is run. Source it after lib.sh; it runs
# nothing by itself.
#
# The tree is made of hard links to the source in the cache, which is shared: a file in it is
# never written, but replaced.

# shellcheck source=tools/lib/tree.sh
. "$BG_ROOT/tools/lib/tree.sh"

# uml_newest: more than one CPU is there since 6.19.
uml_newest() { test_kernels uml | sort -V | tail -n 1; }

# check_native SERIES: the native one needs them.
check_native() {
	check_test_kernel uml "$1"
	[[ $(wanted_options um,native "$1" "$BG_ROOT/tools/configs/native.config") == *CONFIG_SMP=y* ]] ||
		die "User-Mode Linux of $1 has one CPU only" 2
}

# Two lines in the tree, and they are what a patch would add.
make_tree() {
	local new=$home/tree.new

	say "linking a copy of the source tree"
	rm -rf -- "$new"
	mkdir -p -- "$home"
	cp -al -- "$source" "$new" 2>/dev/null || {
		rm -rf -- "$new"
		cp -a -- "$source" "$new"
	} &&
		tree_lines "$source" "$new" &&
		mkdir -- "$new/$BG_IN_TREE" &&
		mv -T -- "$new" "$home/tree"
}

# sync: copies rather than links, so that a file is newer here when another
# checkout had other contents.
sync_sources() {
	local folder=$home/tree/$BG_IN_TREE file

	while read -r file; do
		mkdir -p -- "$folder/$(dirname -- "$file")"
		replace "$folder/$file" <"$file"
	done < <(sources)
	(cd -- "$folder" && find . -type f) | while read -r file; do
		[ -f "$BG_ROOT/$file" ] || rm -- "$folder/$file"
	done
}

# uml_tree SERIES: make it, or bring it up to date, and keep everybody else from it until this
# script ends: descriptor 9 has the lock. Sets $source, the kernel's own, and $home, with tree/.
# It is another for each value of BG_UML.
uml_tree() {
	local facts version=''

	source=''
	facts=$(tools/kernel uml --kernel "$1") || return
	eval "$facts"
	home=$BG_CACHE/kernels/uml-$version${BG_UML:+-$BG_UML}
	mkdir -p -- "$home"
	# What a calling make may have exported is not for the kernel's make.
	unset MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEOVERRIDES MAKELEVEL M O V C W KERNEL KDIR
	exec 9>"$home/.lock"
	flock -n 9 || {
		say "waiting for another who uses $home"
		flock 9
	}
	[ -d "$home/tree" ] || make_tree
	sync_sources
}

# end_linux FILE: it has a session of its own, and outlives who started it; but who has the lock
# of the folder is the only one to run what was built in it.
end_linux() {
	local process

	[ -n "$1" ] || return 0
	for process in /proc/[0-9]*; do
		[ "$(readlink -- "$process/exe")" != "$1" ] ||
			kill -KILL "${process#/proc/}" 2>/dev/null || true
	done 2>/dev/null
}

# native_linux: build it with tools/configs/native.config, and the modules, and with the barriers
# that x86 has; after uml_tree of $kernel. Sets $linux, to be ended by the caller's trap on EXIT.
# shellcheck disable=SC2034,SC2154
native_linux() {
	local build=$home/native objects=0 wanted=$home/native.wanted option word

	{ have busybox && have cpio; } || tools/setup --host-only
	mkdir -p -- "$build"
	linux=$build/linux
	end_linux "$linux"	# of one that was killed
	wanted_options um,native "$kernel" tools/configs/native.config >"$wanted"
	cmp -s -- "$wanted" "$build/wanted" || {
		rm -f -- "$build/wanted"
		cp -- "$wanted" "$build/.config"
		make -s -C "$home/tree" ARCH=um O="$build" olddefconfig </dev/null
		while read -r option; do
			grep -q -x -F -e "$option" "$build/.config" || {
				say "User-Mode Linux of $kernel does not take $option"
				return 1
			}
		done <"$wanted"
		cp -- "$wanted" "$build/wanted"
	}
	replace "$build/native.h" <bench/native.h
	say "building User-Mode Linux: this takes minutes, the first time"
	make -C "$home/tree" ARCH=um O="$build" "-j$(nproc)" all \
		KCFLAGS="-include $build/native.h" </dev/null 2>&1 |
		tee "$home/native.build" | while read -r word _; do
			case $word in CC | AS | LD | AR) objects=$((objects + 1)) ;; *) continue ;; esac
			[ $((objects % 100)) != 0 ] || say "building User-Mode Linux: $objects objects"
		done || {
		tail -n 25 -- "$home/native.build" >&2
		say "User-Mode Linux could not be built"
		return 1
	}
}

# native_root COMMANDS FILE...: what it boots from, to run these beside the files and the modules.
native_root() {
	local root=$home/native.root commands=$1
	shift

	# Nothing else is there, so no library either.
	[[ $(ldd "$(command -v busybox)" 2>&1) != *'=>'* ]] ||
		die "this busybox needs libraries: apt install busybox-static, which replaces it"
	rm -rf -- "$root"
	mkdir -p -- "$root"/{bin,dev,proc,sys,tmp,modules}
	cp -- "$(command -v busybox)" "$root/bin/busybox"
	cp -- "${linux%/*}"/lib/bgtoken/{,bench/,torture/}*.ko "$@" "$root/modules/"
	cat >"$root/init" <<-INIT
	#!/bin/busybox sh
	export PATH=/bin
	/bin/busybox --install -s /bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev
	mount -t debugfs debugfs /sys/kernel/debug
	cd /modules
	$commands
	echo "=== ended \$?"
	poweroff -f
	INIT
	chmod +x "$root/init"
	(cd -- "$root" && find . | cpio --quiet -o -H newc) >"$root.cpio"
	rm -rf -- "$root"
}

# native_run FILE COMMANDS FILE...: run them in it, with $smp CPUs. What they print is in FILE, and
# printed. Fails, and says why, unless all came to its end and the last returned 0.
# shellcheck disable=SC2154
native_run() {
	local out=$1 pid tail why='' status=0
	shift

	native_root "$@"
	say "running it, CPUs: $smp"
	: >"$out"
	setpriv --pdeathsig KILL -- setsid -w "$linux" mem=1G "ncpus=$smp" seccomp=on \
		initrd="$home/native.root.cpio" rdinit=/init con=null con0=null,fd:1 quiet \
		panic_on_warn=1 oops=panic panic=-1 </dev/null >"$out" 2>"$home/native.err" 9>&- &
	pid=$!
	tail -n +1 -f -s 0.2 --pid=$pid -- "$out" | sed -u 's/\r$//' &
	tail=$!
	if outlast $pid $((BG_PATIENCE * 3 / 2)) 0 "$out"; then
		wait $pid || status=$?
		wait $tail || true
		why="it failed, or did not come to its end: status $status"
	else
		end_linux "$linux"
	fi
	sed -i 's/\r$//' "$out"
	grep -q -x '=== ended 0' "$out" && return
	tail -n 30 -- "$home/native.err" >&2
	say "$why"
	return 1
}
