// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a scope that never ends, and a cancel that waits for it
 * caught by: the hung-task detector, or tools/vm from outside
 * text: blocked for more than [0-9]+ seconds|it hangs: nothing came of it
 * run: debug --suite fault_hang
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "bgtoken.h"

static int never_leaves(void *arg)
{
	struct bgtoken *token = arg;

	if (bgtoken_enter(token))
		for (;;)
			schedule_timeout_idle(HZ);
	return 0;
}

static void hang(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	kthread_run(never_leaves, token, "never_leaves");
	while (!(atomic_read(&token->scopes) & BGTOKEN_LIVE))
		schedule_timeout_idle(1);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(hang),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_hang",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
