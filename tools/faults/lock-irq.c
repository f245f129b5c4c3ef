// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a spinlock that a spin scope takes, and that is held elsewhere with interrupts on
 * caught by: lockdep
 * text: inconsistent lock state|possible irq lock inversion|HARDIRQ-safe -> HARDIRQ-unsafe
 * run: debug --suite fault_lock_irq
 */
#include <kunit/test.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#include "bgtoken.h"

static DEFINE_SPINLOCK(lock);
static struct bgtoken *token;

static void in_an_interrupt(struct irq_work *work)
{
	scoped_bgtoken_irqsave(token, struct kunit *, owner) {
		spin_lock(&lock);
		spin_unlock(&lock);
	}
}

static void lock_irq(struct kunit *test)
{
	struct irq_work work = IRQ_WORK_INIT(in_an_interrupt);

	token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	irq_work_queue(&work);
	irq_work_sync(&work);
	spin_lock(&lock);
	spin_unlock(&lock);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_irq),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_irq",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
