// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: one exit too many of a percpu token, where the kernel goes on after a warning
 * caught by: the case, which says in the end that the cancel has warned of it, and returned
 * text: the cancel told of one exit too many & too many: .*, created at bgtoken_fault_
 * run: debug --suite fault_exit_twice_percpu
 */
#include <linux/module.h>

#include "fault_warn.h"

static void exit_twice_percpu(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_PERCPU, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	fault_let_warnings_pass(test);
	KUNIT_ASSERT_NOT_NULL(test, bgtoken_enter(token));
	bgtoken_exit(token);
	bgtoken_exit(token);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(token));
	fault_expect_warned(test);
	bgtoken_put(token);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "the cancel told of one exit too many");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(exit_twice_percpu),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_exit_twice_percpu",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
