// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a pause under a mutex that a scope of the mutex token takes
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_pause
 */
#include <linux/module.h>

#include "fault_lock.h"

static void lock_pause(struct kunit *test)
{
	struct bgtoken *token = fault_lock_token(test, BGTOKEN_MUTEX);

	mutex_lock(&fault_lock);
	bgtoken_pause(token);
	mutex_unlock(&fault_lock);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_pause),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_pause",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
