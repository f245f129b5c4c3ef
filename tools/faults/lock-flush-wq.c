// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a flush of a workqueue under a lock that a work takes
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_flush_wq
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "bgtoken.h"

static DEFINE_MUTEX(lock);

static void work_fn(struct bgtoken_work *work)
{
	mutex_lock(&lock);
	mutex_unlock(&lock);
}

static void lock_flush_wq(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken_wq *wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0);
	struct bgtoken_work *work = kzalloc(sizeof(*work), GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	KUNIT_ASSERT_NOT_NULL(test, work);
	bgtoken_work_init(work, token, work_fn, NULL);
	bgtoken_queue_work(wq, work);
	bgtoken_wq_flush(wq);
	mutex_lock(&lock);
	bgtoken_wq_flush(wq);
	mutex_unlock(&lock);
	bgtoken_work_put(work);
	bgtoken_wq_destroy(wq);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_flush_wq),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_flush_wq",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
