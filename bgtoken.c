// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgtoken: background work whose owner can be freed at once.
 *
 * The contract is in bgtoken.h; this explains why it holds.  This file is about tokens and
 * their scopes.  It includes bgtoken_work.c, which is about works, timers and background
 * workqueues, and bgtoken_state.c, which is about who created tokens and which are alive, as
 * a module cannot be built from several objects if one of them has the module's name.
 *
 * Tokens
 * ======
 *
 * A token is a refcount, a pointer, and a word, token->scopes, which is both lock
 * and flag: it counts the live scopes, and its sign says that the token is
 * cancelled.  Beginning a scope and cancelling change the same word, so one of
 * them comes first:
 *
 *	scope				cancel
 *
 *	(1) count itself, unless	(a) set CANCELLED, see the count
 *	    CANCELLED			(b) wake sleepers, expedite works
 *	(2) use the owner		(c) wait until the count is 0
 *	(3) leave the count		(d) return; the owner may be freed
 *	(4) if CANCELLED, and the
 *	    count is 0: wake (c)
 *
 * Either (1) comes before (a): then (a) sees it, and (c) waits for (3).  Or it
 * comes after, and there is no scope.  (3) and (c) are a release and an acquire,
 * so whoever frees the owner sees what the scope did.  The same holds for a
 * cancel that finds at (a) that another was first.  If (3) comes after (a), it
 * sees CANCELLED, so the last one to leave goes on to (4).
 *
 * The kinds differ in what they let in at (1):
 *
 *	BGTOKEN_SHARED	any number
 *	BGTOKEN_PERCPU	any number, counted elsewhere: see below
 *	BGTOKEN_MUTEX	one; the others stand in line at a mutex, and the first of
 *			them sleeps until the count is 0
 *	BGTOKEN_SPIN	one; the others stand in line at a spinlock, and the first
 *			of them spins until the count is 0.  Interrupts are off from
 *			before (1) until after (3)
 *
 * The first in line spins for a while, during which newcomers may overtake it: that
 * saves hand-overs.  Then it sets WAITER in the word, so that (1) fails for newcomers,
 * which join the end of the line, and so that whoever leaves at (3) goes on to (4) and
 * wakes it if it sleeps.  It clears WAITER as it counts itself.  CANCELLED also ends
 * its wait; then each waiter in line sees that in turn and leaves.  A cancel does not
 * stand in line: it waits only for the scopes that were live at (a).  A cancel whose
 * wait is short leaves it to (4) to wake the first in line.
 *
 * Why not simply hold the mutex or the spinlock for the scope?  A cancel would have to
 * stand in line with everybody else, a scope took twice the instructions of its lock (now:
 * as many or fewer), and SHARED needs this count anyway.  The figures are in
 * performance.rst.  The page lock and kernfs' active count work the same way.  What is lost:
 *
 *  - a newcomer waits for a first in line that was woken but has not got a CPU yet;
 *    a mutex lets running tasks go first, once
 *  - with CONFIG_PREEMPT_RT, a mutex or spinlock boosts its holder to the priority of
 *    its waiters.  There MUTEX and SPIN always go through the line, and hold its lock
 *    for as long as the scope lasts.  A cancel takes that lock too, so it has to wait
 *    for as many hand-overs as there are waiters in line before it
 *
 * A SHARED or PERCPU scope never waits to begin, so to lockdep it is a trylock: no lock that
 * is held before it can be part of a deadlock with it.  A lock taken inside it can, together
 * with a cancel, which lockdep sees as a lock that waits.
 *
 * The word is in the token, not in the owner, and everyone who uses it holds a
 * reference until they are done with it.  So neither (4) nor a mutex_unlock() that still
 * touches a mutex which the next holder already has (see its kernel-doc) is a danger,
 * whoever drops the last reference.
 *
 * A counter for each CPU
 * ======================
 *
 * Two CPUs that write the same word get half as much done as one CPU alone.  So a
 * BGTOKEN_PERCPU token has a counter for each CPU, token->live, whose sum is the number of
 * live scopes; token->scopes has the flags, and scopes only read it as they begin and end:
 *
 *	scope				cancel
 *
 *	(1) count itself, here		(a) set CANCELLED
 *	    full barrier		    full barrier
 *	    if CANCELLED, uncount	(c) wait until the sum is 0
 *	    itself, there, and (4)
 *	(2) use the owner
 *	(3) uncount itself, here
 *	    full barrier
 *	(4) if CANCELLED: wake (c)
 *
 * "Here" is the CPU that the caller happens to be on, which may differ between (1) and (3),
 * so a counter may drop below 0; "there" is the very word that (1) changed.
 *
 * The sum is not read atomically.  Still, it cannot be 0 while a scope is live: each scope
 * adds at least 0 to what (c) reads, and exactly 1 while it is live.  If a scope has not seen
 * CANCELLED, the barriers (percpu-against-cancel) make (c) see its (1); if (c) misses its
 * (3), the sum is 1 too high for now, but never too low.  If it has seen CANCELLED, both its
 * changes are to one word, in order: (c) sees neither, the first, or both.
 *
 * A caller that sees CANCELLED before (1) does not even begin, so each one that tries to
 * enter while (c) waits disturbs the sum at most once, and it gets to 0.  A (3) that (c)
 * misses sees CANCELLED, and wakes (c) (percpu-wakes-cancel).
 *
 * Pause
 * =====
 *
 * A pause is a cancel that can be undone: (a) sets PAUSED, which (1) and those in line
 * treat like CANCELLED.  (d) leaves the owner where it is, and a resume clears PAUSED.
 * The number of pauses in token->marks, of which each work keeps a copy, tells works
 * queued before a pause from those queued after it.  It is 29 bits wide: to mislead, it
 * would have to wrap while one work is on its way from the workqueue to its CPU.
 *
 * Barriers
 * ========
 *
 * A comment at each barrier names in parentheses its litmus test.  The tests are in
 * Documentation/litmus: with a weaker barrier, the kernel's memory model allows what
 * must not happen.  One test, percpu-refused, is about which word is changed.
 *
 * Model
 * =====
 *
 * A comment at code that is modelled names its counterpart in parentheses.  The models
 * are in Documentation/model.  Mutants of them show that Spin notices when a step
 * is missing.
 *
 * Protection
 * ==========
 *
 * I: set at init, then only read.
 * A: read by anyone without a lock, and changed by atomic operations.
 * C: set at init, read in scopes, and cleared by the cancel that returns true,
 *    once it has waited for them.
 * T: token->lock.
 * W: wq->lock, taken inside T.
 * P, S: see bgtoken_state.c.
 *
 * sparse can follow neither a scope that exists only if a pointer is not NULL, so
 * it ignores __cond_acquires(), nor one that __cleanup ends: with __releases() on
 * bgtoken_exit(), it would warn about every scope.  Nor can it follow the line,
 * which has a spinlock for one kind only; __release() and __acquire() tell it to
 * look away.
 *
 * clang's context analysis follows both, but not the line.  To clang, a token is a lock
 * that an enter acquires and an exit releases, and that must not be held at a cancel or
 * a pause.  What clang cannot know:
 *
 *  - that two expressions are the same token.  Code that enters through work->token is not
 *    in a scope of foo->token until lockdep_assert_bgtoken() says so
 *  - the kind.  It takes every token for exclusive, and warns about a task that enters a
 *    SHARED token twice
 *  - that scope.owner is not NULL after CLASS(bgtoken, scope): it sees no scope there, nor
 *    any misuse in it, except after a lockdep_assert_bgtoken()
 */
#include <linux/debug_locks.h>
#include <linux/device.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include <linux/timekeeping.h>
#include <linux/wait_bit.h>
#include <trace/events/lock.h>

#include "bgtoken.h"

#define LIVE_PREFIX	bgtoken
#include "live.h"

#define SPINS	200	/* of each wait for scopes, before it sleeps or sets WAITER */

/* What is promised for a kernel without lock debugging. */
#if defined(CONFIG_64BIT) && !defined(CONFIG_PREEMPT_RT) && !defined(CONFIG_LOCKDEP) && \
	!defined(CONFIG_DEBUG_SPINLOCK) && !defined(CONFIG_DEBUG_MUTEXES)
static_assert(sizeof(struct bgtoken) <= 96);
static_assert(sizeof(struct bgtoken_work) <= 96);
static_assert(sizeof(struct bgtoken_delayed_work) <= 160);
static_assert(sizeof(struct bgtoken_timer) <= 160);
#endif

LIVE_COUNTER(tokens, "how many tokens are alive");
LIVE_COUNTER(works, "how many works are alive");

static int bgtoken_sum(const struct bgtoken *token);

#include "bgtoken_state.c"

#define CREATE_TRACE_POINTS
#include "bgtoken_trace.h"

/* Tokens */

static void bgtoken_expedite_token(struct bgtoken *token);
static void bgtoken_drop_pending(struct bgtoken *token);

struct bgtoken *__bgtoken_create(void *owner, enum bgtoken_kind kind, gfp_t gfp,
				 struct bgtoken_site *site)
{
	const struct bgtoken_place *place;
	struct bgtoken *token;

	if (!owner || kind >= BGTOKEN_KINDS)
		return ERR_PTR(-EINVAL);
	token = kzalloc(sizeof(*token), gfp);
	if (!token)
		return ERR_PTR(-ENOMEM);

	if (kind == BGTOKEN_PERCPU) {
		token->live = alloc_percpu_gfp(atomic_t, gfp);
		if (!token->live) {
			kfree(token);
			return ERR_PTR(-ENOMEM);
		}
	}
	token->owner = owner;
	atomic_set(&token->marks, kind);
	atomic_set(&token->scopes, BGTOKEN_NONE |
				   (kind == BGTOKEN_SPIN ? BGTOKEN_IRQS : 0) |
				   (kind == BGTOKEN_PERCPU ? BGTOKEN_SPREAD : 0));
	kref_init(&token->kref);	/* put by the creator */
	spin_lock_init(&token->lock);
	if (kind == BGTOKEN_MUTEX)
		mutex_init(&token->mutex);
	else if (kind == BGTOKEN_SPIN)
		spin_lock_init(&token->spin);
	token->id = bgtoken_next_id();
	token->place = bgtoken_place_of(site);
	bgtoken_set_class(token);
	live_inc(tokens);
	place = bgtoken_place(token);
	trace_bgtoken_create(token, owner, place->name, place->file, place->line);
	bgtoken_shelve(token);
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
				      struct bgtoken_site *site)
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

/* At least the number of live scopes of a BGTOKEN_PERCPU token, if it is shut (token.pml: sum). */
static int bgtoken_sum(const struct bgtoken *token)
{
	unsigned int sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)	/* acquire: percpu-sum */
		sum += atomic_read_acquire(per_cpu_ptr(token->live, cpu));
	return sum;
}

static void bgtoken_free(struct kref *kref)
{
	struct bgtoken *token = container_of(kref, struct bgtoken, kref);

	trace_bgtoken_free(token);
	bgtoken_unshelve(token);
	if (bgtoken_kind(token) == BGTOKEN_MUTEX)
		mutex_destroy(&token->mutex);
	if (bgtoken_kind(token) == BGTOKEN_PERCPU) {
		/* Whoever is in a scope holds a reference. */
		BGTOKEN_WARN_ONCE(bgtoken_sum(token), token, "enters and exits do not add up");
		free_percpu(token->live);	/* in a union with the rcu_head */
	}
	debug_check_no_locks_freed(token, sizeof(*token));	/* in its own scope? */
	kfree_rcu(token, rcu);	/* bgtoken_get_unless_zero() looks at kref (token.pml: reclaim) */
	live_dec(tokens);
}

/**
 * bgtoken_put() - drop a reference
 * @token:	the token; NULL and ERR_PTRs are ignored
 *
 * The last put frees the token, after a grace period that nobody waits for, and
 * touches nothing else: neither the owner nor a work.  The token need not have been
 * cancelled.
 *
 * Context: Any that may take a spinlock_t.  Never waits.
 */
void bgtoken_put(struct bgtoken *token)
{
	if (IS_ERR_OR_NULL(token))
		return;
	if (BGTOKEN_WARN_ONCE(!kref_read(&token->kref), token, "one put too many"))
		return;
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
 * Managed resources are released in reverse order.  So what is requested after
 * this, and thus released before it, may use the token until then, even where the
 * token is cancelled first: an interrupt, a timer, a file that a subsystem made.
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
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && bgtoken_kind(token) == BGTOKEN_SPIN;
}

/* What ends the wait of those in line. */
#define BGTOKEN_SHUT	(BGTOKEN_CANCELLED | BGTOKEN_PAUSED)

static bool bgtoken_shut(const struct bgtoken *token)
{
	return atomic_read(&token->scopes) & BGTOKEN_SHUT;
}

/* token->scopes, when nobody is in a scope or waits for one. */
static int bgtoken_idle(const struct bgtoken *token)
{
	return BGTOKEN_NONE | (atomic_read(&token->scopes) & BGTOKEN_IRQS);
}

/*
 * Is nobody in a scope any more or, for those in line, is the token @shut?
 * Acquire: what was done in the scopes comes before (scope-before-cancel).
 */
static bool bgtoken_over(const struct bgtoken *token, int shut)
{
	int word = atomic_read_acquire(&token->scopes);

	if (word & BGTOKEN_SPREAD)
		return bgtoken_sum(token) <= 0;
	return !(word & BGTOKEN_LIVE) || word & shut;
}

/* Where sleeping is not allowed.  Acquire, as in bgtoken_over() (scope-before-cancel). */
static void bgtoken_wait_spinning(struct bgtoken *token, int shut)
{
	compat_contention_begin(token, LCB_F_SPIN);
	atomic_cond_read_acquire(&token->scopes,
				 !(VAL & BGTOKEN_LIVE) || VAL & shut);
	compat_contention_end(token, 0);
}

/*
 * Most scopes end sooner than a sleep would begin: without SPINS, the slowest one
 * in a hundred cancels among 64 works took 17 times as long, as it had to get a CPU
 * again.  Before a cancel sleeps, it wakes the line so that it can leave; otherwise
 * whoever leaves the scope wakes it.
 */
static void bgtoken_wait_sleeping(struct bgtoken *token, int shut)
{
	int spins = SPINS;

	compat_contention_begin(token, LCB_F_MUTEX);
	while (!bgtoken_over(token, shut) && spins--)
		cpu_relax();
	if (!bgtoken_over(token, shut)) {
		if (!shut)	/* those in line see it, or are woken (shut-wakes-line) */
			wake_up_var(&token->scopes);
		wait_var_event(&token->scopes, bgtoken_over(token, shut));
	}
	compat_contention_end(token, 0);
}

/* Wait until nobody is in a scope or, for those in line, the token is @shut (token.pml: wait). */
static noinline void bgtoken_wait(struct bgtoken *token, int shut)
{
	if (bgtoken_over(token, shut))
		return;
	if (bgtoken_irqs_off(token))
		bgtoken_wait_spinning(token, shut);
	else
		bgtoken_wait_sleeping(token, shut);
}

static void bgtoken_line_lock(struct bgtoken *token, unsigned int subclass)
	__no_context_analysis
{
	if (bgtoken_kind(token) == BGTOKEN_MUTEX) {
		mutex_lock_nested(&token->mutex, __bgtoken_subclass(token, subclass));
	} else if (bgtoken_kind(token) == BGTOKEN_SPIN) {
		spin_lock_nested(&token->spin, __bgtoken_subclass(token, subclass));
		__release(&token->spin);
	}
}

static void bgtoken_line_unlock(struct bgtoken *token)
	__no_context_analysis
{
	if (bgtoken_kind(token) == BGTOKEN_MUTEX) {
		mutex_unlock(&token->mutex);
	} else if (bgtoken_kind(token) == BGTOKEN_SPIN) {
		__acquire(&token->spin);
		spin_unlock(&token->spin);
	}
}

/* Step (1), as __bgtoken_try_enter() (next-in-line), if the word is @word. */
static bool bgtoken_take(struct bgtoken *token, int word, int idle)
{
	return atomic_read(&token->scopes) == word &&
	       atomic_try_cmpxchg_acquire(&token->scopes, &word, idle + 1);
}

/*
 * Step (1), one at a time.  At first newcomers may overtake: they are on a CPU as
 * well, and need no hand-over (token.pml: stand_in_line).
 */
static bool bgtoken_stand_in_line(struct bgtoken *token, unsigned int subclass)
{
	int idle = bgtoken_idle(token);
	int spins = SPINS;
	bool entered;

	bgtoken_line_lock(token, subclass);
	for (;;) {
		entered = bgtoken_take(token, idle, idle);
		if (entered || !--spins || bgtoken_shut(token))
			break;
		cpu_relax();
	}
	if (!entered && !bgtoken_shut(token)) {
		atomic_or(BGTOKEN_WAITER, &token->scopes);
		do {
			bgtoken_wait(token, BGTOKEN_SHUT);
			/* The others are behind: this fails only if shut, or misused. */
			entered = bgtoken_take(token, idle | BGTOKEN_WAITER, idle);
		} while (!entered && !bgtoken_shut(token));
		if (!entered)
			atomic_andnot(BGTOKEN_WAITER, &token->scopes);
	}
	if (!entered || !IS_ENABLED(CONFIG_PREEMPT_RT))
		bgtoken_line_unlock(token);
	return entered;
}

/* Step (1), in parallel (token.pml: enter). */
static bool bgtoken_share(struct bgtoken *token)
{
	int word = atomic_read(&token->scopes);

	do {
		/*
		 * Or one exit too many is just being undone.  That is brief, but this may have
		 * interrupted it, so do not wait.
		 */
		if (word & BGTOKEN_SHUT || !(word & BGTOKEN_NONE))
			return false;
		/* Acquire: what was done in a pause comes before (resume-before-enter). */
	} while (!atomic_try_cmpxchg_acquire(&token->scopes, &word, word + 1));
	return true;
}

/* Is this a token of the wrong kind for the function used, an _irqsave one if @irqs? */
static bool bgtoken_misnamed(const struct bgtoken *token, int irqs)
{
	bool misnamed = (bgtoken_kind(token) == BGTOKEN_SPIN) != !!irqs;
	const char *right = irqs ? "bgtoken_enter()" : "bgtoken_enter_irqsave()";

	WARN_ONCE(misnamed, "bgtoken: %s, created at %s:%d, is for %s\n",
		  bgtoken_place(token)->name, bgtoken_place(token)->file,
		  bgtoken_place(token)->line, right);
	return misnamed;
}

/*
 * Report a scope that does not begin.  The reason is read anew, and is "paused" as well if a
 * resume, or the end of a misuse by somebody else, has intervened.
 */
static void *bgtoken_no_scope(struct bgtoken *token, bool misnamed)
{
	if (trace_bgtoken_enter_refuse_enabled()) {
		int word = atomic_read(&token->scopes);

		trace_bgtoken_enter_refuse(token, misnamed ? BGTOKEN_REFUSED_MISNAMED :
					   word < 0 ? BGTOKEN_REFUSED_CANCELLED :
						      BGTOKEN_REFUSED_PAUSED);
	}
	return NULL;
}

/* When somebody is in a scope, or the token is shut, or it is of another kind. */
static void *bgtoken_enter_line(struct bgtoken *token, unsigned int subclass, int irqs,
				unsigned long ip)
{
	if (bgtoken_shut(token))
		return bgtoken_no_scope(token, false);
	if (bgtoken_misnamed(token, irqs))
		return bgtoken_no_scope(token, true);
	mutex_acquire(&token->dep_map, __bgtoken_subclass(token, subclass), 0, ip);
	if (atomic_read(&token->scopes) & BGTOKEN_LIVE)
		lock_contended(&token->dep_map, ip);
	if (!bgtoken_stand_in_line(token, subclass)) {
		lock_release(&token->dep_map, ip);
		return bgtoken_no_scope(token, false);
	}
	lock_acquired(&token->dep_map, ip);
	trace_bgtoken_enter(token);
	return token->owner;
}

/* The same for BGTOKEN_SHARED, where that is nothing unusual. */
static void *bgtoken_enter_share(struct bgtoken *token, unsigned int subclass,
				 unsigned long ip)
{
	rwsem_acquire_read(&token->dep_map, __bgtoken_subclass(token, subclass), 1, ip);
	if (!bgtoken_share(token)) {
		lock_release(&token->dep_map, ip);
		return bgtoken_no_scope(token, false);
	}
	trace_bgtoken_enter(token);
	return token->owner;
}

/* Steps (3) and (4) of BGTOKEN_PERCPU (token.pml: exit). */
static __always_inline void bgtoken_uncount(struct bgtoken *token, atomic_t *live)
{
	/* Fully ordered: after the scope (percpu-sum), before the check (percpu-wakes-cancel). */
	atomic_dec_return(live);
	if (unlikely(bgtoken_shut(token)))
		wake_up_var(&token->scopes);
}

static noinline void *bgtoken_entered(struct bgtoken *token)
{
	trace_bgtoken_enter(token);
	return token->owner;
}

static noinline void *bgtoken_refused(struct bgtoken *token, atomic_t *live, unsigned long ip)
{
	/* Uncount in the counter that was raised, whatever CPU this is by now (percpu-refused). */
	bgtoken_uncount(token, live);
	lock_release(&token->dep_map, ip);
	return bgtoken_no_scope(token, false);
}

/*
 * Step (1) of BGTOKEN_PERCPU, when the token is not shut (token.pml: enter).  Calls nothing,
 * and so needs no frame.
 */
static __always_inline void *bgtoken_enter_percpu(struct bgtoken *token, unsigned int subclass,
						  unsigned long ip)
{
	atomic_t *live = raw_cpu_ptr(token->live);	/* any would do, this one is near */

	rwsem_acquire_read(&token->dep_map, __bgtoken_subclass(token, subclass), 1, ip);
	/*
	 * Fully ordered; pairs with bgtoken_close() (percpu-against-cancel).  atomic_inc() and
	 * a barrier are one instruction less on x86, and one barrier more on arm64.
	 */
	atomic_inc_return(live);
	/* Acquire: what was done in a pause comes before (percpu-resume). */
	if (unlikely(atomic_read_acquire(&token->scopes) & BGTOKEN_SHUT))
		return bgtoken_refused(token, live, ip);
	if (trace_bgtoken_enter_enabled())
		return bgtoken_entered(token);
	return token->owner;
}

static noinline void *bgtoken_enter_other(struct bgtoken *token, unsigned int subclass,
					  unsigned long ip)
{
	if (bgtoken_kind(token) == BGTOKEN_SHARED)
		return bgtoken_enter_share(token, subclass, ip);
	if (bgtoken_kind(token) == BGTOKEN_PERCPU)	/* or a misnamed exit is under way */
		return bgtoken_no_scope(token, false);
	/* With PREEMPT_RT, enter only through the line: the exit drops its lock. */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) && trace_bgtoken_enter_enabled() &&
	    __bgtoken_try_enter(token, subclass, BGTOKEN_NONE))
		return bgtoken_entered(token);
	return bgtoken_enter_line(token, subclass, 0, ip);
}

void *__bgtoken_enter_slow(struct bgtoken *token, unsigned int subclass)
{
	if (likely(atomic_read(&token->scopes) == (BGTOKEN_NONE | BGTOKEN_SPREAD)))
		return bgtoken_enter_percpu(token, subclass, _RET_IP_);
	return bgtoken_enter_other(token, subclass, _RET_IP_);
}
EXPORT_SYMBOL_GPL(__bgtoken_enter_slow);

/*
 * Step (4) (token.pml: exit).  @before is token->scopes before the exit.  Returns false if
 * there was no scope to end.
 */
static bool bgtoken_exit_slow(struct bgtoken *token, int before, int irqs)
{
	int word = before - 1;
	bool ended = word & BGTOKEN_NONE;

	if (!ended)	/* taken back, before the wake-up (exit-wakes-cancel) */
		word = atomic_inc_return(&token->scopes);
	if (!(word & BGTOKEN_LIVE) && !bgtoken_irqs_off(token))
		wake_up_var(&token->scopes);
	BGTOKEN_WARN_ONCE(!ended, token, "one exit too many");
	bgtoken_misnamed(token, irqs);
	return ended;
}

static noinline void bgtoken_exit_other(struct bgtoken *token, int before)
{
	if (before == BGTOKEN_TRACED) {
		trace_bgtoken_exit(token);
		if (atomic_read(&token->scopes) & BGTOKEN_SPREAD) {
			bgtoken_uncount(token, raw_cpu_ptr(token->live));
			return;
		}
		before = atomic_fetch_dec(&token->scopes);	/* as bgtoken_exit() */
	}
	if (!__bgtoken_quiet(before))
		bgtoken_exit_slow(token, before, 0);
}

/* The rest of an exit; all of it if @before has BGTOKEN_SPREAD. */
void __bgtoken_exit_slow(struct bgtoken *token, int before)
{
	/* Ignore BGTOKEN_NONE: a misnamed exit may have cleared it for a moment. */
	if (likely((before & (BGTOKEN_IRQS | BGTOKEN_SPREAD)) == BGTOKEN_SPREAD))
		bgtoken_uncount(token, raw_cpu_ptr(token->live));
	else
		bgtoken_exit_other(token, before);
}
EXPORT_SYMBOL_GPL(__bgtoken_exit_slow);

#ifdef CONFIG_PREEMPT_RT
void *bgtoken_enter_nested(struct bgtoken *token, unsigned int subclass)
{
	__bgtoken_might_sleep(token);
	return __bgtoken_enter_slow(token, subclass);
}
EXPORT_SYMBOL_GPL(bgtoken_enter_nested);

void *__bgtoken_enter_irqsave(struct bgtoken *token, unsigned int subclass,
			      unsigned long *flags)
{
	*flags = 0;
	return bgtoken_enter_line(token, subclass, BGTOKEN_IRQS, _RET_IP_);
}
EXPORT_SYMBOL_GPL(__bgtoken_enter_irqsave);

void bgtoken_exit(struct bgtoken *token)
{
	int before;

	lock_release(&token->dep_map, _RET_IP_);
	trace_bgtoken_exit(token);
	before = atomic_read(&token->scopes);
	if (before & BGTOKEN_SPREAD) {
		bgtoken_uncount(token, raw_cpu_ptr(token->live));
		return;
	}
	/* As the inline one (scope-against-free, exit-wakes-cancel). */
	before = atomic_fetch_dec(&token->scopes);
	if (!__bgtoken_quiet(before) && !bgtoken_exit_slow(token, before, 0))
		return;
	bgtoken_line_unlock(token);	/* bgtoken_stand_in_line() */
}
EXPORT_SYMBOL_GPL(bgtoken_exit);
#else
/* With interrupts off, when __bgtoken_try_enter() has failed; @flags are from before. */
void *__bgtoken_enter_irqsave_slow(struct bgtoken *token, unsigned int subclass,
				   unsigned long flags)
{
	void *owner = bgtoken_enter_line(token, subclass, BGTOKEN_IRQS, _RET_IP_);

	if (!owner) {
		local_irq_restore(flags);
		preempt_enable();
	}
	return owner;
}
EXPORT_SYMBOL_GPL(__bgtoken_enter_irqsave_slow);
#endif /* CONFIG_PREEMPT_RT */

/* The rest of an exit with interrupts off. */
static __always_inline void bgtoken_irqrestore(struct bgtoken *token, unsigned long flags)
{
#ifdef CONFIG_PREEMPT_RT
	bgtoken_line_unlock(token);	/* bgtoken_stand_in_line() */
#else
	local_irq_restore(flags);
	preempt_enable();
#endif
}

/* @before is what the word was before the exit. */
static noinline void bgtoken_exit_irqs_slow(struct bgtoken *token, unsigned long flags,
					    int before)
{
	bool ended;

	if (before & BGTOKEN_SPREAD) {		/* end it the right way */
		atomic_inc(&token->scopes);
		bgtoken_misnamed(token, BGTOKEN_IRQS);
		bgtoken_uncount(token, raw_cpu_ptr(token->live));
		return;
	}
	if (!bgtoken_irqs_off(token))	/* misnamed, and its waiters sleep (exit-wakes-cancel) */
		smp_mb__after_atomic();
	ended = bgtoken_exit_slow(token, before, BGTOKEN_IRQS);
	/*
	 * For an exit too many, or a scope of another kind, nobody has saved the flags.
	 * But if interrupts are off, somebody else may have ended this caller's scope.
	 */
	if (bgtoken_irqs_off(token) ? ended || irqs_disabled() :
	    ended && IS_ENABLED(CONFIG_PREEMPT_RT))
		bgtoken_irqrestore(token, flags);
}

static __always_inline void bgtoken_exit_irqs(struct bgtoken *token, unsigned long flags)
{
	int before;

	/*
	 * For the next (next-in-line) and for a cancel (spin-against-cancel); waiters spin, but
	 * on PREEMPT_RT they sleep (exit-wakes-cancel).
	 */
	before = IS_ENABLED(CONFIG_PREEMPT_RT) ? atomic_fetch_dec(&token->scopes) :
						 atomic_fetch_dec_release(&token->scopes);
	if (likely(before == (BGTOKEN_NONE | BGTOKEN_IRQS) + 1))
		bgtoken_irqrestore(token, flags);
	else
		bgtoken_exit_irqs_slow(token, flags, before);
}

static noinline void bgtoken_exit_irqs_traced(struct bgtoken *token, unsigned long flags)
{
	trace_bgtoken_exit(token);
	bgtoken_exit_irqs(token, flags);
}

/**
 * bgtoken_exit_irqrestore() - end a scope that bgtoken_enter_irqsave() began
 * @token:	the token that it returned an owner for
 * @flags:	as it saved them
 *
 * Otherwise as bgtoken_exit().
 *
 * Context: The one that entered.
 */
void bgtoken_exit_irqrestore(struct bgtoken *token, unsigned long flags)
{
	/*
	 * Inline, a scope would take 160 bytes of text.  This has no frame of its own, as
	 * all that needs one is elsewhere.
	 */
	lock_release(&token->dep_map, _RET_IP_);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		lockdep_assert_irqs_disabled();
	if (trace_bgtoken_exit_enabled())
		bgtoken_exit_irqs_traced(token, flags);
	else
		bgtoken_exit_irqs(token, flags);
}
EXPORT_SYMBOL_GPL(bgtoken_exit_irqrestore);

/* For the scopes that begin inline with interrupts off. */
void __bgtoken_trace_enter(struct bgtoken *token)
{
	trace_bgtoken_enter(token);
}
EXPORT_SYMBOL_GPL(__bgtoken_trace_enter);

EXPORT_TRACEPOINT_SYMBOL_GPL(bgtoken_enter);
EXPORT_TRACEPOINT_SYMBOL_GPL(bgtoken_exit);

/*
 * Where poll() and epoll wait.  A poller leaves its wait queue when its file is closed,
 * which may be long after the owner was freed, so the queue cannot be in the owner; and
 * the token has no room for it.  Tokens share these; a poller that is woken for another
 * token finds nothing and keeps waiting.
 */
static wait_queue_head_t bgtoken_pollers[64];

static wait_queue_head_t *bgtoken_pollers_of(const struct bgtoken *token)
{
	return &bgtoken_pollers[hash_ptr(token, ilog2(ARRAY_SIZE(bgtoken_pollers)))];
}

/* Call after a full barrier, which pairs with that of bgtoken_poll_wait() (wake-against-wait). */
static void bgtoken_wake_pollers(struct bgtoken *token)
{
	wait_queue_head_t *pollers = bgtoken_pollers_of(token);

	if (waitqueue_active(pollers))	/* see above (wake-against-wait) */
		wake_up_all(pollers);
}

/*
 * Tell lockdep that a cancel may have to wait, whether or not it will.  Returns true if
 * lockdep holds the token's map from then on, so that lockstat sees how long the wait takes:
 * not for SPIN, as interrupts are on in a cancel.
 */
static bool bgtoken_begin_wait(struct bgtoken *token, unsigned int subclass)
{
	bool irqs_off = IS_ENABLED(CONFIG_LOCKDEP) && bgtoken_irqs_off(token);
	unsigned long flags = 0;

	/* might_sleep() may also yield the CPU, which is only for those that do wait. */
	if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) && bgtoken_kind(token) != BGTOKEN_SPIN)
		might_sleep();
	if (irqs_off)
		local_irq_save(flags);
	mutex_acquire(&token->dep_map, __bgtoken_subclass(token, subclass), 0, _RET_IP_);
	if (irqs_off) {
		lock_release(&token->dep_map, _RET_IP_);
		local_irq_restore(flags);
	}
	return !irqs_off;
}

static noinline void bgtoken_notify(struct bgtoken *token)
{
	wake_up_var(&token->owner);	/* (wake-against-wait) */
	bgtoken_wake_pollers(token);
	bgtoken_expedite_token(token);
}

/*
 * Steps (a) and (b) (token.pml: notify).  Returns the previous word.  A full barrier:
 * before the wake-ups (wake-against-wait), and before the check for watchers, where it pairs
 * with __bgtoken_watch() (watch).
 */
static int bgtoken_close(struct bgtoken *token, int flags)
{
	int word = atomic_fetch_or(flags, &token->scopes);

	trace_bgtoken_cancel(token, word >= 0);
	/* Not only for the first cancel: that may still be at it. */
	if (atomic_read(&token->marks) & BGTOKEN_WATCHED)
		bgtoken_notify(token);
	return word;
}

/* If the word was @word at (a), are scopes live? */
static bool bgtoken_live(struct bgtoken *token, int word)
{
	int live = word & BGTOKEN_LIVE;

	if (word & BGTOKEN_SPREAD) {
		live = bgtoken_sum(token);
		BGTOKEN_WARN_ONCE(live < 0, token, "one exit too many");
	}
	return live > 0;
}

/*
 * Step (c), if the word was @word at (a) (token.pml: wait_scopes).  Returns how many ns it
 * waited, if a trace event wants to know.
 */
static u64 bgtoken_wait_scopes(struct bgtoken *token, int word, unsigned int subclass)
{
	bool held = bgtoken_begin_wait(token, subclass);
	u64 begin = 0;

	if (unlikely(word & (BGTOKEN_LIVE | BGTOKEN_SPREAD)) && bgtoken_live(token, word)) {
		if (trace_bgtoken_cancel_done_enabled() || trace_bgtoken_pause_done_enabled())
			begin = ktime_get_ns();
		if (held)
			lock_contended(&token->dep_map, _RET_IP_);
		if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
			bgtoken_line_lock(token, subclass);
			bgtoken_line_unlock(token);
		}
		bgtoken_wait(token, 0);
		if (held)
			lock_acquired(&token->dep_map, _RET_IP_);
	}
	if (held)
		lock_release(&token->dep_map, _RET_IP_);
	return begin ? ktime_get_ns() - begin : 0;
}

/**
 * bgtoken_cancel_nested() - cancel from inside a scope of the same class
 * @token:	the token to cancel
 * @subclass:	lockdep's; not that of the enclosing scope
 *
 * For two tokens that were created at the same place.  Otherwise as
 * bgtoken_cancel().
 *
 * Context: As bgtoken_cancel().
 * Return: As bgtoken_cancel().
 */
bool bgtoken_cancel_nested(struct bgtoken *token, unsigned int subclass)
{
	/* Only one cancel returns true (token.pml: cancel) (work.pml: cancel). */
	int word = bgtoken_close(token, BGTOKEN_CANCELLED | BGTOKEN_CLAIMED);
	u64 waited;

	waited = bgtoken_wait_scopes(token, word, subclass);
	trace_bgtoken_cancel_done(token, waited);
	if (word & BGTOKEN_CLAIMED)
		return false;
	token->owner = NULL;	/* so that what uses it after this faults */
	return true;
}
EXPORT_SYMBOL_GPL(bgtoken_cancel_nested);

/**
 * bgtoken_pause_nested() - pause inside a scope of the same class
 * @token:	the token to pause
 * @subclass:	lockdep's; not that of the enclosing scope
 *
 * For two tokens that were created at the same place.  Otherwise as bgtoken_pause().
 *
 * Context: As bgtoken_pause().
 */
void bgtoken_pause_nested(struct bgtoken *token, unsigned int subclass)
{
	/* As in bgtoken_close() (percpu-against-cancel, scope-against-free, shut-wakes-line). */
	int word = atomic_fetch_or(BGTOKEN_PAUSED, &token->scopes);
	u64 waited;

	trace_bgtoken_pause(token);	/* (token.pml: pause) */
	bgtoken_drop_pending(token);
	waited = bgtoken_wait_scopes(token, word, subclass);
	trace_bgtoken_pause_done(token, waited);
}
EXPORT_SYMBOL_GPL(bgtoken_pause_nested);

/**
 * bgtoken_resume() - end a pause
 * @token:	the caller holds a reference
 *
 * What was dropped stays dropped: the caller must requeue what is to run again.  Waiters
 * in bgtoken_wait_event() recheck their condition, which may have been refused a scope
 * meanwhile.  Without a pause, and on a cancelled token, it does nothing.
 *
 * Context: Any that may take a spinlock_t.  Never waits.
 */
void bgtoken_resume(struct bgtoken *token)
{
	/* Release: whoever enters now sees what was done meanwhile (resume-before-enter). */
	atomic_fetch_andnot_release(BGTOKEN_PAUSED, &token->scopes);
	trace_bgtoken_resume(token);
	bgtoken_wake(token);
}
EXPORT_SYMBOL_GPL(bgtoken_resume);

/**
 * bgtoken_refuse() - the first half of a cancel
 * @token:	the caller holds a reference
 *
 * No new scope begins after it.  Tasks that sleep in bgtoken_sleep(), wait in
 * bgtoken_wait_event() or poll are woken, and pending timers, including those of delayed
 * works, are deleted.  The owner must stay, as scopes may be live, and bgtoken_cancel()
 * must still be called before it is freed.  Between the two, the caller ends what scopes
 * may be waiting for: it kills URBs, completes fences, wakes its own readers.  On
 * PREEMPT_RT, those who wait to enter stay in line until the scopes before them end, so
 * wait for no such task in between.
 *
 * Context: Any that may take a spinlock_t, even inside a scope of this token.  Does
 * not wait.
 */
void bgtoken_refuse(struct bgtoken *token)
{
	if (bgtoken_close(token, BGTOKEN_CANCELLED) & BGTOKEN_WAITER)
		wake_up_var(&token->scopes);	/* (shut-wakes-line) (token.pml: refuse) */
}
EXPORT_SYMBOL_GPL(bgtoken_refuse);

/* A task that is frozen while holding a lock blocks everyone who wants it until the thaw. */
static void bgtoken_might_freeze(void)
{
	might_sleep();
	if (!(current->flags & PF_NOFREEZE))
		debug_check_no_locks_held();
}

/**
 * bgtoken_sleep() - sleep unless and until the token is cancelled
 * @token:	the caller holds a reference
 * @timeout:	jiffies, or MAX_SCHEDULE_TIMEOUT
 *
 * Not interrupted by signals, nor by a pause, which waits for it if it is in a scope; and not
 * counted as load.  A task that is frozen meanwhile stays in here.  A work on a WQ_FREEZABLE
 * workqueue delays its freezing until it returns, whatever it does; one that sleeps for long
 * belongs on another workqueue.
 *
 * Context: Process context; sleeps.  A task that may be frozen must hold no lock here and
 * be in no scope; one that is never frozen, such as a work or a kthread without
 * set_freezable(), may be in a scope that may sleep.
 * Return: 0 if the timeout elapsed, else the jiffies that were left, at least 1,
 * when the token was cancelled.
 */
long bgtoken_sleep(struct bgtoken *token, long timeout)
{
	bgtoken_might_freeze();
	if (timeout <= 0)
		return 0;
	__bgtoken_watch(token);		/* before the check (token.pml: sleep) */
	return ___wait_var_event(&token->owner,
				 ___wait_cond_timeout(bgtoken_cancelled(token)),
				 (TASK_IDLE | TASK_FREEZABLE), 0, timeout,
				 __ret = schedule_timeout(__ret));
}
EXPORT_SYMBOL_GPL(bgtoken_sleep);

/**
 * bgtoken_wake() - make waiters recheck their condition
 * @token:	the caller holds a reference
 *
 * Call this after making true what bgtoken_wait_event() or poll() waits for.
 *
 * Context: Any that may take a spinlock_t.
 */
void bgtoken_wake(struct bgtoken *token)
{
	/* The condition before the check for waiters (wake-against-wait) (token.pml: producer). */
	smp_mb();
	wake_up_var(&token->owner);
	bgtoken_wake_pollers(token);
}
EXPORT_SYMBOL_GPL(bgtoken_wake);

/**
 * bgtoken_poll_wait() - have poll() check again when the token is woken or cancelled
 * @file:	as for poll_wait()
 * @token:	@file holds a reference until its release
 * @pt:		as for poll_wait()
 *
 * For a poll file operation, instead of poll_wait() on a wait queue in the owner, which
 * epoll would still be on when the owner is freed.  After this, the caller checks what is
 * ready, and bgtoken_cancelled(), for which it returns EPOLLHUP | EPOLLERR.
 *
 * All tokens share the wait queues, and bgtoken_wake() wakes all pollers on one.  So
 * EPOLLEXCLUSIVE has no effect, EPOLLET may report again a file that is still ready, and
 * a wake takes longer the more pollers there are: call it with interrupts on if there may
 * be many.  @file pins the caller's module until its release, through fops.owner; a file
 * in /proc does not.
 *
 * Context: Process context; may sleep.
 */
void bgtoken_poll_wait(struct file *file, struct bgtoken *token,
		       struct poll_table_struct *pt)
{
	__bgtoken_watch(token);
	poll_wait(file, bgtoken_pollers_of(token), pt);
	smp_mb();	/* before the caller's check (wake-against-wait) */
}
EXPORT_SYMBOL_GPL(bgtoken_poll_wait);

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
	/* A full barrier before it reads the task's state (woken-against-sleep). */
	return default_wake_function(entry, mode, sync, arg);
}

/*
 * A waiter evaluates the condition in TASK_RUNNING, as that may enter a scope, which
 * may sleep; waiter->woken tells it of a wake-up in the meantime
 * (token.pml: wait_event).
 */
void __bgtoken_wait_begin(struct bgtoken *token, struct bgtoken_waiter *waiter)
{
	bgtoken_might_freeze();
	lockdep_assert_not_held(token);
	init_wait_var_entry(&waiter->entry, &token->owner, 0);
	waiter->entry.wq_entry.func = bgtoken_wake_waiter;
	waiter->woken = false;
	__bgtoken_watch(token);
	add_wait_queue(__var_waitqueue(&token->owner), &waiter->entry.wq_entry);
	smp_mb();	/* before the condition (wake-against-wait) */
}
EXPORT_SYMBOL_GPL(__bgtoken_wait_begin);

void __bgtoken_wait_end(struct bgtoken *token, struct bgtoken_waiter *waiter)
{
	remove_wait_queue(__var_waitqueue(&token->owner), &waiter->entry.wq_entry);
}
EXPORT_SYMBOL_GPL(__bgtoken_wait_end);

/* Returns why the wait is over, or 0; updates the jiffies that are left. */
long __bgtoken_wait_sleep(struct bgtoken *token, struct bgtoken_waiter *waiter,
			  unsigned int state, long *left)
{
	long err = 0;

	/* A full barrier (woken-against-sleep), also for a cancel (wake-against-wait). */
	set_current_state(state | TASK_FREEZABLE);
	if (bgtoken_cancelled(token))
		err = -ECANCELED;
	else if (signal_pending_state(state, current))
		err = state & TASK_WAKEKILL ? -EINTR : -ERESTARTSYS;
	else if (!READ_ONCE(waiter->woken))
		*left = schedule_timeout(*left);
	__set_current_state(TASK_RUNNING);
	smp_store_mb(waiter->woken, false);	/* before the condition (wake-against-wait) */
	return err;
}
EXPORT_SYMBOL_GPL(__bgtoken_wait_sleep);

#include "bgtoken_work.c"

/* The module */

static void __exit bgtoken_module_exit(void)
{
	bgtoken_own_wq_exit();
	bgtoken_state_exit();
	live_check_none(tokens);
	live_check_none(works);
}
module_exit(bgtoken_module_exit);

static int __init bgtoken_module_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(bgtoken_pollers); i++)
		init_waitqueue_head(&bgtoken_pollers[i]);
	err = bgtoken_own_wq_init();
	if (!err)
		bgtoken_state_init();
	return err;
}
core_initcall(bgtoken_module_init);	/* before its users, if all are built in */

MODULE_DESCRIPTION("Background work whose owner can be freed at once");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
