// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tokens: life cycle, cancel, sleepers, devices.
 *
 * Each case is named by the sentence that it proves.  Where it holds for all
 * kinds it is run for all kinds.  A case that spins with interrupts off binds
 * its threads to CPUs of their own, and itself to the first.
 *
 * Each case ends by looking whether a cancel returned while a scope was live.
 */
#include <linux/cpu.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include "test_freeze.h"
#include "test_gate.h"

#define CROWD		16
#define SHARERS		4

struct token_test {
	enum bgtoken_kind kind;
	struct test_owner *owner;	/* freed by whoever cancels */
	struct bgtoken *token;
	struct bgtoken *other;		/* of the same class; or NULL */
	struct test_gate inside;	/* holds who is in a scope */
	struct test_gate outside;	/* holds who has left one */
	struct test_gate before;	/* counts who is about to act */
	struct test_gate each[SHARERS];	/* as inside, one for each holder */
	struct test_thread holder;
	struct test_thread threads[CROWD];
	int started;
	bool bound;			/* the threads, to CPUs */
	bool refuse;		/* the holder does, inside */
	bool in_scope;			/* the holder got in, and met the owner */
	atomic_t live;			/* scopes, as far as their bodies go */
	atomic_t too_early;		/* cancels that returned before that was 0 */
	atomic_t sharers;
	atomic_t got_in;
	atomic_t cancels;		/* how many were true */
	long timeout, left;		/* bgtoken_sleep()'s */
	bool signalled;			/* the sleeper, as it woke */
	struct platform_device *pdev;
	bool freed_cancelled;		/* the token, when its owner was freed */
	long live_tokens;
};

/* What a driver that is built in, too, may do before device_initcall(). */
#ifndef MODULE
static bool used_early;

static int __init use_early(void)
{
	struct bgtoken *token = bgtoken_create(&used_early, BGTOKEN_MUTEX, GFP_KERNEL);

	if (IS_ERR(token))
		return 0;
	bgtoken_wake(token);
	bgtoken_pause(token);
	bgtoken_resume(token);
	bgtoken_cancel(token);
	bgtoken_put(token);
	used_early = true;
	return 0;
}
postcore_initcall(use_early);
#endif

/* Threads */

static bool hold_at(struct token_test *t, struct test_gate *gate)
{
	return t->kind == BGTOKEN_SPIN ? test_gate_spin(gate) : test_gate_pass(gate);
}

static bool hold(struct token_test *t)
{
	return hold_at(t, &t->inside);
}

static struct test_owner *enter(struct token_test *t, unsigned long *flags)
{
	struct test_owner *owner = test_enter(t->token, flags);

	if (owner)
		atomic_inc(&t->live);
	return owner;
}

/* Without a barrier: what a scope did is seen by who has cancelled. */
static void leave(struct token_test *t, unsigned long flags)
{
	atomic_dec(&t->live);
	test_exit(t->token, flags);
}

static void look_if_too_early(struct token_test *t)
{
	if (atomic_read(&t->live))
		atomic_inc(&t->too_early);
}

static void scope_holder(void *arg)
{
	struct token_test *t = arg;
	unsigned long flags;
	struct test_owner *owner = enter(t, &flags);

	if (!owner)
		return;
	if (t->refuse)
		bgtoken_refuse(t->token);
	WRITE_ONCE(t->in_scope, hold(t) && test_owner_alive(owner));
	leave(t, flags);
}

/* Is held, cancels, and is held again. */
static void scope_canceller(void *arg)
{
	struct token_test *t = arg;
	unsigned long flags;
	struct test_owner *owner = enter(t, &flags);

	if (!owner)
		return;
	hold(t);
	bgtoken_refuse(t->token);
	WRITE_ONCE(t->in_scope,
		   hold_at(t, &t->outside) && test_owner_alive(owner));
	leave(t, flags);
}

/* Each is held at a gate of its own, in the order in which they were started. */
static void scope_sharer(void *arg)
{
	struct token_test *t = arg;
	int n = atomic_inc_return(&t->sharers) - 1;
	unsigned long flags;
	struct test_owner *owner = enter(t, &flags);

	if (!owner)
		return;
	test_gate_arrive(&t->inside);
	if (test_gate_pass(&t->each[n]) && test_owner_alive(owner))
		atomic_inc(&t->got_in);
	leave(t, flags);
}

static void scope_leaver(void *arg)
{
	struct token_test *t = arg;
	unsigned long flags;
	struct test_owner *owner = enter(t, &flags);

	if (!owner)
		return;
	WRITE_ONCE(t->in_scope, test_owner_alive(owner));
	leave(t, flags);
	test_gate_pass(&t->outside);
}

/* No grace period ends while it is held, outside its scope. */
static void scope_leaver_in_rcu(void *arg)
{
	struct token_test *t = arg;
	unsigned long flags;
	struct test_owner *owner = enter(t, &flags);

	if (!owner)
		return;
	WRITE_ONCE(t->in_scope, test_owner_alive(owner));
	leave(t, flags);
	rcu_read_lock();
	test_gate_spin(&t->outside);
	rcu_read_unlock();
}

static void other_scope_holder(void *arg)
{
	struct token_test *t = arg;

	test_scope(t->other, struct token_test *, owner)
		WRITE_ONCE(t->in_scope, hold(t));
}

static void scope_visitor(void *arg)
{
	struct token_test *t = arg;
	struct test_owner *owner;
	unsigned long flags;

	test_gate_arrive(&t->before);
	owner = enter(t, &flags);
	if (!owner)
		return;
	atomic_inc(&t->got_in);
	leave(t, flags);
}

/* As an owner does it: cancel, and if that was the one, free at once. */
static void canceller(void *arg)
{
	struct token_test *t = arg;

	bool first;

	test_gate_arrive(&t->before);
	first = bgtoken_cancel(t->token);
	look_if_too_early(t);
	if (first) {
		test_owner_free(t->owner);
		t->owner = NULL;
		atomic_inc(&t->cancels);
	}
}

static void sleeper(void *arg)
{
	struct token_test *t = arg;

	test_gate_arrive(&t->before);
	WRITE_ONCE(t->left, bgtoken_sleep(t->token, t->timeout));
}

static void sleeper_in_scope(void *arg)
{
	struct token_test *t = arg;
	unsigned long flags;
	struct test_owner *owner = enter(t, &flags);

	if (!owner)
		return;
	test_gate_arrive(&t->before);
	WRITE_ONCE(t->left, bgtoken_sleep(t->token, t->timeout));
	WRITE_ONCE(t->in_scope, test_owner_alive(owner));
	leave(t, flags);
}

static void unbinder(void *arg)
{
	struct token_test *t = arg;
	struct platform_device *pdev = t->pdev;

	t->pdev = NULL;
	platform_device_unregister(pdev);
}

static void run_thread(struct kunit *test, struct test_thread *thread,
		       void (*fn)(void *arg))
{
	struct token_test *t = test->priv;

	if (!t->bound)
		test_thread_create(test, thread, -1);
	test_thread_run(thread, fn, t);
}

static void start_holder(struct kunit *test, void (*fn)(void *arg))
{
	struct token_test *t = test->priv;

	run_thread(test, &t->holder, fn);
}

static struct test_thread *start(struct kunit *test, void (*fn)(void *arg))
{
	struct token_test *t = test->priv;
	struct test_thread *thread = &t->threads[t->started++];

	run_thread(test, thread, fn);
	return thread;
}

/* Before anything is started: a CPU for each of the others. */
static void bind_to_cpus(struct kunit *test, int others)
{
	struct token_test *t = test->priv;
	int n;

	test_own_cpu(test, others);
	t->bound = true;
	test_thread_create(test, &t->holder, 1);
	for (n = 0; n < others - 1; n++)
		test_thread_create(test, &t->threads[n], 2 + n);
}

/* The same, where scopes spin. */
static void need_cpus(struct kunit *test, int others)
{
	struct token_test *t = test->priv;

	if (t->kind == BGTOKEN_SPIN)
		bind_to_cpus(test, others);
}

/* Life cycle */

static void token_create_gives_one_reference(struct kunit *test)
{
	struct token_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 1U);
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
}

static void token_may_be_used_before_devices_are_probed(struct kunit *test)
{
#ifdef MODULE
	kunit_skip(test, "only if this suite is built in");
#else
	KUNIT_EXPECT_TRUE(test, used_early);
#endif
}

static void token_get_and_put_count_references(struct kunit *test)
{
	struct token_test *t = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, bgtoken_get(t->token), t->token);
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 2U);
	bgtoken_put(t->token);
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 1U);
}

static void token_is_freed_by_its_last_put(struct kunit *test)
{
	struct token_test *t = test->priv;
	long live = test_live(bgtoken_live_tokens);
	struct bgtoken *token;

	token = test_token_create(t->owner, t->kind);
	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	bgtoken_get(token);
	KUNIT_EXPECT_EQ(test, test_live(bgtoken_live_tokens), live + 1);
	bgtoken_put(token);
	KUNIT_EXPECT_EQ(test, test_live(bgtoken_live_tokens), live + 1);
	bgtoken_put(token);
	test_nothing_left(test, bgtoken_live_tokens, live);
}

static void token_reference_outlives_the_creators_put(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct bgtoken *token = bgtoken_get(t->token);
	struct test_owner *owner;
	unsigned long flags;

	bgtoken_put(t->token);
	owner = test_enter(token, &flags);
	if (owner)
		test_exit(token, flags);
	KUNIT_EXPECT_PTR_EQ(test, owner, t->owner);
}

static void token_last_put_needs_no_cancel_and_leaves_the_owner(struct kunit *test)
{
	struct token_test *t = test->priv;

	bgtoken_put(t->token);
	t->token = NULL;
	KUNIT_EXPECT_TRUE(test, test_owner_alive(t->owner));
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
}

static void token_put_lets_null_and_errors_pass(struct kunit *test)
{
	bgtoken_put(NULL);
	bgtoken_put(ERR_PTR(-ENOMEM));
}

static void token_refuses_a_null_owner(struct kunit *test)
{
	struct bgtoken *token = test_token_create(NULL, test_kind_of(test));

	KUNIT_EXPECT_EQ(test, PTR_ERR(token), (long)-EINVAL);
}

static void token_refuses_an_unknown_kind(struct kunit *test)
{
	struct token_test *t = test->priv;
	enum bgtoken_kind kind = BGTOKEN_KINDS;
	struct bgtoken *token;

	token = bgtoken_create(t->owner, kind, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(token), (long)-EINVAL);
	kind = -1;
	token = bgtoken_create(t->owner, kind, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(token), (long)-EINVAL);
	kind = 0x100;	/* BGTOKEN_MUTEX, to who looks at one byte of it */
	token = bgtoken_create(t->owner, kind, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(token), (long)-EINVAL);
}

static void token_reference_ends_with_its_block(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct bgtoken *token = test_token_create(t->owner, t->kind);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	{
		struct bgtoken *held __free(bgtoken_put) = bgtoken_get(token);

		KUNIT_EXPECT_EQ(test, kref_read(&held->kref), 2U);
	}
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);
	bgtoken_put(token);
}

static void token_create_without_memory_is_enomem(struct kunit *test)
{
	struct token_test *t = test->priv;
	enum bgtoken_kind kind = t->kind;
	struct bgtoken *token;
	bool failed;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "needs CONFIG_FAILSLAB");
	test_fail_alloc(1);
	token = bgtoken_create(t->owner, kind, GFP_NOWAIT | __GFP_NOWARN);
	failed = test_fail_stop();
	KUNIT_EXPECT_TRUE(test, failed);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(token), (long)-ENOMEM);
	bgtoken_put(token);
}

#define MOST_TOKENS	65536	/* 256 kB of counters for each CPU */

/*
 * An atomic allocation gets only memory for each CPU that is already there, and a work brings
 * more, which does not run on this CPU meanwhile.
 */
static void token_create_without_percpu_memory_is_enomem(struct kunit *test)
{
	struct token_test *t = test->priv;
	const gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	struct bgtoken *token = NULL, *other;
	struct bgtoken **tokens;
	int n = 0;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "needs kmalloc() with preemption off");
	tokens = kvcalloc(MOST_TOKENS, sizeof(*tokens), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, tokens);
	preempt_disable();
	while (n < MOST_TOKENS) {
		token = bgtoken_create(t->owner, BGTOKEN_PERCPU, gfp);
		if (IS_ERR(token))
			break;
		tokens[n++] = token;
		if (!token->live)
			break;
	}
	other = bgtoken_create(t->owner, BGTOKEN_SHARED, gfp);	/* there is other memory */
	preempt_enable();
	KUNIT_EXPECT_EQ(test, PTR_ERR(token), (long)-ENOMEM);
	KUNIT_EXPECT_FALSE(test, IS_ERR(other));
	bgtoken_put(other);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens + 1 + n);
	while (n)
		bgtoken_put(tokens[--n]);
	kvfree(tokens);
}

#ifdef CONFIG_LOCKDEP
/* As if it came from a module that goes when it has made the token. */
static struct bgtoken *create_from_passing_site(struct token_test *t, int line)
{
	struct bgtoken_site *site = kzalloc(sizeof(*site), GFP_KERNEL);
	char *name = kstrdup("bgtoken:passing", GFP_KERNEL);
	char *file = kstrdup("passing.c", GFP_KERNEL);
	struct bgtoken *token = ERR_PTR(-ENOMEM);

	if (site && name && file) {
		*site = (struct bgtoken_site){ name, file, line };
		token = __bgtoken_create(t->owner, t->kind, GFP_KERNEL, site);
		memset(name, 'x', strlen(name));
		memset(file, 'x', strlen(file));
		memset(site, 0, sizeof(*site));
	}
	kfree(name);
	kfree(file);
	kfree(site);
	return token;
}
#endif

static void token_keeps_its_lockdep_class_when_its_creator_is_gone(struct kunit *test)
{
#ifdef CONFIG_LOCKDEP
	struct token_test *t = test->priv;
	struct bgtoken *token = create_from_passing_site(t, 1);
	struct bgtoken *same = create_from_passing_site(t, 1);
	struct bgtoken *other = create_from_passing_site(t, 2);
	unsigned long flags;

	KUNIT_EXPECT_FALSE(test, IS_ERR(token) || IS_ERR(same) || IS_ERR(other));
	if (!IS_ERR(token) && !IS_ERR(same) && !IS_ERR(other)) {
		KUNIT_EXPECT_STREQ(test, token->dep_map.name, "bgtoken:passing, passing.c:1");
		KUNIT_EXPECT_PTR_EQ(test, same->dep_map.key, token->dep_map.key);
		KUNIT_EXPECT_PTR_NE(test, other->dep_map.key, token->dep_map.key);
		KUNIT_EXPECT_PTR_EQ(test, test_enter(token, &flags), (void *)t->owner);
		test_exit(token, flags);
		KUNIT_EXPECT_TRUE(test, bgtoken_cancel(token));
		KUNIT_EXPECT_FALSE(test, bgtoken_cancel(token));
	}
	bgtoken_put(token);
	bgtoken_put(same);
	bgtoken_put(other);
#else
	kunit_skip(test, "needs CONFIG_LOCKDEP");
#endif
}

static void token_has_an_id_that_is_not_used_again(struct kunit *test)
{
	struct token_test *t = test->priv;
	u64 last = t->token->id;
	int i;

	/* One after the other, most often in the memory of the one before. */
	for (i = 0; i < 100; i++) {
		struct bgtoken *token = test_token_create(t->owner, t->kind);

		if (IS_ERR(token)) {
			KUNIT_FAIL(test, "no memory");
			break;
		}
		KUNIT_EXPECT_NE(test, token->id, last);
		KUNIT_EXPECT_NE(test, token->id, t->token->id);
		last = token->id;
		bgtoken_put(token);
	}
	KUNIT_EXPECT_EQ(test, i, 100);
}

/* Cancel */

static void token_cancel_is_true_once_and_false_afterwards(struct kunit *test)
{
	struct token_test *t = test->priv;

	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancel(t->token));
}

static void token_cancel_of_many_callers_is_true_for_one(struct kunit *test)
{
	struct token_test *t = test->priv;
	int n;

	need_cpus(test, 3);
	/* Held back by a live scope, so that they all come at once. */
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	for (n = 0; n < (t->kind == BGTOKEN_SPIN ? 2 : CROWD); n++)
		start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, n));
	test_gate_open(&t->inside);
	while (n--)
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[n]));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

static void token_is_cancelled_from_the_cancel_on(struct kunit *test)
{
	struct token_test *t = test->priv;

	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->token));
}

static void token_gives_no_owner_after_cancel(struct kunit *test)
{
	struct token_test *t = test->priv;
	unsigned long flags;

	bgtoken_cancel(t->token);
	KUNIT_EXPECT_NULL(test, test_enter(t->token, &flags));
	if (t->kind == BGTOKEN_SPIN)
		KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave_nested(t->token, flags, 1));
	else
		KUNIT_EXPECT_NULL(test, bgtoken_enter_nested(t->token, 1));
	KUNIT_EXPECT_NULL(test, READ_ONCE(t->token->owner));
}

/* The canceller waits for the holder, and for nothing once that has left. */
static void expect_waits_for_holder(struct kunit *test, struct test_thread *thread)
{
	struct token_test *t = test->priv;

	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, thread));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->token));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(thread));

	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

static void token_cancel_waits_for_a_live_scope(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	expect_waits_for_holder(test, thread);
}

static void canceller_with_signals(void *arg)
{
	allow_signal(SIGUSR1);
	allow_signal(SIGKILL);
	canceller(arg);
	flush_signals(current);
}

static void token_cancel_is_not_disturbed_by_signals(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, canceller_with_signals);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, thread));
	if (!IS_ERR_OR_NULL(thread->task)) {
		send_sig(SIGUSR1, thread->task, 1);
		send_sig(SIGKILL, thread->task, 1);
	}
	expect_waits_for_holder(test, thread);
}

/* Where it was counted, nobody counts any more. */
static void token_cancel_waits_for_a_scope_that_began_on_a_cpu_that_is_off(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	struct token_test *t = test->priv;
	int cpu = num_online_cpus() - 1;
	struct test_thread *thread;
	bool off;

	test_own_cpu(test, 2);
	if (!cpu_online(cpu))
		kunit_skip(test, "needs CPUs without gaps");
	test_thread_create(test, &t->holder, cpu);
	test_thread_run(&t->holder, scope_holder, t);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	off = !remove_cpu(cpu);
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	expect_waits_for_holder(test, thread);
	if (!off)
		kunit_skip(test, "the CPU cannot be taken off");
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
#else
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
#endif
}

static void token_second_canceller_waits_for_the_live_scope_too(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *first, *second;

	need_cpus(test, 3);
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	first = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, first));
	second = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 2));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, second));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(first));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(second));

	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(first));
	KUNIT_EXPECT_TRUE(test, test_thread_join(second));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

static void token_cancel_after_refuse_waits_and_is_true(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	t->refuse = true;
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->token));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	expect_waits_for_holder(test, thread);
}

static void token_refuse_leaves_the_live_scope_its_owner(struct kunit *test)
{
	struct token_test *t = test->priv;
	unsigned long flags;
	bool alive = false;

	test_scope(t->token, struct test_owner *, owner) {
		bgtoken_refuse(t->token);
		bgtoken_refuse(t->token);
		alive = test_owner_alive(owner);
	}
	KUNIT_EXPECT_TRUE(test, alive);
	KUNIT_EXPECT_NULL(test, test_enter(t->token, &flags));
}

static void token_enter_on_a_cancelled_token_does_not_wait(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	t->refuse = true;
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, scope_visitor);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->holder));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->got_in), 0);
	/* Before KUnit makes the thread for the exit. */
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
}

static void token_cancel_does_not_wait_for_code_outside_scopes(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	start_holder(test, scope_leaver);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->outside, 1));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->holder));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
	KUNIT_EXPECT_TRUE(test, t->in_scope);
}

static void token_cancel_does_not_wait_for_another_tokens_scope(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	need_cpus(test, 2);
	t->other = test_token_create(t, t->kind);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->other));
	start_holder(test, other_scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->holder));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->other));
	/* Before KUnit makes the thread for the exit. */
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
}

/* By a holder that is outside, and keeps each grace period from its end. */
static void expect_no_wait_for_rcu(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	start_holder(test, scope_leaver_in_rcu);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->outside, 1));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->holder));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
	test_gate_open(&t->outside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
}

static void token_cancel_does_not_wait_for_a_grace_period(struct kunit *test)
{
	bind_to_cpus(test, 2);
	expect_no_wait_for_rcu(test);
}

static void token_cancel_with_a_sleeper_does_not_wait_for_a_grace_period(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *asleep;

	bind_to_cpus(test, 3);
	t->timeout = AN_HOUR;
	asleep = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(asleep));
	expect_no_wait_for_rcu(test);
	KUNIT_EXPECT_TRUE(test, test_thread_join(asleep));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
}

/* Shared scopes have no crowd at the lock: they all get in. */
static const struct test_kind exclusive_kinds[] = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SPIN, "spin" },
};

/* PREEMPT_RT has each of them take the lock, to hand its priority down. */
static void expect_crowd_leaves(struct kunit *test, int crowd)
{
	struct token_test *t = test->priv;
	int n;

	for (n = 0; n < crowd; n++)
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[n]));
}

static void token_crowd_at_the_lock_cannot_delay_a_cancel(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;
	int n, crowd = CROWD - 1;

	need_cpus(test, 3);
	if (t->kind == BGTOKEN_SPIN)
		crowd = 1;
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	for (n = 0; n < crowd; n++)
		start(test, scope_visitor);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, crowd));
	for (n = 0; n < crowd; n++)
		KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->threads[n]));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, crowd + 1));
	KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, thread));
	/* The crowd is refused while the scope goes on. */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT)) {
		expect_crowd_leaves(test, crowd);
		KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->holder));
		KUNIT_EXPECT_FALSE(test, test_thread_returned(thread));
	}

	test_gate_open(&t->inside);
	expect_crowd_leaves(test, crowd);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->got_in), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

static void token_crowd_is_refused_by_refuse_while_the_scope_goes_on(struct kunit *test)
{
	struct token_test *t = test->priv;
	int n, crowd = t->kind == BGTOKEN_SPIN ? 2 : CROWD;

	need_cpus(test, 3);
	start_holder(test, scope_canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	for (n = 0; n < crowd; n++)
		start(test, scope_visitor);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, crowd));
	for (n = 0; n < crowd; n++)
		KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->threads[n]));
	test_gate_open(&t->inside);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT)) {
		expect_crowd_leaves(test, crowd);
		KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->holder));
	} else {		/* they wait for a lock */
		KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
		for (n = 0; n < crowd; n++)
			KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->threads[n]));
	}
	/* Before KUnit makes the thread for the exit. */
	test_gate_open(&t->outside);
	expect_crowd_leaves(test, crowd);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->got_in), 0);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
}

static const struct test_kind shared_kind[] = {
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
};

static void token_cancel_waits_for_every_shared_scope(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	start_holder(test, scope_holder);
	start(test, scope_holder);
	start(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 3));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, thread));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

static void token_cancel_is_woken_by_the_last_shared_scope_to_leave(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;
	int n;

	for (n = 0; n < SHARERS; n++) {
		start(test, scope_sharer);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, n + 1));
	}
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	for (n = 0; n < SHARERS; n++) {
		KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
		KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 0);
		test_gate_open(&t->each[n]);
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[n]));
	}
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->got_in), SHARERS);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

/* What does not wait works where one cannot: in an interrupt. */
static void create_get_put_cancelled(void *arg)
{
	struct token_test *t = arg;
	enum bgtoken_kind kind = t->kind;
	struct bgtoken *token;

	bgtoken_get(t->token);
	if (!bgtoken_cancelled(t->token))
		test_gate_arrive(&t->before);
	bgtoken_put(t->token);
	token = bgtoken_create(t->owner, kind, GFP_ATOMIC);
	if (!IS_ERR(token))
		test_gate_arrive(&t->before);
	bgtoken_put(token);
}

static void token_create_get_put_and_cancelled_never_wait(struct kunit *test)
{
	struct token_test *t = test->priv;

	need_cpus(test, 1);
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_HARDIRQ,
					     create_get_put_cancelled, t));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->before), 2);
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&t->holder));
	/* Before KUnit makes the thread for the exit. */
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
}

/* What may be done in any context */

static const struct test_context_param kinds_in_contexts[] = {
	{ { BGTOKEN_MUTEX }, TEST_PROCESS, "mutex, process" },
	{ { BGTOKEN_MUTEX }, TEST_SOFTIRQ, "mutex, softirq" },
	{ { BGTOKEN_MUTEX }, TEST_HARDIRQ, "mutex, hardirq" },
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

static void put_it(void *arg)
{
	bgtoken_put(arg);
}

static void token_last_put_may_come_from_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct token_test *t = test->priv;
	struct bgtoken *token = t->token;

	bgtoken_cancel(token);
	t->token = NULL;
	if (!test_call_in(param->context, put_it, token)) {
		bgtoken_put(token);
		KUNIT_FAIL(test, "no memory");
	}
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
}

static void refuse_it(void *arg)
{
	bgtoken_refuse(arg);
}

/* It wakes who sleeps, and leaves the owner to the cancel. */
static void token_may_be_refused_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct token_test *t = test->priv;
	struct test_thread *thread;
	unsigned long flags;

	t->timeout = AN_HOUR;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, refuse_it, t->token));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->token));
	KUNIT_EXPECT_NULL(test, test_enter(t->token, &flags));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
	KUNIT_EXPECT_PTR_EQ(test, t->token->owner, (void *)t->owner);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
}

/* Sleepers */

static void token_sleeper_is_woken_by_cancel_with_time_left(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	t->timeout = AN_HOUR;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
	KUNIT_EXPECT_LE(test, t->left, AN_HOUR);
}

static void token_sleeper_without_a_limit_is_woken_by_cancel(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	t->timeout = MAX_SCHEDULE_TIMEOUT;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_GE(test, t->left, 1L);
}

static void token_sleeper_is_woken_by_refuse(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	t->timeout = AN_HOUR;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	test_scope(t->token, struct test_owner *, owner)
		bgtoken_refuse(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
}

static void token_sleepers_are_all_woken(struct kunit *test)
{
	struct token_test *t = test->priv;
	int n;

	t->timeout = AN_HOUR;
	for (n = 0; n < 4; n++)
		start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 4));
	for (n = 0; n < 4; n++)
		KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->threads[n]));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	for (n = 0; n < 4; n++)
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->threads[n]));
}

static void token_sleeper_sleeps_on_when_another_token_is_cancelled(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	t->other = test_token_create(t, t->kind);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->other));
	t->timeout = AN_HOUR;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->other));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(thread));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
}

/* Even one that would kill it. */
static void signalled_sleeper(void *arg)
{
	struct token_test *t = arg;

	allow_signal(SIGKILL);
	allow_signal(SIGUSR1);
	sleeper(t);
	WRITE_ONCE(t->signalled, signal_pending(current));
	flush_signals(current);
}

static void token_sleeper_is_not_disturbed_by_signals(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	t->timeout = AN_HOUR;
	thread = start(test, signalled_sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	if (thread->task) {
		send_sig(SIGUSR1, thread->task, 1);
		send_sig(SIGKILL, thread->task, 1);
	}
	/* A sleeper they had woken would have returned. */
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(thread));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
	KUNIT_EXPECT_TRUE(test, t->signalled);
}

/* The freezer looks at a sleeper's state. */
static void token_sleeper_may_be_frozen(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	t->timeout = AN_HOUR;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	if (thread->task)
		KUNIT_EXPECT_TRUE(test, READ_ONCE(thread->task->__state) &
				  TASK_FREEZABLE);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
}

static void freezable_sleeper(void *arg)
{
	set_freezable();
	sleeper(arg);
}

static void cancel(void *token)
{
	bgtoken_cancel(token);
}

static void token_sleeper_that_is_frozen_returns_after_the_thaw(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	test_need_freezer(test);
	t->timeout = AN_HOUR;
	thread = start(test, freezable_sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	test_thread_frozen_while(test, thread, cancel, t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
}

/* As the scheduler has it, once the sleeper has left its CPU. */
static void token_sleeper_is_not_counted_as_load(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	t->timeout = AN_HOUR;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(thread));
	if (thread->task) {
		KUNIT_EXPECT_TRUE(test, test_until(!READ_ONCE(thread->task->on_rq)));
		KUNIT_EXPECT_FALSE(test, thread->task->sched_contributes_to_load);
	}
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
}

static void token_sleep_times_out_with_zero(struct kunit *test)
{
	struct token_test *t = test->priv;
	unsigned long before = jiffies;

	KUNIT_EXPECT_EQ(test, bgtoken_sleep(t->token, 3), 0L);
	KUNIT_EXPECT_TRUE(test, time_after_eq(jiffies, before + 3));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
}

static void token_sleep_of_no_time_is_zero_at_once(struct kunit *test)
{
	struct token_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, bgtoken_sleep(t->token, 0), 0L);
	KUNIT_EXPECT_EQ(test, bgtoken_sleep(t->token, -1), 0L);
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_EQ(test, bgtoken_sleep(t->token, 0), 0L);
}

static void token_sleep_on_a_cancelled_token_returns_at_once(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	bgtoken_cancel(t->token);
	t->timeout = AN_HOUR;
	thread = start(test, sleeper);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
}

static const struct test_kind sleeping_kinds[] = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
};

static void token_sleeper_inside_a_scope_is_woken_and_cancel_returns(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *asleep, *thread;

	t->timeout = AN_HOUR;
	asleep = start(test, sleeper_in_scope);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->before, 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(asleep));
	thread = start(test, canceller);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(asleep));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
	KUNIT_EXPECT_TRUE(test, t->in_scope);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

/* Devices */

static void device_frees_owner(void *arg)
{
	struct token_test *t = arg;

	t->freed_cancelled = bgtoken_cancelled(t->token);
	look_if_too_early(t);
	test_owner_free(t->owner);
	t->owner = NULL;
}

/* As test_token_create(): a class for each kind. */
static struct bgtoken *device_token(struct device *dev, void *owner,
				    enum bgtoken_kind kind)
{
	switch (kind) {
	case BGTOKEN_MUTEX:
		return devm_bgtoken_create(dev, owner, BGTOKEN_MUTEX);
	case BGTOKEN_SHARED:
		return devm_bgtoken_create(dev, owner, BGTOKEN_SHARED);
	case BGTOKEN_SPIN:
		return devm_bgtoken_create(dev, owner, BGTOKEN_SPIN);
	case BGTOKEN_PERCPU:
		return devm_bgtoken_create(dev, owner, BGTOKEN_PERCPU);
	}
	return ERR_PTR(-EINVAL);
}

/* The token is the device's; the test keeps a reference of its own. */
static int device_probe(struct platform_device *pdev)
{
	struct token_test *t = *(struct token_test **)dev_get_platdata(&pdev->dev);
	struct bgtoken *token;
	int err;

	err = devm_add_action(&pdev->dev, device_frees_owner, t);
	if (err)
		return err;
	token = device_token(&pdev->dev, t->owner, t->kind);
	if (IS_ERR(token))
		return PTR_ERR(token);
	bgtoken_put(t->token);
	t->token = bgtoken_get(token);
	return 0;
}

static struct platform_driver device_driver = {
	.probe = device_probe,
	.driver = { .name = "bgtoken_test" },
};

static void bind_device(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct bgtoken *before = t->token;

	t->pdev = platform_device_register_data(NULL, "bgtoken_test",
						PLATFORM_DEVID_NONE, &t, sizeof(t));
	if (IS_ERR(t->pdev)) {
		t->pdev = NULL;
		KUNIT_FAIL(test, "no device");
	}
	KUNIT_EXPECT_PTR_NE(test, t->token, before);
}

static void token_of_a_device_is_cancelled_on_unbind(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	bind_device(test);
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 2U);
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
	thread = start(test, unbinder);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancelled(t->token));
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 1U);
}

static void token_of_a_device_is_cancelled_before_its_owner_is_freed(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	bind_device(test);
	thread = start(test, unbinder);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_NULL(test, t->owner);
	KUNIT_EXPECT_TRUE(test, t->freed_cancelled);
}

/* Not while one spins: the driver core, too, wants all CPUs now and then. */
static void token_of_a_device_makes_unbind_wait_for_a_live_scope(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_thread *thread;

	bind_device(test);
	start_holder(test, scope_holder);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	thread = start(test, unbinder);
	KUNIT_EXPECT_TRUE(test, test_until(bgtoken_cancelled(t->token)));
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(thread));
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->holder));
	KUNIT_EXPECT_TRUE(test, t->in_scope);
}

static void token_of_a_device_needs_an_owner(struct kunit *test)
{
	struct token_test *t = test->priv;
	struct test_owner *owner = t->owner;

	t->owner = NULL;
	t->pdev = platform_device_register_data(NULL, "bgtoken_test",
						PLATFORM_DEVID_NONE, &t, sizeof(t));
	KUNIT_EXPECT_FALSE(test, IS_ERR(t->pdev));
	/* Its probe has failed: there is no driver on it, and no token. */
	if (!IS_ERR(t->pdev)) {
		KUNIT_EXPECT_NULL(test, t->pdev->dev.driver);
		platform_device_unregister(t->pdev);
	}
	t->pdev = NULL;
	t->owner = owner;
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
}

/* Of the token, and of the device's own record of it. */
static void token_of_a_device_without_memory_is_enomem(struct kunit *test)
{
	struct token_test *t = test->priv;
	long live = test_live(bgtoken_live_tokens);

	test_managed_without_memory(test, dev, devm_bgtoken_create(dev, t->owner, t->kind), 2);
	KUNIT_EXPECT_TRUE(test, test_owner_alive(t->owner));
	test_nothing_left(test, bgtoken_live_tokens, live);
}

/* The suite */

static int token_test_init(struct kunit *test)
{
	struct token_test *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int n;

	if (!t)
		return -ENOMEM;
	t->kind = test_kind_of(test);
	t->live_tokens = test_live(bgtoken_live_tokens);
	t->owner = test_owner_create();
	t->token = test_token_create(t->owner, t->kind);
	if (IS_ERR(t->token)) {
		kfree(t->owner);
		kfree(t);
		return -ENOMEM;
	}
	test_gate_init(&t->inside);
	test_gate_init(&t->outside);
	test_gate_init(&t->before);
	for (n = 0; n < SHARERS; n++)
		test_gate_init(&t->each[n]);
	test->priv = t;
	return 0;
}

/* Also after a failed assertion, so nothing is taken to be as the case ends. */
static void token_test_exit(struct kunit *test)
{
	struct token_test *t = test->priv;
	bool over;
	int n;

	if (!t)
		return;
	test_gate_open(&t->inside);
	test_gate_open(&t->outside);
	for (n = 0; n < SHARERS; n++)
		test_gate_open(&t->each[n]);
	if (!IS_ERR_OR_NULL(t->token))
		bgtoken_cancel(t->token);
	over = test_thread_join(&t->holder);
	for (n = 0; n < CROWD; n++)
		over &= test_thread_join(&t->threads[n]);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	if (!IS_ERR_OR_NULL(t->other))
		bgtoken_cancel(t->other);
	bgtoken_put(t->other);
	if (t->pdev)
		platform_device_unregister(t->pdev);
	bgtoken_put(t->token);
	test_owner_free(t->owner);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	kfree(t);
}

static int token_suite_init(struct kunit_suite *suite)
{
	/*
	 * Without an owner: on 6.1 suites run before their module is in sysfs.
	 * The driver is gone before the module is.
	 */
	return compat_platform_driver_register(&device_driver);
}

static void token_suite_exit(struct kunit_suite *suite)
{
	platform_driver_unregister(&device_driver);
}

KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(exclusive_kind, exclusive_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(sleeping_kind, sleeping_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(shared, shared_kind, test_kind_desc);
KUNIT_ARRAY_PARAM(kind_in_context, kinds_in_contexts, test_context_desc);

#define KIND_CASE(name)	KUNIT_CASE_PARAM(name, test_kind_gen_params)

static struct kunit_case token_test_cases[] = {
	KIND_CASE(token_create_gives_one_reference),
	KUNIT_CASE(token_may_be_used_before_devices_are_probed),
	KIND_CASE(token_get_and_put_count_references),
	KIND_CASE(token_is_freed_by_its_last_put),
	KIND_CASE(token_reference_outlives_the_creators_put),
	KIND_CASE(token_last_put_needs_no_cancel_and_leaves_the_owner),
	KUNIT_CASE(token_put_lets_null_and_errors_pass),
	KIND_CASE(token_refuses_a_null_owner),
	KUNIT_CASE(token_refuses_an_unknown_kind),
	KIND_CASE(token_reference_ends_with_its_block),
	KIND_CASE(token_create_without_memory_is_enomem),
	KUNIT_CASE(token_create_without_percpu_memory_is_enomem),
	KIND_CASE(token_has_an_id_that_is_not_used_again),
	KIND_CASE(token_keeps_its_lockdep_class_when_its_creator_is_gone),
	KIND_CASE(token_cancel_is_true_once_and_false_afterwards),
	KIND_CASE(token_cancel_of_many_callers_is_true_for_one),
	KIND_CASE(token_is_cancelled_from_the_cancel_on),
	KIND_CASE(token_gives_no_owner_after_cancel),
	KIND_CASE(token_cancel_waits_for_a_live_scope),
	KIND_CASE(token_cancel_is_not_disturbed_by_signals),
	KUNIT_CASE_PARAM(token_cancel_waits_for_a_scope_that_began_on_a_cpu_that_is_off,
			 shared_gen_params),
	KIND_CASE(token_second_canceller_waits_for_the_live_scope_too),
	KIND_CASE(token_cancel_after_refuse_waits_and_is_true),
	KIND_CASE(token_refuse_leaves_the_live_scope_its_owner),
	KIND_CASE(token_enter_on_a_cancelled_token_does_not_wait),
	KIND_CASE(token_cancel_does_not_wait_for_code_outside_scopes),
	KIND_CASE(token_cancel_does_not_wait_for_another_tokens_scope),
	KIND_CASE(token_cancel_does_not_wait_for_a_grace_period),
	KIND_CASE(token_cancel_with_a_sleeper_does_not_wait_for_a_grace_period),
	KUNIT_CASE_PARAM(token_crowd_at_the_lock_cannot_delay_a_cancel,
			 exclusive_kind_gen_params),
	KUNIT_CASE_PARAM(token_crowd_is_refused_by_refuse_while_the_scope_goes_on,
			 exclusive_kind_gen_params),
	KUNIT_CASE_PARAM(token_cancel_waits_for_every_shared_scope, shared_gen_params),
	KUNIT_CASE_PARAM(token_cancel_is_woken_by_the_last_shared_scope_to_leave,
			 shared_gen_params),
	KIND_CASE(token_create_get_put_and_cancelled_never_wait),
	KUNIT_CASE_PARAM(token_last_put_may_come_from_any_context,
			 kind_in_context_gen_params),
	KUNIT_CASE_PARAM(token_may_be_refused_in_any_context, kind_in_context_gen_params),
	KIND_CASE(token_sleeper_is_woken_by_cancel_with_time_left),
	KIND_CASE(token_sleeper_without_a_limit_is_woken_by_cancel),
	KIND_CASE(token_sleeper_is_woken_by_refuse),
	KIND_CASE(token_sleepers_are_all_woken),
	KIND_CASE(token_sleeper_sleeps_on_when_another_token_is_cancelled),
	KIND_CASE(token_sleeper_is_not_disturbed_by_signals),
	KIND_CASE(token_sleeper_may_be_frozen),
	KIND_CASE(token_sleeper_that_is_frozen_returns_after_the_thaw),
	KIND_CASE(token_sleeper_is_not_counted_as_load),
	KIND_CASE(token_sleep_times_out_with_zero),
	KIND_CASE(token_sleep_of_no_time_is_zero_at_once),
	KIND_CASE(token_sleep_on_a_cancelled_token_returns_at_once),
	KUNIT_CASE_PARAM(token_sleeper_inside_a_scope_is_woken_and_cancel_returns,
			 sleeping_kind_gen_params),
	KIND_CASE(token_of_a_device_is_cancelled_on_unbind),
	KIND_CASE(token_of_a_device_is_cancelled_before_its_owner_is_freed),
	KUNIT_CASE_PARAM(token_of_a_device_makes_unbind_wait_for_a_live_scope,
			 sleeping_kind_gen_params),
	KIND_CASE(token_of_a_device_needs_an_owner),
	KIND_CASE(token_of_a_device_without_memory_is_enomem),
	{}
};

static struct kunit_suite token_test_suite = {
	.name = "bgtoken_token",
	.suite_init = token_suite_init,
	.suite_exit = token_suite_exit,
	.init = token_test_init,
	.exit = token_test_exit,
	.test_cases = token_test_cases,
};

kunit_test_suite(token_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: tokens");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
