// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a suite that keeps a reference on its own module
 * caught by: the guest's script, as rmmod fails
 * text: cannot remove bgtoken_fault_stuck_module
 * run: debug --suite fault_stuck_module
 */
#include <kunit/test.h>
#include <linux/module.h>

static void stuck_module(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, try_module_get(THIS_MODULE));
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(stuck_module),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_stuck_module",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
