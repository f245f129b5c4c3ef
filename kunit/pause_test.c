// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pause and resume, as scopes see them; works see them in requeue_test.c.  A pause has a
 * cancel's guarantee, and leaves nothing behind when it is over.
 */
#include <linux/module.h>

#include "test_gate.h"

#define VISITORS	3

struct pause_test {
	enum bgtoken_kind kind;
	struct test_owner *owner;
	struct bgtoken *token;
	struct test_gate inside;	/* holds a scope */
	struct test_gate before;	/* counts who is about to enter */
	struct test_thread holder, pauser, canceller, visitors[VISITORS], sleeper;
	atomic_t live;			/* bodies of scopes */
	atomic_t too_early;		/* pauses and cancels that returned before that was 0 */
	atomic_t entered, refused;
	bool stop, ready;
	bool result, cancelled;
	long left;
	long live_tokens;
};

static bool enters(struct bgtoken *token)
{
	bool entered = false;

	test_scope(token, struct test_owner *, owner)
		entered = test_owner_alive(owner);
	return entered;
}

/* What the word is when nobody is in a scope, or waits, or has paused. */
static int idle_word(struct pause_test *t)
{
	return BGTOKEN_NONE | (t->kind == BGTOKEN_SPIN ? BGTOKEN_IRQS : 0) |
	       (t->kind == BGTOKEN_PERCPU ? BGTOKEN_SPREAD : 0);
}

static void hold_scope(void *arg)
{
	struct pause_test *t = arg;

	test_scope(t->token, struct test_owner *, owner) {
		atomic_inc(&t->live);
		if (t->kind == BGTOKEN_SPIN)
			test_gate_spin(&t->inside);
		else
			test_gate_pass(&t->inside);
		atomic_dec(&t->live);
	}
}

static void pause(void *arg)
{
	struct pause_test *t = arg;

	bgtoken_pause(t->token);
	if (atomic_read(&t->live))
		atomic_inc(&t->too_early);
}

static void cancel(void *arg)
{
	struct pause_test *t = arg;

	t->cancelled = bgtoken_cancel(t->token);
	if (atomic_read(&t->live))
		atomic_inc(&t->too_early);
}

static void visit(void *arg)
{
	struct pause_test *t = arg;

	test_gate_arrive(&t->before);
	atomic_inc(enters(t->token) ? &t->entered : &t->refused);
}

/*
 * Who spins has a CPU of its own, from the second on, and is made before the first of
 * them runs; others sleep, and may be anywhere.
 */
static void need_cpus(struct kunit *test, unsigned int others)
{
	struct pause_test *t = test->priv;

	if (t->kind == BGTOKEN_SPIN)
		test_own_cpu(test, others);
}

static void create(struct kunit *test, struct test_thread *thread, int cpu)
{
	struct pause_test *t = test->priv;

	test_thread_create(test, thread, t->kind == BGTOKEN_SPIN ? cpu : -1);
}

static void run_holder(struct kunit *test)
{
	struct pause_test *t = test->priv;

	test_thread_run(&t->holder, hold_scope, t);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
}

/* Returns when the pause has begun, and waits for the holder. */
static void run_pauser(struct kunit *test)
{
	struct pause_test *t = test->priv;

	test_thread_run(&t->pauser, pause, t);
	KUNIT_EXPECT_TRUE(test, test_until(atomic_read(&t->token->scopes) &
					   BGTOKEN_PAUSED));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->pauser));
}

static void pause_refuses_scopes_until_the_resume(struct kunit *test)
{
	struct pause_test *t = test->priv;

	bgtoken_pause(t->token);
	KUNIT_EXPECT_FALSE(test, enters(t->token));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, enters(t->token));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->token->scopes), idle_word(t));
}

static void pause_waits_for_the_scope_that_is_live(struct kunit *test)
{
	struct pause_test *t = test->priv;

	need_cpus(test, 2);
	create(test, &t->holder, 1);
	create(test, &t->pauser, 2);
	run_holder(test);
	run_pauser(test);
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->pauser));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, enters(t->token));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->token->scopes), idle_word(t));
}

/* Who waits in line for the scope leaves it, and takes what it has set with it. */
static void pause_sends_the_line_away(struct kunit *test)
{
	struct pause_test *t = test->priv;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "its line waits for a lock");
	need_cpus(test, 3);
	create(test, &t->holder, 1);
	create(test, &t->visitors[0], 2);
	create(test, &t->pauser, 3);
	run_holder(test);
	test_thread_run(&t->visitors[0], visit, t);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_until(atomic_read(&t->token->scopes) &
					   BGTOKEN_WAITER));
	run_pauser(test);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->visitors[0]));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->live), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->refused), 1);
	KUNIT_EXPECT_FALSE(test, atomic_read(&t->token->scopes) & BGTOKEN_WAITER);
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->pauser));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->pauser));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, enters(t->token));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->token->scopes), idle_word(t));
}

static void newcomer_in_a_pause_does_not_wait_for_the_scope_that_is_live(struct kunit *test)
{
	struct pause_test *t = test->priv;

	need_cpus(test, 2);
	create(test, &t->holder, 1);
	create(test, &t->pauser, 2);
	run_holder(test);
	run_pauser(test);
	KUNIT_EXPECT_FALSE(test, enters(t->token));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->live), 1);
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->pauser));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->pauser));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
}

static void cancel_and_pause_at_once_both_wait_for_the_scope(struct kunit *test)
{
	struct pause_test *t = test->priv;

	need_cpus(test, 3);
	create(test, &t->holder, 1);
	create(test, &t->pauser, 2);
	create(test, &t->canceller, 3);
	run_holder(test);
	run_pauser(test);
	test_thread_run(&t->canceller, cancel, t);
	KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->canceller));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->pauser));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->canceller));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->pauser));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	KUNIT_EXPECT_TRUE(test, t->cancelled);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_FALSE(test, enters(t->token));
}

static void pauses_are_not_counted(struct kunit *test)
{
	struct pause_test *t = test->priv;

	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, enters(t->token));
	bgtoken_pause(t->token);
	bgtoken_pause(t->token);
	KUNIT_EXPECT_FALSE(test, enters(t->token));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, enters(t->token));
}

static void cancel_while_paused_is_a_cancel(struct kunit *test)
{
	struct pause_test *t = test->priv;

	bgtoken_pause(t->token);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->token));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_FALSE(test, enters(t->token));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancel(t->token));
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_FALSE(test, enters(t->token));
}

static void pause_leaves_the_owner_with_the_token(struct kunit *test)
{
	struct pause_test *t = test->priv;

	bgtoken_pause(t->token);
	KUNIT_EXPECT_PTR_EQ(test, t->token->owner, (void *)t->owner);
	bgtoken_refuse(t->token);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
}

static void sleep_on_token(void *arg)
{
	struct pause_test *t = arg;

	WRITE_ONCE(t->left, bgtoken_sleep(t->token, AN_HOUR));
}

static void sleeper_sleeps_on_through_a_pause(struct kunit *test)
{
	struct pause_test *t = test->priv;

	test_thread_start(test, &t->sleeper, -1, sleep_on_token, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->sleeper));
	bgtoken_pause(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->sleeper));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->sleeper));
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->sleeper));
	KUNIT_EXPECT_GT(test, t->left, 0L);
}

static bool ready_in_scope(struct pause_test *t)
{
	bool ready = false;

	test_scope(t->token, struct test_owner *, owner)
		ready = test_owner_alive(owner) && READ_ONCE(t->ready);
	test_gate_arrive(&t->before);
	return ready;
}

static void wait_for_ready(void *arg)
{
	struct pause_test *t = arg;

	WRITE_ONCE(t->left, bgtoken_wait_event(t->token, ready_in_scope(t)));
}

/* What it waits for comes true while it cannot see that. */
static void waiter_looks_again_after_a_pause(struct kunit *test)
{
	struct pause_test *t = test->priv;

	t->left = 1;
	test_thread_start(test, &t->sleeper, -1, wait_for_ready, t);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->sleeper));
	bgtoken_pause(t->token);
	WRITE_ONCE(t->ready, true);
	bgtoken_wake(t->token);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 2));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->sleeper));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->sleeper));
	KUNIT_EXPECT_EQ(test, t->left, 0L);
}

static void pause_and_resume(void *arg)
{
	struct pause_test *t = arg;

	pause(t);
	t->result = !enters(t->token);
	bgtoken_resume(t->token);
	t->result &= enters(t->token);
}

static void spin_may_be_paused_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct pause_test *t = test->priv;

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, pause_and_resume, t));
	KUNIT_EXPECT_TRUE(test, t->result);
}

static void resume(void *token)
{
	bgtoken_resume(token);
}

static void pause_of_a_kind_that_sleeps_may_be_resumed_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct pause_test *t = test->priv;

	bgtoken_pause(t->token);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, resume, t->token));
	KUNIT_EXPECT_TRUE(test, enters(t->token));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->token->scopes), idle_word(t));
}

static void visit_until_stopped(void *arg)
{
	struct pause_test *t = arg;

	while (!READ_ONCE(t->stop)) {
		test_scope(t->token, struct test_owner *, owner) {
			atomic_inc(&t->live);
			cpu_relax();
			atomic_dec(&t->live);
			atomic_inc(&t->entered);
		}
		cond_resched();
	}
}

/* Scopes come and go while it is paused again and again: none is live in a pause. */
static void pause_finds_no_scope_live_when_it_returns(struct kunit *test)
{
	struct pause_test *t = test->priv;
	unsigned long end = jiffies + HZ / 4;
	int n, entered;

	for (n = 0; n < VISITORS; n++)
		test_thread_start(test, &t->visitors[n], -1, visit_until_stopped, t);
	test_rounds(n, end) {
		entered = atomic_read(&t->entered);
		pause(t);
		if (n & 1)
			cond_resched();
		if (atomic_read(&t->live))
			atomic_inc(&t->too_early);
		bgtoken_resume(t->token);
		/* They come again, or a bit was left behind. */
		KUNIT_EXPECT_TRUE(test, test_until(atomic_read(&t->entered) != entered));
	}
	WRITE_ONCE(t->stop, true);
	for (n = 0; n < VISITORS; n++)
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->visitors[n]));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	KUNIT_EXPECT_TRUE(test, enters(t->token));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->token->scopes), idle_word(t));
}

/* The classes, for who has no body to write after a scope */

static int nr_live(struct bgtoken *token)
{
	return test_scopes_live(token);
}

/* How many are live at the end of the block with the scope, and how many after it. */
static int visit_by_class(struct bgtoken *token, int *after)
{
	int inside = 0;

	{
		CLASS(bgtoken, scope)(token);

		if (scope.owner && test_owner_alive(scope.owner))
			inside = nr_live(token);
	}
	*after = nr_live(token);
	return inside;
}

static int visit_by_irqsave_class(struct bgtoken *token, int *after)
{
	int inside = 0;

	{
		CLASS(bgtoken_irqsave, scope)(token);

		if (scope.owner && test_owner_alive(scope.owner) &&
		    irqs_disabled() == !IS_ENABLED(CONFIG_PREEMPT_RT))
			inside = nr_live(token);
	}
	*after = nr_live(token) + irqs_disabled();
	return inside;
}

static int visit_or_else(struct bgtoken *token)
{
	scoped_cond_bgtoken_irqsave(return -ENODEV, token, struct test_owner *, owner)
		return test_owner_alive(owner) ? 1 : 0;
	return -EIO;
}

static void class_is_a_scope_to_the_end_of_its_block(struct kunit *test)
{
	struct pause_test *t = test->priv;
	int (*visit)(struct bgtoken *token, int *after) =
		t->kind == BGTOKEN_SPIN ? visit_by_irqsave_class : visit_by_class;
	int after = -1;

	KUNIT_EXPECT_EQ(test, visit(t->token, &after), 1);
	KUNIT_EXPECT_EQ(test, after, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->token->scopes), idle_word(t));
	bgtoken_cancel(t->token);
	after = -1;
	KUNIT_EXPECT_EQ(test, visit(t->token, &after), 0);
	KUNIT_EXPECT_EQ(test, after, 0);
}

static void spin_scope_or_else(struct kunit *test)
{
	struct pause_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, visit_or_else(t->token), 1);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	KUNIT_EXPECT_EQ(test, atomic_read(&t->token->scopes), idle_word(t));
	bgtoken_pause(t->token);
	KUNIT_EXPECT_EQ(test, visit_or_else(t->token), -ENODEV);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
}

/* The suite */

static int pause_test_init(struct kunit *test)
{
	struct pause_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->kind = test_kind_of(test);
	t->live_tokens = test_live(bgtoken_live_tokens);
	test_gate_init(&t->inside);
	test_gate_init(&t->before);
	t->owner = test_owner_create();
	t->token = test_token_create(t->owner, t->kind);
	return PTR_ERR_OR_ZERO(t->token);
}

static void pause_test_exit(struct kunit *test)
{
	struct pause_test *t = test->priv;
	bool over;
	int n;

	if (!t)
		return;
	WRITE_ONCE(t->stop, true);
	test_gate_open(&t->inside);
	if (!IS_ERR(t->token))
		bgtoken_cancel(t->token);
	over = test_thread_join(&t->holder) && test_thread_join(&t->pauser) &&
	       test_thread_join(&t->canceller) && test_thread_join(&t->sleeper);
	for (n = 0; n < VISITORS; n++)
		over &= test_thread_join(&t->visitors[n]);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	bgtoken_put(t->token);
	test_owner_free(t->owner);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	kfree(t);
}

static const struct test_kind lining_kinds[] = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SPIN, "spin" },
};

static const struct test_kind spin_kinds[] = {
	{ BGTOKEN_SPIN, "spin" },
};

static const struct test_context_param resume_contexts[] = {
	{ { BGTOKEN_MUTEX }, TEST_PROCESS, "mutex process" },
	{ { BGTOKEN_MUTEX }, TEST_SOFTIRQ, "mutex softirq" },
	{ { BGTOKEN_MUTEX }, TEST_HARDIRQ, "mutex hardirq" },
	{ { BGTOKEN_SHARED }, TEST_PROCESS, "shared process" },
	{ { BGTOKEN_SHARED }, TEST_SOFTIRQ, "shared softirq" },
	{ { BGTOKEN_SHARED }, TEST_HARDIRQ, "shared hardirq" },
	{ { BGTOKEN_PERCPU }, TEST_PROCESS, "percpu process" },
	{ { BGTOKEN_PERCPU }, TEST_SOFTIRQ, "percpu softirq" },
	{ { BGTOKEN_PERCPU }, TEST_HARDIRQ, "percpu hardirq" },
};

KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(lining_kind, lining_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(spin_kind, spin_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(context, test_contexts, test_context_desc);
KUNIT_ARRAY_PARAM(resume_context, resume_contexts, test_context_desc);

#define KIND_CASE(name)		KUNIT_CASE_PARAM(name, test_kind_gen_params)

static struct kunit_case pause_test_cases[] = {
	KIND_CASE(pause_refuses_scopes_until_the_resume),
	KIND_CASE(pause_waits_for_the_scope_that_is_live),
	KUNIT_CASE_PARAM(pause_sends_the_line_away, lining_kind_gen_params),
	KIND_CASE(newcomer_in_a_pause_does_not_wait_for_the_scope_that_is_live),
	KIND_CASE(cancel_and_pause_at_once_both_wait_for_the_scope),
	KIND_CASE(pauses_are_not_counted),
	KIND_CASE(cancel_while_paused_is_a_cancel),
	KIND_CASE(pause_leaves_the_owner_with_the_token),
	KIND_CASE(sleeper_sleeps_on_through_a_pause),
	KIND_CASE(waiter_looks_again_after_a_pause),
	KUNIT_CASE_PARAM(spin_may_be_paused_in_any_context, context_gen_params),
	KUNIT_CASE_PARAM(pause_of_a_kind_that_sleeps_may_be_resumed_in_any_context,
			 resume_context_gen_params),
	TEST_CASE_PARAM_SLOW(pause_finds_no_scope_live_when_it_returns,
			     test_kind_gen_params),
	KIND_CASE(class_is_a_scope_to_the_end_of_its_block),
	KUNIT_CASE_PARAM(spin_scope_or_else, spin_kind_gen_params),
	{}
};

static struct kunit_suite pause_test_suite = {
	.name = "bgtoken_pause",
	.init = pause_test_init,
	.exit = pause_test_exit,
	.test_cases = pause_test_cases,
};

kunit_test_suite(pause_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: pause and resume");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
