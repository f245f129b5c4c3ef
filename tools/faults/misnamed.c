// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: scopes begun by the names for another kind, where the kernel goes on after a warning
 * caught by: the case, which says in the end that both were refused
 * text: two scopes were refused, and both tokens work
 * run: debug --suite fault_misnamed
 * run: rt --suite fault_misnamed
 */
#include <linux/module.h>

#include "fault_warn.h"

static void misnamed(struct kunit *test)
{
	struct bgtoken *mutex = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken *spin = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(mutex));
	KUNIT_ASSERT_FALSE(test, IS_ERR(spin));
	fault_let_warnings_pass(test);
	KUNIT_EXPECT_NULL(test, bgtoken_enter(spin));
	fault_expect_warned(test);
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(mutex, flags));
	fault_expect_token_works(test, mutex);
	fault_expect_token_works(test, spin);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "two scopes were refused, and both tokens work");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(misnamed),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_misnamed",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
