// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a plain counter that two threads of a module add to
 * caught by: KCSAN, and the finding that the code is ours
 * text: not ok - KCSAN: data-race in .*race
 * run: kcsan --suite fault_race
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "fault_race.h"

static long raced;

static int race_adder(void *arg)
{
	while (!kthread_should_stop()) {
		raced++;
		cond_resched();
	}
	return 0;
}

static void race(struct kunit *test)
{
	struct task_struct *one = kthread_run(race_adder, NULL, "race_one");
	struct task_struct *two = kthread_run(race_adder, NULL, "race_two");

	fault_race_wait();
	kthread_stop(one);
	kthread_stop(two);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(race),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_race",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
