// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: works without a token or a function, where the kernel goes on after a warning
 * caught by: the case, which says in the end that each was refused, and released once
 * text: three works were refused, and each released
 * run: debug --suite fault_work_without_args
 */
#include <linux/module.h>

#include "fault_warn.h"

static int released;

static void work_fn(struct bgtoken_work *work)
{
}

static void work_release(struct bgtoken_work *work)
{
	released++;
}

/* Initialised already, queued if it can be, and put. */
static void expect_refused(struct kunit *test, struct bgtoken_wq *wq,
			   struct bgtoken_delayed_work *dwork)
{
	int before = released;

	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(wq, &dwork->work));
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_delayed_work(wq, dwork, 1));
	KUNIT_EXPECT_EQ(test, released, before);
	bgtoken_work_put(&dwork->work);
	KUNIT_EXPECT_EQ(test, released, before + 1);
}

static void work_without_args(struct kunit *test)
{
	static struct bgtoken_delayed_work dwork[3];
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken_wq *wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	fault_let_warnings_pass(test);
	bgtoken_delayed_work_init(&dwork[0], NULL, work_fn, work_release);
	expect_refused(test, wq, &dwork[0]);
	bgtoken_delayed_work_init(&dwork[1], ERR_PTR(-ENOMEM), work_fn, work_release);
	expect_refused(test, wq, &dwork[1]);
	bgtoken_delayed_work_init(&dwork[2], token, NULL, work_release);
	expect_refused(test, wq, &dwork[2]);
	fault_expect_warned(test);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);
	bgtoken_wq_destroy(wq);
	bgtoken_put(token);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "three works were refused, and each released");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(work_without_args),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_work_without_args",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
