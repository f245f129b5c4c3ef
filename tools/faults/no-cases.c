// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a suite without a case
 * caught by: the reading of KTAP
 * text: fault_no_cases: it (ran no case|did not run)
 * run: debug --suite fault_no_cases
 */
#include <kunit/test.h>
#include <linux/module.h>

static struct kunit_case fault_cases[] = {
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_no_cases",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
