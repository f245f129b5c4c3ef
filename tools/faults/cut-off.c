// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a machine that is reset in the middle of a case
 * caught by: the reading of KTAP, as the suite has no end
 * text: it did not come to its end
 * run: debug --suite fault_cut_off
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/reboot.h>

static void cut_off(struct kunit *test)
{
	emergency_restart();
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(cut_off),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_cut_off",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
