// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a call in the scope of a token's sibling to what asserts that it is in its own
 * caught by: lockdep
 * text: WARNING: CPU: .* at [a-z_]+\+.*bgtoken_fault_assert_other_token
 * run: debug --suite fault_assert_other_token
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

/* One class for both: lockdep tells them apart as the token that they are. */
static struct bgtoken *create(struct kunit *test)
{
	return bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
}

static void assert_other_token(struct kunit *test)
{
	struct bgtoken *token = create(test), *other = create(test);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	scoped_bgtoken(other, struct kunit *, owner)
		lockdep_assert_bgtoken(token);
	bgtoken_put(other);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(assert_other_token),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_assert_other_token",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
