// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: scopes that run in parallel, begun by the name for spin ones; the kernel goes on
 * caught by: the case, which says in the end that all were refused
 * text: four scopes were refused, and the tokens work
 * run: debug --suite fault_misnamed_shared
 * run: rt --suite fault_misnamed_shared
 */
#include <linux/module.h>

#include "fault_warn.h"

static void refuse_both(struct kunit *test, enum bgtoken_kind kind)
{
	struct bgtoken *token = bgtoken_create(test, kind, GFP_KERNEL);
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(token, flags));
	fault_expect_warned(test);
	/* Nor beside one that is live, which would let another in. */
	KUNIT_ASSERT_NOT_NULL(test, bgtoken_enter(token));
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(token, flags));
	bgtoken_exit(token);
	fault_expect_token_works(test, token);
}

static void misnamed_shared(struct kunit *test)
{
	fault_let_warnings_pass(test);
	refuse_both(test, BGTOKEN_SHARED);
	refuse_both(test, BGTOKEN_PERCPU);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "four scopes were refused, and the tokens work");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(misnamed_shared),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_misnamed_shared",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
