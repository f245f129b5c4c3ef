# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The library in a kernel's source tree, as lib/bgtoken/: what goes there, and the two lines that
# lead to it. Source it after lib.sh; it runs nothing by itself.

BG_IN_TREE=lib/bgtoken

# sources: what kbuild reads of the folder: no tools, and not what was built in it.
sources() {
	find Kbuild Kconfig ./*.[ch] Documentation kunit samples bench torture patterns -type f \
		\( -name '*.[ch]' -o -name Kbuild -o -name Kconfig -o -name .kunitconfig \
		-o -name '*.rst' -o -name '*.awk' \) \
		! -name '*.mod.c' ! -path '*/tool/*' ! -path 'samples/*/test/*' 2>/dev/null || true
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

# tree_lines FROM TO: the two files of tree FROM, with a line more in each, to tree TO.
tree_lines() {
	# Inside the menu that lib/Kconfig is.
	awk -v line="source \"$BG_IN_TREE/Kconfig\"" '
	/^endmenu/ && !done { print line "\n"; done = 1 }
	{ print }
	END { exit !done }' "$1/lib/Kconfig" | replace "$2/lib/Kconfig"
	{
		cat "$1/lib/Makefile"
		# shellcheck disable=SC2016 # make expands it
		printf '\nobj-$(CONFIG_BGTOKEN) += %s/\n' "${BG_IN_TREE#lib/}"
	} | replace "$2/lib/Makefile"
}

# modules_link FOLDER MAKE...: whether modules find what they use of each other, and import it.
# There is no vmlinux that modpost could find the kernel's own symbols in.
modules_link() {
	local folder=$1
	shift

	"$@" KBUILD_MODPOST_WARN=1 modules 2>&1 | tee "$folder/modpost" &&
		! grep -E 'does not import|(bgtoken|bgcompile)_[a-z_]*" .* undefined' "$folder/modpost"
}
