// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works, delayed works and timers, and the workqueues under them.
 *
 * A workqueue is found in its slot under RCU, and works are queued in that same read-side
 * section: a destroy that has taken the workqueue out of its slot waits for a grace period
 * itself, so some works are queued while it closes.  References on a torture_wq: its slot's,
 * and that of each work that is queued there and nowhere else.
 *
 * References on a work: that of the thread that created it, for a few moves, and the queue's; or,
 * instead of the thread's, its slot's, where others find it and make their moves under slot->sem.
 */
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "torture.h"

#define WQS	3	/* per CPU, unbound, ordered */
#define SHARED_WORKS	4
#define NEVER	(3600 * HZ)	/* in a test: only a cancel, a pause or a drain ends that */

struct torture_wq {
	struct kref kref;
	struct rcu_head rcu;
	struct bgtoken_wq __rcu *wq;	/* set to NULL before it is destroyed */
	bool ordered;
	atomic_t running;		/* functions that have begun and not ended */
	bool gone;			/* the destroy has returned */
};

struct torture_work {
	struct bgtoken_delayed_work dwork;
	struct torture_wq *wq;
	struct torture_target *target;	/* a reference, until the release */
	atomic_t queued;		/* newly, according to the library */
	atomic_t perhaps;		/* queued or refused: a mod does not say which */
	atomic_t runs;
	atomic_t running;
	atomic_t taken_back;		/* each uses up one of those */
	bool requeues;			/* itself, or others queue it, too */
	bool plain;			/* without a timer: dwork.work is all that is used */
	bool doomed;			/* token->lock: was pending after a cancel */
	unsigned int again;		/* how many more times; the function's */
};

struct torture_timer {
	struct bgtoken_timer timer;
	unsigned int again;		/* the function's */
};

struct torture_slot {
	struct rw_semaphore sem;	/* read: for moves; write: to replace it */
	struct torture_work *work;	/* or NULL */
};

static struct torture_slot shared_works[SHARED_WORKS];
static struct torture_wq __rcu *wqs[WQS];
static DEFINE_MUTEX(wqs_lock);		/* for writing to them */

/* Workqueues */

static void wq_free(struct kref *kref)
{
	struct torture_wq *wq = container_of(kref, struct torture_wq, kref);

	kfree_rcu(wq, rcu);
}

static void wq_put(struct torture_wq *wq)
{
	kref_put(&wq->kref, wq_free);
}

/* Return: a workqueue with its slot's reference, or NULL. */
static struct torture_wq *wq_create(int i)
{
	struct torture_wq *wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	struct bgtoken_wq *bgwq;

	if (!wq)
		return NULL;
	wq->ordered = i == 2;
	if (wq->ordered)
		bgwq = bgtoken_ordered_wq_create("torture_ordered", 0);
	else
		bgwq = bgtoken_wq_create("torture", i ? WQ_UNBOUND : 0, 0);
	if (IS_ERR(bgwq)) {
		kfree(wq);
		return NULL;
	}
	kref_init(&wq->kref);
	RCU_INIT_POINTER(wq->wq, bgwq);
	return wq;
}

/* Drops what is pending; no work on it is running when this returns. */
static void wq_destroy(struct torture_wq *wq)
{
	int running;

	bgtoken_wq_destroy(rcu_replace_pointer(wq->wq, NULL, true));
	running = atomic_read(&wq->running);
	if (running)
		torture_fail("%d works run on a workqueue that is destroyed", running);
	WRITE_ONCE(wq->gone, true);
	wq_put(wq);
	torture_count(WQS_DESTROYED);
}

static struct torture_wq *find_wq(struct torture_thread *me)
{
	struct torture_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(wqs[torture_below(me, WQS)]);
	if (wq && !kref_get_unless_zero(&wq->kref))
		wq = NULL;
	rcu_read_unlock();
	return wq;
}

static void wq_move(struct torture_thread *me)
{
	int i = torture_below(me, WQS);
	struct torture_wq *old, *wq;

	usleep_range(1000, 1000 + torture_below(me, 20000));
	mutex_lock(&wqs_lock);
	old = rcu_dereference_protected(wqs[i], lockdep_is_held(&wqs_lock));
	if (torture_one_in(me, torture_odds_flushes)) {
		bgtoken_wq_flush(rcu_dereference_protected(old->wq, true));
		torture_count(WQS_FLUSHED);
		mutex_unlock(&wqs_lock);
		return;
	}
	wq = wq_create(i);
	if (wq)
		rcu_assign_pointer(wqs[i], wq);
	mutex_unlock(&wqs_lock);
	if (wq)
		wq_destroy(old);
	else
		torture_count(NO_MEMORY);
}

const struct torture_role torture_queue_role = {
	.name = "queue", .threads = &torture_queues, .move = wq_move,
};

/* Works */

static void queue(struct torture_work *work, bool mod, unsigned long delay)
{
	struct bgtoken_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(work->wq->wq);
	if (wq && mod && !work->plain) {
		/* Before queueing it, as it may run at once. */
		atomic_inc(&work->perhaps);
		if (bgtoken_mod_delayed_work(wq, &work->dwork, delay)) {
			atomic_dec(&work->perhaps);
			torture_count(MODIFIED);
		}
	} else if (wq) {
		atomic_inc(&work->queued);
		if (work->plain ? bgtoken_queue_work(wq, &work->dwork.work) :
				  bgtoken_queue_delayed_work(wq, &work->dwork, delay)) {
			torture_count(QUEUED);
		} else {
			atomic_dec(&work->queued);
			torture_count(NOT_QUEUED);
		}
	}
	rcu_read_unlock();
}

static void work_run(struct bgtoken_work *bgwork)
{
	struct torture_work *work = container_of(bgwork, struct torture_work, dwork.work);
	struct torture_wq *wq = work->wq;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, get_random_u64());
	if (atomic_inc_return(&wq->running) != 1 && wq->ordered)
		torture_fail("two works run at once on an ordered workqueue");
	if (atomic_inc_return(&work->running) != 1)
		torture_fail("a work runs twice at once");
	if (READ_ONCE(work->doomed))
		torture_fail("a work runs that was pending at a cancel");
	if (READ_ONCE(wq->gone))
		torture_fail("a work begins on a workqueue that is destroyed");
	atomic_inc(&work->runs);
	torture_count(RUNS);
	if (work->plain)
		torture_count(PLAIN_RUNS);
	torture_delay(&rnd, true);
	torture_visit(bgwork->token, &rnd, true);
	torture_delay(&rnd, true);
	atomic_dec(&work->running);
	if (work->again) {
		work->again--;
		torture_count(REQUEUED);
		queue(work, false, prandom_u32_state(&rnd) % 3);
	}
	atomic_dec(&wq->running);
}

/* Checks what became of it against how often it was queued and has run. */
static void work_check(struct torture_work *work)
{
	enum bgtoken_fate fate = bgtoken_work_fate(&work->dwork.work);
	int queued = atomic_read(&work->queued), perhaps = atomic_read(&work->perhaps);
	int runs = atomic_read(&work->runs), taken_back = atomic_read(&work->taken_back);
	bool ran = fate == BGTOKEN_RAN;

	if (runs + taken_back > queued + perhaps)
		torture_fail("a work: %d runs, taken back %d times, queued %d to %d times",
			     runs, taken_back, queued, queued + perhaps);
	if (runs && fate == BGTOKEN_NEVER_QUEUED)
		torture_fail("a work has run, and was never queued");
	if (fate == BGTOKEN_TAKEN_BACK && !taken_back)
		torture_fail("a work was taken back by nobody");
	if (fate == BGTOKEN_DROPPED_CANCELLED && !bgtoken_cancelled(work->dwork.work.token))
		torture_fail("a work was dropped by a cancel, and there was none");
	if (fate == BGTOKEN_DROPPED_CLOSING && rcu_access_pointer(work->wq->wq))
		torture_fail("a work was dropped by a workqueue that is not closed");
	if (perhaps)
		return;
	if (!queued && fate != BGTOKEN_NEVER_QUEUED)
		torture_fail("a work was not queued, and its fate is %d", fate);
	if (queued == 1 && runs != ran)
		torture_fail("a work's fate is %d, and it has run %d times", fate, runs);
}

static void work_release(struct bgtoken_work *bgwork)
{
	struct torture_work *work = container_of(bgwork, struct torture_work, dwork.work);

	work_check(work);
	if (bgtoken_work_fate(bgwork) > BGTOKEN_TAKEN_BACK)
		torture_count(DROPPED);
	torture_count(WORKS_RELEASED);
	wq_put(work->wq);
	torture_target_put(work->target);
	kfree(work);
}

static unsigned long some_delay(struct torture_thread *me)
{
	return torture_one_in(me, torture_odds_never) ? NEVER : torture_below(me, 3);
}

/* If nobody but this thread queues it, it has ended after that. */
static void work_flush(struct torture_thread *me, struct torture_work *work)
{
	torture_count(FLUSHED);
	if (work->plain || torture_one_in(me, 2)) {
		bgtoken_flush_work(&work->dwork.work);
		if (!work->plain)	/* it may be on its timer */
			return;
	} else {
		bgtoken_flush_delayed_work(&work->dwork);
	}
	if (!work->requeues && atomic_read(&work->running))
		torture_fail("a work runs after its flush");
}

/*
 * A work that is pending after a cancel has returned was pending before, and must not run.  A
 * running one does not count: it may have begun before the cancel, and be about to call its
 * function.
 */
static void work_look_for_doom(struct torture_work *work)
{
	struct bgtoken_work *bgwork = &work->dwork.work;
	unsigned long flags;

	if (!READ_ONCE(work->target->over))
		return;
	spin_lock_irqsave(&bgwork->token->lock, flags);
	if (bgwork->state && !work->doomed &&	/* not idle */
	    !(work_busy(&bgwork->work) & WORK_BUSY_RUNNING)) {
		work->doomed = true;
		torture_count(DOOMED);
	}
	spin_unlock_irqrestore(&bgwork->token->lock, flags);
}

static void work_moves(struct torture_thread *me, struct torture_work *work)
{
	struct bgtoken_work *bgwork = &work->dwork.work;
	int moves = torture_below(me, 4);

	queue(work, torture_one_in(me, torture_odds_mods), some_delay(me));
	while (moves--) {
		torture_delay(&me->rnd, true);
		work_look_for_doom(work);
		switch (torture_below(me, 6)) {
		case 0:
			queue(work, false, 0);
			break;
		case 1:
		case 2:
			queue(work, true, some_delay(me));
			break;
		case 3:
		case 4:
			if (bgtoken_cancel_work(bgwork)) {
				atomic_inc(&work->taken_back);
				torture_count(TAKEN_BACK);
			}
			break;
		case 5:
			work_flush(me, work);
			break;
		}
	}
}

/* Return: a work with the caller's reference, or NULL. */
static struct torture_work *work_create(struct torture_thread *me)
{
	struct torture_target *target = torture_find_target(me);
	struct torture_wq *wq = find_wq(me);
	struct torture_work *work;

	work = target && wq ? kzalloc(sizeof(*work), GFP_KERNEL) : NULL;
	if (!work) {
		if (target)
			torture_target_put(target);
		if (wq)
			wq_put(wq);
		return NULL;
	}
	work->wq = wq;			/* with their references */
	work->target = target;
	if (torture_one_in(me, torture_odds_requeues))
		work->again = torture_below(me, 4);
	work->requeues = work->again;
	work->plain = torture_one_in(me, torture_odds_plain);
	if (work->plain)
		bgtoken_work_init(&work->dwork.work, target->token, work_run, work_release);
	else
		bgtoken_delayed_work_init(&work->dwork, target->token, work_run, work_release);
	torture_count(WORKS_MADE);
	return work;
}

/* Creates a work, and shares it with others; or uses one of theirs. */
static void shared_work_move(struct torture_thread *me)
{
	struct torture_slot *slot = &shared_works[torture_below(me, SHARED_WORKS)];
	struct torture_work *work;

	if (torture_one_in(me, torture_odds_shared)) {
		work = work_create(me);
		if (work)
			work->requeues = true;
		down_write(&slot->sem);
		swap(slot->work, work);
		up_write(&slot->sem);
		if (work)
			bgtoken_work_put(&work->dwork.work);
		return;
	}
	down_read(&slot->sem);
	if (slot->work)
		work_moves(me, slot->work);
	up_read(&slot->sem);
}

static void work_move(struct torture_thread *me)
{
	struct torture_work *work;

	if (torture_one_in(me, 2)) {
		shared_work_move(me);
		return;
	}
	work = work_create(me);
	if (work) {
		work_moves(me, work);
		bgtoken_work_put(&work->dwork.work);
	}
	torture_delay(&me->rnd, true);
}

/* In a pause, or after a cancel, nothing can be queued. */
static void refused_run(struct bgtoken_work *work)
{
	torture_fail("a work runs that was refused");
}

void torture_expect_refusal(struct torture_thread *me, struct bgtoken *token)
{
	struct bgtoken_delayed_work *dwork = kzalloc(sizeof(*dwork), GFP_KERNEL);
	struct torture_wq *wq = find_wq(me);
	struct bgtoken_wq *bgwq;
	bool queued = false;

	if (dwork && wq) {
		bgtoken_delayed_work_init(dwork, token, refused_run, NULL);
		rcu_read_lock();
		bgwq = rcu_dereference(wq->wq);
		if (bgwq)
			queued = bgtoken_queue_delayed_work(bgwq, dwork, torture_below(me, 2));
		rcu_read_unlock();
		bgtoken_work_put(&dwork->work);
	} else {
		kfree(dwork);
	}
	if (queued)
		torture_fail("a work was queued in a pause");
	if (wq)
		wq_put(wq);
}

const struct torture_role torture_work_role = {
	.name = "work", .threads = &torture_works, .move = work_move,
};

/* Timers */

static void timer_fired(struct bgtoken_timer *bgtimer, void *owner)
{
	struct torture_timer *timer = container_of(bgtimer, struct torture_timer, timer);
	struct bgtoken *token = bgtoken_timer_token(bgtimer);
	struct rnd_state rnd;

	prandom_seed_state(&rnd, get_random_u64());
	torture_count(FIRED);
	torture_look_around(owner, token, &rnd, false);
	if (timer->again) {
		timer->again--;
		bgtoken_timer_mod(bgtimer, jiffies + prandom_u32_state(&rnd) % 3);
	}
}

static void timer_release(struct bgtoken_timer *bgtimer)
{
	torture_count(TIMERS_RELEASED);
	kfree(container_of(bgtimer, struct torture_timer, timer));
}

static void timer_moves(struct torture_thread *me, struct bgtoken_timer *timer)
{
	int moves = 1 + torture_below(me, 4);

	while (moves--) {
		bgtoken_timer_mod(timer, jiffies + some_delay(me));
		torture_delay(&me->rnd, true);
		if (torture_one_in(me, torture_odds_unarmed))
			bgtoken_timer_cancel(timer);
	}
}

static void timer_move(struct torture_thread *me)
{
	struct bgtoken *token = torture_find_token(me);
	struct torture_timer *timer = NULL;

	/* A timer may not wait, and so is not for BGTOKEN_MUTEX. */
	if (token && bgtoken_kind(token) != BGTOKEN_MUTEX)
		timer = kzalloc(sizeof(*timer), GFP_KERNEL);
	if (timer) {
		timer->again = torture_below(me, 3);
		bgtoken_timer_init(&timer->timer, token, timer_fired, timer_release);
		torture_count(TIMERS_MADE);
		timer_moves(me, &timer->timer);
		bgtoken_timer_put(&timer->timer);
	}
	if (token)
		bgtoken_put(token);
	torture_delay(&me->rnd, true);
}

const struct torture_role torture_timer_role = {
	.name = "timer", .threads = &torture_timers, .move = timer_move,
};

/* Softirqs: a tick on each CPU, which returns to it after the CPU was offline */

struct torture_tick {
	struct timer_list timer;
	struct torture_thread me;	/* for its random numbers */
	int cpu;
};

static DEFINE_PER_CPU(struct torture_tick, ticks);

/* What may be done in a softirq to a token of that kind. */
static void tick_on(struct torture_target *target, struct torture_thread *me)
{
	bool spin = target->kind == BGTOKEN_SPIN;

	torture_count(TICKS);
	switch (torture_below(me, TORTURE_TICK_ODDS)) {
	case 0:
		bgtoken_refuse(target->token);
		torture_count(REFUSES);
		torture_count(TICK_REFUSES);
		break;
	case 1:
	case 2:
		if (!spin)
			break;
		torture_cancel(target);
		torture_count(TICK_CANCELS);
		break;
	case 3:
	case 4:
		if (!spin)
			break;
		if (torture_pause(target, me, NULL))
			torture_count(TICK_PAUSES);
		break;
	default:
		if (target->kind != BGTOKEN_MUTEX && torture_visit(target->token, &me->rnd, false))
			torture_count(TICK_SCOPES);
	}
}

static void tick(struct timer_list *timer)
{
	struct torture_tick *tick = container_of(timer, struct torture_tick, timer);
	struct torture_target *target = torture_find_target(&tick->me);

	if (target) {
		tick_on(target, &tick->me);
		torture_target_put(target);
	}
	/* Neither of these does anything once the timer is shut down. */
	timer->expires = jiffies + 1;
	if (cpu_online(tick->cpu))
		add_timer_on(timer, tick->cpu);
	else
		add_timer(timer);
}

int torture_works_init(void)
{
	struct torture_wq *wq;
	int i, cpu;

	for (i = 0; i < SHARED_WORKS; i++)
		init_rwsem(&shared_works[i].sem);
	for (i = 0; i < WQS; i++) {
		wq = wq_create(i);
		if (!wq)
			return -ENOMEM;
		rcu_assign_pointer(wqs[i], wq);
	}
	for_each_online_cpu(cpu) {
		struct torture_tick *its = per_cpu_ptr(&ticks, cpu);

		its->cpu = cpu;
		prandom_seed_state(&its->me.rnd, get_random_u64());
		timer_setup(&its->timer, tick, TIMER_PINNED);
		its->timer.expires = jiffies + 1;
		add_timer_on(&its->timer, cpu);
	}
	return 0;
}

/* All threads have ended, and all tokens are cancelled. */
void torture_works_exit(void)
{
	struct torture_wq *wq;
	int i, cpu;

	for_each_possible_cpu(cpu)
		if (per_cpu_ptr(&ticks, cpu)->timer.function)
			timer_shutdown_sync(&per_cpu_ptr(&ticks, cpu)->timer);
	for (i = 0; i < SHARED_WORKS; i++)
		if (shared_works[i].work)
			bgtoken_work_put(&shared_works[i].work->dwork.work);
	for (i = 0; i < WQS; i++) {
		wq = rcu_replace_pointer(wqs[i], NULL, true);
		if (wq)
			wq_destroy(wq);
	}
	bgtoken_barrier();
}
