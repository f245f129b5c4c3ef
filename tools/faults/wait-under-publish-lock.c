// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a wait for a state under a lock that its publish takes
 * caught by: lockdep, before it is a hang
 * text: possible circular locking dependency
 * run: debug --suite fault_wait_under_publish_lock
 */
#include "fault_compile.h"

static void wait_under_publish_lock(struct kunit *test)
{
	fault_in_publish = fault_take_lock;
	fault_run(test, fault_wait_under_lock);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(wait_under_publish_lock),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_wait_under_publish_lock",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
