// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scopes: how they are left, how they nest, which of them overlap, and from
 * where they may be entered.
 */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/lock.h>

#include "test_gate.h"
#include "bgtoken_trace.h"

#define THREADS		4
#define MAX_THREADS	16

struct scope_test {
	enum bgtoken_kind kind;
	struct test_owner *owner;
	struct bgtoken *token;
	struct test_owner *other_owner;
	struct bgtoken *other;		/* another class; sibling: the same */
	struct bgtoken *sibling;
	struct test_gate inside;
	struct test_gate before;
	struct test_thread threads[MAX_THREADS];
	int started;
	unsigned long end;		/* of their rounds, in jiffies */
	bool bound;			/* the threads, to CPUs */
	atomic_t now_inside, overlaps, entered;
	atomic_t rounds, met;		/* of them, that found it in use */
	int inside_now, entries;	/* under the scope */
	atomic_t places;		/* the order in which they got in: */
	int first, second, back;
	atomic_t begins, ends;		/* trace events of the token */
	atomic_t not_live;		/* of them, outside a scope */
	bool held;			/* until the gate was opened */
	bool moved;			/* to another CPU in the scope */
	bool cancelled;
	bool stop;
	long live_tokens;
};

/* A class of its own for each kind, apart from test_token_create()'s. */
static struct bgtoken *other_token(void *owner, enum bgtoken_kind kind)
{
	switch (kind) {
	case BGTOKEN_MUTEX:
		return bgtoken_create(owner, BGTOKEN_MUTEX, GFP_KERNEL);
	case BGTOKEN_SHARED:
		return bgtoken_create(owner, BGTOKEN_SHARED, GFP_KERNEL);
	case BGTOKEN_SPIN:
		return bgtoken_create(owner, BGTOKEN_SPIN, GFP_KERNEL);
	case BGTOKEN_PERCPU:
		return bgtoken_create(owner, BGTOKEN_PERCPU, GFP_KERNEL);
	}
	return ERR_PTR(-EINVAL);
}

/* Both of one class. */
static struct bgtoken *own_token(void *owner, enum bgtoken_kind kind)
{
	return test_token_create(owner, kind);
}

/* Before anything is started: where scopes spin, CPUs for the others. */
static void need_cpus(struct kunit *test, int others)
{
	struct scope_test *t = test->priv;
	int n;

	if (t->kind != BGTOKEN_SPIN)
		return;
	test_own_cpu(test, others);
	t->bound = true;
	for (n = 0; n < others; n++)
		test_thread_create(test, &t->threads[n], 1 + n);
}

static struct test_thread *start(struct kunit *test, void (*fn)(void *arg))
{
	struct scope_test *t = test->priv;
	struct test_thread *thread = &t->threads[t->started++];

	if (!t->bound)
		test_thread_create(test, thread, -1);
	test_thread_run(thread, fn, t);
	return thread;
}

static bool hold(struct scope_test *t)
{
	if (t->kind == BGTOKEN_SPIN)
		return test_gate_spin(&t->inside);
	return test_gate_pass(&t->inside);
}

/*
 * A body, in braces, in a scope by the macro that its kind has for users.  No loop is
 * added: a break that left more than the scope would do so here, too.
 */
#define real_scope(token, name, body...)				\
	if (bgtoken_kind(token) == BGTOKEN_SPIN) {			\
		scoped_bgtoken_irqsave(token, struct test_owner *, name) body \
	} else {							\
		scoped_bgtoken(token, struct test_owner *, name) body	\
	}

/* Leaving */

static void canceller(void *arg)
{
	struct scope_test *t = arg;

	t->cancelled = bgtoken_cancel(t->token);
}

/* A cancel returns only when no scope is live. */
static void expect_scope_over(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_thread *thread;
	unsigned long flags;

	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	thread = start(test, canceller);
	if (test_thread_join(thread)) {
		KUNIT_EXPECT_TRUE(test, t->cancelled);
		return;
	}
	KUNIT_FAIL(test, "the scope is still live");
	local_save_flags(flags);
	test_exit(t->token, flags);
	test_thread_join(thread);
}

static void scope_enter_returns_the_owner_it_was_given(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_owner *owner;
	unsigned long flags;

	owner = test_enter(t->token, &flags);
	if (owner)
		test_exit(t->token, flags);
	KUNIT_EXPECT_PTR_EQ(test, owner, t->owner);
}

static void scope_ends_with_its_body(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_owner *met = NULL;
	int runs = 0;

	real_scope(t->token, owner, {
		met = owner;
		runs++;
	});
	KUNIT_EXPECT_PTR_EQ(test, met, t->owner);
	KUNIT_EXPECT_EQ(test, runs, 1);
	expect_scope_over(test);
}

static void scope_ends_on_break(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int runs = 0, rest = 0;

	real_scope(t->token, owner, {
		runs++;
		if (test_owner_alive(owner))
			break;
		rest++;
	});
	KUNIT_EXPECT_EQ(test, runs, 1);
	KUNIT_EXPECT_EQ(test, rest, 0);
	expect_scope_over(test);
}

static void scope_ends_on_continue(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int runs = 0, rest = 0;

	real_scope(t->token, owner, {
		runs++;
		if (test_owner_alive(owner))
			continue;
		rest++;
	});
	KUNIT_EXPECT_EQ(test, runs, 1);
	KUNIT_EXPECT_EQ(test, rest, 0);
	expect_scope_over(test);
}

static int return_from_scope(struct bgtoken *token)
{
	real_scope(token, owner, {
		return test_owner_alive(owner) ? 42 : -EIO;
	});
	return -ECANCELED;
}

static void scope_ends_on_return(struct kunit *test)
{
	struct scope_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, return_from_scope(t->token), 42);
	expect_scope_over(test);
	KUNIT_EXPECT_EQ(test, return_from_scope(t->token), -ECANCELED);
}

static void scope_ends_on_goto(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool jumped = false;

	real_scope(t->token, owner, {
		if (test_owner_alive(owner))
			goto out;
	});
	goto over;
out:
	jumped = true;
over:
	KUNIT_EXPECT_TRUE(test, jumped);
	expect_scope_over(test);
}

static void scope_break_and_continue_stay_in_the_loop_around_it(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int n, after = 0;

	for (n = 0; n < 4; n++) {
		real_scope(t->token, owner, {
			if (n & 1)
				break;
			continue;
		});
		after++;
	}
	KUNIT_EXPECT_EQ(test, n, 4);
	KUNIT_EXPECT_EQ(test, after, 4);
	expect_scope_over(test);
}

static void scope_body_is_not_run_when_cancelled(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int runs = 0;

	bgtoken_cancel(t->token);
	real_scope(t->token, owner, { runs++; });
	KUNIT_EXPECT_EQ(test, runs, 0);
}

static void scope_can_be_entered_again_and_again(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int n, runs = 0;

	for (n = 0; n < 100; n++)
		real_scope(t->token, owner, { runs += test_owner_alive(owner); });
	KUNIT_EXPECT_EQ(test, runs, 100);
}

static void scope_ends_after_refuse_in_it(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int runs = 0;

	real_scope(t->token, owner, {
		bgtoken_refuse(t->token);
		runs += test_owner_alive(owner);
	});
	KUNIT_EXPECT_EQ(test, runs, 1);
	expect_scope_over(test);
}

/* Nesting */

static void scopes_nest_on_tokens_of_two_classes(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool both = false;

	real_scope(t->token, owner, {
		real_scope(t->other, other, {
			both = owner == t->owner && other == t->other_owner &&
			       test_owner_alive(owner) && test_owner_alive(other);
		});
	});
	KUNIT_EXPECT_TRUE(test, both);
	test_expect_no_lockdep_report(test);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->other));
	expect_scope_over(test);
}

static void *enter_nested(struct bgtoken *token, unsigned long *flags, unsigned int subclass)
{
	if (bgtoken_kind(token) == BGTOKEN_SPIN)
		return bgtoken_enter_irqsave_nested(token, *flags, subclass);
	return bgtoken_enter_nested(token, subclass);
}

static void scopes_nest_on_tokens_of_one_class(struct kunit *test)
{
	struct scope_test *t = test->priv;
	unsigned long flags, inner;
	bool both = false;

	if (test_enter(t->token, &flags)) {
		if (enter_nested(t->sibling, &inner, SINGLE_DEPTH_NESTING)) {
			both = true;
			test_exit(t->sibling, inner);
		}
		test_exit(t->token, flags);
	}
	KUNIT_EXPECT_TRUE(test, both);
	test_expect_no_lockdep_report(test);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->sibling));
	expect_scope_over(test);
}

static void scope_may_cancel_another_token_of_its_class(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool first = false, second = true;

	test_scope(t->token, struct test_owner *, owner) {
		first = bgtoken_cancel_nested(t->sibling, SINGLE_DEPTH_NESTING);
		second = bgtoken_cancel_nested(t->sibling, SINGLE_DEPTH_NESTING);
	}
	KUNIT_EXPECT_TRUE(test, first);
	KUNIT_EXPECT_FALSE(test, second);
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->sibling));
	test_expect_no_lockdep_report(test);
}

static void scope_may_pause_another_token_of_its_class(struct kunit *test)
{
	struct scope_test *t = test->priv;
	unsigned long flags;

	test_scope(t->token, struct test_owner *, owner)
		bgtoken_pause_nested(t->sibling, SINGLE_DEPTH_NESTING);
	KUNIT_EXPECT_FALSE(test, test_enter(t->sibling, &flags));
	test_expect_no_lockdep_report(test);
	bgtoken_resume(t->sibling);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->sibling));
	expect_scope_over(test);
}

static void scope_on_a_cancelled_inner_token_leaves_the_outer_one(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int inner = 0, outer = 0;

	bgtoken_cancel(t->other);
	real_scope(t->token, owner, {
		real_scope(t->other, other, { inner++; });
		outer += test_owner_alive(owner);
	});
	KUNIT_EXPECT_EQ(test, inner, 0);
	KUNIT_EXPECT_EQ(test, outer, 1);
	expect_scope_over(test);
}

/* Lockdep's silence.  Code with a fault shows that it reports what it has to. */

/* A SHARED scope waits for nothing, so nothing held when it begins can deadlock. */
static void scope_in_parallel_may_begin_under_a_lock_that_it_takes(struct kunit *test)
{
	static DEFINE_MUTEX(lock);
	struct scope_test *t = test->priv;
	int bodies = 0;

	test_need_lockdep(test);
	scoped_bgtoken(t->token, struct test_owner *, owner) {
		mutex_lock(&lock);
		bodies++;
		mutex_unlock(&lock);
	}
	mutex_lock(&lock);
	scoped_bgtoken(t->token, struct test_owner *, owner)
		bodies++;
	mutex_unlock(&lock);
	/* Nor can it wait for another on the same token. */
	scoped_bgtoken(t->token, struct test_owner *, owner)
		scoped_bgtoken(t->token, struct test_owner *, again)
			bodies++;
	KUNIT_EXPECT_EQ(test, bodies, 3);
	test_expect_no_lockdep_report(test);
}

/* As long as no scope takes it. */
static void scope_may_begin_and_be_waited_for_under_a_lock(struct kunit *test)
{
	static DEFINE_MUTEX(lock);
	struct scope_test *t = test->priv;
	int bodies = 0;

	test_need_lockdep(test);
	test_scope(t->token, struct test_owner *, owner)
		bodies++;
	mutex_lock(&lock);
	test_scope(t->token, struct test_owner *, owner)
		bodies++;
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	mutex_unlock(&lock);
	KUNIT_EXPECT_EQ(test, bodies, 2);
	test_expect_no_lockdep_report(test);
}

/* One order, and the inner one goes first. */
static void scope_may_cancel_a_token_that_is_always_inside(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int bodies = 0;

	test_need_lockdep(test);
	test_scope(t->token, struct test_owner *, owner)
		test_scope(t->other, struct test_owner *, other)
			bodies++;
	test_scope(t->token, struct test_owner *, owner)
		bodies += bgtoken_cancel(t->other);
	KUNIT_EXPECT_EQ(test, bodies, 2);
	test_expect_no_lockdep_report(test);
}

static void enter_briefly(void *arg)
{
	struct bgtoken *token = arg;
	unsigned long flags;

	if (test_enter(token, &flags))
		test_exit(token, flags);
}

/*
 * Tokens of sites that are not told apart share a key with other locks, and lockdep does not
 * check them; it still tells which may be taken in atomic context.  This runs for MUTEX first.
 */
static void scopes_on_tokens_of_unknown_sites_are_not_checked(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct bgtoken_site unknown = { "unknown", "unknown.c", 0, UINT_MAX };
	struct bgtoken *one = __bgtoken_create(t->owner, t->kind, GFP_KERNEL, &unknown);
	struct bgtoken *two = __bgtoken_create(t->owner, t->kind, GFP_KERNEL, &unknown);
	unsigned int subclass, entered = 0;
	unsigned long flags;
	bool cancelled = false;

	if (IS_ERR(one) || IS_ERR(two)) {
		KUNIT_FAIL(test, "no memory");
		goto put;
	}
	test_scope(one, struct test_owner *, owner)
		for (subclass = 0; subclass < MAX_LOCKDEP_SUBCLASSES; subclass++)
			if (enter_nested(two, &flags, subclass)) {
				entered++;
				test_exit(two, flags);
			}
	test_scope(two, struct test_owner *, owner)
		enter_briefly(one);
	if (t->kind != BGTOKEN_MUTEX) {
		KUNIT_EXPECT_TRUE(test, test_call_in(TEST_SOFTIRQ, enter_briefly, one));
		KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ, enter_briefly, one));
	}
	test_scope(one, struct test_owner *, owner)
		cancelled = bgtoken_cancel_nested(two, MAX_LOCKDEP_SUBCLASSES - 1);
	KUNIT_EXPECT_EQ(test, entered, MAX_LOCKDEP_SUBCLASSES);
	KUNIT_EXPECT_TRUE(test, cancelled);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(one));
	test_expect_no_lockdep_report(test);
put:
	bgtoken_put(one);
	bgtoken_put(two);
}

/* Overlap */

static void scope_holder(void *arg)
{
	struct scope_test *t = arg;

	test_scope(t->token, struct test_owner *, owner)
		WRITE_ONCE(t->held, hold(t));
}

static void scope_visitor(void *arg)
{
	struct scope_test *t = arg;

	test_gate_arrive(&t->before);
	test_scope(t->token, struct test_owner *, owner)
		atomic_inc(&t->entered);
}

static void sibling_visitor(void *arg)
{
	struct scope_test *t = arg;

	test_scope(t->sibling, struct test_owner *, owner)
		atomic_inc(&t->entered);
}

static void scopes_on_a_shared_token_overlap(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int n;

	for (n = 0; n < THREADS; n++)
		start(test, scope_holder);
	/* A rendezvous: nobody leaves before all are in. */
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, THREADS));
	test_gate_open(&t->inside);
	for (n = 0; n < THREADS; n++)
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[n]));
}

static void scope_that_moves(void *arg)
{
	struct scope_test *t = arg;

	int err = set_cpus_allowed_ptr(current, cpumask_of(0));

	test_scope(t->token, struct test_owner *, owner) {
		WRITE_ONCE(t->held, hold(t));
		err = err ?: set_cpus_allowed_ptr(current, cpumask_of(1));
	}
	WRITE_ONCE(t->moved, !err);
}

/* Not where the scope began. */
static void canceller_elsewhere(void *arg)
{
	set_cpus_allowed_ptr(current, cpumask_of(1));
	canceller(arg);
}

static void scope_may_end_on_another_cpu(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_thread *moved, *thread;

	if (!IS_ENABLED(CONFIG_SMP) || !cpu_online(0) || !cpu_online(1))
		kunit_skip(test, "needs CPUs 0 and 1");
	moved = start(test, scope_that_moves);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, canceller_elsewhere);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(moved));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, t->cancelled);
	KUNIT_EXPECT_TRUE(test, t->held);
	KUNIT_EXPECT_TRUE(test, t->moved);
	if (t->kind == BGTOKEN_PERCPU) {
		KUNIT_EXPECT_EQ(test, atomic_read(per_cpu_ptr(t->token->live, 0)), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(per_cpu_ptr(t->token->live, 1)), -1);
	}
}

/* All but lockdep's and debugfs's. */
static void expect_same_words(struct kunit *test, const struct bgtoken *a,
			      const struct bgtoken *b)
{
	KUNIT_EXPECT_EQ(test, memcmp(a, b, offsetof(struct bgtoken, dep_map)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&a->timers, &b->timers, offsetofend(struct bgtoken, id) -
				     offsetof(struct bgtoken, timers)), 0);
}

/* Those that scopes on other CPUs read. */
static void percpu_scope_writes_no_word_of_the_token(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct bgtoken before, inside;

	memcpy(&before, t->token, sizeof(before));
	KUNIT_ASSERT_NOT_NULL(test, bgtoken_enter(t->token));
	memcpy(&inside, t->token, sizeof(inside));
	bgtoken_exit(t->token);
	expect_same_words(test, &before, &inside);
	expect_same_words(test, &before, t->token);
}

static void scope_waits_for_the_one_before_it(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	start(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, scope_visitor);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, thread));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), 0);
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
	KUNIT_EXPECT_TRUE(test, t->held);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), 1);
}

static void scope_does_not_wait_for_one_on_another_token(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	start(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, sibling_visitor);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), 1);
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->threads[0]));
	/* Before KUnit makes the thread for the exit. */
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
}

/* What it counts by is plain, so that one that overlaps also loses counts. */
static void overlap_counter(void *arg)
{
	struct scope_test *t = arg;
	int n;

	test_rounds(n, t->end) {
		if (test_scopes_live(t->token))
			atomic_inc(&t->met);
		test_scope(t->token, struct test_owner *, owner) {
			if (t->inside_now++)
				atomic_inc(&t->overlaps);
			t->entries++;
			/* A crowd gathers, also where there is one CPU. */
			if (t->kind == BGTOKEN_MUTEX && !(n & 63))
				usleep_range(10, 50);
			else
				udelay(1);
			t->inside_now--;
		}
		if (!(n & 63))
			cond_resched();
	}
	atomic_add(n, &t->rounds);
}

/* More threads than CPUs, but where they spin one on each. */
static void scopes_on_an_exclusive_token_never_overlap(struct kunit *test)
{
	struct scope_test *t = test->priv;
	int cpus = num_online_cpus();
	int n, threads;

	threads = t->kind == BGTOKEN_SPIN ? max(cpus, 3) : 2 * cpus + 1;
	threads = min(threads, MAX_THREADS);
	for (n = 0; n < threads; n++)
		test_thread_create(test, &t->threads[n],
				   t->kind == BGTOKEN_SPIN ? test_cpu(n) : -1);
	t->end = jiffies + HZ / 4;
	for (n = 0; n < threads; n++)
		test_thread_run(&t->threads[n], overlap_counter, t);
	for (n = 0; n < threads; n++)
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[n]));
	kunit_info(test, "%d threads, %d rounds, %d met another", threads,
		   atomic_read(&t->rounds), atomic_read(&t->met));
	KUNIT_EXPECT_GT(test, t->entries, 0);
	KUNIT_EXPECT_EQ(test, t->entries, atomic_read(&t->rounds));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->overlaps), 0);
}

static void scope_holder_who_comes_back(void *arg)
{
	struct scope_test *t = arg;

	test_scope(t->token, struct test_owner *, owner)
		WRITE_ONCE(t->held, hold(t));
	test_scope(t->token, struct test_owner *, owner)
		WRITE_ONCE(t->back, atomic_inc_return(&t->places));
}

static void first_in_line(void *arg)
{
	struct scope_test *t = arg;

	test_gate_arrive(&t->before);
	test_scope(t->token, struct test_owner *, owner)
		WRITE_ONCE(t->first, atomic_inc_return(&t->places));
}

static void second_in_line(void *arg)
{
	struct scope_test *t = arg;

	test_gate_arrive(&t->before);
	test_scope(t->token, struct test_owner *, owner)
		WRITE_ONCE(t->second, atomic_inc_return(&t->places));
}

/* Newcomers: one that is here already, and one that has just left. */
static void scope_goes_to_the_first_in_line_before_newcomers(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_thread *first, *second;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "its locks have an order of their own");
	need_cpus(test, 3);
	start(test, scope_holder_who_comes_back);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	first = start(test, first_in_line);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_until(atomic_read(&t->token->scopes) &
					   BGTOKEN_WAITER));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, first));
	second = start(test, second_in_line);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 2));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, second));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(first));
	KUNIT_EXPECT_TRUE(test, test_thread_join(second));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
	KUNIT_EXPECT_TRUE(test, t->held);
	KUNIT_EXPECT_EQ(test, t->first, 1);
	KUNIT_EXPECT_GE(test, t->second, 2);
	KUNIT_EXPECT_GE(test, t->back, 2);
}

/* What one may do in a scope */

static void scope_may_sleep_unless_it_spins(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool alive = false;

	scoped_bgtoken(t->token, struct test_owner *, owner) {
		might_sleep();
		msleep(20);
		alive = test_owner_alive(owner);
	}
	KUNIT_EXPECT_TRUE(test, alive);
}

static void spin_scope_runs_with_interrupts_off_and_restores_them(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool inside = false;

	scoped_bgtoken_irqsave(t->token, struct test_owner *, owner)
		inside = irqs_disabled();
	KUNIT_EXPECT_EQ(test, inside, !IS_ENABLED(CONFIG_PREEMPT_RT));
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
}

static void spin_scope_leaves_interrupts_off_if_they_were(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool inside = false, after;
	unsigned long flags;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "a spinlock_t sleeps, and is not for such");
	local_irq_save(flags);
	scoped_bgtoken_irqsave(t->token, struct test_owner *, owner)
		inside = irqs_disabled();
	after = irqs_disabled();
	local_irq_restore(flags);
	KUNIT_EXPECT_TRUE(test, inside);
	KUNIT_EXPECT_TRUE(test, after);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
}

static void spin_scopes_nested_restore_interrupts_at_the_outer_end(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool between = false;

	scoped_bgtoken_irqsave(t->token, struct test_owner *, owner) {
		scoped_bgtoken_irqsave(t->other, struct test_owner *, other)
			;
		between = irqs_disabled();
	}
	KUNIT_EXPECT_EQ(test, between, !IS_ENABLED(CONFIG_PREEMPT_RT));
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
}

static void spin_scope_that_is_refused_leaves_interrupts_alone(struct kunit *test)
{
	struct scope_test *t = test->priv;
	unsigned long flags;

	bgtoken_cancel(t->token);
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(t->token, flags));
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
}

/* Interrupts; with PREEMPT_RT they are on in a scope, as under a spinlock_t. */

static void visit_in_context(void *arg)
{
	struct scope_test *t = arg;

	test_scope(t->token, struct test_owner *, owner)
		if (test_owner_alive(owner))
			atomic_inc(&t->entered);
}

static void cancel_in_context(void *arg)
{
	struct scope_test *t = arg;

	t->cancelled = bgtoken_cancel(t->token);
	if (t->cancelled) {
		test_owner_free(t->owner);
		t->owner = NULL;
	}
}

static void refuse_in_context(void *arg)
{
	struct scope_test *t = arg;

	test_scope(t->token, struct test_owner *, owner)
		bgtoken_refuse(t->token);
}

static void scope_may_be_entered_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct scope_test *t = test->priv;

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, visit_in_context, t));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), 1);
}

static void scope_is_refused_after_cancel_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct scope_test *t = test->priv;

	bgtoken_cancel(t->token);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, visit_in_context, t));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), 0);
}

static void spin_token_may_be_cancelled_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct scope_test *t = test->priv;
	unsigned long flags;

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, cancel_in_context, t));
	KUNIT_EXPECT_TRUE(test, t->cancelled);
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(t->token, flags));
}

static void token_may_be_cancelled_in_a_scope_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct scope_test *t = test->priv;

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context,
					     refuse_in_context, t));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->token));
	expect_scope_over(test);
}

/* Begins when the scope is live. */
static void canceller_of_scope(void *arg)
{
	struct scope_test *t = arg;

	if (test_gate_wait(&t->inside, 1))
		t->cancelled = bgtoken_cancel(t->token);
}

static bool cancel_sleeps(struct scope_test *t)
{
	if (!bgtoken_cancelled(t->token))
		return false;
	smp_rmb();	/* pairs with the full barrier in bgtoken_refuse() */
	return READ_ONCE(t->threads[0].task->__state) & TASK_NORMAL;
}

/* Ends when the cancel sleeps, so that the exit has to wake it. */
static void outlast_cancel(void *arg)
{
	struct scope_test *t = arg;

	scoped_bgtoken(t->token, struct test_owner *, owner) {
		test_gate_arrive(&t->inside);
		t->held = test_spin_until(cancel_sleeps(t));
	}
}

static void shared_scope_wakes_the_cancel_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct scope_test *t = test->priv;

	test_own_cpu(test, 1);
	if (!test_thread_start(test, &t->threads[0], 0, canceller_of_scope, t))
		return;
	KUNIT_EXPECT_TRUE(test, test_call_on(1, param->context, outlast_cancel, t));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
	KUNIT_EXPECT_TRUE(test, t->held);
	KUNIT_EXPECT_TRUE(test, t->cancelled);
}

static void spinning_visitor(void *arg)
{
	struct scope_test *t = arg;

	while (!READ_ONCE(t->stop)) {
		scoped_bgtoken_irqsave(t->token, struct test_owner *, owner) {
			atomic_inc(&t->now_inside);
			udelay(8);
			atomic_dec(&t->now_inside);
		}
		cond_resched();
	}
}

/* On the visitor's CPU, where one who finds it inside would wait for ever. */
static void visit_and_look(void *arg)
{
	struct scope_test *t = arg;

	if (atomic_read(&t->now_inside)) {
		atomic_inc(&t->overlaps);
		return;
	}
	scoped_bgtoken_irqsave(t->token, struct test_owner *, owner)
		atomic_inc(&t->entered);
}

/* Sent from another CPU, so that an interrupt comes in the midst of a scope. */
static void spin_scope_is_not_interrupted_by_another(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct scope_test *t = test->priv;
	unsigned long end = jiffies + TEST_TIMEOUT;
	int n, spins, inside = 0;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "scopes may be interrupted, and are waited for");
	test_own_cpu(test, 1);
	test_thread_start(test, &t->threads[0], 1, spinning_visitor, t);
	KUNIT_EXPECT_TRUE(test, test_until(atomic_read(&t->now_inside)));
	for (n = 0; n < 50 || (!inside && time_before(jiffies, end)); n++) {
		for (spins = 0; spins < 1000; spins++) {
			if (atomic_read(&t->now_inside))
				break;
			cpu_relax();
		}
		inside += atomic_read(&t->now_inside);
		test_call_on(1, param->context, visit_and_look, t);
	}
	WRITE_ONCE(t->stop, true);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
	kunit_info(test, "sent %d times while it was inside", inside);
	KUNIT_EXPECT_GT(test, inside, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), n);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->overlaps), 0);
}

/* Trace events */

static void expect_live(struct scope_test *t)
{
	if (!test_scopes_live(t->token))
		atomic_inc(&t->not_live);
}

static void probe_enter(void *data, struct bgtoken *token)
{
	struct scope_test *t = data;

	if (token != t->token)
		return;
	expect_live(t);
	atomic_inc(&t->begins);
}

static void probe_exit(void *data, struct bgtoken *token)
{
	struct scope_test *t = data;

	if (token != t->token)
		return;
	expect_live(t);
	atomic_inc(&t->ends);
}

/* Nothing may end the case until untrace(). */
static void trace_or_skip(struct kunit *test)
{
	struct scope_test *t = test->priv;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_EQ(test, register_trace_bgtoken_enter(probe_enter, t), 0);
	if (register_trace_bgtoken_exit(probe_exit, t))
		KUNIT_FAIL(test, "no probe");
}

static void untrace(struct kunit *test)
{
	struct scope_test *t = test->priv;

	unregister_trace_bgtoken_enter(probe_enter, t);
	unregister_trace_bgtoken_exit(probe_exit, t);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_EQ(test, atomic_read(&t->not_live), 0);
}

/* What perf lock is told of those who wait. */
#if defined(CONFIG_TRACEPOINTS) && defined(COMPAT_TRACE_CONTENTION)
#define CAN_TRACE_CONTENTION	1
static void probe_contention_begin(void *data, void *lock, unsigned int flags)
{
	struct scope_test *t = data;

	if (lock == t->token)
		atomic_inc(&t->begins);
}

static void probe_contention_end(void *data, void *lock, int ret)
{
	struct scope_test *t = data;

	if (lock == t->token)
		atomic_inc(&t->ends);
}

static bool trace_contention(struct scope_test *t)
{
	if (register_trace_contention_begin(probe_contention_begin, t))
		return false;
	if (!register_trace_contention_end(probe_contention_end, t))
		return true;
	unregister_trace_contention_begin(probe_contention_begin, t);
	tracepoint_synchronize_unregister();
	return false;
}

static void untrace_contention(struct scope_test *t)
{
	unregister_trace_contention_begin(probe_contention_begin, t);
	unregister_trace_contention_end(probe_contention_end, t);
	tracepoint_synchronize_unregister();
}
#else
#define CAN_TRACE_CONTENTION	0
static bool trace_contention(struct scope_test *t)
{
	return false;
}

static void untrace_contention(struct scope_test *t) {}
#endif

/* While the holder is inside, @wait comes, and has to wait for the end of that scope. */
static void expect_told_of_wait(struct kunit *test, void (*wait)(void *arg))
{
	struct scope_test *t = test->priv;
	struct test_thread *thread = start(test, wait);

	KUNIT_EXPECT_TRUE(test, test_until(atomic_read(&t->begins)));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->ends), 0);
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->ends), 1);
}

static void expect_contention(struct kunit *test, void (*wait)(void *arg))
{
	struct scope_test *t = test->priv;

	need_cpus(test, 2);
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !__bgtoken_parallel(t->token))
		kunit_skip(test, "who waits does so at the line's lock");
	if (!CAN_TRACE_CONTENTION)
		kunit_skip(test, "needs the trace events of contention");
	KUNIT_ASSERT_TRUE(test, trace_contention(t));
	start(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	expect_told_of_wait(test, wait);
	untrace_contention(t);
}

static void scope_that_waits_is_told_of_as_contention(struct kunit *test)
{
	expect_contention(test, scope_visitor);
}

static void cancel_that_waits_is_told_of_as_contention(struct kunit *test)
{
	expect_contention(test, canceller);
}

/* What lockdep sees, and lockstat counts, by events that are not exported to modules. */
static struct {
	struct tracepoint *contended, *acquired, *acquire;
} lockstat;

static void lockstat_find(struct tracepoint *tracepoint, void *priv)
{
	if (!strcmp(tracepoint->name, "lock_contended"))
		lockstat.contended = tracepoint;
	else if (!strcmp(tracepoint->name, "lock_acquired"))
		lockstat.acquired = tracepoint;
	else if (!strcmp(tracepoint->name, "lock_acquire"))
		lockstat.acquire = tracepoint;
}

static void probe_contended(void *data, struct lockdep_map *lock, unsigned long ip)
{
	struct scope_test *t = data;

	if (lock == &t->token->dep_map)
		atomic_inc(&t->begins);
}

static void probe_acquired(void *data, struct lockdep_map *lock, unsigned long ip)
{
	struct scope_test *t = data;

	if (lock == &t->token->dep_map)
		atomic_inc(&t->ends);
}

static bool trace_lockstat(struct scope_test *t)
{
	for_each_kernel_tracepoint(lockstat_find, NULL);
	if (!lockstat.contended || !lockstat.acquired ||
	    tracepoint_probe_register(lockstat.contended, probe_contended, t))
		return false;
	if (!tracepoint_probe_register(lockstat.acquired, probe_acquired, t))
		return true;
	tracepoint_probe_unregister(lockstat.contended, probe_contended, t);
	return false;
}

static void untrace_lockstat(struct scope_test *t)
{
	tracepoint_probe_unregister(lockstat.contended, probe_contended, t);
	tracepoint_probe_unregister(lockstat.acquired, probe_acquired, t);
	tracepoint_synchronize_unregister();
}

static void cancel_that_waits_is_counted_by_lockstat(struct kunit *test)
{
	struct scope_test *t = test->priv;

	if (!IS_ENABLED(CONFIG_LOCK_STAT) || !IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_LOCK_STAT, and trace events");
	start(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	/* Not before: the holder has acquired it, too. */
	KUNIT_ASSERT_TRUE(test, trace_lockstat(t));
	expect_told_of_wait(test, canceller);
	untrace_lockstat(t);
}

/* Which a scope that is counted on its CPU is told of between its two looks at the token. */
static void probe_acquire(void *data, struct lockdep_map *lock, unsigned int subclass,
			  int trylock, int read, int check, struct lockdep_map *next,
			  unsigned long ip)
{
	struct scope_test *t = data;

	if (lock == &t->token->dep_map && atomic_inc_return(&t->begins) == 1)
		bgtoken_refuse(t->token);
}

static void percpu_scope_refused_as_it_begins_is_not_counted(struct kunit *test)
{
	struct scope_test *t = test->priv;
	void *owner;

	if (!IS_ENABLED(CONFIG_LOCKDEP) || !IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_LOCKDEP, and trace events");
	for_each_kernel_tracepoint(lockstat_find, NULL);
	KUNIT_ASSERT_TRUE(test, lockstat.acquire);
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(lockstat.acquire, probe_acquire, t), 0);
	owner = bgtoken_enter(t->token);
	KUNIT_EXPECT_PTR_EQ(test, owner, NULL);
	if (owner)
		bgtoken_exit(t->token);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), 1);
	KUNIT_EXPECT_EQ(test, test_scopes_live(t->token), 0);
	/* One that finds it refused does not even begin: a crowd holds no cancel up. */
	KUNIT_EXPECT_PTR_EQ(test, bgtoken_enter(t->token), NULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), 1);
	tracepoint_probe_unregister(lockstat.acquire, probe_acquire, t);
	tracepoint_synchronize_unregister();
	expect_scope_over(test);
}

static void scope_makes_an_event_as_it_begins_and_as_it_ends(struct kunit *test)
{
	struct scope_test *t = test->priv;
	unsigned long flags;
	int n;

	trace_or_skip(test);
	for (n = 1; n <= 3; n++) {
		if (test_enter(t->token, &flags)) {
			KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), n);
			KUNIT_EXPECT_EQ(test, atomic_read(&t->ends), n - 1);
			test_exit(t->token, flags);
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), n);
		KUNIT_EXPECT_EQ(test, atomic_read(&t->ends), n);
	}
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_NULL(test, test_enter(t->token, &flags));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->ends), 3);
	untrace(test);
}

/* Those in parallel overlap, the others stand in line. */
static void scope_that_comes_to_another_makes_the_same_events(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	trace_or_skip(test);
	start(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, scope_visitor);
	if (__bgtoken_parallel(t->token))
		KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	else
		KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, thread));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->ends), 2);
	untrace(test);
}

static void scope_refused_in_line_makes_no_event(struct kunit *test)
{
	struct scope_test *t = test->priv;
	struct test_thread *visitor, *thread;

	need_cpus(test, 3);
	trace_or_skip(test);
	start(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	visitor = start(test, scope_visitor);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, visitor));
	thread = start(test, canceller);
	/* On PREEMPT_RT the holder has the line's lock, for which it waits. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
	else
		KUNIT_EXPECT_TRUE(test, test_thread_join(visitor));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(visitor));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[0]));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->entered), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->begins), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->ends), 1);
	untrace(test);
}

/* The suite */

static int scope_test_init(struct kunit *test)
{
	struct scope_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->kind = test_kind_of(test);
	t->live_tokens = test_live(bgtoken_live_tokens);
	test_gate_init(&t->inside);
	test_gate_init(&t->before);
	t->owner = test_owner_create();
	t->other_owner = test_owner_create();
	t->token = own_token(t->owner, t->kind);
	t->sibling = own_token(t, t->kind);
	t->other = other_token(t->other_owner, t->kind);
	if (IS_ERR(t->token) || IS_ERR(t->sibling) || IS_ERR(t->other))
		return -ENOMEM;
	return 0;
}

static void scope_test_exit(struct kunit *test)
{
	struct scope_test *t = test->priv;
	bool over = true;
	int n;

	if (!t)
		return;
	test_gate_open(&t->inside);
	WRITE_ONCE(t->stop, true);
	for (n = 0; n < MAX_THREADS; n++)
		over &= test_thread_join(&t->threads[n]);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	if (!IS_ERR(t->token))
		bgtoken_cancel(t->token);
	if (!IS_ERR(t->other))
		bgtoken_cancel(t->other);
	bgtoken_put(t->token);
	bgtoken_put(t->sibling);
	bgtoken_put(t->other);
	test_owner_free(t->owner);
	test_owner_free(t->other_owner);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	kfree(t);
}

static const struct test_kind exclusive_kinds[] = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SPIN, "spin" },
};

static const struct test_kind sleeping_kinds[] = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
};

static const struct test_kind shared_kind[] = {
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
};

static const struct test_kind spin_kind[] = { { BGTOKEN_SPIN, "spin" } };
static const struct test_kind percpu_kind[] = { { BGTOKEN_PERCPU, "percpu" } };

KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc);
static const struct test_kind parallel_kinds[] = {
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
};

KUNIT_ARRAY_PARAM(parallel_kind, parallel_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(exclusive_kind, exclusive_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(sleeping_kind, sleeping_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(shared, shared_kind, test_kind_desc);
KUNIT_ARRAY_PARAM(spin, spin_kind, test_kind_desc);
KUNIT_ARRAY_PARAM(percpu, percpu_kind, test_kind_desc);
KUNIT_ARRAY_PARAM(context, test_contexts, test_context_desc);

static const struct test_context_param shared_contexts[] = {
	{ { BGTOKEN_SHARED }, TEST_PROCESS, "process" },
	{ { BGTOKEN_SHARED }, TEST_SOFTIRQ, "softirq" },
	{ { BGTOKEN_SHARED }, TEST_HARDIRQ, "hardirq" },
	{ { BGTOKEN_PERCPU }, TEST_PROCESS, "percpu, process" },
	{ { BGTOKEN_PERCPU }, TEST_SOFTIRQ, "percpu, softirq" },
	{ { BGTOKEN_PERCPU }, TEST_HARDIRQ, "percpu, hardirq" },
};

KUNIT_ARRAY_PARAM(shared_context, shared_contexts, test_context_desc);

/* Of the kinds that never wait, or not by sleeping. */
static const struct test_context_param kinds_in_contexts[] = {
	{ { BGTOKEN_SHARED }, TEST_PROCESS, "shared, process" },
	{ { BGTOKEN_SHARED }, TEST_SOFTIRQ, "shared, softirq" },
	{ { BGTOKEN_SHARED }, TEST_HARDIRQ, "shared, hardirq" },
	{ { BGTOKEN_PERCPU }, TEST_PROCESS, "percpu, process" },
	{ { BGTOKEN_PERCPU }, TEST_SOFTIRQ, "percpu, softirq" },
	{ { BGTOKEN_PERCPU }, TEST_HARDIRQ, "percpu, hardirq" },
	{ { BGTOKEN_SPIN }, TEST_PROCESS, "spin, process" },
	{ { BGTOKEN_SPIN }, TEST_SOFTIRQ, "spin, softirq" },
	{ { BGTOKEN_SPIN }, TEST_HARDIRQ, "spin, hardirq" },
};

KUNIT_ARRAY_PARAM(kind_in_context, kinds_in_contexts, test_context_desc);

#define KIND_CASE(name)		KUNIT_CASE_PARAM(name, test_kind_gen_params)
#define SPIN_CASE(name)		KUNIT_CASE_PARAM(name, spin_gen_params)
#define CONTEXT_CASE(name)	KUNIT_CASE_PARAM(name, context_gen_params)

static struct kunit_case scope_test_cases[] = {
	KIND_CASE(scope_enter_returns_the_owner_it_was_given),
	KIND_CASE(scope_ends_with_its_body),
	KIND_CASE(scope_ends_on_break),
	KIND_CASE(scope_ends_on_continue),
	KIND_CASE(scope_ends_on_return),
	KIND_CASE(scope_ends_on_goto),
	KIND_CASE(scope_break_and_continue_stay_in_the_loop_around_it),
	KIND_CASE(scope_body_is_not_run_when_cancelled),
	KIND_CASE(scope_can_be_entered_again_and_again),
	KIND_CASE(scope_ends_after_refuse_in_it),
	KIND_CASE(scopes_nest_on_tokens_of_two_classes),
	KIND_CASE(scopes_nest_on_tokens_of_one_class),
	KIND_CASE(scope_may_cancel_another_token_of_its_class),
	KIND_CASE(scope_may_pause_another_token_of_its_class),
	KIND_CASE(scope_on_a_cancelled_inner_token_leaves_the_outer_one),
	KUNIT_CASE_PARAM(scopes_on_a_shared_token_overlap, shared_gen_params),
	KUNIT_CASE_PARAM(scope_may_end_on_another_cpu, sleeping_kind_gen_params),
	KUNIT_CASE_PARAM(percpu_scope_refused_as_it_begins_is_not_counted, percpu_gen_params),
	KUNIT_CASE_PARAM(percpu_scope_writes_no_word_of_the_token, percpu_gen_params),
	KUNIT_CASE_PARAM(scope_in_parallel_may_begin_under_a_lock_that_it_takes,
			 parallel_kind_gen_params),
	KIND_CASE(scope_may_begin_and_be_waited_for_under_a_lock),
	KIND_CASE(scope_may_cancel_a_token_that_is_always_inside),
	KIND_CASE(scopes_on_tokens_of_unknown_sites_are_not_checked),
	KUNIT_CASE_PARAM(scope_that_waits_is_told_of_as_contention,
			 exclusive_kind_gen_params),
	KIND_CASE(cancel_that_waits_is_told_of_as_contention),
	KUNIT_CASE_PARAM(cancel_that_waits_is_counted_by_lockstat, sleeping_kind_gen_params),
	KUNIT_CASE_PARAM(scope_waits_for_the_one_before_it, exclusive_kind_gen_params),
	KIND_CASE(scope_does_not_wait_for_one_on_another_token),
	KUNIT_CASE_PARAM(scopes_on_an_exclusive_token_never_overlap,
			 exclusive_kind_gen_params),
	KUNIT_CASE_PARAM(scope_goes_to_the_first_in_line_before_newcomers,
			 exclusive_kind_gen_params),
	KUNIT_CASE_PARAM(scope_may_sleep_unless_it_spins, sleeping_kind_gen_params),
	SPIN_CASE(spin_scope_runs_with_interrupts_off_and_restores_them),
	SPIN_CASE(spin_scope_leaves_interrupts_off_if_they_were),
	SPIN_CASE(spin_scopes_nested_restore_interrupts_at_the_outer_end),
	SPIN_CASE(spin_scope_that_is_refused_leaves_interrupts_alone),
	KUNIT_CASE_PARAM(scope_may_be_entered_in_any_context,
			 kind_in_context_gen_params),
	KUNIT_CASE_PARAM(scope_is_refused_after_cancel_in_any_context,
			 kind_in_context_gen_params),
	KUNIT_CASE_PARAM(token_may_be_cancelled_in_a_scope_in_any_context,
			 kind_in_context_gen_params),
	KUNIT_CASE_PARAM(shared_scope_wakes_the_cancel_in_any_context,
			 shared_context_gen_params),
	CONTEXT_CASE(spin_token_may_be_cancelled_in_any_context),
	CONTEXT_CASE(spin_scope_is_not_interrupted_by_another),
	KIND_CASE(scope_makes_an_event_as_it_begins_and_as_it_ends),
	KIND_CASE(scope_that_comes_to_another_makes_the_same_events),
	KUNIT_CASE_PARAM(scope_refused_in_line_makes_no_event,
			 exclusive_kind_gen_params),
	{}
};

static struct kunit_suite scope_test_suite = {
	.name = "bgtoken_scope",
	.init = scope_test_init,
	.exit = scope_test_exit,
	.test_cases = scope_test_cases,
};

kunit_test_suite(scope_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: scopes");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
