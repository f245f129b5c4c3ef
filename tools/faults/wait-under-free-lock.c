// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a wait for a state under a lock that its free_unit takes
 * caught by: lockdep, before it is a hang
 * text: possible circular locking dependency
 * run: debug --suite fault_wait_under_free_lock
 */
#include <linux/mutex.h>

#include "fault_compile.h"

static DEFINE_MUTEX(fault_lock);

static void take_lock(void)
{
	mutex_lock(&fault_lock);
	mutex_unlock(&fault_lock);
}

/* It has finished: so nothing hangs. */
static void wait_under_lock(void)
{
	mutex_lock(&fault_lock);
	bgcompile_wait(&fault_state, BGCOMPILE_TOP_FINISHED);
	mutex_unlock(&fault_lock);
}

static void wait_under_free_lock(struct kunit *test)
{
	fault_in_free = take_lock;
	fault_run(test, wait_under_lock);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(wait_under_free_lock),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_wait_under_free_lock",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
