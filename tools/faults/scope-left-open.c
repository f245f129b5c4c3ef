// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a thread that ends inside a scope
 * caught by: lockdep
 * text: still has locks held!
 * run: debug --suite fault_scope_left_open
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void scope_left_open(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_EXPECT_PTR_EQ(test, bgtoken_enter(token), (void *)test);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(scope_left_open),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_scope_left_open",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
