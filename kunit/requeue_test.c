// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works that are moved: taken back, modified, flushed, dropped by a pause, put in
 * atomic context.  There is a case for each line of the state table in
 * bgtoken_work.c, and for each of its two races: another moves a work whose run, or
 * whose timer's function, has begun.
 *
 * Each case ends by destroying its workqueues and counting: as many releases as inits,
 * all where one may sleep.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched/signal.h>

#include "test_begun.h"
#include "test_movers.h"

#define ITEMS		4
#define DRAINS		8

struct requeue_test {
	struct test_owner *owner;
	struct bgtoken *token;
	struct bgtoken *other;		/* the blocker's */
	struct bgtoken_wq *wq;		/* per CPU, one at a time; or by use_wq() */
	struct bgtoken_wq *wq2;		/* per CPU, one at a time */
	struct test_gate ran;		/* counts calls of functions */
	struct test_gate released;	/* counts */
	struct test_gate hold;		/* holds functions */
	struct test_gate again;		/* the same, later */
	struct test_gate releasing;	/* holds a release */
	struct test_thread thread, destroyer;
	struct test_movers movers;
	struct item *shared;		/* of threads */
	const struct patient_param *patient;
	struct item *items[ITEMS];	/* of the movers */
	int nr_items;
	bool elsewhere;			/* they use wq2, too */
	atomic_t inited, places;
	atomic_t wrong_context;		/* releases that could not sleep */
	atomic_t running, overlaps;
	atomic_t gone;			/* owners that were met after they were freed */
	int unheld;			/* runs that new_begun() could not hold */
	int fate;			/* of what was released last */
	struct task_struct *releaser;	/* and who did it; only compared */
	int released_then;		/* when a thread's call returned */
	unsigned int references_then;	/* the same, of shared */
	int runs_then, running_then;	/* when the workqueue was destroyed */
	bool entered[3];		/* by body_across_a_pause() */
	int cpu;			/* of the last run */
	bool result;			/* of a thread's call */
	long live_tokens, live_works;
};

/* A work, and what its function is to do. */
struct item {
	struct bgtoken_delayed_work dwork;
	struct requeue_test *t;
	void (*body)(struct item *item);
	int place;			/* among those that ran */
	atomic_t running;
	struct test_gate *releasing;	/* holds its release; or NULL */
	struct item *next;		/* that its release puts; or NULL */
};

static void item_fn(struct bgtoken_work *work)
{
	struct item *item = container_of(work, struct item, dwork.work);

	WRITE_ONCE(item->t->cpu, raw_smp_processor_id());
	WRITE_ONCE(item->place, atomic_inc_return(&item->t->places));
	test_gate_arrive(&item->t->ran);
	if (item->body)
		item->body(item);
}

static void put_in_rcu_section(struct item *item)
{
	rcu_read_lock();
	bgtoken_work_put(&item->dwork.work);
	rcu_read_unlock();
}

static void item_release(struct bgtoken_work *work)
{
	struct item *item = container_of(work, struct item, dwork.work);
	struct requeue_test *t = item->t;

	might_sleep();
	if (!in_task() || irqs_disabled())
		atomic_inc(&t->wrong_context);
	else if (item->releasing)
		test_gate_pass(item->releasing);
	if (item->next)
		put_in_rcu_section(item->next);
	WRITE_ONCE(t->fate, bgtoken_work_fate(work));
	WRITE_ONCE(t->releaser, current);
	kfree(item);
	test_gate_arrive(&t->released);
}

static struct item *new_item_on(struct kunit *test, struct bgtoken *token,
				void (*body)(struct item *item))
{
	struct requeue_test *t = test->priv;
	struct item *item = kzalloc(sizeof(*item), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, item);
	item->t = t;
	item->body = body;
	atomic_inc(&t->inited);
	bgtoken_delayed_work_init(&item->dwork, token, item_fn, item_release);
	return item;
}

static struct item *new_item(struct kunit *test, void (*body)(struct item *item))
{
	struct requeue_test *t = test->priv;

	return new_item_on(test, t->token, body);
}

/* On the second CPU, if there is one, where block() blocks and new_begun() holds. */
static bool queue(struct item *item)
{
	return bgtoken_queue_work_on(test_cpu(1) < 0 ? 0 : 1, item->t->wq,
				     &item->dwork.work);
}

static bool queue_delayed(struct item *item, unsigned long delay)
{
	return bgtoken_queue_delayed_work(item->t->wq, &item->dwork, delay);
}

static bool mod(struct item *item, unsigned long delay)
{
	return bgtoken_mod_delayed_work(item->t->wq, &item->dwork, delay);
}

static bool cancel(struct item *item)
{
	return bgtoken_cancel_work(&item->dwork.work);
}

static void put(struct item *item)
{
	bgtoken_work_put(&item->dwork.work);
}

static unsigned int references(struct item *item)
{
	return kref_read(&item->dwork.work.kref);
}

static int runs(struct requeue_test *t)
{
	return test_gate_count(&t->ran) - t->unheld;
}

/* The workqueue that a case has in place of the suite's. */
struct wq_param {
	const char *name;
	unsigned int flags;
	bool ordered;
	bool elsewhere;			/* works go to wq2, too */
};

static void wq_desc(const struct wq_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

static void use_wq(struct kunit *test, int max_active)
{
	const struct wq_param *param = test->param_value;
	struct requeue_test *t = test->priv;

	bgtoken_wq_destroy(t->wq);
	t->wq = param->ordered ?
		bgtoken_ordered_wq_create("bgtoken_test", param->flags) :
		bgtoken_wq_create("bgtoken_test", param->flags, max_active);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq));
}

static void body_hold(struct item *item)
{
	test_gate_pass(&item->t->hold);
}

/*
 * The workqueue is busy with one work, on the second CPU; returns when it is.  It is so on
 * that CPU only, and a work that is queued without a CPU goes to the caller's: so the test
 * stays there, too.  The blocker sleeps.
 */
static void block(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *blocker = new_item_on(test, t->other, body_hold);

	if (test_cpu(1) > 0)
		set_cpus_allowed_ptr(current, cpumask_of(1));
	KUNIT_EXPECT_TRUE(test, queue(blocker));
	put(blocker);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
}

/* It goes on, and all that was behind it has left when this returns. */
static void unblock(struct kunit *test)
{
	struct requeue_test *t = test->priv;

	test_gate_open(&t->hold);
	bgtoken_wq_flush(t->wq);
}

/* First in a case that has new_begun(); its workqueue is that of the parameter. */
static void need_begun(struct kunit *test)
{
	test_begun_need(test);
	use_wq(test, 1);
}

/*
 * A work that its workqueue has begun to run, and that the library does not know of.  One
 * that is not per CPU may run it on the test's, where nothing is held: then it has run, and
 * is queued again, until that happens elsewhere.
 */
static struct item *new_begun(struct kunit *test, void (*body)(struct item *item))
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body);
	unsigned long end = jiffies + TEST_TIMEOUT;

	test_begun_expect(&item->dwork.work.work);
	for (;;) {
		KUNIT_EXPECT_TRUE(test, queue(item));
		KUNIT_EXPECT_TRUE(test, test_until(test_begun_held() || runs(t)));
		if (!runs(t) || time_after(jiffies, end))
			break;
		bgtoken_flush_work(&item->dwork.work);
		t->unheld++;
	}
	KUNIT_EXPECT_TRUE(test, test_begun_held());
	return item;
}

static void arm_soon(void *item)
{
	queue_delayed(item, TEST_BEGUN_SOON);
}

/* The same for its timer. */
static struct item *new_fired(struct kunit *test)
{
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, test_begun_fire(test, &item->dwork.timer, arm_soon, item));
	return item;
}

/* And taken back: its function has one reference, and will do no more than put that. */
static struct item *new_stale_timer(struct kunit *test)
{
	struct item *item = new_fired(test);

	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	return item;
}

/* What was held goes on, and is gone when this returns. */
static void let_go(struct kunit *test)
{
	struct requeue_test *t = test->priv;

	test_begun_go();
	synchronize_rcu();
	bgtoken_wq_flush(t->wq);
}

static bool on_timer(struct item *item)
{
	return timer_pending(&item->dwork.timer);
}

/* Released */

static void put_in(void *item)
{
	put(item);
}

static void put_in_any_context_releases_in_process_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, put_in, item));
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong_context), 0);
}

static void put_of_null_does_nothing(struct kunit *test)
{
	struct requeue_test *t = test->priv;

	bgtoken_work_put(NULL);
	bgtoken_timer_put(NULL);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
}

static void put_where_one_may_sleep_releases_at_once(struct kunit *test)
{
	struct requeue_test *t = test->priv;

	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		kunit_skip(test, "a kernel that does not know where one may sleep");
	put(new_item(test, NULL));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_PTR_EQ(test, READ_ONCE(t->releaser), current);
}

static void put_under_a_spinlock_releases_elsewhere(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	put(item);
	spin_unlock(&lock);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_PTR_NE(test, READ_ONCE(t->releaser), current);
}

/* With nothing that counts as a lock: only the flag says that one may not sleep. */
static void put_with_interrupts_off_releases_elsewhere(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;
	unsigned long flags;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "no spinlock_t may be taken there");
	item = new_item(test, NULL);
	local_irq_save(flags);
	put(item);
	local_irq_restore(flags);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong_context), 0);
	KUNIT_EXPECT_PTR_NE(test, READ_ONCE(t->releaser), current);
}

static void put_in_an_rcu_section_releases_elsewhere(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	put_in_rcu_section(item);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_PTR_NE(test, READ_ONCE(t->releaser), current);
}

static void init_queue_put(void *arg)
{
	struct item *item = arg;

	bgtoken_delayed_work_init(&item->dwork, item->t->token, item_fn, item_release);
	queue(item);
	put(item);
}

static void work_may_be_made_queued_and_put_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct requeue_test *t = test->priv;
	struct item *item = kzalloc(sizeof(*item), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, item);
	item->t = t;
	atomic_inc(&t->inited);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, init_queue_put, item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, READ_ONCE(t->fate), (int)BGTOKEN_RAN);
}

static void nothing_fn(struct bgtoken_work *work)
{
}

static void put_plain(void *work)
{
	bgtoken_work_put(work);
}

/* The last put is that in the context. */
static void work_without_release_is_freed(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct requeue_test *t = test->priv;
	struct bgtoken_work *work;

	test_free_need(test);
	work = kzalloc(sizeof(*work), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, work);
	bgtoken_work_init(work, t->token, nothing_fn, NULL);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(t->wq, work));
	bgtoken_wq_flush(t->wq);
	test_free_expect(work);
	KUNIT_EXPECT_FALSE(test, test_free_seen());
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, put_plain, work));
	KUNIT_EXPECT_TRUE(test, test_free_seen());
	test_nothing_left(test, bgtoken_live_works, t->live_works);
}

static void call_barrier(void *arg)
{
	struct requeue_test *t = arg;

	bgtoken_barrier();
	t->released_then = test_gate_count(&t->released);
}

static void destroy(void *arg)
{
	struct requeue_test *t = arg;

	bgtoken_wq_destroy(t->wq2);
	t->wq2 = NULL;
	t->released_then = test_gate_count(&t->released);
}

/* While @wait runs, a work is released that was put where one may not sleep. */
static void release_during(struct kunit *test, struct item *item, void (*wait)(void *arg))
{
	struct requeue_test *t = test->priv;

	item->releasing = &t->releasing;
	KUNIT_EXPECT_TRUE(test, test_call_in(TEST_SOFTIRQ, put_in, item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->releasing, 1));
	test_thread_start(test, &t->thread, -1, wait, t);
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->thread));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_gate_open(&t->releasing);
}

static void expect_waits_for_release(struct kunit *test, void (*wait)(void *arg))
{
	struct requeue_test *t = test->priv;

	release_during(test, new_item(test, NULL), wait);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_EQ(test, t->released_then, 1);
}

/* Which puts another work where one may not sleep, whose release is held in turn. */
static void expect_waits_for_next_release(struct kunit *test, void (*wait)(void *arg))
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	item->next = new_item(test, NULL);
	item->next->releasing = &t->again;
	release_during(test, item, wait);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->again, 1));
	/* The first is gone, and whoever waited for that alone is on its way. */
	KUNIT_EXPECT_TRUE(test, test_until(test_live(bgtoken_live_works) ==
					   t->live_works + 1));
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->thread));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	test_gate_open(&t->again);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_EQ(test, t->released_then, 2);
}

static void barrier_waits_for_a_release(struct kunit *test)
{
	expect_waits_for_release(test, call_barrier);
}

static void drain_waits_for_a_release_in_another_context(struct kunit *test)
{
	expect_waits_for_release(test, destroy);
}

static void barrier_waits_for_what_a_release_puts(struct kunit *test)
{
	expect_waits_for_next_release(test, call_barrier);
}

static void drain_waits_for_what_a_release_puts(struct kunit *test)
{
	expect_waits_for_next_release(test, destroy);
}

/* Why it was released */

static void expect_fate(struct kunit *test, struct item *item, enum bgtoken_fate fate)
{
	struct requeue_test *t = test->priv;
	int released = test_gate_count(&t->released);

	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, released + 1));
	KUNIT_EXPECT_EQ(test, READ_ONCE(t->fate), (int)fate);
}

static void fate_tells_what_became_of_a_work(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	expect_fate(test, item, BGTOKEN_NEVER_QUEUED);

	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	bgtoken_wq_flush(t->wq);
	expect_fate(test, item, BGTOKEN_RAN);

	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, cancel(item));
	expect_fate(test, item, BGTOKEN_TAKEN_BACK);

	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	bgtoken_wq_flush(t->wq);
	expect_fate(test, item, BGTOKEN_DROPPED_PAUSED);

	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(t->wq2, &item->dwork,
							   AN_HOUR));
	destroy(t);
	expect_fate(test, item, BGTOKEN_DROPPED_CLOSING);

	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	bgtoken_cancel(t->token);
	bgtoken_wq_flush(t->wq);
	expect_fate(test, item, BGTOKEN_DROPPED_CANCELLED);

	item = new_item(test, NULL);
	KUNIT_EXPECT_FALSE(test, queue(item));
	expect_fate(test, item, BGTOKEN_NEVER_QUEUED);
}

static void work_queued_on_a_cpu_runs_there(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);
	int cpu;

	for_each_online_cpu(cpu) {
		KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(cpu, t->wq,
							      &item->dwork.work));
		bgtoken_flush_work(&item->dwork.work);
		KUNIT_EXPECT_EQ(test, READ_ONCE(t->cpu), cpu);
	}
	put(item);
}

/* Taken back */

static void cancel_takes_a_queued_work_back(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	KUNIT_EXPECT_FALSE(test, cancel(item));
	unblock(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);	/* the blocker */
	put(item);
}

static void cancel_takes_a_delayed_work_off_its_timer(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel_delayed_work(&item->dwork));
	KUNIT_EXPECT_FALSE(test, on_timer(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	KUNIT_EXPECT_FALSE(test, cancel(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
}

static void work_that_was_taken_back_may_be_queued_again(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	unblock(test);
	KUNIT_EXPECT_EQ(test, runs(t), 2);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void cancel_of_what_is_not_pending_is_false(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body_hold);

	KUNIT_EXPECT_FALSE(test, cancel(item));
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	KUNIT_EXPECT_FALSE(test, cancel(item));		/* runs; is not waited for */
	test_gate_open(&t->hold);
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_FALSE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void cancel_in(void *arg)
{
	struct item *item = arg;

	item->t->result = cancel(item);
}

static void work_may_be_taken_back_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, cancel_in, item));
	KUNIT_EXPECT_TRUE(test, t->result);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void body_queue_then_cancel(struct item *item)
{
	item->t->result = queue(item) && cancel(item) && !cancel(item);
}

static void work_may_take_itself_back(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body_queue_then_cancel);

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_TRUE(test, t->result);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
}

static void work_of_a_cancelled_token_is_taken_back_and_says_why(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_FALSE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	expect_fate(test, item, BGTOKEN_DROPPED_CANCELLED);
}

static void work_that_its_workqueue_has_begun_can_be_taken_back(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);	/* the stale run has it */
	KUNIT_EXPECT_FALSE(test, cancel(item));
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void work_queued_again_behind_a_stale_run_runs_once(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	KUNIT_EXPECT_TRUE(test, cancel(item));		/* this one is in the queue */
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	KUNIT_EXPECT_TRUE(test, queue(item));
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void work_paused_behind_its_run_may_be_queued_again(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 3U);	/* the stale run has one */
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void work_paused_behind_its_run_may_be_armed_again(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void stale_run_outlives_the_callers_reference(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	put(item);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	let_go(test);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, READ_ONCE(t->fate), (int)BGTOKEN_TAKEN_BACK);
}

static void stale_run_keeps_a_work_from_another_workqueue(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(t->wq2, &item->dwork.work));
	let_go(test);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(t->wq2, &item->dwork.work));
	bgtoken_wq_flush(t->wq2);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	put(item);
}

static void timer_that_has_fired_can_be_taken_back(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_stale_timer(test);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void work_queued_again_behind_a_stale_timer_runs_once(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_stale_timer(test);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, 0));
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void work_armed_again_behind_a_stale_timer_stays_armed(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_stale_timer(test);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

/* Its timer is the first workqueue's no more: a drain of the second takes it off. */
static void work_taken_back_behind_its_timer_may_be_armed_on_another_workqueue(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_stale_timer(test);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(t->wq2, &item->dwork, AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	let_go(test);
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	bgtoken_wq_destroy(t->wq2);
	t->wq2 = NULL;
	KUNIT_EXPECT_FALSE(test, on_timer(item));
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void work_queued_again_behind_a_stale_timer_and_a_stale_run_runs_once(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	test_own_cpu(test, 2);
	item = new_stale_timer(test);			/* on the second CPU */
	test_begun_expect(&item->dwork.work.work);	/* held until both may go */
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(2, t->wq, &item->dwork.work));
	KUNIT_EXPECT_TRUE(test, test_begun_wait());
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 3U);	/* each has one */
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, 0));
	KUNIT_EXPECT_EQ(test, references(item), 4U);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

/* Modified */

static void mod_queues_what_is_not_pending(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_FALSE(test, mod(item, 0));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_FALSE(test, mod(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	put(item);
}

static void mod_brings_a_timer_forward(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, mod(item, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, mod(item, 0));
	KUNIT_EXPECT_FALSE(test, on_timer(item));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 2);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void mod_puts_a_timer_off(struct kunit *test)
{
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, mod(item, 2 * AN_HOUR));
	KUNIT_EXPECT_TRUE(test, time_after(item->dwork.timer.expires,
					   jiffies + AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	put(item);
}

static void mod_takes_a_queued_work_back_to_its_timer(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, mod(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	unblock(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);	/* the blocker */
	KUNIT_EXPECT_TRUE(test, cancel(item));
	put(item);
}

static void mod_to_now_leaves_a_queued_work_queued(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, mod(item, 0));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	unblock(test);
	KUNIT_EXPECT_EQ(test, runs(t), 2);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void mod_of_a_work_that_runs_has_it_run_again(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body_hold);

	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	KUNIT_EXPECT_FALSE(test, mod(item, 0));
	unblock(test);
	KUNIT_EXPECT_EQ(test, runs(t), 2);
	put(item);
}

static void mod_of_a_work_that_its_workqueue_has_begun_puts_it_off(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	KUNIT_EXPECT_TRUE(test, mod(item, AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_TRUE(test, mod(item, 0));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void mod_to_now_of_a_work_that_its_workqueue_has_begun_runs_once(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	KUNIT_EXPECT_TRUE(test, mod(item, 0));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void mod_of_a_timer_that_has_fired_puts_it_off(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_fired(test);
	KUNIT_EXPECT_TRUE(test, mod(item, AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_TRUE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void mod_to_now_of_a_timer_that_has_fired_runs_once(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_fired(test);
	KUNIT_EXPECT_TRUE(test, mod(item, 0));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void mod_in(void *arg)
{
	struct item *item = arg;

	item->t->result = !mod(item, AN_HOUR) && mod(item, 2 * AN_HOUR) && mod(item, 0);
}

static void work_may_be_modified_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, mod_in, item));
	KUNIT_EXPECT_TRUE(test, t->result);
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, runs(t), 1);
}

static void mod_is_refused_where_queueing_is(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	bgtoken_pause(t->token);
	KUNIT_EXPECT_FALSE(test, mod(item, AN_HOUR));
	KUNIT_EXPECT_FALSE(test, mod(item, 0));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	/* Pending elsewhere: it stays where it is. */
	KUNIT_EXPECT_FALSE(test, bgtoken_mod_delayed_work(t->wq2, &item->dwork, 1));
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_FALSE(test, mod(item, AN_HOUR));
	KUNIT_EXPECT_FALSE(test, mod(item, 0));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

/* Flushed */

static void flush_shared(void *arg)
{
	struct requeue_test *t = arg;

	t->result = bgtoken_flush_delayed_work(&t->shared->dwork);
}

static void flush_waits_for_a_work_that_runs(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body_hold);

	t->shared = item;
	KUNIT_EXPECT_FALSE(test, bgtoken_flush_work(&item->dwork.work));
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	bgtoken_cancel(t->token);			/* changes nothing about it */
	test_thread_start(test, &t->thread, -1, flush_shared, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->thread));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_TRUE(test, t->result);
	put(item);
}

static void flush_then_count(void *arg)
{
	struct requeue_test *t = arg;

	t->result = bgtoken_flush_work(&t->shared->dwork.work);
	t->references_then = references(t->shared);
}

static void flush_wq(void *arg)
{
	struct requeue_test *t = arg;

	bgtoken_wq_flush(t->wq);
}

static void drain_wq(void *arg)
{
	struct requeue_test *t = arg;

	bgtoken_wq_destroy(t->wq);
	t->wq = NULL;
}

/* What waits for a function that runs, whatever signals come. */
static const struct patient_param {
	const char *name;
	void (*wait)(void *t);
} patients[] = {
	{ "flush of a work", flush_then_count },
	{ "flush of a delayed work", flush_shared },
	{ "flush of a workqueue", flush_wq },
	{ "drain", drain_wq },
};

static void patient_desc(const struct patient_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(patient, patients, patient_desc);

static void wait_with_signals(void *arg)
{
	struct requeue_test *t = arg;

	allow_signal(SIGUSR1);
	allow_signal(SIGKILL);
	t->patient->wait(t);
	flush_signals(current);
}

static void wait_for_a_work_that_runs_is_not_disturbed_by_signals(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body_hold);

	t->shared = item;
	t->patient = test->param_value;
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	test_thread_start(test, &t->thread, -1, wait_with_signals, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->thread));
	if (!IS_ERR_OR_NULL(t->thread.task)) {
		send_sig(SIGUSR1, t->thread.task, 1);
		send_sig(SIGKILL, t->thread.task, 1);
	}
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->thread));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	put(item);
}

static void move_by_mod(struct item *item)
{
	mod(item, AN_HOUR);
}

static void move_by_cancel(struct item *item)
{
	cancel(item);
}

static void move_by_pause(struct item *item)
{
	bgtoken_pause(item->t->token);
	bgtoken_resume(item->t->token);
}

/* What takes a work back that a flush waits for. */
static const struct move_param {
	const char *name;
	void (*move)(struct item *item);
	bool pending;			/* after it */
} moves[] = {
	{ "modified", move_by_mod, true },
	{ "taken back", move_by_cancel },
	{ "paused", move_by_pause },
};

static void move_desc(const struct move_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(move, moves, move_desc);

static void flush_waits_for_a_work_of_a_cancelled_token_to_leave(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	t->shared = item;
	KUNIT_EXPECT_TRUE(test, queue(item));
	bgtoken_cancel(t->token);
	test_thread_start(test, &t->thread, -1, flush_then_count, t);
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->thread));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	unblock(test);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_TRUE(test, t->result);
	KUNIT_EXPECT_EQ(test, t->references_then, 1U);
	KUNIT_EXPECT_EQ(test, runs(t), 1);		/* the blocker */
	put(item);
}

static void flush_waits_for_a_stale_run_to_leave(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	KUNIT_ASSERT_TRUE(test, test_thread_create(test, &t->thread, 0));
	item = new_begun(test, NULL);
	t->shared = item;
	KUNIT_EXPECT_TRUE(test, cancel(item));
	test_thread_run(&t->thread, flush_then_count, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->thread));
	test_begun_go();
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_EQ(test, t->references_then, 1U);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	put(item);
}

static void flush_runs_a_delayed_work_now(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_FALSE(test, bgtoken_flush_delayed_work(&item->dwork));
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	bgtoken_flush_delayed_work(&item->dwork);	/* may have been quicker */
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void flush_of_a_workqueue_does_not_wait_for_a_timer(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	test_thread_start(test, &t->thread, -1, flush_wq, t);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_TRUE(test, on_timer(item));
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_TRUE(test, cancel(item));
	put(item);
}

static void flush_of_a_timer_that_has_fired_runs_it_once(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_fired(test);
	bgtoken_flush_delayed_work(&item->dwork);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

/*
 * The pending work is gone then, so the flush may return while the run goes on, but must not
 * outlast it.
 */
static void flush_of_a_work_that_is_moved_meanwhile_returns(struct kunit *test)
{
	const struct move_param *param = test->param_value;
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body_hold);

	t->shared = item;
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	KUNIT_EXPECT_TRUE(test, queue(item));		/* behind its run */
	test_thread_start(test, &t->thread, -1, flush_then_count, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->thread));
	param->move(item);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 1);
	KUNIT_EXPECT_EQ(test, cancel(item), param->pending);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

/* Paused */

static void pause_drops_what_is_pending(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *queued, *delayed;

	block(test);
	queued = new_item(test, NULL);
	delayed = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(queued));
	KUNIT_EXPECT_TRUE(test, queue_delayed(delayed, AN_HOUR));
	bgtoken_pause(t->token);
	KUNIT_EXPECT_FALSE(test, on_timer(delayed));
	KUNIT_EXPECT_FALSE(test, queue(queued));
	KUNIT_EXPECT_FALSE(test, queue_delayed(delayed, AN_HOUR));
	bgtoken_resume(t->token);
	KUNIT_EXPECT_FALSE(test, cancel(queued));	/* not pending any more */
	unblock(test);
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 1);		/* the blocker */
	KUNIT_EXPECT_EQ(test, references(queued), 1U);
	KUNIT_EXPECT_EQ(test, references(delayed), 1U);
	put(queued);
	put(delayed);
}

static void work_dropped_by_a_pause_may_be_queued_before_it_has_left(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *queued, *delayed, *off;

	block(test);
	queued = new_item(test, NULL);
	delayed = new_item(test, NULL);
	off = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(queued));
	KUNIT_EXPECT_TRUE(test, queue_delayed(delayed, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, queue(off));
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, queue(queued));
	KUNIT_EXPECT_FALSE(test, queue(queued));
	KUNIT_EXPECT_EQ(test, references(queued), 2U);
	KUNIT_EXPECT_FALSE(test, mod(delayed, 0));	/* newly queued */
	KUNIT_EXPECT_TRUE(test, queue_delayed(off, AN_HOUR));
	unblock(test);
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), 3);		/* but for the last */
	KUNIT_EXPECT_TRUE(test, on_timer(off));
	KUNIT_EXPECT_TRUE(test, cancel(off));
	KUNIT_EXPECT_EQ(test, references(queued), 1U);
	KUNIT_EXPECT_EQ(test, references(delayed), 1U);
	KUNIT_EXPECT_EQ(test, references(off), 1U);
	put(queued);
	put(delayed);
	put(off);
}

static void work_queued_after_a_pause_takes_its_turn(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item, *other;

	block(test);
	item = new_item(test, NULL);
	other = new_item_on(test, t->other, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_TRUE(test, queue(other));
	KUNIT_EXPECT_TRUE(test, queue(item));
	unblock(test);
	KUNIT_EXPECT_EQ(test, other->place, 2);
	KUNIT_EXPECT_EQ(test, item->place, 3);
	put(item);
	put(other);
}

static void work_dropped_by_a_pause_is_kept_from_another_workqueue(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(t->wq2, &item->dwork.work));
	KUNIT_EXPECT_FALSE(test, bgtoken_mod_delayed_work(t->wq2, &item->dwork, 0));
	unblock(test);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(t->wq2, &item->dwork.work));
	bgtoken_wq_flush(t->wq2);
	KUNIT_EXPECT_EQ(test, runs(t), 2);		/* the blocker, too */
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void work_dropped_by_a_pause_says_so_when_taken_back(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	block(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	bgtoken_pause(t->token);
	KUNIT_EXPECT_FALSE(test, cancel(item));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	expect_fate(test, item, BGTOKEN_DROPPED_PAUSED);
}

static bool enters(struct item *item)
{
	bool entered = false;

	scoped_bgtoken(item->dwork.work.token, struct test_owner *, owner)
		entered = test_owner_alive(owner);
	return entered;
}

static void body_across_a_pause(struct item *item)
{
	struct requeue_test *t = item->t;

	t->entered[0] = enters(item);
	test_gate_pass(&t->hold);
	t->entered[1] = enters(item);
	test_gate_pass(&t->again);
	t->entered[2] = enters(item);
}

static void work_that_runs_on_across_a_pause_may_enter_after_it(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item = new_item(test, body_across_a_pause);

	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	bgtoken_pause(t->token);			/* does not wait for it */
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->again, 1));
	bgtoken_resume(t->token);
	test_gate_open(&t->again);
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_TRUE(test, t->entered[0]);
	KUNIT_EXPECT_FALSE(test, t->entered[1]);
	KUNIT_EXPECT_TRUE(test, t->entered[2]);
	expect_fate(test, item, BGTOKEN_RAN);
}

static void work_that_its_workqueue_has_begun_is_dropped_by_a_pause(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void timer_that_has_fired_is_dropped_by_a_pause(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_fired(test);
	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void timer_that_has_fired_is_dropped_by_a_cancel(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	test_begun_need(test);
	item = new_fired(test);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	expect_fate(test, item, BGTOKEN_DROPPED_CANCELLED);
}

static void work_that_its_workqueue_has_begun_is_dropped_by_a_cancel(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;

	need_begun(test);
	item = new_begun(test, NULL);
	bgtoken_cancel(t->token);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

/*
 * A run looks at the token after it has moved the work to IDLE, under the lock, so a cancel
 * that comes before that look is seen by it.  Here the run comes to the lock, and the token
 * is cancelled before it has that.
 */
static void work_that_comes_to_the_lock_is_dropped_by_a_cancel(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct item *item;
	unsigned long flags;
	ktime_t end;
	bool came;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "a lock that sleeps does not tell who waits for it");
	need_begun(test);
	item = new_begun(test, NULL);
	spin_lock_irqsave(&t->token->lock, flags);
	test_begun_go();
	end = ktime_add_ms(ktime_get(), TEST_BEGUN_HOLD_MS);
	do {
		cpu_relax();
		came = spin_is_contended(&t->token->lock);
	} while (!came && ktime_before(ktime_get(), end));
	bgtoken_refuse(t->token);	/* nobody watches: it does without the lock */
	spin_unlock_irqrestore(&t->token->lock, flags);
	let_go(test);
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
	if (!came && test->status == KUNIT_SUCCESS)
		kunit_skip(test, "nobody was seen at the lock");
}

static void arm_for_an_hour(void *item)
{
	queue_delayed(item, AN_HOUR);
}

/*
 * bgtoken_queue() says that it watches before it looks at the token.  A cancel that comes
 * after that look, and finds nobody watching, would leave the work on its timer.
 */
static void work_that_is_being_armed_is_taken_off_by_a_cancel(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	struct test_thread *armer = &t->thread;
	struct item *item;

	test_begun_need(test);
	item = new_item(test, NULL);
	test_begun_expect_arming(&item->dwork.timer, t->token);
	KUNIT_EXPECT_TRUE(test, test_thread_start(test, armer, 1, arm_for_an_hour, item));
	KUNIT_EXPECT_TRUE(test, test_begun_wait());
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	test_begun_go();
	KUNIT_EXPECT_TRUE(test, test_thread_join(armer));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	test_begun_need_met(test);
}

/* @item is held on its way to a run that the drain is to drop; the thread is there. */
static void drain_drops(struct kunit *test, struct item *item)
{
	struct requeue_test *t = test->priv;

	swap(t->wq, t->wq2);
	test_thread_run(&t->thread, destroy, t);
	/* It waits for what is held, in (3) or (4). */
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->thread));
	test_begun_go();
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->thread));
	KUNIT_EXPECT_EQ(test, runs(t), 0);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put(item);
}

static void drain_meets_a_timer_that_has_fired(struct kunit *test)
{
	struct requeue_test *t = test->priv;

	test_begun_need(test);
	KUNIT_ASSERT_TRUE(test, test_thread_create(test, &t->thread, 0));
	drain_drops(test, new_fired(test));
}

static void work_that_its_workqueue_has_begun_is_dropped_by_a_drain(struct kunit *test)
{
	struct requeue_test *t = test->priv;

	need_begun(test);
	KUNIT_ASSERT_TRUE(test, test_thread_create(test, &t->thread, 0));
	drain_drops(test, new_begun(test, NULL));
}

/* All at once */

/* Not at the same time as itself, as long as it is queued on one workqueue. */
static void body_alone(struct item *item)
{
	struct requeue_test *t = item->t;

	atomic_inc(&t->running);
	if (atomic_inc_return(&item->running) != 1)
		atomic_inc(&t->overlaps);
	usleep_range(50, 100);
	scoped_bgtoken(t->token, struct test_owner *, owner) {
		usleep_range(50, 100);	/* so that pauses wait */
		if (!test_owner_alive(owner))
			atomic_inc(&t->gone);
	}
	atomic_dec(&item->running);
	atomic_dec(&t->running);
}

static int any_cpu(void)
{
	int cpu = test_cpu(get_random_u32() % nr_cpu_ids);

	return cpu < 0 ? WORK_CPU_UNBOUND : cpu;
}

static void move(void *arg)
{
	struct requeue_test *t = arg;
	struct bgtoken_wq *wq = t->elsewhere && get_random_u32() % 2 ? t->wq2 : t->wq;
	struct item *item = t->items[get_random_u32() % t->nr_items];
	unsigned long delay = get_random_u32() % 3;

	switch (get_random_u32() % 7) {
	case 0:
		bgtoken_queue_work_on(any_cpu(), wq, &item->dwork.work);
		break;
	case 1:
		bgtoken_queue_delayed_work(wq, &item->dwork, delay);
		break;
	case 2:
		bgtoken_mod_delayed_work(wq, &item->dwork, delay);
		break;
	case 3:
		cancel(item);
		break;
	case 4:
		bgtoken_flush_delayed_work(&item->dwork);
		break;
	default:
		usleep_range(1, 50);
		break;
	}
}

static void pause(void *arg)
{
	struct requeue_test *t = arg;

	bgtoken_pause(t->token);
	bgtoken_resume(t->token);
}

/* The reference count tells of any that was lost, or put twice. */
static void expect_left(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	int n;

	for (n = 0; n < t->nr_items; n++) {
		KUNIT_EXPECT_FALSE(test, on_timer(t->items[n]));
		KUNIT_EXPECT_EQ(test, references(t->items[n]), 1U);
	}
}

/* When nobody moves them any more. */
static void settle(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	int n;

	for (n = 0; n < t->nr_items; n++)
		cancel(t->items[n]);
	synchronize_rcu();	/* stale timers */
	if (t->wq)
		bgtoken_wq_flush(t->wq);
	bgtoken_wq_flush(t->wq2);
	expect_left(test);
}

/* And then a cancel, at any moment, after which the owner is freed. */
static void work_survives_all_moves_at_once(struct kunit *test)
{
	const struct wq_param *param = test->param_value;
	unsigned int us = get_random_u32() % (USEC_PER_SEC / 4);
	struct requeue_test *t = test->priv;
	struct item *item;
	int n;

	use_wq(test, 1);
	t->elsewhere = param->elsewhere;
	item = new_item(test, body_alone);
	t->items[0] = item;
	t->nr_items = 1;

	test_movers_start(test, &t->movers, t);
	msleep(500);
	KUNIT_EXPECT_TRUE(test, test_movers_wait(&t->movers));
	KUNIT_ASSERT_TRUE(test, test_movers_stop(&t->movers));
	if (!t->elsewhere)
		KUNIT_EXPECT_EQ(test, atomic_read(&t->overlaps), 0);
	settle(test);
	n = runs(t);
	KUNIT_EXPECT_TRUE(test, queue(item));
	bgtoken_wq_flush(t->wq);
	KUNIT_EXPECT_EQ(test, runs(t), n + 1);

	test_movers_start(test, &t->movers, t);
	usleep_range(us, us + 20);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->token));
	test_owner_free(t->owner);
	t->owner = NULL;
	KUNIT_EXPECT_TRUE(test, test_movers_wait(&t->movers));
	KUNIT_ASSERT_TRUE(test, test_movers_stop(&t->movers));
	settle(test);
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->gone), 0);
	put(item);
}

static void drain(void *arg)
{
	struct requeue_test *t = arg;

	bgtoken_wq_destroy(t->wq);
	t->running_then = atomic_read(&t->running);
	t->runs_then = runs(t);
	t->wq = NULL;
}

/*
 * The blocker keeps the workqueue there, for who would still use it, and sleeps: the works
 * run beside it, so it is none that runs them one at a time.
 */
static void drain_among_movers(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	int n;

	use_wq(test, 0);
	test_gate_init(&t->hold);
	block(test);
	for (n = 0; n < ITEMS; n++)
		t->items[n] = new_item(test, body_alone);
	t->nr_items = ITEMS;
	test_thread_create(test, &t->destroyer, -1);
	test_movers_start(test, &t->movers, t);
	KUNIT_EXPECT_TRUE(test, test_movers_wait(&t->movers));
	udelay(get_random_u32() % 200);
	test_thread_run(&t->destroyer, drain, t);
	/* After its grace period there is the blocker to wait for. */
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->destroyer));
	KUNIT_EXPECT_TRUE(test, test_movers_wait(&t->movers));
	KUNIT_ASSERT_TRUE(test, test_movers_stop(&t->movers));
	test_gate_open(&t->hold);
	KUNIT_ASSERT_TRUE(test, test_thread_join(&t->destroyer));
}

static void drain_meets_all_moves_at_once(struct kunit *test)
{
	const struct wq_param *param = test->param_value;
	struct requeue_test *t = test->priv;
	int n, round;

	t->elsewhere = param->elsewhere;
	for (round = 0; round < DRAINS; round++) {
		drain_among_movers(test);
		if (t->elsewhere)
			settle(test);
		else
			expect_left(test);
		for (n = 0; n < ITEMS; n++)
			put(t->items[n]);
		bgtoken_barrier();
		KUNIT_EXPECT_EQ(test, test_gate_count(&t->released),
				atomic_read(&t->inited));
		if (t->elsewhere)
			continue;	/* where they run on */
		KUNIT_EXPECT_EQ(test, t->running_then, 0);
		KUNIT_EXPECT_EQ(test, runs(t), t->runs_then);
	}
}

/* The suite */

static int requeue_test_init(struct kunit *test)
{
	struct requeue_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->live_tokens = test_live(bgtoken_live_tokens);
	t->live_works = test_live(bgtoken_live_works);
	test_gate_init(&t->ran);
	test_gate_init(&t->released);
	test_gate_init(&t->hold);
	test_gate_init(&t->again);
	test_gate_init(&t->releasing);
	t->movers.move = move;
	t->movers.pause = pause;
	t->owner = test_owner_create();
	t->token = bgtoken_create(t->owner, BGTOKEN_MUTEX, GFP_KERNEL);
	t->other = bgtoken_create(t, BGTOKEN_MUTEX, GFP_KERNEL);
	t->wq = bgtoken_wq_create("bgtoken_test", 0, 1);
	t->wq2 = bgtoken_wq_create("bgtoken_test2", 0, 1);
	if (IS_ERR(t->token) || IS_ERR(t->other) || IS_ERR(t->wq) || IS_ERR(t->wq2))
		return -ENOMEM;
	return 0;
}

static void requeue_test_exit(struct kunit *test)
{
	struct requeue_test *t = test->priv;
	bool over;

	if (!t)
		return;
	over = test_begun_end();
	test_gate_open(&t->hold);
	test_gate_open(&t->again);
	test_gate_open(&t->releasing);
	over &= test_movers_stop(&t->movers);
	over &= test_thread_join(&t->thread);
	over &= test_thread_join(&t->destroyer);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	if (!IS_ERR_OR_NULL(t->token))
		bgtoken_cancel(t->token);
	bgtoken_wq_destroy(t->wq);
	bgtoken_wq_destroy(t->wq2);
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), atomic_read(&t->inited));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong_context), 0);
	bgtoken_put(t->token);
	bgtoken_put(t->other);
	test_owner_free(t->owner);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
	kfree(t);
}

static const struct wq_param begun_wqs[] = {
	{ "per cpu" },
	{ "unbound", WQ_UNBOUND },
	{ "ordered", .ordered = true },
};

static const struct wq_param mover_wqs[] = {
	{ "per cpu" },
	{ "unbound", WQ_UNBOUND },
	{ "ordered", .ordered = true },
	{ "unbound, and another", WQ_UNBOUND, .elsewhere = true },
};

static const struct wq_param drain_wqs[] = {
	{ "per cpu" },
	{ "unbound", WQ_UNBOUND },
	{ "unbound, and another", WQ_UNBOUND, .elsewhere = true },
};

KUNIT_ARRAY_PARAM(context, test_contexts, test_context_desc);
KUNIT_ARRAY_PARAM(begun_wq, begun_wqs, wq_desc);
KUNIT_ARRAY_PARAM(mover_wq, mover_wqs, wq_desc);
KUNIT_ARRAY_PARAM(drain_wq, drain_wqs, wq_desc);

#define CONTEXT_CASE(name)	KUNIT_CASE_PARAM(name, context_gen_params)
#define BEGUN_CASE(name)	KUNIT_CASE_PARAM(name, begun_wq_gen_params)

static struct kunit_case requeue_test_cases[] = {
	CONTEXT_CASE(put_in_any_context_releases_in_process_context),
	KUNIT_CASE(put_of_null_does_nothing),
	KUNIT_CASE(put_where_one_may_sleep_releases_at_once),
	KUNIT_CASE(put_under_a_spinlock_releases_elsewhere),
	KUNIT_CASE(put_with_interrupts_off_releases_elsewhere),
	KUNIT_CASE(put_in_an_rcu_section_releases_elsewhere),
	CONTEXT_CASE(work_may_be_made_queued_and_put_in_any_context),
	CONTEXT_CASE(work_without_release_is_freed),
	KUNIT_CASE(barrier_waits_for_a_release),
	KUNIT_CASE(drain_waits_for_a_release_in_another_context),
	KUNIT_CASE(barrier_waits_for_what_a_release_puts),
	KUNIT_CASE(drain_waits_for_what_a_release_puts),
	KUNIT_CASE(fate_tells_what_became_of_a_work),
	KUNIT_CASE(work_queued_on_a_cpu_runs_there),
	KUNIT_CASE(cancel_takes_a_queued_work_back),
	KUNIT_CASE(cancel_takes_a_delayed_work_off_its_timer),
	KUNIT_CASE(work_that_was_taken_back_may_be_queued_again),
	KUNIT_CASE(cancel_of_what_is_not_pending_is_false),
	CONTEXT_CASE(work_may_be_taken_back_in_any_context),
	KUNIT_CASE(work_may_take_itself_back),
	KUNIT_CASE(work_of_a_cancelled_token_is_taken_back_and_says_why),
	BEGUN_CASE(work_that_its_workqueue_has_begun_can_be_taken_back),
	BEGUN_CASE(work_queued_again_behind_a_stale_run_runs_once),
	BEGUN_CASE(work_paused_behind_its_run_may_be_queued_again),
	BEGUN_CASE(work_paused_behind_its_run_may_be_armed_again),
	BEGUN_CASE(stale_run_outlives_the_callers_reference),
	BEGUN_CASE(stale_run_keeps_a_work_from_another_workqueue),
	KUNIT_CASE(timer_that_has_fired_can_be_taken_back),
	KUNIT_CASE(work_queued_again_behind_a_stale_timer_runs_once),
	KUNIT_CASE(work_armed_again_behind_a_stale_timer_stays_armed),
	KUNIT_CASE(work_taken_back_behind_its_timer_may_be_armed_on_another_workqueue),
	KUNIT_CASE(work_queued_again_behind_a_stale_timer_and_a_stale_run_runs_once),
	KUNIT_CASE(mod_queues_what_is_not_pending),
	KUNIT_CASE(mod_brings_a_timer_forward),
	KUNIT_CASE(mod_puts_a_timer_off),
	KUNIT_CASE(mod_takes_a_queued_work_back_to_its_timer),
	KUNIT_CASE(mod_to_now_leaves_a_queued_work_queued),
	KUNIT_CASE(mod_of_a_work_that_runs_has_it_run_again),
	BEGUN_CASE(mod_of_a_work_that_its_workqueue_has_begun_puts_it_off),
	BEGUN_CASE(mod_to_now_of_a_work_that_its_workqueue_has_begun_runs_once),
	KUNIT_CASE(mod_of_a_timer_that_has_fired_puts_it_off),
	KUNIT_CASE(mod_to_now_of_a_timer_that_has_fired_runs_once),
	CONTEXT_CASE(work_may_be_modified_in_any_context),
	KUNIT_CASE(mod_is_refused_where_queueing_is),
	KUNIT_CASE(flush_waits_for_a_work_that_runs),
	KUNIT_CASE_PARAM(wait_for_a_work_that_runs_is_not_disturbed_by_signals,
			 patient_gen_params),
	KUNIT_CASE(flush_waits_for_a_work_of_a_cancelled_token_to_leave),
	BEGUN_CASE(flush_waits_for_a_stale_run_to_leave),
	KUNIT_CASE(flush_runs_a_delayed_work_now),
	KUNIT_CASE(flush_of_a_workqueue_does_not_wait_for_a_timer),
	KUNIT_CASE(flush_of_a_timer_that_has_fired_runs_it_once),
	KUNIT_CASE_PARAM(flush_of_a_work_that_is_moved_meanwhile_returns, move_gen_params),
	KUNIT_CASE(pause_drops_what_is_pending),
	KUNIT_CASE(work_dropped_by_a_pause_may_be_queued_before_it_has_left),
	KUNIT_CASE(work_queued_after_a_pause_takes_its_turn),
	KUNIT_CASE(work_dropped_by_a_pause_is_kept_from_another_workqueue),
	KUNIT_CASE(work_dropped_by_a_pause_says_so_when_taken_back),
	KUNIT_CASE(work_that_runs_on_across_a_pause_may_enter_after_it),
	BEGUN_CASE(work_that_its_workqueue_has_begun_is_dropped_by_a_pause),
	KUNIT_CASE(timer_that_has_fired_is_dropped_by_a_pause),
	KUNIT_CASE(timer_that_has_fired_is_dropped_by_a_cancel),
	BEGUN_CASE(work_that_its_workqueue_has_begun_is_dropped_by_a_cancel),
	BEGUN_CASE(work_that_comes_to_the_lock_is_dropped_by_a_cancel),
	KUNIT_CASE(work_that_is_being_armed_is_taken_off_by_a_cancel),
	KUNIT_CASE(drain_meets_a_timer_that_has_fired),
	BEGUN_CASE(work_that_its_workqueue_has_begun_is_dropped_by_a_drain),
	TEST_CASE_PARAM_SLOW(work_survives_all_moves_at_once, mover_wq_gen_params),
	TEST_CASE_PARAM_SLOW(drain_meets_all_moves_at_once, drain_wq_gen_params),
	{}
};

static struct kunit_suite requeue_test_suite = {
	.name = "bgtoken_requeue",
	.suite_init = test_begun_init,
	.suite_exit = test_begun_exit,
	.init = requeue_test_init,
	.exit = requeue_test_exit,
	.test_cases = requeue_test_cases,
};

kunit_test_suite(requeue_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: works that are moved");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
