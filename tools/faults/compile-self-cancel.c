// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a publish that cancels its own compile state, in whose scope it is
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_compile_self_cancel
 */
#include "fault_compile.h"

static void cancel_state(void)
{
	bgcompile_cancel(&fault_state);
}

static void compile_self_cancel(struct kunit *test)
{
	fault_in_publish = cancel_state;
	fault_run(test, NULL);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(compile_self_cancel),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_compile_self_cancel",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
