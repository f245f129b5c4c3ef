/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bgcompile: compilation in the background, in tiers, cancellable at once.
 *
 * A compile state is embedded in its owner and holds units: pieces of
 * compilation, each of one tier.  Tasks, which are works of a background
 * workqueue, take units, one at a time or, where they are quick, several:
 *
 *	in a scope	pin the env, take a unit
 *	outside		compile it; the owner may be freed meanwhile
 *	in a scope	publish the result, take the next unit
 *
 * The promise is bgtoken's: when bgcompile_cancel() returns, no task is inside
 * a scope and none will ever be, no callback runs and none will, and the owner
 * may be freed.  It waits for no unit.
 *
 * Who owns what:
 *
 *  - a unit belongs to the library from a successful bgcompile_add_units()
 *    until free_unit is called for it, which happens exactly once, in process
 *    context, outside of scopes, and maybe after the owner was freed;
 *  - the env belongs to a task from get_env to put_env; it must not point into
 *    the owner;
 *  - a callback belongs to the caller again when it is told the final event,
 *    or when bgcompile_cancel() has returned;
 *  - a callback is called by whoever brings the event about: by a task, or by the
 *    caller of bgcompile_add_units() or bgcompile_add_callback() in that call and
 *    so under whatever locks that caller holds.  Meanwhile other tasks in scopes
 *    continue, and leave any further events to that caller: so an add may return
 *    before a callback has been told, or after it was told of units that others
 *    have finished;
 *  - whoever calls any of these functions keeps the owner alive meanwhile, a
 *    waiter in bgcompile_wait() too: a cancel wakes it, and does not wait for
 *    it to be gone;
 *  - the workqueue outlives the state: cancel first, then destroy that.
 *
 * The loop, the tiers and the events are those of V8's CompilationStateImpl.
 */
#ifndef _BGCOMPILE_H
#define _BGCOMPILE_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/spinlock.h>

#include "bgtoken.h"

struct bgcompile;
struct bgcompile_queue;

/**
 * enum bgcompile_tier - in the order in which they are compiled
 * @BGCOMPILE_BASELINE:	quick to make; a failure fails the whole state
 * @BGCOMPILE_TOP:	slow to make, quick to run; a failure is only counted, as
 *			the baseline result stays in use
 * @BGCOMPILE_TIERS:	how many there are
 */
enum bgcompile_tier {
	BGCOMPILE_BASELINE,
	BGCOMPILE_TOP,
	BGCOMPILE_TIERS,
};

/**
 * enum bgcompile_event - what callbacks are told, in this order
 * @BGCOMPILE_BASELINE_FINISHED: no baseline unit is left to compile
 * @BGCOMPILE_TOP_FINISHED:	no unit at all is left; final
 * @BGCOMPILE_FAILED:		the state has failed; final
 * @BGCOMPILE_EVENTS:		how many there are
 *
 * Each comes at most once, and exactly one final one unless the state is cancelled
 * before.  A state without units of a tier has finished that tier.  Being cancelled is
 * not an event.
 */
enum bgcompile_event {
	BGCOMPILE_BASELINE_FINISHED,
	BGCOMPILE_TOP_FINISHED,
	BGCOMPILE_FAILED,
	BGCOMPILE_EVENTS,
};

/**
 * struct bgcompile_unit - one piece of compilation, embedded in the caller's
 * @tier:	which tier it is for
 * @size:	what it is known to cost, in any measure that the caller likes;
 *		compared with bgcompile_params.big_size and with other units
 * @features:	set by the compile step: what it found in use, a mask of the
 *		caller's own
 */
struct bgcompile_unit {
	enum bgcompile_tier tier;
	size_t size;
	unsigned long features;
	/* private: */
	struct list_head node;
	int error;
};

/**
 * struct bgcompile_ops - what a state's owner does
 * @get_env:	pin what the compile steps of one task need, apart from the
 *		owner.  Inside a scope; may sleep.  Returns the env, or NULL or an
 *		ERR_PTR, which fails the state (NULL with -ENOMEM), unless the task
 *		was started only to help others that are still at it.  Optional,
 *		together with @put_env; the env is NULL then.
 * @put_env:	unpin it.  Outside of scopes; the owner may be gone.
 * @compile:	compile a unit.  Outside of scopes; may sleep and take long, and
 *		may ask bgtoken_cancelled(@token) or bgtoken_sleep() so as to
 *		leave early, or bgtoken_cancel() it; but not pause it: a state cannot
 *		be paused.  Keeps its result in the unit.
 *		Returns 0 or a negative errno.
 * @publish:	hand the unit's result to the owner.  Inside a scope; may sleep.
 *		Returns 0 or a negative errno, as @compile.
 * @free_unit:	free a unit and what is left of its result, published or not.
 *		Exactly once for each unit added.  Process context, outside of
 *		scopes; the owner may be gone.
 *
 * All but the first two are mandatory.
 */
struct bgcompile_ops {
	void *(*get_env)(struct bgcompile *state);
	void (*put_env)(void *env);
	int (*compile)(struct bgcompile_unit *unit, void *env,
		       struct bgtoken *token);
	int (*publish)(struct bgcompile *state, struct bgcompile_unit *unit);
	void (*free_unit)(struct bgcompile_unit *unit);
};

/**
 * struct bgcompile_params - how a state is to work; 0 means the default
 * @kind:	the token's kind: BGTOKEN_MUTEX (the default), BGTOKEN_SHARED or
 *		BGTOKEN_PERCPU
 * @max_tasks:	tasks at a time, 1024 at most (default: the online CPUs)
 * @slice_ms:	how long a task runs before it queues itself again, in ms
 *		(default 50); later ones get 5 ms more each, so that they do not
 *		all do so at once.  A task finishes at least one unit in each run
 * @big_size:	units of at least this size go before the others of their tier,
 *		the largest first (default: none does)
 * @tiers:	mask of BIT(BGCOMPILE_BASELINE) and BIT(BGCOMPILE_TOP) (default:
 *		both)
 * @batch:	units of one tier that a task takes in one scope, compiles, and
 *		publishes together in the next, at most 64, none of them larger
 *		than the first; a big unit goes alone.  By default (0) it takes
 *		one, and twice as many each time if all went within a ms, and
 *		begins none after the tick; so long units go one by one, and tiny
 *		ones cost no scope each.
 *		What is done, and what is behind it in its batch, waits for a unit
 *		that is slow and does not say so by its size: 1 is for those whose
 *		units are of unlike length, or who want each result at once.  A
 *		cancel waits for no more than one publish
 */
struct bgcompile_params {
	enum bgtoken_kind kind;
	unsigned int max_tasks;
	unsigned int slice_ms;
	size_t big_size;
	unsigned int tiers;
	unsigned int batch;
};

/**
 * struct bgcompile_progress - where a state stands
 * @total:	units of each tier that were added
 * @done:	units of each tier that are published
 * @failed:	units of each tier that failed
 * @tasks:	tasks queued or running
 * @compiling:	units that tasks have taken: about to be compiled, being
 *		compiled, or published
 * @events:	mask of BIT(enum bgcompile_event): those that have come
 * @error:	0, or why the state failed
 * @features:	all features that tasks have reported
 */
struct bgcompile_progress {
	unsigned int total[BGCOMPILE_TIERS];
	unsigned int done[BGCOMPILE_TIERS];
	unsigned int failed[BGCOMPILE_TIERS];
	unsigned int tasks;
	unsigned int compiling;
	unsigned int events;
	int error;
	unsigned long features;
};

/**
 * struct bgcompile_callback - told of each event
 * @fn:		called inside a scope, with no other lock of this library held, by
 *		a task or in the call of whoever adds units or callbacks.  @error is
 *		0 but for BGCOMPILE_FAILED.  May sleep, and may free the callback when
 *		the event is final.  May call no functions of this state except
 *		bgcompile_progress() and, to cancel, bgcompile_refuse()
 */
struct bgcompile_callback {
	void (*fn)(struct bgcompile_callback *cb, enum bgcompile_event event,
		   int error);
	/* private: */
	struct list_head node;
	unsigned int told;
};

/**
 * struct bgcompile - a compile state, embedded in its owner
 *
 * From the functions that are given it, get to the owner with container_of().
 */
struct bgcompile {
	/* private: the letters are explained at the top of bgcompile.c */
	struct bgtoken *token;			/* L: NULL once cancelled */
	struct bgcompile_queue *queue;		/* L: NULL once cancelled */
	struct bgtoken_wq *wq;			/* I */
	struct bgcompile_params params;		/* I */
	const struct bgcompile_ops *ops;	/* I */
	spinlock_t lock;
	bool telling;				/* L */
	struct list_head callbacks;		/* L */
	struct bgcompile_progress progress;	/* L */
};

int __bgcompile_init(struct bgcompile *state, struct bgtoken_wq *wq,
		     const struct bgcompile_ops *ops,
		     const struct bgcompile_params *params,
		     struct bgtoken_site *site);

/**
 * bgcompile_init() - make a compile state ready
 * @_state:	embedded in the owner; uninitialised
 * @_wq:	where its tasks run; outlives the state
 * @_ops:	what the owner does; outlives all tasks, as code does
 * @_params:	copied; NULL for all defaults
 *
 * Undone by bgcompile_cancel().
 *
 * Context: Process context; may sleep.
 * Return: 0; -EINVAL if something that must be there is missing or unknown, a parameter is
 * above its maximum, or the kind is BGTOKEN_SPIN; or -ENOMEM.  On an error there is nothing
 * to undo.
 */
#define bgcompile_init(_state, _wq, _ops, _params)			\
	__bgcompile_init(_state, _wq, _ops, _params,			\
			 BGTOKEN_SITE("bgcompile:" #_state))

int bgcompile_add_units(struct bgcompile *state, struct list_head *units);
int bgcompile_add_callback(struct bgcompile *state,
			   struct bgcompile_callback *cb);
int bgcompile_wait(struct bgcompile *state, enum bgcompile_event event);
long bgcompile_wait_timeout(struct bgcompile *state, enum bgcompile_event event,
			    long timeout);
void bgcompile_progress(struct bgcompile *state,
			struct bgcompile_progress *progress);
bool bgcompile_cancel_nested(struct bgcompile *state, unsigned int subclass);
void bgcompile_refuse(struct bgcompile *state);

/**
 * bgcompile_cancel() - end a state, so that its owner can be freed
 * @state:	the caller keeps its owner alive until this returns
 *
 * bgtoken_cancel() for the state's token, which wakes waiters, too; then forgets
 * the callbacks and releases the units: those being compiled are freed by the task
 * compiling them, the rest by the last task to exit.  That is the caller itself only
 * if all tasks have exited meanwhile; otherwise the cost does not depend on how many
 * units there are.
 *
 * Context: Process context; may sleep.  Not inside a scope of this state: that
 * is a deadlock, which lockdep names.
 * Return: True for one call, which may now free the owner, once no other call
 * on the state is in progress.  False for any other, with the same guarantee,
 * but not the owner.
 */
static inline bool bgcompile_cancel(struct bgcompile *state)
{
	return bgcompile_cancel_nested(state, 0);
}

/**
 * bgcompile_unit_init() - make a unit ready to be added
 * @unit:	the unit
 * @tier:	which tier it is for
 * @size:	see struct bgcompile_unit
 */
static inline void bgcompile_unit_init(struct bgcompile_unit *unit,
				       enum bgcompile_tier tier, size_t size)
{
	unit->tier = tier;
	unit->size = size;
	unit->features = 0;
	INIT_LIST_HEAD(&unit->node);
}

/**
 * bgcompile_unit_add() - put a unit on a list for bgcompile_add_units()
 * @unit:	the unit
 * @units:	the list
 */
static inline void bgcompile_unit_add(struct bgcompile_unit *unit,
				      struct list_head *units)
{
	list_add_tail(&unit->node, units);
}

#endif /* _BGCOMPILE_H */
