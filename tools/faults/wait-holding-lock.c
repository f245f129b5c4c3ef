// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a wait that may be frozen, while the task holds a mutex
 * caught by: lockdep
 * text: still has locks held
 * run: debug --suite fault_wait_holding_lock
 */
#include <linux/freezer.h>
#include <linux/module.h>

#include "fault_lock.h"

static void wait_holding_lock(struct kunit *test)
{
	struct bgtoken *token = fault_lock_token(test, BGTOKEN_SHARED);

	set_freezable();		/* as a task of user space is */
	mutex_lock(&fault_lock);
	bgtoken_wait_event_timeout(token, false, 1);
	mutex_unlock(&fault_lock);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(wait_holding_lock),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_wait_holding_lock",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
