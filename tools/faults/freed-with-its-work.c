// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a work that is part of its owner, which is freed while the work is queued
 * caught by: DEBUG_OBJECTS_FREE
 * text: ODEBUG: free active .*work_struct
 * run: debug --suite fault_freed_with_its_work
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "bgtoken.h"

struct fault_owner {
	struct bgtoken_work work;
};

static struct bgtoken_work holder;
static DECLARE_COMPLETION(go_on);

static void holder_fn(struct bgtoken_work *work)
{
	wait_for_completion(&go_on);
}

static void work_fn(struct bgtoken_work *work)
{
}

static void freed_with_its_work(struct kunit *test)
{
	struct fault_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL);
	struct bgtoken *token = bgtoken_create(owner, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken_wq *wq = bgtoken_wq_create("fault", WQ_UNBOUND, 1);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	bgtoken_work_init(&holder, token, holder_fn, work_fn);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, &holder));
	bgtoken_work_init(&owner->work, token, work_fn, work_fn);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, &owner->work));
	bgtoken_cancel(token);
	kfree(owner);
	complete(&go_on);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(freed_with_its_work),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_freed_with_its_work",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
