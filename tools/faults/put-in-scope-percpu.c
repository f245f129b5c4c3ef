// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a percpu token whose last reference is put by who is still in a scope of it
 * caught by: the last put, which warns that enters and exits do not add up
 * text: bgtoken: enters and exits do not add up
 * run: debug --suite fault_put_in_scope_percpu
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgtoken.h"

static void put_in_scope_percpu(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_PERCPU, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_NOT_NULL(test, bgtoken_enter(token));
	bgtoken_put(token);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(put_in_scope_percpu),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_put_in_scope_percpu",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
