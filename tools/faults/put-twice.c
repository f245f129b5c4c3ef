// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a work that its user puts twice, in memory that stays
 * caught by: refcount_t
 * text: refcount_t: underflow; use-after-free
 * run: debug --suite fault_put_twice
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static struct bgtoken_work work;

static void work_fn(struct bgtoken_work *work)
{
}

static void put_twice(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	bgtoken_work_init(&work, token, work_fn, work_fn);
	bgtoken_work_put(&work);
	bgtoken_work_put(&work);
	bgtoken_cancel(token);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(put_twice),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_put_twice",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
