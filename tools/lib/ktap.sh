# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Which suites there are, what a kernel's log says of them, and how the results
# of a run are told. Source it after lib.sh; it runs nothing by itself.

# kunit_modules: a line "MODULE OBJECT..." for each module of kunit/Kbuild, as
# make itself reads that file. The MAKEFLAGS of a calling make are not for it.
kunit_modules() {
	(
		unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
		cd -- "$BG_ROOT" || exit
		make -s -f - src=kunit srctree=. CONFIG_BGTOKEN_KUNIT_TEST=m <<-'MAKE'
		include kunit/Kbuild
		$(foreach o,$(obj-m),$(info $(o:.o=) $(or $($(o:.o=-y)),$(o))))
		all: ;
		MAKE
	)
}

# kunit_suites: a line "MODULE SUITE" for each struct kunit_suite in them.
kunit_suites() {
	local module objects object

	kunit_modules | while read -r module objects; do
		for object in $objects; do
			awk -v module="$module" '
			/struct kunit_suite .*= *\{/ { suite = 1 }
			suite && match($0, /\.name *= *"[^"]*"/) {
				split(substr($0, RSTART, RLENGTH), part, "\"")
				print module, part[2]
				suite = 0
			}' "$BG_ROOT/kunit/${object%.o}.c"
		done
	done
}

# ktap_of_log all|marked COMPLAINTS SUITE... <LOG: what KUnit said in a kernel's
# log, in everything or between the marks that tools/guest/check.sh sets, as
# kunit.py reads it: suites are numbered one after the other, whichever module
# they came from, and one that was cut off is closed with a case that failed.
# Other lines stay, since kunit.py shows them where a case fails. COMPLAINTS gets
# a line "SUITE: SENTENCE" for what kunit.py would not tell.
ktap_of_log() {
	local part=$1 complaints=$2
	shift 2

	: >"$complaints"
	awk -v inside="$([ "$part" = marked ] || echo 1)" -v complaints="$complaints" -v expected="$*" '
	function complain(sentence) { print suite ": " sentence >complaints }

	function begin(name) {
		if (suite != "")
			cut_off()
		suite = name
		began[suite] = 1
		head = "    KTAP version 1\n" $0 "\n"
		plan = open = last = body = ""
		cases = failed = 0
	}

	# A case with parameters was named when it began, another was not.
	function cut_off() {
		if (open == "")
			open = last == "" ? "its first case" : "the case after " last
		complain("it did not come to its end; it was in " open)
		plan = ++cases
		body = body "    not ok " cases " " open "\n"
		failed++
		end("not ok 1 " suite)
	}

	# A suite can fail and none of its cases.
	function end(line) {
		if (suite == "")
			return
		if (!cases && line !~ /# SKIP/) {
			complain("it ran no case")
		} else {
			if (line ~ /^not/ && !failed)
				complain("it failed outside its cases")
			sub(/ok [0-9]+/, "ok " ++suites, line)
			text = text head "    1.." plan "\n" body line "\n"
		}
		suite = ""
	}

	{ sub(/\r$/, ""); sub(/^\[ *[0-9]+\.[0-9]+\](\[[^]]*\])? /, "") }
	/^bgtoken-check: begin/ { inside = 1; next }
	/^bgtoken-check: end/ { inside = 0 }
	!inside { next }
	/^    # Subtest: / { begin($3); next }
	/^    1\.\.[0-9]+$/ { plan = substr($1, 4); next }
	/^        # Subtest: / { open = $3; wrong = 0 }
	/^        not ok / { wrong++ }
	/^    (not )?ok [0-9]+ / {
		cases++
		failed += $1 == "not"
		if ($1 == "not" && open != "" && !wrong)
			complain(open " failed outside its parameters")
		open = ""
		last = $0
		sub(/^ *(not )?ok [0-9]+ (- )?/, "", last)
	}
	/^(not )?ok [0-9]+ / { end($0); next }
	/^ {0,4}KTAP version 1$/ || /^1\.\.[0-9]+$/ { next }
	{ body = body $0 "\n" }

	END {
		if (suite != "")
			cut_off()
		n = split(expected, want, " ")
		for (i = 1; i <= n; i++) {
			suite = want[i]
			if (!(suite in began))
				complain("it did not run")
		}
		printf "KTAP version 1\n1..%d\n%s", suites, text
	}'
}

# The counts of a run, to which add_summary and complain add.
passed=0 failed=0 skipped=0

# complain SENTENCE: one more that failed.
complain() {
	printf 'not ok - %s\n' "$1"
	failed=$((failed + 1))
}

# check SENTENCE COMMAND...: passed if the command succeeds; else with the end of what it printed.
check() {
	local sentence=$1 said
	shift

	if said=$("$@" 2>&1); then
		printf 'ok - %s\n' "$sentence"
		passed=$((passed + 1))
	else
		complain "$sentence"
		tail -n 40 <<<"$said" | sed 's/^/    /'
	fi
}

# complaints_of FILE: each line of it.
complaints_of() {
	local line

	while read -r line; do
		complain "$line"
	done <"$1"
}

# complain_of_log FILE: each line that has no place in a kernel's log.
complain_of_log() {
	log_complaints "$1" >"$1.bad" || true
	complaints_of "$1.bad"
	rm -f -- "$1.bad"
}

# complaint LOG "REGEX & REGEX...": the line of a kernel's log that has the first, if it has all.
complaint() {
	local line

	line=$(grep -a -E -m 1 -e "${2%% & *}" -- "$1") || return
	while [[ $2 == *' & '* ]]; do
		set -- "$1" "${2#* & }"
		grep -a -E -q -e "${2%% & *}" -- "$1" || return
	done
	line=${line#*\] }
	echo "${line%$'\r'}"
}

# complain_of_run SENTENCE LOG [OUTPUT]...: with the lines of the kernel's log that should not
# be there, and the last of what tools/vm printed, which say more than a status.
complain_of_run() {
	complain "$1"
	{ log_complaints "$2" 2>/dev/null || true; } | sed -n 's/^/    /; s/\r$//; 1,3p'
	[ $# -lt 3 ] || tail -q -n 8 -- "${@:3}" | sed 's/^/    /'
}

# add_summary FILE: the counts that kunit.py printed, last. What it calls an
# error or a crash has failed.
add_summary() {
	local counts name n

	counts=$(sed -n 's/\x1b\[[0-9;]*m//g; s/.*Testing complete\. Ran [0-9]* tests: //p' "$1" |
		tail -n 1 | tr -d ',:')
	# shellcheck disable=SC2086 # words, in pairs
	set -- $counts
	while [ $# -ge 2 ]; do
		name=$1 n=$2
		case $name in
		passed)	passed=$((passed + n)) ;;
		skipped) skipped=$((skipped + n)) ;;
		*)	failed=$((failed + n)) ;;
		esac
		shift 2
	done
}

# Races of the kernel with itself, at whatever depth below a function of ours:
# both accesses are in the functions named.
kernels_own=(
	# the task that a timer wakes, cleared while its sleeper looks at it
	'data-race in hrtimer_wakeup / schedule_hrtimeout_range_clock'
)

# races LOG: what KCSAN reported, a line each: "ours" or "other", and the title. A
# suite's own lines may come in between those of a report. What an interrupt came
# upon, below its entry in the stack, has no part in it.
races() {
	local IFS='|'

	awk -v kernels_own="|${kernels_own[*]}|" '
	function done() {
		if (index(kernels_own, "|" title "|"))
			ours = 0
		if (title != "")
			print (ours ? "ours" : "other"), title
		title = ""
	}
	{ sub(/^\[ *[0-9]+\.[0-9]+\](\[[^]]*\])? /, "") }
	/BUG: KCSAN: / { done(); ours = interrupted = 0; title = $0; sub(/.*BUG: KCSAN: /, "", title) }
	/^=====/ { done() }
	/^Reported by/ { done() } # what follows names the kernel and the task
	/^ *((not )?ok [0-9]|#|bgtoken-check:|bgtoken_torture:)/ { next }
	/^ *$/ || /^(read|write|race) / { interrupted = 0 }
	/^ *asm_[a-z_]*interrupt|^ *asm_sysvec_/ { interrupted = 1 }
	title != "" && !interrupted && /bgtoken|bgcompile|bgfilter/ { ours = 1 }
	END { done() }' "$1"
}

# tell_races LOG: each that names a module of ours has failed; others are shown.
tell_races() {
	local whose title

	while read -r _ whose title; do
		if [ "$whose" = ours ]; then
			complain "KCSAN: $title"
		else
			echo "allowed, the kernel's own: KCSAN: $title"
		fi
	done < <(races "$1" | sort | uniq -c | sort -rn)
}

# add_lines FILE: what a script in the guest said in lines "ok" and "not ok"; in $tested, how
# many of the former.
add_lines() {
	tested=$(grep -c '^ok ' "$1" || true)
	passed=$((passed + tested))
	failed=$((failed + $(grep -c '^not ok ' "$1" || true)))
}

# show_ktap SOURCE KTAP RESULTS: as that kernel's kunit.py shows it, which is
# not to leave compiled files in a source tree that is shared.
show_ktap() {
	local status=0 before=$failed

	PYTHONDONTWRITEBYTECODE=1 python3 "$1/tools/testing/kunit/kunit.py" parse "$2" |
		tee "$3" || status=$?
	add_summary "$3"
	[ $status = 0 ] || [ "$failed" -gt "$before" ] ||
		complain "kunit.py ended with status $status"
}

# skips_of KTAP: a line for each case that was skipped, with the parameter that
# it was skipped for, and why.
skips_of() {
	awk '
	/^    # Subtest: / { suite = $3 "."; open = "" }
	/^        # Subtest: / { open = $3; next }
	/ ok [0-9]+ .*# SKIP/ && (open == "" || /^        /) {
		sub(/^ *ok [0-9]+ /, open == "" ? "" : open ", ")
		sub(/ # SKIP */, ": ")
		print "skipped: " suite $0
		next
	}
	/^    (not )?ok / { open = "" }' "$1"
}

# tell_totals: the last line, alone, which tools/check-all and others read.
tell_totals() {
	[ "$skipped" = 0 ] || echo "$skipped skipped"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
