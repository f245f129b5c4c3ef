// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a wait for a state inside a scope of it
 * caught by: lockdep, before it is a hang
 * text: possible circular locking dependency
 * run: debug --suite fault_wait_in_scope
 */
#include "fault_compile.h"

static void wait_inside(void)
{
	scoped_bgtoken(fault_state.token, struct bgcompile *, state)
		bgcompile_wait(state, BGCOMPILE_TOP_FINISHED);
}

/* It has finished: so nothing hangs. */
static void wait_in_scope(struct kunit *test)
{
	fault_run(test, wait_inside);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(wait_in_scope),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_wait_in_scope",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
