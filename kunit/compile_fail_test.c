// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compile states in which something fails: a step, the workqueue, memory.
 */
#include <linux/random.h>

#define TEST_PATIENCE_ELSEWHERE		/* in compile_test.c */
#include "compile_mock.h"

KUNIT_ARRAY_PARAM(mock_kind, mock_kinds, test_kind_desc);

/* Steps */

static void compile_first_error_wins_and_the_results_of_siblings_are_dropped(struct kunit *test)
{
	struct mock *mock = mock_create(test, 8, .kind = mock_kind(test),
					.max_tasks = 3);
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_error = -EIO;
	mock->plans[0].in_compile = &mock->gate;
	mock_unit(mock, &units)->compile_error = -ENOSPC;
	mock->plans[1].in_compile = &mock->gate2;
	mock_unit(mock, &units)->in_compile = &mock->gate2;
	mock_units(mock, &units, 5, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->compiles, 3));

	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&log->told, 1));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, -EIO);
	/* What was not started is freed, the siblings are still at it. */
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 6));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->inside), 2);

	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 8));
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, -EIO);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).failed[BGCOMPILE_BASELINE], 1U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 0U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).events,
			(unsigned int)BIT(BGCOMPILE_FAILED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 3);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EIO);
}

/* The second of four fails: in its step, or only when it is published. */
static void compile_failure_ends_its_batch(struct kunit *test, bool in_publish)
{
	struct mock *mock = mock_create(test, 6, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 4);
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_units(mock, &units, 6, NULL);
	if (in_publish)
		mock->plans[1].publish_error = -EIO;
	else
		mock->plans[1].compile_error = -EIO;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 6));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, -EIO);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_BASELINE], 1U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).failed[BGCOMPILE_BASELINE], 1U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 0U);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles),
			in_publish ? 4 : 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes),
			in_publish ? 2 : 1);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EIO);
}

static void compile_unit_that_fails_ends_its_batch(struct kunit *test)
{
	compile_failure_ends_its_batch(test, false);
}

static void compile_unit_that_fails_to_publish_ends_its_batch(struct kunit *test)
{
	compile_failure_ends_its_batch(test, true);
}

static void compile_top_unit_that_fails_leaves_its_batch_alone(struct kunit *test)
{
	struct mock *mock = mock_create(test, 4, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 4);
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 4; i++)
		mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1);
	mock->plans[1].compile_error = -EIO;
	mock->plans[2].publish_error = -EIO;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_TOP], 2U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).failed[BGCOMPILE_TOP], 2U);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 4);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 3);
}

/* One is in publish, with more to come, when a sibling fails. */
static void compile_failure_of_a_sibling_ends_a_batch(struct kunit *test)
{
	struct mock *mock = mock_create(test, 4, .kind = BGTOKEN_SHARED,
					.max_tasks = 2, .batch = 2);
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_unit(mock, &units)->in_publish = &mock->gate;
	mock_unit(mock, &units);
	mock_units(mock, &units, 2, &mock->gate2);
	mock->plans[2].compile_error = -EIO;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&log->told, 1));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 4));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_BASELINE], 1U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).failed[BGCOMPILE_BASELINE], 1U);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EIO);
}

/* Both are in publish, and neither knows yet that the other will fail. */
static void compile_first_error_wins_among_scopes_in_parallel(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = BGTOKEN_SHARED,
					.max_tasks = 2);
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_unit(mock, &units)->in_publish = &mock->gate;
	mock_unit(mock, &units)->in_publish = &mock->gate2;
	mock->plans[0].publish_error = -EIO;
	mock->plans[1].publish_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&log->told, 1));
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, -EIO);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).failed[BGCOMPILE_BASELINE], 2U);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EIO);
}

static void compile_two_errors_at_once_make_one_failure(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 2);
	struct mock_log *log = mock_listen(mock);
	struct bgcompile_progress p;
	LIST_HEAD(units);

	mock_units(mock, &units, 2, &mock->gate);
	mock->plans[0].compile_error = -EIO;
	mock->plans[1].compile_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 2));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
	p = mock_progress(mock);
	KUNIT_EXPECT_TRUE(test, p.error == -EIO || p.error == -ENOSPC);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, p.error);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, p.error);
}

static void compile_error_of_a_cancelled_state_is_not_told(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_error = -EIO;
	mock->plans[0].in_compile = &mock->gate;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 1));
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, 0);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).events, 0U);
	mock_expect_told(mock, log, MOCK_NOTHING, MOCK_NOTHING, 0);
	mock_free_owner(mock);
}

/* An error and a cancel at once: it is told or not, and nothing is left. */
static void compile_error_and_cancel_at_once_leave_nothing(struct kunit *test)
{
	struct bgcompile_progress progress;
	struct mock_canceller canceller;
	struct mock_log *log;
	struct mock *mock;
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 20; i++) {
		mock = mock_create(test, 6, .kind = mock_kind(test),
				   .max_tasks = 2);
		log = mock_listen(mock);
		mock_units(mock, &units, 2, &mock->gate);
		mock->plans[i % 2].compile_error = -EIO;
		mock_units(mock, &units, 4, NULL);
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 2));
		canceller = (struct mock_canceller){ .mock = mock,
						     .leave_owner = true };
		test_thread_start(test, &canceller.thread,
				  mock_other_cpu(raw_smp_processor_id()),
				  mock_canceller_fn, &canceller);
		udelay(get_random_u32() % 200);
		test_gate_open(&mock->gate);
		if (!mock_join(mock, &canceller.thread))
			return;
		KUNIT_EXPECT_TRUE(test, canceller.first);
		/* No error without its event, told or not, nor one without an error. */
		progress = mock_progress(mock);
		KUNIT_EXPECT_EQ(test, !!progress.error,
				!!(progress.events & BIT(BGCOMPILE_FAILED)));
		mock_end(test);
		KUNIT_EXPECT_LE(test, test_gate_count(&log->told), 1);
		KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 6);
	}
}

static void compile_publish_that_fails_counts_like_a_compile_step(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1);
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_unit(mock, &units);
	mock_unit(mock, &units)->publish_error = -EDOM;
	mock_unit(mock, &units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EDOM);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_BASELINE], 1U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).failed[BGCOMPILE_BASELINE], 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->plans[2].compiled), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 3));
}

static void compile_top_tier_units_that_fail_are_only_counted(struct kunit *test)
{
	struct mock *mock = mock_create(test, 5, .kind = mock_kind(test),
					.max_tasks = 2);
	struct mock_log *log = mock_listen(mock);
	struct bgcompile_progress p;
	LIST_HEAD(units);

	mock_unit(mock, &units);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1)->compile_error = -ENOMEM;
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1)->publish_error = -EIO;
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	p = mock_progress(mock);
	KUNIT_EXPECT_EQ(test, p.error, 0);
	KUNIT_EXPECT_EQ(test, p.done[BGCOMPILE_BASELINE], 1U);
	KUNIT_EXPECT_EQ(test, p.failed[BGCOMPILE_BASELINE], 0U);
	KUNIT_EXPECT_EQ(test, p.done[BGCOMPILE_TOP], 2U);
	KUNIT_EXPECT_EQ(test, p.failed[BGCOMPILE_TOP], 2U);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
}

static void compile_get_env_that_fails_fails_the_state(struct kunit *test)
{
	static const int errors[] = { -ENOMEM, -EACCES };
	struct mock_log *log;
	struct mock *mock;
	LIST_HEAD(units);
	int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		mock = mock_create(test, 3, .kind = mock_kind(test));
		log = mock_listen(mock);
		mock->env_error = errors[i];	/* -ENOMEM: by NULL */
		mock_units(mock, &units, 3, NULL);
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
		KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
		mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING,
				 errors[i]);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 3));
		KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 0);
		KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_puts), 0);
		mock_end(test);
	}
}

/* One task is held in unit 0; the other has had an env, and wants one again. */
static void compile_get_env_that_fails_in_a_later_run_fails_the_state(struct kunit *test)
{
	struct mock *mock = mock_create(test, 5, .kind = mock_kind(test),
					.max_tasks = 2, .slice_ms = 1);
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	mock_units(mock, &units, 1, &mock->gate2);
	mock->plans[1].compile_ms = 20;	/* past any task's slice */
	mock_units(mock, &units, 3, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	WRITE_ONCE(mock->env_error, -EACCES);
	test_gate_open(&mock->gate2);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EACCES);
	/* What was not started is freed, and so is unit 1; unit 0 is still at it. */
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 4));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->inside), 1);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_BASELINE], 1U);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 5));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, -EACCES);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 0U);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 2);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EACCES);
}

/* The workqueue is destroyed under a living state */

static void destroy_fn(void *arg)
{
	mock_drain(arg);
}

/* Against the order of teardown, but nobody may wait for ever. */
static void compile_workqueue_destroyed_too_early_fails_the_state(struct kunit *test)
{
	struct mock *mock = mock_create(test, 4, .kind = mock_kind(test),
					.max_tasks = 1, .slice_ms = 1);
	struct mock_log *log = mock_listen(mock);
	struct mock_waiter waiter = {};
	struct test_thread destroyer = {};
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	mock->plans[0].compile_ms = 3;	/* so that the task wants to yield */
	mock_units(mock, &units, 3, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &waiter,
						   BGCOMPILE_TOP_FINISHED));
	test_thread_start(test, &destroyer, -1, destroy_fn, mock);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&destroyer));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &destroyer));
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &waiter));
	KUNIT_EXPECT_EQ(test, waiter.result, -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 0U);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -ESHUTDOWN);
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 4);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 1);
}

/* A task that never ran is dropped when all its work was done by another. */
static void compile_workqueue_destroyed_late_does_not_fail_a_finished_state(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 2, .slice_ms = MOCK_ENDLESS_MS);
	struct test_thread destroyer = {};
	struct mock_log *log;
	LIST_HEAD(units);

	if (!mock_narrow(mock, 0))
		return;
	log = mock_listen(mock);

	/* Both tasks on one CPU, so that the second waits for the first. */
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	mock_units(mock, &units, 1, &mock->gate);
	mock_units(mock, &units, 1, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 2U);
	test_thread_start(test, &destroyer, -1, destroy_fn, mock);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&destroyer));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &destroyer));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 2);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 0U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, 0);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
}

/* A workqueue that closes, and is kept from it by a work that is not a task. */
static void close_behind_a_work(struct mock *mock, struct test_thread *destroyer)
{
	mock_queue_blocker(mock);
	KUNIT_EXPECT_TRUE(mock->test, test_gate_wait(&mock->gate2, 1));
	test_thread_start(mock->test, destroyer, -1, destroy_fn, mock);
	KUNIT_EXPECT_TRUE(mock->test, test_thread_asleep(destroyer));
}

static void compile_adding_while_the_workqueue_closes_is_refused(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));
	struct test_thread destroyer = {};
	LIST_HEAD(units);

	close_behind_a_work(mock, &destroyer);
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, mock_free_list(&units), 2U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 0U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, 0);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &destroyer));
}

/* The task that is there takes them; that no other can be started is no error. */
static void compile_adding_while_the_workqueue_closes_is_left_to_who_runs(struct kunit *test)
{
	struct mock *mock = mock_create(test, 4, .kind = mock_kind(test),
					.max_tasks = 2, .slice_ms = MOCK_ENDLESS_MS);
	struct test_thread destroyer = {};
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	close_behind_a_work(mock, &destroyer);
	mock_units(mock, &units, 3, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 1U);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 4);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &destroyer));
}

static struct task_struct *freed_by;

static void note_free_unit(struct bgcompile_unit *unit)
{
	WRITE_ONCE(freed_by, current);
	mock_free_unit(unit);
}

/* The workqueue is destroyed, and drops the task, while the adder tells the event. */
static void destroy_in_callback(struct mock *mock)
{
	struct test_thread destroyer = {};

	if (!mock->wq)			/* told of the failure */
		return;
	test_thread_start(mock->test, &destroyer, -1, destroy_fn, mock);
	KUNIT_EXPECT_TRUE(mock->test, test_thread_asleep(&destroyer));
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(mock->test, mock_join(mock, &destroyer));
}

/* Who adds may hold any lock, also one that free_unit takes. */
static void compile_units_are_not_freed_by_who_added_them(struct kunit *test)
{
	static const struct bgcompile_ops ops = {
		.get_env = mock_get_env,
		.put_env = mock_put_env,
		.compile = mock_compile,
		.publish = mock_publish,
		.free_unit = note_free_unit,
	};
	struct mock *mock = mock_create_with(test, 1, &ops, .kind = BGTOKEN_SHARED);
	struct mock_callback *mc = mock_callback(mock);
	LIST_HEAD(units);

	freed_by = NULL;
	if (!mock_narrow(mock, WQ_UNBOUND))
		return;
	mock_queue_blocker(mock);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	mc->hook = destroy_in_callback;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 1);
	KUNIT_EXPECT_PTR_NE(test, READ_ONCE(freed_by), current);
}

struct adder {
	struct mock *mock;
	struct list_head *units;
	int result;
};

static void adder_fn(void *arg)
{
	struct adder *adder = arg;

	adder->result = mock_add(adder->mock, adder->units);
}

/* Cancelled in the adder's own scope, before it has queued its first task. */
static void compile_cancelled_while_units_are_added_leaves_them_to_the_caller(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = BGTOKEN_MUTEX);
	struct bgcompile *state = mock_state(mock);
	struct test_thread thread = {};
	struct adder adder;
	bool live = false;
	LIST_HEAD(units);
	void *owner;

	test_own_cpu(test, 1);
	mock_units(mock, &units, 2, NULL);
	adder = (struct adder){ .mock = mock, .units = &units };
	test_thread_create(test, &thread, 1);

	/* Let it go as far as the scope, and from there to state->lock. */
	owner = bgtoken_enter(mock->token);
	KUNIT_EXPECT_PTR_EQ(test, owner, (void *)state);
	test_thread_run(&thread, adder_fn, &adder);
	if (owner) {
		KUNIT_EXPECT_TRUE(test, test_thread_asleep(&thread));
		spin_lock_irq(&state->lock);
		bgtoken_exit(mock->token);
		live = test_spin_until(test_scopes_live(mock->token));
		bgtoken_refuse(mock->token);
		spin_unlock_irq(&state->lock);
	}

	KUNIT_EXPECT_TRUE(test, mock_join(mock, &thread));
	KUNIT_EXPECT_TRUE(test, live);
	KUNIT_EXPECT_EQ(test, adder.result, -ECANCELED);
	KUNIT_EXPECT_EQ(test, mock_free_list(&units), 2U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 0U);
}

/* No memory, at one place after the other */

static void compile_init_without_memory_leaves_nothing(struct kunit *test)
{
	struct bgcompile_params params = { .kind = mock_kind(test) };
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct test_failslab setting;
	struct bgcompile state;
	int nth, err, failures = 0;
	bool failed = true;

	test_need_failslab(test);
	test_failslab_begin(&setting);
	for (nth = 1; failed && nth < TEST_MAX_SITES; nth++) {
		test_fail_alloc(nth);
		err = mock_state_init(&state, mock->wq, &mock_ops, &params);
		failed = test_fail_stop();
		if (err) {
			KUNIT_EXPECT_EQ(test, err, -ENOMEM);
			KUNIT_EXPECT_TRUE(test, failed);
			failures++;
		} else {
			KUNIT_EXPECT_TRUE(test, bgcompile_cancel(&state));
		}
	}
	test_failslab_end(&setting);
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_EQ(test, failures, 2);	/* the queue, the token */
}

#define ADDED	8
#define TASKS	4	/* allocated for them, one by one */

/* True if an allocation failed, whether or not the call coped. */
static bool add_without_memory(struct kunit *test, int nth, int *failures)
{
	struct mock *mock = mock_create(test, ADDED, .kind = mock_kind(test),
					.max_tasks = TASKS);
	struct test_failslab setting;
	LIST_HEAD(units);
	bool failed;
	int i, err;

	test_need_failslab(test);
	test_failslab_begin(&setting);
	mock_units(mock, &units, ADDED, &mock->gate);
	for (i = 0; i < ADDED; i++)
		mock->plans[i].added = true;
	test_fail_alloc(nth);
	err = bgcompile_add_units(mock_state(mock), &units);
	failed = test_fail_stop();
	test_failslab_end(&setting);

	if (err) {
		KUNIT_EXPECT_EQ(test, err, -ENOMEM);
		KUNIT_EXPECT_TRUE(test, failed);
		KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 0U);
		KUNIT_EXPECT_EQ(test, mock_progress(mock).error, 0);
		KUNIT_EXPECT_EQ(test, mock_progress(mock).total[0], 0U);
		KUNIT_EXPECT_EQ(test, mock_free_list(&units), (unsigned int)ADDED);
		for (i = 0; i < ADDED; i++)
			mock->plans[i].added = false;
		(*failures)++;
	} else {
		KUNIT_EXPECT_TRUE(test, list_empty(&units));
		KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, (unsigned int)TASKS);
		test_gate_open(&mock->gate);
		KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	}
	mock_end(test);
	return failed;
}

static void compile_add_without_memory_leaves_the_units_to_the_caller(struct kunit *test)
{
	int nth, failures = 0;
	bool failed = true;

	for (nth = 1; failed && nth < TEST_MAX_SITES; nth++)
		failed = add_without_memory(test, nth, &failures);
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_EQ(test, failures, TASKS);
}

static void compile_units_added_while_all_tasks_run_take_no_memory(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2 * ADDED, .kind = mock_kind(test),
					.max_tasks = TASKS);
	struct test_failslab setting;
	LIST_HEAD(units);
	bool failed;
	int err;

	test_need_failslab(test);
	mock_units(mock, &units, ADDED, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, TASKS));

	mock_units(mock, &units, ADDED, &mock->gate);
	test_failslab_begin(&setting);
	test_fail_alloc(1);
	err = mock_add(mock, &units);
	failed = test_fail_stop();
	test_failslab_end(&setting);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, (unsigned int)TASKS);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
}

static struct kunit_case fail_cases[] = {
	KUNIT_CASE(compile_units_are_not_freed_by_who_added_them),
	KUNIT_CASE_PARAM(compile_adding_while_the_workqueue_closes_is_refused,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_adding_while_the_workqueue_closes_is_left_to_who_runs,
			 mock_kind_gen_params),
	KUNIT_CASE(compile_cancelled_while_units_are_added_leaves_them_to_the_caller),
	KUNIT_CASE_PARAM(compile_first_error_wins_and_the_results_of_siblings_are_dropped,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_unit_that_fails_ends_its_batch,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_unit_that_fails_to_publish_ends_its_batch,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_top_unit_that_fails_leaves_its_batch_alone,
			 mock_kind_gen_params),
	KUNIT_CASE(compile_failure_of_a_sibling_ends_a_batch),
	KUNIT_CASE(compile_first_error_wins_among_scopes_in_parallel),
	KUNIT_CASE_PARAM(compile_two_errors_at_once_make_one_failure,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_error_of_a_cancelled_state_is_not_told,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_error_and_cancel_at_once_leave_nothing,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_publish_that_fails_counts_like_a_compile_step,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_top_tier_units_that_fail_are_only_counted,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_get_env_that_fails_fails_the_state,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_get_env_that_fails_in_a_later_run_fails_the_state,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_workqueue_destroyed_too_early_fails_the_state,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_workqueue_destroyed_late_does_not_fail_a_finished_state,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_init_without_memory_leaves_nothing,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_add_without_memory_leaves_the_units_to_the_caller,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_units_added_while_all_tasks_run_take_no_memory,
			 mock_kind_gen_params),
	{}
};

static struct kunit_suite fail_suite = {
	.name = "bgcompile_fail",
	.init = mock_init,
	.exit = mock_exit,
	.test_cases = fail_cases,
};

kunit_test_suite(fail_suite);
