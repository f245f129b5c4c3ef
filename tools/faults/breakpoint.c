// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a breakpoint in a case, which is no fault of the emulator's
 * caught by: tools/vm, which tries a machine that ends so no more than once
 * text: the machine ended with status 125
 * run: debug --suite fault_breakpoint
 */
#include <kunit/test.h>
#include <linux/module.h>

static void breakpoint(struct kunit *test)
{
	asm volatile("int3");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(breakpoint),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_breakpoint",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
