// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a release that waits for all releases
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_barrier_from_a_release
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "bgtoken.h"

static void work_fn(struct bgtoken_work *work)
{
}

static void work_release(struct bgtoken_work *work)
{
	bgtoken_barrier();
	kfree(work);
}

static void barrier_from_a_release(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken_work *work = kzalloc(sizeof(*work), GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_NOT_NULL(test, work);
	bgtoken_work_init(work, token, work_fn, work_release);
	preempt_disable();
	bgtoken_work_put(work);
	preempt_enable();
	bgtoken_barrier();
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(barrier_from_a_release),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_barrier_from_a_release",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
