// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: timers without a token or a function, where the kernel goes on after a warning
 * caught by: the case, which says in the end that each was refused, and released once
 * text: three timers were refused, and each released
 * run: debug --suite fault_timer_without_args
 */
#include <linux/module.h>

#include "fault_warn.h"

static int released;

static void timer_fn(struct bgtoken_timer *timer, void *owner)
{
}

static void timer_release(struct bgtoken_timer *timer)
{
	released++;
}

/* Initialised already, armed if it can be, and put. */
static void expect_refused(struct kunit *test, struct bgtoken_timer *timer)
{
	int before = released;

	KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(timer, jiffies + HZ));
	KUNIT_EXPECT_FALSE(test, timer_pending(&timer->dwork.timer));
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_cancel(timer));
	KUNIT_EXPECT_EQ(test, released, before);
	bgtoken_timer_put(timer);
	KUNIT_EXPECT_EQ(test, released, before + 1);
}

static void timer_without_args(struct kunit *test)
{
	static struct bgtoken_timer timers[3];
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	fault_let_warnings_pass(test);
	bgtoken_timer_init(&timers[0], NULL, timer_fn, timer_release);
	expect_refused(test, &timers[0]);
	bgtoken_timer_init(&timers[1], ERR_PTR(-ENOMEM), timer_fn, timer_release);
	expect_refused(test, &timers[1]);
	bgtoken_timer_init(&timers[2], token, NULL, timer_release);
	expect_refused(test, &timers[2]);
	fault_expect_warned(test);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);
	bgtoken_put(token);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "three timers were refused, and each released");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(timer_without_args),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_timer_without_args",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
