// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the sample's results go: the pace, its bound, and who waits for them.
 *
 * The turns of the work are taken by the test, which says what worker each is on.
 */
#include <kunit/test.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "test_gate.h"

/* The sample's module counts what is alive, and has the parameter for it. */
#undef LIVE_COUNTER
#undef live_inc
#undef live_dec
#undef live_check_none
#define LIVE_COUNTER(_name, ...)	static int live_##_name
#define live_inc(_name)			((void)live_##_name++)
#define live_dec(_name)			((void)live_##_name--)
#define live_check_none(_name)		WARN_ON(live_##_name)

static bool scheduled;
static unsigned long scheduled_in;

static void test_schedule(struct delayed_work *work, unsigned long in)
{
	scheduled = true;
	scheduled_in = in;
}

static struct task_struct *test_worker;

#undef current
#define current				test_worker
#define schedule_delayed_work		test_schedule
#define bgfilter_count_result		bgfilter_test_count_result
#define bgfilter_free_result		bgfilter_test_free_result
#define bgfilter_results_alloc		bgfilter_test_results_alloc
#define bgfilter_results_add		bgfilter_test_results_add
#define bgfilter_results_end		bgfilter_test_results_end
#define bgfilter_results_leave		bgfilter_test_results_leave
#define bgfilter_results_wait		bgfilter_test_results_wait
#define bgfilter_results_exit		bgfilter_test_results_exit
#include "../samples/bgfilter/results.c"
#undef current
#define current				get_current()

/* Two that are not the same; nothing looks into them. */
static struct task_struct *const workers[] = { (void *)1, (void *)2 };

static void turn(unsigned int worker)
{
	scheduled = false;
	test_worker = workers[worker];
	bgfilter_free_some(NULL);
}

static void all_turns(void)
{
	while (scheduled)
		turn(0);
}

/* The results of a set of @nr programs, all in the baseline tier alone. */
static struct bgfilter_results *published(struct kunit *test, u32 nr)
{
	struct bgfilter_results *results = bgfilter_results_alloc(nr);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, results);
	for (i = 0; i < nr; i++) {
		struct bgfilter_slot *slot = &results->slots[i];

		slot->baseline = kzalloc(sizeof(*slot->baseline), GFP_KERNEL);
		if (!slot->baseline)
			continue;
		bgfilter_count_result();
		bgfilter_results_add(results, i);
	}
	return results;
}

/* Its set ends, and its image goes at once. */
static void leave(struct bgfilter_results *results)
{
	bgfilter_results_end(results);
	bgfilter_results_leave(results);
}

static int results_test_init(struct kunit *test)
{
	test_timed_out = false;
	scheduled = false;
	return 0;
}

static void results_test_exit(struct kunit *test)
{
	all_turns();
	KUNIT_EXPECT_EQ(test, live_results, 0);
	KUNIT_EXPECT_EQ(test, leaving_progs, 0U);
}

static void results_all_go_while_the_worker_is_the_same(struct kunit *test)
{
	leave(published(test, 2 * SLOTS_A_TURN + 1));
	KUNIT_EXPECT_TRUE(test, scheduled);
	while (scheduled) {
		KUNIT_EXPECT_EQ(test, scheduled_in, 0UL);
		turn(0);
	}
	KUNIT_EXPECT_EQ(test, live_results, 0);
}

static void results_stay_while_the_worker_before_sleeps(struct kunit *test)
{
	int before;

	leave(published(test, 4 * SLOTS_A_TURN));
	turn(0);
	before = live_results;
	KUNIT_EXPECT_GT(test, before, 0);
	turn(1);
	KUNIT_EXPECT_EQ(test, live_results, before);
	KUNIT_EXPECT_GT(test, scheduled_in, 0UL);
	turn(1);
	KUNIT_EXPECT_LT(test, live_results, before);
}

/* Each turn is on another worker, for as long as it takes. */
static void results_are_delayed_by_20_ms_at_most(struct kunit *test)
{
	const unsigned long most = msecs_to_jiffies(20);
	unsigned long longest = 0;
	unsigned int turns = 0;

	leave(published(test, 32 * SLOTS_A_TURN));
	while (scheduled) {
		turn(turns++ % 2);
		if (scheduled)
			longest = max(longest, scheduled_in);
	}
	KUNIT_EXPECT_EQ(test, longest, most);
}

struct loader {
	struct test_thread thread;
	int ret;
};

static void load(void *arg)
{
	struct loader *loader = arg;

	allow_signal(SIGTERM);
	loader->ret = bgfilter_results_wait();
}

static void results_of_one_set_hold_up_no_load(struct kunit *test)
{
	leave(published(test, BGFILTER_MAX_FILTERS));
	KUNIT_EXPECT_EQ(test, bgfilter_results_wait(), 0);
}

/* The programs count that were compiled, not those that were loaded. */
static void results_that_never_came_hold_up_no_load(struct kunit *test)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct bgfilter_results *results =
			bgfilter_results_alloc(BGFILTER_MAX_FILTERS);

		KUNIT_ASSERT_NOT_NULL(test, results);
		leave(results);
		KUNIT_EXPECT_FALSE(test, scheduled);
	}
	KUNIT_EXPECT_EQ(test, bgfilter_results_wait(), 0);
}

static void results_of_more_than_a_set_hold_up_a_load(struct kunit *test)
{
	struct loader loader = { .ret = 1 };

	leave(published(test, BGFILTER_MAX_FILTERS));
	leave(published(test, 1));
	test_thread_start(test, &loader.thread, -1, load, &loader);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&loader.thread));
	turn(0);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&loader.thread));
	KUNIT_EXPECT_EQ(test, loader.ret, 0);
	KUNIT_EXPECT_GT(test, live_results, 0);
}

/* Compile steps of a set that was closed keep its image for as long as they like. */
static void results_hold_up_a_load_before_they_leave(struct kunit *test)
{
	struct loader loader = { .ret = 1 };
	struct bgfilter_results *first = published(test, BGFILTER_MAX_FILTERS);
	struct bgfilter_results *second = published(test, 1);

	bgfilter_results_end(first);
	bgfilter_results_end(second);
	test_thread_start(test, &loader.thread, -1, load, &loader);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&loader.thread));
	bgfilter_results_leave(first);
	bgfilter_results_leave(second);
	turn(0);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&loader.thread));
	KUNIT_EXPECT_EQ(test, loader.ret, 0);
}

static void results_let_a_signal_end_the_wait(struct kunit *test)
{
	struct loader loader = { .ret = 1 };

	leave(published(test, BGFILTER_MAX_FILTERS));
	leave(published(test, 1));
	if (test_thread_start(test, &loader.thread, -1, load, &loader)) {
		KUNIT_EXPECT_TRUE(test, test_thread_asleep(&loader.thread));
		send_sig(SIGTERM, loader.thread.task, 1);
	}
	KUNIT_EXPECT_TRUE(test, test_thread_join(&loader.thread));
	KUNIT_EXPECT_EQ(test, loader.ret, -ERESTARTSYS);
}

static struct kunit_case results_cases[] = {
	KUNIT_CASE(results_all_go_while_the_worker_is_the_same),
	KUNIT_CASE(results_stay_while_the_worker_before_sleeps),
	KUNIT_CASE(results_are_delayed_by_20_ms_at_most),
	KUNIT_CASE(results_of_one_set_hold_up_no_load),
	KUNIT_CASE(results_that_never_came_hold_up_no_load),
	KUNIT_CASE(results_of_more_than_a_set_hold_up_a_load),
	KUNIT_CASE(results_hold_up_a_load_before_they_leave),
	KUNIT_CASE(results_let_a_signal_end_the_wait),
	{}
};

static struct kunit_suite results_suite = {
	.name = "bgfilter_results",
	.init = results_test_init,
	.exit = results_test_exit,
	.test_cases = results_cases,
};

kunit_test_suite(results_suite);

MODULE_DESCRIPTION("KUnit tests of the pace at which bgfilter frees");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
