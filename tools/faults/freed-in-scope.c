// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: the last put of a token inside its scope
 * caught by: lockdep
 * text: held lock freed!
 * run: debug --suite fault_freed_in_scope
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void freed_in_scope(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SHARED, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_EXPECT_PTR_EQ(test, bgtoken_enter(token), (void *)test);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(freed_in_scope),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_freed_in_scope",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
