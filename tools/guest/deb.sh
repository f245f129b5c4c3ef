#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Build the Debian packages in a root of their own, install them, and purge them; tools/check-deb
# runs it there, in /deb, where the sources are. What must hold is said in lines "ok - SENTENCE" or
# "not ok - SENTENCE", and the modules that were built are left in /deb/built/RELEASE/.
#
#	SERIES	of kernels, whose headers are installed

set -u
cd /deb || exit
# shellcheck source=tools/guest/lib.sh
. ./lib.sh
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

quietly() { "$@" >/deb/log 2>&1 || { tail -n 30 /deb/log; return 1; }; }

# What is on the disk, but for what apt, dpkg, logs and depmod write anew each time.
everything() {
	# Folders, too.
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /deb \
		-o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/log \
		-o -path '/var/lib/dkms/mok.*' -o -path '*/lib/modules/*/modules.*' \) -prune \
		-o -print | sort
}

# The newest of each series, of the cloud's flavour.
headers() {
	quietly apt-get -q -y install dkms || return
	# shellcheck disable=SC2153 # tools/check-deb sets it
	for series in $SERIES; do
		package=$(apt-cache pkgnames "linux-headers-$series." | grep -E '[0-9]-cloud-amd64$' | sort -V | tail -n 1)
		[ -n "$package" ] || { echo "# there are no headers of $series"; return 1; }
		quietly apt-get -q -y install "$package" || return
	done
}

packages() { (cd source && dpkg-buildpackage -us -uc -b) && rm -r source; }

built() {
	for kernel in /lib/modules/*/build; do
		release=${kernel%/build}
		release=${release##*/}
		for module in bgtoken bgcompile bgfilter; do
			file=$(find "/lib/modules/$release/updates/dkms" -name "$module.ko*") && [ -n "$file" ] || return
			mkdir -p "built/$release"
			case $file in
			*.xz)	xz -dc "$file" >"built/$release/$module.ko" ;;
			*.zst)	zstd -q -dc "$file" >"built/$release/$module.ko" ;;
			*)	cp "$file" "built/$release/" ;;
			esac || return
		done
		[ -s "/usr/src/bgtoken/$release/Module.symvers" ] || return
		echo "# $release"
	done
}

same_as_before() {
	everything >after
	diff before after
}

check "the packages are built" quietly packages
check "lintian finds no error" quietly lintian --fail-on error --suppress-tags initial-upload-closes-no-bugs ./*.changes
headers && quietly apt-get -q -y --purge autoremove || exit
everything >before
check "the packages are installed" quietly apt-get -q -y install ./*.deb
check "DKMS has built the modules for each kernel, and kept their symbols" built
check "bgfilter is there, and its man pages" test -x /usr/bin/bgfilter -a -e /usr/share/man/man1/bgfilter-run.1.gz
check "they are purged" quietly apt-get -q -y purge bgtoken-dkms bgtoken-dev bgfilter
check "and what came with them" quietly apt-get -q -y --purge autoremove
check "nothing is left of them" same_as_before
[ $failed = 0 ] && echo "all of it held"
