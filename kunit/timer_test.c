// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers: the function is called in softirq, inside a scope, with the owner; a cancel
 * takes a timer off, or waits for its function; a timer outlives a function that runs.
 */
#include <linux/module.h>

#include "test_begun.h"

#define AN_HOUR		(3600UL * HZ)
#define SOON		2

struct timer_test {
	enum bgtoken_kind kind;
	struct test_owner *owner;	/* freed by whoever cancels */
	struct bgtoken *token;
	struct test_gate ran;		/* counts calls of functions */
	struct test_gate released;	/* counts */
	struct test_gate hold;		/* holds functions */
	struct test_thread canceller;
	bool hold_fn;
	atomic_t inited;
	atomic_t wrong;			/* calls and releases that were not as promised */
	atomic_t live;			/* functions */
	atomic_t too_early;		/* cancels that returned before that was 0 */
	struct ringer *shared;
	int more;			/* how often it arms itself again */
	int fate;
	bool result;
	long live_tokens, live_works;
};

struct ringer {
	struct bgtoken_timer timer;
	struct timer_test *t;
};

static enum bgtoken_kind kind_of(struct kunit *test)
{
	const struct test_kind *param = test->param_value;

	return param ? param->kind : BGTOKEN_SPIN;
}

static void ringer_fn(struct bgtoken_timer *timer, void *owner)
{
	struct ringer *ringer = container_of(timer, struct ringer, timer);
	struct timer_test *t = ringer->t;

	atomic_inc(&t->live);
	lockdep_assert_bgtoken(bgtoken_timer_token(timer));
	if (owner != t->owner || !test_owner_alive(owner) || !in_serving_softirq())
		atomic_inc(&t->wrong);
	if (t->kind == BGTOKEN_SPIN && !IS_ENABLED(CONFIG_PREEMPT_RT) &&
	    !irqs_disabled())
		atomic_inc(&t->wrong);
	if (t->more-- > 0)
		bgtoken_timer_mod(timer, jiffies + 1);
	test_gate_arrive(&t->ran);
	if (READ_ONCE(t->hold_fn))
		test_gate_spin(&t->hold);
	atomic_dec(&t->live);
}

static void ringer_release(struct bgtoken_timer *timer)
{
	struct ringer *ringer = container_of(timer, struct ringer, timer);
	struct timer_test *t = ringer->t;

	might_sleep();
	if (!in_task() || irqs_disabled())
		atomic_inc(&t->wrong);
	WRITE_ONCE(t->fate, bgtoken_timer_fate(timer));
	kfree(ringer);
	test_gate_arrive(&t->released);
}

static struct ringer *new_ringer(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = kzalloc(sizeof(*ringer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ringer);
	ringer->t = t;
	atomic_inc(&t->inited);
	bgtoken_timer_init(&ringer->timer, t->token, ringer_fn, ringer_release);
	return ringer;
}

static bool arm(struct ringer *ringer, unsigned long delay)
{
	return bgtoken_timer_mod(&ringer->timer, jiffies + delay);
}

static bool armed(struct ringer *ringer)
{
	return timer_pending(&ringer->timer.dwork.timer);
}

static void put(struct ringer *ringer)
{
	bgtoken_timer_put(&ringer->timer);
}

static unsigned int references(struct ringer *ringer)
{
	return kref_read(&ringer->timer.dwork.work.kref);
}

static int runs(struct timer_test *t)
{
	return test_gate_count(&t->ran);
}

static void canceller(void *arg)
{
	struct timer_test *t = arg;

	if (!bgtoken_cancel(t->token))
		return;
	if (atomic_read(&t->live))
		atomic_inc(&t->too_early);
	test_owner_free(t->owner);
	t->owner = NULL;
}

static void arm_soon(void *ringer)
{
	arm(ringer, SOON);
}

/* A timer whose function is held, inside its scope, on the second CPU. */
static struct ringer *new_running(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer;

	test_own_cpu(test, 2);
	ringer = new_ringer(test);
	WRITE_ONCE(t->hold_fn, true);
	test_begun_keep_busy(test);
	KUNIT_EXPECT_TRUE(test, test_call_on(1, TEST_HARDIRQ, arm_soon, ringer));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	return ringer;
}

/* One that the kernel has begun, and that the library does not know of. */
static struct ringer *new_fired(struct kunit *test)
{
	struct ringer *ringer;

	test_begun_need(test);
	ringer = new_ringer(test);
	test_begun_keep_busy(test);
	test_begun_expect(&ringer->timer.dwork.timer);
	KUNIT_EXPECT_TRUE(test, test_call_on(1, TEST_HARDIRQ, arm_soon, ringer));
	KUNIT_EXPECT_TRUE(test, test_begun_wait());
	return ringer;
}

static void let_go(void)
{
	test_begun_go();
	bgtoken_barrier();
}

static void timer_calls_its_function_once_with_the_owner(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	KUNIT_EXPECT_FALSE(test, arm(ringer, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	put(ringer);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, READ_ONCE(t->fate), (int)BGTOKEN_RAN);
}

static void timer_may_arm_itself_again(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	t->more = 5;
	arm(ringer, 1);
	put(ringer);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, runs(t), 6);
}

static void timer_that_arms_itself_for_ever_ends_with_its_token(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	t->more = INT_MAX;
	arm(ringer, 1);
	put(ringer);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 3));
	canceller(t);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
}

static void timer_is_taken_off_at_the_cancel(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	arm(ringer, AN_HOUR);
	KUNIT_EXPECT_EQ(test, references(ringer), 2U);
	canceller(t);
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	KUNIT_EXPECT_FALSE(test, arm(ringer, 1));
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	put(ringer);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(t->fate), (int)BGTOKEN_DROPPED_CANCELLED);
}

static void timer_may_be_taken_off(struct kunit *test)
{
	struct ringer *ringer = new_ringer(test);

	KUNIT_EXPECT_FALSE(test, bgtoken_timer_cancel(&ringer->timer));
	arm(ringer, AN_HOUR);
	KUNIT_EXPECT_TRUE(test, bgtoken_timer_cancel(&ringer->timer));
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_cancel(&ringer->timer));
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	put(ringer);
}

static void timer_may_be_moved(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	KUNIT_EXPECT_FALSE(test, arm(ringer, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, arm(ringer, 2 * AN_HOUR));
	KUNIT_EXPECT_TRUE(test, time_after(ringer->timer.dwork.timer.expires,
					   jiffies + AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(ringer), 2U);
	KUNIT_EXPECT_TRUE(test, arm(ringer, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	put(ringer);
}

static void timer_is_dropped_by_a_pause(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	arm(ringer, AN_HOUR);
	bgtoken_pause(t->token);
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	KUNIT_EXPECT_FALSE(test, arm(ringer, 1));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_FALSE(test, arm(ringer, AN_HOUR));	/* before it has left, or after */
	KUNIT_EXPECT_TRUE(test, armed(ringer));
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, references(ringer), 2U);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, arm(ringer, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	put(ringer);
}

static void timer_function_is_waited_for_by_a_cancel(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_running(test);

	KUNIT_EXPECT_FALSE(test, bgtoken_timer_cancel(&ringer->timer));
	test_thread_start(test, &t->canceller, 2, canceller, t);	/* may spin */
	KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->canceller));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->canceller));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	put(ringer);
}

static void timer_outlives_its_function(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_running(test);

	put(ringer);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_gate_open(&t->hold);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
}

static void timer_that_has_fired_can_be_taken_off(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_fired(test);

	KUNIT_EXPECT_TRUE(test, bgtoken_timer_cancel(&ringer->timer));
	put(ringer);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	let_go();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
}

static void timer_that_has_fired_can_be_put_off(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_fired(test);

	KUNIT_EXPECT_TRUE(test, arm(ringer, AN_HOUR));
	let_go();
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, armed(ringer));
	KUNIT_EXPECT_EQ(test, references(ringer), 2U);
	KUNIT_EXPECT_TRUE(test, bgtoken_timer_cancel(&ringer->timer));
	put(ringer);
}

static void timer_that_has_fired_is_not_called_after_a_cancel(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_fired(test);

	canceller(t);		/* waits for no function that has not entered */
	let_go();
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	put(ringer);
}

static void arm_and_take_off(void *arg)
{
	struct timer_test *t = arg;

	t->result = !arm(t->shared, AN_HOUR) && arm(t->shared, AN_HOUR) &&
		    bgtoken_timer_cancel(&t->shared->timer);
	put(t->shared);
}

static void timer_may_be_used_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct timer_test *t = test->priv;

	t->shared = new_ringer(test);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, arm_and_take_off, t));
	KUNIT_EXPECT_TRUE(test, t->result);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
}

/* kmemleak and the exit of the suite tell whether it was. */
static void timer_without_release_is_freed(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct bgtoken_timer *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, timer);
	bgtoken_timer_init(timer, t->token, ringer_fn, NULL);
	bgtoken_timer_mod(timer, jiffies + AN_HOUR);
	bgtoken_timer_put(timer);
	canceller(t);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
}

/* The suite */

static int timer_test_init(struct kunit *test)
{
	struct timer_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->kind = kind_of(test);
	t->live_tokens = test_live(bgtoken_live_tokens);
	t->live_works = test_live(bgtoken_live_works);
	test_gate_init(&t->ran);
	test_gate_init(&t->released);
	test_gate_init(&t->hold);
	t->owner = test_owner_create();
	t->token = test_token_create(t->owner, t->kind);
	return PTR_ERR_OR_ZERO(t->token);
}

static void timer_test_exit(struct kunit *test)
{
	struct timer_test *t = test->priv;

	if (!t)
		return;
	test_begun_end();
	test_gate_open(&t->hold);
	if (!test_thread_join(&t->canceller)) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	if (!IS_ERR(t->token))
		canceller(t);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), atomic_read(&t->inited));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong), 0);
	bgtoken_put(t->token);
	test_owner_free(t->owner);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
	kfree(t);
}

static const struct test_kind timer_kinds[] = {
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_SPIN, "spin" },
};

KUNIT_ARRAY_PARAM(timer_kind, timer_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(context, test_contexts, test_context_desc);

#define KIND_CASE(name)		KUNIT_CASE_PARAM(name, timer_kind_gen_params)

static struct kunit_case timer_test_cases[] = {
	KIND_CASE(timer_calls_its_function_once_with_the_owner),
	KIND_CASE(timer_may_arm_itself_again),
	KIND_CASE(timer_that_arms_itself_for_ever_ends_with_its_token),
	KIND_CASE(timer_is_taken_off_at_the_cancel),
	KIND_CASE(timer_may_be_taken_off),
	KIND_CASE(timer_may_be_moved),
	KIND_CASE(timer_is_dropped_by_a_pause),
	KIND_CASE(timer_function_is_waited_for_by_a_cancel),
	KIND_CASE(timer_outlives_its_function),
	KIND_CASE(timer_that_has_fired_can_be_taken_off),
	KIND_CASE(timer_that_has_fired_can_be_put_off),
	KIND_CASE(timer_that_has_fired_is_not_called_after_a_cancel),
	KUNIT_CASE_PARAM(timer_may_be_used_in_any_context, context_gen_params),
	KIND_CASE(timer_without_release_is_freed),
	{}
};

static struct kunit_suite timer_test_suite = {
	.name = "bgtoken_timer",
	.suite_init = test_begun_init,
	.suite_exit = test_begun_exit,
	.init = timer_test_init,
	.exit = timer_test_exit,
	.test_cases = timer_test_cases,
};

kunit_test_suite(timer_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: timers");
MODULE_LICENSE("GPL");
