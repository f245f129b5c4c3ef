// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compile states as their owner sees them: events, waiters, progress.
 */
#define TEST_PATIENCE_ELSEWHERE		/* in compile_test.c */
#include "compile_mock.h"

KUNIT_ARRAY_PARAM(mock_kind, mock_kinds, test_kind_desc);

#define BOTH_FINISHED	((unsigned int)(BIT(BGCOMPILE_BASELINE_FINISHED) | \
					BIT(BGCOMPILE_TOP_FINISHED)))

/* A baseline unit and a top-tier one, which is held at mock->gate. */
static void add_both_tiers(struct mock *mock)
{
	LIST_HEAD(units);

	mock_unit(mock, &units);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1)->in_compile = &mock->gate;
	KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), 0);
}

/*
 * Who adds units may be the one who tells of the event that they make, or that
 * comes meanwhile.  So where a callback is held it is settled who that is.
 */
static const struct teller {
	struct test_kind kind;		/* first: mock_kind() looks there */
	bool adder;
	const char *name;
} tellers[] = {
	{ { BGTOKEN_MUTEX }, false, "mutex, a task" },
	{ { BGTOKEN_MUTEX }, true, "mutex, the adder" },
	{ { BGTOKEN_SHARED }, false, "shared, a task" },
	{ { BGTOKEN_SHARED }, true, "shared, the adder" },
}, shared_tellers[] = {
	{ { BGTOKEN_SHARED }, false, "a task" },
	{ { BGTOKEN_SHARED }, true, "the adder" },
};

static void teller_desc(const struct teller *teller, char *desc)
{
	strscpy(desc, teller->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(teller, tellers, teller_desc);
KUNIT_ARRAY_PARAM(shared_teller, shared_tellers, teller_desc);

static void add_top_unit(void *arg)
{
	struct mock *mock = arg;
	LIST_HEAD(units);

	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1)->in_compile = &mock->gate;
	KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), 0);
}

/*
 * Have the baseline finished, and told to a callback that is held at gate2; a
 * top-tier unit is held at mock->gate.  It is told by a task, which was held in
 * a unit until its adder had gone; or by the adder, a thread, as without a
 * baseline unit that tier is finished when the first unit is added.
 */
static void begin_telling(struct mock *mock, struct test_thread *adder)
{
	const struct teller *teller = mock->test->param_value;
	LIST_HEAD(units);

	if (teller->adder) {
		test_thread_start(mock->test, adder, -1, add_top_unit, mock);
	} else {
		mock_unit(mock, &units)->in_compile = &mock->env_gate;
		mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1)->in_compile =
			&mock->gate;
		KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), 0);
		test_gate_open(&mock->env_gate);
	}
	KUNIT_EXPECT_TRUE(mock->test, test_gate_wait(&mock->gate2, 1));
}

/* The first call with nothing to do finishes the state. */
static void finish_at_once(struct mock *mock)
{
	LIST_HEAD(units);

	KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_EQ(mock->test, mock_progress(mock).events, BOTH_FINISHED);
}

static void fail_with(struct mock *mock, int error)
{
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_error = error;
	KUNIT_EXPECT_EQ(mock->test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(mock->test, mock_finished(mock, BGCOMPILE_FAILED));
}

/* Events */

static void event_each_is_told_once_and_in_order(struct kunit *test)
{
	struct mock *mock = mock_create(test, 20, .kind = mock_kind(test),
					.max_tasks = 4);
	struct mock_log *first = mock_listen(mock), *second = mock_listen(mock);
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 20; i++)
		mock_unit_sized(mock, &units, i % 2, 1);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	mock_expect_told(mock, first, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	mock_expect_told(mock, second, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&first->told), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&second->told), 2);
}

static void event_baseline_comes_while_top_is_still_compiling(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));
	struct mock_log *log = mock_listen(mock);

	add_both_tiers(mock);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).events,
			(unsigned int)BIT(BGCOMPILE_BASELINE_FINISHED));
	test_gate_open(&mock->gate);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
}

/* The top tier is done first; its event waits for the baseline's. */
static void event_top_does_not_overtake_baseline(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 2);
	struct mock_log *log = mock_listen(mock);
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->publishes, 1));
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).tasks == 1));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_TOP], 1U);
	mock_expect_told(mock, log, MOCK_NOTHING, MOCK_NOTHING, 0);
	test_gate_open(&mock->gate);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
}

static void event_failure_is_the_only_one_without_a_baseline(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_log *log = mock_listen(mock);

	fail_with(mock, -EIO);
	mock_drain(mock);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EIO);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).events,
			(unsigned int)BIT(BGCOMPILE_FAILED));
}

/* More baseline units came later, and one of them fails. */
static void event_failure_may_follow_the_baseline(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .kind = mock_kind(test),
					.max_tasks = 2);
	struct mock_log *log = mock_listen(mock);

	add_both_tiers(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	test_gate_open(&mock->gate2);
	{
		LIST_HEAD(units);

		mock_unit(mock, &units)->compile_error = -EIO;
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	}
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_FAILED, -EIO);
	test_gate_open(&mock->gate);
	mock_drain(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_FAILED, -EIO);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).done[BGCOMPILE_TOP], 0U);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_BASELINE_FINISHED), 0);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_TOP_FINISHED), -EIO);
}

static void event_empty_list_finishes_the_state_at_once(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct mock_log *log = mock_listen(mock);

	mock_expect_told(mock, log, MOCK_NOTHING, MOCK_NOTHING, 0);
	finish_at_once(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets), 0);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 0U);
}

static void event_late_callback_is_told_what_it_missed(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));
	struct mock_log *log;

	add_both_tiers(mock);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_BASELINE_FINISHED));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	log = mock_listen(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	test_gate_open(&mock->gate);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
}

static void event_callback_after_the_last_is_told_before_it_is_added(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct mock_log *log;

	finish_at_once(mock);
	log = mock_listen(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&log->told), 2);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
}

static void event_callback_after_a_failure_is_told_the_error(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_log *log;

	fail_with(mock, -EIO);
	log = mock_listen(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&log->told), 1);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EIO);
}

static void event_callback_may_be_added_again_after_the_last(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct mock_callback *mc = mock_callback(mock);

	finish_at_once(mock);
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mc->log->told), 4);
}

static void event_callback_may_free_itself_on_the_last(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));
	struct mock_callback *mc = mock_callback(mock), *failed;
	struct mock_log *log = mc->log;

	mc->free_itself = true;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	add_both_tiers(mock);
	test_gate_open(&mock->gate);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	KUNIT_EXPECT_PTR_EQ(test, log->callback, NULL);
	mock_end(test);

	mock = mock_create(test, 1, .kind = mock_kind(test));
	failed = mock_callback(mock);
	failed->free_itself = true;
	log = failed->log;
	KUNIT_EXPECT_EQ(test,
			bgcompile_add_callback(mock_state(mock), &failed->cb), 0);
	fail_with(mock, -EIO);
	mock_expect_told(mock, log, BGCOMPILE_FAILED, MOCK_NOTHING, -EIO);
	KUNIT_EXPECT_PTR_EQ(test, log->callback, NULL);
}

/* The callback is inside; the cancel waits; the other event never comes. */
static void event_no_callback_runs_once_cancel_has_returned(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 1);
	struct mock_callback *mc = mock_callback(mock);
	/* The adder may still be in bgcompile_add_units(). */
	struct mock_canceller canceller = { .leave_owner = true };
	struct mock_log *second, *log = mc->log;
	struct test_thread adder = {};

	mc->in_callback = &mock->gate2;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	second = mock_listen(mock);	/* not yet told when the cancel comes */
	test_gate_open(&mock->gate);
	begin_telling(mock, &adder);

	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &canceller));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&canceller.thread));
	KUNIT_EXPECT_EQ(test, test_gate_count(&log->told), 0);
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &canceller.thread));
	KUNIT_EXPECT_TRUE(test, canceller.first);
	KUNIT_EXPECT_EQ(test, test_gate_count(&log->told), 1);

	KUNIT_EXPECT_TRUE(test, mock_join(mock, &adder));
	mock_free_owner(mock);
	mock_drain(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	mock_expect_told(mock, second, MOCK_NOTHING, MOCK_NOTHING, 0);
}

static void event_none_comes_after_a_cancel(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));
	struct mock_log *log = mock_listen(mock);

	add_both_tiers(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	test_gate_open(&mock->gate);
	mock_drain(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
}

static void refuse(struct mock *mock)
{
	bgcompile_refuse(mock_state(mock));
}

/* By its number it is finished, or has failed; but first it was cancelled. */
static void event_none_is_set_if_the_last_publish_cancels(struct kunit *test)
{
	static const int errors[] = { 0, -EIO };
	struct bgcompile_progress p;
	struct mock_log *log;
	struct mock *mock;
	LIST_HEAD(units);
	int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		mock = mock_create(test, 1, .kind = mock_kind(test));
		log = mock_listen(mock);
		mock_unit(mock, &units)->publish_hook = refuse;
		mock->plans[0].publish_error = errors[i];
		KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->env_puts, 1));
		KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
						     BGCOMPILE_TOP_FINISHED),
				-ECANCELED);
		p = mock_progress(mock);
		KUNIT_EXPECT_EQ(test, p.events, 0U);
		KUNIT_EXPECT_EQ(test, p.error, 0);
		KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
		mock_drain(mock);
		mock_expect_told(mock, log, MOCK_NOTHING, MOCK_NOTHING, 0);
		mock_end(test);
	}
}

static void event_callback_may_cancel_the_state(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 1);
	struct mock_callback *mc = mock_callback(mock);
	struct mock_log *second, *log = mc->log;

	mc->hook = refuse;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	second = mock_listen(mock);
	test_gate_open(&mock->gate);
	add_both_tiers(mock);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&log->told, 1));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(mock->token));
	/* True: taking the owner apart is left to the one who calls this. */
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	mock_drain(mock);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	mock_expect_told(mock, second, MOCK_NOTHING, MOCK_NOTHING, 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->frees), 2);
}

/* One is in the callback, in its scope; the others go on in theirs. */
static void event_order_holds_when_scopes_run_in_parallel(struct kunit *test)
{
	const struct teller *teller = test->param_value;
	struct mock *mock = mock_create(test, 2, .kind = BGTOKEN_SHARED,
					.max_tasks = 2);
	struct mock_callback *mc = mock_callback(mock);
	struct mock_log *second, *log = mc->log;
	struct test_thread adder = {};

	mc->in_callback = &mock->gate2;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	second = mock_listen(mock);
	begin_telling(mock, &adder);
	test_gate_open(&mock->gate);
	/* All units are done, and the first event is still being told. */
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->publishes,
					       teller->adder ? 1 : 2));
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).events ==
					   BOTH_FINISHED));
	KUNIT_EXPECT_EQ(test, test_gate_count(&log->told), 0);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->gate2), 1);
	test_gate_open(&mock->gate2);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	mock_expect_told(mock, second, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &adder));
}

/*
 * Someone tells the first callback of the baseline, and is held there, at gate2;
 * a task is held in a top-tier unit, at gate.
 */
static struct mock *hold_in_callback(struct kunit *test, struct mock_log **log,
				     struct test_thread *adder)
{
	struct mock *mock = mock_create(test, 3, .kind = BGTOKEN_SHARED,
					.max_tasks = 2);
	struct mock_callback *mc = mock_callback(mock);

	mc->in_callback = &mock->gate2;
	*log = mc->log;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	begin_telling(mock, adder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	return mock;
}

static void event_late_callback_is_told_by_who_is_telling(struct kunit *test)
{
	struct test_thread adder = {};
	struct mock_log *first, *late;
	struct mock *mock = hold_in_callback(test, &first, &adder);

	late = mock_listen(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&late->told), 0);
	test_gate_open(&mock->gate2);
	mock_expect_told(mock, first, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	mock_expect_told(mock, late, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	test_gate_open(&mock->gate);
	mock_expect_told(mock, first, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	mock_expect_told(mock, late, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &adder));
}

static void event_late_callback_is_told_nothing_after_a_cancel(struct kunit *test)
{
	struct mock_canceller canceller = { .leave_owner = true };
	struct test_thread adder = {};
	struct mock_log *first, *late;
	struct mock *mock = hold_in_callback(test, &first, &adder);

	late = mock_listen(mock);
	KUNIT_EXPECT_TRUE(test, mock_cancel_begins(mock, &canceller));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&canceller.thread));
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &canceller.thread));
	KUNIT_EXPECT_TRUE(test, canceller.first);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &adder));
	mock_free_owner(mock);
	test_gate_open(&mock->gate);
	mock_drain(mock);
	mock_expect_told(mock, first, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	mock_expect_told(mock, late, MOCK_NOTHING, MOCK_NOTHING, 0);
}

/* If it is a task that tells, none is missing, and so that one has to take it. */
static void event_unit_added_while_one_is_told_is_compiled(struct kunit *test)
{
	const struct teller *teller = test->param_value;
	int published = teller->adder ? 0 : 1;
	struct test_thread adder = {};
	struct mock_log *log;
	struct mock *mock = hold_in_callback(test, &log, &adder);
	LIST_HEAD(units);

	mock_unit(mock, &units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	if (!teller->adder) {
		KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 2U);
		KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), published);
		test_gate_open(&mock->gate2);
	}
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->publishes, published + 1));
	KUNIT_EXPECT_EQ(test,
			atomic_read(&mock->plans[mock->nr_units - 1].published), 1);
	test_gate_open(&mock->gate2);
	mock_expect_told(mock, log, BGCOMPILE_BASELINE_FINISHED, MOCK_NOTHING, 0);
	KUNIT_EXPECT_TRUE(test, mock_join(mock, &adder));
}

static void event_callback_of_a_cancelled_state_is_refused(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct mock_callback *mc = mock_callback(mock);

	finish_at_once(mock);
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb),
			-ECANCELED);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mc->log->told), 0);
	mock_free_owner(mock);
}

static void event_callback_without_a_function_is_refused(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct mock_callback *mc = mock_callback(mock);

	mc->cb.fn = NULL;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), NULL),
			-EINVAL);
	finish_at_once(mock);
}

/* Waiters */

static void wait_returns_0_when_the_event_has_come(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test));
	struct mock_waiter waiter = {};

	add_both_tiers(mock);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_BASELINE_FINISHED));
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_BASELINE_FINISHED), 0);
	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &waiter,
						   BGCOMPILE_TOP_FINISHED));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &waiter));
	KUNIT_EXPECT_EQ(test, waiter.result, 0);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_TOP_FINISHED), 0);
}

static void wait_returns_the_error_of_a_failure(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_waiter baseline = {}, top = {};
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_error = -EIO;
	mock->plans[0].in_compile = &mock->gate;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &baseline,
						   BGCOMPILE_BASELINE_FINISHED));
	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &top,
						   BGCOMPILE_TOP_FINISHED));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &baseline));
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &top));
	KUNIT_EXPECT_EQ(test, baseline.result, -EIO);
	KUNIT_EXPECT_EQ(test, top.result, -EIO);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_TOP_FINISHED), -EIO);
}

/* Both are waiting; a unit is, and stays, in its compile step. */
static void wait_returns_ecanceled_while_a_unit_is_compiling(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_waiter first = {}, second = {};
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &first,
						   BGCOMPILE_BASELINE_FINISHED));
	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &second,
						   BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &first));
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &second));
	KUNIT_EXPECT_EQ(test, first.result, -ECANCELED);
	KUNIT_EXPECT_EQ(test, second.result, -ECANCELED);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_TOP_FINISHED), -ECANCELED);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->inside), 1);
	mock_free_owner(mock);
}

static void wait_returns_ecanceled_after_refuse(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_waiter waiter = {};

	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &waiter,
						   BGCOMPILE_TOP_FINISHED));
	scoped_bgtoken(mock->token, struct bgcompile *, state)
		bgcompile_refuse(state);
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &waiter));
	KUNIT_EXPECT_EQ(test, waiter.result, -ECANCELED);
}

static void wait_returns_ecanceled_after_refuse_outside_scopes(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_waiter waiter = {};

	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &waiter,
						   BGCOMPILE_TOP_FINISHED));
	bgcompile_refuse(mock_state(mock));
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &waiter));
	KUNIT_EXPECT_EQ(test, waiter.result, -ECANCELED);
	KUNIT_EXPECT_EQ(test, bgcompile_wait_timeout(mock_state(mock), BGCOMPILE_TOP_FINISHED, 0),
			(long)-ECANCELED);
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	KUNIT_EXPECT_EQ(test, bgcompile_wait_timeout(mock_state(mock), BGCOMPILE_TOP_FINISHED, 0),
			(long)-ECANCELED);
	bgcompile_refuse(mock_state(mock));	/* again, and nothing is there */
	mock_free_owner(mock);
}

static void wait_for_so_long_is_over_when_the_time_is(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct bgcompile *state = mock_state(mock);
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_EQ(test, bgcompile_wait_timeout(state, BGCOMPILE_TOP_FINISHED, 2), 0L);
	KUNIT_EXPECT_EQ(test, bgcompile_wait_timeout(state, BGCOMPILE_TOP_FINISHED, 0), 0L);
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_GT(test, bgcompile_wait_timeout(state, BGCOMPILE_TOP_FINISHED,
						     MAX_SCHEDULE_TIMEOUT), 0L);
	KUNIT_EXPECT_GE(test, bgcompile_wait_timeout(state, BGCOMPILE_TOP_FINISHED, 0), 1L);
	KUNIT_EXPECT_EQ(test, bgcompile_wait_timeout(state, BGCOMPILE_FAILED, 0), (long)-EINVAL);
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	mock_free_owner(mock);
}

static void wait_for_what_had_come_before_the_cancel_returns_0(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));

	finish_at_once(mock);
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_BASELINE_FINISHED), 0);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(mock_state(mock),
					     BGCOMPILE_TOP_FINISHED), 0);
	mock_free_owner(mock);
}

static void wait_returns_eintr_when_killed(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct mock_waiter waiter = {};

	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &waiter,
						   BGCOMPILE_TOP_FINISHED));
	if (waiter.thread.task)
		send_sig(SIGKILL, waiter.thread.task, 1);
	if (!test_thread_join(&waiter.thread)) {
		KUNIT_FAIL(test, "the signal did not end the wait");
		mock_cancel(mock);
		test_thread_join(&waiter.thread);
	}
	KUNIT_EXPECT_EQ(test, waiter.result, -EINTR);
	/* The state is none the worse for it. */
	finish_at_once(mock);
}

static void wait_may_be_frozen(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct mock_waiter waiter = {};

	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &waiter,
						   BGCOMPILE_TOP_FINISHED));
	if (waiter.thread.task)
		KUNIT_EXPECT_TRUE(test, READ_ONCE(waiter.thread.task->__state) &
				  TASK_FREEZABLE);
	finish_at_once(mock);
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &waiter));
	KUNIT_EXPECT_EQ(test, waiter.result, 0);
}

static void finish_all(void *mock)
{
	finish_at_once(mock);
}

static void wait_that_is_frozen_returns_after_the_thaw(struct kunit *test)
{
	struct mock_waiter waiter = { .freezable = true };
	struct mock *mock;

	test_need_freezer(test);
	mock = mock_create(test, 0, .kind = mock_kind(test));
	KUNIT_EXPECT_TRUE(test, mock_waiter_begins(mock, &waiter, BGCOMPILE_TOP_FINISHED));
	test_thread_frozen_while(test, &waiter.thread, finish_all, mock);
	KUNIT_EXPECT_TRUE(test, mock_waiter_ends(mock, &waiter));
	KUNIT_EXPECT_EQ(test, waiter.result, 0);
}

static void wait_for_another_event_is_refused(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));
	struct bgcompile *state = mock_state(mock);

	KUNIT_EXPECT_EQ(test, bgcompile_wait(state, BGCOMPILE_FAILED), -EINVAL);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(state, BGCOMPILE_EVENTS), -EINVAL);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(state, (enum bgcompile_event)-1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, bgcompile_wait(state, (enum bgcompile_event)32),
			-EINVAL);
}

/* Progress and features */

static void progress_features_are_gathered_from_all_units(struct kunit *test)
{
	struct mock *mock = mock_create(test, 4, .kind = mock_kind(test),
					.max_tasks = 2);
	LIST_HEAD(units);

	mock_unit(mock, &units)->features = BIT(0);
	mock_unit(mock, &units)->features = BIT(1);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1)->features = BIT(4);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, 1)->features =
		BIT(BITS_PER_LONG - 1);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).features, 0UL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).features,
			BIT(0) | BIT(1) | BIT(4) | BIT(BITS_PER_LONG - 1));
}

/* Reported when a task yields, though another unit is still compiling. */
static void progress_features_are_readable_before_the_end(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 1, .slice_ms = 1);
	LIST_HEAD(units);

	mock_unit(mock, &units)->features = BIT(3);
	mock->plans[0].compile_ms = 3;
	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).features, BIT(3));
}

static void look_at_features(struct mock *mock)
{
	int n = test_gate_count(&mock->logs[0].told);

	if (n < ARRAY_SIZE(mock->seen))
		mock->seen[n] = mock_progress(mock).features;
}

static void progress_features_are_complete_when_the_last_event_is_told(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	struct mock_callback *mc = mock_callback(mock);
	LIST_HEAD(units);

	mc->hook = look_at_features;
	KUNIT_EXPECT_EQ(test, bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	mock_unit(mock, &units)->features = BIT(5);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	mock_expect_told(mock, mc->log, BGCOMPILE_BASELINE_FINISHED,
			 BGCOMPILE_TOP_FINISHED, 0);
	KUNIT_EXPECT_EQ(test, mock->seen[0], BIT(5));
	KUNIT_EXPECT_EQ(test, mock->seen[1], BIT(5));
}

static void progress_does_not_wait_for_a_publish_that_sleeps(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .kind = mock_kind(test),
					.max_tasks = 1);
	struct bgcompile_progress p;
	LIST_HEAD(units);

	mock_unit(mock, &units)->in_publish = &mock->gate;
	mock_unit(mock, &units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	p = mock_progress(mock);
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->publishes), 0);
	KUNIT_EXPECT_EQ(test, p.total[BGCOMPILE_BASELINE], 2U);
	KUNIT_EXPECT_EQ(test, p.done[BGCOMPILE_BASELINE], 0U);
	KUNIT_EXPECT_LE(test, p.compiling, 1U);
	KUNIT_EXPECT_EQ(test, p.tasks, 1U);
}

static void progress_of_a_cancelled_state_can_be_read(struct kunit *test)
{
	struct mock *mock = mock_create(test, 0, .kind = mock_kind(test));

	finish_at_once(mock);
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	KUNIT_EXPECT_EQ(test, mock_progress(mock).events, BOTH_FINISHED);
	mock_free_owner(mock);
}

static void progress_of_a_cancelled_state_stays_as_it_was(struct kunit *test)
{
	struct mock *mock = mock_create(test, 1, .kind = mock_kind(test));
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel(mock));
	test_gate_open(&mock->gate);
	mock_drain(mock);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).tasks, 1U);
	KUNIT_EXPECT_EQ(test, mock_progress(mock).compiling, 1U);
	mock_free_owner(mock);
}

#define MANY	300

/* Figures of one moment, as they may be while MANY units go through 4 tasks. */
static bool adds_up(const struct bgcompile_progress *p,
		    const struct bgcompile_progress *before)
{
	unsigned int settled = 0;
	int tier;

	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		if (p->done[tier] + p->failed[tier] > p->total[tier] ||
		    p->done[tier] < before->done[tier] ||
		    p->failed[tier] < before->failed[tier] ||
		    p->total[tier] != MANY / 2)
			return false;
		settled += p->done[tier] + p->failed[tier];
	}
	return p->compiling <= p->tasks && p->tasks <= 4 &&
	       settled + p->compiling <= MANY &&
	       (p->events & before->events) == before->events &&
	       (settled == MANY) == (p->events == BOTH_FINISHED);
}

static void progress_adds_up_at_all_times_and_reaches_the_total(struct kunit *test)
{
	struct mock *mock = mock_create(test, MANY, .kind = mock_kind(test),
					.max_tasks = 4, .slice_ms = 1);
	unsigned long end = jiffies + TEST_TRY;
	struct bgcompile_progress p, before = {};
	bool good = true;
	LIST_HEAD(units);
	int i, looks;

	for (i = 0; i < MANY; i++)
		mock_unit_sized(mock, &units, i % 2, 1)->compile_error =
			i % 30 == 1 ? -EIO : 0;	/* of the top tier */
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	for (looks = 0; good && time_before(jiffies, end); looks++) {
		p = mock_progress(mock);
		good = adds_up(&p, &before);
		before = p;
		if (p.events == BOTH_FINISHED)
			break;
		usleep_range(10, 50);
	}
	KUNIT_EXPECT_TRUE_MSG(test, good,
			      "total %u+%u, done %u+%u, failed %u+%u, tasks %u, compiling %u, events %u",
			      p.total[0], p.total[1], p.done[0], p.done[1],
			      p.failed[0], p.failed[1], p.tasks, p.compiling,
			      p.events);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	p = mock_progress(mock);
	KUNIT_EXPECT_EQ(test, p.done[BGCOMPILE_BASELINE], MANY / 2U);
	KUNIT_EXPECT_EQ(test, p.failed[BGCOMPILE_TOP], MANY / 30U);
	KUNIT_EXPECT_EQ(test, p.done[BGCOMPILE_TOP] + p.failed[BGCOMPILE_TOP],
			MANY / 2U);
	KUNIT_EXPECT_EQ(test, p.compiling, 0U);
	KUNIT_EXPECT_EQ(test, p.tasks, 0U);
	kunit_info(test, "looked %d times", looks + 1);
}

static struct kunit_case event_cases[] = {
	KUNIT_CASE_PARAM(event_each_is_told_once_and_in_order,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_baseline_comes_while_top_is_still_compiling,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_top_does_not_overtake_baseline,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_failure_is_the_only_one_without_a_baseline,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_failure_may_follow_the_baseline,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_empty_list_finishes_the_state_at_once,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_late_callback_is_told_what_it_missed,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_callback_after_the_last_is_told_before_it_is_added,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_callback_after_a_failure_is_told_the_error,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_callback_may_be_added_again_after_the_last,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_callback_may_free_itself_on_the_last,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_no_callback_runs_once_cancel_has_returned,
			 teller_gen_params),
	KUNIT_CASE_PARAM(event_none_comes_after_a_cancel, mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_none_is_set_if_the_last_publish_cancels,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_callback_may_cancel_the_state,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_order_holds_when_scopes_run_in_parallel,
			 shared_teller_gen_params),
	KUNIT_CASE_PARAM(event_late_callback_is_told_by_who_is_telling,
			 shared_teller_gen_params),
	KUNIT_CASE_PARAM(event_late_callback_is_told_nothing_after_a_cancel,
			 shared_teller_gen_params),
	KUNIT_CASE_PARAM(event_unit_added_while_one_is_told_is_compiled,
			 shared_teller_gen_params),
	KUNIT_CASE_PARAM(event_callback_of_a_cancelled_state_is_refused,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(event_callback_without_a_function_is_refused,
			 mock_kind_gen_params),

	KUNIT_CASE_PARAM(wait_returns_0_when_the_event_has_come,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_returns_the_error_of_a_failure,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_returns_ecanceled_while_a_unit_is_compiling,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_returns_ecanceled_after_refuse_outside_scopes,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_for_so_long_is_over_when_the_time_is,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_returns_ecanceled_after_refuse,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_for_what_had_come_before_the_cancel_returns_0,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_returns_eintr_when_killed, mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_may_be_frozen, mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_that_is_frozen_returns_after_the_thaw, mock_kind_gen_params),
	KUNIT_CASE_PARAM(wait_for_another_event_is_refused, mock_kind_gen_params),

	KUNIT_CASE_PARAM(progress_features_are_gathered_from_all_units,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(progress_features_are_readable_before_the_end,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(progress_features_are_complete_when_the_last_event_is_told,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(progress_does_not_wait_for_a_publish_that_sleeps,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(progress_of_a_cancelled_state_can_be_read,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(progress_of_a_cancelled_state_stays_as_it_was,
			 mock_kind_gen_params),
	KUNIT_CASE_PARAM(progress_adds_up_at_all_times_and_reaches_the_total,
			 mock_kind_gen_params),
	{}
};

static struct kunit_suite event_suite = {
	.name = "bgcompile_event",
	.init = mock_init,
	.exit = mock_exit,
	.test_cases = event_cases,
};

kunit_test_suite(event_suite);
