// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: one exit too many of a mutex token
 * caught by: the library's own warning
 * text: bgtoken: one exit too many
 * run: debug --suite fault_exit_twice_mutex
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void exit_twice_mutex(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	if (bgtoken_enter(token)) {
		bgtoken_exit(token);
		bgtoken_exit(token);
	}
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(exit_twice_mutex),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_exit_twice_mutex",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
