// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works, timers and background workqueues.  A part of bgtoken.c, which includes it;
 * the letters of protection are explained there.
 *
 * Works
 * =====
 *
 * A work has one reference from init, which is the caller's, and one each time that it
 * is queued, which travels with it:
 *
 *	state	where it is, and who has the reference	who moves it on
 *	IDLE	nowhere, or its function runs		queue, mod
 *	TIMER	armed: the timer			its function, cancel_work, mod, flush;
 *							a cancel, a pause, a drain
 *	QUEUED	on the workqueue: the workqueue		the run, cancel_work, mod; queue, after
 *							a pause
 *
 * All moves are made under token->lock; a plain work is never TIMER, and a timer is
 * QUEUED only to be dropped:
 *
 *	IDLE	queue			QUEUED	takes a reference
 *	IDLE	queue_delayed, mod	TIMER	takes a reference
 *	TIMER	mod			either
 *	TIMER	the timer's function	QUEUED	of a bgtoken_timer: IDLE, and is put
 *						when its function has returned
 *	TIMER	flush, a cancel,	QUEUED
 *		a pause, a drain
 *	QUEUED	mod; or queue and	either
 *		queue_delayed, after
 *		a pause
 *	QUEUED	the run			IDLE	is put when the function has returned,
 *						or at once if the work is dropped
 *	either	cancel_work		IDLE	is put, unless it is stale
 *
 * A run or a timer's function may have begun when somebody else moves the work away from
 * it: cancel_work() or timer_delete() then finds nothing to take back.  That run or function
 * is then stale: it keeps the reference that it came with, waits at token->lock, and finds
 * there that all it has left to do is to put that reference.  Whoever moves the work takes a
 * reference of its own.  There is at most one stale run, as a workqueue does not begin
 * another run of a work before the previous one has returned; it finds that one through the
 * pool that the work remembers.  So another workqueue refuses a work until it has left the
 * first.  And there is at most one stale timer's function, as a timer that is armed while its
 * function runs stays on that base, and a base runs one function at a time.
 *
 *	run				another
 *	dequeued by the workqueue
 *					lock; cancel_work() says no:
 *					stale_run = true, IDLE; unlock
 *					lock; queued again, QUEUED; unlock
 *	lock; stale_run: false; unlock
 *	put, return
 *	dequeued again
 *	lock; QUEUED: IDLE; unlock
 *	call the function
 *
 * The state, the two stale bits and the number of pauses are separate fields, not one
 * word, as they are independent: in any state of a delayed work either bit may be set, or
 * both, and a pause changes nothing in a work that is QUEUED.  As token->lock covers them
 * all, nobody has to change them in one step.
 *
 * A work that is QUEUED when its token is cancelled or paused, or when its workqueue is
 * destroyed, is left there; its run drops it.  So a cancel costs the same for any number
 * of works.  Under the lock, the run moves the work to IDLE before it checks whether to
 * drop it: a cancel that finds the work pending comes before that check.  After a pause,
 * the number of pauses tells that a work which is still QUEUED is not pending any more;
 * whoever queues it again takes it back first.
 *
 * A work that is TIMER is on two lists, its token's and its workqueue's.  A cancel, a pause
 * and a drain move it to QUEUED, so that it is dropped, and released in process context, as
 * soon as its workqueue gets to it, and not when the timer would have fired.  It is armed
 * only after a check of the token's word and, under wq->lock, of the workqueue: as a cancel
 * and a pause change the word, and a drain sets closing, before they walk their list, they
 * find it there or it is refused.  A cancel walks the list only if token->marks says that
 * there ever was a timer, or a sleeper.  So does a second cancel, since what the first has
 * not reached is still armed.
 *
 * Queueing checks the token first, and the workqueue only if the token was not cancelled,
 * both under token->lock with interrupts off: that is an RCU read-side critical section,
 * also on PREEMPT_RT, where a spinlock_t is one.  Either the token was cancelled before, or
 * a drain that comes after the cancel waits for that section: see (3).  Everything that
 * touches a workqueue under token->lock relies on this.
 *
 * The last put releases the work and then drops its reference on the token.  Release
 * may sleep.  A put that may not sleep hands the work to the library's own workqueue,
 * which bgtoken_barrier() and every drain flush.
 *
 * Draining
 * ========
 *
 * (1) closing is set: whoever checks it from now on queues no new work.
 * (2) Works that are TIMER are queued.
 * (3) synchronize_rcu(): whoever checked before (1) has queued by now (closing), and so has
 *     a timer's function or a cancel that moved a work.
 * (4) destroy_workqueue(): queued works are dropped without their functions being called,
 *     and running ones are waited for.  Nothing can be queued any more.
 * (5) bgtoken_barrier(): what was put in atomic context meanwhile is released, including by
 *     a timer's function that began before a work in (4), or its release, deleted the timer.
 */

/* With these, works run in process context. */
#define BGTOKEN_WQ_FLAGS						\
	(WQ_UNBOUND | COMPAT_WQ_PERCPU | WQ_FREEZABLE | WQ_MEM_RECLAIM | \
	 WQ_HIGHPRI | WQ_CPU_INTENSIVE | WQ_SYSFS | WQ_POWER_EFFICIENT)

struct bgtoken_wq {
	struct workqueue_struct *wq;	/* I */
	struct hlist_head delayed;	/* W: works that are TIMER */
	spinlock_t lock;
	bool closing;			/* W to write */
};

/* Where works and timers that were put in atomic context are released, and how many there are. */
static struct bgtoken_wq bgtoken_own_wq;
static atomic_t bgtoken_releases = ATOMIC_INIT(0);

enum bgtoken_work_state {
	BGTOKEN_IDLE,
	BGTOKEN_TIMER,
	BGTOKEN_QUEUED,
};

/* References */

static void bgtoken_work_free(struct kref *kref)
{
	struct bgtoken_work *work = container_of(kref, struct bgtoken_work, kref);
	struct bgtoken *token = work->token;

	if (!work->release)
		kfree(work);
	else if (work->is_timer)
		work->timer_release(container_of(work, struct bgtoken_timer, dwork.work));
	else
		work->release(work);
	bgtoken_put(token);	/* taken in bgtoken_work_setup() */
	live_dec(works);
}

static void bgtoken_release_workfn(struct work_struct *ws)
{
	bgtoken_work_free(&container_of(ws, struct bgtoken_work, work)->kref);
	/*
	 * After what the release did (release-against-barrier), before the wake-up
	 * (exit-wakes-cancel) (work.pml: releaser).
	 */
	if (atomic_dec_and_test(&bgtoken_releases))
		wake_up_var(&bgtoken_releases);
}

/*
 * A release may put another work in atomic context: that one is counted before this one
 * has ended.  The flush is for lockdep, which reports callers that must not wait here.
 */
static void bgtoken_wait_releases(void)
{
	flush_workqueue(bgtoken_own_wq.wq);
	/* Acquire: what the releases did comes before (release-against-barrier). */
	wait_var_event(&bgtoken_releases, !atomic_read_acquire(&bgtoken_releases));
}

/* Also false where nobody can tell: in kernels that do not count preemption. */
static bool bgtoken_may_release_here(void)
{
	return preemptible() && !rcu_preempt_depth();
}

/* For lockdep.  The class that INIT_WORK() gives would tie all users of works together. */
static void bgtoken_work_class(struct bgtoken_work *work, struct lock_class_key *key,
			       const char *name)
{
#ifdef CONFIG_LOCKDEP
	lockdep_init_map(&work->work.lockdep_map, name, key, 0);
#endif
}

static void bgtoken_work_last(struct kref *kref)
{
	struct bgtoken_work *work = container_of(kref, struct bgtoken_work, kref);

	if (!work->release || bgtoken_may_release_here()) {
		bgtoken_work_free(kref);
	} else {
		static struct lock_class_key key;

		/* What fn does is nothing to those who wait for releases. */
		bgtoken_work_class(work, &key, "bgtoken_release");
		atomic_inc(&bgtoken_releases);	/* bgtoken_release_workfn() (work.pml: put) */
		work->work.func = bgtoken_release_workfn;
		queue_work(bgtoken_own_wq.wq, &work->work);
	}
}

/**
 * bgtoken_work_put() - drop a reference on a work
 * @work:	the work; may be NULL
 *
 * The last put calls the work's release function: directly if the caller may sleep
 * and the kernel can tell, because it counts preemption; otherwise from a workqueue
 * that has WQ_MEM_RECLAIM.  See bgtoken_barrier().
 *
 * Context: Any that may take a spinlock_t.  May sleep if release does and the caller
 * may.
 */
void bgtoken_work_put(struct bgtoken_work *work)
{
	if (work)
		kref_put(&work->kref, bgtoken_work_last);
}
EXPORT_SYMBOL_GPL(bgtoken_work_put);

static void bgtoken_timerfn(struct timer_list *timer);
static void bgtoken_workfn(struct work_struct *ws);

static void bgtoken_work_setup(struct bgtoken_work *work, struct bgtoken *token,
			       bool refused)
{
	/* Without a token it can never be queued, only put. */
	work->token = refused ? NULL : bgtoken_get(token);	/* bgtoken_work_free() */
	work->wq = NULL;
	kref_init(&work->kref);			/* put by the caller */
	work->pauses = 0;
	work->state = BGTOKEN_IDLE;
	work->stale_run = false;
	work->stale_timer = false;
	work->fate = BGTOKEN_NEVER_QUEUED;
	INIT_WORK(&work->work, bgtoken_workfn);
	live_inc(works);
}

void __bgtoken_work_init(struct bgtoken_work *work, struct bgtoken *token,
			 void (*fn)(struct bgtoken_work *work),
			 void (*release)(struct bgtoken_work *work),
			 struct lock_class_key *key, const char *name)
{
	work->fn = fn;
	work->release = release;
	work->is_timer = false;
	bgtoken_work_setup(work, token, WARN_ON_ONCE(IS_ERR_OR_NULL(token) || !fn));
	bgtoken_work_class(work, key, name);
}
EXPORT_SYMBOL_GPL(__bgtoken_work_init);

static void bgtoken_delayed_setup(struct bgtoken_delayed_work *dwork)
{
	timer_setup(&dwork->timer, bgtoken_timerfn, 0);
	INIT_HLIST_NODE(&dwork->token_node);
	INIT_HLIST_NODE(&dwork->wq_node);
}

void __bgtoken_delayed_work_init(struct bgtoken_delayed_work *dwork,
				 struct bgtoken *token,
				 void (*fn)(struct bgtoken_work *work),
				 void (*release)(struct bgtoken_work *work),
				 struct lock_class_key *key, const char *name)
{
	__bgtoken_work_init(&dwork->work, token, fn, release, key, name);
	bgtoken_delayed_setup(dwork);
}
EXPORT_SYMBOL_GPL(__bgtoken_delayed_work_init);

/*
 * The work is put before its token, as devres releases in reverse order.  A live scope may
 * still queue or arm it through the owner, so the cancel comes first.
 */
static void bgtoken_work_put_action(void *data)
{
	struct bgtoken_work *work = data;

	if (work->token)		/* else it was refused at init */
		bgtoken_cancel(work->token);
	bgtoken_work_put(work);
}

/*
 * Hand the caller's reference to the device, or drop it.  Not with devm_add_action_or_reset():
 * the action cancels the token, which a lack of memory is no reason to do.
 */
static int bgtoken_work_manage(struct device *dev, struct bgtoken_work *work)
{
	int err = devm_add_action(dev, bgtoken_work_put_action, work);

	if (err)
		bgtoken_work_put(work);
	return err;
}

struct bgtoken_work *
__devm_bgtoken_work_create(struct device *dev, struct bgtoken *token,
			   void (*fn)(struct bgtoken_work *work),
			   struct lock_class_key *key, const char *name)
{
	struct bgtoken_work *work;
	int err;

	if (IS_ERR(token))
		return ERR_CAST(token);
	work = kzalloc(sizeof(*work), GFP_KERNEL);
	if (!work)
		return ERR_PTR(-ENOMEM);
	__bgtoken_work_init(work, token, fn, NULL, key, name);
	err = bgtoken_work_manage(dev, work);
	return err ? ERR_PTR(err) : work;
}
EXPORT_SYMBOL_GPL(__devm_bgtoken_work_create);

struct bgtoken_delayed_work *
__devm_bgtoken_delayed_work_create(struct device *dev, struct bgtoken *token,
				   void (*fn)(struct bgtoken_work *work),
				   struct lock_class_key *key, const char *name)
{
	struct bgtoken_delayed_work *dwork;
	int err;

	if (IS_ERR(token))
		return ERR_CAST(token);
	dwork = kzalloc(sizeof(*dwork), GFP_KERNEL);
	if (!dwork)
		return ERR_PTR(-ENOMEM);
	__bgtoken_delayed_work_init(dwork, token, fn, NULL, key, name);
	err = bgtoken_work_manage(dev, &dwork->work);
	return err ? ERR_PTR(err) : dwork;
}
EXPORT_SYMBOL_GPL(__devm_bgtoken_delayed_work_create);

/**
 * bgtoken_timer_init() - make a timer ready to be armed
 * @timer:	the caller's memory, never part of the owner
 * @token:	of any kind but BGTOKEN_MUTEX; the timer takes a reference of its own on it
 * @fn:		called in softirq with the owner, inside a scope of @token, so with
 *		interrupts off for BGTOKEN_SPIN; may arm the timer again
 * @release:	as for bgtoken_work_init(): called once, in process context, when the last
 *		reference on the timer is gone; NULL for kfree()
 *
 * The caller holds one reference afterwards, and drops it with bgtoken_timer_put(); a
 * timer that is armed or whose function is running holds another.  A missing argument or
 * a token whose scopes may not begin in softirq is a bug in the caller: it triggers a
 * warning, and the timer can be put, but never armed.  It has none of the flags that
 * timer_setup() takes.
 *
 * Context: Any but NMI.
 */
void bgtoken_timer_init(struct bgtoken_timer *timer, struct bgtoken *token,
			void (*fn)(struct bgtoken_timer *timer, void *owner),
			void (*release)(struct bgtoken_timer *timer))
{
	struct bgtoken_work *work = &timer->dwork.work;
	bool refused = WARN_ON_ONCE(IS_ERR_OR_NULL(token) || !fn) ||
		       BGTOKEN_WARN_ONCE(bgtoken_kind(token) == BGTOKEN_MUTEX, token,
					 "a timer cannot wait for a scope");

	work->timer_fn = fn;
	work->timer_release = release;
	work->is_timer = true;
	bgtoken_work_setup(work, token, refused);
	bgtoken_delayed_setup(&timer->dwork);
}
EXPORT_SYMBOL_GPL(bgtoken_timer_init);

/**
 * devm_bgtoken_timer_create() - allocate a timer that is put when a device unbinds
 * @dev:	the device
 * @token:	this device's, as it is cancelled when the device unbinds; of any kind but
 *		BGTOKEN_MUTEX; an ERR_PTR is passed through
 * @fn:		as for bgtoken_timer_init()
 *
 * A timer that is armed or whose function is running holds a reference of its own.
 * Otherwise as devm_bgtoken_work_create().
 *
 * Context: Process context; may sleep.
 * Return: The timer, ERR_PTR(-ENOMEM), or @token if that is an ERR_PTR.
 */
struct bgtoken_timer *
devm_bgtoken_timer_create(struct device *dev, struct bgtoken *token,
			  void (*fn)(struct bgtoken_timer *timer, void *owner))
{
	struct bgtoken_timer *timer;
	int err;

	if (IS_ERR(token))
		return ERR_CAST(token);
	timer = kzalloc(sizeof(*timer), GFP_KERNEL);
	if (!timer)
		return ERR_PTR(-ENOMEM);
	bgtoken_timer_init(timer, token, fn, NULL);
	err = bgtoken_work_manage(dev, &timer->dwork.work);
	return err ? ERR_PTR(err) : timer;
}
EXPORT_SYMBOL_GPL(devm_bgtoken_timer_create);

/* Moves */

static u32 bgtoken_pauses(const struct bgtoken *token)
{
	return (u32)atomic_read(&token->marks) / BGTOKEN_PAUSE;
}

static void bgtoken_set_state(struct bgtoken_work *work, u8 state)
{
	int more = (state != BGTOKEN_IDLE) - (work->state != BGTOKEN_IDLE);

	WRITE_ONCE(work->token->pending, work->token->pending + more);	/* debugfs reads it */
	work->state = state;
}

static bool bgtoken_work_pending(const struct bgtoken_work *work)
{
	return work->state != BGTOKEN_IDLE && work->pauses == bgtoken_pauses(work->token);
}

/* What is to become of a work whose run, or timer, is due (pending) (work.pml: due). */
static enum bgtoken_fate bgtoken_due(const struct bgtoken_work *work)
{
	int word = atomic_read(&work->token->scopes);

	if (word & BGTOKEN_CANCELLED)
		return BGTOKEN_DROPPED_CANCELLED;
	if (word & BGTOKEN_PAUSED || work->pauses != bgtoken_pauses(work->token))
		return BGTOKEN_DROPPED_PAUSED;
	if (READ_ONCE(work->wq->closing))
		return BGTOKEN_DROPPED_CLOSING;
	return BGTOKEN_RAN;
}

/* To TIMER (work.pml: queue_locked).  False if the workqueue is closing. */
static bool bgtoken_list(struct bgtoken_wq *wq, struct bgtoken_delayed_work *dwork)
{
	bool closing = false;

	if (wq != &bgtoken_own_wq) {
		spin_lock(&wq->lock);
		closing = wq->closing;
		if (!closing)
			hlist_add_head(&dwork->wq_node, &wq->delayed);
		spin_unlock(&wq->lock);
	}
	if (!closing)
		hlist_add_head(&dwork->token_node, &dwork->work.token->timers);
	return !closing;
}

/* From TIMER (work.pml: unlist). */
static void bgtoken_unlist(struct bgtoken_delayed_work *dwork)
{
	struct bgtoken_wq *wq = dwork->work.wq;

	if (wq != &bgtoken_own_wq) {
		spin_lock(&wq->lock);
		hlist_del_init(&dwork->wq_node);
		spin_unlock(&wq->lock);
	}
	hlist_del_init(&dwork->token_node);
}

/*
 * To IDLE, from TIMER or QUEUED (work.pml: take_back).  The reference is the caller's if this
 * returns true; otherwise the run or timer's function that has begun keeps it.
 */
static bool bgtoken_take_back(struct bgtoken_work *work)
{
	if (work->state == BGTOKEN_TIMER) {
		bgtoken_unlist(to_bgtoken_delayed_work(work));
		bgtoken_set_state(work, BGTOKEN_IDLE);
		if (timer_delete(&to_bgtoken_delayed_work(work)->timer))
			return true;
		work->stale_timer = true;
	} else {
		bgtoken_set_state(work, BGTOKEN_IDLE);
		if (cancel_work(&work->work))
			return true;
		work->stale_run = true;
	}
	return false;
}

/* From TIMER to QUEUED (work.pml: expedite). */
static void bgtoken_expedite(struct bgtoken_work *work)
{
	if (!bgtoken_take_back(work))
		kref_get(&work->kref);	/* put in bgtoken_workfn() */
	bgtoken_set_state(work, BGTOKEN_QUEUED);
	queue_work(work->wq->wq, &work->work);
}

/* Drops the lock after each, so that interrupts are not off for long (work.pml: expedite_token). */
static void bgtoken_expedite_token(struct bgtoken *token)
{
	unsigned long flags;

	spin_lock_irqsave(&token->lock, flags);
	while (!hlist_empty(&token->timers)) {
		bgtoken_expedite(&hlist_entry(token->timers.first,
					      struct bgtoken_delayed_work,
					      token_node)->work);
		spin_unlock_irqrestore(&token->lock, flags);
		spin_lock_irqsave(&token->lock, flags);
	}
	spin_unlock_irqrestore(&token->lock, flags);
}

/*
 * For a pause, once it is set in the word: whoever queues later is refused, or sees this
 * (work.pml: pause).
 */
static void bgtoken_drop_pending(struct bgtoken *token)
{
	unsigned long flags;

	spin_lock_irqsave(&token->lock, flags);
	atomic_add(BGTOKEN_PAUSE, &token->marks);
	spin_unlock_irqrestore(&token->lock, flags);
	bgtoken_expedite_token(token);
}

/* Runs */

static void bgtoken_work_run(struct bgtoken_work *work, enum bgtoken_fate fate)
{
	struct bgtoken *token = work->token;

	if (fate != BGTOKEN_RAN) {
		trace_bgtoken_work_drop(work, token);
	} else {
		trace_bgtoken_work_start(work, token);
		work->fn(work);
		trace_bgtoken_work_end(work, token);
	}
}

/* From QUEUED to IDLE (work.pml: worker). */
static void bgtoken_workfn(struct work_struct *ws)
{
	struct bgtoken_work *work = container_of(ws, struct bgtoken_work, work);
	enum bgtoken_fate fate = BGTOKEN_TAKEN_BACK;
	unsigned long flags;

	spin_lock_irqsave(&work->token->lock, flags);
	if (work->stale_run) {
		work->stale_run = false;
	} else {
		bgtoken_set_state(work, BGTOKEN_IDLE);
		fate = bgtoken_due(work);
		if (work->is_timer && fate == BGTOKEN_RAN)
			fate = BGTOKEN_DROPPED_PAUSED;	/* and resumed too early */
		WRITE_ONCE(work->fate, fate);
	}
	spin_unlock_irqrestore(&work->token->lock, flags);
	if (fate != BGTOKEN_TAKEN_BACK)
		bgtoken_work_run(work, fate);
	kref_put(&work->kref, bgtoken_work_free);	/* taken in bgtoken_queue_locked() */
}

/* Not if it was armed again meanwhile: then its fate is already recorded, or will be. */
static void bgtoken_timer_dropped(struct bgtoken_work *work)
{
	unsigned long flags;

	spin_lock_irqsave(&work->token->lock, flags);
	if (work->state == BGTOKEN_IDLE && work->fate == BGTOKEN_RAN)
		WRITE_ONCE(work->fate, bgtoken_cancelled(work->token) ?
			   BGTOKEN_DROPPED_CANCELLED : BGTOKEN_DROPPED_PAUSED);
	spin_unlock_irqrestore(&work->token->lock, flags);
}

/* In a scope, unless @owner is NULL.  @pauses is from when the timer was armed. */
static void bgtoken_timer_call(struct bgtoken_timer *timer, void *owner, u32 pauses)
{
	struct bgtoken_work *work = &timer->dwork.work;

	if (owner && pauses == bgtoken_pauses(work->token)) {
		trace_bgtoken_work_start(work, work->token);
		work->timer_fn(timer, owner);
		trace_bgtoken_work_end(work, work->token);
	} else {
		bgtoken_timer_dropped(work);
		trace_bgtoken_work_drop(work, work->token);
	}
}

static void bgtoken_timer_run(struct bgtoken_timer *timer, u32 pauses)
{
	struct bgtoken *token = timer->dwork.work.token;
	unsigned long flags;
	void *owner;

	if (bgtoken_kind(token) == BGTOKEN_SPIN) {
		owner = bgtoken_enter_irqsave(token, flags);
		bgtoken_timer_call(timer, owner, pauses);
		if (owner)
			bgtoken_exit_irqrestore(token, flags);
	} else {
		owner = bgtoken_enter(token);
		bgtoken_timer_call(timer, owner, pauses);
		if (owner)
			bgtoken_exit(token);
	}
}

/* From TIMER to QUEUED or, for a timer, IDLE (work.pml: timer). */
static void bgtoken_timerfn(struct timer_list *t)
{
	struct bgtoken_delayed_work *dwork =
		container_of(t, struct bgtoken_delayed_work, timer);
	struct bgtoken_work *work = &dwork->work;
	bool stale, run = false;
	unsigned long flags;
	u32 pauses;

	spin_lock_irqsave(&work->token->lock, flags);
	stale = work->stale_timer;
	if (stale) {
		work->stale_timer = false;
	} else {
		bgtoken_unlist(dwork);
		run = work->is_timer;
		if (run) {
			bgtoken_set_state(work, BGTOKEN_IDLE);
			WRITE_ONCE(work->fate, BGTOKEN_RAN);	/* or bgtoken_timer_dropped() */
		} else {
			bgtoken_set_state(work, BGTOKEN_QUEUED);
			queue_work(work->wq->wq, &work->work);
		}
	}
	pauses = work->pauses;
	spin_unlock_irqrestore(&work->token->lock, flags);
	if (run)
		bgtoken_timer_run(container_of(dwork, struct bgtoken_timer, dwork), pauses);
	if (run || stale)
		bgtoken_work_put(work);		/* taken in bgtoken_queue_locked() */
}

/* Queueing */

/* The outcomes of queueing, besides the reasons for which a work is refused. */
enum {
	BGTOKEN_NEWLY_QUEUED = BGTOKEN_REFUSALS,
	BGTOKEN_MODIFIED,
};

/* When and where a work is to be queued. */
struct bgtoken_when {
	int cpu;
	unsigned long delay;	/* for the trace event */
	unsigned long expires;
	bool timed;
	bool mod;		/* even if it is pending */
};

/* Checks the workqueue only if the token was not cancelled (work.pml: may_queue). */
static int bgtoken_may_queue(const struct bgtoken_wq *wq, const struct bgtoken_work *work,
			     bool mod)
{
	int word = atomic_read(&work->token->scopes);

	if (word & BGTOKEN_CANCELLED)
		return BGTOKEN_REFUSED_CANCELLED;
	if (word & BGTOKEN_PAUSED)
		return BGTOKEN_REFUSED_PAUSED;
	if (READ_ONCE(wq->closing))
		return BGTOKEN_REFUSED_CLOSING;
	if (bgtoken_work_pending(work))
		return mod && work->wq == wq ? BGTOKEN_MODIFIED : BGTOKEN_REFUSED_PENDING;
	/* Was it dropped or taken back elsewhere, and has not left there yet? */
	if (work->wq != wq && (work->state != BGTOKEN_IDLE || work->stale_run))
		return BGTOKEN_REFUSED_PENDING;
	return BGTOKEN_NEWLY_QUEUED;
}

/* From TIMER to TIMER (work.pml: queue_locked). */
static void bgtoken_move_timer(struct bgtoken_work *work, unsigned long expires)
{
	struct timer_list *timer = &to_bgtoken_delayed_work(work)->timer;

	if (!timer_delete(timer)) {
		work->stale_timer = true;	/* its function has begun */
		kref_get(&work->kref);	/* put as one from bgtoken_queue_locked() */
	}
	mod_timer(timer, expires);
}

/* From any state to TIMER or QUEUED, as the table above has it (work.pml: queue_locked). */
static int bgtoken_queue_locked(struct bgtoken_wq *wq, struct bgtoken_work *work,
				const struct bgtoken_when *when)
{
	int outcome = bgtoken_may_queue(wq, work, when->mod);

	if (outcome < BGTOKEN_REFUSALS)
		return outcome;
	if (work->state != BGTOKEN_TIMER && when->timed &&
	    !bgtoken_list(wq, to_bgtoken_delayed_work(work)))
		return BGTOKEN_REFUSED_CLOSING;
	work->pauses = bgtoken_pauses(work->token);
	if (work->state == BGTOKEN_TIMER && when->timed) {
		bgtoken_move_timer(work, when->expires);
		return outcome;
	}
	if (work->state == BGTOKEN_IDLE || !bgtoken_take_back(work))
		kref_get(&work->kref);	/* put by the run or timer, or bgtoken_cancel_work() */
	work->wq = wq;
	if (when->timed) {
		bgtoken_set_state(work, BGTOKEN_TIMER);
		mod_timer(&to_bgtoken_delayed_work(work)->timer, when->expires);
	} else {
		bgtoken_set_state(work, BGTOKEN_QUEUED);
		queue_work_on(when->cpu, wq->wq, &work->work);
	}
	return outcome;
}

static int bgtoken_queue(struct bgtoken_wq *wq, struct bgtoken_work *work,
			 const struct bgtoken_when *when)
{
	struct bgtoken *token = work->token;
	unsigned long flags;
	int outcome;

	if (unlikely(!token))
		return BGTOKEN_REFUSED_CANCELLED;
	spin_lock_irqsave(&token->lock, flags);
	if (when->timed)
		__bgtoken_watch(token);	/* before the check of it, too (delayed-against-cancel) */
	outcome = bgtoken_queue_locked(wq, work, when);
	if (outcome < BGTOKEN_REFUSALS)
		trace_bgtoken_work_refuse(work, token, outcome);
	else
		trace_bgtoken_work_queue(work, token, when->delay);
	spin_unlock_irqrestore(&token->lock, flags);
	return outcome;
}

/**
 * bgtoken_queue_work_on() - queue a work on a CPU
 * @cpu:	as for queue_work_on()
 * @wq:		the background workqueue
 * @work:	as for bgtoken_queue_work()
 *
 * Otherwise as bgtoken_queue_work().
 *
 * Context: As bgtoken_queue_work().
 * Return: As bgtoken_queue_work().
 */
bool bgtoken_queue_work_on(int cpu, struct bgtoken_wq *wq, struct bgtoken_work *work)
{
	struct bgtoken_when when = { .cpu = cpu };

	return bgtoken_queue(wq, work, &when) == BGTOKEN_NEWLY_QUEUED;
}
EXPORT_SYMBOL_GPL(bgtoken_queue_work_on);

static int bgtoken_queue_delayed(struct bgtoken_wq *wq, struct bgtoken_delayed_work *dwork,
				 unsigned long delay, bool mod)
{
	struct bgtoken_when when = {
		.cpu = WORK_CPU_UNBOUND,
		.delay = delay,
		.expires = jiffies + delay,
		.timed = delay,
		.mod = mod,
	};

	return bgtoken_queue(wq, &dwork->work, &when);
}

/**
 * bgtoken_queue_delayed_work() - queue a work for later
 * @wq:		the background workqueue
 * @dwork:	the caller holds a reference, or is the work's own function
 * @delay:	jiffies to wait before it is queued; 0 for at once
 *
 * If the token is cancelled or paused, or the workqueue closed, while the timer is
 * pending, the work is taken off it at once, and dropped without its function
 * being called.  Otherwise as bgtoken_queue_work().
 *
 * Context: Any that may take a spinlock_t.
 * Return: As bgtoken_queue_work().
 */
bool bgtoken_queue_delayed_work(struct bgtoken_wq *wq,
				struct bgtoken_delayed_work *dwork,
				unsigned long delay)
{
	return bgtoken_queue_delayed(wq, dwork, delay, false) == BGTOKEN_NEWLY_QUEUED;
}
EXPORT_SYMBOL_GPL(bgtoken_queue_delayed_work);

/**
 * bgtoken_mod_delayed_work() - queue a work for later, or move it to another time
 * @wq:		the background workqueue
 * @dwork:	the caller holds a reference, or is the work's own function
 * @delay:	jiffies to wait from now before it is queued; 0 for at once
 *
 * As mod_delayed_work(): a work that is pending, on its timer or on @wq, becomes due @delay
 * from now, and runs once.  One that is not pending is queued.  It is refused wherever
 * bgtoken_queue_work() would refuse it, except for being pending on @wq: after a cancel, or
 * during a pause, it changes nothing.
 *
 * Context: Any that may take a spinlock_t.
 * Return: True if it was pending on @wq, and moved.  False if it was not, whether it is
 * now queued or was refused.
 */
bool bgtoken_mod_delayed_work(struct bgtoken_wq *wq,
			      struct bgtoken_delayed_work *dwork,
			      unsigned long delay)
{
	return bgtoken_queue_delayed(wq, dwork, delay, true) == BGTOKEN_MODIFIED;
}
EXPORT_SYMBOL_GPL(bgtoken_mod_delayed_work);

/**
 * bgtoken_timer_mod() - arm a timer, or change when it is due
 * @timer:	the caller holds a reference, or is the timer's own function
 * @expires:	in jiffies, as for mod_timer()
 *
 * On a token that is cancelled or paused it does nothing.
 *
 * Context: Any that may take a spinlock_t.
 * Return: True if it was pending, and moved.  False if it was not, whether it is now
 * armed or was refused.
 */
bool bgtoken_timer_mod(struct bgtoken_timer *timer, unsigned long expires)
{
	long delay = expires - jiffies;
	struct bgtoken_when when = {
		.delay = max(delay, 0L),
		.expires = expires,
		.timed = true,
		.mod = true,
	};

	return bgtoken_queue(&bgtoken_own_wq, &timer->dwork.work, &when) ==
	       BGTOKEN_MODIFIED;
}
EXPORT_SYMBOL_GPL(bgtoken_timer_mod);

/**
 * bgtoken_cancel_work() - take back a work that is pending
 * @work:	the caller holds a reference, or is the work's own function
 *
 * As cancel_work(): its function is not called, unless it is queued again.  Does not wait
 * for a running function; bgtoken_flush_work() does that.
 *
 * Context: Any that may take a spinlock_t.  Never waits.
 * Return: True if it was pending, even on a cancelled token; what a pause has dropped
 * is not pending.
 */
bool bgtoken_cancel_work(struct bgtoken_work *work)
{
	bool pending, mine = false;
	enum bgtoken_fate fate;
	unsigned long flags;

	if (unlikely(!work->token))
		return false;
	spin_lock_irqsave(&work->token->lock, flags);
	pending = bgtoken_work_pending(work);
	if (work->state != BGTOKEN_IDLE) {	/* (work.pml: cancel_work) */
		fate = bgtoken_due(work);
		mine = bgtoken_take_back(work);
		WRITE_ONCE(work->fate, fate == BGTOKEN_RAN ? BGTOKEN_TAKEN_BACK : fate);
	}
	if (pending)
		trace_bgtoken_work_cancel(work, work->token);
	spin_unlock_irqrestore(&work->token->lock, flags);
	if (mine)
		bgtoken_work_put(work);		/* taken in bgtoken_queue_locked() */
	return pending;
}
EXPORT_SYMBOL_GPL(bgtoken_cancel_work);

/**
 * bgtoken_flush_work() - wait until a work is no longer queued or running
 * @work:	the caller holds a reference
 *
 * As flush_work(), for what was queued before the call.  If that is taken back or modified
 * meanwhile, it may return before an earlier run does.  Calling it under a lock that the
 * work takes, or from the work, is a deadlock, which lockdep reports.  A cancelled token
 * saves calling the function, but not waiting for one that is already running.
 *
 * Context: Process context; sleeps.
 * Return: True if it waited.
 */
bool bgtoken_flush_work(struct bgtoken_work *work)
{
#ifdef CONFIG_LOCKDEP
	/* Whether or not it is queued; flush_work() tells lockdep only if it is. */
	lock_map_acquire(&work->work.lockdep_map);
	lock_map_release(&work->work.lockdep_map);
#endif
	return flush_work(&work->work);	/* (work.pml: flush_it) */
}
EXPORT_SYMBOL_GPL(bgtoken_flush_work);

/**
 * bgtoken_flush_delayed_work() - run a delayed work now, and wait for it
 * @dwork:	the caller holds a reference
 *
 * As flush_delayed_work(): one that is on its timer is queued at once.  Otherwise as
 * bgtoken_flush_work().
 *
 * Context: Process context; sleeps.
 * Return: True if it waited.
 */
bool bgtoken_flush_delayed_work(struct bgtoken_delayed_work *dwork)
{
	struct bgtoken *token = dwork->work.token;
	unsigned long flags;

	if (unlikely(!token))
		return false;
	spin_lock_irqsave(&token->lock, flags);
	if (dwork->work.state == BGTOKEN_TIMER)
		bgtoken_expedite(&dwork->work);
	spin_unlock_irqrestore(&token->lock, flags);
	return bgtoken_flush_work(&dwork->work);
}
EXPORT_SYMBOL_GPL(bgtoken_flush_delayed_work);

/* Background workqueues */

/* The result owns @workqueue, the kernel's, which may be NULL. */
static struct bgtoken_wq *bgtoken_wq_wrap(struct workqueue_struct *workqueue)
{
	struct bgtoken_wq *wq;

	if (!workqueue)
		return ERR_PTR(-ENOMEM);
	wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	if (!wq) {
		destroy_workqueue(workqueue);
		return ERR_PTR(-ENOMEM);
	}
	spin_lock_init(&wq->lock);
	wq->wq = workqueue;
	return wq;
}

/**
 * bgtoken_wq_create() - make a background workqueue
 * @name:	shown for its kworkers
 * @flags:	WQ_*, as for alloc_workqueue(); WQ_UNBOUND for long work
 * @max_active:	as for alloc_workqueue(); 0 for the default
 *
 * Each module that uses works makes one, so that its exit can drain them.
 *
 * Context: Process context; may sleep.
 * Return: The background workqueue, for bgtoken_wq_destroy();
 * ERR_PTR(-EINVAL) without a name, or with a flag that is unknown, contradicts another
 * or would make works run outside of process context; or ERR_PTR(-ENOMEM).
 */
struct bgtoken_wq *bgtoken_wq_create(const char *name, unsigned int flags,
				     int max_active)
{
	if (!name || flags & ~BGTOKEN_WQ_FLAGS ||
	    (flags & WQ_UNBOUND && flags & COMPAT_WQ_PERCPU))
		return ERR_PTR(-EINVAL);
	if (!(flags & WQ_UNBOUND))
		flags |= COMPAT_WQ_PERCPU;
	return bgtoken_wq_wrap(alloc_workqueue("%s", flags, max_active, name));
}
EXPORT_SYMBOL_GPL(bgtoken_wq_create);

/**
 * bgtoken_ordered_wq_create() - make a workqueue that runs one work at a time, in order
 * @name:	shown for its kworkers
 * @flags:	WQ_FREEZABLE, WQ_MEM_RECLAIM, WQ_HIGHPRI, or 0
 *
 * As alloc_ordered_workqueue(): works run one after the other, in the order in which
 * they were queued, on any CPU.
 *
 * Context: Process context; may sleep.
 * Return: As bgtoken_wq_create().
 */
struct bgtoken_wq *bgtoken_ordered_wq_create(const char *name, unsigned int flags)
{
	if (!name || flags & ~(WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_HIGHPRI))
		return ERR_PTR(-EINVAL);
	return bgtoken_wq_wrap(alloc_ordered_workqueue("%s", flags, name));
}
EXPORT_SYMBOL_GPL(bgtoken_ordered_wq_create);

static void bgtoken_wq_destroy_action(void *wq)
{
	bgtoken_wq_destroy(wq);
}

/**
 * devm_bgtoken_wq_create() - make a workqueue that is destroyed when a device unbinds
 * @dev:	the device
 * @name:	as for bgtoken_wq_create()
 * @flags:	as for bgtoken_wq_create()
 * @max_active:	as for bgtoken_wq_create()
 *
 * Managed resources are released in reverse order: create it before the tokens whose
 * works it is for, so that they are cancelled before it waits for running works.  A
 * driver whose remove must not wait for works has one for the module instead.
 *
 * Context: Process context; may sleep.
 * Return: As bgtoken_wq_create().
 */
struct bgtoken_wq *devm_bgtoken_wq_create(struct device *dev, const char *name,
					  unsigned int flags, int max_active)
{
	struct bgtoken_wq *wq = bgtoken_wq_create(name, flags, max_active);
	int err;

	if (IS_ERR(wq))
		return wq;
	err = devm_add_action_or_reset(dev, bgtoken_wq_destroy_action, wq);
	return err ? ERR_PTR(err) : wq;
}
EXPORT_SYMBOL_GPL(devm_bgtoken_wq_create);

/**
 * bgtoken_wq_flush() - wait for what was queued before
 * @wq:		the background workqueue
 *
 * As flush_workqueue(): waits for all works that are queued or running now, no
 * matter whose they are, but not for those on timers.  Calling it under a lock that
 * one of them takes, or from one of them, is a deadlock, which lockdep reports.
 *
 * Context: Process context; sleeps.
 */
void bgtoken_wq_flush(struct bgtoken_wq *wq)
{
	flush_workqueue(wq->wq);
}
EXPORT_SYMBOL_GPL(bgtoken_wq_flush);

/* (2); the list pins a work until this has taken a reference (work.pml: expedite_wq). */
static void bgtoken_wq_expedite(struct bgtoken_wq *wq)
{
	struct bgtoken_work *work;

	spin_lock_irq(&wq->lock);
	WRITE_ONCE(wq->closing, true);
	while (!hlist_empty(&wq->delayed)) {
		work = &hlist_entry(wq->delayed.first, struct bgtoken_delayed_work,
				    wq_node)->work;
		kref_get(&work->kref);		/* put below */
		spin_unlock_irq(&wq->lock);

		spin_lock_irq(&work->token->lock);
		/* Somebody may have moved it meanwhile, even to another workqueue. */
		if (work->state == BGTOKEN_TIMER && work->wq == wq)
			bgtoken_expedite(work);
		spin_unlock_irq(&work->token->lock);
		bgtoken_work_put(work);
		cond_resched();
		spin_lock_irq(&wq->lock);
	}
	spin_unlock_irq(&wq->lock);
}

/**
 * bgtoken_barrier() - wait for all releases, and for the functions of timers
 *
 * For the exit of a module whose works or timers have release functions, and that has no
 * background workqueue or puts some of them after destroying it.  It waits for the release of
 * each work whose last put came before the call and was made where sleeping is not allowed,
 * and for the function of each timer whose token was cancelled before the call.
 * A release that bgtoken_work_put() calls directly is for its caller to wait for; one at the
 * end of a run, for bgtoken_wq_destroy().  If a release cancels a token that has armed
 * timers, or deletes a timer, call this once more for those.
 *
 * Waits for a grace period, and then until no release is outstanding, including those of
 * others: it does not return while these keep coming without a break.  Calling it under a
 * lock that any release may take, or from a release, may be a deadlock, which lockdep
 * reports.
 *
 * Context: Process context; sleeps.
 */
void bgtoken_barrier(void)
{
	/* Then timers' functions have put their references (closing) (work.pml: barrier). */
	synchronize_rcu();
	bgtoken_wait_releases();
}
EXPORT_SYMBOL_GPL(bgtoken_barrier);

/**
 * bgtoken_wq_destroy() - drop pending works, wait for running ones
 * @wq:		the background workqueue; NULL and ERR_PTRs are ignored
 *
 * For module exit: when it returns, no function of a work that was queued here
 * is running or will run, and the last reference that the queue held on a work
 * is gone, so that the functions' text may be unloaded.  Only this and a flush wait for
 * works: this for two grace periods, and for as long as the slowest running work takes.
 * Cancel the owners first, so that works see it and leave.  Calling it from one of its own
 * works is a deadlock, which lockdep reports.
 *
 * It ends with bgtoken_barrier(), so it also waits for the releases of others for as long as
 * these keep coming, and may deadlock where that may.  A module whose releases cancel tokens
 * that have armed timers, or delete timers, must call bgtoken_barrier() afterwards.
 *
 * Context: Process context; sleeps.
 */
void bgtoken_wq_destroy(struct bgtoken_wq *wq)
{
	if (IS_ERR_OR_NULL(wq))
		return;
	trace_bgtoken_wq_drain(wq, false);	/* (work.pml: drain) */
	bgtoken_wq_expedite(wq);	/* (1), (2) */
	synchronize_rcu();		/* (3), see closing.litmus */
	destroy_workqueue(wq->wq);	/* (4) */
	bgtoken_barrier();		/* (5) */
	trace_bgtoken_wq_drain(wq, true);
	kfree(wq);
}
EXPORT_SYMBOL_GPL(bgtoken_wq_destroy);

static int bgtoken_own_wq_init(void)
{
	bgtoken_own_wq.wq = alloc_workqueue("bgtoken", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return bgtoken_own_wq.wq ? 0 : -ENOMEM;
}

/* Outstanding releases run before this returns. */
static void bgtoken_own_wq_exit(void)
{
	destroy_workqueue(bgtoken_own_wq.wq);
}
