# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Packages of Debian that the machine's own apt may not know, from suites that
# its sources do not list. Source it after lib.sh; it runs nothing by itself.
#
# Such a suite has an apt configuration of its own, with its lists, in the cache
# folder. The mirror is the one that the machine's sources name, and the keyring
# is the machine's; its sources, lists and preferences are not touched.

BG_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# What apt_get and apt_cache ask: nothing here for the machine's own apt. A root
# user's apt would warn that _apt cannot write to the cache.
apt_conf=()
apt_suite= # or the suite that has been asked for
[ "$(id -u)" != 0 ] || apt_conf=(-o APT::Sandbox::User=root)
apt_conf_machine=("${apt_conf[@]}")

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "to install packages, run this as root or install sudo. Missing: ${missing[*]}"
	fi
}

missing=() # the packages to install

apt_updated=
apt_update() {
	[ -z "$apt_updated" ] || return 0
	apt_updated=1
	say "fetching apt's package lists"
	as_root apt-get -q -q update >&2 || say "apt-get update failed; going on with the lists that are there"
}

apt_get() { apt-get -q -q "${apt_conf[@]}" "$@"; }
apt_cache() { apt-cache "${apt_conf[@]}" "$@" 2>/dev/null; }

# apt_mirror LABEL: where this machine gets that part of Debian from. Nothing if
# its lists were never fetched.
apt_mirror() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 2>/dev/null |
		awk -F '|' -v label="$1" '
		$1 == "Debian" && $2 == label && $3 !~ /^cdrom/ && !uri { uri = $3 }
		END { if (uri) print uri }'
}

# apt_source SUITE: a line for sources.list.
apt_source() {
	local mirror

	case $1 in
	*-security)
		mirror=$(apt_mirror Debian-Security)
		[ -n "$mirror" ] || mirror=$(apt_mirror Debian | sed 's|/*$|-security/|')
		;;
	*)	mirror=$(apt_mirror Debian) ;;
	esac
	[ -n "$mirror" ] || return
	printf 'deb [signed-by=%s] %s %s main\n' "$BG_KEYRING" "$mirror" "$1"
}

# apt_of_machine: from now on ask the machine's own apt.
apt_of_machine() {
	# shellcheck disable=SC2034 # for those who source this
	apt_suite=
	apt_conf=("${apt_conf_machine[@]}")
}

# apt_of_suite SUITE [refresh] [ARCHITECTURE]: from now on ask about that suite, and
# the release that it adds to. Fails if its lists cannot be had.
apt_of_suite() {
	local suite=$1 release=${1%%-*} fresh=${2:-} arch=${3:-amd64} dir

	dir=$BG_CACHE/apt/$suite
	[ "$arch" = amd64 ] || dir+=-$arch

	[ -f "$BG_KEYRING" ] || {
		say "there is no $BG_KEYRING, which suite $suite is checked with"
		return 1
	}
	mkdir -p -- "$dir/lists/partial" "$dir/archives/partial"
	{
		apt_source "$suite"
		[ "$release" = "$suite" ] || apt_source "$release"
	} >"$dir/sources.list.new"
	[ -s "$dir/sources.list.new" ] || {
		say "apt's sources name no mirror with Origin: Debian: run 'apt-get update', and try again"
		return 1
	}
	cmp -s -- "$dir/sources.list.new" "$dir/sources.list" || fresh=refresh
	mv -- "$dir/sources.list.new" "$dir/sources.list"
	: >"$dir/status"
	cat >"$dir/apt.conf" <<-EOF
	#clear APT::Update;
	#clear APT::Architectures;
	#clear APT::Default-Release;
	APT::Architecture "$arch";
	APT::Get::List-Cleanup "true";
	Acquire::Languages "none";
	Dir::Etc::SourceList "$dir/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::Etc::Preferences "/dev/null";
	Dir::Etc::PreferencesParts "/dev/null";
	Dir::State::Lists "$dir/lists";
	Dir::State::Status "$dir/status";
	Dir::State::Extended_States "$dir/extended_states";
	Dir::Cache "$dir";
	EOF
	# shellcheck disable=SC2034
	apt_suite=$suite
	apt_conf=("${apt_conf_machine[@]}" -c "$dir/apt.conf")
	[ -n "$fresh" ] || [ ! -f "$dir/fetched" ] || return 0
	(
		flock 8
		say "fetching the package lists of $suite into the cache; apt's sources stay as they are"
		rm -f -- "$dir/fetched"
		# A list that could not be had is only a warning else.
		apt_get -o APT::Update::Error-Mode=any update >&2 && : >"$dir/fetched"
	) 8>"$dir/lock" || {
		say "the lists of $suite could not be fetched"
		return 1
	}
}

# apt_show PACKAGE: what apt knows of it. Apt takes a name that it does not know for a regular
# expression: linux-source-6.1 was linux-source-6.12, where there is no other.
apt_show() {
	apt_cache show --no-all-versions "$1" |
		awk -v name="${1%%:*}" '/^Package: / { it = $2 == name } it'
}

# known_to_apt PACKAGE: is it there to be downloaded?
known_to_apt() { apt_show "$1" | grep '^Filename: ' >/dev/null; }

apt_version() { apt_show "$1" | sed -n '0,/^Version: /s///p'; }

# find_in_suites COMMAND KERNEL [refresh]: run COMMAND until it succeeds, with the
# machine's own apt, and then with each suite that has KERNEL. Fails with
# BG_EXIT_ABSENT if all could be asked, and none had it.
find_in_suites() {
	local suite asked=1

	apt_of_machine
	if [ -n "${3:-}" ] || [ -z "$(apt_mirror Debian)" ]; then
		apt_update
	fi
	! "$1" || return 0
	while read -r suite; do
		if ! apt_of_suite "$suite" "${3:-}"; then
			asked=
		elif "$1"; then
			return 0
		fi
	done < <(kernel_suites "$2")
	apt_of_machine
	[ -z "$asked" ] || return "$BG_EXIT_ABSENT"
	return 1
}
