// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a token that its user puts twice, while its memory is still there
 * caught by: the put, which says where the token is from
 * text: bgtoken: one put too many: bgtoken:test, created at bgtoken_fault_put_token_twice:
 * run: debug --suite fault_put_token_twice
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void put_token_twice(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	rcu_read_lock();	/* it is freed a grace period later */
	bgtoken_put(token);
	bgtoken_put(token);
	rcu_read_unlock();
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(put_token_twice),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_put_token_twice",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
