// SPDX-License-Identifier: GPL-2.0-only
/*
 * Case tail: a cancel while works hammer very short scopes of the same token.
 *
 * The works go through a list of tokens: they enter and leave scopes on one
 * until it is cancelled, and go on to the next when all are there.  The canceller
 * waits for that, and for a random time more, and cancels it.
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bench.h"

#define TURNS		4
#define CANCELS		20	/* in all TURNS, for each of the rounds */
#define BUDGET_MS	500	/* for one turn of a design */
#define MORE_MS		2000	/* of others: enough cancels for a tail */
#define SETTLE_US	2000
#define BUSY_US		200

struct tail_owner {
	bool freed;
	int inside;
};

struct tail;

struct hammer {
	struct work_struct work;
	struct tail *tail;
	unsigned long scopes;
	int inside;		/* a scope of this token, counted from 1 */
};

/* One turn of one lock: @count tokens, and the works that hammer them. */
struct tail {
	const struct bench_lock *lock;
	bool exclusive;
	int count;
	int works;
	void **object;
	struct tail_owner *owner;
	atomic_t *arrived;
	struct hammer *hammer;
	atomic_t left;
	wait_queue_head_t wait;
	bool stop;		/* after the token that they are at */
};

static void *hammer_enter(const struct bench_lock *lock, void *object,
			  unsigned long *flags)
{
	return lock->enter_irqsave ? lock->enter_irqsave(object, flags) :
				     lock->enter(object);
}

static void hammer_exit(const struct bench_lock *lock, void *object,
			unsigned long flags)
{
	if (lock->exit_irqrestore)
		lock->exit_irqrestore(object, flags);
	else
		lock->exit(object);
}

static void hammer_one(struct hammer *hammer, int i)
{
	struct tail *tail = hammer->tail;
	const struct bench_lock *lock = tail->lock;
	struct tail_owner *owner;
	unsigned long flags = 0;

	while ((owner = hammer_enter(lock, tail->object[i], &flags))) {
		WRITE_ONCE(hammer->inside, i + 1);
		if (READ_ONCE(owner->freed) && !lock->unsafe)
			bench_fail("tail %s: a scope after the cancel",
				   lock->name);
		if (tail->exclusive && owner->inside++)
			bench_fail("tail %s: two scopes at once", lock->name);
		hammer->scopes++;
		if (tail->exclusive)
			owner->inside--;
		WRITE_ONCE(hammer->inside, 0);
		hammer_exit(lock, tail->object[i], flags);
		cond_resched();
	}
}

static bool all_arrived(struct tail *tail, int i)
{
	return atomic_read(&tail->arrived[i]) == tail->works ||
	       READ_ONCE(tail->stop);
}

static void hammer_run(struct work_struct *work)
{
	struct hammer *hammer = container_of(work, struct hammer, work);
	struct tail *tail = hammer->tail;
	int i;

	for (i = 0; i < tail->count && !READ_ONCE(tail->stop); i++) {
		if (atomic_inc_return(&tail->arrived[i]) == tail->works)
			wake_up_all(&tail->wait);
		wait_event(tail->wait, all_arrived(tail, i));
		hammer_one(hammer, i);
	}
	if (atomic_dec_and_test(&tail->left))
		wake_up(&tail->wait);
}

static void tail_free(struct tail *tail)
{
	int i;

	for (i = 0; tail->object && i < tail->count; i++)
		if (tail->object[i])
			tail->lock->destroy(tail->object[i]);
	kvfree(tail->object);
	kvfree(tail->owner);
	kvfree(tail->arrived);
	kvfree(tail->hammer);
}

static int tail_alloc(struct tail *tail)
{
	int i;

	tail->object = kvcalloc(tail->count, sizeof(*tail->object), GFP_KERNEL);
	tail->owner = kvcalloc(tail->count, sizeof(*tail->owner), GFP_KERNEL);
	tail->arrived = kvcalloc(tail->count, sizeof(*tail->arrived),
				 GFP_KERNEL);
	tail->hammer = kvcalloc(tail->works, sizeof(*tail->hammer), GFP_KERNEL);
	if (!tail->object || !tail->owner || !tail->arrived || !tail->hammer)
		return -ENOMEM;
	for (i = 0; i < tail->count; i++) {
		tail->object[i] = tail->lock->create(&tail->owner[i]);
		if (!tail->object[i])
			return -ENOMEM;
	}
	return 0;
}

/* Nobody else is at it: what the tail is compared with. */
static void tail_alone(struct tail *tail, struct bench_series *series)
{
	u64 start, end;
	int i;

	for (i = 0; i < tail->count; i++) {
		usleep_range(50, 51);
		bench_work_us(get_random_u32() % BUSY_US);
		start = bench_now();
		tail->lock->cancel(tail->object[i]);
		end = bench_now();
		bench_add(series, end - start);
	}
}

/* What each kind promises, and what the sum of BGTOKEN_PERCPU could get wrong. */
static void check_nobody_inside(const struct tail *tail, int i)
{
	int j;

	for (j = 0; j < tail->works; j++)
		if (READ_ONCE(tail->hammer[j].inside) == i + 1 && !tail->lock->unsafe)
			bench_fail("tail %s: a scope is live after the cancel",
				   tail->lock->name);
}

static void tail_hammered(struct tail *tail, struct workqueue_struct *wq,
			  struct bench_series *series)
{
	u64 budget = tail->lock->design ? BUDGET_MS : MORE_MS;
	u64 until = bench_now() + budget * NSEC_PER_MSEC;
	unsigned long scopes = 0;
	u64 start, end;
	u32 us;
	int i;

	init_waitqueue_head(&tail->wait);
	atomic_set(&tail->left, tail->works);
	for (i = 0; i < tail->works; i++) {
		tail->hammer[i].tail = tail;
		INIT_WORK(&tail->hammer[i].work, hammer_run);
		queue_work(wq, &tail->hammer[i].work);
	}
	for (i = 0; i < tail->count && !tail->stop; i++) {
		wait_event(tail->wait, all_arrived(tail, i));
		us = 50 + get_random_u32() % SETTLE_US;
		usleep_range(us, us + 1);
		bench_work_us(get_random_u32() % BUSY_US);
		WRITE_ONCE(tail->stop, bench_now() > until || bench_stop());
		start = bench_now();
		tail->lock->cancel(tail->object[i]);
		end = bench_now();
		WRITE_ONCE(tail->owner[i].freed, true);
		check_nobody_inside(tail, i);
		bench_add(series, end - start);
	}
	wait_event(tail->wait, !atomic_read(&tail->left));
	flush_workqueue(wq);
	for (i = 0; i < tail->works; i++)
		scopes += tail->hammer[i].scopes;
	if (!scopes)
		bench_fail("tail %s: nobody came into a scope", tail->lock->name);
}

static int tail_turn(const struct bench_lock *lock, struct workqueue_struct *wq,
		     int works)
{
	struct bench_series *series = bench_series("tail", lock->name, works);
	struct tail tail = {
		.lock = lock,
		.exclusive = !lock->unsafe && !strstr(lock->name, "shared") &&
			     !strstr(lock->name, "percpu"),
		.count = DIV_ROUND_UP(rounds * CANCELS, TURNS),
		.works = works,
	};
	int error;

	bench_show_all(series);
	error = tail_alloc(&tail);
	if (!error && works)
		tail_hammered(&tail, wq, series);
	else if (!error)
		tail_alone(&tail, series);
	tail_free(&tail);
	return error;
}

int bench_tail(void)
{
	struct workqueue_struct *wq;
	const struct bench_lock *lock;
	int works, turn, error = 0;
	char what[32];
	unsigned int i;

	wq = alloc_workqueue("bench_tail", WQ_UNBOUND, 0);
	if (!wq)
		return -ENOMEM;
	if (canceller_fifo)
		sched_set_fifo_low(current);
	for (works = 0; works <= max_works && !error;
	     works = works ? works * 4 : 1) {
		scnprintf(what, sizeof(what), "tail %d works", works);
		for (turn = 0; turn < TURNS; turn++) {
			bench_progress(what, turn, TURNS);
			for (i = 0; (lock = bench_lock(i)) && !error; i++)
				if (lock->tail && !bench_stop())
					error = tail_turn(lock, wq, works);
		}
	}
	if (canceller_fifo)
		sched_set_normal(current, 0);
	destroy_workqueue(wq);
	return error;
}
