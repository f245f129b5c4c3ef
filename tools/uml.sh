# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The folder in a kernel tree, for User-Mode Linux: what tools/kunit and tools/bench --native
# build. Source it after lib.sh; it runs nothing by itself.
#
# The tree is made of hard links to the source in the cache, which is shared: a file in it is
# never written, but replaced.

# What kbuild reads of the folder: no tools, and not what was built in it.
sources() {
	find Kbuild Kconfig ./*.[ch] Documentation kunit samples bench torture -type f \
		\( -name '*.[ch]' -o -name Kbuild -o -name Kconfig -o -name .kunitconfig \
		-o -name '*.rst' -o -name '*.awk' \) \
		! -name '*.mod.c' ! -path '*/tool/*' 2>/dev/null || true
}

# replace FILE: by standard input, and only if it differs.
replace() {
	cat >"$1.new"
	if cmp -s -- "$1.new" "$1"; then
		rm -- "$1.new"
	else
		mv -- "$1.new" "$1"
	fi
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
	}
	{
		# Inside the menu that lib/Kconfig is.
		cat "$source/lib/Kconfig"
		printf '\nsource "lib/bgtoken/Kconfig"\n'
	} | replace "$new/lib/Kconfig"
	{
		cat "$source/lib/Makefile"
		# shellcheck disable=SC2016 # make expands it
		printf '\nobj-$(CONFIG_BGTOKEN) += bgtoken/\n'
	} | replace "$new/lib/Makefile"
	mkdir -- "$new/lib/bgtoken"
	mv -T -- "$new" "$home/tree"
}

# sync: copies rather than links, so that a file is newer here when another
# checkout had other contents.
sync_sources() {
	local folder=$home/tree/lib/bgtoken file

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
