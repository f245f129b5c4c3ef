// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a cancel under a mutex that a scope of a token with a counter for each CPU takes
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_cancel_percpu
 */
#include <linux/module.h>

#include "fault_lock.h"

static void lock_cancel_percpu(struct kunit *test)
{
	struct bgtoken *token = fault_lock_token(test, BGTOKEN_PERCPU);

	mutex_lock(&fault_lock);
	bgtoken_cancel(token);
	mutex_unlock(&fault_lock);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_cancel_percpu),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_cancel_percpu",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
