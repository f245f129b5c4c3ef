// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits for an event or the end of the token, whichever comes first; references
 * that are looked up; and what else a file operation or a driver's remove needs.
 */
#include <linux/module.h>
#include <linux/device.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include "test_freeze.h"
#include "test_gate.h"

#define WAITERS		3

struct wait_test;
struct order;
struct form;

/* One who waits, and how it ended. */
struct waiter {
	struct wait_test *t;
	long (*wait)(struct wait_test *t);
	struct test_thread thread;
	long result;
	bool signalled;			/* a signal was pending then */
};

struct wait_test {
	enum bgtoken_kind kind;
	struct test_owner *owner;
	struct bgtoken *token;
	struct test_gate looked;	/* counts looks at the condition */
	struct waiter waiters[WAITERS];
	int started;
	bool ready;			/* the condition */
	const struct form *form;	/* of wait_freezable() */
	struct test_gate hold;		/* holds the first of works in order */
	struct test_thread unbinder;
	struct device *dev;		/* that it unbinds */
	struct order *first;		/* a work */
	int place_then;			/* the first's, when it was unbound */
	long live_tokens;
};

static bool ready(struct wait_test *t)
{
	bool is_ready = READ_ONCE(t->ready);

	test_gate_arrive(&t->looked);
	return is_ready;
}

/* As a condition that needs the owner does it. */
static bool ready_in_scope(struct wait_test *t)
{
	bool is_ready = false;

	scoped_bgtoken(t->token, struct test_owner *, owner)
		is_ready = test_owner_alive(owner) && ready(t);
	return is_ready;
}

static long wait_plain(struct wait_test *t)
{
	return bgtoken_wait_event(t->token, ready(t));
}

static long wait_plain_in_scope(struct wait_test *t)
{
	return bgtoken_wait_event(t->token, ready_in_scope(t));
}

static long wait_killable(struct wait_test *t)
{
	return bgtoken_wait_event_killable(t->token, ready(t));
}

static long wait_interruptible(struct wait_test *t)
{
	return bgtoken_wait_event_interruptible(t->token, ready(t));
}

static long wait_timeout(struct wait_test *t)
{
	return bgtoken_wait_event_timeout(t->token, ready(t), AN_HOUR);
}

static long wait_killable_timeout(struct wait_test *t)
{
	return bgtoken_wait_event_killable_timeout(t->token, ready(t), AN_HOUR);
}

static long wait_interruptible_timeout(struct wait_test *t)
{
	return bgtoken_wait_event_interruptible_timeout(t->token, ready(t), AN_HOUR);
}

static void waiter_fn(void *arg)
{
	struct waiter *waiter = arg;

	allow_signal(SIGKILL);
	allow_signal(SIGUSR1);
	WRITE_ONCE(waiter->result, waiter->wait(waiter->t));
	WRITE_ONCE(waiter->signalled, signal_pending(current));
	flush_signals(current);
}

/* Returns when it has looked, and sleeps. */
static struct waiter *start_waiter(struct kunit *test, long (*wait)(struct wait_test *t))
{
	struct wait_test *t = test->priv;
	struct waiter *waiter = &t->waiters[t->started++];
	int looks = test_gate_count(&t->looked);

	waiter->t = t;
	waiter->wait = wait;
	test_thread_start(test, &waiter->thread, -1, waiter_fn, waiter);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->looked, looks + 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&waiter->thread));
	return waiter;
}

static void make_ready(struct wait_test *t)
{
	WRITE_ONCE(t->ready, true);
	bgtoken_wake(t->token);
}

/* Each of the six, for KUNIT_ARRAY_PARAM() */

struct form {
	struct test_kind kind;		/* of the token, as in test_kinds */
	long (*wait)(struct wait_test *t);
	int signal;			/* that ends it, or 0 */
	long after_signal;
	bool timeout;			/* returns what is left */
	const char *name;
};

static const struct form forms[] = {
	{ { BGTOKEN_MUTEX }, wait_plain, 0, 0, false, "plain" },
	{ { BGTOKEN_MUTEX }, wait_plain_in_scope, 0, 0, false, "plain, in a scope" },
	{ { BGTOKEN_SHARED }, wait_plain_in_scope, 0, 0, false, "plain, in a shared scope" },
	{ { BGTOKEN_SPIN }, wait_plain, 0, 0, false, "plain, spin" },
	{ { BGTOKEN_MUTEX }, wait_killable, SIGKILL, -EINTR, false, "killable" },
	{ { BGTOKEN_MUTEX }, wait_interruptible, SIGUSR1, -ERESTARTSYS, false, "interruptible" },
	{ { BGTOKEN_MUTEX }, wait_timeout, 0, 0, true, "timeout" },
	{ { BGTOKEN_MUTEX }, wait_killable_timeout, SIGKILL, -EINTR, true, "killable, timeout" },
	{ { BGTOKEN_MUTEX }, wait_interruptible_timeout, SIGUSR1, -ERESTARTSYS, true,
	  "interruptible, timeout" },
};

static void form_desc(const struct form *form, char *desc)
{
	strscpy(desc, form->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(form, forms, form_desc);

static void expect_success(struct kunit *test, const struct form *form, long result)
{
	if (form->timeout)
		KUNIT_EXPECT_GT(test, result, HALF_AN_HOUR);
	else
		KUNIT_EXPECT_EQ(test, result, 0L);
}

static void wait_ends_when_the_condition_is_true(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;
	struct waiter *waiter = start_waiter(test, form->wait);

	make_ready(t);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
	expect_success(test, form, waiter->result);
}

static void wait_for_what_is_true_does_not_sleep(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;

	t->ready = true;
	expect_success(test, form, form->wait(t));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->looked), 1);
}

static void wait_ends_with_its_token(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;
	struct waiter *waiter = start_waiter(test, form->wait);

	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
	KUNIT_EXPECT_EQ(test, waiter->result, (long)-ECANCELED);
}

static void wait_ends_when_its_token_refuses(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;
	struct waiter *waiter = start_waiter(test, form->wait);

	bgtoken_refuse(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
	KUNIT_EXPECT_EQ(test, waiter->result, (long)-ECANCELED);
}

static void wait_on_a_cancelled_token_does_not_sleep(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;

	bgtoken_cancel(t->token);
	KUNIT_EXPECT_EQ(test, form->wait(t), (long)-ECANCELED);
}

/* But not with a condition that needs a scope: there is none any more. */
static void wait_finds_what_was_true_before_the_cancel(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;

	t->ready = true;
	bgtoken_cancel(t->token);
	if (form->wait == wait_plain_in_scope)
		KUNIT_EXPECT_EQ(test, form->wait(t), (long)-ECANCELED);
	else
		expect_success(test, form, form->wait(t));
}

/* Looked at again, and not taken for the event. */
static void wait_goes_on_after_a_wake_for_nothing(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;
	struct waiter *waiter = start_waiter(test, form->wait);
	int looks = test_gate_count(&t->looked);

	bgtoken_wake(t->token);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->looked, looks + 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&waiter->thread));
	make_ready(t);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
	expect_success(test, form, waiter->result);
}

/* It goes round once, and sleeps again. */
static void expect_undisturbed(struct kunit *test, struct waiter *waiter)
{
	struct wait_test *t = test->priv;
	int looks = test_gate_count(&t->looked);

	bgtoken_wake(t->token);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->looked, looks + 1));
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&waiter->thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(&waiter->thread));
}

/* Any, one that kills, or none. */
static void wait_ends_at_a_signal_where_it_says_so(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;
	struct waiter *waiter = start_waiter(test, form->wait);
	struct task_struct *task = waiter->thread.task;

	if (task)
		send_sig(SIGUSR1, task, 1);
	if (form->signal != SIGUSR1) {
		expect_undisturbed(test, waiter);
		if (task)
			send_sig(SIGKILL, task, 1);
	}
	if (!form->signal) {
		expect_undisturbed(test, waiter);
		make_ready(t);
	}
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
	KUNIT_EXPECT_TRUE(test, waiter->signalled);
	if (form->signal)
		KUNIT_EXPECT_EQ(test, waiter->result, form->after_signal);
	else
		expect_success(test, form, waiter->result);
}

static void wait_is_over_when_its_time_is(struct kunit *test)
{
	struct wait_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, bgtoken_wait_event_timeout(t->token, ready(t), 2), 0L);
	KUNIT_EXPECT_EQ(test, bgtoken_wait_event_killable_timeout(t->token, ready(t), 2), 0L);
	KUNIT_EXPECT_EQ(test,
			bgtoken_wait_event_interruptible_timeout(t->token, ready(t), 2), 0L);
	KUNIT_EXPECT_EQ(test, bgtoken_wait_event_timeout(t->token, ready(t), 0), 0L);
	t->ready = true;
	KUNIT_EXPECT_EQ(test, bgtoken_wait_event_timeout(t->token, ready(t), 0), 1L);
}

/* Its token ends, or a signal comes, after a look that found it false; the next finds it true. */
static bool ready_too_late(struct wait_test *t, bool signal)
{
	if (test_gate_count(&t->looked))
		return true;
	test_gate_arrive(&t->looked);
	if (signal)
		send_sig(SIGUSR1, current, 1);
	else
		bgtoken_cancel(t->token);
	return false;
}

static void late_waiter(void *arg)
{
	struct waiter *waiter = arg;

	allow_signal(SIGUSR1);
	WRITE_ONCE(waiter->result, waiter->wait(waiter->t));
	flush_signals(current);
}

static long wait_cancelled_timeout(struct wait_test *t)
{
	return bgtoken_wait_event_timeout(t->token, ready_too_late(t, false), AN_HOUR);
}

static long wait_signalled_timeout(struct wait_test *t)
{
	return bgtoken_wait_event_interruptible_timeout(t->token, ready_too_late(t, true),
							AN_HOUR);
}

static void wait_that_finds_it_true_at_last_tells_what_was_left(struct kunit *test)
{
	long (*waits[])(struct wait_test *t) = { wait_signalled_timeout, wait_cancelled_timeout };
	struct wait_test *t = test->priv;
	struct waiter *waiter;
	int n;

	for (n = 0; n < ARRAY_SIZE(waits); n++) {
		waiter = &t->waiters[n];
		waiter->t = t;
		waiter->wait = waits[n];
		test_gate_init(&t->looked);
		test_thread_start(test, &waiter->thread, -1, late_waiter, waiter);
		KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
		KUNIT_EXPECT_GT(test, waiter->result, HALF_AN_HOUR);
	}
}

static void wait_with_a_timeout_that_is_over_does_not_sleep(struct kunit *test)
{
	struct wait_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, bgtoken_wait_event_timeout(t->token, ready(t), -1), 0L);
	KUNIT_EXPECT_EQ(test,
			bgtoken_wait_event_interruptible_timeout(t->token, ready(t), -1), 0L);
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_EQ(test, bgtoken_wait_event_timeout(t->token, ready(t), 0), 0L);
}

static long wait_freezable(struct wait_test *t)
{
	set_freezable();
	return t->form->wait(t);
}

static void ready_at_last(void *t)
{
	make_ready(t);
}

static void waiter_that_is_frozen_returns_after_the_thaw(struct kunit *test)
{
	const struct form *form = test->param_value;
	struct wait_test *t = test->priv;
	struct waiter *waiter;

	test_need_freezer(test);
	t->form = form;
	waiter = start_waiter(test, wait_freezable);
	test_thread_frozen_while(test, &waiter->thread, ready_at_last, t);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
	expect_success(test, form, waiter->result);
}

static void waiters_are_all_woken(struct kunit *test)
{
	struct wait_test *t = test->priv;
	int n;

	for (n = 0; n < WAITERS; n++)
		start_waiter(test, wait_plain);
	make_ready(t);
	for (n = 0; n < WAITERS; n++) {
		KUNIT_EXPECT_TRUE(test, test_thread_join(&t->waiters[n].thread));
		KUNIT_EXPECT_EQ(test, t->waiters[n].result, 0L);
	}
}

static void wake(void *token)
{
	bgtoken_wake(token);
}

static void waiter_may_be_woken_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct wait_test *t = test->priv;
	struct waiter *waiter = start_waiter(test, wait_plain);

	WRITE_ONCE(t->ready, true);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, wake, t->token));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
	KUNIT_EXPECT_EQ(test, waiter->result, 0L);
}

static void waiters_of_another_token_sleep_on(struct kunit *test)
{
	struct wait_test *t = test->priv;
	struct waiter *waiter = start_waiter(test, wait_plain);
	struct bgtoken *other = test_token_create(t, t->kind);

	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	WRITE_ONCE(t->ready, true);
	bgtoken_wake(other);
	bgtoken_cancel(other);
	bgtoken_put(other);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&waiter->thread));
	bgtoken_wake(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&waiter->thread));
}

/* poll() and epoll */

/* As epoll has one: it stays until its file is closed. */
struct poller {
	poll_table table;
	wait_queue_head_t *head;	/* where it was put */
	wait_queue_entry_t entry;
	atomic_t woken;
};

static int poller_woken(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	atomic_inc(&container_of(entry, struct poller, entry)->woken);
	return 1;
}

static void poller_queued(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct poller *poller = container_of(table, struct poller, table);

	poller->head = head;
	/* With EPOLLEXCLUSIVE: who is woken for another's token must not keep it to himself. */
	add_wait_queue_exclusive(head, &poller->entry);
}

static void poller_start(struct kunit *test, struct poller *poller, struct bgtoken *token)
{
	init_poll_funcptr(&poller->table, poller_queued);
	init_waitqueue_func_entry(&poller->entry, poller_woken);
	atomic_set(&poller->woken, 0);
	bgtoken_poll_wait(NULL, token, &poller->table);
	KUNIT_EXPECT_EQ(test, atomic_read(&poller->woken), 0);
}

static void poller_end(struct poller *poller)
{
	remove_wait_queue(poller->head, &poller->entry);
}

static void pause_and_resume(struct bgtoken *token)
{
	bgtoken_pause(token);
	bgtoken_resume(token);
}

static void cancel(struct bgtoken *token)
{
	bgtoken_cancel(token);
}

/* What a poller is told of. */
struct news {
	struct test_kind kind;
	void (*make)(struct bgtoken *token);
	const char *name;
};

static const struct news all_news[] = {
	{ { BGTOKEN_MUTEX }, bgtoken_wake, "a wake" },
	{ { BGTOKEN_SHARED }, cancel, "a cancel" },
	{ { BGTOKEN_SPIN }, bgtoken_refuse, "a refusal" },
	{ { BGTOKEN_MUTEX }, pause_and_resume, "a resume" },
};

static void news_desc(const struct news *news, char *desc)
{
	strscpy(desc, news->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(news, all_news, news_desc);

static void pollers_are_all_told_of_it(struct kunit *test)
{
	const struct news *news = test->param_value;
	struct wait_test *t = test->priv;
	struct poller pollers[2];

	poller_start(test, &pollers[0], t->token);
	poller_start(test, &pollers[1], t->token);
	news->make(t->token);
	KUNIT_EXPECT_EQ(test, atomic_read(&pollers[0].woken), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&pollers[1].woken), 1);
	poller_end(&pollers[0]);
	poller_end(&pollers[1]);
}

static void poller_may_be_told_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct wait_test *t = test->priv;
	struct poller poller;

	poller_start(test, &poller, t->token);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, wake, t->token));
	KUNIT_EXPECT_EQ(test, atomic_read(&poller.woken), 1);
	poller_end(&poller);
}

/* A file that is open for longer: the queue that it is on is nobody's who goes. */
static void poller_may_outlive_the_token(struct kunit *test)
{
	struct wait_test *t = test->priv;
	struct bgtoken *token = test_token_create(t, t->kind);
	struct poller poller;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	poller_start(test, &poller, token);
	bgtoken_cancel(token);
	bgtoken_put(token);
	rcu_barrier();		/* it is freed */
	KUNIT_EXPECT_EQ(test, atomic_read(&poller.woken), 1);
	poller_end(&poller);
}

/* poll() looks once more when it was woken, and waits nowhere then. */
static void poll_that_does_not_wait_is_no_poller(struct kunit *test)
{
	struct wait_test *t = test->priv;
	poll_table table = { };

	bgtoken_poll_wait(NULL, t->token, NULL);
	bgtoken_poll_wait(NULL, t->token, &table);
	bgtoken_wake(t->token);
}

/* The producer comes as the waiter goes to sleep, again and again. */

struct ping_pong {
	struct wait_test *t;
	atomic_t turn;
	bool stop;
};

#define PINGS	1000

static void ponger(void *arg)
{
	struct ping_pong *p = arg;
	int n;

	for (n = 0; n < PINGS; n++) {
		if (bgtoken_wait_event_timeout(p->t->token, atomic_read(&p->turn) == 2 * n + 1,
					       TEST_TIMEOUT) <= 1)
			return;
		atomic_inc(&p->turn);
		bgtoken_wake(p->t->token);
	}
}

static void wake_is_not_lost_on_the_way_to_sleep(struct kunit *test)
{
	struct wait_test *t = test->priv;
	struct ping_pong p = { .t = t };
	struct test_thread *thread = &t->waiters[0].thread;
	int n;

	test_thread_start(test, thread, test_cpu(1), ponger, &p);
	for (n = 0; n < PINGS; n++) {
		atomic_inc(&p.turn);
		bgtoken_wake(t->token);
		if (bgtoken_wait_event_timeout(t->token, atomic_read(&p.turn) == 2 * n + 2,
					       TEST_TIMEOUT) <= 1)
			break;
	}
	KUNIT_EXPECT_EQ(test, n, PINGS);
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(thread));
}

/* It comes true, and says so, just after it was found false. */
static bool ready_during_the_look(struct wait_test *t)
{
	if (READ_ONCE(t->ready))
		return true;
	make_ready(t);
	return false;
}

static void wake_during_a_look_is_not_lost(struct kunit *test)
{
	struct wait_test *t = test->priv;

	KUNIT_EXPECT_GT(test, bgtoken_wait_event_timeout(t->token, ready_during_the_look(t),
							 TEST_TIMEOUT), 1L);
}

/* References */

static void token_that_was_looked_up_is_kept_while_there_are_references(struct kunit *test)
{
	struct wait_test *t = test->priv;
	struct bgtoken *token = bgtoken_create(t, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken *got, *got_late;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	rcu_read_lock();
	got = bgtoken_get_unless_zero(token);
	bgtoken_put(got);
	bgtoken_put(token);
	/* It is there until the grace period ends, which waits for this section. */
	got_late = bgtoken_get_unless_zero(token);
	rcu_read_unlock();
	KUNIT_EXPECT_PTR_EQ(test, got, token);
	KUNIT_EXPECT_NULL(test, got_late);
}

static void token_is_put_when_a_device_unbinds(struct kunit *test)
{
	struct wait_test *t = test->priv;
	struct device *dev = __root_device_register("bgtoken_wait_device", NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	KUNIT_EXPECT_EQ(test, devm_bgtoken_get(dev, t->token), 0);
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 2U);
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
	root_device_unregister(dev);
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 1U);
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
}

static void token_get_for_a_device_without_memory_keeps_nothing(struct kunit *test)
{
	struct wait_test *t = test->priv;
	struct test_failslab failslab;
	struct device *dev;
	int err;

	test_need_failslab(test);
	dev = __root_device_register("bgtoken_wait_device", NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	test_failslab_begin(&failslab);
	test_fail_alloc(1);
	err = devm_bgtoken_get(dev, t->token);
	test_fail_stop();
	test_failslab_end(&failslab);
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 1U);
	root_device_unregister(dev);
}

/* Scopes, or else */

/* A body, in braces, by the macro that its kind has for users. */
#define real_scope_or(fail, token, name, body...)			\
	if (bgtoken_kind(token) == BGTOKEN_SPIN) {			\
		scoped_cond_bgtoken_irqsave(fail, token, struct test_owner *, name) body \
	} else {							\
		scoped_cond_bgtoken(fail, token, struct test_owner *, name) body \
	}

static int alive_or_enodev(struct wait_test *t, int *bodies)
{
	real_scope_or(return -ENODEV, t->token, owner, {
		lockdep_assert_bgtoken(t->token);
		*bodies += test_owner_alive(owner);
	});
	return 0;
}

/* What is run instead may be any statement; a loop around is not left by it. */
static void scope_or_else_may_go_on(struct kunit *test)
{
	struct wait_test *t = test->priv;
	int failed = 0, bodies = 0, rounds;

	bgtoken_cancel(t->token);
	for (rounds = 0; rounds < 3; rounds++) {
		real_scope_or(failed++, t->token, owner, {
			bodies += test_owner_alive(owner);
		});
		real_scope_or(break, t->token, owner, {
			bodies += test_owner_alive(owner);
		});
		real_scope_or(continue, t->token, owner, {
			bodies += test_owner_alive(owner);
		});
	}
	KUNIT_EXPECT_EQ(test, rounds, 3);
	KUNIT_EXPECT_EQ(test, failed, 3);
	KUNIT_EXPECT_EQ(test, bodies, 0);
}

static void scope_or_else_runs_the_body_while_the_owner_is_there(struct kunit *test)
{
	struct wait_test *t = test->priv;
	int bodies = 0;

	KUNIT_EXPECT_EQ(test, alive_or_enodev(t, &bodies), 0);
	KUNIT_EXPECT_EQ(test, bodies, 1);
	KUNIT_EXPECT_EQ(test, test_scopes_live(t->token), 0);
	bgtoken_pause(t->token);
	KUNIT_EXPECT_EQ(test, alive_or_enodev(t, &bodies), -ENODEV);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_EQ(test, alive_or_enodev(t, &bodies), 0);
	KUNIT_EXPECT_EQ(test, bodies, 2);
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_EQ(test, alive_or_enodev(t, &bodies), -ENODEV);
	KUNIT_EXPECT_EQ(test, bodies, 2);
}

static int leave_by(struct wait_test *t, int how)
{
	int n = 0;

	real_scope_or(return -ENODEV, t->token, owner, {
		switch (how) {
		case 0:
			return 10;
		case 1:
			goto out;
		case 2:
			n = 12;
			continue;
		}
		n = 13;
		break;
	});
	return n;
out:
	return 11;
}

static void scope_or_else_ends_however_it_is_left(struct kunit *test)
{
	struct wait_test *t = test->priv;
	int how;

	for (how = 0; how < 4; how++) {
		KUNIT_EXPECT_EQ(test, leave_by(t, how), 10 + how);
		KUNIT_EXPECT_EQ(test, test_scopes_live(t->token), 0);
	}
}

/* Workqueues */

struct order {
	struct bgtoken_work work;
	struct wait_test *t;
	struct test_gate *hold;		/* or NULL */
	atomic_t *next;
	int place;			/* in which it ran */
};

static void order_fn(struct bgtoken_work *work)
{
	struct order *o = container_of(work, struct order, work);

	if (o->hold)
		test_gate_pass(o->hold);
	o->place = atomic_inc_return(o->next);
}

static void order_release(struct bgtoken_work *work)
{
}

#define ORDERED	8

static void queue_in_order(struct kunit *test, struct bgtoken_wq *wq,
			   struct order *orders, struct test_gate *hold, atomic_t *next)
{
	struct wait_test *t = test->priv;
	int n;

	for (n = 0; n < ORDERED; n++) {
		orders[n] = (struct order){ .t = t, .next = next, .hold = n ? NULL : hold };
		bgtoken_work_init(&orders[n].work, t->token, order_fn, order_release);
		KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, &orders[n].work));
		bgtoken_work_put(&orders[n].work);
	}
}

static void nothing_fn(struct work_struct *work)
{
}

/* Unbound workers take what is queued in turn: what was before this has begun, if it may. */
static void let_unbound_works_begin(struct kunit *test)
{
	struct workqueue_struct *wq = alloc_workqueue("bgtoken_test", WQ_UNBOUND, 0);
	struct work_struct work;

	KUNIT_EXPECT_NOT_NULL(test, wq);
	if (!wq)
		return;
	INIT_WORK_ONSTACK(&work, nothing_fn);
	queue_work(wq, &work);
	destroy_workqueue(wq);
	destroy_work_on_stack(&work);
}

static void ordered_workqueue_runs_works_one_by_one_in_order(struct kunit *test)
{
	struct bgtoken_wq *wq = bgtoken_ordered_wq_create("bgtoken_test", 0);
	struct order *orders = kunit_kcalloc(test, ORDERED, sizeof(*orders), GFP_KERNEL);
	atomic_t next = ATOMIC_INIT(0);
	struct test_gate hold;
	int n;

	KUNIT_ASSERT_NOT_NULL(test, orders);
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	test_gate_init(&hold);
	queue_in_order(test, wq, orders, &hold, &next);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&hold, 1));
	let_unbound_works_begin(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&next), 0);	/* all behind the first */
	test_gate_open(&hold);
	bgtoken_wq_flush(wq);
	for (n = 0; n < ORDERED; n++)
		KUNIT_EXPECT_EQ(test, orders[n].place, n + 1);
	bgtoken_wq_destroy(wq);
}

static void ordered_workqueue_refuses_what_it_cannot_do(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR(bgtoken_ordered_wq_create(NULL, 0)), (long)-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(bgtoken_ordered_wq_create("x", WQ_UNBOUND)),
			(long)-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(bgtoken_ordered_wq_create("x", WQ_CPU_INTENSIVE)),
			(long)-EINVAL);
}

struct flusher {
	struct test_thread thread;
	struct bgtoken_wq *wq;
	struct order *orders;
	int done_then;			/* works, when it returned */
	atomic_t *next;
};

static void flusher_fn(void *arg)
{
	struct flusher *f = arg;

	bgtoken_wq_flush(f->wq);
	f->done_then = atomic_read(f->next);
}

static void flush_of_a_workqueue_waits_for_what_was_queued(struct kunit *test)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 0);
	struct order *orders = kunit_kcalloc(test, ORDERED, sizeof(*orders), GFP_KERNEL);
	struct flusher *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	atomic_t next = ATOMIC_INIT(0);
	struct test_gate hold;

	KUNIT_ASSERT_FALSE(test, IS_ERR(wq) || !orders || !f);
	test_gate_init(&hold);
	queue_in_order(test, wq, orders, &hold, &next);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&hold, 1));
	f->wq = wq;
	f->next = &next;
	test_thread_start(test, &f->thread, -1, flusher_fn, f);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&f->thread));
	test_gate_open(&hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&f->thread));
	KUNIT_EXPECT_EQ(test, f->done_then, ORDERED);
	bgtoken_wq_destroy(wq);
}

static void unbind(void *arg)
{
	struct wait_test *t = arg;

	root_device_unregister(t->dev);
	t->place_then = READ_ONCE(t->first->place);
}

static void workqueue_of_a_device_is_destroyed_at_unbind(struct kunit *test)
{
	struct order *orders = kunit_kcalloc(test, ORDERED, sizeof(*orders), GFP_KERNEL);
	struct wait_test *t = test->priv;
	atomic_t next = ATOMIC_INIT(0);
	struct bgtoken_wq *wq;

	KUNIT_ASSERT_NOT_NULL(test, orders);
	t->first = &orders[0];
	t->dev = __root_device_register("bgtoken_wait_device", NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->dev));
	wq = devm_bgtoken_wq_create(t->dev, "bgtoken_test", WQ_UNBOUND, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR(wq));
	if (!IS_ERR(wq)) {
		queue_in_order(test, wq, orders, &t->hold, &next);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	}
	test_thread_start(test, &t->unbinder, -1, unbind, t);
	/* It waits for a grace period, and then for the work. */
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->unbinder));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->unbinder));
	KUNIT_EXPECT_NE(test, t->place_then, 0);
	/* Ran or dropped, all have left. */
	KUNIT_EXPECT_EQ(test, kref_read(&t->token->kref), 1U);
}

/* A work that says why it was released. */
struct late {
	struct bgtoken_delayed_work dwork;
	int fate;
};

static void late_fn(struct bgtoken_work *work)
{
}

static void late_release(struct bgtoken_work *work)
{
	struct late *late = container_of(work, struct late, dwork.work);

	late->fate = bgtoken_work_fate(work);
}

static void token_of_a_device_is_cancelled_before_its_workqueue_closes(struct kunit *test)
{
	struct device *dev = __root_device_register("bgtoken_wait_device", NULL);
	struct late *late = kunit_kzalloc(test, sizeof(*late), GFP_KERNEL);
	struct wait_test *t = test->priv;
	struct bgtoken *token;
	struct bgtoken_wq *wq;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev) || !late);
	wq = devm_bgtoken_wq_create(dev, "bgtoken_test", WQ_UNBOUND, 0);
	token = devm_bgtoken_create(dev, t, BGTOKEN_MUTEX);
	KUNIT_EXPECT_FALSE(test, IS_ERR(wq) || IS_ERR(token));
	late->fate = -1;
	if (!IS_ERR(wq) && !IS_ERR(token)) {
		bgtoken_delayed_work_init(&late->dwork, token, late_fn, late_release);
		KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(wq, &late->dwork,
								   AN_HOUR));
		bgtoken_work_put(&late->dwork.work);
	}
	root_device_unregister(dev);
	KUNIT_EXPECT_EQ(test, late->fate, (int)BGTOKEN_DROPPED_CANCELLED);
}

static void workqueue_of_a_device_without_memory_is_enomem(struct kunit *test)
{
	/* The kernel's, ours, devres. */
	test_managed_without_memory(test, dev,
				    devm_bgtoken_wq_create(dev, "bgtoken_test", WQ_UNBOUND, 0),
				    3);
}

struct work_form {
	struct test_kind kind;
	bool delayed;
};

static const struct work_form work_forms[] = {
	{ { BGTOKEN_MUTEX }, false },
	{ { BGTOKEN_MUTEX }, true },
};

static void work_form_desc(const struct work_form *form, char *desc)
{
	strscpy(desc, form->delayed ? "delayed" : "plain", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(work_form, work_forms, work_form_desc);

static void outliving_fn(struct bgtoken_work *work)
{
	struct wait_test *t = bgtoken_enter(work->token);

	if (!t)
		return;
	bgtoken_exit(work->token);
	test_gate_pass(&t->hold);
	/* The device is unbound, and the work is still here. */
	t->place_then = bgtoken_cancelled(work->token) ? 2 : 1;
}

/* At unbind its works go first, then its token. */
static void works_of_a_device_stay_while_they_run(struct kunit *test)
{
	struct device *dev = __root_device_register("bgtoken_wait_device", NULL);
	struct bgtoken_wq *wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 0);
	const struct work_form *form = test->param_value;
	long live = test_live(bgtoken_live_works);
	struct bgtoken_delayed_work *dwork;
	struct wait_test *t = test->priv;
	struct bgtoken_work *work;
	struct bgtoken *token;
	bool queued;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev) || IS_ERR(wq));
	token = devm_bgtoken_create(dev, t, BGTOKEN_SHARED);
	if (form->delayed) {
		dwork = devm_bgtoken_delayed_work_create(dev, token, outliving_fn);
		queued = !IS_ERR(dwork) && bgtoken_queue_delayed_work(wq, dwork, 1);
	} else {
		work = devm_bgtoken_work_create(dev, token, outliving_fn);
		queued = !IS_ERR(work) && bgtoken_queue_work(wq, work);
	}
	KUNIT_EXPECT_TRUE(test, queued && test_gate_wait(&t->hold, 1));
	root_device_unregister(dev);		/* waits for nothing */
	KUNIT_EXPECT_EQ(test, t->place_then, 0);
	test_gate_open(&t->hold);
	bgtoken_wq_destroy(wq);
	KUNIT_EXPECT_EQ(test, t->place_then, 2);
	test_nothing_left(test, bgtoken_live_works, live);
}

/* A work that queues another of its device, from a scope that is live at unbind. */
struct pair {
	struct wait_test *t;
	struct bgtoken_wq *wq;
	struct bgtoken_work *second;
	bool queued;
};

static void second_fn(struct bgtoken_work *work)
{
}

static void first_fn(struct bgtoken_work *work)
{
	scoped_bgtoken(work->token, struct pair *, pair) {
		test_gate_pass(&pair->t->hold);
		pair->queued = bgtoken_queue_work(pair->wq, pair->second);
	}
}

static void unregister(void *dev)
{
	root_device_unregister(dev);
}

static void works_of_a_device_stay_until_no_scope_can_queue_them(struct kunit *test)
{
	struct device *dev = __root_device_register("bgtoken_wait_device", NULL);
	struct bgtoken_wq *wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 0);
	struct wait_test *t = test->priv;
	struct pair pair = { .t = t, .wq = wq, .queued = true };
	struct bgtoken_work *first;
	struct bgtoken *token;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev) || IS_ERR(wq));
	token = devm_bgtoken_create(dev, &pair, BGTOKEN_SHARED);
	first = devm_bgtoken_work_create(dev, token, first_fn);
	pair.second = devm_bgtoken_work_create(dev, token, second_fn);
	KUNIT_EXPECT_FALSE(test, IS_ERR(first) || IS_ERR(pair.second));
	if (!IS_ERR(first) && !IS_ERR(pair.second)) {
		KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, first));
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	}
	test_thread_start(test, &t->unbinder, -1, unregister, dev);
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->unbinder));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->unbinder));
	KUNIT_EXPECT_FALSE(test, pair.queued);
	bgtoken_wq_destroy(wq);
}

static void work_of_a_device_passes_on_what_its_token_was(struct kunit *test)
{
	struct device *dev = __root_device_register("bgtoken_wait_device", NULL);
	struct bgtoken *token = ERR_PTR(-ENOMEM);

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	KUNIT_EXPECT_PTR_EQ(test, (void *)token,
			    (void *)devm_bgtoken_work_create(dev, token, second_fn));
	KUNIT_EXPECT_PTR_EQ(test, (void *)token,
			    (void *)devm_bgtoken_delayed_work_create(dev, token, second_fn));
	root_device_unregister(dev);
}

static void works_of_a_device_without_memory_are_enomem(struct kunit *test)
{
	const struct work_form *form = test->param_value;
	long live = test_live(bgtoken_live_works);
	struct wait_test *t = test->priv;

	/* Ours, devres. */
	if (form->delayed)
		test_managed_without_memory(test, dev,
					    devm_bgtoken_delayed_work_create(dev, t->token,
									     late_fn), 2);
	else
		test_managed_without_memory(test, dev,
					    devm_bgtoken_work_create(dev, t->token, late_fn), 2);
	test_nothing_left(test, bgtoken_live_works, live);
}

/* The suite */

static int wait_test_init(struct kunit *test)
{
	struct wait_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->kind = test_kind_of(test);
	t->live_tokens = test_live(bgtoken_live_tokens);
	test_gate_init(&t->looked);
	test_gate_init(&t->hold);
	t->owner = test_owner_create();
	t->token = test_token_create(t->owner, t->kind);
	if (IS_ERR(t->token)) {
		kfree(t->owner);
		kfree(t);
		return -ENOMEM;
	}
	test->priv = t;
	return 0;
}

static void wait_test_exit(struct kunit *test)
{
	struct wait_test *t = test->priv;
	bool over;
	int n;

	if (!t)
		return;
	bgtoken_cancel(t->token);
	test_gate_open(&t->hold);
	over = test_thread_join(&t->unbinder);
	for (n = 0; n < WAITERS; n++)
		over &= test_thread_join(&t->waiters[n].thread);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	bgtoken_put(t->token);
	test_owner_free(t->owner);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	kfree(t);
}

KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(context, test_contexts, test_context_desc);

#define KIND_CASE(name)	KUNIT_CASE_PARAM(name, test_kind_gen_params)
#define FORM_CASE(name)	KUNIT_CASE_PARAM(name, form_gen_params)

static struct kunit_case wait_test_cases[] = {
	FORM_CASE(wait_ends_when_the_condition_is_true),
	FORM_CASE(wait_for_what_is_true_does_not_sleep),
	FORM_CASE(wait_ends_with_its_token),
	FORM_CASE(wait_ends_when_its_token_refuses),
	FORM_CASE(wait_on_a_cancelled_token_does_not_sleep),
	FORM_CASE(wait_finds_what_was_true_before_the_cancel),
	FORM_CASE(wait_goes_on_after_a_wake_for_nothing),
	FORM_CASE(wait_ends_at_a_signal_where_it_says_so),
	KUNIT_CASE(wait_is_over_when_its_time_is),
	KUNIT_CASE(wait_that_finds_it_true_at_last_tells_what_was_left),
	KUNIT_CASE(wait_with_a_timeout_that_is_over_does_not_sleep),
	FORM_CASE(waiter_that_is_frozen_returns_after_the_thaw),
	KUNIT_CASE(waiters_are_all_woken),
	KUNIT_CASE_PARAM(waiter_may_be_woken_in_any_context, context_gen_params),
	KUNIT_CASE(waiters_of_another_token_sleep_on),
	KUNIT_CASE_PARAM(pollers_are_all_told_of_it, news_gen_params),
	KUNIT_CASE_PARAM(poller_may_be_told_in_any_context, context_gen_params),
	KUNIT_CASE(poller_may_outlive_the_token),
	KUNIT_CASE(poll_that_does_not_wait_is_no_poller),
	KUNIT_CASE_SLOW(wake_is_not_lost_on_the_way_to_sleep),
	KUNIT_CASE(wake_during_a_look_is_not_lost),
	KUNIT_CASE(token_that_was_looked_up_is_kept_while_there_are_references),
	KIND_CASE(token_is_put_when_a_device_unbinds),
	KUNIT_CASE(token_get_for_a_device_without_memory_keeps_nothing),
	KIND_CASE(scope_or_else_runs_the_body_while_the_owner_is_there),
	KIND_CASE(scope_or_else_may_go_on),
	KIND_CASE(scope_or_else_ends_however_it_is_left),
	KUNIT_CASE(ordered_workqueue_runs_works_one_by_one_in_order),
	KUNIT_CASE(ordered_workqueue_refuses_what_it_cannot_do),
	KUNIT_CASE(flush_of_a_workqueue_waits_for_what_was_queued),
	KUNIT_CASE(workqueue_of_a_device_is_destroyed_at_unbind),
	KUNIT_CASE(token_of_a_device_is_cancelled_before_its_workqueue_closes),
	KUNIT_CASE(workqueue_of_a_device_without_memory_is_enomem),
	KUNIT_CASE_PARAM(works_of_a_device_stay_while_they_run, work_form_gen_params),
	KUNIT_CASE(works_of_a_device_stay_until_no_scope_can_queue_them),
	KUNIT_CASE(work_of_a_device_passes_on_what_its_token_was),
	KUNIT_CASE_PARAM(works_of_a_device_without_memory_are_enomem, work_form_gen_params),
	{}
};

static struct kunit_suite wait_suite = {
	.name = "bgtoken_wait",
	.init = wait_test_init,
	.exit = wait_test_exit,
	.test_cases = wait_test_cases,
};

kunit_test_suite(wait_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: waits, lookups, devices, workqueues");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
