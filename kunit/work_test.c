// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works and background workqueues: each work is released exactly once on every
 * way out, its function is never called after a cancel, and a drain waits for
 * what runs and for nothing else.
 *
 * Each case ends by destroying its workqueues and counting: as many releases
 * as inits, all of them in process context, and no cancel that returned while a
 * scope was live.
 */
#include <linux/delay.h>
#include <linux/cpu.h>
#include <linux/irq_work.h>
#include <linux/kernfs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

#include "test_freeze.h"
#include "test_gate.h"

#define MANY		64
#define QUEUERS		3
#define MOST_QUEUED	1000	/* by each of them */

struct work_test {
	enum bgtoken_kind kind;
	struct test_owner *owner;	/* freed by whoever cancels */
	struct bgtoken *token;
	struct bgtoken *other;		/* another owner's */
	struct bgtoken_wq *wq;
	struct bgtoken_wq *wq2, *wq3;	/* or NULL */
	struct test_gate ran;		/* counts calls of item_fn() */
	struct test_gate released;	/* counts */
	struct test_gate hold;		/* holds functions, outside scopes */
	struct test_gate inside;	/* holds functions, inside one */
	struct test_thread canceller, destroyer;
	struct test_thread queuers[QUEUERS];
	void *shared;			/* by threads of one case; or NULL */
	atomic_t inited;
	atomic_t wrong_context;		/* releases that could not sleep */
	atomic_t queued, refused;	/* what queueing said, elsewhere */
	bool delayed;			/* the works of queue_until_refused() */
	atomic_t met_owner;		/* scopes that were entered */
	atomic_t live;			/* bodies of scopes that are held */
	atomic_t too_early;		/* cancels that returned before that was 0 */
	atomic_t cancels;
	int stored, seen;		/* by look_fn() */
	u64 looked;			/* when it did, in ns */
	bool finished;			/* a function, but for its return */
	bool finished_then;		/* when the workqueue was destroyed */
	int released_then;
	struct item *shared_item;	/* queued by all queuers */
	struct item *items[MANY];
	unsigned long delay;		/* of half of those */
	atomic_t now_running, overlaps;
	long left;			/* bgtoken_sleep()'s */
	int worker_nice, worker_cpus, worker_cpu;
	bool worker_rescues;
	long live_tokens, live_works;
};

/* A work, and what its function is to do. */
struct item {
	struct bgtoken_delayed_work dwork;	/* plain items use its work */
	struct work_test *t;
	void (*body)(struct item *item);
	int more;			/* how often it queues itself again */
};

static struct item *to_item(struct bgtoken_work *work)
{
	return container_of(work, struct item, dwork.work);
}

static void item_fn(struct bgtoken_work *work)
{
	struct item *item = to_item(work);

	test_gate_arrive(&item->t->ran);
	if (item->body)
		item->body(item);
}

static void item_release(struct bgtoken_work *work)
{
	struct item *item = to_item(work);
	struct work_test *t = item->t;

	might_sleep();
	if (!in_task() || irqs_disabled())
		atomic_inc(&t->wrong_context);
	kfree(item);
	test_gate_arrive(&t->released);
}

static struct item *item_alloc(struct kunit *test, void (*body)(struct item *item))
{
	struct work_test *t = test->priv;
	struct item *item = kzalloc(sizeof(*item), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, item);
	item->t = t;
	item->body = body;
	atomic_inc(&t->inited);
	return item;
}

/* The caller has a reference on what these make. */
static struct item *item_on(struct kunit *test, struct bgtoken *token,
			    void (*body)(struct item *item))
{
	struct item *item = item_alloc(test, body);

	bgtoken_work_init(&item->dwork.work, token, item_fn, item_release);
	return item;
}

static struct item *delayed_item_on(struct kunit *test, struct bgtoken *token,
				    void (*body)(struct item *item))
{
	struct item *item = item_alloc(test, body);

	bgtoken_delayed_work_init(&item->dwork, token, item_fn, item_release);
	return item;
}

static struct item *new_item(struct kunit *test, void (*body)(struct item *item))
{
	struct work_test *t = test->priv;

	return item_on(test, t->token, body);
}

static struct item *new_delayed(struct kunit *test, void (*body)(struct item *item))
{
	struct work_test *t = test->priv;

	return delayed_item_on(test, t->token, body);
}

static bool queue(struct item *item)
{
	return bgtoken_queue_work(item->t->wq, &item->dwork.work);
}

static bool queue_delayed(struct item *item, unsigned long delay)
{
	return bgtoken_queue_delayed_work(item->t->wq, &item->dwork, delay);
}

static bool mod(struct item *item, unsigned long delay)
{
	return bgtoken_mod_delayed_work(item->t->wq, &item->dwork, delay);
}

static void put(struct item *item)
{
	bgtoken_work_put(&item->dwork.work);
}

/* Released here and now, but where the kernel cannot tell that the caller may sleep. */
static void put_last(struct item *item)
{
	put(item);
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		bgtoken_barrier();
}

static unsigned int references(struct item *item)
{
	return kref_read(&item->dwork.work.kref);
}

/* What functions do */

static void body_hold(struct item *item)
{
	test_gate_pass(&item->t->hold);
}

static void body_scope(struct item *item)
{
	test_scope(item->dwork.work.token, struct test_owner *, owner)
		if (test_owner_alive(owner))
			atomic_inc(&item->t->met_owner);
}

/* Takes its time, so a drain that does not wait for it returns first. */
static void body_hold_then_finish(struct item *item)
{
	body_hold(item);
	usleep_range(20000, 21000);
	WRITE_ONCE(item->t->finished, true);
}

static void body_hold_then_scope(struct item *item)
{
	body_hold(item);
	body_scope(item);
}

static void body_hold_inside(struct item *item)
{
	scoped_bgtoken(item->dwork.work.token, struct test_owner *, owner) {
		atomic_inc(&item->t->live);
		test_gate_pass(&item->t->inside);
		if (test_owner_alive(owner))
			atomic_inc(&item->t->met_owner);
		atomic_dec(&item->t->live);
	}
}

static void body_queue_again(struct item *item)
{
	if (item->more-- > 0 && queue(item))
		atomic_inc(&item->t->queued);
}

static void body_queue_for_ever(struct item *item)
{
	if (queue(item))
		atomic_inc(&item->t->queued);
}

static void body_queue_delayed_for_ever(struct item *item)
{
	if (queue_delayed(item, 1))
		atomic_inc(&item->t->queued);
}

static void free_owner_if_first(struct work_test *t)
{
	bool first = bgtoken_cancel(t->token);

	if (atomic_read(&t->live))
		atomic_inc(&t->too_early);
	if (!first)
		return;
	test_owner_free(t->owner);
	t->owner = NULL;
	atomic_inc(&t->cancels);
}

static void body_cancel(struct item *item)
{
	free_owner_if_first(item->t);
	body_scope(item);
	if (queue(item))
		atomic_inc(&item->t->queued);
}

static void body_sleep(struct item *item)
{
	WRITE_ONCE(item->t->left, bgtoken_sleep(item->dwork.work.token, AN_HOUR));
}

static void body_alone(struct item *item)
{
	struct work_test *t = item->t;

	if (atomic_inc_return(&t->now_running) != 1)
		atomic_inc(&t->overlaps);
	usleep_range(50, 100);
	atomic_dec(&t->now_running);
}

/* Threads */

static void canceller(void *arg)
{
	free_owner_if_first(arg);
}

static void destroyer(void *arg)
{
	struct work_test *t = arg;
	struct bgtoken_wq *wq = t->wq;

	bgtoken_wq_destroy(wq);
	t->finished_then = READ_ONCE(t->finished);
	t->released_then = test_gate_count(&t->released);
	t->wq = NULL;
}

static void queue_until_refused(void *arg)
{
	static const unsigned long delays[] = { AN_HOUR, 1, 0 };
	struct work_test *t = arg;
	struct item *item;
	bool queued;
	int n = 0;

	/* Refused at last, but first not too often: all that has to be released. */
	do {
		if (n == MOST_QUEUED && !test_thread_asleep(&t->destroyer))
			return;
		item = kzalloc(sizeof(*item), GFP_KERNEL);
		if (!item)
			return;
		item->t = t;
		atomic_inc(&t->inited);
		if (t->delayed) {
			bgtoken_delayed_work_init(&item->dwork, t->token, item_fn,
						  item_release);
			queued = queue_delayed(item, delays[n % 3]);
		} else {
			bgtoken_work_init(&item->dwork.work, t->token, item_fn,
					  item_release);
			queued = queue(item);
		}
		put(item);
		atomic_inc(queued ? &t->queued : &t->refused);
		if (!(++n & 63))	/* on one CPU the others want it, too */
			usleep_range(20, 50);
	} while (queued && n <= MOST_QUEUED);
}

static void queue_again_and_again(void *arg)
{
	struct work_test *t = arg;
	unsigned long end = jiffies + HZ / 5;
	int n;

	test_rounds(n, end) {
		if (queue(t->shared_item))
			atomic_inc(&t->queued);
		cond_resched();
	}
}

/* As a thread, so that a cancel or drain that waits too long is seen to. */
static bool cancel_returns(struct kunit *test)
{
	struct work_test *t = test->priv;

	test_thread_start(test, &t->canceller, -1, canceller, t);
	return test_thread_join(&t->canceller);
}

static bool destroy_returns(struct kunit *test)
{
	struct work_test *t = test->priv;

	test_thread_start(test, &t->destroyer, -1, destroyer, t);
	return test_thread_join(&t->destroyer);
}

/* Returns when the workqueue is closing: nothing before that makes it sleep. */
static void destroy_begins(struct kunit *test)
{
	struct work_test *t = test->priv;

	test_thread_start(test, &t->destroyer, -1, destroyer, t);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&t->destroyer));
}

/* A workqueue on which one work runs at a time, and that one held. */
static void block_workqueue_by(struct kunit *test, void (*body)(struct item *item))
{
	struct work_test *t = test->priv;
	struct item *blocker;

	bgtoken_wq_destroy(t->wq);
	t->wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq));
	blocker = item_on(test, t->other, body);
	KUNIT_EXPECT_TRUE(test, queue(blocker));
	put(blocker);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
}

static void block_workqueue(struct kunit *test)
{
	block_workqueue_by(test, body_hold);
}

/* Ran */

static void work_that_ran_is_released_once(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_scope);

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 1);
}

/* Its memory is free, says its user, but it has not returned yet. */
static void lingering_release(struct bgtoken_work *work)
{
	struct work_test *t = to_item(work)->t;

	test_gate_arrive(&t->released);
	test_gate_pass(&t->inside);
}

static void work_recycled_while_its_release_lingers_runs_after_it(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = item_alloc(test, body_hold), *other;

	/* One pool for both: that of a CPU. */
	bgtoken_wq_destroy(t->wq);
	t->wq = bgtoken_wq_create("bgtoken_test", 0, 0);
	t->wq2 = bgtoken_wq_create("bgtoken_test_2", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq));
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq2));
	other = new_item(test, NULL);
	bgtoken_work_init(&item->dwork.work, t->token, item_fn, lingering_release);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(0, t->wq, &item->dwork.work));
	put(item);
	test_gate_open(&t->hold);	/* so that the run's put is the last one */
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);

	atomic_inc(&t->inited);
	bgtoken_work_init(&item->dwork.work, t->token, item_fn, item_release);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(0, t->wq2, &item->dwork.work));
	put(item);
	/* What comes after it goes first. */
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(0, t->wq2, &other->dwork.work));
	put(other);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 2);

	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 3));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 3);
}

static void work_that_was_never_queued_is_released_by_its_put(struct kunit *test)
{
	struct work_test *t = test->priv;

	put_last(new_item(test, NULL));
	put_last(new_delayed(test, NULL));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void work_is_kept_by_the_queue_after_the_callers_put(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item;

	block_workqueue(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	put(item);
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 2);
}

static void work_is_kept_by_the_caller_after_it_ran(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	KUNIT_EXPECT_TRUE(test, test_until(references(item) == 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 2));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
}

static void work_keeps_its_token(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct bgtoken *token = t->token;
	struct item *item;

	item = new_item(test, body_hold_then_scope);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 2U);
	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	t->token = NULL;
	bgtoken_put(token);
	KUNIT_EXPECT_EQ(test, kref_read(&token->kref), 1U);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 1);
}

static void work_runs_in_process_context_and_is_released_there(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_alone);		/* sleeps */

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong_context), 0);
}

/* Cancelled */

static void work_cancelled_while_pending_never_runs_and_is_released(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item;

	block_workqueue(test);
	item = new_item(test, body_scope);
	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
}

static void work_is_refused_when_its_token_is_cancelled(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, NULL);
	struct item *delayed = new_delayed(test, NULL);

	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_FALSE(test, queue_delayed(delayed, 0));
	KUNIT_EXPECT_FALSE(test, queue_delayed(delayed, 1));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	KUNIT_EXPECT_EQ(test, references(delayed), 1U);
	put_last(item);
	put_last(delayed);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void work_may_cancel_its_own_token_and_free_the_owner(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_cancel);

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->queued), 0);
}

static void work_does_not_delay_a_cancel_outside_its_scopes(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_hold_then_scope);

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	/* The owner is gone, and the work goes on to look for it. */
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 0);
}

static void work_delays_a_cancel_inside_its_scope(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_hold_inside);

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->inside, 1));
	test_thread_start(test, &t->canceller, -1, canceller, t);
	KUNIT_EXPECT_TRUE(test, test_blocked_at(t->token, &t->canceller));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 0);
	test_gate_open(&t->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->canceller));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
}

static void work_finds_no_owner_that_was_freed_before_it_started(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item;

	block_workqueue(test);
	item = new_item(test, body_scope);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_until(references(item) == 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 0);
	put(item);
}

static void work_may_be_put_after_its_owner_was_freed(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_scope);

	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	KUNIT_EXPECT_TRUE(test, test_until(references(item) == 1));
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	put_last(item);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 1);
}

static void work_that_sleeps_is_woken_by_cancel_and_drained(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_sleep);

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 1));
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
	KUNIT_EXPECT_GT(test, t->left, HALF_AN_HOUR);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
}

/* Outside scopes, so nobody but a drain waits for it. */
static DEFINE_MUTEX(works_lock);

static void body_lock(struct item *item)
{
	mutex_lock(&works_lock);
	mutex_unlock(&works_lock);
	body_scope(item);
}

static void work_may_be_queued_and_cancelled_under_a_lock_that_it_takes(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item, *delayed;

	test_need_lockdep(test);
	item = new_item(test, body_lock);
	delayed = new_delayed(test, body_lock);
	/* What it takes is known. */
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, queue_delayed(delayed, 1));
	KUNIT_EXPECT_TRUE(test, test_until(references(item) == 1));
	KUNIT_EXPECT_TRUE(test, test_until(references(delayed) == 1));
	mutex_lock(&works_lock);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, queue_delayed(delayed, AN_HOUR));
	free_owner_if_first(t);
	put(item);
	put(delayed);
	mutex_unlock(&works_lock);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 2);
	test_expect_no_lockdep_report(test);
}

static void body_barrier(struct item *item)
{
	bgtoken_barrier();
}

/* Its function is of another work of the same init, and no release waits for it. */
static void work_may_wait_for_the_releases_of_works_like_itself(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item;

	test_need_lockdep(test);
	item = new_item(test, NULL);
	preempt_disable();
	put(item);		/* left to the library's workqueue */
	preempt_enable();
	bgtoken_barrier();
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	item = new_item(test, body_barrier);
	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	test_expect_no_lockdep_report(test);
}

/* Queued twice, and again */

static void work_queued_twice_is_refused_and_runs_once(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item;

	block_workqueue(test);
	item = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	put(item);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 2);
}

/* What debugfs shows: those that are queued or armed, however they come to it and leave it. */
static void works_that_are_pending_are_counted(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, NULL), *other;
	unsigned int *pending = &t->token->pending;

	block_workqueue(test);		/* with a work that runs, and so is not pending */
	other = new_item(test, NULL);
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 0U);
	KUNIT_EXPECT_TRUE(test, queue(other));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 1U);
	KUNIT_EXPECT_FALSE(test, queue(other));
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 2U);
	KUNIT_EXPECT_TRUE(test, mod(item, AN_HOUR / 2));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 2U);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel_delayed_work(&item->dwork));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 1U);
	KUNIT_EXPECT_FALSE(test, mod(item, 0));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 2U);
	put(item);
	put(other);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 3));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 0U);

	item = new_delayed(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	bgtoken_cancel(t->token);
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 4));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*pending), 0U);
}

static void work_queued_while_it_runs_runs_again(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_hold);

	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	put(item);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 2);
}

static void work_queued_while_it_runs_goes_with_its_token(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_hold);

	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
}

/* No lock comes before its look: it would be a barrier that others lack. */
static void look_fn(struct bgtoken_work *work)
{
	struct work_test *t = to_item(work)->t;

	WRITE_ONCE(t->seen, READ_ONCE(t->stored));
	WRITE_ONCE(t->looked, ktime_get_ns());
}

static void queue_it(void *arg)
{
	queue(arg);
}

/* From an interrupt, on the CPU that is told to raise it. */
struct interrupt {
	struct irq_work irq_work;
	struct item *item;
};

static void interrupt_fn(struct irq_work *irq_work)
{
	queue(container_of(irq_work, struct interrupt, irq_work)->item);
}

static void raise_interrupt(void *arg)
{
	struct interrupt *interrupt = arg;

	irq_work_queue(&interrupt->irq_work);
}

static bool look_has_seen(struct work_test *t, int stored)
{
	int spins;

	for (spins = 0; spins < 10000; spins++) {
		if (READ_ONCE(t->seen) >= stored)
			return true;
		cpu_relax();
	}
	return test_until(READ_ONCE(t->seen) >= stored);
}

/*
 * First another CPU is told to queue it, and runs it; then it is queued from
 * here, about when that run looks.  How long that takes is measured now and then.
 */
static void work_refused_as_pending_sees_what_was_stored_before(struct kunit *test)
{
	struct work_test *t = test->priv;
	unsigned long end;
	int n, round = 0, refused = 0;
	u32 latency = 1000;	/* ns, from telling it to its look */
	u32 most = 2 * TICK_NSEC;	/* User-Mode Linux may tell it with a tick */
	bool lost = false;
	struct interrupt interrupt;
	struct item *item;
	u64 sent;

	test_own_cpu(test, 1);
	bgtoken_wq_destroy(t->wq);
	t->wq = bgtoken_wq_create("bgtoken_test", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq));
	item = item_alloc(test, NULL);
	bgtoken_work_init(&item->dwork.work, t->token, look_fn, item_release);
	interrupt.irq_work = IRQ_WORK_INIT(interrupt_fn);
	interrupt.item = item;
	end = jiffies + HZ;
	test_rounds(n, end) {
		bool measure = ++round % 8 == 1;
		u32 ns = latency / 2 + get_random_u32() % latency;

		WRITE_ONCE(t->stored, 2 * round);
		sent = ktime_get_ns();
		smp_call_function_single(1, raise_interrupt, &interrupt, false);
		if (!measure) {
			while (ktime_get_ns() - sent < ns)
				cpu_relax();
			WRITE_ONCE(t->stored, 2 * round + 1);
			refused += !queue(item);
		}
		if (!look_has_seen(t, measure ? 2 * round : 2 * round + 1)) {
			KUNIT_FAIL(test, "round %d: lost what was stored", round);
			lost = true;
			break;
		}
		/* One that took long, on a busy machine, is not what to go by. */
		if (measure)
			latency = clamp_t(u64, READ_ONCE(t->looked) - sent, 1000, most);
		most = min_t(u64, 2 * latency, 2 * TICK_NSEC);
	}
	test_call_on(1, TEST_HARDIRQ, queue_it, item);	/* after the last one */
	irq_work_sync(&interrupt.irq_work);
	put(item);
	kunit_info(test, "%d rounds, %d refused", round, refused);
	if (!refused && !lost)
		kunit_skip(test, "never came while the work was pending");
}

static void work_that_queues_itself_again_is_released_once(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_queue_again);

	item->more = 100;
	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 101);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->queued), 100);
}

static void work_that_queues_itself_for_ever_ends_with_its_token(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_queue_for_ever);

	KUNIT_EXPECT_TRUE(test, queue(item));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 20));
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	/* At most one more was queued before the cancel, and never ran. */
	KUNIT_EXPECT_GE(test, atomic_read(&t->queued) + 1, test_gate_count(&t->ran));
	KUNIT_EXPECT_LE(test, atomic_read(&t->queued), test_gate_count(&t->ran));
}

static void work_never_runs_twice_at_once(struct kunit *test)
{
	struct work_test *t = test->priv;
	bool joined = true;
	int n;

	/* Bound: a work would run where it was queued, if it did not run yet. */
	bgtoken_wq_destroy(t->wq);
	t->wq = bgtoken_wq_create("bgtoken_test", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq));
	t->shared_item = new_item(test, body_alone);
	for (n = 0; n < 2; n++)
		test_thread_start(test, &t->queuers[n], test_cpu(n),
				  queue_again_and_again, t);
	for (n = 0; n < 2; n++)
		joined &= test_thread_join(&t->queuers[n]);
	KUNIT_EXPECT_TRUE(test, joined);
	if (!joined)
		return;
	put(t->shared_item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), atomic_read(&t->queued));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->overlaps), 0);
}

static void work_may_go_to_another_workqueue_when_it_ran(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, NULL);

	t->wq2 = bgtoken_wq_create("bgtoken_test2", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq2));
	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, test_until(references(item) == 1));
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(t->wq2, &item->dwork.work));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 2);
}

/* Delayed */

static void delayed_work_runs_when_its_delay_is_over(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, body_scope);
	unsigned long before = jiffies;

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, 5));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_TRUE(test, time_after_eq(jiffies, before + 5));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 1);
}

static void delayed_work_without_delay_runs_at_once(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, 0));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
}

static void delayed_work_is_pending_while_on_its_timer(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_FALSE(test, queue_delayed(item, 1));
	KUNIT_EXPECT_FALSE(test, queue_delayed(item, 0));
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	put(item);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void delayed_work_cancelled_on_its_timer_is_released_at_once(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, body_scope);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	put(item);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void delayed_work_is_taken_off_its_timer_by_refuse(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, body_scope);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	put(item);
	test_scope(t->token, struct test_owner *, owner)
		bgtoken_refuse(t->token);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void delayed_work_does_not_delay_a_cancel(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item;

	/* Nor does a workqueue that cannot take it. */
	block_workqueue(test);
	item = new_delayed(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_EQ(test, references(item), 2U);
	put(item);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
}

static void delayed_works_of_a_token_all_go_with_it(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n;

	for (n = 0; n < MANY; n++) {
		struct item *item = new_delayed(test, NULL);

		KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR + n));
		put(item);
	}
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, MANY));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void delayed_work_of_another_token_stays_on_its_timer(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, NULL);
	struct item *other = delayed_item_on(test, t->other, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(other, AN_HOUR));
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	put(item);
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, references(other), 2U);
	put(other);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(t->other));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void delayed_work_queues_itself_until_it_is_cancelled(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, body_queue_delayed_for_ever);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, 1));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 5));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
}

static void delayed_work_queued_while_it_runs_goes_with_its_token(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, body_hold);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->hold, 1));
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(item), 3U);
	put(item);
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
}

/* The sleep grows from 0 until it outlasts a delay of a jiffy or two. */
static void sleep_into_expiry(int round, int rounds)
{
	unsigned int us = jiffies_to_usecs(3) * round / rounds;

	usleep_range(us, us + 20);
}

/* "All" or "none" would say that they did not meet. */
static void tell_who_was_first(struct kunit *test, int rounds)
{
	struct work_test *t = test->priv;
	int ran = test_gate_count(&t->ran);

	kunit_info(test, "%d ran, %d were dropped", ran, rounds - ran);
}

/* A token each round, cancelled about when the timer of its work expires. */
static void delayed_work_is_released_once_if_cancel_and_expiry_meet(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n, rounds = 120;

	for (n = 0; n < rounds; n++) {
		struct bgtoken *token = test_token_create(t, t->kind);
		struct item *item;

		if (IS_ERR(token)) {
			KUNIT_FAIL(test, "no memory");
			break;
		}
		item = delayed_item_on(test, token, NULL);
		KUNIT_EXPECT_TRUE(test, queue_delayed(item, 1 + n % 2));
		put(item);
		sleep_into_expiry(n, rounds);
		bgtoken_cancel(token);
		bgtoken_put(token);
	}
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, n));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), rounds);
	KUNIT_EXPECT_LE(test, test_gate_count(&t->ran), rounds);
	tell_who_was_first(test, rounds);
}

/* A cancel meets who queues */

#define MEETINGS	256
#define MEETING_ROUNDS	2	/* at least */

/* Each with a token of its own, as it is queued and the token is cancelled. */
struct meetings {
	struct bgtoken *tokens[MEETINGS];
	struct item *items[MEETINGS];
	bool queued[MEETINGS];
	int round;			/* the queuer is at it, from 1 */
	int cancelled;			/* how many are */
	u32 wait[MEETINGS];		/* spins, by whoever would otherwise be first */
};

static void wait_turns(u32 turns)
{
	while (turns--)
		cpu_relax();
}

/* As closely as can be: a look at the clock takes longer than what may go wrong. */
static void wait_for_other(int *word, int value)
{
	int turns;

	for (turns = 0; turns < 100000; turns++) {
		if (READ_ONCE(*word) == value)
			return;
		cpu_relax();
	}
	test_spin_until(READ_ONCE(*word) == value);
}

static void meeting_queuer(void *arg)
{
	struct meetings *m = arg;
	int n;

	for (n = 0; n < MEETINGS; n++) {
		wait_for_other(&m->cancelled, n);
		WRITE_ONCE(m->round, n + 1);
		if (m->wait[n] & 1)
			wait_turns(m->wait[n] >> 1);
		m->queued[n] = queue_delayed(m->items[n], AN_HOUR);
	}
}

static void meeting_canceller(void *arg)
{
	struct meetings *m = arg;
	int n;

	for (n = 0; n < MEETINGS; n++) {
		if (!(n & 15))
			cond_resched();
		WRITE_ONCE(m->cancelled, n);
		wait_for_other(&m->round, n + 1);
		if (!(m->wait[n] & 1))
			wait_turns(m->wait[n] >> 1);
		bgtoken_cancel(m->tokens[n]);
	}
}

static bool prepare_meetings(struct kunit *test, struct meetings *m, int bias)
{
	struct work_test *t = test->priv;
	int n;

	m->round = 0;
	m->cancelled = 0;
	for (n = 0; n < MEETINGS; n++) {
		int turns = bias + (int)(get_random_u32() % 8) - 4;

		m->wait[n] = turns < 0 ? (-turns << 1) | 1 : turns << 1;
		m->tokens[n] = test_token_create(t, t->kind);
		if (IS_ERR(m->tokens[n])) {
			KUNIT_FAIL(test, "no memory");
			break;
		}
		m->items[n] = delayed_item_on(test, m->tokens[n], NULL);
	}
	if (n == MEETINGS)
		return true;
	while (n--) {
		put(m->items[n]);
		bgtoken_put(m->tokens[n]);
	}
	return false;
}

/*
 * The wait is adapted each round: whoever was first waits longer.  So they keep
 * meeting, whatever each has to go through on this machine.  Returns how many
 * works were queued, or -1 if it failed.
 */
static int have_meetings(struct kunit *test, struct meetings *m, int *bias)
{
	struct work_test *t = test->priv;
	int n, step, queued = 0;
	bool joined;

	if (!prepare_meetings(test, m, *bias))
		return -1;
	test_thread_create(test, &t->queuers[0], 1);
	test_thread_create(test, &t->canceller, 0);	/* the test just waits */
	test_thread_run(&t->canceller, meeting_canceller, m);
	test_thread_run(&t->queuers[0], meeting_queuer, m);
	joined = test_thread_join(&t->queuers[0]);
	joined &= test_thread_join(&t->canceller);
	KUNIT_EXPECT_TRUE(test, joined);
	if (!joined)
		return -1;
	for (n = 0; n < MEETINGS; n++) {
		queued += m->queued[n];
		put(m->items[n]);
		bgtoken_put(m->tokens[n]);
	}
	/* Far, if one of them was always first. */
	step = queued && queued < MEETINGS ? 1 : 16;
	*bias += queued > MEETINGS / 2 ? -step : step;
	return queued;
}

static void delayed_work_is_dropped_or_refused_if_cancel_and_queueing_meet(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n, queued, all = 0, bias = 0;
	unsigned long end;
	struct meetings *m;

	test_own_cpu(test, 1);
	m = kzalloc(sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	t->shared = m;
	end = jiffies + HZ;
	for (n = 0; n < MEETING_ROUNDS || time_before(jiffies, end); n++) {
		queued = have_meetings(test, m, &bias);
		if (queued < 0)
			break;
		all += queued;
		if (!test_gate_wait(&t->released, (n + 1) * MEETINGS)) {
			KUNIT_FAIL(test, "%d works are left on their timers",
				   (n + 1) * MEETINGS - test_gate_count(&t->released));
			break;
		}
	}
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
	kunit_info(test, "%d works, %d queued, bias %d", n * MEETINGS, all, bias);
}

/* A CPU goes, with timers on it */

#ifdef CONFIG_HOTPLUG_CPU
#define MOST_DELAY	(8 * HZ)	/* the longest that is tried */

static void queue_delayed_on(void *arg)
{
	struct work_test *t = arg;
	int n;

	for (n = 0; n < MANY; n++)
		if (queue_delayed(t->items[n], n & 1 ? AN_HOUR : t->delay))
			atomic_inc(&t->queued);
}

/* Half of them are due after t->delay.  Returns how many have their timer there. */
static int queue_works_on_cpu(struct kunit *test, int cpu)
{
	struct work_test *t = test->priv;
	int n, there = 0;

	atomic_set(&t->queued, 0);
	for (n = 0; n < MANY; n++)
		t->items[n] = new_delayed(test, body_scope);
	KUNIT_EXPECT_TRUE(test, test_call_on(cpu, TEST_SOFTIRQ, queue_delayed_on, t));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->queued), MANY);
	for (n = 0; n < MANY; n++) {
		there += (READ_ONCE(t->items[n]->dwork.timer.flags) & TIMER_CPUMASK) == cpu;
		put(t->items[n]);
	}
	return there;
}

/* True if all their timers were on the CPU as it went, and none had expired. */
static bool remove_cpu_with_timers(struct kunit *test, int cpu)
{
	struct work_test *t = test->priv;
	int released = test_gate_count(&t->released);
	int there = queue_works_on_cpu(test, cpu);

	KUNIT_EXPECT_EQ(test, remove_cpu(cpu), 0);
	return there == MANY && !cpu_online(cpu) &&
	       test_gate_count(&t->released) == released;
}

/* Bring the CPU back, and let the works go: those that are left, unrun. */
static void take_back(struct kunit *test, int cpu, int released)
{
	struct work_test *t = test->priv;

	if (!cpu_online(cpu))
		KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
	bgtoken_cancel(t->token);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, released + MANY));
	bgtoken_put(t->token);
	t->token = test_token_create(t->owner, t->kind);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->token));
}
#endif

/* Half of them are due soon, and run elsewhere; the others go with their token. */
static void delayed_works_outlive_the_cpu_that_they_were_queued_on(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	struct work_test *t = test->priv;
	int cpu = num_online_cpus() - 1, ran, met, released;

	test_own_cpu(test, 1);
	if (!cpu_online(cpu))
		kunit_skip(test, "needs CPUs without gaps");
	/* Bound to CPUs, as their timers are. */
	bgtoken_wq_destroy(t->wq);
	t->wq = bgtoken_wq_create("bgtoken_test", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq));
	for (t->delay = HZ / 4; ; t->delay *= 2) {
		released = test_gate_count(&t->released);
		ran = test_gate_count(&t->ran);
		met = atomic_read(&t->met_owner);
		if (remove_cpu_with_timers(test, cpu))
			break;
		take_back(test, cpu, released);
		if (test->status != KUNIT_SUCCESS)
			return;
		if (t->delay >= MOST_DELAY)
			kunit_skip(test, "the timers were elsewhere, or expired too soon");
	}
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, released + MANY / 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), ran + MANY / 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), met + MANY / 2);
	KUNIT_EXPECT_TRUE(test, cancel_returns(test));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, released + MANY));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), ran + MANY / 2);
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
	KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
#else
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
#endif
}

/* From interrupts */

static void queue_in_context(void *arg)
{
	struct item *item = arg;

	if (queue(item))
		atomic_inc(&item->t->queued);
}

static void queue_delayed_in_context(void *arg)
{
	struct item *item = arg;

	if (queue_delayed(item, 1))
		atomic_inc(&item->t->queued);
}

static void cancel_in_context(void *arg)
{
	free_owner_if_first(arg);
}

static void work_may_be_queued_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_scope);

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, queue_in_context, item));
	put(item);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->queued), 1);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 1);
}

static void delayed_work_may_be_queued_in_any_context(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, body_scope);

	KUNIT_EXPECT_TRUE(test, test_call_in(param->context,
					     queue_delayed_in_context, item));
	put(item);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->queued), 1);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->met_owner), 1);
}

static void delayed_work_cancelled_in_any_context_is_released_in_process(struct kunit *test)
{
	const struct test_context_param *param = test->param_value;
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, NULL);

	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_call_in(param->context, cancel_in_context, t));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->cancels), 1);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong_context), 0);
}

/* Drained */

static void work_is_refused_while_its_workqueue_is_closing(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item, *delayed, *queued;

	block_workqueue(test);
	item = new_item(test, NULL);
	delayed = new_delayed(test, NULL);
	queued = new_delayed(test, NULL);
	KUNIT_EXPECT_TRUE(test, queue_delayed(queued, 0));
	destroy_begins(test);
	KUNIT_EXPECT_FALSE(test, queue(item));
	KUNIT_EXPECT_FALSE(test, queue_delayed(delayed, 0));
	KUNIT_EXPECT_FALSE(test, queue_delayed(delayed, AN_HOUR));
	KUNIT_EXPECT_FALSE(test, mod(delayed, 0));
	KUNIT_EXPECT_FALSE(test, mod(delayed, AN_HOUR));
	KUNIT_EXPECT_FALSE(test, mod(queued, 0));	/* it is left to be dropped */
	KUNIT_EXPECT_FALSE(test, mod(queued, AN_HOUR));
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	KUNIT_EXPECT_EQ(test, references(delayed), 1U);
	KUNIT_EXPECT_EQ(test, references(queued), 2U);
	put_last(item);
	put_last(delayed);
	put(queued);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 2);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->destroyer));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 4);	/* and the blocker */
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
}

static void drain_waits_for_the_function_that_runs(struct kunit *test)
{
	struct work_test *t = test->priv;

	block_workqueue_by(test, body_hold_then_finish);
	destroy_begins(test);
	/* After its own grace period it has nothing but works to wait for. */
	KUNIT_EXPECT_TRUE(test, test_thread_stays_asleep(&t->destroyer));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 0);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->destroyer));
	KUNIT_EXPECT_TRUE(test, t->finished_then);
	KUNIT_EXPECT_EQ(test, t->released_then, 1);
}

/* The workqueue is there until the gate is open, for who would still queue. */
static void queue_while_workqueue_closes(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n, round, rounds = 12;
	bool joined;

	for (round = 0; round < rounds; round++) {
		test_gate_init(&t->hold);
		block_workqueue(test);
		test_thread_create(test, &t->destroyer, -1);
		for (n = 0; n < QUEUERS; n++)
			test_thread_start(test, &t->queuers[n], -1,
					  queue_until_refused, t);
		udelay(get_random_u32() % 200);
		test_thread_run(&t->destroyer, destroyer, t);
		joined = true;
		for (n = 0; n < QUEUERS; n++)
			joined &= test_thread_join(&t->queuers[n]);
		KUNIT_ASSERT_TRUE(test, joined);
		test_gate_open(&t->hold);
		KUNIT_ASSERT_TRUE(test, test_thread_join(&t->destroyer));
		KUNIT_ASSERT_EQ(test, atomic_read(&t->refused),
				QUEUERS * (round + 1));
		KUNIT_ASSERT_EQ(test, test_gate_count(&t->released),
				atomic_read(&t->inited));
	}
	kunit_info(test, "%d queued", atomic_read(&t->queued));
}

static void work_queued_while_its_workqueue_closes_is_queued_or_refused(struct kunit *test)
{
	queue_while_workqueue_closes(test);
}

static void delayed_work_queued_while_its_workqueue_closes_is_queued_or_refused(struct kunit *test)
{
	struct work_test *t = test->priv;

	t->delayed = true;
	queue_while_workqueue_closes(test);
}

static void drain_drops_what_is_pending_without_running_it(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n;

	block_workqueue(test);
	for (n = 0; n < MANY; n++) {
		struct item *item = new_item(test, NULL);

		KUNIT_EXPECT_TRUE(test, queue(item));
		put(item);
	}
	destroy_begins(test);
	test_gate_open(&t->hold);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->destroyer));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), MANY + 1);
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
}

static void drain_drops_delayed_works_without_waiting_for_their_timers(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n;

	for (n = 0; n < MANY; n++) {
		struct item *item = n & 1 ? new_delayed(test, NULL) :
				    delayed_item_on(test, t->other, NULL);

		KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
		put(item);
	}
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), MANY);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void drain_ends_works_that_queue_themselves_again(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n;

	for (n = 0; n < 8; n++) {
		struct item *item = new_item(test, body_queue_for_ever);

		KUNIT_EXPECT_TRUE(test, queue(item));
		put(item);
	}
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 40));
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 8);
}

static void drain_ends_delayed_works_that_queue_themselves_again(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n;

	for (n = 0; n < 8; n++) {
		struct item *item = new_delayed(test, body_queue_delayed_for_ever);

		KUNIT_EXPECT_TRUE(test, queue_delayed(item, 1));
		put(item);
	}
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->ran, 16));
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 8);
}

static void drain_leaves_another_workqueues_works(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, NULL);
	struct item *other = new_delayed(test, NULL);

	t->wq2 = bgtoken_wq_create("bgtoken_test2", WQ_UNBOUND, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq2));
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(t->wq2, &other->dwork,
							   AN_HOUR));
	KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
	put(item);
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, references(other), 2U);
	put(other);
	bgtoken_wq_destroy(t->wq2);
	t->wq2 = NULL;
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 2);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

static void drain_leaves_tokens_and_owners_alone(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *item = new_item(test, body_scope);

	KUNIT_EXPECT_TRUE(test, queue(item));
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(t->token));
	KUNIT_EXPECT_TRUE(test, test_owner_alive(t->owner));
	/* The caller's reference may outlive the workqueue. */
	KUNIT_EXPECT_EQ(test, references(item), 1U);
	put_last(item);
}

/* Each work expires about when its workqueue is destroyed. */
static void delayed_work_is_released_once_if_drain_and_expiry_meet(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n, rounds = 20;

	for (n = 0; n < rounds; n++) {
		struct item *item = new_delayed(test, NULL);

		t->wq2 = bgtoken_wq_create("bgtoken_test2", WQ_UNBOUND, 0);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq2));
		KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(t->wq2, &item->dwork,
								   1 + n % 2));
		put(item);
		sleep_into_expiry(n, rounds);
		bgtoken_wq_destroy(t->wq2);
		t->wq2 = NULL;
		KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), n + 1);
	}
	tell_who_was_first(test, rounds);
}

/* Both look for the same delayed works. */
static void delayed_works_are_released_once_if_cancel_and_drain_meet(struct kunit *test)
{
	struct work_test *t = test->priv;
	int n;

	for (n = 0; n < MANY; n++) {
		struct item *item = new_delayed(test, NULL);

		KUNIT_EXPECT_TRUE(test, queue_delayed(item, AN_HOUR));
		put(item);
	}
	test_thread_create(test, &t->canceller, -1);
	test_thread_create(test, &t->destroyer, -1);
	test_thread_run(&t->destroyer, destroyer, t);
	test_thread_run(&t->canceller, canceller, t);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->canceller));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&t->destroyer));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), MANY);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

/* Background workqueues */

static void wq_needs_a_name(struct kunit *test)
{
	struct bgtoken_wq *wq = bgtoken_wq_create(NULL, WQ_UNBOUND, 0);

	KUNIT_EXPECT_EQ(test, PTR_ERR(wq), (long)-EINVAL);
}

static void wq_refuses_flags_that_would_leave_process_context(struct kunit *test)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("bgtoken_test", 1, 0);

	/* WQ_BH, where there is such a thing */
	KUNIT_EXPECT_EQ(test, PTR_ERR(wq), (long)-EINVAL);
}

/* On 7.x a workqueue is one or the other. */
static void wq_refuses_to_be_per_cpu_and_unbound(struct kunit *test)
{
	struct bgtoken_wq *wq;

	wq = bgtoken_wq_create("bgtoken_test", COMPAT_WQ_PERCPU | WQ_UNBOUND, 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(wq), (long)-EINVAL);
}

/* What a flag does to who runs the works; what two of them do has cases below. */
static const struct wq_case {
	struct test_kind kind;	/* first: test_kind_of() looks there */
	unsigned int flags;
	bool wide;		/* not bound to a CPU */
	int nice;
	bool rescuer;
	bool sysfs;
} wq_cases[] = {
	{ { .name = "none" }, 0 },
	{ { .name = "percpu" }, COMPAT_WQ_PERCPU },
	{ { .name = "unbound" }, WQ_UNBOUND, .wide = true },
	{ { .name = "freezable" }, WQ_FREEZABLE },
	{ { .name = "mem_reclaim" }, WQ_MEM_RECLAIM, .rescuer = true },
	{ { .name = "highpri" }, WQ_HIGHPRI, .nice = MIN_NICE },
	{ { .name = "cpu_intensive" }, WQ_CPU_INTENSIVE },
	{ { .name = "sysfs" }, WQ_SYSFS, .sysfs = true },
	{ { .name = "power_efficient" },
	  WQ_POWER_EFFICIENT,
	  .wide = IS_ENABLED(CONFIG_WQ_POWER_EFFICIENT_DEFAULT) },
	{ { .name = "unbound, mem_reclaim, highpri" },
	  WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI,
	  .wide = true, .nice = MIN_NICE, .rescuer = true },
	{ { .name = "unbound, sysfs" }, WQ_UNBOUND | WQ_SYSFS,
	  .wide = true, .sysfs = true },
};

static void wq_case_desc(const struct wq_case *flags, char *desc)
{
	strscpy(desc, flags->kind.name, KUNIT_PARAM_DESC_SIZE);
}

#define WQ_NAME	"bgtwq"		/* behind kworker/R- there is room for no more */

/* kworker/R-NAME since 6.8, and NAME before. */
static bool is_rescuer(const struct task_struct *task, const char *name)
{
	const char *end = strstr(task->comm, name);

	return task->flags & PF_KTHREAD && end && !strcmp(end, name);
}

static bool has_rescuer(const char *name)
{
	struct task_struct *task;
	bool found = false;

	rcu_read_lock();
	for_each_process(task)
		found |= is_rescuer(task, name);
	rcu_read_unlock();
	return found;
}

static void body_look_at_worker(struct item *item)
{
	struct work_test *t = item->t;

	t->worker_rescues = is_rescuer(current, WQ_NAME);
	t->worker_nice = task_nice(current);
	t->worker_cpus = current->nr_cpus_allowed;
	t->worker_cpu = raw_smp_processor_id();
}

/* True if /sys/devices/virtual/workqueue/NAME exists. */
static bool is_in_sysfs(const char *name)
{
	const char * const path[] = { "virtual", "workqueue", name };
	struct kernfs_node *node = platform_bus.kobj.parent->sd, *next;
	int n;

	kernfs_get(node);
	for (n = 0; node && n < ARRAY_SIZE(path); n++) {
		next = kernfs_find_and_get_ns(node, path[n], NULL);
		kernfs_put(node);
		node = next;
	}
	kernfs_put(node);
	return node;
}

static void wq_flags_do_what_they_do_for_a_workqueue(struct kunit *test)
{
	const struct wq_case *flags = test->param_value;
	struct work_test *t = test->priv;
	struct item *item;
	int cpu = 0;

	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	t->wq2 = bgtoken_wq_create(WQ_NAME, flags->flags, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq2));
	item = new_item(test, body_look_at_worker);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(t->wq2, &item->dwork.work));
	put(item);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 1));
	/* Short of kworkers, the rescuer runs it, at a priority of its own. */
	if (!t->worker_rescues)
		KUNIT_EXPECT_EQ(test, t->worker_nice, flags->nice);
	if (!flags->wide) {
		KUNIT_EXPECT_EQ(test, t->worker_cpus, 1);
		KUNIT_EXPECT_EQ(test, t->worker_cpu, cpu);
	} else if (num_online_cpus() > 1) {
		KUNIT_EXPECT_GT(test, t->worker_cpus, 1);
	}
	KUNIT_EXPECT_EQ(test, has_rescuer(WQ_NAME), flags->rescuer);
	if (IS_ENABLED(CONFIG_SYSFS))
		KUNIT_EXPECT_EQ(test, is_in_sysfs(WQ_NAME), flags->sysfs);
	bgtoken_wq_destroy(t->wq2);
	t->wq2 = NULL;
	/* It has been stopped, and may still be listed. */
	KUNIT_EXPECT_TRUE(test, test_until(!has_rescuer(WQ_NAME)));
	if (IS_ENABLED(CONFIG_SYSFS))
		KUNIT_EXPECT_FALSE(test, is_in_sysfs(WQ_NAME));
}

static void body_finish(struct item *item)
{
	WRITE_ONCE(item->t->finished, true);
}

/*
 * Both workqueues have CPU 0's workers, which begin works in order: had the first not been
 * held back, it would have run before the other.
 */
static void works_of_a_freezable_workqueue_wait_for_the_thaw(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *frozen, *other;

	test_need_freezer(test);
	t->wq2 = bgtoken_wq_create("bgtoken_test", WQ_FREEZABLE, 0);
	t->wq3 = bgtoken_wq_create("bgtoken_test", 0, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq2) || IS_ERR(t->wq3));
	frozen = new_item(test, NULL);
	other = new_item(test, body_finish);

	test_freeze_works();
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(0, t->wq2, &frozen->dwork.work));
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(0, t->wq3, &other->dwork.work));
	put(frozen);
	put(other);
	KUNIT_EXPECT_TRUE(test, test_until(READ_ONCE(t->finished)));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 1);
	test_thaw_works();

	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 2);
}

/* Never sleeps until the next work runs on the same CPU. */
static void body_hog(struct item *item)
{
	struct work_test *t = item->t;

	WRITE_ONCE(t->finished, test_spin_until((cond_resched(), test_gate_count(&t->ran) > 1)));
}

/*
 * Since 6.5 the kernel treats a work that has run for workqueue.cpu_intensive_thresh_us as
 * CPU-intensive by itself.  Unless whoever boots the kernel raises that, this case passes without
 * the flag, too.
 */
static void works_of_a_cpu_intensive_workqueue_do_not_hold_up_the_next(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct item *hog, *next;

	t->wq2 = bgtoken_wq_create("bgtoken_test", WQ_CPU_INTENSIVE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->wq2));
	hog = new_item(test, body_hog);
	next = new_item(test, NULL);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(0, t->wq2, &hog->dwork.work));
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work_on(0, t->wq2, &next->dwork.work));
	put(hog);
	put(next);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&t->released, 2));
	KUNIT_EXPECT_TRUE(test, READ_ONCE(t->finished));
}

static void wq_create_without_memory_is_enomem(struct kunit *test)
{
	struct test_failslab failslab;
	struct bgtoken_wq *wq;
	int nth, failures = 0;
	bool failed = true;

	test_need_failslab(test);
	test_failslab_begin(&failslab);
	for (nth = 1; failed && nth < TEST_MAX_SITES; nth++) {
		test_fail_alloc(nth);
		wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 0);
		failed = test_fail_stop();
		if (IS_ERR(wq)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(wq), (long)-ENOMEM);
			failures++;
		} else {
			bgtoken_wq_destroy(wq);
		}
	}
	test_failslab_end(&failslab);
	KUNIT_EXPECT_GE(test, failures, 2);	/* ours, and the kernel's */
}

static void wq_destroy_lets_null_and_errors_pass(struct kunit *test)
{
	bgtoken_wq_destroy(NULL);
	bgtoken_wq_destroy(ERR_PTR(-ENOMEM));
}

static void wq_without_works_is_destroyed_at_once(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, destroy_returns(test));
}

/* What a cancel promises of what it finds pending, or comes after it */

#define CLOSE_CALLS	1000

/* Under the lock, as whoever queues it: only so it comes before the run's look. */
static bool finds_pending(struct item *item)
{
	struct bgtoken_work *work = &item->dwork.work;
	unsigned long flags;
	bool pending;

	spin_lock_irqsave(&work->token->lock, flags);
	pending = work->state;		/* BGTOKEN_IDLE is 0 */
	spin_unlock_irqrestore(&work->token->lock, flags);
	return pending;
}

/*
 * The cancel is to come as the run begins, between its looks: so it is steered by
 * whether it found the work pending the time before.  KCSAN's delays open that
 * window wide; elsewhere it is a few instructions.
 */
static void work_pending_at_a_cancel_never_runs(struct kunit *test)
{
	int n, i, spins = 0, calls, was_pending = 0, violations = 0;
	struct work_test *t = test->priv;
	struct bgtoken *token;
	struct item *item;
	bool pending;

	test_own_cpu(test, 1);
	for (n = 0; n < CLOSE_CALLS; n++) {
		token = test_token_create(t, t->kind);
		KUNIT_EXPECT_FALSE(test, IS_ERR(token));
		if (IS_ERR(token))
			break;
		item = item_on(test, token, NULL);
		calls = test_gate_count(&t->ran);
		KUNIT_EXPECT_TRUE(test, queue(item));
		for (i = get_random_u32() % (2 * spins + 1); i; i--) {
			/* Without it, which would hold the run up. */
			if (!data_race(READ_ONCE(item->dwork.work.state)))
				break;
			cpu_relax();
		}
		bgtoken_refuse(token);
		pending = finds_pending(item);
		put(item);
		bgtoken_cancel(token);
		bgtoken_put(token);
		if (!test_gate_wait(&t->released, n + 1)) {
			KUNIT_FAIL(test, "round %d: not released", n);
			break;
		}
		calls = test_gate_count(&t->ran) - calls;
		was_pending += pending;
		violations += pending && calls;
		spins = pending ? spins + spins / 16 + 1 : spins - spins / 16 - !!spins;
	}
	kunit_info(test, "%d rounds, pending in %d", n, was_pending);
	KUNIT_EXPECT_EQ(test, violations, 0);
}

/* Nothing is mapped at that address: touching it faults. */
static void work_queued_late_leaves_the_workqueue_alone(struct kunit *test)
{
	struct bgtoken_wq *gone = ERR_PTR(-EFAULT);
	struct work_test *t = test->priv;
	struct item *item = new_delayed(test, NULL);

	free_owner_if_first(t);
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(gone, &item->dwork.work));
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work_on(0, gone, &item->dwork.work));
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_delayed_work(gone, &item->dwork, 0));
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_delayed_work(gone, &item->dwork, AN_HOUR));
	KUNIT_EXPECT_FALSE(test, bgtoken_mod_delayed_work(gone, &item->dwork, 0));
	KUNIT_EXPECT_FALSE(test, bgtoken_mod_delayed_work(gone, &item->dwork, AN_HOUR));
	put_last(item);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released), 1);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->ran), 0);
}

#define TIMERS		200
#define TIMER_ROUNDS	20
#define TIMER_LEAST_ROUNDS	3

/* Two cancels at once, and what each found when it had returned. */
struct timer_cancels {
	struct work_test *t;
	struct test_gate go;
	struct item *items[TIMERS];
	atomic_t still_on_timers;
};

static void timer_canceller(void *arg)
{
	struct timer_cancels *c = arg;
	int n;

	test_gate_pass(&c->go);
	bgtoken_cancel(c->t->token);
	for (n = 0; n < TIMERS; n++)
		if (timer_pending(&c->items[n]->dwork.timer))
			atomic_inc(&c->still_on_timers);
}

static void delayed_works_are_off_their_timers_after_either_of_two_cancels(struct kunit *test)
{
	struct work_test *t = test->priv;
	struct test_thread *other = &t->queuers[0];
	unsigned long end = jiffies + TEST_TRY;
	struct timer_cancels *c;
	int round, n;
	bool joined;

	test_own_cpu(test, 1);
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	t->shared = c;
	c->t = t;
	for (round = 0; round < TIMER_ROUNDS; round++) {
		if (round >= TIMER_LEAST_ROUNDS && time_after(jiffies, end))
			break;	/* on a slow machine */
		if (round) {
			bgtoken_put(t->token);
			t->token = test_token_create(t, t->kind);
			KUNIT_EXPECT_FALSE(test, IS_ERR(t->token));
			if (IS_ERR(t->token))
				break;
		}
		test_gate_init(&c->go);
		for (n = 0; n < TIMERS; n++) {
			c->items[n] = new_delayed(test, NULL);
			KUNIT_EXPECT_TRUE(test, queue_delayed(c->items[n], AN_HOUR));
		}
		test_thread_start(test, &t->canceller, 0, timer_canceller, c);
		test_thread_start(test, other, 1, timer_canceller, c);
		KUNIT_EXPECT_TRUE(test, test_gate_wait(&c->go, 2));
		test_gate_open(&c->go);
		joined = test_thread_join(&t->canceller);
		joined &= test_thread_join(other);
		KUNIT_EXPECT_TRUE(test, joined);
		if (!joined)
			return;
		for (n = 0; n < TIMERS; n++)
			put(c->items[n]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&c->still_on_timers), 0);
}

/* The suite */

static int work_test_init(struct kunit *test)
{
	struct work_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->kind = test_kind_of(test);
	t->live_tokens = test_live(bgtoken_live_tokens);
	t->live_works = test_live(bgtoken_live_works);
	test_gate_init(&t->ran);
	test_gate_init(&t->released);
	test_gate_init(&t->hold);
	test_gate_init(&t->inside);
	t->owner = test_owner_create();
	t->token = test_token_create(t->owner, t->kind);
	t->other = test_token_create(t, t->kind);
	t->wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 0);
	if (IS_ERR(t->token) || IS_ERR(t->other) || IS_ERR(t->wq))
		return -ENOMEM;
	return 0;
}

static void work_test_exit(struct kunit *test)
{
	struct work_test *t = test->priv;
	bool over;
	int n;

	if (!t)
		return;
	test_gate_open(&t->hold);
	test_gate_open(&t->inside);
	over = test_thread_join(&t->canceller) && test_thread_join(&t->destroyer);
	for (n = 0; n < QUEUERS; n++)
		over &= test_thread_join(&t->queuers[n]);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	if (!IS_ERR_OR_NULL(t->token))
		bgtoken_cancel(t->token);
	if (!IS_ERR(t->other))
		bgtoken_cancel(t->other);
	if (!destroy_returns(test)) {
		KUNIT_FAIL(test, "works left behind");
		return;
	}
	bgtoken_wq_destroy(t->wq2);
	bgtoken_wq_destroy(t->wq3);
	KUNIT_EXPECT_EQ(test, test_gate_count(&t->released),
			atomic_read(&t->inited));
	KUNIT_EXPECT_EQ(test, atomic_read(&t->too_early), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong_context), 0);
	bgtoken_put(t->token);
	bgtoken_put(t->other);
	test_owner_free(t->owner);
	test_nothing_left(test, bgtoken_live_tokens, t->live_tokens);
	test_nothing_left(test, bgtoken_live_works, t->live_works);
	kfree(t->shared);
	kfree(t);
}

static const struct test_kind sleeping_kinds[] = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
};

KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(sleeping_kind, sleeping_kinds, test_kind_desc);
KUNIT_ARRAY_PARAM(context, test_contexts, test_context_desc);
KUNIT_ARRAY_PARAM(wq_case, wq_cases, wq_case_desc);

#define KIND_CASE(name)		KUNIT_CASE_PARAM(name, test_kind_gen_params)
#define CONTEXT_CASE(name)	KUNIT_CASE_PARAM(name, context_gen_params)

static struct kunit_case work_test_cases[] = {
	KIND_CASE(work_that_ran_is_released_once),
	KUNIT_CASE(work_recycled_while_its_release_lingers_runs_after_it),
	KUNIT_CASE(work_that_was_never_queued_is_released_by_its_put),
	KUNIT_CASE(work_is_kept_by_the_queue_after_the_callers_put),
	KUNIT_CASE(work_is_kept_by_the_caller_after_it_ran),
	KIND_CASE(work_keeps_its_token),
	KUNIT_CASE(work_runs_in_process_context_and_is_released_there),
	KIND_CASE(work_cancelled_while_pending_never_runs_and_is_released),
	KIND_CASE(work_is_refused_when_its_token_is_cancelled),
	TEST_CASE_PARAM_SLOW(work_pending_at_a_cancel_never_runs, test_kind_gen_params),
	KUNIT_CASE(work_queued_late_leaves_the_workqueue_alone),
	TEST_CASE_PARAM_SLOW(delayed_works_are_off_their_timers_after_either_of_two_cancels,
			     test_kind_gen_params),
	KIND_CASE(work_may_cancel_its_own_token_and_free_the_owner),
	KIND_CASE(work_does_not_delay_a_cancel_outside_its_scopes),
	KUNIT_CASE_PARAM(work_delays_a_cancel_inside_its_scope,
			 sleeping_kind_gen_params),
	KIND_CASE(work_finds_no_owner_that_was_freed_before_it_started),
	KIND_CASE(work_may_be_put_after_its_owner_was_freed),
	KIND_CASE(work_that_sleeps_is_woken_by_cancel_and_drained),
	KIND_CASE(work_may_be_queued_and_cancelled_under_a_lock_that_it_takes),
	KUNIT_CASE(work_may_wait_for_the_releases_of_works_like_itself),
	KUNIT_CASE(work_queued_twice_is_refused_and_runs_once),
	KUNIT_CASE(works_that_are_pending_are_counted),
	KUNIT_CASE(work_queued_while_it_runs_runs_again),
	KIND_CASE(work_queued_while_it_runs_goes_with_its_token),
	KUNIT_CASE_SLOW(work_refused_as_pending_sees_what_was_stored_before),
	KUNIT_CASE(work_that_queues_itself_again_is_released_once),
	KIND_CASE(work_that_queues_itself_for_ever_ends_with_its_token),
	KUNIT_CASE(work_never_runs_twice_at_once),
	KUNIT_CASE(work_may_go_to_another_workqueue_when_it_ran),
	KIND_CASE(delayed_work_runs_when_its_delay_is_over),
	KUNIT_CASE(delayed_work_without_delay_runs_at_once),
	KUNIT_CASE(delayed_work_is_pending_while_on_its_timer),
	KIND_CASE(delayed_work_cancelled_on_its_timer_is_released_at_once),
	KIND_CASE(delayed_work_is_taken_off_its_timer_by_refuse),
	KIND_CASE(delayed_work_does_not_delay_a_cancel),
	KIND_CASE(delayed_works_of_a_token_all_go_with_it),
	KIND_CASE(delayed_work_of_another_token_stays_on_its_timer),
	KIND_CASE(delayed_work_queues_itself_until_it_is_cancelled),
	KUNIT_CASE(delayed_work_queued_while_it_runs_goes_with_its_token),
	KUNIT_CASE_SLOW(delayed_work_is_released_once_if_cancel_and_expiry_meet),
	KUNIT_CASE_SLOW(delayed_work_is_dropped_or_refused_if_cancel_and_queueing_meet),
	KUNIT_CASE_SLOW(delayed_works_outlive_the_cpu_that_they_were_queued_on),
	CONTEXT_CASE(work_may_be_queued_in_any_context),
	CONTEXT_CASE(delayed_work_may_be_queued_in_any_context),
	CONTEXT_CASE(delayed_work_cancelled_in_any_context_is_released_in_process),
	KUNIT_CASE(work_is_refused_while_its_workqueue_is_closing),
	KUNIT_CASE_SLOW(work_queued_while_its_workqueue_closes_is_queued_or_refused),
	KUNIT_CASE_SLOW(delayed_work_queued_while_its_workqueue_closes_is_queued_or_refused),
	KUNIT_CASE(drain_waits_for_the_function_that_runs),
	KUNIT_CASE(drain_drops_what_is_pending_without_running_it),
	KUNIT_CASE(drain_drops_delayed_works_without_waiting_for_their_timers),
	KUNIT_CASE(drain_ends_works_that_queue_themselves_again),
	KUNIT_CASE(drain_ends_delayed_works_that_queue_themselves_again),
	KUNIT_CASE(drain_leaves_another_workqueues_works),
	KUNIT_CASE(drain_leaves_tokens_and_owners_alone),
	KUNIT_CASE_SLOW(delayed_work_is_released_once_if_drain_and_expiry_meet),
	KUNIT_CASE(delayed_works_are_released_once_if_cancel_and_drain_meet),
	KUNIT_CASE(wq_needs_a_name),
	KUNIT_CASE(wq_refuses_flags_that_would_leave_process_context),
	KUNIT_CASE(wq_refuses_to_be_per_cpu_and_unbound),
	KUNIT_CASE_PARAM(wq_flags_do_what_they_do_for_a_workqueue,
			 wq_case_gen_params),
	KUNIT_CASE(works_of_a_freezable_workqueue_wait_for_the_thaw),
	KUNIT_CASE(works_of_a_cpu_intensive_workqueue_do_not_hold_up_the_next),
	KUNIT_CASE(wq_create_without_memory_is_enomem),
	KUNIT_CASE(wq_destroy_lets_null_and_errors_pass),
	KUNIT_CASE(wq_without_works_is_destroyed_at_once),
	{}
};

static struct kunit_suite work_test_suite = {
	.name = "bgtoken_work",
	.init = work_test_init,
	.exit = work_test_exit,
	.test_cases = work_test_cases,
};

kunit_test_suite(work_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: works and background workqueues");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
