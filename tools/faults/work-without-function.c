// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a work without a function
 * caught by: the library's own warning
 * text: WARNING: CPU: .* at .*__bgtoken_work_init\+
 * run: debug --suite fault_work_without_function
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static struct bgtoken_work work;

static void __maybe_unused work_fn(struct bgtoken_work *work)
{
}

static void work_release(struct bgtoken_work *work)
{
}

static void work_without_function(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	bgtoken_work_init(&work, token, NULL, work_release);
	bgtoken_work_put(&work);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(work_without_function),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_work_without_function",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
