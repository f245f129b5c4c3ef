// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a wait for an event inside a scope of the same token, which a pause would wait for
 * caught by: lockdep
 * text: outside, nothing was said & WARNING: CPU: .* at __bgtoken_wait_begin
 * run: debug --suite fault_wait_event_in_scope
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void wait_event_in_scope(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SHARED, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_EXPECT_EQ(test, bgtoken_wait_event(token, true), 0);
	kunit_info(test, "outside, nothing was said");
	scoped_bgtoken(token, struct kunit *, owner)
		KUNIT_EXPECT_EQ(owner, bgtoken_wait_event(token, true), 0);
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(wait_event_in_scope),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_wait_event_in_scope",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
