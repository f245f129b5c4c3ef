// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compile states: their tasks and units, and above all their end.  Errors are
 * in compile_fail_test.c, events and waiters in compile_event_test.c.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sort.h>

#include "compile_mock.h"

KUNIT_ARRAY_PARAM(mock_kind, mock_kinds, test_kind_desc);

/* The owner goes away: in step 1, 2, 3. */

static void compile_cancel_waits_for_get_env(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_canceller canceller = {};
	LIST_HEAD(units);

	mock->hold_env = true;
	mock_unit(mock, &units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_gate, 1));

	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &canceller));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&canceller.thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&canceller.thread));
	test_gate_open(&mock->env_gate);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &canceller.thread));
	KUNIT_EXPECT_TRUE(test, canceller.first);

	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_puts), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 1);
}

static void compile_cancel_does_not_wait_for_a_compile_step(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_canceller canceller = {};
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));

	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &canceller));
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &canceller.thread));
	KUNIT_EXPECT_TRUE(test, canceller.first);
	/* The owner is freed, and the step is still inside. */
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->inside), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_puts), 0);

	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_puts, 1));
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_puts), 1);
}

static void compile_cancel_waits_for_publish(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_canceller canceller = {};
	LIST_HEAD(units);

	mock_unit(mock, &units)->in_publish = &mock->gate;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));

	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &canceller));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&canceller.thread));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &canceller.thread));
	KUNIT_EXPECT_TRUE(test, canceller.first);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);

	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 1);
}

static void compile_units_not_started_are_freed_without_being_compiled(struct kunit *test)
{
	struct mock *mock = mock_create(test, 100, .kind = mock_kind(test),
					.max_tasks = 2);
	LIST_HEAD(units);

	mock_units(mock, &units, 2, &mock->gate);
	mock_units(mock, &units, 98, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 2));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 100));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
}

static void compile_cancel_of_a_finished_state_just_ends_it(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	LIST_HEAD(units);

	mock_unit(mock, &units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 1));
}

static void compile_cancel_of_an_unused_state_just_ends_it(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));

	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(mock->token));
}

static void compile_second_cancel_is_false_and_waits_for_scopes_too(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_canceller first = { .leave_owner = true };
	struct mock_canceller second = { .leave_owner = true };
	LIST_HEAD(units);

	mock_unit(mock, &units)->in_publish = &mock->gate;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &first));
	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &second));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&first.thread));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&second.thread));

	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &first.thread));
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &second.thread));
	KUNIT_EXPECT_EQ(test, first.first + second.first, 1);
	KUNIT_EXPECT_FALSE(test, mock_cancel(mock));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	mock_free_owner(mock);
}

static void refuse(struct mock *mock)
{
	bgcompile_refuse(mock_state(mock));
}

/* All tasks have left by then: the references are the state's and the mock's. */
static void compile_cancel_that_no_task_is_left_for_frees_the_units(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1);
	LIST_HEAD(units);

	mock_unit(mock, &units)->publish_hook = refuse;
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_puts, 1));
	KUNIT_EXPECT_TRUE(test, test_until(kref_read(&mock->token->kref) == 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 1);
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 1);
}

static void compile_may_be_cancelled_from_publish(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1);
	LIST_HEAD(units);

	mock_unit(mock, &units)->publish_hook = refuse;
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->publishes, 1));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(mock->token));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
}

/* Each task is about to queue itself again, or just has. */
static void compile_may_be_cancelled_while_tasks_yield(struct kunit *test)
{
	struct mock *mock;
	LIST_HEAD(units);
	int round, i;

	for (round = 0; round < 5; round++) {
		mock = mock_create(test, 100, .kind = mock_kind(test),
				   .max_tasks = 4, .slice_ms = 1);
		for (i = 0; i < 100; i++)
			mock_unit(mock, &units)->compile_ms = 2;
		/* However slow the test is, not all are published. */
		mock->plans[99].in_compile = &mock->gate;
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_gets, 5 + round));
		KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
		mock_end(test);
		KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 100);
		KUNIT_EXPECT_LT(test, test_gate_count(&mock->publishes), 100);
	}
}

static void cancel_token(struct mock *mock)
{
	bgtoken_cancel(mock->token);
}

static void sleep_till_cancelled(struct mock *mock)
{
	mock->sleeper = get_task_struct(current);	/* put by the test */
	test_gate_arrive(&mock->gate2);
	mock->seen[0] = bgtoken_sleep(mock->token, TEST_HOLD);
}

static void compile_step_that_sleeps_is_woken_by_cancel(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_hook = sleep_till_cancelled;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	if (test_gate_wait(&mock->gate2, 1)) {
		KUNIT_EXPECT_TRUE(test, test_until(READ_ONCE(mock->sleeper->__state) &
						   TASK_NORMAL));
		put_task_struct(mock->sleeper);
	} else {
		KUNIT_FAIL(test, "nobody came to sleep");
	}
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_puts, 1));
	mock_drain(mock);
	KUNIT_EXPECT_GT(test, mock->seen[0], 0UL);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
}

static void rcu_reader_fn(void *arg)
{
	struct mock *mock = arg;

	rcu_read_lock();
	test_gate_spin(&mock->gate2);
	rcu_read_unlock();
}

/* A reader on CPU 1, which no grace period that begins now can outrun. */
static void compile_cancel_does_not_wait_for_a_grace_period(struct kunit *test)
{
	struct test_thread reader = {};
	struct mock *mock;
	LIST_HEAD(units);

	test_own_cpu(test, 1);
	mock = mock_create(test, 1, .kind = mock_kind(test));
	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	test_thread_start(test, &reader, 1, rcu_reader_fn, mock);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&reader));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->inside), 1);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &reader));
}

/* Another work has the only place: tasks are queued, and do not run. */
static void compile_cancelled_before_a_task_ran_frees_its_units(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 2);
	LIST_HEAD(units);

	if (!mock_narrow(mock, WQ_UNBOUND))
		return;
	mock_queue_blocker(mock);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	mock_units(mock, &units, 3, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 2U);
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 0);
	test_gate_open(&mock->gate2);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
}

/* The only place goes to another work as the task gives it up. */
static void compile_cancelled_after_a_task_has_yielded(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1, .slice_ms = 1);
	LIST_HEAD(units);

	if (!mock_narrow(mock, WQ_UNBOUND))
		return;
	mock_units(mock, &units, 1, &mock->gate);
	mock->plans[0].compile_ms = 3;
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	mock_queue_blocker(mock);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_puts, 1));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 1U);
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	test_gate_open(&mock->gate2);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
}

/* It holds no scope, and so may: taking the state apart is left to its owner. */
static void compile_step_may_cancel_the_token(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1);
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_hook = cancel_token;
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_TOP_FINISHED), -ECANCELED);
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
}

static DEFINE_MUTEX(steps_lock);

static void take_steps_lock(struct mock *mock)
{
	mutex_lock(&steps_lock);
	mutex_unlock(&steps_lock);
}

/* Neither waits for a compile step; bgcompile_wait() does. */
static void compile_may_be_added_to_and_cancelled_under_a_lock_that_steps_take(struct kunit *test)
{
	struct mock *mock;
	LIST_HEAD(units);

	test_need_lockdep(test);
	mock = mock_create(test, 3, .kind = mock_kind(test), .max_tasks = 1);
	mock_unit(mock, &units)->compile_hook = take_steps_lock;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_BASELINE_FINISHED));
	mock_end(test);

	mock = mock_create(test, 3, .kind = mock_kind(test), .max_tasks = 1);
	mock_unit(mock, &units)->compile_hook = take_steps_lock;
	mock->plans[0].in_compile = &mock->gate;
	mock_units(mock, &units, 2, NULL);
	mutex_lock(&steps_lock);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	test_gate_open(&mock->gate);
	mutex_unlock(&steps_lock);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
	test_expect_no_lockdep_report(test);
}

static DEFINE_MUTEX(flushed_under);

static void take_flushed_under(struct mock *mock)
{
	mutex_lock(&flushed_under);
	mutex_unlock(&flushed_under);
}

/* What the tasks of another state take is nothing to those who wait for this one's. */
static void compile_tasks_may_be_waited_for_under_a_lock_that_others_take(struct kunit *test)
{
	struct mock *mock;
	LIST_HEAD(units);

	test_need_lockdep(test);
	mock = mock_create(test, 1, .kind = BGTOKEN_MUTEX);
	mock_unit(mock, &units)->compile_hook = take_flushed_under;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	mock_end(test);

	mock = mock_create(test, 1, .kind = BGTOKEN_SHARED);
	mock_unit(mock, &units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	mutex_lock(&flushed_under);
	bgtoken_wq_flush(mock->wq);
	mutex_unlock(&flushed_under);
	test_expect_no_lockdep_report(test);
}

static void compile_may_be_cancelled_inside_a_scope_of_another_state(struct kunit *test)
{
	struct mock *other = mock_create(test, 1, .kind = mock_kind(test));
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	bool first = false;
	LIST_HEAD(units);

	mock_units(other, &units, 1, &other->gate);
	KUNIT_EXPECT_EQ(test, mock_add(other, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&other->gate, 1));
	/* The unit is held, so that the cancel has none to free in here. */
	scoped_bgtoken(mock->token, struct bgcompile *, state)
		first = bgcompile_cancel_nested(mock_state(other),
						SINGLE_DEPTH_NESTING);
	KUNIT_EXPECT_TRUE(test, first);
	mock_end(test);
	test->priv = other;	/* for the suite's exit */
	mock_free_owner(other);
}

/* Many units, and a cancel at any time. */

#define ROUNDS		3	/* of each */

struct batch {
	enum bgtoken_kind kind;
	unsigned int nr;	/* units that a task takes at a time */
};

static const struct batch batches[] = {
	{ BGTOKEN_MUTEX, MOCK_GROWING }, { BGTOKEN_SHARED, MOCK_GROWING },
	{ BGTOKEN_MUTEX, 1 }, { BGTOKEN_SHARED, 1 },
	{ BGTOKEN_MUTEX, 2 }, { BGTOKEN_SHARED, 2 },
	{ BGTOKEN_MUTEX, 3 }, { BGTOKEN_SHARED, 3 },
	{ BGTOKEN_MUTEX, 4 }, { BGTOKEN_SHARED, 4 },
	{ BGTOKEN_MUTEX, 5 }, { BGTOKEN_SHARED, 5 },
	{ BGTOKEN_MUTEX, 64 }, { BGTOKEN_SHARED, 64 },
};

static void batch_desc(const struct batch *batch, char *desc)
{
	const char *kind = mock_kinds[batch->kind].name;

	if (batch->nr == MOCK_GROWING)
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, growing", kind);
	else
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %u at a time", kind,
			 batch->nr);
}

KUNIT_ARRAY_PARAM(batch, batches, batch_desc);

static void compile_thousand_units(struct kunit *test,
				   const struct batch *batch)
{
	struct mock *mock = mock_create(test, 1000, .kind = batch->kind,
					.max_tasks = 4, .slice_ms = 5,
					.batch = batch->nr,
					.big_size = 8);
	u32 us = get_random_u32() % 20000;
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 1000; i++)
		mock_unit_sized(mock, &units, i % 2, i % 13);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	usleep_range(us, us + 50);
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	mock_end(test);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 1000);
	mock_forget(mock);
}

static void compile_frees_each_of_a_thousand_units_once(struct kunit *test)
{
	const struct batch *batch = test->param_value;
	int i;

	for (i = 0; i < ROUNDS; i++)
		compile_thousand_units(test, batch);
}

/* The loop */

static void compile_each_run_finishes_a_unit_whatever_the_slice(struct kunit *test)
{
	struct mock *mock = mock_create(test, 5, .kind = mock_kind(test),
					.max_tasks = 1, .slice_ms = 1);
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 5; i++)
		mock_unit(mock, &units)->compile_ms = 3;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	/* An env for each run of the task. */
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 5);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 5);
}

/* The slice is over before the first unit has begun. */
static void compile_each_run_finishes_a_unit_however_long_get_env_takes(struct kunit *test)
{
	struct mock *mock = mock_create(test, 5, .kind = mock_kind(test),
					.max_tasks = 1, .slice_ms = 1);
	LIST_HEAD(units);

	mock->env_ms = 3;
	mock_units(mock, &units, 5, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 5);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 5);
}

/* Both tasks on one CPU, one at a time: the first leaves nothing to the second. */
static void compile_task_that_finds_nothing_to_do_gets_no_env(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 2, .slice_ms = MOCK_ENDLESS_MS);
	LIST_HEAD(units);

	if (!mock_narrow(mock, 0))
		return;
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	mock_units(mock, &units, 1, &mock->gate);
	mock_units(mock, &units, 1, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 2U);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 1);
}

static void compile_one_run_takes_many_units_within_its_slice(struct kunit *test)
{
	struct mock *mock = mock_create(test, 50, .kind = mock_kind(test),
					.max_tasks = 1, .slice_ms = MOCK_ENDLESS_MS);
	LIST_HEAD(units);

	mock_units(mock, &units, 50, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 50);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->most_unpublished), 1);
}

static int cmp_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void compile_a_big_unit_is_a_batch_of_its_own(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 2,
					.big_size = 10);
	LIST_HEAD(units);

	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, 10);
	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, 1)->in_compile =
		&mock->gate;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
}

#define STAGGER_ROUNDS	20

/*
 * That no run ends too early; how late it does is the machine's affair.  True if
 * all tasks were there so soon that without a stagger one would have.
 */
static bool slices_are_staggered(struct kunit *test)
{
	struct mock *mock = mock_create(test, 100, .kind = mock_kind(test),
					.max_tasks = MOCK_RUNS, .slice_ms = 1);
	u64 begin, all, *end = mock->run_end_ns;
	LIST_HEAD(units);
	int i;

	/* Held until all tasks are there, so that each is in its first run. */
	mock_units(mock, &units, MOCK_RUNS, &mock->gate);
	for (i = MOCK_RUNS; i < 100; i++)
		mock_unit(mock, &units)->compile_ms = 3;
	/* None leaves because nothing is left. */
	for (i = 100 - MOCK_RUNS; i < 100; i++)
		mock->plans[i].in_compile = &mock->gate2;
	begin = ktime_get_ns();
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, MOCK_RUNS));
	all = ktime_get_ns();
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_until(READ_ONCE(end[0]) &&
					   READ_ONCE(end[1]) &&
					   READ_ONCE(end[2])));
	mock_end(test);

	sort(end, MOCK_RUNS, sizeof(*end), cmp_u64, NULL);
	for (i = 0; i < MOCK_RUNS; i++)
		KUNIT_EXPECT_GT(test, end[i] - begin,
				(1 + 5 * i) * (u64)NSEC_PER_MSEC);
	return all - mock->first_env_ns < 5 * NSEC_PER_MSEC;
}

static void compile_slices_are_staggered_by_5_ms_a_task(struct kunit *test)
{
	int round;

	for (round = 0; round < STAGGER_ROUNDS; round++)
		if (slices_are_staggered(test) || test->status != KUNIT_SUCCESS)
			return;
	kunit_skip(test, "the machine is too slow to tell");
}

/* Batches that grow */

static struct mock *create_growing(struct kunit *test, unsigned int units,
				   unsigned int max_tasks)
{
	return mock_create(test, units, .kind = mock_kind(test),
			   .max_tasks = max_tasks, .batch = MOCK_GROWING,
			   .slice_ms = MOCK_ENDLESS_MS);
}

static void wait_two_ticks(struct mock *mock)
{
	unsigned long end = jiffies + 2;

	while (time_before(jiffies, end))
		usleep_range(500, 1000);
}

/*
 * Units were taken one by one.  After two that went within a ms, as seen from
 * outside, the task takes two; and it does both if there is no tick meanwhile.
 */
static bool should_have_grown(const struct mock *mock)
{
	const struct mock_plan *plan = mock->plans;
	int i;

	for (i = 0; i + 3 < mock->nr_units; i++)
		if (plan[i + 2].begin_ns - plan[i].end_ns <= NSEC_PER_MSEC &&
		    plan[i + 3].begin_jiffies == plan[i].end_jiffies)
			return true;
	return false;
}

/* The machine may be too slow for it at times, or at all times. */
static void compile_quick_units_are_taken_several_at_a_time(struct kunit *test)
{
	unsigned long end = jiffies + TEST_TRY;
	struct mock *mock;
	LIST_HEAD(units);
	bool grows;
	int most;

	do {
		mock = create_growing(test, 200, 1);
		mock_units(mock, &units, 200, NULL);
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
		KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
		mock_end(test);
		most = atomic_read(&mock->most_unpublished);
		grows = most > 1 || should_have_grown(mock);
		mock_forget(mock);
	} while (!grows && time_before(jiffies, end));
	if (!grows)
		kunit_skip(test, "the machine is too slow to tell");
	KUNIT_EXPECT_GT(test, most, 1);
	KUNIT_EXPECT_LE(test, most, 64);
	kunit_info(test, "%d at a time", most);
}

static void compile_nothing_is_begun_after_a_unit_that_took_a_tick(struct kunit *test)
{
	static const unsigned int slow[] = { 3, 40, 41, 90, 150, 198 };
	struct mock *mock = create_growing(test, 200, 1);
	LIST_HEAD(units);
	int i;

	mock_units(mock, &units, 200, NULL);
	for (i = 0; i < ARRAY_SIZE(slow); i++)
		mock->plans[slow[i]].compile_hook = wait_two_ticks;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	for (i = 0; i < ARRAY_SIZE(slow); i++)
		KUNIT_EXPECT_EQ_MSG(test, mock->plans[slow[i] + 1].unpublished, 1,
				    "after unit %u", slow[i]);
	for (i = 0; i < 200; i++)
		KUNIT_EXPECT_EQ(test, mock->order[i], (unsigned int)i);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 200);
}

#define GROWN	4	/* after 1 and 2 */

/*
 * Two tasks.  One is held in unit 0, at mock->gate; the other in unit GROWN, the
 * first of a batch of GROWN, at mock->gate2.  Those behind it would be held at
 * mock->env_gate; no other unit is left.  NULL if it did not come to that, as
 * batches grow only while units are quick.
 */
static struct mock *try_to_hold_a_grown_batch(struct kunit *test)
{
	struct mock *mock = create_growing(test, 2 * GROWN, 2);
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	mock_units(mock, &units, GROWN - 1, NULL);
	mock_units(mock, &units, 1, &mock->gate2);
	mock_units(mock, &units, GROWN - 1, &mock->env_gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	if (mock_progress(mock).compiling == 1 + GROWN)
		return mock;
	mock_end(test);
	mock_forget(mock);
	return NULL;
}

/* That they grow where they should is for the first case of these. */
static struct mock *hold_a_grown_batch(struct kunit *test)
{
	unsigned long end = jiffies + 2 * TEST_TRY;
	struct mock *mock;

	do {
		mock = try_to_hold_a_grown_batch(test);
	} while (!mock && time_before(jiffies, end) &&
		 test->status == KUNIT_SUCCESS);
	if (!mock && test->status == KUNIT_SUCCESS)
		kunit_skip(test, "the machine is too slow to tell");
	return mock;
}

static void compile_what_is_put_back_is_offered_to_other_tasks(struct kunit *test)
{
	struct mock *mock = hold_a_grown_batch(test);

	if (!mock)
		return;
	test_gate_open(&mock->gate);	/* it finds nothing to do */
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).tasks == 1));
	wait_two_ticks(mock);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_gate, 2));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->inside), 2);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 2U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 2U);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), GROWN + 1);
	test_gate_open(&mock->env_gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 2 * GROWN);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 0U);
}

static void fail_an_allocation(struct mock *mock)
{
	wait_two_ticks(mock);
	test_fail_alloc(1);
}

static void stop_failing(struct mock *mock)
{
	mock->seen[0] = test_fail_stop();
}

static void compile_what_is_put_back_without_memory_is_left_to_who_did(struct kunit *test)
{
	struct mock *mock;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "needs CONFIG_FAILSLAB");
	mock = hold_a_grown_batch(test);
	if (!mock)
		return;
	mock->plans[GROWN].compile_hook = fail_an_allocation;
	mock->plans[GROWN + 1].in_compile = NULL;
	mock->plans[GROWN + 1].compile_hook = stop_failing;
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).tasks == 1));
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_gate, 1));
	KUNIT_EXPECT_EQ(test, mock->seen[0], 1UL);	/* one has failed */
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 1U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, 0);
	test_gate_open(&mock->env_gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 2 * GROWN);
}

/* The sibling fails; what is behind the slow unit is freed, and not compiled. */
static void compile_what_would_be_put_back_is_freed_after_a_failure(struct kunit *test)
{
	struct mock *mock = hold_a_grown_batch(test);

	if (!mock)
		return;
	mock->plans[0].compile_error = -EIO;
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).error == -EIO));
	wait_two_ticks(mock);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 2 * GROWN));
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), GROWN + 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), GROWN - 1);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 0U);
}

/* A task that others can do without does not fail what they do. */
static void compile_what_is_put_back_outlives_a_helper_without_an_env(struct kunit *test)
{
	struct mock *mock = hold_a_grown_batch(test);

	if (!mock)
		return;
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).tasks == 1));
	WRITE_ONCE(mock->env_error, -EIO);
	wait_two_ticks(mock);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_gate, 1));
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).tasks == 1));
	test_gate_open(&mock->env_gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).error, 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 2 * GROWN);
}

/* No task is started for them, and the last to leave frees them. */
static void compile_what_would_be_put_back_is_freed_after_a_cancel(struct kunit *test)
{
	struct mock *mock = hold_a_grown_batch(test);

	if (!mock)
		return;
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).tasks == 1));
	mock->plans[GROWN].publish_hook = refuse;
	wait_two_ticks(mock);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->frees, 2 * GROWN));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), GROWN + 1);
}

#define UNTIL_TICK	(800 * NSEC_PER_USEC)

static u64 spin_until_tick(void)
{
	unsigned long tick = jiffies;

	test_spin_until(time_after(jiffies, tick));
	return ktime_get_ns();
}

/* Then a few units go before the next tick. */
static void spin_until_shortly_before_tick(struct mock *mock)
{
	u64 end = spin_until_tick() + TICK_NSEC - UNTIL_TICK;

	while (ktime_get_ns() < end)
		cpu_relax();
}

/* The first of a batch of two, so that the other is put back. */
static void cross_a_tick(struct mock *mock)
{
	mock->seen[0] = mock_progress(mock).compiling;
	if (mock->seen[0] == 2)
		spin_until_tick();
}

/*
 * Unit 1 is quick, and so is 2, the first of two, but for the tick; 3 is put back.  Only if
 * all that came to pass within a ms, as seen from outside, might the next batch be larger
 * still: 3 with 4, and not alone.
 */
static bool batch_begins_small(struct kunit *test)
{
	struct mock *mock = create_growing(test, 4 * GROWN, 1);
	const struct mock_plan *plan = mock->plans;
	LIST_HEAD(units);
	bool met;

	mock_units(mock, &units, 4 * GROWN, NULL);
	mock->plans[0].compile_hook = spin_until_shortly_before_tick;
	mock->plans[2].compile_hook = cross_a_tick;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	mock_end(test);

	met = mock->seen[0] == 2 && plan[3].begin_ns - plan[1].end_ns <= NSEC_PER_MSEC;
	if (mock->seen[0] == 2) {
		KUNIT_EXPECT_EQ(test, plan[3].unpublished, 1);
		KUNIT_EXPECT_EQ(test, plan[4].unpublished, 1);
	}
	mock_forget(mock);
	return met;
}

static void compile_batches_begin_small_again_after_a_put_back(struct kunit *test)
{
	unsigned long end = jiffies + 2 * TEST_TRY;
	bool met;

	do {
		met = batch_begins_small(test);
	} while (!met && time_before(jiffies, end) &&
		 test->status == KUNIT_SUCCESS);
	if (!met && test->status == KUNIT_SUCCESS)
		kunit_skip(test, "the machine is too slow to tell");
}

/* Alone in its batch, and so there is nothing to put back. */
static void compile_batches_begin_small_again_after_a_slow_unit(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test), .max_tasks = 1,
					.batch = MOCK_GROWING, .slice_ms = MOCK_ENDLESS_MS);
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	mock_units(mock, &units, 2, &mock->gate2);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	msleep(20);			/* 1 is slow */
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 1U);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
}

static void compile_no_batch_goes_past_a_larger_unit(struct kunit *test)
{
	static const unsigned int size[] = { 3, 1, 2, 5, 5, 6 };
	static const int unpublished[] = { 1, 2, 3, 1, 2, 1 };
	struct mock *mock = mock_create(test, 6, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 6);
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 6; i++)
		mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, size[i]);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_EQ_MSG(test, mock->plans[i].unpublished,
				    unpublished[i], "unit %d", i);
}

/* Batches: the last unit of the first one is held. */

static struct mock *hold_a_batch(struct kunit *test, struct list_head *units)
{
	struct mock *mock = mock_create(test, 6, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 3);

	mock_units(mock, units, 2, NULL);
	mock_units(mock, units, 1, &mock->gate);
	mock_units(mock, units, 3, NULL);
	return mock;
}

static void compile_a_batch_is_compiled_before_it_is_published(struct kunit *test)
{
	LIST_HEAD(units);
	struct mock *mock = hold_a_batch(test, &units);

	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 3);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 3U);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 6);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 0U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_BASELINE], 6U);
}

static void compile_a_cancelled_batch_is_dropped_as_a_whole(struct kunit *test)
{
	LIST_HEAD(units);
	struct mock *mock = hold_a_batch(test, &units);

	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	test_gate_open(&mock->gate);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 3);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 6);
}

static void compile_the_rest_of_a_cancelled_batch_is_not_compiled(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 3);
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	test_gate_open(&mock->gate);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
}

static void compile_the_rest_of_a_batch_is_not_published_after_refuse(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 3);
	LIST_HEAD(units);

	mock_unit(mock, &units)->publish_hook = refuse;
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->publishes, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 3);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
}

static void compile_cancel_waits_for_one_publish_of_a_batch(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 3);
	struct mock_canceller canceller = {};
	LIST_HEAD(units);

	mock_unit(mock, &units)->in_publish = &mock->gate;
	mock_units(mock, &units, 2, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 3);
	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &canceller));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&canceller.thread));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &canceller.thread));
	KUNIT_EXPECT_TRUE(test, canceller.first);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 3);
}

static void compile_a_batch_has_units_of_one_tier(struct kunit *test)
{
	struct mock *mock = mock_create(test, 4, .kind = mock_kind(test),
					.max_tasks = 1, .batch = 64);
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 4; i++)
		mock_unit_sized(mock, &units, i % 2, 1)->in_compile =
			i % 2 ? &mock->gate : NULL;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_BASELINE_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 2);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
}

static void compile_max_tasks_is_reached_and_never_exceeded(struct kunit *test)
{
	struct mock *mock = mock_create(test, 40, .kind = mock_kind(test),
					.max_tasks = 4, .slice_ms = 1);
	LIST_HEAD(units);

	mock_units(mock, &units, 8, &mock->gate);
	mock_units(mock, &units, 32, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 4));
	/* Works begin in turn: a fifth would have begun before this one. */
	mock_queue_blocker(mock);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->gate), 4);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 4U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 4U);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->most_inside), 4);
}

struct held_adder {
	struct test_thread thread;
	struct mock *mock;
	struct list_head units;
};

static void held_adder_fn(void *arg)
{
	struct held_adder *adder = arg;

	KUNIT_EXPECT_EQ(adder->mock->test, mock_add(adder->mock, &adder->units), 0);
}

/* Each adder has allocated the task that it saw missing, and then waits for the scope. */
static void compile_two_that_add_at_once_do_not_exceed_max_tasks(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = BGTOKEN_MUTEX, .max_tasks = 1);
	struct held_adder adders[2] = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(adders); i++) {
		adders[i].mock = mock;
		INIT_LIST_HEAD(&adders[i].units);
		mock_units(mock, &adders[i].units, 1, &mock->gate);
		test_thread_create(test, &adders[i].thread, -1);
	}
	KUNIT_EXPECT_PTR_EQ(test, bgtoken_enter(mock->token), (void *)mock_state(mock));
	for (i = 0; i < ARRAY_SIZE(adders); i++) {
		test_thread_run(&adders[i].thread, held_adder_fn, &adders[i]);
		KUNIT_EXPECT_TRUE(test, test_thread_asleep(&adders[i].thread));
	}
	bgtoken_exit(mock->token);
	for (i = 0; i < ARRAY_SIZE(adders); i++) {
		KUNIT_EXPECT_TRUE(test, mock_join(mock, &adders[i].thread));
		KUNIT_EXPECT_EQ(test, mock_free_list(&adders[i].units), 0U);
	}
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 1U);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 2);
}

static void compile_as_many_tasks_run_as_there_are_cpus_by_default(struct kunit *test)
{
	struct mock *mock = mock_create(test, 64, .kind = mock_kind(test));
	int cpus = num_online_cpus();
	LIST_HEAD(units);

	if (cpus >= 64)
		kunit_skip(test, "more CPUs than units");
	mock_units(mock, &units, cpus + 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, cpus));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, (unsigned int)cpus);
}

static void compile_adding_starts_the_tasks_that_are_missing(struct kunit *test)
{
	static const struct { int add, tasks; } steps[] = {
		{ 1, 1 }, { 1, 2 }, { 5, 4 }, { 3, 4 },
	};
	struct mock *mock = mock_create(test, 10, .kind = mock_kind(test),
					.max_tasks = 4);
	LIST_HEAD(units);
	int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		mock_units(mock, &units, steps[i].add, &mock->gate);
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
		KUNIT_EXPECT_TRUE(test, list_empty(&units));
		KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks,
				(unsigned int)steps[i].tasks);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate,
						       steps[i].tasks));
	}
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 10);
}

static void add_to_other_fn(void *arg)
{
	struct mock *mock = arg;
	LIST_HEAD(units);

	mock_unit(mock, &units);
	KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), 0);
}

/*
 * One task is held in a unit, so that the state is not finished.  The other is
 * held in the scope at whose end it will find nothing to do.  The adder comes
 * then: no task is missing, so the one that is leaving has to see the unit.
 */
static void compile_unit_added_while_the_last_task_leaves_is_compiled(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 2);
	struct test_thread adder = {};
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate2);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	mock_unit(mock, &units)->in_publish = &mock->gate;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));

	test_thread_start(test, &adder, -1, add_to_other_fn, mock);
	if (__bgtoken_parallel(mock->token))	/* its scope is in parallel */
		KUNIT_EXPECT_TRUE(test, mock_join(mock, &adder));
	else
		KUNIT_EXPECT_TRUE(test, test_thread_asleep(&adder));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &adder));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->publishes, 2));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->plans[2].published), 1);
}

#define SINGLE_UNITS	500

/* The same without gates: each unit just as the task is done with the last. */
static void compile_no_unit_is_stranded_by_a_task_that_leaves(struct kunit *test)
{
	struct mock *mock = mock_create(test, SINGLE_UNITS + 1,
					.kind = mock_kind(test), .max_tasks = 2);
	unsigned long end = jiffies + TEST_TRY;
	LIST_HEAD(units);
	int i, spins;

	mock_units(mock, &units, 1, &mock->gate2);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	for (i = 1; i <= SINGLE_UNITS; i++) {
		if (i > TEST_LEAST_ROUNDS && time_after(jiffies, end))
			break;
		mock_unit(mock, &units);
		if (mock_add(mock, &units)) {
			KUNIT_FAIL(test, "unit %d was refused", i);
			break;
		}
		/* Spinning hits the moment best; sleep if it is long. */
		for (spins = 0; spins < 100000 &&
		     test_gate_count(&mock->publishes) < i; spins++)
			cpu_relax();
		if (!test_gate_wait(&mock->publishes, i)) {
			KUNIT_FAIL(test, "unit %d was stranded", i);
			break;
		}
		ndelay(get_random_u32() % 4000);
	}
	kunit_info(test, "%d units", i - 1);
	KUNIT_EXPECT_GT(test, i, TEST_LEAST_ROUNDS);
}

static void expect_order(struct mock *mock, const unsigned int *order, int n)
{
	int i;

	KUNIT_EXPECT_EQ(mock->test, atomic_read(&mock->nr_order), n);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ_MSG(mock->test, mock->order[i], order[i],
				    "unit number %d", i);
}

/* Add a unit, the first of all, and have it held, with the only task. */
static void hold_first(struct mock *mock, enum bgcompile_tier tier)
{
	LIST_HEAD(units);

	mock_unit_sized(mock, &units, tier, 1)->in_compile = &mock->gate;
	KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(mock->test, test_gate_wait(&mock->gate, 1));
}

static void compile_big_units_go_first_and_the_rest_in_turn(struct kunit *test)
{
	static const unsigned int order[] = { 0, 2, 5, 8, 6, 4, 9, 1, 3, 7 };
	static const size_t first[] = { 10, 500, 99, 100, 500 };
	static const size_t second[] = { 300, 5, 500, 100 };
	struct mock *mock = mock_create(test, 10, .kind = mock_kind(test),
					.max_tasks = 1, .big_size = 100);
	LIST_HEAD(units);
	int i;

	hold_first(mock, BGCOMPILE_BASELINE);
	for (i = 0; i < ARRAY_SIZE(first); i++)
		mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, first[i]);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	for (i = 0; i < ARRAY_SIZE(second); i++)
		mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, second[i]);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	expect_order(mock, order, ARRAY_SIZE(order));
}

static void compile_no_unit_is_big_by_default(struct kunit *test)
{
	static const unsigned int order[] = { 0, 1, 2, 3 };
	struct mock *mock = mock_create(test, 4, .kind = mock_kind(test),
					.max_tasks = 1);
	LIST_HEAD(units);

	hold_first(mock, BGCOMPILE_BASELINE);
	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, 0);
	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, 100);
	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, SIZE_MAX);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	expect_order(mock, order, ARRAY_SIZE(order));
}

static void compile_baseline_goes_before_top_even_if_top_came_first(struct kunit *test)
{
	static const unsigned int order[] = { 0, 4, 3, 2, 1 };
	struct mock *mock = mock_create(test, 5, .kind = mock_kind(test),
					.max_tasks = 1, .big_size = 100);
	LIST_HEAD(units);

	hold_first(mock, BGCOMPILE_TOP);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1000);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, 1);
	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, 100);
	/* The baseline was finished, and is not any more: told only once. */
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	expect_order(mock, order, ARRAY_SIZE(order));
}

static void compile_tiers_work_without_each_other(struct kunit *test)
{
	static const unsigned int tiers[] = {
		BIT(BGCOMPILE_BASELINE), BIT(BGCOMPILE_TOP),
	};
	struct mock *mock = NULL;
	LIST_HEAD(units);
	int tier;

	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		if (mock)
			mock_end(test);
		mock = mock_create(test, 4, .kind = mock_kind(test),
				   .tiers = tiers[tier]);
		mock_unit_sized(mock, &units, tier, 1);
		mock_unit_sized(mock, &units, tier, 1);
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
		KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
		KUNIT_EXPECT_EQ(test, mock_progress(mock).done[tier], 2U);
		KUNIT_EXPECT_EQ(test, mock_progress(mock).events,
				(unsigned int)(BIT(BGCOMPILE_BASELINE_FINISHED) |
					       BIT(BGCOMPILE_TOP_FINISHED)));
	}
}

static void compile_does_without_an_env(struct kunit *test)
{
	static const struct bgcompile_ops ops = {
		.compile = mock_compile,
		.publish = mock_publish,
		.free_unit = mock_free_unit,
	};
	struct mock *mock = mock_create_with(test, 3, &ops,
					     .kind = mock_kind(test));
	LIST_HEAD(units);

	mock_units(mock, &units, 3, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 3);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 0);
}

/* Adding that is refused */

/* Big and small ones before it, and another behind it. */
static void compile_unknown_tier_is_refused_and_all_stay_on_the_list(struct kunit *test)
{
	static const unsigned int wrong[] = {
		BGCOMPILE_TOP, BGCOMPILE_TIERS, 31, 32, UINT_MAX,
	};
	static const unsigned int size[] = { 1, 9, 2, 8, 3, 7 };
	const unsigned int most = ARRAY_SIZE(size);
	struct mock *mock = mock_create(test, most * ARRAY_SIZE(wrong),
					.kind = mock_kind(test), .big_size = 5,
					.tiers = BIT(BGCOMPILE_BASELINE));
	struct bgcompile_unit *unit;
	unsigned int sum;
	LIST_HEAD(units);
	int i, n;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		for (n = 0; n < most; n++)
			mock_unit_sized(mock, &units, n == 4 ? wrong[i] :
					BGCOMPILE_BASELINE, size[n]);
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), -EINVAL);
		sum = 0;
		list_for_each_entry(unit, &units, node)
			sum += 1U << unit->size;
		KUNIT_EXPECT_EQ(test, sum, 0x38eU);	/* each of the six, once */
		KUNIT_EXPECT_EQ(test, mock_free_list(&units), most);
		INIT_LIST_HEAD(&units);
	}
	KUNIT_EXPECT_EQ(test, mock_progress(mock).total[BGCOMPILE_BASELINE], 0U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 0U);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->compiles), 0);
}

/* Two units are refused, and are still the test's. */
static void expect_refused(struct mock *mock, int error)
{
	struct bgcompile_progress before, after;
	LIST_HEAD(units);

	before = mock_progress(mock);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1);
	mock_unit_sized(mock, &units, BGCOMPILE_BASELINE, 1);
	KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), error);
	KUNIT_EXPECT_EQ(mock->test, mock_free_list(&units), 2U);
	after = mock_progress(mock);
	KUNIT_EXPECT_EQ(mock->test, before.total[0], after.total[0]);
	KUNIT_EXPECT_EQ(mock->test, before.total[1], after.total[1]);
}

static void compile_adding_to_a_cancelled_state_is_refused(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));

	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	expect_refused(mock, -ECANCELED);
	mock_free_owner(mock);
}

/* Cancelled from inside: the state is not yet taken apart. */
static void compile_adding_after_refuse_is_refused(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));

	scoped_bgtoken(mock->token, struct bgcompile *, state)
		bgcompile_refuse(state);
	expect_refused(mock, -ECANCELED);
}

struct from_interrupt {
	struct bgcompile *state;
	struct bgcompile_progress progress;
};

static void look_and_refuse(void *arg)
{
	struct from_interrupt *from = arg;

	bgcompile_progress(from->state, &from->progress);
	bgcompile_refuse(from->state);
}

static void compile_interrupts_may_look_and_refuse(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct from_interrupt from = { .state = mock_state(mock) };
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ, look_and_refuse, &from));
	KUNIT_EXPECT_EQ(test, from.progress.compiling, 1U);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(mock->token));
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), -ECANCELED);
}

static void compile_adding_to_a_finished_state_is_refused(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));
	LIST_HEAD(units);

	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	expect_refused(mock, -EALREADY);
}

static void compile_adding_to_a_failed_state_gives_its_error(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test));
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_error = -EILSEQ;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));
	expect_refused(mock, -EILSEQ);
}

static int no_compile(struct bgcompile_unit *unit, void *env,
		      struct bgtoken *token)
{
	return env ? -EINVAL : 0;
}

static const struct init_case {
	const char *name;
	struct bgcompile_ops ops;
	struct bgcompile_params params;
	bool no_wq;
	bool error_wq;
	bool no_ops;
	int expected;
} init_cases[] = {
#define OPS(_get, _put, _compile, _publish, _free)			\
	.ops = { _get, _put, _compile, _publish, _free }
#define ALL_OPS		OPS(mock_get_env, mock_put_env, mock_compile,	\
			    mock_publish, mock_free_unit)
	{ "all ops", ALL_OPS },
	{ "no env", OPS(NULL, NULL, no_compile, mock_publish, mock_free_unit) },
	{ "no put_env", OPS(mock_get_env, NULL, mock_compile, mock_publish,
			    mock_free_unit), .expected = -EINVAL },
	{ "no get_env", OPS(NULL, mock_put_env, mock_compile, mock_publish,
			    mock_free_unit), .expected = -EINVAL },
	{ "no compile", OPS(mock_get_env, mock_put_env, NULL, mock_publish,
			    mock_free_unit), .expected = -EINVAL },
	{ "no publish", OPS(mock_get_env, mock_put_env, mock_compile, NULL,
			    mock_free_unit), .expected = -EINVAL },
	{ "no free_unit", OPS(mock_get_env, mock_put_env, mock_compile,
			      mock_publish, NULL), .expected = -EINVAL },
	{ "no ops", ALL_OPS, .no_ops = true, .expected = -EINVAL },
	{ "no workqueue", ALL_OPS, .no_wq = true, .expected = -EINVAL },
	{ "a workqueue that was not made", ALL_OPS, .error_wq = true,
	  .expected = -EINVAL },
	{ "a kind whose scopes may not sleep", ALL_OPS, .params.kind = BGTOKEN_SPIN,
	  .expected = -EINVAL },
	{ "unknown kind", ALL_OPS, .params.kind = BGTOKEN_KINDS,
	  .expected = -EINVAL },
	{ "negative kind", ALL_OPS, .params.kind = (enum bgtoken_kind)-1,
	  .expected = -EINVAL },
	{ "both tiers", ALL_OPS, .params.tiers = 3 },
	{ "unknown tier", ALL_OPS, .params.tiers = 4, .expected = -EINVAL },
	{ "unknown tier among others", ALL_OPS, .params.tiers = 0x80000003,
	  .expected = -EINVAL },
	{ "most tasks", ALL_OPS, .params.max_tasks = 1024 },
	{ "too many tasks", ALL_OPS, .params.max_tasks = 1025,
	  .expected = -EINVAL },
	{ "far too many tasks", ALL_OPS, .params.max_tasks = UINT_MAX,
	  .expected = -EINVAL },
	{ "largest batch", ALL_OPS, .params.batch = 64 },
	{ "too large a batch", ALL_OPS, .params.batch = 65,
	  .expected = -EINVAL },
};

static void init_desc(const struct init_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(init, init_cases, init_desc);

static void compile_init_refuses_what_it_cannot_work_with(struct kunit *test)
{
	const struct init_case *c = test->param_value;
	struct bgcompile *state;
	struct bgtoken_wq *wq;
	int err;

	state = kunit_kzalloc(test, sizeof(*state), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, state);
	wq = bgtoken_wq_create("bgcompile_test", WQ_UNBOUND, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	err = bgcompile_init(state, c->no_wq ? NULL :
			     c->error_wq ? ERR_PTR(-ENOMEM) : wq,
			     c->no_ops ? NULL : &c->ops, &c->params);
	KUNIT_EXPECT_EQ(test, err, c->expected);
	if (!err)
		KUNIT_EXPECT_TRUE(test, bgcompile_cancel(state));
	bgtoken_wq_destroy(wq);
}

static void compile_init_does_without_parameters(struct kunit *test)
{
	struct bgcompile *state;
	struct bgtoken_wq *wq;

	state = kunit_kzalloc(test, sizeof(*state), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, state);
	wq = bgtoken_wq_create("bgcompile_test", WQ_UNBOUND, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	KUNIT_EXPECT_EQ(test, bgcompile_init(NULL, wq, &mock_ops, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, bgcompile_init(state, wq, &mock_ops, NULL), 0);
	KUNIT_EXPECT_EQ(test, (int)state->params.kind, (int)BGTOKEN_MUTEX);
	KUNIT_EXPECT_EQ(test, (int)bgtoken_kind(state->token), (int)BGTOKEN_MUTEX);
	KUNIT_EXPECT_EQ(test, state->params.max_tasks, num_online_cpus());
	KUNIT_EXPECT_EQ(test, state->params.slice_ms, 50U);
	KUNIT_EXPECT_EQ(test, state->params.big_size, (size_t)0);
	KUNIT_EXPECT_EQ(test, state->params.tiers,
			(unsigned int)(BIT(BGCOMPILE_BASELINE) | BIT(BGCOMPILE_TOP)));
	KUNIT_EXPECT_EQ(test, state->params.batch, 0U);
	KUNIT_EXPECT_TRUE(test, bgcompile_cancel(state));
	bgtoken_wq_destroy(wq);
}

static struct kunit_case compile_cases[] = {
	KUNIT_CASE_PARAM(compile_cancel_waits_for_get_env,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancel_does_not_wait_for_a_compile_step,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancel_waits_for_publish,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_units_not_started_are_freed_without_being_compiled,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancel_of_a_finished_state_just_ends_it,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancel_of_an_unused_state_just_ends_it,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_second_cancel_is_false_and_waits_for_scopes_too,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancel_that_no_task_is_left_for_frees_the_units,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_may_be_cancelled_from_publish,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_may_be_cancelled_while_tasks_yield,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_step_that_sleeps_is_woken_by_cancel,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancel_does_not_wait_for_a_grace_period,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancelled_before_a_task_ran_frees_its_units,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancelled_after_a_task_has_yielded,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_step_may_cancel_the_token,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_may_be_added_to_and_cancelled_under_a_lock_that_steps_take,
			 mock_kind_gen_params),
	KUNIT_CASE(compile_tasks_may_be_waited_for_under_a_lock_that_others_take),
	KUNIT_CASE_PARAM(compile_may_be_cancelled_inside_a_scope_of_another_state,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_frees_each_of_a_thousand_units_once,
			 batch_gen_params),

	KUNIT_CASE_PARAM(compile_each_run_finishes_a_unit_whatever_the_slice,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_each_run_finishes_a_unit_however_long_get_env_takes,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_task_that_finds_nothing_to_do_gets_no_env,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_one_run_takes_many_units_within_its_slice,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_a_batch_is_compiled_before_it_is_published,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_a_cancelled_batch_is_dropped_as_a_whole,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_the_rest_of_a_cancelled_batch_is_not_compiled,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_the_rest_of_a_batch_is_not_published_after_refuse,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_cancel_waits_for_one_publish_of_a_batch,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_a_batch_has_units_of_one_tier,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_a_big_unit_is_a_batch_of_its_own,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_slices_are_staggered_by_5_ms_a_task,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_quick_units_are_taken_several_at_a_time,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_nothing_is_begun_after_a_unit_that_took_a_tick,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_what_is_put_back_is_offered_to_other_tasks,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_what_is_put_back_without_memory_is_left_to_who_did,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_what_would_be_put_back_is_freed_after_a_failure,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_what_is_put_back_outlives_a_helper_without_an_env,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_what_would_be_put_back_is_freed_after_a_cancel,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_batches_begin_small_again_after_a_put_back,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_batches_begin_small_again_after_a_slow_unit,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_no_batch_goes_past_a_larger_unit,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_max_tasks_is_reached_and_never_exceeded,
			 mock_kind_gen_params),
	KUNIT_CASE(compile_two_that_add_at_once_do_not_exceed_max_tasks),
	KUNIT_CASE_PARAM(compile_as_many_tasks_run_as_there_are_cpus_by_default,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_adding_starts_the_tasks_that_are_missing,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_unit_added_while_the_last_task_leaves_is_compiled,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_no_unit_is_stranded_by_a_task_that_leaves,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_big_units_go_first_and_the_rest_in_turn,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_no_unit_is_big_by_default,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_baseline_goes_before_top_even_if_top_came_first,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_tiers_work_without_each_other,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_does_without_an_env, mock_kind_gen_params),

	KUNIT_CASE_PARAM(compile_unknown_tier_is_refused_and_all_stay_on_the_list,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_adding_to_a_cancelled_state_is_refused,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_adding_after_refuse_is_refused,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_interrupts_may_look_and_refuse, mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_adding_to_a_finished_state_is_refused,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_adding_to_a_failed_state_gives_its_error,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(compile_init_refuses_what_it_cannot_work_with,
			 init_gen_params),
	KUNIT_CASE(compile_init_does_without_parameters),
	{}
};

static struct kunit_suite compile_suite = {
	.name = "bgcompile",
	.init = mock_init,
	.exit = mock_exit,
	.test_cases = compile_cases,
};

kunit_test_suite(compile_suite);

MODULE_DESCRIPTION("KUnit tests of compile states");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
