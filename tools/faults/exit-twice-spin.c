// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: one exit too many of a spin token, where the kernel goes on after a warning
 * caught by: the case, which says in the end that it was warned of, and taken back
 * text: the token works after one exit too many & too many: .*, created at bgtoken_fault_
 * run: debug --suite fault_exit_twice_spin
 * run: rt --suite fault_exit_twice_spin
 */
#include <linux/module.h>

#include "fault_warn.h"

static void exit_twice_spin(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	fault_let_warnings_pass(test);
	KUNIT_ASSERT_NOT_NULL(test, bgtoken_enter_irqsave(token, flags));
	bgtoken_exit_irqrestore(token, flags);
	bgtoken_exit_irqrestore(token, flags);
	fault_expect_warned(test);
	fault_expect_token_works(test, token);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "the token works after one exit too many");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(exit_twice_spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_exit_twice_spin",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
