// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a cancel under a spinlock that a scope of the spin token takes
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_cancel_spin
 * run: rt --suite fault_lock_cancel_spin
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#include "bgtoken.h"

static DEFINE_SPINLOCK(lock);

static void lock_cancel_spin(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	scoped_bgtoken_irqsave(token, struct kunit *, owner) {
		spin_lock(&lock);
		spin_unlock(&lock);
	}
	spin_lock_irq(&lock);
	bgtoken_cancel(token);
	spin_unlock_irq(&lock);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_cancel_spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_cancel_spin",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
