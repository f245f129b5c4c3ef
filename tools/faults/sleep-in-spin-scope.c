// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a scope of a BGTOKEN_SPIN token that may sleep
 * caught by: DEBUG_ATOMIC_SLEEP, and the reading of the log
 * text: sleeping function called from invalid context
 * run: debug --suite fault_sleep_in_spin_scope
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void sleep_in_spin_scope(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	scoped_bgtoken_irqsave(token, struct kunit *, owner)
		might_sleep();
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(sleep_in_spin_scope),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_sleep_in_spin_scope",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
