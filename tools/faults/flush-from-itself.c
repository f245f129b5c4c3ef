// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a work that flushes itself
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_flush_from_itself
 */
#include <linux/completion.h>
#include <linux/module.h>

#include "fault_work.h"

static DECLARE_COMPLETION(begun);

static void work_fn(struct bgtoken_work *work)
{
	complete(&begun);
	bgtoken_flush_work(work);
}

static void flush_from_itself(struct kunit *test)
{
	struct fault_work w = fault_work_queue(test, work_fn);

	wait_for_completion(&begun);	/* else it may be dropped */
	fault_work_end(&w);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(flush_from_itself),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_flush_from_itself",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
