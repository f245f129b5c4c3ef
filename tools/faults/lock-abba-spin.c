// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: spin scopes of two tokens, one inside the other, in both orders
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_abba_spin
 * run: rt --suite fault_lock_abba_spin
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void enter_both(struct bgtoken *outer, struct bgtoken *inner)
{
	scoped_bgtoken_irqsave(outer, struct kunit *, owner)
		scoped_bgtoken_irqsave(inner, struct kunit *, other)
			owner->priv = other->priv;
}

static void lock_abba_spin(struct kunit *test)
{
	struct bgtoken *a = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	struct bgtoken *b = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);

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
	KUNIT_CASE(lock_abba_spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_abba_spin",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
