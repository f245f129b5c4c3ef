// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a delayed work whose memory is freed while it is on its timer
 * caught by: DEBUG_OBJECTS_FREE
 * text: ODEBUG: free active .*timer_list
 * run: debug --suite fault_freed_while_queued
 */
#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "bgtoken.h"

static void work_fn(struct bgtoken_work *work)
{
}

static void freed_while_queued(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken_wq *wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0);
	struct bgtoken_delayed_work *dwork = kzalloc(sizeof(*dwork), GFP_KERNEL);

	bgtoken_delayed_work_init(dwork, token, work_fn, work_fn);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(wq, dwork, 3600 * HZ));
	kfree(dwork);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(freed_while_queued),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_freed_while_queued",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
