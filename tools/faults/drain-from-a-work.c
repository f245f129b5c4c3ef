// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a work that destroys the background workqueue on which it runs
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_drain_from_a_work
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/module.h>

#include "bgtoken.h"

static struct bgtoken_wq *wq;
static struct bgtoken_work work;
static DECLARE_COMPLETION(drained);

static void drain_fn(struct bgtoken_work *work)
{
	bgtoken_wq_destroy(wq);
	complete(&drained);
}

static void drain_release(struct bgtoken_work *work)
{
}

static void drain_from_a_work(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	bgtoken_work_init(&work, token, drain_fn, drain_release);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, &work));
	wait_for_completion(&drained);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(drain_from_a_work),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_drain_from_a_work",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
