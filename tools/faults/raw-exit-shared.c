// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a shared scope, waited for, in an interrupt that PREEMPT_RT has no thread for
 * caught by: lockdep
 * text: BUG: Invalid wait context
 * run: debug --suite fault_raw_exit_shared
 */
#include <linux/module.h>

#include "test_gate.h"

static struct bgtoken *token;
static struct test_thread canceller;
static bool live;

static void cancel_when_live(void *arg)
{
	test_until(READ_ONCE(live));
	bgtoken_cancel(token);
}

static bool cancel_sleeps(void)
{
	if (!bgtoken_cancelled(token))
		return false;
	smp_rmb();	/* pairs with the full barrier in bgtoken_refuse() */
	return READ_ONCE(canceller.task->__state) & TASK_NORMAL;
}

static void in_an_interrupt(struct irq_work *work)
{
	if (!bgtoken_enter(token))
		return;
	WRITE_ONCE(live, true);
	test_spin_until(cancel_sleeps());
	bgtoken_exit(token);	/* wakes it */
}

static void raise_interrupt(void *work)
{
	irq_work_queue(work);
}

static void raw_exit_shared(struct kunit *test)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(in_an_interrupt);

	test_own_cpu(test, 1);
	token = bgtoken_create(test, BGTOKEN_SHARED, GFP_KERNEL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_TRUE(test, test_thread_start(test, &canceller, 0, cancel_when_live, NULL));
	smp_call_function_single(1, raise_interrupt, &work, true);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&canceller));
	irq_work_sync(&work);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(raw_exit_shared),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_raw_exit_shared",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
