// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a token that nobody puts
 * caught by: the count at bgtoken's exit
 * text: token [0-9]+ was left behind: .*, created at bgtoken_fault_leaked_token:
 * run: debug --suite fault_leaked_token
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void leaked_token(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_EXPECT_FALSE(test, IS_ERR(token));
	if (!IS_ERR(token))
		bgtoken_cancel(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(leaked_token),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_leaked_token",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
