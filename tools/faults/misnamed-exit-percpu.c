// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a percpu scope ended by the name for spin ones, where the kernel goes on after a warning
 * caught by: the case, which says in the end that it was warned of
 * text: the percpu token works after an exit by another name
 * run: debug --suite fault_misnamed_exit_percpu
 */
#include <linux/module.h>

#include "fault_warn.h"

/* Its scopes are not counted where that name looks. */
static void misnamed_exit_percpu(struct kunit *test)
{
	fault_exit_misnamed(test, bgtoken_create(test, BGTOKEN_PERCPU, GFP_KERNEL));
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "the percpu token works after an exit by another name");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(misnamed_exit_percpu),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_misnamed_exit_percpu",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
