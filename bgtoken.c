// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgtoken: background work whose owner can be freed at once.
 *
 * The contract is in bgtoken.h; here is why it holds.
 *
 * Tokens
 * ======
 *
 * A token is a refcount, a pointer, and a word, token->scopes, which is lock and
 * flag: it counts the scopes that are live, and its sign says that the token is
 * cancelled.  Whoever begins a scope and whoever cancels change the same word, so
 * one of them comes first:
 *
 *	scope				cancel
 *
 *	(1) count itself, unless	(a) set CANCELLED, see the count
 *	    CANCELLED			(b) wake sleepers, expedite works
 *	(2) use the owner		(c) until the count is 0, wait
 *	(3) leave the count		(d) return; the owner may be freed
 *	(4) if CANCELLED, and the
 *	    count is 0: wake (c)
 *
 * Either (1) comes before (a); then (a) has seen it, and (c) waits for (3).  Or
 * it comes after, and there is no scope.  (3) and (c) are a release and an
 * acquire, so what the scope did is seen by who frees the owner.  The same holds
 * for a cancel that finds at (a) that another was first.  If (3) comes after (a),
 * it sees CANCELLED, and so the last one to leave goes on to (4).
 *
 * The kinds differ in what they let in at (1):
 *
 *	BGTOKEN_SHARED	any number
 *	BGTOKEN_MUTEX	one; the others stand in line, at a mutex, and the first of
 *			them sleeps until the count is 0
 *	BGTOKEN_SPIN	one; the others stand in line, at a spinlock, and the first
 *			of them spins until the count is 0.  Interrupts are off from
 *			before (1) until after (3)
 *
 * The first in line spins for a while, and newcomers may go first: that spares
 * hand-overs.  Then it sets WAITER in the word, so that (1) fails for newcomers,
 * who go to the end of the line, and so that who leaves at (3) goes on to (4) and
 * wakes it, if it sleeps.  It clears WAITER as it counts itself.  CANCELLED ends
 * its wait too; then each in line sees that in turn and leaves.  A cancel does not
 * stand in line: it waits for the scopes that were live at (a), and for nobody
 * else.  A cancel whose wait is short leaves it to (4) to wake the first in line.
 *
 * Why not just the mutex and the spinlock, held for the scope?  A cancel had to
 * stand in line with the crowd, two looks at the owner and two at the kind made
 * each scope twice the instructions of its lock (now: less than its lock), and
 * SHARED needed this count anyway.  The figures are in performance.rst.  The page
 * lock and kernfs' active count are of the same making.  What is lost:
 *
 *  - a newcomer waits for a first in line that has been woken and does not get a
 *    CPU; a mutex lets those who run go first, once
 *  - a mutex or spinlock hands the priority of those who wait down to who holds it
 *    with CONFIG_PREEMPT_RT.  There MUTEX and SPIN go through the line always, and
 *    keep its lock for as long as the scope lasts, and a cancel takes it too, so
 *    it stands behind as many hand-overs as there are in line before it
 *
 * A SHARED scope never waits to begin, so to lockdep it is a trylock: nothing that is
 * held before it can be part of a deadlock with it.  What is taken inside it can, with
 * a cancel, which is a lock that waits.
 *
 * The word lives in the token, not in the owner, and each who uses it holds a
 * reference until it is done.  So (4), and a mutex_unlock() that still touches a
 * mutex that the next one already has (see its kernel-doc), are no danger,
 * whoever drops the last reference.
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
 * so that the function can queue its own work again.  Only then does the run look
 * whether it is to be dropped: a cancel that finds the work pending comes before
 * that look, and so such a work never calls its function.  Whoever sets it owns the
 * queue step, and the reference travels with it: to the timer, from there to
 * the workqueue, from there to bgtoken_work_run().  From the timer it is taken
 * by one of three: the timer's function, a cancel, or a drain.  The one for
 * which the timer was still pending, which timer_delete() decides, queues it.
 *
 * A delayed work that is not yet running is on two lists, its token's and its
 * background workqueue's, so that a cancel and a drain find it.  It is added
 * under both locks together with the check that neither is over; as a cancel
 * sets CANCELLED, and a drain sets closing, before they take the lock and walk
 * the list, they find it there or it is refused.  A cancel does so only if
 * token->watched says that there ever was such a work, or a sleeper; and so does
 * one that comes second, since works that the first has not reached are still armed.
 *
 * Who queues looks at the token first, in an RCU read-side section, and at the
 * workqueue only if it was not cancelled.  Either it was cancelled before, or a
 * drain that comes after the cancel waits for that section: see (3).
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
 * A: read by anyone without a lock, and changed by atomic operations, watched by
 *    smp_store_mb().
 * C: set at init, read in scopes, and cleared by the cancel that returns true,
 *    when it has waited for them.
 * S: belongs to the scope.
 * T: token->lock, taken inside W.
 * W: wq->lock.
 * P: belongs to whoever claimed work->pending.
 * K: bgtoken_classes_lock to find or add one; it is only read afterwards.
 *
 * sparse cannot follow a scope that is there if a pointer is not NULL, so it
 * ignores __cond_acquires(), nor one that __cleanup ends: with __releases() on
 * bgtoken_exit() it would warn of every scope there is.  Nor can it follow the
 * line, which has a spinlock for one kind only; __release() and __acquire() tell
 * it to look away.
 */
#include <linux/debug_locks.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/wait_bit.h>
#include <trace/events/lock.h>

#include "bgtoken.h"

#define LIVE_PREFIX	bgtoken
#include "live.h"

#define CREATE_TRACE_POINTS
#include "bgtoken_trace.h"

#define SPINS	200	/* of each wait for scopes, before it changes its manner */

/* What works and their release may rely on: process context. */
#define BGTOKEN_WQ_FLAGS						\
	(WQ_UNBOUND | COMPAT_WQ_PERCPU | WQ_FREEZABLE | WQ_MEM_RECLAIM | \
	 WQ_HIGHPRI | WQ_CPU_INTENSIVE | WQ_SYSFS | WQ_POWER_EFFICIENT)

struct bgtoken_wq {
	struct workqueue_struct *wq;	/* I */
	struct hlist_head delayed;	/* W: works that may be on a timer */
	spinlock_t lock;
	bool closing;			/* W to write */
};

LIVE_COUNTER(tokens, "how many tokens are alive");
LIVE_COUNTER(works, "how many works are alive");

/* Lockdep */

#ifdef CONFIG_LOCKDEP
/*
 * What lockdep knows of the tokens of one creation site.  A token may outlive the
 * module that created it, so neither keys nor names may be that module's.  A site is
 * found again by what it says of itself, also when its module was removed and
 * inserted anew.  All of it lies in this module's own memory, as lockdep forgets that
 * as a whole when the module goes; of a key that is registered by
 * lockdep_register_key() it would not forget what nested scopes made of it.
 */
struct bgtoken_class {
	struct lock_class_key scope[BGTOKEN_KINDS];
	struct lock_class_key line[BGTOKEN_KINDS];
	struct lock_class_key works;
	struct lockdep_map works_map;
	unsigned int file_hash;
	int line_number;
	char name[40];
	char works_name[48];
};

#define BGTOKEN_CLASSES	256	/* sites after these go unchecked */

static struct bgtoken_class bgtoken_classes[BGTOKEN_CLASSES + 1];	/* K */
static unsigned int bgtoken_nr_classes;					/* K */
static DEFINE_SPINLOCK(bgtoken_classes_lock);

static void bgtoken_class_init(struct bgtoken_class *class,
			       const struct bgtoken_site *site,
			       unsigned int file_hash)
{
	bool unchecked = class == &bgtoken_classes[BGTOKEN_CLASSES];

	if (unchecked && class->name[0])
		return;		/* in use */
	if (unchecked)
		pr_warn_once("bgtoken: lockdep checks the first %d creation sites only\n",
			     BGTOKEN_CLASSES);
	strscpy(class->name, unchecked ? "bgtoken" : site->name, sizeof(class->name));
	snprintf(class->works_name, sizeof(class->works_name), "%s works", class->name);
	class->file_hash = file_hash;
	class->line_number = site->line;
	lockdep_init_map(&class->works_map, class->works_name,
			 unchecked ? &__lockdep_no_validate__ : &class->works, 0);
}

static struct bgtoken_class *bgtoken_class_of(const struct bgtoken_site *site)
{
	unsigned int hash = full_name_hash(NULL, site->file, strlen(site->file));
	struct bgtoken_class *class = bgtoken_classes;
	unsigned long flags;

	spin_lock_irqsave(&bgtoken_classes_lock, flags);
	for (; class < &bgtoken_classes[bgtoken_nr_classes]; class++)
		if (class->line_number == site->line && class->file_hash == hash &&
		    !strncmp(class->name, site->name, sizeof(class->name) - 1))
			break;
	if (class == &bgtoken_classes[bgtoken_nr_classes]) {
		bgtoken_class_init(class, site, hash);
		if (bgtoken_nr_classes < BGTOKEN_CLASSES)
			bgtoken_nr_classes++;
	}
	spin_unlock_irqrestore(&bgtoken_classes_lock, flags);
	return class;
}

static void bgtoken_set_class(struct bgtoken *token, const struct bgtoken_site *site)
{
	struct bgtoken_class *class = bgtoken_class_of(site);
	struct lock_class_key *scope = &class->scope[token->kind];
	struct lock_class_key *line = &class->line[token->kind];

	if (class == &bgtoken_classes[BGTOKEN_CLASSES]) {
		scope = &__lockdep_no_validate__;
		line = &__lockdep_no_validate__;
	}
	token->class = class;
	lockdep_init_map_wait(&token->dep_map, class->name, scope, 0,
			      token->kind == BGTOKEN_SPIN ? LD_WAIT_CONFIG :
							    LD_WAIT_SLEEP);
	if (token->kind == BGTOKEN_MUTEX)
		lockdep_set_class_and_name(&token->mutex, line, "bgtoken_line");
	else if (token->kind == BGTOKEN_SPIN)
		lockdep_set_class_and_name(&token->spin, line, "bgtoken_line");
}

/*
 * What those works of the token hold while they run that others wait for, and who
 * waits for them takes.  It is one for all tokens of a class.
 */
struct lockdep_map *__bgtoken_works_map(struct bgtoken *token)
{
	return &token->class->works_map;
}
EXPORT_SYMBOL_GPL(__bgtoken_works_map);
#else
static void bgtoken_set_class(struct bgtoken *token, const struct bgtoken_site *site)
{
}
#endif /* CONFIG_LOCKDEP */

/* Tokens */

struct bgtoken *__bgtoken_create(void *owner, enum bgtoken_kind kind, gfp_t gfp,
				 const struct bgtoken_site *site)
{
	struct bgtoken *token;

	if (!owner || kind >= BGTOKEN_KINDS)
		return ERR_PTR(-EINVAL);
	token = kzalloc(sizeof(*token), gfp);
	if (!token)
		return ERR_PTR(-ENOMEM);

	token->owner = owner;
	token->kind = kind;
	atomic_set(&token->scopes, BGTOKEN_NONE);
	kref_init(&token->kref);	/* put by the creator */
	spin_lock_init(&token->lock);
	if (kind == BGTOKEN_MUTEX)
		mutex_init(&token->mutex);
	else if (kind == BGTOKEN_SPIN)
		spin_lock_init(&token->spin);
	bgtoken_set_class(token, site);
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
				      enum bgtoken_kind kind,
				      const struct bgtoken_site *site)
{
	struct bgtoken *token;
	int err;

	token = __bgtoken_create(owner, kind, GFP_KERNEL, site);
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
	debug_check_no_locks_freed(token, sizeof(*token));	/* in its own scope? */
	kfree_rcu(token, rcu);	/* bgtoken_get_unless_zero() may look at kref */
	live_dec(tokens);
}

/**
 * bgtoken_put() - drop a reference
 * @token:	the token; NULL or an ERR_PTR is let pass
 *
 * The last put frees the token, after a grace period that nobody waits for, and
 * touches nothing else: neither the owner nor a work.  The token need not have been
 * cancelled.
 *
 * Context: Any that may take a spinlock_t.  Never waits.
 */
void bgtoken_put(struct bgtoken *token)
{
	if (!IS_ERR_OR_NULL(token))
		kref_put(&token->kref, bgtoken_free);
}
EXPORT_SYMBOL_GPL(bgtoken_put);

static void bgtoken_put_action(void *token)
{
	bgtoken_put(token);
}

/**
 * devm_bgtoken_get() - take a reference that is put when a device unbinds
 * @dev:	the device
 * @token:	a token on which the caller holds a reference
 *
 * Managed resources go in reverse order.  So what is requested after this, and
 * released before it, may use the token to the end, even where the token is
 * cancelled first: an interrupt, a timer, a file that a subsystem made.
 *
 * Context: Process context; may sleep.
 * Return: 0, or -ENOMEM, with no reference kept.
 */
int devm_bgtoken_get(struct device *dev, struct bgtoken *token)
{
	return devm_add_action_or_reset(dev, bgtoken_put_action, bgtoken_get(token));
}
EXPORT_SYMBOL_GPL(devm_bgtoken_get);

static bool bgtoken_irqs_off(const struct bgtoken *token)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && token->kind == BGTOKEN_SPIN;
}

/*
 * Nobody is in a scope any more; or, for who stands in line, the token is
 * cancelled.  Acquire: what was done in the scopes comes before.
 */
static bool bgtoken_over(const struct bgtoken *token, int cancelled)
{
	int word = atomic_read_acquire(&token->scopes);

	return !(word & BGTOKEN_LIVE) || word & cancelled;
}

/* Where one may not sleep.  Acquire, as bgtoken_over(). */
static void bgtoken_wait_spinning(struct bgtoken *token, int cancelled)
{
	compat_contention_begin(token, LCB_F_SPIN);
	atomic_cond_read_acquire(&token->scopes,
				 !(VAL & BGTOKEN_LIVE) || VAL & cancelled);
	compat_contention_end(token, 0);
}

/*
 * Most scopes end sooner than a sleep begins: without SPINS, the slowest cancel in
 * a hundred among 64 works took 17 times as long, as it had to get a CPU again.
 * Before a cancel sleeps, it lets the line leave; else whoever leaves the scope
 * does.
 */
static void bgtoken_wait_sleeping(struct bgtoken *token, int cancelled)
{
	int spins = SPINS;

	compat_contention_begin(token, LCB_F_MUTEX);
	while (!bgtoken_over(token, cancelled) && spins--)
		cpu_relax();
	if (!bgtoken_over(token, cancelled)) {
		if (!cancelled)
			wake_up_var(&token->scopes);
		wait_var_event(&token->scopes, bgtoken_over(token, cancelled));
	}
	compat_contention_end(token, 0);
}

static noinline void bgtoken_wait(struct bgtoken *token, int cancelled)
{
	if (bgtoken_over(token, cancelled))
		return;
	if (bgtoken_irqs_off(token))
		bgtoken_wait_spinning(token, cancelled);
	else
		bgtoken_wait_sleeping(token, cancelled);
}

static void bgtoken_line_lock(struct bgtoken *token, unsigned int subclass)
{
	if (token->kind == BGTOKEN_MUTEX) {
		mutex_lock_nested(&token->mutex, subclass);
	} else if (token->kind == BGTOKEN_SPIN) {
		spin_lock_nested(&token->spin, subclass);
		__release(&token->spin);
	}
}

static void bgtoken_line_unlock(struct bgtoken *token)
{
	if (token->kind == BGTOKEN_MUTEX) {
		mutex_unlock(&token->mutex);
	} else if (token->kind == BGTOKEN_SPIN) {
		__acquire(&token->spin);
		spin_unlock(&token->spin);
	}
}

/* Step (1), as bgtoken_try_enter(), if the word is @word. */
static bool bgtoken_take(struct bgtoken *token, int word)
{
	return atomic_read(&token->scopes) == word &&
	       atomic_try_cmpxchg_acquire(&token->scopes, &word, BGTOKEN_NONE + 1);
}

/*
 * Step (1), one at a time.  At first newcomers may go first: they are on a CPU,
 * too, and need no hand-over.
 */
static bool bgtoken_stand_in_line(struct bgtoken *token, unsigned int subclass)
{
	int spins = SPINS;
	bool entered;

	bgtoken_line_lock(token, subclass);
	for (;;) {
		entered = bgtoken_take(token, BGTOKEN_NONE);
		if (entered || !--spins || bgtoken_cancelled(token))
			break;
		cpu_relax();
	}
	if (!entered) {
		atomic_or(BGTOKEN_WAITER, &token->scopes);
		do {
			bgtoken_wait(token, BGTOKEN_CANCELLED);
			/* The others are behind: it fails for a cancel, or a misuse. */
			entered = bgtoken_take(token, BGTOKEN_NONE | BGTOKEN_WAITER);
		} while (!entered && !bgtoken_cancelled(token));
	}
	if (!entered || !IS_ENABLED(CONFIG_PREEMPT_RT))
		bgtoken_line_unlock(token);
	return entered;
}

/* Step (1), in parallel. */
static bool bgtoken_share(struct bgtoken *token)
{
	int word = atomic_read(&token->scopes);

	do {
		/* An exit too many is being taken back: it is a moment. */
		while (unlikely(!(word & BGTOKEN_NONE))) {
			cpu_relax();
			word = atomic_read(&token->scopes);
		}
		if (word < 0)
			return false;
	} while (!atomic_try_cmpxchg_acquire(&token->scopes, &word, word + 1));
	return true;
}

/* When somebody is in a scope, or the token is cancelled. */
void *__bgtoken_enter_slow(struct bgtoken *token, unsigned int subclass)
{
	bool entered;

	if (bgtoken_cancelled(token))
		return NULL;
	if (token->kind == BGTOKEN_SHARED) {
		rwsem_acquire_read(&token->dep_map, subclass, 1, _RET_IP_);
		entered = bgtoken_share(token);
	} else {
		mutex_acquire(&token->dep_map, subclass, 0, _RET_IP_);
		if (atomic_read(&token->scopes) & BGTOKEN_LIVE)
			lock_contended(&token->dep_map, _RET_IP_);
		entered = bgtoken_stand_in_line(token, subclass);
		if (entered)
			lock_acquired(&token->dep_map, _RET_IP_);
	}
	if (!entered) {
		lock_release(&token->dep_map, _RET_IP_);
		return NULL;
	}
	trace_bgtoken_enter(token);
	return token->owner;
}
EXPORT_SYMBOL_GPL(__bgtoken_enter_slow);

/*
 * Step (4).  @word is what the exit made of token->scopes.  False if there was no
 * scope to end, and so nothing else to undo; but for who meets interrupts off, as
 * another may have ended its scope.
 */
bool __bgtoken_exit_slow(struct bgtoken *token, int word)
{
	bool ended = word & BGTOKEN_NONE;

	if (!ended)
		word = atomic_inc_return(&token->scopes);
	if (!(word & BGTOKEN_LIVE) && !bgtoken_irqs_off(token))
		wake_up_var(&token->scopes);
	WARN_ONCE(!ended, "bgtoken: one exit too many\n");
	return ended || (bgtoken_irqs_off(token) && irqs_disabled());
}
EXPORT_SYMBOL_GPL(__bgtoken_exit_slow);

#ifdef CONFIG_PREEMPT_RT
void *bgtoken_enter_nested(struct bgtoken *token, unsigned int subclass)
{
	bgtoken_might_sleep(token);
	return __bgtoken_enter_slow(token, subclass);
}
EXPORT_SYMBOL_GPL(bgtoken_enter_nested);

void bgtoken_exit(struct bgtoken *token)
{
	int word;

	trace_bgtoken_exit(token);
	lock_release(&token->dep_map, _RET_IP_);
	word = atomic_dec_return(&token->scopes);
	if (!bgtoken_quiet(word) && !__bgtoken_exit_slow(token, word))
		return;
	bgtoken_line_unlock(token);	/* bgtoken_stand_in_line() */
}
EXPORT_SYMBOL_GPL(bgtoken_exit);
#else
/* When bgtoken_try_enter() has failed, with interrupts off, as they were before. */
void *__bgtoken_enter_spin(struct bgtoken *token, unsigned int subclass,
			   unsigned long flags)
{
	void *owner = __bgtoken_enter_slow(token, subclass);

	if (owner) {
		token->irqflags = flags;
	} else {
		local_irq_restore(flags);
		preempt_enable();
	}
	return owner;
}
EXPORT_SYMBOL_GPL(__bgtoken_enter_spin);
#endif

/* For the scopes that begin and end inline. */
void __bgtoken_trace_enter(struct bgtoken *token)
{
	trace_bgtoken_enter(token);
}
EXPORT_SYMBOL_GPL(__bgtoken_trace_enter);

void __bgtoken_trace_exit(struct bgtoken *token)
{
	trace_bgtoken_exit(token);
}
EXPORT_SYMBOL_GPL(__bgtoken_trace_exit);
EXPORT_TRACEPOINT_SYMBOL_GPL(bgtoken_enter);
EXPORT_TRACEPOINT_SYMBOL_GPL(bgtoken_exit);

/* Have lockdep see that a cancel may have to wait, whether or not it will. */
static void bgtoken_may_wait(struct bgtoken *token, unsigned int subclass)
{
	bool irqs_off = IS_ENABLED(CONFIG_LOCKDEP) && bgtoken_irqs_off(token);
	unsigned long flags = 0;

	/* It may give the CPU away, too, which is for those who do wait. */
	if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) && token->kind != BGTOKEN_SPIN)
		might_sleep();
	if (irqs_off)
		local_irq_save(flags);
	mutex_acquire(&token->dep_map, subclass, 0, _RET_IP_);
	lock_release(&token->dep_map, _RET_IP_);
	if (irqs_off)
		local_irq_restore(flags);
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
 * Steps (a) and (b).  What the word was is returned.  A full barrier: before the
 * wake-ups, and before the look at who watches, where it pairs with
 * bgtoken_watch().
 */
static int bgtoken_close(struct bgtoken *token, int flags)
{
	int word = atomic_fetch_or(flags, &token->scopes);

	trace_bgtoken_cancel(token, word >= 0);
	/* Not the first only: it may still be at it. */
	if (READ_ONCE(token->watched))
		bgtoken_notify(token);
	return word;
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
	int word;

	word = bgtoken_close(token, BGTOKEN_CANCELLED | BGTOKEN_CLAIMED);
	bgtoken_may_wait(token, subclass);
	if (word & BGTOKEN_LIVE) {
		if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
			bgtoken_line_lock(token, subclass);
			bgtoken_line_unlock(token);
		}
		bgtoken_wait(token, 0);
	}
	trace_bgtoken_cancel_done(token);
	if (word & BGTOKEN_CLAIMED)
		return false;
	token->owner = NULL;	/* so that what uses it after this faults */
	return true;
}
EXPORT_SYMBOL_GPL(bgtoken_cancel_nested);

/**
 * bgtoken_refuse() - the first half of a cancel
 * @token:	the caller holds a reference
 *
 * No new scope begins after it; who sleeps in bgtoken_sleep() or waits in
 * bgtoken_wait_event() is woken, and delayed works are taken off their timers.  The
 * owner stays where it is, as scopes may be live, and still calls bgtoken_cancel()
 * before it is freed.  Between the two it ends what scopes may be waiting for: kills
 * URBs, completes fences, wakes readers of its own.
 *
 * Context: Any that may take a spinlock_t, also inside a scope of this token.  Does
 * not wait.
 */
void bgtoken_refuse(struct bgtoken *token)
{
	if (bgtoken_close(token, BGTOKEN_CANCELLED) & BGTOKEN_WAITER)
		wake_up_var(&token->scopes);	/* the first in line */
}
EXPORT_SYMBOL_GPL(bgtoken_refuse);

/**
 * bgtoken_sleep() - sleep unless and until the token is cancelled
 * @token:	the caller holds a reference
 * @timeout:	jiffies, or MAX_SCHEDULE_TIMEOUT
 *
 * Not disturbed by signals, and not counted as load.  A task that is frozen stays
 * in here.  A work of a WQ_FREEZABLE workqueue holds up its freezing until it
 * returns, whatever it does; one that sleeps for long is better off elsewhere.
 *
 * Context: Process context; sleeps.  A task that may be frozen holds no lock here and
 * is in no scope; one that may not be, such as a kthread or a work, may be in a scope
 * that may sleep.
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
				 (TASK_IDLE | TASK_FREEZABLE), 0, timeout,
				 __ret = schedule_timeout(__ret));
}
EXPORT_SYMBOL_GPL(bgtoken_sleep);

/**
 * bgtoken_wake() - have who waits for an event look again
 * @token:	the caller holds a reference
 *
 * Called after what bgtoken_wait_event() waits for was made true.
 *
 * Context: Any that may take a spinlock_t.
 */
void bgtoken_wake(struct bgtoken *token)
{
	smp_mb();	/* the condition before the look at who waits; see below */
	wake_up_var(&token->owner);
}
EXPORT_SYMBOL_GPL(bgtoken_wake);

static int bgtoken_wake_waiter(struct wait_queue_entry *entry, unsigned int mode,
			       int sync, void *arg)
{
	struct bgtoken_waiter *waiter =
		container_of(entry, struct bgtoken_waiter, entry.wq_entry);
	struct wait_bit_key *key = arg;

	if (key->flags != waiter->entry.key.flags ||
	    key->bit_nr != waiter->entry.key.bit_nr)
		return 0;	/* another's, in the same queue */
	WRITE_ONCE(waiter->woken, true);
	/* A full barrier before its look at the state; pairs with setting that. */
	return default_wake_function(entry, mode, sync, arg);
}

/*
 * A waiter looks at the condition while it is running, as that may enter a scope,
 * which may sleep; what wakes it meanwhile, it is told by waiter->woken.
 */
void __bgtoken_wait_begin(struct bgtoken *token, struct bgtoken_waiter *waiter)
{
	might_sleep();
	init_wait_var_entry(&waiter->entry, &token->owner, 0);
	waiter->entry.wq_entry.func = bgtoken_wake_waiter;
	waiter->woken = false;
	bgtoken_watch(token);
	add_wait_queue(__var_waitqueue(&token->owner), &waiter->entry.wq_entry);
	smp_mb();	/* before the condition; pairs with bgtoken_wake() */
}
EXPORT_SYMBOL_GPL(__bgtoken_wait_begin);

void __bgtoken_wait_end(struct bgtoken *token, struct bgtoken_waiter *waiter)
{
	remove_wait_queue(__var_waitqueue(&token->owner), &waiter->entry.wq_entry);
}
EXPORT_SYMBOL_GPL(__bgtoken_wait_end);

/* The jiffies that are left, or why it is over. */
long __bgtoken_wait_sleep(struct bgtoken *token, struct bgtoken_waiter *waiter,
			  unsigned int state, long timeout)
{
	/* A full barrier; pairs with those of bgtoken_wake_waiter() and a cancel. */
	set_current_state(state | TASK_FREEZABLE);
	if (bgtoken_cancelled(token))
		timeout = -ECANCELED;
	else if (signal_pending_state(state, current))
		timeout = state & TASK_WAKEKILL ? -EINTR : -ERESTARTSYS;
	else if (!READ_ONCE(waiter->woken))
		timeout = schedule_timeout(timeout);
	__set_current_state(TASK_RUNNING);
	smp_store_mb(waiter->woken, false);	/* before the condition */
	return timeout;
}
EXPORT_SYMBOL_GPL(__bgtoken_wait_sleep);

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
	struct bgtoken_wq *wq = work->wq;

	/*
	 * From here on work->wq may be another's.  A full barrier, like that of
	 * the claim: who finds the work pending has its stores seen by this run,
	 * a cancel or a drain that found it so among them.
	 */
	atomic_xchg(&work->pending, 0);
	if (bgtoken_cancelled(token) || READ_ONCE(wq->closing)) {
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
 *		work is gone; frees @work, best as the last thing that it does:
 *		to the workqueue the work runs until this returns, and a work that
 *		is recycled into the same memory, whosever it is and wherever it is
 *		queued, is held back until then
 *
 * The caller has one reference afterwards, and drops it with
 * bgtoken_work_put(); that may be at once after queueing.  A missing argument
 * is a bug in the caller: it is warned of, and the work can be put, but never
 * queued.
 *
 * Context: Any but NMI.
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
 * Context: Any but NMI.
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
 * caller is in an RCU read-side section until it has queued, and from before it
 * touches the workqueue; see Draining (3).
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
	} else if (atomic_xchg(&work->pending, 1)) {
		/* A full barrier, too; see bgtoken_work_run(). */
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
 * cancelled, the workqueue is closing, or the work is pending already: then the
 * run to come sees what the caller stored before.
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

static bool bgtoken_start_timer(struct bgtoken_wq *wq,
				struct bgtoken_delayed_work *dwork,
				unsigned long delay)
{
	struct bgtoken *token = dwork->work.token;
	unsigned long flags;
	bool queued;

	spin_lock_irqsave(&wq->lock, flags);
	spin_lock(&token->lock);
	bgtoken_watch(token);	/* before the claim looks whether it is cancelled */
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
 * Context: Any that may take a spinlock_t.
 * Return: As bgtoken_queue_work().
 */
bool bgtoken_queue_delayed_work(struct bgtoken_wq *wq,
				struct bgtoken_delayed_work *dwork,
				unsigned long delay)
{
	struct bgtoken *token = dwork->work.token;
	bool queued;

	rcu_read_lock();	/* from before the look at the token: Draining (3) */
	if (!delay || unlikely(!token) || bgtoken_cancelled(token))
		queued = bgtoken_queue_work(wq, &dwork->work);
	else
		queued = bgtoken_start_timer(wq, dwork, delay);
	rcu_read_unlock();
	return queued;
}
EXPORT_SYMBOL_GPL(bgtoken_queue_delayed_work);

/* Background workqueues */

/* The kernel's is owned by what is returned, or NULL. */
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
	if (!name || flags & ~BGTOKEN_WQ_FLAGS ||
	    (flags & WQ_UNBOUND && flags & COMPAT_WQ_PERCPU))
		return ERR_PTR(-EINVAL);
	if (!(flags & WQ_UNBOUND))
		flags |= COMPAT_WQ_PERCPU;
	return bgtoken_wq_wrap(alloc_workqueue("%s", flags, max_active, name));
}
EXPORT_SYMBOL_GPL(bgtoken_wq_create);

/**
 * bgtoken_ordered_wq_create() - make one that runs one work at a time, in order
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
 * devm_bgtoken_wq_create() - make one that is destroyed when a device unbinds
 * @dev:	the device
 * @name:	as for bgtoken_wq_create()
 * @flags:	as for bgtoken_wq_create()
 * @max_active:	as for bgtoken_wq_create()
 *
 * Managed resources go in reverse order: create it before the tokens whose works it
 * is for, and they are cancelled before it waits for what runs.  A driver whose
 * remove is not to wait for works has one for the module instead.
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
 * As flush_workqueue(): for as long as all works take that are queued or running
 * now, whosever they are; not for those on timers.  Under a lock that one of them
 * takes, or from one of them, it is a deadlock, which lockdep names.
 *
 * Context: Process context; sleeps.
 */
void bgtoken_wq_flush(struct bgtoken_wq *wq)
{
	flush_workqueue(wq->wq);
}
EXPORT_SYMBOL_GPL(bgtoken_wq_flush);

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
 * is gone, so that the text of functions may be unloaded.  Only this and a flush
 * wait for works: this for as long as the slowest one that is running; cancel
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
