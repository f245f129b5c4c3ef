// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a scope of a spin token in an interrupt that PREEMPT_RT has no thread for
 * caught by: lockdep
 * text: BUG: Invalid wait context
 * run: debug --suite fault_raw_enter_spin
 */
#include <kunit/test.h>
#include <linux/irq_work.h>
#include <linux/module.h>

#include "bgtoken.h"

static struct bgtoken *token;

static void in_an_interrupt(struct irq_work *work)
{
	unsigned long flags;

	if (bgtoken_enter_irqsave(token, flags))
		bgtoken_exit_irqrestore(token, flags);
}

static void raw_enter_spin(struct kunit *test)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(in_an_interrupt);

	token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	irq_work_queue(&work);
	irq_work_sync(&work);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(raw_enter_spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_raw_enter_spin",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
