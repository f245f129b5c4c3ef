// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a pause inside a scope of the same token
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_self_pause
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void self_pause(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	scoped_bgtoken(token, struct kunit *, owner)
		bgtoken_pause(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(self_pause),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_self_pause",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
