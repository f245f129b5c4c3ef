// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a drain under a mutex that a work takes
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_drain
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "bgtoken.h"

static DEFINE_MUTEX(lock);
static struct bgtoken_work work;
static DECLARE_COMPLETION(released);

static void locking_fn(struct bgtoken_work *work)
{
	mutex_lock(&lock);
	mutex_unlock(&lock);
}

static void work_release(struct bgtoken_work *work)
{
	complete(&released);
}

static void lock_drain(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken_wq *wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	bgtoken_work_init(&work, token, locking_fn, work_release);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, &work));
	bgtoken_work_put(&work);
	wait_for_completion(&released);
	mutex_lock(&lock);
	bgtoken_wq_destroy(wq);
	mutex_unlock(&lock);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_drain),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_drain",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
