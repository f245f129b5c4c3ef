// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a spinlock that spin scopes take, held where another of them begins
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_enter_spin
 * run: rt --suite fault_lock_enter_spin
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#include "bgtoken.h"

static DEFINE_SPINLOCK(lock);

static void lock_enter_spin(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	scoped_bgtoken_irqsave(token, struct kunit *, owner) {
		spin_lock(&lock);
		spin_unlock(&lock);
	}
	spin_lock_irq(&lock);
	scoped_bgtoken_irqsave(token, struct kunit *, owner)
		owner->priv = NULL;
	spin_unlock_irq(&lock);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_enter_spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_enter_spin",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
