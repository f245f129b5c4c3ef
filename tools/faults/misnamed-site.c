// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a scope begun by the name for another kind
 * caught by: the library's own warning, which says where the token is from
 * text: created at bgtoken_fault_misnamed_site:[a-z_]*:[0-9]+, is for bgtoken_enter\(\)
 * run: debug --suite fault_misnamed_site.mutex
 * text: created at bgtoken_fault_misnamed_site:[a-z_]*:[0-9]+, is for bgtoken_enter_irqsave\(\)
 * run: debug --suite fault_misnamed_site.spin
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

/* The second warning would not come: there is a machine for each. */

static void mutex(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(token, flags));
	bgtoken_put(token);
}

static void spin(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_EXPECT_NULL(test, bgtoken_enter(token));
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(mutex),
	KUNIT_CASE(spin),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_misnamed_site",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
