/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bgtoken: background work whose owner can be freed at once.
 *
 * An owner has slow work running for it on a workqueue and wants to go away.
 * A token sits between the two: it is refcounted, and holds a pointer to the
 * owner and a word that acts as its lock.  Works hold references on the token,
 * never on the owner, and reach the owner only inside a scope:
 *
 *	scoped_bgtoken(work->token, struct foo *, foo) {
 *		... foo is here, and stays until the scope ends ...
 *	}
 *	... foo may be gone; this part may take as long as it likes ...
 *
 * The promise: when bgtoken_cancel() returns, no scope on that token is live
 * on any CPU and none can ever begin, so the caller may free the owner at
 * once.  It waits only for the scopes that were live when it was called: never
 * for a work function, a slow step or a grace period.  (On PREEMPT_RT it also waits
 * in line for its turn, as those do who enter.)
 *
 * It follows that:
 *
 *  - Only whoever cancelled the token frees the owner; a work's last put never
 *    does.
 *  - Whatever a work needs outside a scope, it pins separately, by taking a
 *    reference inside a scope.
 *  - Each work is released exactly once, whichever way it ends.
 *
 * When not to use it: if the work is short or the caller can wait, and the caller
 * holds no lock that the work takes and is not the work itself, cancel_work_sync()
 * or disable_work_sync() is simpler, and the right choice.
 *
 * Who holds a reference on a token:
 *
 *	the creator		from bgtoken_create() to its bgtoken_put()
 *	the device		from devm_bgtoken_create() or devm_bgtoken_get() to unbind
 *	each work and timer	from bgtoken_work_init() or the like to its release
 *	whoever is in a scope	one of its own, for the whole scope
 *
 * As elsewhere in the kernel, the kernel-doc of a non-inline function is above its
 * definition in the .c file, and is as much a part of the contract as what is here.
 *
 * The idea comes from V8's BackgroundCompileToken (2019), whose scope is called
 * BackgroundCompileScope.
 */
#ifndef _BGTOKEN_H
#define _BGTOKEN_H

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/gfp_types.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/tracepoint-defs.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "compat.h"

struct device;
struct file;
struct poll_table_struct;

/**
 * enum bgtoken_kind - what the scopes of a token may do
 * @BGTOKEN_MUTEX:	one scope at a time; a scope may sleep.  Enter and cancel from
 *			process context.
 * @BGTOKEN_SHARED:	scopes run in parallel; what they share in the owner needs
 *			a lock of its own.  Enter from any context that may take a
 *			spinlock_t, since an exit may wake a cancel; entering never
 *			waits.  A scope may sleep if its caller may.  Cancel from
 *			process context.
 * @BGTOKEN_SPIN:	one scope at a time with interrupts off; a scope may not
 *			sleep.  Enter and cancel from any context that may take a
 *			spinlock_t, that is, not from a raw one such as a hard
 *			irq_work or an IPI, whether or not the kernel is PREEMPT_RT.
 * @BGTOKEN_PERCPU:	as BGTOKEN_SHARED, but scopes on different CPUs do not write
 *			to a common word: for tokens that many CPUs enter all the
 *			time.  Such a token takes four more bytes for each possible
 *			CPU, and a cancel or a pause reads all of them; neither waits
 *			for a grace period.  An enter that finds the token refused
 *			just as it counts itself is waited for like a scope, until it
 *			has returned.
 *
 * The functions for scopes of a BGTOKEN_SPIN token have names of their own, which end in
 * _irqsave like those of a spinlock_t, so a call site shows whether its scope may sleep.
 */
enum bgtoken_kind {
	BGTOKEN_MUTEX,
	BGTOKEN_SHARED,
	BGTOKEN_SPIN,
	BGTOKEN_PERCPU,
};

#define BGTOKEN_KINDS	(BGTOKEN_PERCPU + 1)

#define BGTOKEN_SITE_LEN	40	/* longer names are truncated in reports about a token */

/* A place in the source that creates tokens: how people and lockdep tell tokens apart. */
struct bgtoken_site {
	const char *name;
	const char *file;	/* MODULE:PATH */
	int line;
	unsigned int place;	/* its number in bgtoken_places, or 0 if it is not known */
};

#define BGTOKEN_SITE(_name)						\
({									\
	static struct bgtoken_site __site = {				\
		_name, KBUILD_MODNAME ":" __FILE__, __LINE__		\
	};								\
									\
	&__site;							\
})

context_lock_struct(bgtoken);

/**
 * struct bgtoken - stands between an owner and its background work
 *
 * Use the functions below; the fields are visible only so that the small ones
 * can be inline.
 */
struct bgtoken {
	/* private: the letters are explained at the top of bgtoken.c */
	void *owner;			/* C; sleepers wait on its address */
	atomic_t scopes;		/* A: how many are live, and BGTOKEN_* */
	unsigned int pending;		/* T: works and timers that are queued or armed */
	union {
		/* where waiters line up to enter, by kind */
		struct mutex mutex;
		spinlock_t spin;	/* only orders them */
		atomic_t __percpu *live; /* I, its words A: how many scopes are live */
		struct rcu_head rcu;	/* after the last put */
	};
	struct lockdep_map dep_map;	/* for scopes; takes no space without lockdep */
	struct hlist_head timers;	/* T: works and timers that are armed */
	spinlock_t lock;
	struct kref kref;
	/*
	 * What follows is hardly ever written: a slab that does not align to cache lines has it
	 * in the same line as the beginning of the next token.
	 */
	atomic_t marks;			/* A: kind, watched; T to add a pause */
	unsigned int place;		/* I: where it was created, as in bgtoken_site */
	u64 id;				/* I: never reused */
#ifdef CONFIG_DEBUG_FS
	struct hlist_node shelf_node;	/* S */
#endif
};

/*
 * What token->scopes is made of; BGTOKEN_CANCELLED is its sign bit.  One exit too many
 * clears BGTOKEN_NONE, and leaves the bits above it alone.  BGTOKEN_IRQS is always set
 * for BGTOKEN_SPIN, and never otherwise, so entering or leaving through a function for
 * the wrong kind does not find the word that it expects.  BGTOKEN_SPREAD is always set
 * for BGTOKEN_PERCPU, whose BGTOKEN_LIVE is always 0.
 */
#define BGTOKEN_LIVE		0x01ffffff	/* how many scopes are live */
#define BGTOKEN_NONE		0x02000000	/* always set */
#define BGTOKEN_IRQS		0x04000000	/* its scopes run with interrupts off */
#define BGTOKEN_PAUSED		0x08000000	/* until bgtoken_resume() */
#define BGTOKEN_CLAIMED		0x10000000	/* a cancel returns, or has returned, true */
#define BGTOKEN_WAITER		0x20000000	/* the first in line waits */
#define BGTOKEN_SPREAD		0x40000000	/* its scopes are counted in token->live */
#define BGTOKEN_CANCELLED	INT_MIN

/* A value that the word never has: it leaves all of the exit to __bgtoken_exit_slow(). */
#define BGTOKEN_TRACED		(BGTOKEN_NONE | BGTOKEN_IRQS | BGTOKEN_SPREAD)

/* What token->marks is made of; the bits above these count the pauses. */
#define BGTOKEN_KIND		0x3		/* I: enum bgtoken_kind */
#define BGTOKEN_WATCHED		0x4		/* see __bgtoken_watch() */
#define BGTOKEN_PAUSE		0x8		/* one pause */

struct bgtoken *__bgtoken_create(void *owner, enum bgtoken_kind kind, gfp_t gfp,
				 struct bgtoken_site *site);
struct bgtoken *__devm_bgtoken_create(struct device *dev, void *owner,
				      enum bgtoken_kind kind,
				      struct bgtoken_site *site);

#ifdef CONFIG_LOCKDEP
struct lockdep_map *__bgtoken_works_map(struct bgtoken *token);
#endif

/**
 * bgtoken_create() - make a token for an owner
 * @_owner:	the object that may go away; not NULL, and not touched here
 * @_kind:	what its scopes may do
 * @_gfp:	how to allocate
 *
 * For BGTOKEN_PERCPU, prefer GFP_KERNEL: with an atomic @_gfp, the counters can come only
 * from per-CPU memory that is already populated, so -ENOMEM is more likely.  Even with
 * GFP_KERNEL, a task that is being killed may get -ENOMEM.
 *
 * Each place in the source that creates tokens has its own lockdep classes, one for each
 * kind that it creates, up to 256 places; any beyond that are not checked, and a warning
 * is printed.  The token may outlive the module that created it.
 *
 * Context: Any that @_gfp allows.  Never waits for a scope.
 * Return: A token with one reference, which is the caller's;
 * ERR_PTR(-EINVAL) for a NULL owner or an unknown kind; or ERR_PTR(-ENOMEM).
 */
#define bgtoken_create(_owner, _kind, _gfp)				\
	__bgtoken_create(_owner, _kind, _gfp, BGTOKEN_SITE("bgtoken:" #_owner))

/**
 * devm_bgtoken_create() - make a token that is cancelled when a device unbinds
 * @_dev:	the device
 * @_owner:	the object that may go away, most often the driver's data
 * @_kind:	what its scopes may do
 *
 * Managed resources are released in reverse order: create the token after
 * allocating the owner, so that the owner is freed after the token is cancelled.
 *
 * Context: Process context; may sleep.
 * Return: A token whose reference belongs to the device: it is cancelled and
 * put at unbind.  Whoever keeps it for longer takes a reference of its own.
 * On failure, an ERR_PTR as from bgtoken_create().
 */
#define devm_bgtoken_create(_dev, _owner, _kind)			\
	__devm_bgtoken_create(_dev, _owner, _kind, BGTOKEN_SITE("bgtoken:" #_owner))

/**
 * bgtoken_get() - take a reference
 * @token:	a token on which the caller, or someone it can rely on, holds a reference
 *
 * Context: Any.
 * Return: @token.
 */
static inline struct bgtoken *bgtoken_get(struct bgtoken *token)
{
	kref_get(&token->kref);
	return token;
}

/**
 * bgtoken_get_unless_zero() - take a reference on a token that was looked up
 * @token:	found in an RCU read-side critical section, somewhere that it is removed
 *		from before its last put
 *
 * A token is freed a grace period after its last put, so a reader that finds one
 * may check whether any reference is left.
 *
 * Context: Any, in an RCU read-side critical section.
 * Return: @token, with a reference for the caller; NULL if the last one was dropped.
 */
static inline struct bgtoken * __must_check
bgtoken_get_unless_zero(struct bgtoken *token)
{
	/* (token.pml: lookup) */
	return kref_get_unless_zero(&token->kref) ? token : NULL;
}

int devm_bgtoken_get(struct device *dev, struct bgtoken *token);
void bgtoken_put(struct bgtoken *token);

/**
 * bgtoken_kind() - what the scopes of a token may do
 * @token:	the caller holds a reference
 *
 * Context: Any.
 * Return: The kind that it was created with.
 */
static __always_inline enum bgtoken_kind bgtoken_kind(const struct bgtoken *token)
{
	return atomic_read(&token->marks) & BGTOKEN_KIND;
}

/* Do its scopes run in parallel? */
static __always_inline bool __bgtoken_parallel(const struct bgtoken *token)
{
	return bgtoken_kind(token) == BGTOKEN_SHARED || bgtoken_kind(token) == BGTOKEN_PERCPU;
}

/*
 * The subclass to tell lockdep.  Tokens that it does not check share a key with other locks,
 * and whoever takes a subclass of that first decides for all whether it may be taken in atomic
 * context.  So BGTOKEN_SPIN has one to itself, which callers of the others must not get.
 */
static __always_inline unsigned int __bgtoken_subclass(const struct bgtoken *token,
						       unsigned int subclass)
{
#ifdef CONFIG_LOCKDEP
	if (token->dep_map.key == &__lockdep_no_validate__)
		return bgtoken_kind(token) == BGTOKEN_SPIN ? MAX_LOCKDEP_SUBCLASSES - 1 : 0;
#endif
	return subclass;
}

void *__bgtoken_enter_slow(struct bgtoken *token, unsigned int subclass);
void __bgtoken_exit_slow(struct bgtoken *token, int before);
void *__bgtoken_enter_irqsave_slow(struct bgtoken *token, unsigned int subclass,
				   unsigned long flags);
void bgtoken_exit_irqrestore(struct bgtoken *token, unsigned long flags)
	__ends_scope(token);
void __bgtoken_trace_enter(struct bgtoken *token);

DECLARE_TRACEPOINT(bgtoken_enter);
DECLARE_TRACEPOINT(bgtoken_exit);

/*
 * Begin a scope if nobody is in one, the token is neither paused nor cancelled, and
 * @idle is the idle word of a token of its kind.
 */
static __always_inline bool __bgtoken_try_enter(struct bgtoken *token,
						unsigned int subclass, int idle)
{
	/* A failing atomic would still take the cache line from the other CPUs. */
	if (!(idle & BGTOKEN_IRQS) && unlikely(atomic_read(&token->scopes) != idle))
		return false;
	/* Acquire: what the previous scope did comes before (next-in-line). */
	if (unlikely(!atomic_try_cmpxchg_acquire(&token->scopes, &idle, idle + 1)))
		return false;
	subclass = __bgtoken_subclass(token, subclass);
	/* To lockdep, this trylocks an rwsem for reading, or locks a mutex or spinlock. */
	if (IS_ENABLED(CONFIG_LOCKDEP) && __bgtoken_parallel(token)) {
		rwsem_acquire_read(&token->dep_map, subclass, 1, _THIS_IP_);
	} else {
		mutex_acquire(&token->dep_map, subclass, 0, _THIS_IP_);
		lock_acquired(&token->dep_map, _THIS_IP_);
	}
	return true;
}

/* Parallel scopes never wait to begin; this costs nothing except on debug kernels. */
static __always_inline void __bgtoken_might_sleep(const struct bgtoken *token)
{
	if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) &&
	    bgtoken_kind(token) == BGTOKEN_MUTEX)
		might_sleep();
}

/*
 * Does @before, the word before a bgtoken_exit(), show nothing unusual?  That is: nobody
 * waits, there was a scope to end, and it is counted in the word.
 */
static __always_inline bool __bgtoken_quiet(int before)
{
	return (unsigned int)before - (BGTOKEN_NONE + 1) <= BGTOKEN_LIVE;
}

#ifdef CONFIG_PREEMPT_RT
void *bgtoken_enter_nested(struct bgtoken *token, unsigned int subclass)
	__acquires_if_nonnull(token);
void bgtoken_exit(struct bgtoken *token) __ends_scope(token);
void *__bgtoken_enter_irqsave(struct bgtoken *token, unsigned int subclass,
			      unsigned long *flags)
	__acquires_if_nonnull(token);
#else
/**
 * bgtoken_enter_nested() - begin a scope inside another of the same class
 * @token:	the token to enter
 * @subclass:	lockdep's; not that of the enclosing scope
 *
 * For two tokens that were created at the same place.  The caller enters them in
 * a consistent order and exits them in reverse.  Otherwise as bgtoken_enter().
 *
 * Context: As bgtoken_enter().
 * Return: As bgtoken_enter().
 */
static __always_inline void *bgtoken_enter_nested(struct bgtoken *token,
						  unsigned int subclass)
	__acquires_if_nonnull(token)
{
	__bgtoken_might_sleep(token);
	if (tracepoint_enabled(bgtoken_enter) ||
	    !__bgtoken_try_enter(token, subclass, BGTOKEN_NONE))
		return __bgtoken_enter_slow(token, subclass);
	return token->owner;
}

/**
 * bgtoken_exit() - end a scope
 * @token:	the token that bgtoken_enter() returned an owner for
 *
 * The owner may be gone by the time this returns.  An unbalanced exit triggers a
 * warning and, if no other scope is live, is undone.  On a BGTOKEN_PERCPU token it is not
 * undone, and the warning comes from the next cancel or pause, if no scope is live then,
 * or from the last put; a cancel may return although a scope is live.  A scope that
 * bgtoken_enter_irqsave() began ends as well, with a warning, once; except on PREEMPT_RT,
 * interrupts and preemption then stay off.
 *
 * Context: The one that entered; it may have migrated to another CPU.
 */
static __always_inline void bgtoken_exit(struct bgtoken *token)
	__ends_scope(token)
{
	int before;

	lock_release(&token->dep_map, _THIS_IP_);
	before = atomic_read(&token->scopes);
	if (tracepoint_enabled(bgtoken_exit))
		before = BGTOKEN_TRACED;
	/* A release (scope-against-free), and a full barrier for waking (exit-wakes-cancel). */
	if (likely(!(before & BGTOKEN_SPREAD)))
		before = atomic_fetch_dec(&token->scopes);
	if (unlikely(!__bgtoken_quiet(before)))
		__bgtoken_exit_slow(token, before);
}

/* Interrupts and preemption are off from before the scope begins until after it ends. */
static __always_inline void *__bgtoken_enter_irqsave(struct bgtoken *token,
						     unsigned int subclass,
						     unsigned long *flags)
	__acquires_if_nonnull(token)
{
	local_irq_save(*flags);
	preempt_disable();	/* a task woken in the scope runs after it */
	if (!__bgtoken_try_enter(token, subclass, BGTOKEN_NONE | BGTOKEN_IRQS))
		return __bgtoken_enter_irqsave_slow(token, subclass, *flags);
	if (tracepoint_enabled(bgtoken_enter))
		__bgtoken_trace_enter(token);
	return token->owner;
}
#endif /* CONFIG_PREEMPT_RT */

/**
 * bgtoken_enter() - begin a scope
 * @token:	of kind BGTOKEN_MUTEX, BGTOKEN_SHARED or BGTOKEN_PERCPU; the caller holds
 *		a reference until after bgtoken_exit()
 *
 * Does not wait if the token is already cancelled or paused.  Calling this with a token
 * of kind BGTOKEN_SPIN is a bug in the caller: no scope begins and, unless the token is
 * cancelled or paused, it triggers a warning, once, which says where the token was created.
 *
 * Context: Process context; may sleep.  For BGTOKEN_SHARED and BGTOKEN_PERCPU, any that
 * may take a spinlock_t; never waits, and the scope may sleep if its caller may.
 * Return: The owner, pinned until bgtoken_exit().  NULL if the token is
 * cancelled or paused: then there is no scope, and no bgtoken_exit().
 */
static __always_inline void *bgtoken_enter(struct bgtoken *token)
	__acquires_if_nonnull(token)
{
	return bgtoken_enter_nested(token, 0);
}

/**
 * bgtoken_enter_irqsave() - begin a scope with interrupts off
 * @_token:	of kind BGTOKEN_SPIN; the caller holds a reference until after
 *		bgtoken_exit_irqrestore()
 * @_flags:	a variable of type unsigned long, as for spin_lock_irqsave()
 *
 * On PREEMPT_RT interrupts stay on, as under a spinlock_t.  Otherwise like
 * bgtoken_enter(), with the opposite requirement on the kind.
 *
 * Context: Any that may take a spinlock_t.
 * Return: The owner, pinned until bgtoken_exit_irqrestore().  NULL if the token is
 * cancelled or paused: then there is no scope, and interrupts are as they were.
 */
#define bgtoken_enter_irqsave(_token, _flags)				\
	bgtoken_enter_irqsave_nested(_token, _flags, 0)

/**
 * bgtoken_enter_irqsave_nested() - the same inside another scope of the same class
 * @_token:	as for bgtoken_enter_irqsave()
 * @_flags:	as for bgtoken_enter_irqsave(); not the variable of the enclosing scope
 * @_subclass:	lockdep's; not that of the enclosing scope
 *
 * See bgtoken_enter_nested().
 *
 * Context: As bgtoken_enter_irqsave().
 * Return: As bgtoken_enter_irqsave().
 */
#define bgtoken_enter_irqsave_nested(_token, _flags, _subclass)		\
	__bgtoken_enter_irqsave(_token, _subclass, &(_flags))

/**
 * lockdep_assert_bgtoken() - assert that the caller is in a scope
 * @_token:	the token
 *
 * As lockdep_assert_held(): with lockdep, warns unless the current task is in a scope of
 * @_token.  From here on, clang's context analysis takes the scope for granted: what is
 * __guarded_by() an owner's token may be used, whatever pointer to the token the scope was
 * entered through.  That analysis takes the scopes of all kinds for exclusive, and does not
 * see one that CLASS(bgtoken) begins.
 *
 * Context: Any, in a scope of @_token.
 */
#define lockdep_assert_bgtoken(_token)	lockdep_assert_held(_token)

bool bgtoken_cancel_nested(struct bgtoken *token, unsigned int subclass)
	__outside_scope(token);
void bgtoken_refuse(struct bgtoken *token);

/**
 * bgtoken_cancel() - end all access to the owner
 * @token:	the caller holds a reference
 *
 * Refuses new scopes at once; wakes tasks in bgtoken_sleep(), bgtoken_wait_event() and
 * poll(); deletes pending timers, including those of delayed works; and then waits for the
 * live scopes to end.  A work that is queued is dropped: its workqueue puts it without
 * calling its function.  A function that is running is not waited for.  Permanent.
 * On PREEMPT_RT, if a scope is live, it waits behind those who are in line to enter; when
 * their turn comes, they are refused.  Calling it inside a scope of the same token is a
 * deadlock, which lockdep reports; see bgtoken_refuse().
 *
 * Context: Process context; may sleep.  For BGTOKEN_SPIN any that may take a
 * spinlock_t.
 * Return: True to one caller, which may now free the owner, even after a
 * bgtoken_refuse().  False to all others: they have the same guarantee, but must
 * not touch the owner.
 */
static inline bool bgtoken_cancel(struct bgtoken *token)
	__outside_scope(token)
{
	return bgtoken_cancel_nested(token, 0);
}

/**
 * bgtoken_cancelled() - has the token been cancelled?
 * @token:	the caller holds a reference
 *
 * A hint for long steps: false may be out of date at once, true never is.
 * Takes no lock.
 *
 * Context: Any.
 * Return: True from the moment that new scopes are refused.
 */
static inline bool bgtoken_cancelled(const struct bgtoken *token)
{
	return atomic_read(&token->scopes) < 0;
}

void bgtoken_pause_nested(struct bgtoken *token, unsigned int subclass)
	__outside_scope(token);

/**
 * bgtoken_pause() - end all access to the owner for a while
 * @token:	the caller holds a reference
 *
 * Like bgtoken_cancel(), but bgtoken_resume() undoes it: scopes and queueing are
 * refused, works and timers that are pending are dropped, and when it returns no scope
 * is live.  The token keeps its owner.  Sleepers and waiters sleep on, and
 * bgtoken_cancelled() does not report it.  A work whose function is running outside of
 * scopes is not waited for, and may enter again after the resume.
 *
 * Pauses are not counted.  The caller serialises pauses and resumes: resuming before the
 * pause has returned is a bug: the pause may then wait forever or return too early, a
 * delayed work that was queued after the resume may run at once, and there may be a
 * warning about a BGTOKEN_PERCPU token.  Cancelling during a pause works normally.
 *
 * Context: As bgtoken_cancel().
 */
static inline void bgtoken_pause(struct bgtoken *token)
	__outside_scope(token)
{
	bgtoken_pause_nested(token, 0);
}

void bgtoken_resume(struct bgtoken *token);

long bgtoken_sleep(struct bgtoken *token, long timeout);

/*
 * From now on a cancel takes care of sleepers on the address of token->owner, and
 * of works on timers.  The caller checks the token after this: either it finds the
 * token cancelled, or the cancel, in bgtoken_close(), finds this mark.
 */
static inline void __bgtoken_watch(struct bgtoken *token)
{
	atomic_fetch_or(BGTOKEN_WATCHED, &token->marks);	/* pairs with that there (watch) */
}

void bgtoken_wake(struct bgtoken *token);
void bgtoken_poll_wait(struct file *file, struct bgtoken *token,
		       struct poll_table_struct *pt);

/* A task that waits for an event, in the macros below. */
struct bgtoken_waiter {
	struct wait_bit_queue_entry entry;
	bool woken;
};

void __bgtoken_wait_begin(struct bgtoken *token, struct bgtoken_waiter *waiter);
long __bgtoken_wait_sleep(struct bgtoken *token, struct bgtoken_waiter *waiter,
			  unsigned int state, long *left);
void __bgtoken_wait_end(struct bgtoken *token, struct bgtoken_waiter *waiter);

/* The condition is evaluated in TASK_RUNNING, as it may sleep. */
#define ___bgtoken_wait_event(_token, _cond, _state, _timeout)		\
({									\
	struct bgtoken *__waited = (_token);				\
	long __left = max((long)(_timeout), 0L), __ret = 0;		\
	struct bgtoken_waiter __waiter;					\
									\
	__bgtoken_wait_begin(__waited, &__waiter);			\
	for (;;) {							\
		if (_cond) {						\
			__ret = __left ?: 1;				\
			break;						\
		}							\
		if (__ret || !__left)					\
			break;						\
		__ret = __bgtoken_wait_sleep(__waited, &__waiter,	\
					     _state, &__left);		\
	}								\
	__bgtoken_wait_end(__waited, &__waiter);				\
	__ret;								\
})

#define __bgtoken_wait_event(_token, _cond, _state)			\
({									\
	long __err = ___bgtoken_wait_event(_token, _cond, _state,	\
					   MAX_SCHEDULE_TIMEOUT);	\
									\
	__err < 0 ? (int)__err : 0;					\
})

/**
 * bgtoken_wait_event() - wait for a condition, or for the token to be cancelled
 * @_token:	the caller holds a reference
 * @_cond:	an expression; evaluated first, and again after each bgtoken_wake()
 *
 * For a file operation that blocks while its device may be removed.  Whoever makes
 * the condition true calls bgtoken_wake() afterwards.  The condition is evaluated
 * outside of scopes, and may sleep; one that needs the owner enters a scope for
 * that::
 *
 *	static bool foo_ready(struct bgtoken *token)
 *	{
 *		bool ready = false;
 *
 *		scoped_bgtoken(token, struct foo *, foo)
 *			ready = foo->ready;
 *		return ready;
 *	}
 *
 *	err = bgtoken_wait_event_interruptible(token, foo_ready(token));
 *
 * Signals do not interrupt the wait.  A task that is frozen meanwhile stays in here; works
 * and kthreads without set_freezable() are not frozen.
 *
 * Context: Process context; sleeps, outside of scopes, as a pause would wait for the scope:
 * lockdep warns of one of this token.  A task that may be frozen must hold no lock here.
 * Return: 0 if the condition is true, even if the token is cancelled by then; else
 * -ECANCELED.
 */
#define bgtoken_wait_event(_token, _cond)				\
	__bgtoken_wait_event(_token, _cond, TASK_UNINTERRUPTIBLE)

/**
 * bgtoken_wait_event_killable() - as bgtoken_wait_event(), unless killed
 * @_token:	as for bgtoken_wait_event()
 * @_cond:	as for bgtoken_wait_event()
 *
 * Context: As bgtoken_wait_event().
 * Return: As bgtoken_wait_event(), or -EINTR if the caller is being killed.
 */
#define bgtoken_wait_event_killable(_token, _cond)			\
	__bgtoken_wait_event(_token, _cond, TASK_KILLABLE)

/**
 * bgtoken_wait_event_interruptible() - as bgtoken_wait_event(), unless signalled
 * @_token:	as for bgtoken_wait_event()
 * @_cond:	as for bgtoken_wait_event()
 *
 * Context: As bgtoken_wait_event().
 * Return: As bgtoken_wait_event(), or -ERESTARTSYS if a signal is pending.
 */
#define bgtoken_wait_event_interruptible(_token, _cond)		\
	__bgtoken_wait_event(_token, _cond, TASK_INTERRUPTIBLE)

/**
 * bgtoken_wait_event_timeout() - as bgtoken_wait_event(), with a timeout
 * @_token:	as for bgtoken_wait_event()
 * @_cond:	as for bgtoken_wait_event()
 * @_timeout:	jiffies
 *
 * Context: As bgtoken_wait_event().
 * Return: The jiffies that were left, at least 1, if the condition is true; 0 if
 * the timeout elapsed and it is still false, even if the token is cancelled by then;
 * -ECANCELED.
 */
#define bgtoken_wait_event_timeout(_token, _cond, _timeout)		\
	___bgtoken_wait_event(_token, _cond, TASK_UNINTERRUPTIBLE, _timeout)

/**
 * bgtoken_wait_event_killable_timeout() - the same, unless killed
 * @_token:	as for bgtoken_wait_event()
 * @_cond:	as for bgtoken_wait_event()
 * @_timeout:	jiffies
 *
 * Context: As bgtoken_wait_event().
 * Return: As bgtoken_wait_event_timeout(), or -EINTR.
 */
#define bgtoken_wait_event_killable_timeout(_token, _cond, _timeout)	\
	___bgtoken_wait_event(_token, _cond, TASK_KILLABLE, _timeout)

/**
 * bgtoken_wait_event_interruptible_timeout() - the same, unless signalled
 * @_token:	as for bgtoken_wait_event()
 * @_cond:	as for bgtoken_wait_event()
 * @_timeout:	jiffies
 *
 * Context: As bgtoken_wait_event().
 * Return: As bgtoken_wait_event_timeout(), or -ERESTARTSYS.
 */
#define bgtoken_wait_event_interruptible_timeout(_token, _cond, _timeout) \
	___bgtoken_wait_event(_token, _cond, TASK_INTERRUPTIBLE, _timeout)

/* __free(bgtoken_put): a reference that is put at the end of the block. */
DEFINE_FREE(bgtoken_put, struct bgtoken *, bgtoken_put(_T))

/**
 * struct bgtoken_scope - a scope that ends with the block that it is in
 * @token:	the token
 * @owner:	the owner, pinned until then; NULL if the token is cancelled or paused:
 *		then there is no scope
 *
 * Used by CLASS(bgtoken), where scoped_bgtoken() would indent too deeply::
 *
 *	CLASS(bgtoken, scope)(token);
 *	struct foo *foo = scope.owner;
 *
 *	if (!foo)
 *		return -ENODEV;
 *
 * Context: As bgtoken_enter().
 */
struct bgtoken_scope {
	struct bgtoken *token;
	void *owner;
};

static __always_inline struct bgtoken_scope
bgtoken_scope_enter(struct bgtoken *token)
	__no_context_analysis
{
	return (struct bgtoken_scope){ token, bgtoken_enter(token) };
}

static __always_inline void bgtoken_scope_exit(struct bgtoken_scope *scope)
	__no_context_analysis
{
	if (scope->owner)
		bgtoken_exit(scope->token);
	scope->owner = NULL;
}

/**
 * struct bgtoken_irq_scope - the same with interrupts off
 * @token:	the token
 * @owner:	as in struct bgtoken_scope
 * @flags:	as saved by bgtoken_enter_irqsave()
 *
 * Used by CLASS(bgtoken_irqsave), which works like CLASS(bgtoken).
 *
 * Context: As bgtoken_enter_irqsave().
 */
struct bgtoken_irq_scope {
	struct bgtoken *token;
	void *owner;
	unsigned long flags;
};

static __always_inline struct bgtoken_irq_scope
bgtoken_irq_scope_enter(struct bgtoken *token)
	__no_context_analysis
{
	struct bgtoken_irq_scope scope = { token };

	scope.owner = bgtoken_enter_irqsave(token, scope.flags);
	return scope;
}

static __always_inline void bgtoken_irq_scope_exit(struct bgtoken_irq_scope *scope)
	__no_context_analysis
{
	if (scope->owner)
		bgtoken_exit_irqrestore(scope->token, scope->flags);
	scope->owner = NULL;
}

DEFINE_CLASS(bgtoken, struct bgtoken_scope, bgtoken_scope_exit(&_T),
	     bgtoken_scope_enter(token), struct bgtoken *token)
DEFINE_CLASS(bgtoken_irqsave, struct bgtoken_irq_scope, bgtoken_irq_scope_exit(&_T),
	     bgtoken_irq_scope_enter(token), struct bgtoken *token)

/*
 * For clang's analysis, which sees neither into a struct bgtoken_scope nor through its
 * functions.  Beside the scope is a pointer, _named, which clang knows to be the token that
 * the caller names.  To clang, this token is held from where __bgtoken_owner() looks at the
 * owner until another such pointer, _over, goes out of scope.
 */
static __always_inline void *__bgtoken_named(struct bgtoken *token)
	__is_token(token)
{
	return token;
}

static __always_inline void *__bgtoken_owner(void *owner, struct bgtoken *token)
	__acquires_if_nonnull(token)
{
	return owner;
}

static __always_inline void __bgtoken_over(void *token)
	__ends_scope(*(struct bgtoken **)token)
{
}

#define __bgtoken_scope(_class, _token, _scope)				\
	class_##_class##_t *_scope##_named = __bgtoken_named(_token),	\
	_scope __cleanup(class_##_class##_destructor) =			\
		class_##_class##_constructor((void *)_scope##_named)

#define __bgtoken_began(_scope)						\
	__bgtoken_owner(_scope.owner, (void *)_scope##_named)

#define __bgtoken_body(_type, _name, _scope)				\
	for (_type _name = _scope.owner,				\
	     *_scope##_over __cleanup(__bgtoken_over) = (void *)_scope##_named; \
	     _name; _name = NULL)

/* The outer loop is the scope, the inner one declares the owner's name. */
#define __scoped_bgtoken(_class, _end, _token, _type, _name, _scope)	\
	for (__bgtoken_scope(_class, _token, _scope); __bgtoken_began(_scope); _end(&_scope)) \
		__bgtoken_body(_type, _name, _scope)

/**
 * scoped_bgtoken() - run the body that follows inside a scope
 * @_token:	the token, as for bgtoken_enter(); the caller holds a reference
 * @_type:	the owner's type, a pointer
 * @_name:	declared for the body: the owner
 *
 * The body runs once, or not at all if the token is cancelled or paused.  The scope
 * ends however the body is left: at its end, by return or goto, and by break or
 * continue, which leave the body and not a loop around it.
 *
 * Context: As bgtoken_enter().
 */
#define scoped_bgtoken(_token, _type, _name)				\
	__scoped_bgtoken(bgtoken, bgtoken_scope_exit, _token, _type, _name, \
			 __UNIQUE_ID(bgtoken_scope))

/**
 * scoped_bgtoken_irqsave() - run the body that follows in a scope, interrupts off
 * @_token:	the token, as for bgtoken_enter_irqsave()
 * @_type:	as for scoped_bgtoken()
 * @_name:	as for scoped_bgtoken()
 *
 * Context: As bgtoken_enter_irqsave().
 */
#define scoped_bgtoken_irqsave(_token, _type, _name)			\
	__scoped_bgtoken(bgtoken_irqsave, bgtoken_irq_scope_exit, _token, _type, \
			 _name, __UNIQUE_ID(bgtoken_scope))

#define __scoped_cond_bgtoken(_fail, _class, _end, _token, _type, _name, _scope, _done) \
	for (__bgtoken_scope(_class, _token, _scope), *_done = NULL;	\
	     !_done; _end(&_scope), _done = &_scope)			\
		if (!__bgtoken_began(_scope)) {				\
			_fail;						\
		} else							\
			__bgtoken_body(_type, _name, _scope)

/**
 * scoped_cond_bgtoken() - run the following body in a scope, or a statement if refused
 * @_fail:	a statement, run instead if the token is cancelled or paused; most often
 *		one that leaves the function, such as return -ENODEV
 * @_token:	as for scoped_bgtoken()
 * @_type:	as for scoped_bgtoken()
 * @_name:	as for scoped_bgtoken()
 *
 * As scoped_cond_guard().  If the token may also be paused, bgtoken_cancelled() tells
 * the two apart.  Otherwise as scoped_bgtoken(): a break or continue in @_fail
 * does not leave a loop around it.
 *
 * Context: As bgtoken_enter().
 */
#define scoped_cond_bgtoken(_fail, _token, _type, _name)		\
	__scoped_cond_bgtoken(_fail, bgtoken, bgtoken_scope_exit, _token, _type, \
			      _name, __UNIQUE_ID(bgtoken_scope),	\
			      __UNIQUE_ID(bgtoken_done))

/**
 * scoped_cond_bgtoken_irqsave() - the same with interrupts off
 * @_fail:	as for scoped_cond_bgtoken()
 * @_token:	the token, as for bgtoken_enter_irqsave()
 * @_type:	as for scoped_bgtoken()
 * @_name:	as for scoped_bgtoken()
 *
 * Context: As bgtoken_enter_irqsave().
 */
#define scoped_cond_bgtoken_irqsave(_fail, _token, _type, _name)	\
	__scoped_cond_bgtoken(_fail, bgtoken_irqsave, bgtoken_irq_scope_exit, \
			      _token, _type, _name, __UNIQUE_ID(bgtoken_scope), \
			      __UNIQUE_ID(bgtoken_done))

/**
 * enum bgtoken_fate - what became of a work or timer, the last time that it was queued
 * @BGTOKEN_NEVER_QUEUED:	it never was, or was always refused
 * @BGTOKEN_RAN:		its function was called
 * @BGTOKEN_TAKEN_BACK:		bgtoken_cancel_work() or the like came first
 * @BGTOKEN_DROPPED_CANCELLED:	the token was cancelled first
 * @BGTOKEN_DROPPED_PAUSED:	the token was paused first
 * @BGTOKEN_DROPPED_CLOSING:	its background workqueue was destroyed first
 */
enum bgtoken_fate {
	BGTOKEN_NEVER_QUEUED,
	BGTOKEN_RAN,
	BGTOKEN_TAKEN_BACK,
	BGTOKEN_DROPPED_CANCELLED,
	BGTOKEN_DROPPED_PAUSED,
	BGTOKEN_DROPPED_CLOSING,
};

struct bgtoken_timer;

/**
 * struct bgtoken_work - a work item that carries a token reference
 * @token:	the token, for the work's function
 *
 * A separate object, or most often the first member of one.  Never embed it in
 * the owner: the owner is freed while works are still queued.
 *
 * The workqueue sees one common function, which calls the work's own; the trace
 * events report the latter.
 */
struct bgtoken_work {
	struct bgtoken *token;		/* I */
	/* private: */
	struct work_struct work;
	struct bgtoken_wq *wq;		/* T */
	union {				/* I */
		void (*fn)(struct bgtoken_work *work);
		void (*timer_fn)(struct bgtoken_timer *timer, void *owner);
	};
	union {				/* I */
		void (*release)(struct bgtoken_work *work);
		void (*timer_release)(struct bgtoken_timer *timer);
	};
	struct kref kref;
	u32 pauses;			/* T: the token's, when it was queued */
	u8 state;			/* T: see the table in bgtoken_work.c */
	bool stale_run;			/* T */
	bool stale_timer;		/* T */
	u8 fate;			/* T: enum bgtoken_fate */
	bool is_timer;			/* I */
};

/**
 * struct bgtoken_delayed_work - a work that can be queued for later
 * @work:	the work, as in struct delayed_work
 */
struct bgtoken_delayed_work {
	struct bgtoken_work work;
	/* private: */
	struct timer_list timer;
	struct hlist_node token_node;	/* T */
	struct hlist_node wq_node;	/* W */
};

/**
 * to_bgtoken_delayed_work() - get the delayed work that contains a work
 * @work:	the work that a delayed work's function was passed
 *
 * As to_delayed_work().
 *
 * Context: Any.
 * Return: The delayed work.
 */
static inline struct bgtoken_delayed_work *
to_bgtoken_delayed_work(struct bgtoken_work *work)
{
	return container_of(work, struct bgtoken_delayed_work, work);
}

/**
 * struct bgtoken_timer - a timer that carries a token reference
 *
 * A timer_list whose function is called with the owner, inside a scope.  A separate
 * object, or most often the first member of one; never part of the owner.
 */
struct bgtoken_timer {
	/* private: queued only to be dropped, or released */
	struct bgtoken_delayed_work dwork;
};

struct bgtoken_wq *bgtoken_wq_create(const char *name, unsigned int flags,
				     int max_active);
struct bgtoken_wq *bgtoken_ordered_wq_create(const char *name, unsigned int flags);
struct bgtoken_wq *devm_bgtoken_wq_create(struct device *dev, const char *name,
					  unsigned int flags, int max_active);
void bgtoken_wq_flush(struct bgtoken_wq *wq);
void bgtoken_wq_destroy(struct bgtoken_wq *wq);
void bgtoken_barrier(void);

void __bgtoken_work_init(struct bgtoken_work *work, struct bgtoken *token,
			 void (*fn)(struct bgtoken_work *work),
			 void (*release)(struct bgtoken_work *work),
			 struct lock_class_key *key, const char *name);
void __bgtoken_delayed_work_init(struct bgtoken_delayed_work *dwork,
				 struct bgtoken *token,
				 void (*fn)(struct bgtoken_work *work),
				 void (*release)(struct bgtoken_work *work),
				 struct lock_class_key *key, const char *name);

struct bgtoken_work *
__devm_bgtoken_work_create(struct device *dev, struct bgtoken *token,
			   void (*fn)(struct bgtoken_work *work),
			   struct lock_class_key *key, const char *name);
struct bgtoken_delayed_work *
__devm_bgtoken_delayed_work_create(struct device *dev, struct bgtoken *token,
				   void (*fn)(struct bgtoken_work *work),
				   struct lock_class_key *key, const char *name);

/* Each place that initialises works has a lockdep class of its own for them. */
#ifdef CONFIG_LOCKDEP
#define __bgtoken_init(_init, _name, ...)				\
({									\
	static struct lock_class_key __key;				\
									\
	_init(__VA_ARGS__, &__key, "(bgtoken_work)" _name);		\
})
#else
#define __bgtoken_init(_init, _name, ...)	_init(__VA_ARGS__, NULL, NULL)
#endif

/**
 * bgtoken_work_init() - make a work ready to be queued
 * @_work:	the caller's memory, never part of the owner
 * @_token:	the work takes a reference of its own on it
 * @_fn:	called in process context each time that the work runs; it
 *		reaches what it needs of the owner in a scope on work->token
 * @_release:	called once, in process context, when the last reference on the
 *		work is gone; frees @_work, preferably as its last action: the
 *		workqueue considers the work running until this returns, and will not
 *		start another work in the same memory before then, no matter whose it
 *		is and where it is queued.  It may ask bgtoken_work_fate() how the
 *		work ended.  NULL if all there is to do is kfree(@_work): then @_work
 *		must be the first member of what was allocated
 *
 * The caller holds one reference afterwards, and drops it with
 * bgtoken_work_put(), possibly right after queueing.  A missing argument
 * is a bug in the caller: it triggers a warning, and the work can be put, but
 * never queued.
 *
 * Context: Any but NMI.
 */
#define bgtoken_work_init(_work, _token, _fn, _release)			\
	__bgtoken_init(__bgtoken_work_init, #_work, _work, _token, _fn, _release)

/**
 * bgtoken_delayed_work_init() - make a delayed work ready to be queued
 * @_dwork:	the caller's memory, never part of the owner
 * @_token:	the work takes a reference of its own on it
 * @_fn:	as for bgtoken_work_init(); it is passed ``&_dwork->work``
 * @_release:	as for bgtoken_work_init(); it is passed ``&_dwork->work``
 *
 * Put it with ``bgtoken_work_put(&_dwork->work)``.  Otherwise as
 * bgtoken_work_init().
 *
 * Context: Any but NMI.
 */
#define bgtoken_delayed_work_init(_dwork, _token, _fn, _release)	\
	__bgtoken_init(__bgtoken_delayed_work_init, #_dwork, _dwork, _token, _fn, _release)

/**
 * devm_bgtoken_work_create() - allocate a work that is put when a device unbinds
 * @_dev:	the device
 * @_token:	this device's, as it is cancelled when the device unbinds; an ERR_PTR is
 *		passed through
 * @_fn:	as for bgtoken_work_init()
 *
 * For a driver that would otherwise embed a work in what its remove frees: it keeps this
 * pointer there instead.  The reference from bgtoken_work_init() belongs to the device; the
 * queue has its own, so the memory stays for as long as the work is queued or running.
 *
 * At unbind the token is cancelled before the work is put, so that no scope is left that
 * could queue it.  Do not pass a token that must outlive the binding or is shared with
 * another device: unbinding cancels it.  What remove itself frees, before that, must be
 * guarded by a bgtoken_cancel() in remove, as usual.
 *
 * Context: Process context; may sleep.
 * Return: The work, ERR_PTR(-ENOMEM), or @_token if that is an ERR_PTR.
 */
#define devm_bgtoken_work_create(_dev, _token, _fn)			\
	__bgtoken_init(__devm_bgtoken_work_create, #_fn, _dev, _token, _fn)

/**
 * devm_bgtoken_delayed_work_create() - allocate a delayed work that is put when a device unbinds
 * @_dev:	the device
 * @_token:	this device's, as it is cancelled when the device unbinds; an ERR_PTR is
 *		passed through
 * @_fn:	as for bgtoken_delayed_work_init()
 *
 * Otherwise as devm_bgtoken_work_create().
 *
 * Context: Process context; may sleep.
 * Return: The delayed work, ERR_PTR(-ENOMEM), or @_token if that is an ERR_PTR.
 */
#define devm_bgtoken_delayed_work_create(_dev, _token, _fn)		\
	__bgtoken_init(__devm_bgtoken_delayed_work_create, #_fn, _dev, _token, _fn)

void bgtoken_work_put(struct bgtoken_work *work);
bool bgtoken_queue_work_on(int cpu, struct bgtoken_wq *wq, struct bgtoken_work *work);
bool bgtoken_cancel_work(struct bgtoken_work *work);
bool bgtoken_flush_work(struct bgtoken_work *work);

/**
 * bgtoken_queue_work() - queue a work
 * @wq:		the background workqueue
 * @work:	the caller holds a reference, or is the work's own function
 *
 * If the token is cancelled or paused, or the workqueue closed, before the work
 * starts, its function is not called; either way the reference that the queue holds
 * is dropped.  A work never runs on two CPUs at once, as long as it is always
 * queued on the same background workqueue.
 *
 * Context: Any that may take a spinlock_t.
 * Return: True if it was queued.  False, with no reference taken, if the token is
 * cancelled or paused, the workqueue is closing, or the work is already pending:
 * then the coming run sees what the caller stored before.  False also if it was taken
 * back from another background workqueue, or dropped there by a pause, and has not left
 * that yet: then no run is coming, and a bgtoken_wq_flush() of that workqueue helps.
 */
static inline bool bgtoken_queue_work(struct bgtoken_wq *wq, struct bgtoken_work *work)
{
	return bgtoken_queue_work_on(WORK_CPU_UNBOUND, wq, work);
}

bool bgtoken_queue_delayed_work(struct bgtoken_wq *wq,
				struct bgtoken_delayed_work *dwork,
				unsigned long delay);
bool bgtoken_mod_delayed_work(struct bgtoken_wq *wq,
			      struct bgtoken_delayed_work *dwork,
			      unsigned long delay);
bool bgtoken_flush_delayed_work(struct bgtoken_delayed_work *dwork);

/**
 * bgtoken_cancel_delayed_work() - take back a delayed work that is pending
 * @dwork:	the caller holds a reference
 *
 * From its timer, or from the workqueue.  Otherwise as bgtoken_cancel_work().
 *
 * Context: As bgtoken_cancel_work().
 * Return: As bgtoken_cancel_work().
 */
static inline bool bgtoken_cancel_delayed_work(struct bgtoken_delayed_work *dwork)
{
	return bgtoken_cancel_work(&dwork->work);
}

/**
 * bgtoken_work_fate() - why is a work released?
 * @work:	the work, in its release function
 *
 * What must happen no matter what became of the work, such as signalling a fence,
 * belongs in release, which calls this to find out how it went.
 *
 * Context: Any, in release; elsewhere a hint.
 * Return: What became of it, the last time that it was queued.
 */
static inline enum bgtoken_fate bgtoken_work_fate(const struct bgtoken_work *work)
{
	return READ_ONCE(work->fate);
}

/**
 * bgtoken_timer_fate() - why is a timer released?
 * @timer:	the timer, in its release function
 *
 * Context: Any, in release; elsewhere a hint.
 * Return: As bgtoken_work_fate().
 */
static inline enum bgtoken_fate bgtoken_timer_fate(const struct bgtoken_timer *timer)
{
	return bgtoken_work_fate(&timer->dwork.work);
}

void bgtoken_timer_init(struct bgtoken_timer *timer, struct bgtoken *token,
			void (*fn)(struct bgtoken_timer *timer, void *owner),
			void (*release)(struct bgtoken_timer *timer));
struct bgtoken_timer *
devm_bgtoken_timer_create(struct device *dev, struct bgtoken *token,
			  void (*fn)(struct bgtoken_timer *timer, void *owner));
bool bgtoken_timer_mod(struct bgtoken_timer *timer, unsigned long expires);

/**
 * bgtoken_timer_cancel() - delete a timer
 * @timer:	the caller holds a reference, or is the timer's own function
 *
 * As timer_delete(): does not wait for a running function; bgtoken_cancel() does, as
 * that runs in a scope, and so does bgtoken_pause().
 *
 * Context: Any that may take a spinlock_t.
 * Return: True if it was pending.
 */
static inline bool bgtoken_timer_cancel(struct bgtoken_timer *timer)
{
	return bgtoken_cancel_work(&timer->dwork.work);
}

/**
 * bgtoken_timer_put() - drop a reference on a timer
 * @timer:	the timer; may be NULL
 *
 * As bgtoken_work_put().
 *
 * Context: Any that may take a spinlock_t.
 */
static inline void bgtoken_timer_put(struct bgtoken_timer *timer)
{
	static_assert(!offsetof(struct bgtoken_timer, dwork.work));	/* of NULL, NULL */
	bgtoken_work_put(&timer->dwork.work);
}

/**
 * bgtoken_timer_token() - the token that a timer carries
 * @timer:	the timer
 *
 * Context: Any.
 * Return: Its token; no reference is taken for the caller.
 */
static inline struct bgtoken *bgtoken_timer_token(const struct bgtoken_timer *timer)
{
	return timer->dwork.work.token;
}

#endif /* _BGTOKEN_H */
