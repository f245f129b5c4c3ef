// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a kernel that panics in the middle of a case
 * caught by: the reading of the log
 * text: Kernel panic - not syncing: planted
 * run: debug --suite fault_panic
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/panic.h>

static void planted(struct kunit *test)
{
	panic("planted");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(planted),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_panic",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
