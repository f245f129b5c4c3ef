// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a timer of a mutex token, where the kernel goes on after a warning
 * caught by: the case, which says in the end that it was refused, and released once
 * text: the timer was refused, and released
 * run: debug --suite fault_timer_of_mutex
 */
#include <linux/device.h>
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

static void timer_of_mutex(struct kunit *test)
{
	static struct bgtoken_timer timer;
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct device *dev;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	fault_let_warnings_pass(test);
	bgtoken_timer_init(&timer, token, timer_fn, timer_release);
	fault_expect_warned(test);
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(&timer, jiffies));
	KUNIT_EXPECT_FALSE(test, timer_pending(&timer.dwork.timer));
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_cancel(&timer));
	bgtoken_timer_put(&timer);
	KUNIT_EXPECT_EQ(test, released, 1);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);
	/* As the device's, it is put without a cancel. */
	dev = root_device_register("fault");
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	KUNIT_EXPECT_FALSE(test, IS_ERR(devm_bgtoken_timer_create(dev, token, timer_fn)));
	root_device_unregister(dev);
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(token));
	bgtoken_put(token);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "the timer was refused, and released");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(timer_of_mutex),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_timer_of_mutex",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
