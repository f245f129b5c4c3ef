// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a cancel inside a scope of the same token, which has a counter for each CPU
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_self_cancel_percpu
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void self_cancel_percpu(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_PERCPU, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	scoped_bgtoken(token, struct kunit *, owner)
		bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(self_cancel_percpu),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_self_cancel_percpu",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
