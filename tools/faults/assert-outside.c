// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a call outside of scopes to what asserts that it is in one
 * caught by: lockdep
 * text: inside, nothing was said & WARNING: CPU: .* at [a-z_]+\+.*bgtoken_fault_assert_outside
 * run: debug --suite fault_assert_outside
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void assert_outside(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	scoped_bgtoken(token, struct kunit *, owner)
		lockdep_assert_bgtoken(token);
	kunit_info(test, "inside, nothing was said");
	lockdep_assert_bgtoken(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(assert_outside),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_assert_outside",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
