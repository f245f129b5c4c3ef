// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgtoken: background work whose owner can be freed at once.
 *
 * The contract is in bgtoken.h; here is why it holds.
 *
 * Tokens
 * ======
 *
 * A token is a refcount, a lock or a count, and a pointer, which is also the flag.
 * It has two states, alive (owner != NULL) and cancelled (owner == NULL), and
 * one transition, made by xchg() in bgtoken_refuse(), by whoever comes first.
 *
 * A scope of BGTOKEN_MUTEX or BGTOKEN_SPIN is a lock section in which the owner
 * was read as not NULL after the lock was taken.  A cancel clears the owner
 * first, and takes and drops the lock after that:
 *
 *	scope				cancel
 *
 *	(1) lock			(a) owner = xchg(&token->owner, NULL)
 *	(2) read token->owner		(b) wake sleepers, expedite works
 *	    NULL: unlock, leave		(c) lock
 *	(3) use the owner		(d) unlock
 *	(4) unlock			(e) return; the owner may be freed
 *
 * Either (1) comes after (d) on the lock; then (2) sees NULL, as (a) is before
 * (d).  Or (4), or the unlock under (2), comes before (c), so the scope is over
 * at (e).  There is no third order, and the same is true of a cancel that
 * finds at (a) that another was first.
 *
 * A crowd that queued for the lock before (c) finds NULL at (2) and leaves at
 * once, and whoever comes after (a) does not even queue: bgtoken_enter() looks
 * at the pointer before it takes the lock.  So a cancel waits for no scope but
 * those that were live at (a).  Those who queued before it still take the lock
 * in their turn, and give it back: a cancel may stand behind that many wake-ups,
 * but behind nothing that they do.
 *
 * A scope of BGTOKEN_SHARED is counted instead.  Both sides write, have a full
 * barrier (A), and read what the other wrote:
 *
 *	scope				cancel
 *
 *	(1) active++			(a) owner = xchg(&token->owner, NULL)
 *	    (A)				    (A)
 *	(2) read token->owner		(c) wait until active is 0
 *	    NULL: (4), (5), leave	(e) return; the owner may be freed
 *	(3) use the owner
 *	(4) active--
 *	    (A)
 *	(5) 0, and the owner is NULL: wake (c)
 *
 * If (2) finds the owner, it came before (a), so (c) sees (1) and waits for (4).
 * If (5) finds the owner, it came before (a), so (c) sees (4) and needs no
 * wake-up.  Whoever leaves under (2) may hold up a cancel for that long; there
 * are only those who looked before (a), as above.  An rwsem did the same for
 * 1.7 times the instructions a scope, and made the token larger.
 *
 * Lock and count live in the token, not in the owner, and each who uses them
 * holds a reference until it is done.  That mutex_unlock() may still touch a
 * mutex that the next holder already has (see its kernel-doc) is thus no danger,
 * nor is (5), whoever drops the last reference.
 *
 * Works
 * =====
 *
 * References on a work: the caller's from init, and one for each time that it
 * is queued, from the claim of work->pending in a queueing function to the end
 * of bgtoken_work_run().  The last put calls release, and then drops the
 * work's reference on the token.
 *
 *	idle ---- queue ----> queued --------------------> running ---> idle
 *	   \                    ^                        /   |
 *	    queue_delayed       | expires, cancel, drain     queue (itself)
 *	      \---> on a timer -/
 *
 * work->pending is 1 from the claim until just before the function is called,
 * so that the function can queue its own work again.  Whoever sets it owns the
 * queue step, and the reference travels with it: to the timer, from there to
 * the workqueue, from there to bgtoken_work_run().  From the timer it is taken
 * by one of three: the timer's function, a cancel, or a drain.  The one for
 * which the timer was still pending, which timer_delete() decides, queues it.
 *
 * A delayed work that is not yet running is on two lists, its token's and its
 * background workqueue's, so that a cancel and a drain find it.  It is added
 * under both locks together with the check that neither is over; as a cancel
 * clears the owner, and a drain sets closing, before they take the lock and
 * walk the list, they find it there or it is refused.  A cancel does so only if
 * token->watched says that there ever was such a work, or a sleeper; without
 * that it would be two thirds longer.
 *
 * Draining
 * ========
 *
 * (1) closing is set: no new work is queued by who looks from now on.
 * (2) Delayed works are expedited.
 * (3) synchronize_rcu(): who looked before (1) has queued by now, and a timer
 *     function or a cancel that took a work off its timer has queued it.
 *     All of them are RCU read-side sections.
 * (4) destroy_workqueue(): what is queued is dropped without its function
 *     being called, what runs is waited for.  Nothing can be queued any more.
 *
 * Protection
 * ==========
 *
 * I: set at init, then only read.
 * A: read by anyone without a lock, and changed by one access at a time: owner,
 *    claimed and watched once, by xchg() or smp_store_mb(), active back and forth.
 * S: the token's scope lock.
 * T: token->lock, taken inside W.
 * W: wq->lock.
 * P: belongs to whoever claimed work->pending.
 *
 * For sparse, bgtoken_enter() gives the lock's context away and bgtoken_exit()
 * brings it back.  It cannot follow a lock that is held if a pointer is not NULL
 * (__cond_acquires is ignored), nor one that __cleanup drops: a __releases() on
 * bgtoken_exit() would only have it warn of every scope there is.
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "bgtoken.h"
#include "live.h"

#define CREATE_TRACE_POINTS
#include "bgtoken_trace.h"

/* What works and their release may rely on: process context. */
#define BGTOKEN_WQ_FLAGS						\
	(WQ_UNBOUND | WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_HIGHPRI |	\
	 WQ_CPU_INTENSIVE | WQ_SYSFS | WQ_POWER_EFFICIENT)

struct bgtoken_wq {
	struct workqueue_struct *wq;	/* I */
	struct hlist_head delayed;	/* W: works that may be on a timer */
	spinlock_t lock;
	bool closing;			/* W to write */
};

LIVE_COUNTER(tokens, "how many tokens are alive");
LIVE_COUNTER(works, "how many works are alive");

/* Tokens */

static int bgtoken_kind_init(struct bgtoken *token, enum bgtoken_kind kind,
			     const char *name, struct lock_class_key *keys)
{
	token->kind = kind;
	switch (kind) {
	case BGTOKEN_MUTEX:
		mutex_init(&token->mutex);
		lockdep_set_class_and_name(&token->mutex, &keys[BGTOKEN_MUTEX], name);
		return 0;
	case BGTOKEN_SHARED:
		atomic_set(&token->active, 0);
		lockdep_init_map_wait(&token->dep_map, name,
				      &keys[BGTOKEN_SHARED], 0, LD_WAIT_SLEEP);
		return 0;
	case BGTOKEN_SPIN:
		spin_lock_init(&token->spin);
		lockdep_set_class_and_name(&token->spin, &keys[BGTOKEN_SPIN], name);
		return 0;
	}
	return -EINVAL;
}

struct bgtoken *__bgtoken_create(void *owner, enum bgtoken_kind kind, gfp_t gfp,
				 const char *name, struct lock_class_key *keys)
{
	struct bgtoken *token;

	if (!owner)
		return ERR_PTR(-EINVAL);
	token = kzalloc(sizeof(*token), gfp);
	if (!token)
		return ERR_PTR(-ENOMEM);

	token->owner = owner;
	kref_init(&token->kref);	/* put by the creator */
	spin_lock_init(&token->lock);
	if (bgtoken_kind_init(token, kind, name, keys)) {
		kfree(token);
		return ERR_PTR(-EINVAL);
	}
	live_inc(tokens);
	trace_bgtoken_create(token, owner, kind);
	return token;
}
EXPORT_SYMBOL_GPL(__bgtoken_create);

static void bgtoken_cancel_and_put(void *token)
{
	bgtoken_cancel(token);
	bgtoken_put(token);
}

struct bgtoken *__devm_bgtoken_create(struct device *dev, void *owner,
				      enum bgtoken_kind kind, const char *name,
				      struct lock_class_key *keys)
{
	struct bgtoken *token;
	int err;

	token = __bgtoken_create(owner, kind, GFP_KERNEL, name, keys);
	if (IS_ERR(token))
		return token;
	err = devm_add_action_or_reset(dev, bgtoken_cancel_and_put, token);
	return err ? ERR_PTR(err) : token;
}
EXPORT_SYMBOL_GPL(__devm_bgtoken_create);

static void bgtoken_free(struct kref *kref)
{
	struct bgtoken *token = container_of(kref, struct bgtoken, kref);

	trace_bgtoken_free(token);
	if (token->kind == BGTOKEN_MUTEX)
		mutex_destroy(&token->mutex);
	kfree(token);
	live_dec(tokens);
}

/**
 * bgtoken_put() - drop a reference
 * @token:	the token; NULL or an ERR_PTR is let pass
 *
 * The last put frees the token and touches nothing else: neither the owner nor
 * a work.  The token need not have been cancelled.
 *
 * Context: Any but NMI; on PREEMPT_RT, any that may free memory.  Never waits.
 */
void bgtoken_put(struct bgtoken *token)
{
	if (!IS_ERR_OR_NULL(token))
		kref_put(&token->kref, bgtoken_free);
}
EXPORT_SYMBOL_GPL(bgtoken_put);

/**
 * bgtoken_enter_nested() - begin a scope inside another of the same class
 * @token:	the token to enter
 * @subclass:	lockdep's, other than that of the scope around it
 *
 * For two tokens that were created at the same place.  The caller orders them,
 * and leaves them in reverse.  Otherwise as bgtoken_enter().
 *
 * Context: As bgtoken_enter().
 * Return: As bgtoken_enter().
 */
void *bgtoken_enter_nested(struct bgtoken *token, unsigned int subclass)
{
	unsigned long flags;
	void *owner;

	if (bgtoken_cancelled(token)) {
		might_sleep_if(token->kind != BGTOKEN_SPIN);	/* as the locks do */
		return NULL;
	}

	/* Not a switch: a mutex should not pay for looking at the other kinds. */
	if (likely(token->kind == BGTOKEN_MUTEX)) {
		mutex_lock_nested(&token->mutex, subclass);
	} else if (token->kind == BGTOKEN_SHARED) {
		might_sleep();
		/* Never waits; but a kind should be easy to change for another. */
		rwsem_acquire_read(&token->dep_map, subclass, 0, _RET_IP_);
		atomic_inc(&token->active);
		smp_mb__after_atomic();	/* pairs with xchg() in bgtoken_refuse() */
	} else {
		spin_lock_irqsave_nested(&token->spin, flags, subclass);
		token->irqflags = flags;
		__release(&token->spin);	/* the scope's now */
	}

	owner = READ_ONCE(token->owner);
	if (unlikely(!owner))
		bgtoken_exit(token);
	return owner;
}
EXPORT_SYMBOL_GPL(bgtoken_enter_nested);

/**
 * bgtoken_exit() - end a scope
 * @token:	the token that bgtoken_enter() returned an owner for
 *
 * The owner may be gone when this returns, and before.
 *
 * Context: The one that entered.
 */
void bgtoken_exit(struct bgtoken *token)
{
	if (likely(token->kind == BGTOKEN_MUTEX)) {
		mutex_unlock(&token->mutex);
	} else if (token->kind == BGTOKEN_SHARED) {
		rwsem_release(&token->dep_map, _RET_IP_);
		/* A full barrier: pairs with xchg() in bgtoken_refuse(). */
		if (atomic_dec_and_test(&token->active) &&
		    unlikely(bgtoken_cancelled(token)))
			wake_up_var(&token->active);
	} else {
		__acquire(&token->spin);	/* the scope's so far */
		spin_unlock_irqrestore(&token->spin, token->irqflags);
	}
}
EXPORT_SYMBOL_GPL(bgtoken_exit);

/* Acquire: what was done in the scopes comes before. */
static bool bgtoken_idle(struct bgtoken *token)
{
	return !atomic_read_acquire(&token->active);
}

/* Not inline, so that a cancel that need not wait has no frame for it. */
static noinline void bgtoken_wait_until_idle(struct bgtoken *token)
{
	wait_var_event(&token->active, bgtoken_idle(token));
}

/* For all who entered before the owner was cleared. */
static void bgtoken_wait_for_scopes(struct bgtoken *token, unsigned int subclass)
{
	unsigned long flags;

	if (likely(token->kind == BGTOKEN_MUTEX)) {
		mutex_lock_nested(&token->mutex, subclass);
		mutex_unlock(&token->mutex);
	} else if (token->kind == BGTOKEN_SHARED) {
		might_sleep();
		rwsem_acquire(&token->dep_map, subclass, 0, _RET_IP_);
		if (!bgtoken_idle(token))
			bgtoken_wait_until_idle(token);
		rwsem_release(&token->dep_map, _RET_IP_);
	} else {
		spin_lock_irqsave_nested(&token->spin, flags, subclass);
		spin_unlock_irqrestore(&token->spin, flags);
	}
}

/*
 * Have a delayed work run now, unless its timer has already seen to that.  The
 * caller holds the lock of the list that it was found on, so that the work
 * cannot run, and go, before this is done with it.
 */
static void bgtoken_expedite(struct bgtoken_delayed_work *dwork)
{
	rcu_read_lock();	/* see Draining (3) */
	if (timer_delete(&dwork->timer))
		queue_work(dwork->work.wq->wq, &dwork->work.work);
	rcu_read_unlock();
}

/* Drops the lock after each work, so that interrupts are not off for long. */
static void bgtoken_expedite_token(struct bgtoken *token)
{
	struct bgtoken_delayed_work *dwork;
	unsigned long flags;

	spin_lock_irqsave(&token->lock, flags);
	while (!hlist_empty(&token->delayed)) {
		dwork = hlist_entry(token->delayed.first,
				    struct bgtoken_delayed_work, token_node);
		hlist_del_init(&dwork->token_node);
		bgtoken_expedite(dwork);
		spin_unlock_irqrestore(&token->lock, flags);
		spin_lock_irqsave(&token->lock, flags);
	}
	spin_unlock_irqrestore(&token->lock, flags);
}

static noinline void bgtoken_notify(struct bgtoken *token)
{
	wake_up_var(&token->owner);
	bgtoken_expedite_token(token);
}

/*
 * Steps (a) and (b).  The xchg() is a full barrier, before the wake-up, before
 * the look at who watches, where it pairs with bgtoken_watch(), and, for
 * BGTOKEN_SHARED, before the look at the count, where it pairs with the one
 * between count and owner in bgtoken_enter_nested() and in bgtoken_exit().
 */
static void bgtoken_refuse(struct bgtoken *token)
{
	bool first = xchg(&token->owner, NULL);

	trace_bgtoken_cancel(token, first);
	if (first && READ_ONCE(token->watched))
		bgtoken_notify(token);
}

/**
 * bgtoken_cancel_nested() - cancel from inside a scope of the same class
 * @token:	the token to cancel
 * @subclass:	lockdep's, other than that of the scope around it
 *
 * For two tokens that were created at the same place.  Otherwise as
 * bgtoken_cancel().
 *
 * Context: As bgtoken_cancel().
 * Return: As bgtoken_cancel().
 */
bool bgtoken_cancel_nested(struct bgtoken *token, unsigned int subclass)
{
	bgtoken_refuse(token);
	bgtoken_wait_for_scopes(token, subclass);
	trace_bgtoken_cancel_done(token);
	return !xchg(&token->claimed, 1);
}
EXPORT_SYMBOL_GPL(bgtoken_cancel_nested);

/**
 * bgtoken_cancel_locked() - cancel from inside a scope of this token
 * @token:	the token
 *
 * No new scope begins after it.  The owner stays pinned by the scope around,
 * and still calls bgtoken_cancel() before it frees itself.
 *
 * Context: Inside a scope.  Does not wait.
 */
void bgtoken_cancel_locked(struct bgtoken *token)
{
	bgtoken_refuse(token);
}
EXPORT_SYMBOL_GPL(bgtoken_cancel_locked);

/**
 * bgtoken_sleep() - sleep unless and until the token is cancelled
 * @token:	the caller holds a reference
 * @timeout:	jiffies, or MAX_SCHEDULE_TIMEOUT
 *
 * Not disturbed by signals, and not counted as load.
 *
 * Context: Process context; sleeps.  Inside a scope only if scopes may sleep.
 * Return: 0 when the time is over, else the jiffies that were left, at least 1,
 * when the token was cancelled.
 */
long bgtoken_sleep(struct bgtoken *token, long timeout)
{
	might_sleep();
	if (timeout <= 0)
		return 0;
	bgtoken_watch(token);
	return ___wait_var_event(&token->owner,
				 ___wait_cond_timeout(bgtoken_cancelled(token)),
				 TASK_IDLE, 0, timeout,
				 __ret = schedule_timeout(__ret));
}
EXPORT_SYMBOL_GPL(bgtoken_sleep);

/* Works */

static void bgtoken_work_free(struct kref *kref)
{
	struct bgtoken_work *work = container_of(kref, struct bgtoken_work, kref);
	struct bgtoken *token = work->token;

	if (work->release)
		work->release(work);
	bgtoken_put(token);	/* taken in bgtoken_work_setup() */
	live_dec(works);
}

/**
 * bgtoken_work_put() - drop a reference on a work
 * @work:	the work
 *
 * The last put calls the work's release function.
 *
 * Context: Process context; may sleep if release does.
 */
void bgtoken_work_put(struct bgtoken_work *work)
{
	might_sleep();
	kref_put(&work->kref, bgtoken_work_free);
}
EXPORT_SYMBOL_GPL(bgtoken_work_put);

static void bgtoken_work_run(struct bgtoken_work *work)
{
	struct bgtoken *token = work->token;
	bool drop = bgtoken_cancelled(token) || READ_ONCE(work->wq->closing);

	/* From here on work->wq may be another's.  Pairs with the claim. */
	atomic_set_release(&work->pending, 0);
	if (drop) {
		trace_bgtoken_work_drop(work, token);
	} else {
		trace_bgtoken_work_start(work, token);
		work->fn(work);
		trace_bgtoken_work_end(work, token);
	}
	bgtoken_work_put(work);		/* taken in bgtoken_work_claim() */
}

static void bgtoken_workfn(struct work_struct *work)
{
	bgtoken_work_run(container_of(work, struct bgtoken_work, work));
}

static void bgtoken_delayed_workfn(struct work_struct *ws)
{
	struct bgtoken_work *work = container_of(ws, struct bgtoken_work, work);
	struct bgtoken_delayed_work *dwork =
		container_of(work, struct bgtoken_delayed_work, work);
	unsigned long flags;

	spin_lock_irqsave(&work->wq->lock, flags);
	spin_lock(&work->token->lock);
	hlist_del_init(&dwork->token_node);
	hlist_del_init(&dwork->wq_node);
	spin_unlock(&work->token->lock);
	spin_unlock_irqrestore(&work->wq->lock, flags);
	bgtoken_work_run(work);
}

/* A softirq, and so an RCU read-side section. */
static void bgtoken_timerfn(struct timer_list *timer)
{
	struct bgtoken_delayed_work *dwork =
		container_of(timer, struct bgtoken_delayed_work, timer);

	queue_work(dwork->work.wq->wq, &dwork->work.work);
}

static void bgtoken_work_setup(struct bgtoken_work *work, struct bgtoken *token,
			       void (*fn)(struct bgtoken_work *work),
			       void (*release)(struct bgtoken_work *work),
			       work_func_t workfn)
{
	bool refused = WARN_ON_ONCE(IS_ERR_OR_NULL(token) || !fn || !release);

	/* Without a token it can never be queued, only put. */
	work->token = refused ? NULL : bgtoken_get(token);	/* bgtoken_work_free() */
	work->wq = NULL;
	work->fn = fn;
	work->release = release;
	kref_init(&work->kref);			/* put by the caller */
	atomic_set(&work->pending, 0);
	INIT_WORK(&work->work, workfn);
	/*
	 * Nobody waits for one work; its workqueue has a class of its own.  The
	 * class that INIT_WORK() gives would tie all users of works together.
	 */
#ifdef CONFIG_LOCKDEP
	lockdep_init_map(&work->work.lockdep_map, "bgtoken_work",
			 &__lockdep_no_validate__, 0);
#endif
	live_inc(works);
}

/**
 * bgtoken_work_init() - make a work ready to be queued
 * @work:	memory of the caller's, never part of the owner
 * @token:	the work takes a reference of its own on it
 * @fn:		called in process context each time that the work runs; what it
 *		needs of the owner it reaches through a scope on work->token
 * @release:	called once, in process context, when the last reference on the
 *		work is gone; frees @work
 *
 * The caller has one reference afterwards, and drops it with
 * bgtoken_work_put(); that may be at once after queueing.  A missing argument
 * is a bug in the caller: it is warned of, and the work can be put, but never
 * queued.
 *
 * Context: Any.
 */
void bgtoken_work_init(struct bgtoken_work *work, struct bgtoken *token,
		       void (*fn)(struct bgtoken_work *work),
		       void (*release)(struct bgtoken_work *work))
{
	bgtoken_work_setup(work, token, fn, release, bgtoken_workfn);
}
EXPORT_SYMBOL_GPL(bgtoken_work_init);

/**
 * bgtoken_delayed_work_init() - make a delayed work ready to be queued
 * @dwork:	memory of the caller's, never part of the owner
 * @token:	the work takes a reference of its own on it
 * @fn:		as for bgtoken_work_init(); it is given &dwork->work
 * @release:	as for bgtoken_work_init(); it is given &dwork->work
 *
 * Put it with bgtoken_work_put(&dwork->work).  Otherwise as
 * bgtoken_work_init().
 *
 * Context: Any.
 */
void bgtoken_delayed_work_init(struct bgtoken_delayed_work *dwork,
			       struct bgtoken *token,
			       void (*fn)(struct bgtoken_work *work),
			       void (*release)(struct bgtoken_work *work))
{
	bgtoken_work_setup(&dwork->work, token, fn, release,
			   bgtoken_delayed_workfn);
	timer_setup(&dwork->timer, bgtoken_timerfn, 0);
	INIT_HLIST_NODE(&dwork->token_node);
	INIT_HLIST_NODE(&dwork->wq_node);
}
EXPORT_SYMBOL_GPL(bgtoken_delayed_work_init);

/*
 * Take the right to queue a work, and the reference that goes with it.  The
 * caller is in an RCU read-side section until it has queued.
 */
static bool bgtoken_work_claim(struct bgtoken_wq *wq, struct bgtoken_work *work,
			       unsigned long delay)
{
	enum bgtoken_refusal reason;

	if (unlikely(!work->token))
		return false;

	if (bgtoken_cancelled(work->token)) {
		reason = BGTOKEN_REFUSED_CANCELLED;
	} else if (READ_ONCE(wq->closing)) {
		reason = BGTOKEN_REFUSED_CLOSING;
	} else if (atomic_cmpxchg_acquire(&work->pending, 0, 1)) {
		/* Acquire: pairs with the release in bgtoken_work_run(). */
		reason = BGTOKEN_REFUSED_PENDING;
	} else {
		kref_get(&work->kref);	/* put in bgtoken_work_run() */
		work->wq = wq;
		trace_bgtoken_work_queue(work, work->token, delay);
		return true;
	}
	trace_bgtoken_work_refuse(work, work->token, reason);
	return false;
}

/**
 * bgtoken_queue_work() - queue a work
 * @wq:		the background workqueue
 * @work:	the caller holds a reference, or is the work's own function
 *
 * If the token is cancelled, or the workqueue closed, before the work starts,
 * its function is not called; either way the reference that the queue holds is
 * dropped.  A work never runs on two CPUs at once, as long as it is always
 * queued on the same background workqueue.
 *
 * Context: Any but NMI; on PREEMPT_RT, as queue_work().
 * Return: True if it was queued.  False, with nothing kept, if the token is
 * cancelled, the workqueue is closing, or the work is pending already.
 */
bool bgtoken_queue_work(struct bgtoken_wq *wq, struct bgtoken_work *work)
{
	bool queued;

	rcu_read_lock();
	queued = bgtoken_work_claim(wq, work, 0);
	if (queued)
		queue_work(wq->wq, &work->work);
	rcu_read_unlock();
	return queued;
}
EXPORT_SYMBOL_GPL(bgtoken_queue_work);

/**
 * bgtoken_queue_delayed_work() - queue a work for later
 * @wq:		the background workqueue
 * @dwork:	the caller holds a reference, or is the work's own function
 * @delay:	jiffies to wait before it is queued; 0 for at once
 *
 * If the token is cancelled, or the workqueue closed, while the timer runs,
 * the work is taken off it then and there, and released without its function
 * being called.  Otherwise as bgtoken_queue_work().
 *
 * Context: Any but NMI; on PREEMPT_RT, any that may take a spinlock_t.
 * Return: As bgtoken_queue_work().
 */
bool bgtoken_queue_delayed_work(struct bgtoken_wq *wq,
				struct bgtoken_delayed_work *dwork,
				unsigned long delay)
{
	struct bgtoken *token = dwork->work.token;
	unsigned long flags;
	bool queued;

	if (!delay || unlikely(!token))
		return bgtoken_queue_work(wq, &dwork->work);

	spin_lock_irqsave(&wq->lock, flags);
	spin_lock(&token->lock);
	bgtoken_watch(token);	/* before the claim looks at the owner */
	queued = bgtoken_work_claim(wq, &dwork->work, delay);
	if (queued) {
		hlist_add_head(&dwork->token_node, &token->delayed);
		hlist_add_head(&dwork->wq_node, &wq->delayed);
		dwork->timer.expires = jiffies + delay;
		add_timer(&dwork->timer);
	}
	spin_unlock(&token->lock);
	spin_unlock_irqrestore(&wq->lock, flags);
	return queued;
}
EXPORT_SYMBOL_GPL(bgtoken_queue_delayed_work);

/* Background workqueues */

/**
 * bgtoken_wq_create() - make a background workqueue
 * @name:	shown for its kworkers
 * @flags:	WQ_*, as for alloc_workqueue(); WQ_UNBOUND for long work
 * @max_active:	as for alloc_workqueue(); 0 for the default
 *
 * One for each module that uses works, so that its exit can drain them.
 *
 * Context: Process context; may sleep.
 * Return: The background workqueue, for bgtoken_wq_destroy(), or
 * ERR_PTR(-EINVAL) without a name or with a flag that would have works run
 * elsewhere than in process context, ERR_PTR(-ENOMEM).
 */
struct bgtoken_wq *bgtoken_wq_create(const char *name, unsigned int flags,
				     int max_active)
{
	struct bgtoken_wq *wq;

	if (!name || flags & ~BGTOKEN_WQ_FLAGS)
		return ERR_PTR(-EINVAL);
	wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	if (!wq)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&wq->lock);
	wq->wq = alloc_workqueue("%s", flags, max_active, name);
	if (!wq->wq) {
		kfree(wq);
		return ERR_PTR(-ENOMEM);
	}
	return wq;
}
EXPORT_SYMBOL_GPL(bgtoken_wq_create);

static void bgtoken_wq_expedite(struct bgtoken_wq *wq)
{
	struct bgtoken_delayed_work *dwork;

	spin_lock_irq(&wq->lock);
	WRITE_ONCE(wq->closing, true);
	while (!hlist_empty(&wq->delayed)) {
		dwork = hlist_entry(wq->delayed.first,
				    struct bgtoken_delayed_work, wq_node);
		hlist_del_init(&dwork->wq_node);
		bgtoken_expedite(dwork);
		spin_unlock_irq(&wq->lock);
		cond_resched();
		spin_lock_irq(&wq->lock);
	}
	spin_unlock_irq(&wq->lock);
}

/**
 * bgtoken_wq_destroy() - drop what is pending, wait for what runs
 * @wq:		the background workqueue; NULL or an ERR_PTR is let pass
 *
 * For module exit: when it returns, no function of a work that was queued here
 * is running or will run, and the last reference that the queue held on a work
 * is gone, so that the text of functions may be unloaded.  It is the only call
 * that waits for works, for as long as the slowest one that is running; cancel
 * the owners first, so that works see it and leave.  From one of its own works
 * it is a deadlock, which lockdep names.
 *
 * Context: Process context; sleeps.
 */
void bgtoken_wq_destroy(struct bgtoken_wq *wq)
{
	if (IS_ERR_OR_NULL(wq))
		return;
	trace_bgtoken_wq_drain(wq, false);
	bgtoken_wq_expedite(wq);	/* (1), (2) */
	synchronize_rcu();		/* (3) */
	destroy_workqueue(wq->wq);	/* (4) */
	trace_bgtoken_wq_drain(wq, true);
	kfree(wq);
}
EXPORT_SYMBOL_GPL(bgtoken_wq_destroy);

/* The module */

static void __exit bgtoken_module_exit(void)
{
	live_check_none(tokens);
	live_check_none(works);
}
module_exit(bgtoken_module_exit);

static int __init bgtoken_module_init(void)
{
	return 0;
}
module_init(bgtoken_module_init);

MODULE_DESCRIPTION("Background work whose owner can be freed at once");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
