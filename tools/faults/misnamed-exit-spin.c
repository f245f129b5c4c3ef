// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a spin scope ended by the name for the others, where the kernel goes on after a warning
 * caught by: the case, which says in the end that it was warned of
 * text: the spin token works after an exit by another name
 * run: debug --suite fault_misnamed_exit_spin
 * run: rt --suite fault_misnamed_exit_spin
 */
#include <linux/module.h>

#include "fault_warn.h"

static void misnamed_exit_spin(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	fault_let_warnings_pass(test);
	KUNIT_ASSERT_NOT_NULL(test, bgtoken_enter_irqsave(token, flags));
	bgtoken_exit(token);
	/* It has not got them, and cannot restore them. */
	local_irq_restore(flags);
	preempt_enable();
	fault_expect_warned(test);
	fault_expect_token_works(test, token);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "the spin token works after an exit by another name");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(misnamed_exit_spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_misnamed_exit_spin",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
