// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: scopes of two tokens, one inside the other, in both orders
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_abba
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void enter_both(struct bgtoken *outer, struct bgtoken *inner)
{
	if (!bgtoken_enter(outer))
		return;
	if (bgtoken_enter(inner))
		bgtoken_exit(inner);
	bgtoken_exit(outer);
}

static void lock_abba(struct kunit *test)
{
	struct bgtoken *a = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken *b = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(a));
	KUNIT_ASSERT_FALSE(test, IS_ERR(b));
	enter_both(a, b);
	enter_both(b, a);
	bgtoken_cancel(a);
	bgtoken_put(a);
	bgtoken_cancel(b);
	bgtoken_put(b);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_abba),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_abba",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
