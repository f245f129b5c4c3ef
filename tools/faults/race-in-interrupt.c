// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a plain counter that timers of a module add to, on every CPU
 * caught by: KCSAN, and the finding that the code is ours, above an interrupt
 * text: not ok - KCSAN: data-race in .*race_timerfn
 * run: kcsan --suite fault_race_in_interrupt
 */
#include <kunit/test.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include "fault_race.h"

static long raced;
static DEFINE_PER_CPU(struct hrtimer, race_timer);

static enum hrtimer_restart race_timerfn(struct hrtimer *timer)
{
	int i;

	for (i = 0; i < 1000; i++)
		raced++;
	hrtimer_forward_now(timer, ns_to_ktime(200 * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void race_start(void *unused)
{
	struct hrtimer *timer = this_cpu_ptr(&race_timer);

	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = race_timerfn;
	hrtimer_start(timer, ns_to_ktime(200 * NSEC_PER_USEC), HRTIMER_MODE_REL_PINNED_HARD);
}

static void race_in_interrupt(struct kunit *test)
{
	int cpu;

	on_each_cpu(race_start, NULL, 1);
	fault_race_wait();
	for_each_online_cpu(cpu)
		hrtimer_cancel(per_cpu_ptr(&race_timer, cpu));
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(race_in_interrupt),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_race_in_interrupt",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
