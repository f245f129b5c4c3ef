/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bgcompile: compilation in the background, in tiers, cancellable at once.
 *
 * A compile state is embedded in its owner and holds units: pieces of
 * compilation, each of one tier.  Tasks, which are works on a background
 * workqueue, take units one at a time, or several at once where they are quick:
 *
 *	in a scope	pin the env, take a unit
 *	outside		compile it; the owner may be freed meanwhile
 *	in a scope	publish the result, take the next unit
 *
 * The promise is bgtoken's: when bgcompile_cancel() returns, no task is inside
 * a scope and none ever will be, no callback is running and none ever will, and
 * the owner may be freed.  The cancel does not wait for any unit.
 *
 * Who owns what:
 *
 *  - a unit belongs to the library from a successful bgcompile_add_units()
 *    until free_unit is called for it, which happens exactly once, in process
 *    context, outside of scopes, possibly after the owner has been freed;
 *  - the env belongs to a task from get_env to put_env; it must not point into
 *    the owner;
 *  - a callback belongs to the caller again as soon as it is told of the final
 *    event, or once bgcompile_cancel() has returned;
 *  - a callback is called by whoever triggers the event: by a task, or by the
 *    caller of bgcompile_add_units() or bgcompile_add_callback(), from within that
 *    call and so under whatever locks that caller holds.  Meanwhile other tasks in
 *    scopes carry on, and leave any further events to the same caller: so an add
 *    may return before a callback has been told, or only after it has been told of
 *    units that others have finished;
 *  - whoever calls any of these functions keeps the owner alive for the duration
 *    of the call.  This includes waiters in bgcompile_wait(): a cancel wakes them,
 *    but does not wait for them to leave;
 *  - the workqueue outlives the state: cancel the state, then destroy the workqueue.
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
 * Each event comes at most once, and exactly one final event comes, unless the state is
 * cancelled first.  A state without units of a tier has finished that tier.  Being
 * cancelled is not an event.
 */
enum bgcompile_event {
	BGCOMPILE_BASELINE_FINISHED,
	BGCOMPILE_TOP_FINISHED,
	BGCOMPILE_FAILED,
	BGCOMPILE_EVENTS,
};

/**
 * struct bgcompile_unit - one piece of compilation, embedded in the caller's structure
 * @tier:	which tier it is for
 * @size:	its cost as far as known, in any measure that the caller likes;
 *		compared with bgcompile_params.big_size and with other units
 * @features:	set by the compile step: the features it found in use, as a mask
 *		that the caller defines
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
 * struct bgcompile_ops - operations that a state's owner provides
 * @get_env:	pin what one task's compile steps need, separately from the
 *		owner.  Inside a scope; may sleep.  Returns the env, or NULL or an
 *		ERR_PTR, which fails the state (NULL with -ENOMEM), unless this is the
 *		first run of a task that was started only to help others, which are
 *		still running.  Optional, together with @put_env; without them the
 *		env is NULL.
 * @put_env:	unpin it.  Outside of scopes; the owner may be gone.
 * @compile:	compile a unit.  Outside of scopes; may sleep and take a long time.
 *		May check bgtoken_cancelled(@token) or use bgtoken_sleep() in order
 *		to return early, and may bgtoken_cancel() the token, but not pause
 *		it: a state cannot be paused.  Stores its result in the unit.
 *		Returns 0 or a negative errno.
 * @publish:	hand the unit's result to the owner.  Inside a scope; may sleep.
 *		Returns 0 or a negative errno, as @compile does.
 * @free_unit:	free a unit and whatever is left of its result, published or not.
 *		Called exactly once for each unit added.  Process context, outside
 *		of scopes of this state; the owner may be gone.  By a task or, for units
 *		that no task has taken, by bgcompile_cancel(), under whatever locks its
 *		caller holds.
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
 * struct bgcompile_params - how a state works; 0 means the default
 * @kind:	the token's kind: BGTOKEN_MUTEX (the default), BGTOKEN_SHARED or
 *		BGTOKEN_PERCPU
 * @max_tasks:	tasks at a time, at most 1024 (default: the number of online CPUs)
 * @slice_ms:	how long a task runs before it requeues itself, in ms (default
 *		50); each later task gets another 5 ms, so that they do not all
 *		requeue at once.  A task finishes at least one unit per run
 * @big_size:	units of at least this size go before the others of their tier,
 *		the largest first (default: none do)
 * @tiers:	mask of BIT(BGCOMPILE_BASELINE) and BIT(BGCOMPILE_TOP) (default:
 *		both)
 * @batch:	how many units of one tier a task takes in one scope, compiles,
 *		and publishes together in the next; at most 64, none of them
 *		larger than the first; a big unit goes alone.  By default (0) a
 *		task takes one unit, doubles that each time if all were done
 *		within a ms, and begins none after the tick; so long units go one
 *		by one, and tiny ones do not cost a scope each.
 *		A unit that is slow, without its size saying so, holds up those
 *		already done and those behind it in its batch: use 1 if units vary
 *		in length, or if each result is wanted at once.  A cancel waits
 *		for no more than one publish
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
 *		compiled, or being published
 * @events:	mask of BIT(enum bgcompile_event): the events so far
 * @error:	0, or why the state failed
 * @features:	all features that tasks have reported
 *
 * After a cancel, nothing is brought up to date: what tasks have, for instance, is what
 * they had then.
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
 *		a task or from within a call that adds units or callbacks.  @error is
 *		0 except for BGCOMPILE_FAILED.  May sleep, and may free the callback if
 *		the event is final.  May call no function on this state except
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
 * Functions that are passed one get to the owner with container_of().
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
 * bgcompile_init() - initialise a compile state
 * @_state:	embedded in the owner; uninitialised
 * @_wq:	where its tasks run; outlives the state
 * @_ops:	the owner's operations; outlive all tasks, as code does
 * @_params:	copied; NULL for all defaults
 *
 * Undone by bgcompile_cancel().
 *
 * Context: Process context; may sleep.
 * Return: 0; -EINVAL if something mandatory is missing, a tier or the kind is unknown, a
 * parameter is above its maximum, or the kind is BGTOKEN_SPIN; or -ENOMEM.  On error there
 * is nothing to undo.
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
 * Calls bgtoken_cancel() on the state's token, which also wakes waiters; then forgets
 * the callbacks and releases the units: those being compiled are freed by the task
 * compiling them, the rest by the last task to exit.  The caller itself frees the rest
 * only if all tasks have exited meanwhile; otherwise the cost does not depend on the
 * number of units.
 *
 * Context: Process context; may sleep.  Not inside a scope of this state: that
 * is a deadlock, which lockdep reports.
 * Return: True for one call, whose caller may now free the owner, once no other
 * call on the state is in progress.  False for any other call, which gets the
 * same guarantee, but not the owner.
 */
static inline bool bgcompile_cancel(struct bgcompile *state)
{
	return bgcompile_cancel_nested(state, 0);
}

/**
 * bgcompile_unit_init() - initialise a unit, to be added
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
