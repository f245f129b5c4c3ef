// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a flush under a lock that the work takes
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_flush
 */
#include <linux/module.h>
#include <linux/mutex.h>

#include "fault_work.h"

static DEFINE_MUTEX(lock);

static void work_fn(struct bgtoken_work *work)
{
	mutex_lock(&lock);
	mutex_unlock(&lock);
}

static void lock_flush(struct kunit *test)
{
	struct fault_work w = fault_work_queue(test, work_fn);

	bgtoken_flush_work(w.work);
	mutex_lock(&lock);
	bgtoken_flush_work(w.work);
	mutex_unlock(&lock);
	fault_work_end(&w);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_flush),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_flush",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
