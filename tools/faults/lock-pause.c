// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a pause under a mutex that a scope of the mutex token takes
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_pause
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "bgtoken.h"

static DEFINE_MUTEX(lock);

static void lock_pause(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	if (bgtoken_enter(token)) {
		mutex_lock(&lock);
		mutex_unlock(&lock);
		bgtoken_exit(token);
	}
	mutex_lock(&lock);
	bgtoken_pause(token);
	mutex_unlock(&lock);
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
