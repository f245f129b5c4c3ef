// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a cancel of one token in a scope of another of its class, in no order
 * caught by: lockdep
 * text: possible recursive locking detected
 * run: debug --suite fault_lock_nested
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static struct bgtoken *new_token(void *owner)
{
	return bgtoken_create(owner, BGTOKEN_MUTEX, GFP_KERNEL);
}

static void lock_nested(struct kunit *test)
{
	struct bgtoken *outer = new_token(test), *inner = new_token(test);

	KUNIT_ASSERT_FALSE(test, IS_ERR(outer));
	KUNIT_ASSERT_FALSE(test, IS_ERR(inner));
	if (bgtoken_enter(outer)) {
		bgtoken_cancel(inner);
		bgtoken_exit(outer);
	}
	bgtoken_cancel(outer);
	bgtoken_put(outer);
	bgtoken_put(inner);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_nested),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_nested",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
