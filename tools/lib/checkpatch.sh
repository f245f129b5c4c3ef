# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What checkpatch.pl says of these sources and is let pass. Source it after lib.sh; it runs nothing
# by itself.

# What checkpatch.pl says and is let pass: files, type, and what the line in
# question matches. An entry that nothing needs any more is a failure, too.
accepted() {
	# 6.12 has no kzalloc_obj() and the like.
	accept '*' ALLOC_WITH_SIZEOF '= k[mz]alloc\(sizeof\('
	local trace='*_trace.h' tool='samples/*/t[eo]*/*'

	# Trace events are laid out as those in include/trace/events/ are.
	accept "$trace" PARENTHESIS_ALIGNMENT '^	TP_(PROTO|ARGS)\('
	accept "$trace" OPEN_ENDED_LINE '^	TP_(STRUCT__entry|fast_assign)\($'
	accept "$trace" PARENTHESIS_ALIGNMENT '^			\{ [A-Z_]+,	'

	# A for loop that ends a scope, like scoped_guard(): no parentheses are
	# possible, and what is used twice is a name, not a value.
	accept bgtoken.h COMPLEX_MACRO '^#define __scoped_(cond_)?bgtoken\('
	accept bgtoken.h MACRO_ARG_REUSE '^#define (__scoped_(cond_)?bgtoken|__bgtoken_body)\('
	# A pointer declared, which is taken for a product.
	accept bgtoken.h SPACING '^	class_##_class##_t \*_scope##_named'
	accept bgtoken.h MACRO_ARG_PRECEDENCE '^#define __scoped_cond_bgtoken\('
	# Attributes, and members that have some.
	accept compat.h COMPLEX_MACRO '^#define __ends_scope\(x\)	'
	accept tools/context/foo.h LINE_SPACING ' __guarded_by\(token\);$'
	accept tools/context/foo.h FUNCTION_ARGUMENTS ' (__guarded_by\(|foo_step\(.*__must_hold\()'
	# Its name is lockdep's.
	accept bgtoken.h MACRO_ARG_UNUSED '^#define __bgtoken_init\(_init, _name, \.\.\.\)	'
	# The head of a loop; a name.
	accept bgtoken_state.c MACRO_ARG_REUSE '^#define (for_each_shelved_token|BGTOKEN_WARN_ONCE)\('
	# Sites beyond those that are told apart.
	accept bgtoken_state.c LOCKDEP '&__lockdep_no_validate__'
	accept bgtoken.h LOCKDEP '&__lockdep_no_validate__'
	# Declarations; what is used twice is a name, not a value.
	accept live.h MACRO_ARG_REUSE '^#define (LIVE_COUNTER|___LIVE_COUNTER)\('
	# The head of a loop.
	accept kunit/test_gate.h MACRO_ARG_REUSE '^#define test_rounds\('
	# A name, a test, and a call that is to be made again and again.
	accept kunit/test_gate.h MACRO_ARG_REUSE '^#define test_managed_without_memory\('
	accept kunit/test_gate.h MACRO_ARG_PRECEDENCE '^#define test_managed_without_memory\('
	# A body by either of two names; a loop around it would hide a break that leaves more.
	accept 'kunit/*_test.c' MULTISTATEMENT_MACRO_USE_DO_WHILE '^#define real_scope(_or)?\('
	accept 'kunit/*_test.c' MACRO_ARG_REUSE '^#define real_scope(_or)?\('
	# What the headers of trace events are made of, and what that becomes.
	accept kunit/trace_test.c COMPLEX_MACRO '^#define (TP_printk|TRACE_EVENT)\('
	accept kunit/trace_test.c MACRO_ARG_UNUSED '^#define DECLARE_EVENT_CLASS\('
	accept kunit/trace_test.c MULTISTATEMENT_MACRO_USE_DO_WHILE '^#define __(field|array)\('
	accept kunit/trace_test.c TRAILING_SEMICOLON '^#define __(field|array)\('
	accept kunit/trace_test.c MACRO_ARG_REUSE '^#define TRACE_EVENT\('
	# Array initialisers, which cannot be enclosed.
	accept samples/bgfilter/prog.c COMPLEX_MACRO '^#define (ALU|JMP)\('
	# Macros that make functions of a type and of statements.
	accept torture/main.c MACRO_ARG_REUSE '^#define THREADS\('
	accept bench/bench.h MACRO_ARG_REUSE '^#define BENCH_LOOPS\('
	accept bench/bench.h MACRO_ARG_PRECEDENCE '^#define BENCH_LOOPS\('
	accept bench/designs.c MACRO_ARG_REUSE '^#define HELD_LOOPS\('
	accept bench/locks.c MACRO_ARG_PRECEDENCE '^#define (PRIMITIVE|SRCU)_CREATE\('
	# Barriers, as the kernel's own are written.
	accept bench/native.h COMPLEX_MACRO '^#define __smp_mb\(\)'
	# Macros that make a variable and a module's functions of a name.
	accept patterns/pattern.h MACRO_ARG_REUSE '^#define (PATTERN_GATE|module_pattern)\('
	accept patterns/pattern.h MACRO_WITH_FLOW_CONTROL '^#define module_pattern\('
	# The one place that knows versions.
	accept compat.h LINUX_VERSION_CODE '^#if LINUX_VERSION_CODE (>=|<) '
	accept compat.h CONSTANT_COMPARISON '^#if LINUX_VERSION_CODE (>=|<) '
	# User space, which includes it, has no BIT().
	accept samples/bgfilter/bgfilter_uapi.h BIT_MACRO '^#define BGFILTER_'

	# The user tool is ISO C, with the names of <stdint.h>, <inttypes.h>
	# and of the language.
	accept "$tool" PREFER_KERNEL_TYPES 'u?int(8|16|32|64)_t'
	accept "$tool" CAMELCASE '_Atomic|_Static_assert|PRI[dux](32|64)|SCN[dux]64'
	# What stands after _Atomic is taken for a statement.
	accept "$tool" LINE_SPACING '^	_Atomic '
	# What a signal handler sets and reads, as ISO C wants it.
	accept "$tool" VOLATILE 'volatile sig_atomic_t|\*volatile on_interrupt'
	# The definition of __printf(), which user space has not got.
	accept "$tool" PREFER_DEFINED_ATTRIBUTE_MACRO '__attribute__\(\(format\(printf'
	# It is user space that has no ARRAY_SIZE().
	accept "$tool" ARRAY_SIZE '^#define N_DEEDS'
	# A word of a message happens to be the function's name.
	accept "$tool" EMBEDDED_FUNCTION_NAME 'bad_system\("cannot (load|run) '
}

accepts=() used=()
accept() { accepts+=("$1|$2|$3"); used+=(0); }

# is_accepted NAME TYPE TEXT: of the file, as it is called here, the line in question
is_accepted() {
	local i glob type regex

	for i in "${!accepts[@]}"; do
		IFS='|' read -r glob type regex <<<"${accepts[i]}"
		# shellcheck disable=SC2053 # a pattern is meant
		if [[ $1 == $glob && $2 == "$type" && $3 =~ $regex ]]; then
			used[i]=1
			return 0
		fi
	done
	return 1
}

# checkpatch_without_accepted FOLDER [NAMED]: passes on what checkpatch.pl --terse --show-types says
# of files in FOLDER, but for what is let pass; fails if anything is left. NAMED prints how the
# file that it is given is called here.
checkpatch_without_accepted() {
	local line file text name status=0

	[ ${#accepts[@]} -gt 0 ] || accepted
	while IFS= read -r line; do
		if [[ $line =~ ^([^:]+):([0-9]+):\ [A-Z]+:([A-Z_]+): ]]; then
			file=${BASH_REMATCH[1]}
			text=$(sed -n "${BASH_REMATCH[2]}p" -- "$1$file")
			name=$file
			[ -z "${2:-}" ] || name=$("$2" "$file")
			! is_accepted "$name" "${BASH_REMATCH[3]}" "$text" || continue
		fi
		printf '%s\n' "$line"
		status=1
	done
	return $status
}

# checkpatch_all_needed: fails if something is let pass that is not said any more.
checkpatch_all_needed() {
	local i status=0

	for i in "${!accepts[@]}"; do
		if [ "${used[i]}" = 0 ]; then
			echo "tools/lib/checkpatch.sh: nothing needs this any more: accept ${accepts[i]//|/ }"
			status=1
		fi
	done
	return $status
}
