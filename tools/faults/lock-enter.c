// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a mutex that a scope takes, and that is held where another scope of the token begins
 * caught by: lockdep
 * text: possible circular locking dependency detected
 * run: debug --suite fault_lock_enter
 */
#include <linux/module.h>

#include "fault_lock.h"

static void lock_enter(struct kunit *test)
{
	struct bgtoken *token = fault_lock_token(test, BGTOKEN_MUTEX);

	mutex_lock(&fault_lock);
	if (bgtoken_enter(token))
		bgtoken_exit(token);
	mutex_unlock(&fault_lock);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(lock_enter),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_lock_enter",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
