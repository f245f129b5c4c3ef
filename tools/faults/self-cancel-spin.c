// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a cancel inside a scope of the same token, with interrupts off
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_self_cancel_spin
 * run: rt --suite fault_self_cancel_spin
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "bgtoken.h"

/*
 * No detector ends a wait with interrupts off soon: say that the scope is over.
 * Without sleeping, as the other CPU may be the one that has time go by.
 */
static int let_it_go(void *arg)
{
	struct bgtoken *token = arg;

	while (!bgtoken_cancelled(token))
		cpu_relax();
	mdelay(100);
	atomic_dec(&token->scopes);
	bgtoken_put(token);
	return 0;
}

static void self_cancel_spin(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	struct task_struct *thread;
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	thread = kthread_create(let_it_go, bgtoken_get(token), "let_it_go");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	kthread_bind(thread, 1);
	set_cpus_allowed_ptr(current, cpumask_of(2));
	wake_up_process(thread);

	bgtoken_enter_irqsave(token, flags);
	bgtoken_cancel(token);
	atomic_inc(&token->scopes);
	bgtoken_exit_irqrestore(token, flags);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(self_cancel_spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_self_cancel_spin",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
