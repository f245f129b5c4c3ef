// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers: the function is called in softirq, inside a scope, with the owner; a cancel
 * takes a timer off, or waits for its function; a timer outlives a function that runs.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/random.h>

#include "test_begun.h"
#include "test_movers.h"

struct timer_test {
	enum bgtoken_kind kind;
	struct test_owner *owner;	/* freed by whoever cancels */
	struct bgtoken *token;
	struct test_gate ran;		/* counts calls of functions */
	struct test_gate released;	/* counts */
	struct test_gate hold;		/* holds functions */
	struct test_thread canceller, pauser, waiter;
	struct test_movers movers;
	bool hold_fn;
	atomic_t inited;
	atomic_t wrong;			/* calls and releases that were not as promised */
	atomic_t live;			/* functions */
	atomic_t too_early;		/* cancels and pauses that returned before that was 0 */
	struct ringer *shared;
	struct bgtoken_wq *wq;
	int more;			/* how often it arms itself again */
	unsigned long again;		/* jiffies for which it does */
	bool take_off;			/* itself, after that */
	int released_then;		/* when a thread's call returned */
	int fate;
	bool result;
	long live_tokens, live_works;
};

struct ringer {
	struct bgtoken_timer timer;
	struct timer_test *t;
};

struct ender {
	struct bgtoken_work work;
	struct timer_test *t;
};

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
		bgtoken_timer_mod(timer, jiffies + t->again);
	if (t->take_off)
		t->result = bgtoken_timer_cancel(timer);
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

static void ringer_init(struct ringer *ringer, struct timer_test *t,
			void (*fn)(struct bgtoken_timer *timer, void *owner))
{
	ringer->t = t;
	atomic_inc(&t->inited);
	bgtoken_timer_init(&ringer->timer, t->token, fn, ringer_release);
}

/* NULL if there is no memory. */
static struct ringer *ringer_create(struct timer_test *t,
				    void (*fn)(struct bgtoken_timer *timer, void *owner))
{
	struct ringer *ringer = kzalloc(sizeof(*ringer), GFP_KERNEL);

	if (ringer)
		ringer_init(ringer, t, fn);
	return ringer;
}

static struct ringer *new_ringer(struct kunit *test)
{
	struct ringer *ringer = ringer_create(test->priv, ringer_fn);

	KUNIT_ASSERT_NOT_NULL(test, ringer);
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

static void pauser(void *arg)
{
	struct timer_test *t = arg;

	bgtoken_pause(t->token);
	if (atomic_read(&t->live))
		atomic_inc(&t->too_early);
}

static void waiter(void *arg)
{
	struct timer_test *t = arg;

	bgtoken_barrier();
	t->released_then = test_gate_count(&t->released);
}

/* A work that takes a timer off when it is let go. */
static void ender_fn(struct bgtoken_work *work)
{
	struct timer_test *t = container_of(work, struct ender, work)->t;

	test_gate_pass(&t->hold);
	if (!t->shared)
		return;		/* the case has failed */
	bgtoken_timer_cancel(&t->shared->timer);
	bgtoken_timer_put(&t->shared->timer);
}

static void drainer(void *arg)
{
	struct timer_test *t = arg;

	bgtoken_wq_destroy(t->wq);
	t->wq = NULL;
	t->released_then = test_gate_count(&t->released);
}

static void arm_soon(void *ringer)
{
	arm(ringer, TEST_BEGUN_SOON);
}

/*
 * A timer whose function is held, inside its scope, on the second CPU.  The thread that
 * is to wait for it is made before that is held, and is for the third.
 */
static struct ringer *new_running(struct kunit *test, struct test_thread *thread)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer;

	test_own_cpu(test, 2);
	ringer = new_ringer(test);
	if (thread)
		test_thread_create(test, thread, 2);
	WRITE_ONCE(t->hold_fn, true);
	KUNIT_EXPECT_TRUE(test, test_begun_arm(test, arm_soon, ringer));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	return ringer;
}

/* One that the kernel has begun, and that the library does not know of. */
static struct ringer *new_fired(struct kunit *test)
{
	struct ringer *ringer;

	test_begun_need(test);
	ringer = new_ringer(test);
	KUNIT_EXPECT_TRUE(test, test_begun_fire(test, &ringer->timer.dwork.timer, arm_soon,
						ringer));
	return ringer;
}

static void let_go(void)
{
	test_begun_go();
	bgtoken_barrier();
}

/* Puts it; nothing is left that holds it, or that does not let go of it soon. */
static void expect_fate(struct kunit *test, struct ringer *ringer, enum bgtoken_fate fate)
{
	struct timer_test *t = test->priv;
	int released = test_gate_count(&t->released);

	put(ringer);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, released + 1));
	KUNIT_EXPECT_EQ(test, READ_ONCE(t->fate), (int)fate);
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

static void timer_may_take_itself_off_when_it_has_armed_itself(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	t->more = 1;
	t->again = AN_HOUR;
	t->take_off = true;
	arm(ringer, 1);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	bgtoken_barrier();
	KUNIT_EXPECT_TRUE(test, t->result);
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	put(ringer);
}

static void timer_that_expires_in_the_past_fires_at_once(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(&ringer->timer, jiffies - AN_HOUR));
	put(ringer);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, runs(t), 1);
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

static void timer_is_taken_off_by_refuse(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	arm(ringer, AN_HOUR);
	bgtoken_refuse(t->token);
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	KUNIT_EXPECT_FALSE(test, arm(ringer, 1));
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	put(ringer);
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

/*
 * The run that drops the timer has begun when the timer is armed again, and becomes stale.  It
 * may have begun on the test's CPU, where nothing is held: then once more.
 */
static void timer_may_be_armed_while_it_is_dropped(struct kunit *test)
{
	struct timer_test *t = test->priv;
	unsigned long end = jiffies + TEST_TRY;
	struct ringer *ringer;

	test_begun_need(test);
	ringer = new_ringer(test);
	test_begun_expect(&ringer->timer.dwork.work.work);
	do {
		KUNIT_EXPECT_FALSE(test, arm(ringer, AN_HOUR));
		bgtoken_pause(t->token);
		/* A CPU that is busy is rather left alone. */
		while (!test_begun_held() && references(ringer) > 1 && time_before(jiffies, end))
			cond_resched();
		bgtoken_resume(t->token);
	} while (!test_begun_held() && time_before(jiffies, end));
	if (!test_begun_held()) {
		put(ringer);
		kunit_skip(test, "each run began on the test's CPU");
	}

	KUNIT_EXPECT_FALSE(test, arm(ringer, AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(ringer), 3U);
	test_begun_go();
	bgtoken_barrier();
	KUNIT_EXPECT_TRUE(test, armed(ringer));
	KUNIT_EXPECT_EQ(test, references(ringer), 2U);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, bgtoken_timer_cancel(&ringer->timer));
	put(ringer);
}

static void timer_function_is_waited_for_by_a_cancel(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_running(test, &t->canceller);

	KUNIT_EXPECT_FALSE(test, bgtoken_timer_cancel(&ringer->timer));
	test_thread_run(&t->canceller, canceller, t);
	KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->canceller));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->canceller));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	put(ringer);
}

static void timer_function_is_waited_for_by_a_pause(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_running(test, &t->pauser);

	test_thread_run(&t->pauser, pauser, t);
	KUNIT_EXPECT_TRUE(test, test_until(atomic_read(&t->token->scopes) &
					   BGTOKEN_PAUSED));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->pauser));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->pauser));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	put(ringer);
}

/* Which does not return before the grace period has ended that the function holds up. */
static void timer_function_is_waited_for_by_a_barrier(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_running(test, &t->waiter);

	put(ringer);
	bgtoken_refuse(t->token);
	test_thread_run(&t->waiter, waiter, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->waiter));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->waiter));
	KUNIT_EXPECT_EQ(test, t->released_then, 1);
}

static void timer_outlives_its_function(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_running(test, NULL);

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

/* The drain's grace period has ended when the timer fires, and what it waits for takes that off. */
static void timer_that_has_fired_is_released_before_a_drain_returns(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ender *ender;

	test_begun_need(test);
	ender = kzalloc(sizeof(*ender), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ender);
	ender->t = t;
	bgtoken_work_init(&ender->work, t->token, ender_fn, NULL);
	t->wq = bgtoken_wq_create("bgtoken_timer", WQ_UNBOUND, 0);
	if (IS_ERR(t->wq) || !bgtoken_queue_work(t->wq, &ender->work)) {
		KUNIT_FAIL(test, "cannot queue a work");
		bgtoken_work_put(&ender->work);
		return;
	}
	bgtoken_work_put(&ender->work);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	test_thread_start(test, &t->waiter, -1, drainer, t);
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->waiter));
	t->shared = new_fired(test);
	test_gate_open(&t->hold);
	/* The ender is gone, and whoever waited for that alone is on its way. */
	KUNIT_EXPECT_TRUE(test, test_until(test_live(bgtoken_live_works) == t->live_works + 1));
	msleep(100);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->waiter));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_begun_go();
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->waiter));
	KUNIT_EXPECT_EQ(test, t->released_then, 1);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
}

static void timer_that_has_fired_is_not_called_after_a_cancel(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_fired(test);

	canceller(t);		/* waits for no function that has not entered */
	let_go();
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	expect_fate(test, ringer, BGTOKEN_DROPPED_CANCELLED);
}

static void timer_that_has_fired_is_not_called_after_a_pause(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_fired(test);

	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	let_go();
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(ringer), 1U);
	expect_fate(test, ringer, BGTOKEN_DROPPED_PAUSED);
}

static void arm_for_an_hour(void *ringer)
{
	arm(ringer, AN_HOUR);
}

/* As a delayed work, in requeue_test.c: the cancel finds that somebody watches. */
static void timer_that_is_being_armed_is_taken_off_by_a_cancel(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer;

	test_begun_need(test);
	ringer = new_ringer(test);
	test_begun_expect_arming(&ringer->timer.dwork.timer, t->token);
	test_thread_start(test, &t->waiter, 1, arm_for_an_hour, ringer);
	KUNIT_EXPECT_TRUE(test, test_begun_wait());
	canceller(t);
	test_begun_go();
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->waiter));
	KUNIT_EXPECT_FALSE(test, armed(ringer));
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	expect_fate(test, ringer, BGTOKEN_DROPPED_CANCELLED);
	test_begun_need_met(test);
}

static void fate_tells_what_became_of_a_timer(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct ringer *ringer = new_ringer(test);

	expect_fate(test, ringer, BGTOKEN_NEVER_QUEUED);

	ringer = new_ringer(test);
	arm(ringer, 1);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	expect_fate(test, ringer, BGTOKEN_RAN);

	ringer = new_ringer(test);
	arm(ringer, AN_HOUR);
	KUNIT_EXPECT_TRUE(test, bgtoken_timer_cancel(&ringer->timer));
	expect_fate(test, ringer, BGTOKEN_TAKEN_BACK);

	ringer = new_ringer(test);
	arm(ringer, AN_HOUR);
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	expect_fate(test, ringer, BGTOKEN_DROPPED_PAUSED);

	ringer = new_ringer(test);
	arm(ringer, AN_HOUR);
	canceller(t);
	expect_fate(test, ringer, BGTOKEN_DROPPED_CANCELLED);

	ringer = new_ringer(test);
	arm(ringer, AN_HOUR);
	expect_fate(test, ringer, BGTOKEN_NEVER_QUEUED);
}

/* Its function waits for a scope, in which it is armed again and taken off. */
static void fate_of_a_timer_is_that_of_its_last_arming(struct kunit *test)
{
	struct timer_test *t = test->priv;
	bool waits = false, pending = true, taken_off = false;
	struct ringer *ringer;
	unsigned long flags;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "its scopes do not turn softirqs off");
	ringer = new_fired(test);
	if (bgtoken_enter_irqsave(t->token, flags)) {
		test_begun_go();
		waits = test_spin_until(atomic_read(&t->token->scopes) & BGTOKEN_WAITER);
		pending = arm(ringer, AN_HOUR);
		taken_off = bgtoken_timer_cancel(&ringer->timer);
		bgtoken_exit_irqrestore(t->token, flags);
	}
	let_go();
	KUNIT_EXPECT_TRUE(test, waits);
	KUNIT_EXPECT_FALSE(test, pending);
	KUNIT_EXPECT_TRUE(test, taken_off);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	expect_fate(test, ringer, BGTOKEN_TAKEN_BACK);
}

static void init_arm_and_take_off(void *arg)
{
	struct timer_test *t = arg;

	ringer_init(t->shared, t, ringer_fn);
	t->result = !arm(t->shared, AN_HOUR) && arm(t->shared, AN_HOUR) &&
		    bgtoken_timer_cancel(&t->shared->timer);
	put(t->shared);
}

static void timer_may_be_used_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct timer_test *t = test->priv;

	t->shared = kzalloc(sizeof(*t->shared), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->shared);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, init_arm_and_take_off, t));
	KUNIT_EXPECT_TRUE(test, t->result);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
}

static void timer_without_release_is_freed(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct bgtoken_timer *timer;

	test_free_need(test);
	timer = kzalloc(sizeof(*timer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, timer);
	bgtoken_timer_init(timer, t->token, ringer_fn, NULL);
	bgtoken_timer_mod(timer, jiffies + AN_HOUR);
	bgtoken_timer_put(timer);
	test_free_expect(timer);
	KUNIT_EXPECT_FALSE(test, test_free_seen());
	canceller(t);
	bgtoken_barrier();
	KUNIT_EXPECT_TRUE(test, test_free_seen());
	test_nothing_left(test, bgtoken_live_works, t->live_works);
}

static struct timer_test *devices_test;

/* Arms itself for as long as it can. */
static void devices_fn(struct bgtoken_timer *timer, void *owner)
{
	struct timer_test *t = devices_test;

	test_gate_arrive(&t->ran);
	if (READ_ONCE(t->hold_fn))
		test_gate_spin(&t->hold);
	bgtoken_timer_mod(timer, jiffies + 1);
}

static void arm_devices(void *timer)
{
	bgtoken_timer_mod(timer, jiffies + TEST_BEGUN_SOON);
}

static void unregister(void *dev)
{
	root_device_unregister(dev);
}

/* The cancel drops the reference that an armed timer holds. */
static void timer_of_a_device_is_taken_off_and_put_at_unbind(struct kunit *test)
{
	struct device *dev = __root_device_register("bgtoken_timer_device", NULL);
	struct timer_test *t = test->priv;
	struct bgtoken_timer *timer;
	int then;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	devices_test = t;
	timer = devm_bgtoken_timer_create(dev, t->token, devices_fn);
	KUNIT_EXPECT_FALSE(test, IS_ERR(timer));
	if (!IS_ERR(timer)) {
		KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(timer, jiffies));
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 2));
	}
	root_device_unregister(dev);
	then = runs(t);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, runs(t), then);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
}

static void timer_of_a_device_may_run_at_unbind(struct kunit *test)
{
	struct timer_test *t = test->priv;
	struct bgtoken_timer *timer;
	struct device *dev;

	test_own_cpu(test, 2);
	dev = __root_device_register("bgtoken_timer_device", NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	test_thread_create(test, &t->canceller, 2);
	devices_test = t;
	timer = devm_bgtoken_timer_create(dev, t->token, devices_fn);
	KUNIT_EXPECT_FALSE(test, IS_ERR(timer));
	if (!IS_ERR(timer)) {
		WRITE_ONCE(t->hold_fn, true);
		KUNIT_EXPECT_TRUE(test, test_begun_arm(test, arm_devices, timer));
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	}
	test_thread_run(&t->canceller, unregister, dev);
	KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->canceller));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->canceller));
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
}

static void timer_of_a_device_passes_on_what_its_token_was(struct kunit *test)
{
	struct device *dev = __root_device_register("bgtoken_timer_device", NULL);
	struct bgtoken *token = ERR_PTR(-ENOMEM);

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	KUNIT_EXPECT_PTR_EQ(test, (void *)token,
			    (void *)devm_bgtoken_timer_create(dev, token, devices_fn));
	root_device_unregister(dev);
}

static void timer_of_a_device_without_memory_is_enomem(struct kunit *test)
{
	struct timer_test *t = test->priv;

	/* Ours, devres. */
	test_managed_without_memory(test, dev,
				    devm_bgtoken_timer_create(dev, t->token, devices_fn), 2);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
}

/* All at once */

/* Those of a shared token run in parallel. */
static void moved_fn(struct bgtoken_timer *timer, void *owner)
{
	struct timer_test *t = container_of(timer, struct ringer, timer)->t;

	atomic_inc(&t->live);
	if (!test_owner_alive(owner) || !in_serving_softirq())
		atomic_inc(&t->wrong);
	test_gate_arrive(&t->ran);
	atomic_dec(&t->live);
}

/* A timer of the mover's own, armed when it is put, or taken off again. */
static void arm_another(struct timer_test *t)
{
	struct ringer *ringer = ringer_create(t, moved_fn);

	if (!ringer)
		return;
	arm(ringer, get_random_u32() % 3);
	if (get_random_u32() % 2)
		usleep_range(1, 50);
	if (get_random_u32() % 2)
		bgtoken_timer_cancel(&ringer->timer);
	put(ringer);
}

static void move(void *arg)
{
	struct timer_test *t = arg;

	switch (get_random_u32() % 8) {
	case 0:
	case 1:
	case 2:
		arm(t->shared, get_random_u32() % 3);
		break;
	case 3:
		bgtoken_timer_cancel(&t->shared->timer);
		break;
	case 4:
		arm_another(t);
		break;
	default:
		usleep_range(1, 50);
		break;
	}
}

static void pause_and_resume(void *arg)
{
	struct timer_test *t = arg;

	pauser(t);
	bgtoken_resume(t->token);
}

/* The reference count tells of any that was lost, or put twice. */
static void expect_only_the_callers(struct kunit *test)
{
	struct timer_test *t = test->priv;

	bgtoken_timer_cancel(&t->shared->timer);
	bgtoken_barrier();
	KUNIT_EXPECT_FALSE(test, armed(t->shared));
	KUNIT_EXPECT_EQ(test, references(t->shared), 1U);
}

/* And then a cancel, at any moment, after which the owner is freed. */
static void timer_survives_all_moves_at_once(struct kunit *test)
{
	unsigned int us = get_random_u32() % (USEC_PER_SEC / 4);
	struct timer_test *t = test->priv;
	int then;

	t->shared = ringer_create(t, moved_fn);
	KUNIT_ASSERT_NOT_NULL(test, t->shared);
	test_movers_start(test, &t->movers, t);
	msleep(500);
	KUNIT_EXPECT_TRUE(test, test_movers_wait(&t->movers));
	KUNIT_ASSERT_TRUE(test, test_movers_stop(&t->movers));
	expect_only_the_callers(test);
	then = runs(t);
	KUNIT_EXPECT_FALSE(test, arm(t->shared, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, then + 1));

	test_movers_start(test, &t->movers, t);
	usleep_range(us, us + 20);
	canceller(t);
	then = runs(t);
	KUNIT_EXPECT_TRUE(test, test_movers_wait(&t->movers));
	KUNIT_ASSERT_TRUE(test, test_movers_stop(&t->movers));
	expect_only_the_callers(test);
	KUNIT_EXPECT_EQ(test, runs(t), then);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	put(t->shared);
}

/* The suite */

static int timer_test_init(struct kunit *test)
{
	struct timer_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->kind = test_kind_of(test);
	t->live_tokens = test_live(bgtoken_live_tokens);
	t->live_works = test_live(bgtoken_live_works);
	test_gate_init(&t->ran);
	test_gate_init(&t->released);
	test_gate_init(&t->hold);
	t->again = 1;
	t->movers.move = move;
	t->movers.pause = pause_and_resume;
	t->owner = test_owner_create();
	t->token = test_token_create(t->owner, t->kind);
	return PTR_ERR_OR_ZERO(t->token);
}

static void timer_test_exit(struct kunit *test)
{
	struct timer_test *t = test->priv;
	bool over;

	if (!t)
		return;
	test_gate_open(&t->hold);
	over = test_begun_end() && test_thread_join(&t->canceller) &&
	       test_thread_join(&t->pauser) && test_thread_join(&t->waiter);
	over &= test_movers_stop(&t->movers);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	if (!IS_ERR(t->token))
		canceller(t);
	bgtoken_wq_destroy(t->wq);	/* if no thread could */
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
	{ BGTOKEN_PERCPU, "percpu" },
	{ BGTOKEN_SPIN, "spin" },
};

/* Whose scopes wait for each other, in softirq, too. */
static const struct test_kind waiting_kinds[] = {
	{ BGTOKEN_SPIN, "spin" },
};

KUNIT_ARRAY_PARAM(timer_kind, timer_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(waiting_kind, waiting_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(context, test_contexts, test_context_desc);

#define KIND_CASE(name)		KUNIT_CASE_PARAM(name, timer_kind_gen_params)

static struct kunit_case timer_test_cases[] = {
	KIND_CASE(timer_calls_its_function_once_with_the_owner),
	KIND_CASE(timer_may_arm_itself_again),
	KIND_CASE(timer_that_arms_itself_for_ever_ends_with_its_token),
	KIND_CASE(timer_may_take_itself_off_when_it_has_armed_itself),
	KIND_CASE(timer_that_expires_in_the_past_fires_at_once),
	KIND_CASE(timer_is_taken_off_at_the_cancel),
	KIND_CASE(timer_is_taken_off_by_refuse),
	KIND_CASE(timer_may_be_taken_off),
	KIND_CASE(timer_may_be_moved),
	KIND_CASE(timer_is_dropped_by_a_pause),
	KIND_CASE(timer_may_be_armed_while_it_is_dropped),
	KIND_CASE(timer_function_is_waited_for_by_a_cancel),
	KIND_CASE(timer_function_is_waited_for_by_a_pause),
	KIND_CASE(timer_function_is_waited_for_by_a_barrier),
	KIND_CASE(timer_outlives_its_function),
	KIND_CASE(timer_that_has_fired_can_be_taken_off),
	KIND_CASE(timer_that_has_fired_can_be_put_off),
	KIND_CASE(timer_that_has_fired_is_released_before_a_drain_returns),
	KIND_CASE(timer_that_has_fired_is_not_called_after_a_cancel),
	KIND_CASE(timer_that_has_fired_is_not_called_after_a_pause),
	KIND_CASE(timer_that_is_being_armed_is_taken_off_by_a_cancel),
	KIND_CASE(fate_tells_what_became_of_a_timer),
	KUNIT_CASE_PARAM(fate_of_a_timer_is_that_of_its_last_arming, waiting_kind_gen_params),
	KUNIT_CASE_PARAM(timer_may_be_used_in_any_context, context_gen_params),
	KIND_CASE(timer_without_release_is_freed),
	KIND_CASE(timer_of_a_device_is_taken_off_and_put_at_unbind),
	KIND_CASE(timer_of_a_device_may_run_at_unbind),
	KUNIT_CASE(timer_of_a_device_passes_on_what_its_token_was),
	KIND_CASE(timer_of_a_device_without_memory_is_enomem),
	TEST_CASE_PARAM_SLOW(timer_survives_all_moves_at_once, timer_kind_gen_params),
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
COMPAT_IMPORT_NS(BGTOKEN);
