// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgcompile: compilation in the background, in tiers, cancellable at once.
 *
 * The contract is in bgcompile.h; here is why it holds.
 *
 * How things are reached
 * ======================
 *
 * The state is what its token guards.  Tasks reach it only inside a scope; the
 * functions that the owner calls rely on the owner being kept alive.
 *
 * The queue of units is an object of its own, with a reference for the state
 * and one for each task.  Units are put in and taken out only inside a scope.
 * By the time the last reference is dropped, no scope can begin any more, and
 * whoever drops it frees what is left in the queue: the last task to exit, or a
 * cancel if all tasks have exited before it; never bgcompile_add_units().  A cancel
 * that finds a task running costs the same for ten units as for ten thousand.  A unit
 * that a task has taken out belongs to the task until it frees the unit or puts it
 * back.
 *
 * Tasks
 * =====
 *
 * A task is a work that lives from its start, by bgcompile_add_units() or by a task
 * that puts units back, until it finds nothing to do; progress.tasks counts them.  A
 * task is uncounted in the same critical section of state->lock in which it finds the
 * queue empty, and units are added and tasks counted in a single critical section, too.
 * So either the adder sees that the task is gone and starts another, or the task sees
 * the units.
 *
 * A task that finds the token cancelled simply exits: there is nothing left to
 * account to.  A task that is dropped because its workqueue is closing under a live
 * state, which violates the teardown order, fails that state when it is released, so
 * that nobody waits for the state forever.
 *
 * References, all dropped in process context except the token's:
 *
 *	token	the state's, from bgcompile_init() to bgcompile_cancel(); each
 *		task's, as its work's; a caller's, for the duration of its call
 *	queue	the state's, from bgcompile_init() to bgcompile_cancel(); each
 *		task's, from bgcompile_start() to bgcompile_task_release()
 *	task	the starter's, until the task is started or freed; the workqueue's
 *	env	a task's, from its first scope in a run to the end of that run
 *
 * Batches
 * =======
 *
 * One scope per unit is right where units are long, but is most of the cost where
 * they take a us.  So a task that has published its previous batch and compiled
 * the current one within BATCH_NS takes twice as many units next time: that is one
 * mechanism for both, and the clock is read for the slice anyway.  A task begins no
 * unit of a batch after the tick in which it took the batch, but puts the rest back,
 * and starts tasks for the rest if some have exited meanwhile; then it takes one unit
 * again.  No batch extends past a unit known to be larger than its first.  So a unit
 * that turns out to be slow holds up, once, what was done before it in the same tick
 * and what is behind it in the batch.
 *
 * Telling events
 * ==============
 *
 * progress.events only ever gains bits, in bgcompile_settle(), and none once the
 * token is cancelled; for a failure that is checked when progress.error is set, so
 * that there is no error without its event.  Each callback has a mask of what it has
 * been told.  Whoever is in a scope and finds a difference does the telling, with
 * state->telling as the right to do so: with BGTOKEN_SHARED several may find one, and
 * letting a single one of them tell everything keeps the events in order.
 *
 * Waiters sleep where bgtoken_sleep() does, on the token, so that a cancel of the
 * token, by anyone, wakes them.  To lockdep, a task holds its token's works map for as
 * long as it runs, and a waiter acquires it: so lockdep reports a wait under a lock
 * that compile, publish or free_unit takes, and a wait inside a scope that tasks have
 * to wait for.
 *
 * Protection
 * ==========
 *
 * I: set at init, then only read.
 * L: state->lock, which is never held while any code of the owner's is called.
 *    The token's scope would do, if it were not for BGTOKEN_SHARED and for
 *    bgcompile_progress(), which must not wait for a publish that sleeps.
 */
#include <linux/ktime.h>
#include <linux/list_sort.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "bgcompile.h"

#define LIVE_PREFIX	bgcompile
#include "live.h"

#define CREATE_TRACE_POINTS
#include "bgcompile_trace.h"

#define SLICE_MS	50	/* as in V8: long enough to hide the requeueing */
#define STAGGER_MS	5
#define MAX_TASKS	1024
#define MAX_BATCH	64
#define BATCH_NS	NSEC_PER_MSEC

enum { BIG, REST, CLASSES };

/* Taken from the front.  BIG is sorted, the largest first. */
struct bgcompile_units {
	struct list_head list[BGCOMPILE_TIERS][CLASSES];
	unsigned int count[BGCOMPILE_TIERS];	/* for an adder; not kept up to date */
};

struct bgcompile_queue {
	struct kref kref;
	const struct bgcompile_ops *ops;	/* I */
	struct bgcompile_units units;	/* L, or whoever drops the last reference */
};

struct bgcompile_task {
	struct bgtoken_work work;
	struct list_head node;		/* on the starter's list */
	struct bgcompile_queue *queue;	/* I, from its start */
	u64 slice_ns;			/* I, from its start */
	unsigned int batch;		/* I, from its start; 0: it grows */
	bool spare;			/* until its first run: other tasks exist */
	bool counted;			/* L: in progress.tasks */
	/* of one run */
	void *env;
	u64 now;			/* as of the last look at the clock */
	u64 deadline;
	unsigned long features;
	unsigned int growing;		/* how many to take next */
	enum bgcompile_tier tier;	/* of the units taken: */
	struct list_head taken;		/* not yet compiled */
	struct list_head compiled;
	struct list_head doomed;	/* to be freed, and no more */
	struct list_head helpers;	/* tasks, for the units put back */
};

LIVE_COUNTER(states, "how many compile states are alive");
LIVE_COUNTER(units, "how many units the library owns");

/* Units */

static void bgcompile_units_init(struct bgcompile_units *units)
{
	int tier, class;

	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		units->count[tier] = 0;
		for (class = 0; class < CLASSES; class++)
			INIT_LIST_HEAD(&units->list[tier][class]);
	}
}

/* Append all units to @list, in the order in which they would be taken. */
static void bgcompile_units_to_list(struct bgcompile_units *units,
				    struct list_head *list)
{
	int tier, class;

	for (tier = 0; tier < BGCOMPILE_TIERS; tier++)
		for (class = 0; class < CLASSES; class++)
			list_splice_tail_init(&units->list[tier][class], list);
}

static struct bgcompile_unit *bgcompile_units_first(struct bgcompile_units *units)
{
	struct bgcompile_unit *unit;
	int tier, class;

	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		for (class = 0; class < CLASSES; class++) {
			unit = list_first_entry_or_null(&units->list[tier][class],
							struct bgcompile_unit,
							node);
			if (unit)
				return unit;
		}
	}
	return NULL;
}

/* Insert sorted units into sorted ones; equals keep the order of adding. */
static void bgcompile_merge(struct list_head *from, struct list_head *into)
{
	struct bgcompile_unit *unit, *next;
	struct list_head *pos = into->next;

	if (list_empty(into)) {
		list_splice_init(from, into);
		return;
	}
	list_for_each_entry_safe(unit, next, from, node) {
		while (pos != into &&
		       list_entry(pos, struct bgcompile_unit, node)->size >= unit->size)
			pos = pos->next;
		list_move_tail(&unit->node, pos);
	}
}

static void bgcompile_units_move(struct bgcompile_units *from,
				 struct bgcompile_units *into)
{
	int tier;

	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		bgcompile_merge(&from->list[tier][BIG], &into->list[tier][BIG]);
		list_splice_tail_init(&from->list[tier][REST],
				      &into->list[tier][REST]);
	}
}

static int bgcompile_larger_first(void *priv, const struct list_head *a,
				  const struct list_head *b)
{
	return list_entry(a, struct bgcompile_unit, node)->size <
	       list_entry(b, struct bgcompile_unit, node)->size;
}

static bool bgcompile_big(const struct bgcompile_unit *unit,
			  const struct bgcompile_params *params)
{
	return params->big_size && unit->size >= params->big_size;
}

/* The list in @units that a unit belongs to, or NULL if it is refused. */
static struct list_head *bgcompile_units_list(struct bgcompile_units *units,
					      const struct bgcompile_unit *unit,
					      const struct bgcompile_params *params)
{
	if (unit->tier >= BGCOMPILE_TIERS || !(params->tiers & BIT(unit->tier)))
		return NULL;
	return &units->list[unit->tier][bgcompile_big(unit, params) ? BIG : REST];
}

/*
 * Distribute the units to their lists; neighbours that go to the same one are moved
 * together.  If one is refused, all are put back, perhaps in another order.
 */
static int bgcompile_units_sort(struct bgcompile_units *units,
				struct list_head *list,
				const struct bgcompile_params *params)
{
	struct list_head *into, *last;
	struct bgcompile_unit *unit;
	int tier;

	bgcompile_units_init(units);
	while (!list_empty(list)) {
		LIST_HEAD(chunk);

		last = list->next;
		unit = list_entry(last, struct bgcompile_unit, node);
		tier = unit->tier;
		into = bgcompile_units_list(units, unit, params);
		if (!into) {
			bgcompile_units_to_list(units, &chunk);
			list_splice(&chunk, list);
			return -EINVAL;
		}
		list_for_each_entry(unit, list, node) {
			if (bgcompile_units_list(units, unit, params) != into)
				break;
			last = &unit->node;
			units->count[tier]++;
		}
		list_cut_position(&chunk, list, last);
		list_splice_tail(&chunk, into);
	}
	for (tier = 0; tier < BGCOMPILE_TIERS; tier++)
		list_sort(NULL, &units->list[tier][BIG], bgcompile_larger_first);
	return 0;
}

static unsigned int bgcompile_free_units(const struct bgcompile_ops *ops,
					 struct list_head *list)
{
	struct bgcompile_unit *unit, *next;
	unsigned int count = 0;

	if (list_empty(list))
		return 0;
	list_for_each_entry_safe(unit, next, list, node) {
		ops->free_unit(unit);
		count++;
		cond_resched();
	}
	INIT_LIST_HEAD(list);
	live_add(units, -(long)count);
	return count;
}

static void bgcompile_queue_free(struct kref *kref)
{
	struct bgcompile_queue *queue =
		container_of(kref, struct bgcompile_queue, kref);
	unsigned int dropped;
	LIST_HEAD(units);

	bgcompile_units_to_list(&queue->units, &units);
	dropped = bgcompile_free_units(queue->ops, &units);
	trace_bgcompile_queue_free(queue, dropped);
	kfree(queue);
}

/* (queue.pml: queue_put) */
static void bgcompile_queue_put(struct bgcompile_queue *queue)
{
	kref_put(&queue->kref, bgcompile_queue_free);
}

/* Events */

/*
 * See which events have come; true if some have (queue.pml: settle).  In a scope.  Waiters
 * check under state->lock, too: either they see the events or they are seen here.  Being
 * cancelled is not an event, and no tier finishes after that.
 */
static bool bgcompile_settle(struct bgcompile *state, struct bgtoken *token)
	__must_hold(&state->lock)
{
	struct bgcompile_progress *p = &state->progress;
	unsigned int events = p->events;
	int tier, event;

	lockdep_assert_held(&state->lock);
	if (p->error) {
		p->events |= BIT(BGCOMPILE_FAILED);	/* see bgcompile_fail() */
	} else if (!bgtoken_cancelled(token)) {
		/* A tier has finished when it is settled and so are those before. */
		for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
			if (p->done[tier] + p->failed[tier] != p->total[tier])
				break;
			p->events |= BIT(BGCOMPILE_BASELINE_FINISHED + tier);
		}
	}
	if (p->events == events)
		return false;
	for (event = 0; event < BGCOMPILE_EVENTS; event++)
		if ((p->events & ~events) & BIT(event))
			trace_bgcompile_event(token, event, p->error);
	wake_up_var(&token->owner);	/* under state->lock (lock-wakes-wait) */
	return true;
}

static bool bgcompile_final(unsigned int events)
{
	return events & (BIT(BGCOMPILE_TOP_FINISHED) | BIT(BGCOMPILE_FAILED));
}

/* A callback that has not been told of @event, the earliest such event; or NULL. */
static struct bgcompile_callback *
bgcompile_untold(struct bgcompile *state, enum bgcompile_event *event)
{
	struct bgcompile_callback *cb;

	for (*event = 0; *event < BGCOMPILE_EVENTS; (*event)++) {
		if (!(state->progress.events & BIT(*event)))
			continue;
		list_for_each_entry(cb, &state->callbacks, node)
			if (!(cb->told & BIT(*event)))
				return cb;
	}
	return NULL;
}

/* In a scope, without state->lock.  Once cancelled, nothing is told (queue.pml: tell). */
static void bgcompile_tell(struct bgcompile *state, struct bgtoken *token)
{
	struct bgcompile_callback *cb;
	enum bgcompile_event event;
	unsigned long flags;
	int error;

	spin_lock_irqsave(&state->lock, flags);
	while (!state->telling && !bgtoken_cancelled(token)) {
		cb = bgcompile_untold(state, &event);
		if (!cb)
			break;
		cb->told |= BIT(event);
		if (bgcompile_final(BIT(event)))
			list_del_init(&cb->node);	/* the caller's again */
		error = state->progress.error;

		state->telling = true;
		spin_unlock_irqrestore(&state->lock, flags);
		cb->fn(cb, event, event == BGCOMPILE_FAILED ? error : 0);
		spin_lock_irqsave(&state->lock, flags);
		state->telling = false;
	}
	spin_unlock_irqrestore(&state->lock, flags);
}

/*
 * The first error wins, unless it comes after the end: after a cancel, or from a
 * task that had nothing left to do.  Units that were not started never will be
 * (queue.pml: fail).  The caller goes on to bgcompile_settle() before it drops the lock.
 */
static void bgcompile_fail(struct bgcompile *state, struct bgtoken *token,
			   int error, struct list_head *doomed)
	__must_hold(&state->lock)
{
	lockdep_assert_held(&state->lock);
	if (bgcompile_final(state->progress.events) || bgtoken_cancelled(token))
		return;
	WRITE_ONCE(state->progress.error, error);
	bgcompile_units_to_list(&state->queue->units, doomed);
}

/* Tasks: their start */

static void bgcompile_task_run(struct bgtoken_work *work);
static void bgcompile_task_release(struct bgtoken_work *work);

/* Free tasks that were not started. */
static void bgcompile_put_tasks(struct list_head *tasks)
{
	struct bgcompile_task *task, *next;

	list_for_each_entry_safe(task, next, tasks, node) {
		list_del(&task->node);
		bgtoken_work_put(&task->work);
	}
}

static int bgcompile_alloc_tasks(struct list_head *tasks, unsigned int count,
				 struct bgtoken *token, gfp_t gfp)
{
	struct bgcompile_task *task;

	while (count--) {
		task = kzalloc(sizeof(*task), gfp);
		if (!task)
			return -ENOMEM;
		bgtoken_work_init(&task->work, token, bgcompile_task_run,
				  bgcompile_task_release);
#ifdef CONFIG_LOCKDEP
		/* For each place where states are initialised: see bgtoken_work_class(). */
		lockdep_copy_map(&task->work.work.lockdep_map, __bgtoken_works_map(token));
#endif
		list_add_tail(&task->node, tasks);
	}
	return 0;
}

/*
 * Start as many tasks as are missing; 0 if there is then at least one (queue.pml: start_task).
 * In a scope, so that no put in here is the queue's last.  The put of a task that has already
 * run may be its last one: under a lock, that is left to the library's workqueue, and so are
 * the units that it then frees.  Afterwards it could be the caller who frees them, under
 * whatever locks it holds.
 */
static int bgcompile_start(struct bgcompile *state, struct list_head *tasks)
	__must_hold(&state->lock)
{
	struct bgcompile_progress *p = &state->progress;
	struct bgcompile_task *task, *next;

	lockdep_assert_held(&state->lock);
	list_for_each_entry_safe(task, next, tasks, node) {
		if (p->tasks == state->params.max_tasks)
			break;
		task->queue = state->queue;
		kref_get(&task->queue->kref);	/* bgcompile_task_release() */
		task->batch = state->params.batch;
		task->slice_ns = NSEC_PER_MSEC * (state->params.slice_ms +
						  (u64)STAGGER_MS * p->tasks);
		if (!bgtoken_queue_work(state->wq, &task->work)) {
			bgcompile_queue_put(task->queue);
			task->queue = NULL;
			break;
		}
		task->counted = true;
		p->tasks++;
		list_del(&task->node);
		bgtoken_work_put(&task->work);	/* bgcompile_alloc_tasks() */
	}
	if (p->tasks || list_empty(tasks))
		return 0;
	return bgtoken_cancelled(state->token) ? -ECANCELED : -ESHUTDOWN;
}

/* Tasks: in a scope */

static void bgcompile_stop(struct bgcompile *state, struct bgcompile_task *task)
	__must_hold(&state->lock)
{
	lockdep_assert_held(&state->lock);
	task->counted = false;
	state->progress.tasks--;
	trace_bgcompile_task_stop(task->work.token, state->progress.tasks);
}

/*
 * The first unit, and as many of those behind it as go into a batch.  A big unit is a
 * batch by itself: others may have to wait for it, but need not wait for this very task;
 * and so is a unit that is larger than the first.
 */
static void bgcompile_take_batch(struct bgcompile *state,
				 struct bgcompile_task *task,
				 struct bgcompile_unit *unit)
	__must_hold(&state->lock)
{
	struct list_head *list = &task->queue->units.list[unit->tier][REST];
	struct list_head *last = &unit->node;
	unsigned int most = task->batch ?: task->growing;
	const size_t first_size = unit->size;
	unsigned int count = 1;

	task->tier = unit->tier;
	if (list_is_first(last, list)) {
		while (count < most && !list_is_last(last, list) &&
		       list_next_entry(unit, node)->size <= first_size) {
			unit = list_next_entry(unit, node);
			last = &unit->node;
			count++;
		}
		list_cut_position(&task->taken, list, last);
	} else {
		list_move(last, &task->taken);
	}
	state->progress.compiling += count;
}

/*
 * Give a task its next batch; or none, with the task either requeued or accounted
 * for as stopped.  A task that is cancelled simply exits, and so does one that cannot
 * be requeued: its release takes care of the rest (queue.pml: next).
 */
static void bgcompile_next(struct bgcompile *state, struct bgcompile_task *task,
			   bool may_yield)
	__must_hold(&state->lock)
{
	struct bgcompile_progress *p = &state->progress;
	struct bgtoken *token = task->work.token;
	struct bgcompile_unit *unit;

	lockdep_assert_held(&state->lock);
	if (bgtoken_cancelled(token))
		return;
	unit = bgcompile_units_first(&task->queue->units);

	if (!unit) {
		bgcompile_stop(state, task);
	} else if (may_yield && task->now > task->deadline) {
		if (bgtoken_queue_work(state->wq, &task->work))
			trace_bgcompile_task_yield(token, p->tasks);
	} else {
		bgcompile_take_batch(state, task, unit);
	}
}

/* Step 1: pin the env, take a batch (queue.pml: run_task). */
static void bgcompile_begin(struct bgcompile *state, struct bgcompile_task *task)
{
	struct bgtoken *token = task->work.token;
	const struct bgcompile_ops *ops = state->ops;
	unsigned long flags;
	int error = 0;
	bool idle;

	/* A spare task that gets no env must not fail what others have completed. */
	spin_lock_irqsave(&state->lock, flags);
	idle = !bgcompile_units_first(&task->queue->units);
	trace_bgcompile_task_begin(token, ops->compile);
	if (idle)
		bgcompile_stop(state, task);
	spin_unlock_irqrestore(&state->lock, flags);
	if (idle)
		return;

	if (ops->get_env) {
		task->env = ops->get_env(state);
		if (IS_ERR_OR_NULL(task->env)) {
			error = task->env ? PTR_ERR(task->env) : -ENOMEM;
			task->env = NULL;
		}
	}
	spin_lock_irqsave(&state->lock, flags);
	if (error) {
		bgcompile_stop(state, task);
		if (!task->spare || !state->progress.tasks)
			bgcompile_fail(state, token, error, &task->doomed);
		bgcompile_settle(state, token);
	} else {
		task->spare = false;
		bgcompile_next(state, task, false);
	}
	spin_unlock_irqrestore(&state->lock, flags);
	if (error)
		bgcompile_tell(state, token);
}

/* What came of a batch. */
struct bgcompile_outcome {
	unsigned int compiled;
	unsigned int done;
	unsigned int failed;
	int error;		/* of a baseline unit: fails the state */
};

/* Results that come after a failure, or a cancel, are dropped. */
static void bgcompile_publish(struct bgcompile *state,
			      struct bgcompile_task *task,
			      struct bgcompile_outcome *outcome)
{
	struct bgtoken *token = task->work.token;
	struct bgcompile_unit *unit;
	int drop = 0;

	list_for_each_entry(unit, &task->compiled, node) {
		outcome->compiled++;
		if (!drop)	/* by a sibling, in a scope of BGTOKEN_SHARED? */
			drop = READ_ONCE(state->progress.error);
		if (drop) {
			trace_bgcompile_unit_drop(token, unit, drop);
			continue;
		}
		if (!unit->error)
			unit->error = state->ops->publish(state, unit);
		trace_bgcompile_unit_publish(token, unit, unit->error);
		if (!unit->error) {
			outcome->done++;
			task->features |= unit->features;
		} else {
			outcome->failed++;
			if (task->tier == BGCOMPILE_BASELINE) {
				outcome->error = unit->error;
				drop = unit->error;
			}
		}
		/* Publish may do that; or a cancel waits for this scope. */
		if (bgtoken_cancelled(token) && !drop)
			drop = -ECANCELED;
	}
}

/*
 * Put back the units that were not begun, and start other tasks for them, as tasks may
 * have exited while there was nothing else to do.  This task can do without them: if
 * there is no memory, or their get_env fails, it does it all (queue.pml: put_back).
 */
static void bgcompile_put_back(struct bgcompile *state, struct bgcompile_task *task)
	__must_hold(&state->lock)
{
	unsigned int count = list_count_nodes(&task->taken);
	struct bgcompile_task *helper;

	lockdep_assert_held(&state->lock);
	state->progress.compiling -= count;
	if (state->progress.error || bgtoken_cancelled(task->work.token)) {
		list_splice_init(&task->taken, &task->doomed);
		return;
	}
	list_splice_init(&task->taken, &task->queue->units.list[task->tier][REST]);
	task->growing = 1;
	count = min(count - 1, state->params.max_tasks - state->progress.tasks);
	bgcompile_alloc_tasks(&task->helpers, count, task->work.token,
			      GFP_NOWAIT | __GFP_NOWARN);
	list_for_each_entry(helper, &task->helpers, node)
		helper->spare = true;
	bgcompile_start(state, &task->helpers);
}

/* Count what was published; true if there is news. */
static bool bgcompile_account(struct bgcompile *state,
			      struct bgcompile_task *task,
			      const struct bgcompile_outcome *outcome)
	__must_hold(&state->lock)
{
	struct bgcompile_progress *p = &state->progress;
	struct bgtoken *token = task->work.token;

	lockdep_assert_held(&state->lock);
	p->compiling -= outcome->compiled;
	p->done[task->tier] += outcome->done;
	p->failed[task->tier] += outcome->failed;
	p->features |= task->features;
	if (outcome->error)
		bgcompile_fail(state, token, outcome->error, &task->doomed);
	if (!list_empty(&task->taken))
		bgcompile_put_back(state, task);
	return bgcompile_settle(state, token);
}

/* Step 3: publish a batch, take the next (queue.pml: run_task). */
static void bgcompile_finish(struct bgcompile *state, struct bgcompile_task *task)
{
	struct bgcompile_outcome outcome = {};
	unsigned long flags;

	bgcompile_publish(state, task, &outcome);

	spin_lock_irqsave(&state->lock, flags);
	if (bgcompile_account(state, task, &outcome)) {
		/* A callback may cancel: tell before the next are taken. */
		spin_unlock_irqrestore(&state->lock, flags);
		bgcompile_tell(state, task->work.token);
		spin_lock_irqsave(&state->lock, flags);
	}
	bgcompile_next(state, task, true);
	spin_unlock_irqrestore(&state->lock, flags);
}

/* Tasks: the loop */

/*
 * Step 2, for at least one unit, unless the token was cancelled after it was taken.
 * No further unit is begun after a failure that is fatal to the state, nor after the
 * tick.
 */
static void bgcompile_compile(struct bgcompile_task *task)
{
	const struct bgcompile_ops *ops = task->queue->ops;
	struct bgtoken *token = task->work.token;
	struct list_head *last = &task->taken;
	unsigned long tick = jiffies;
	struct bgcompile_unit *unit;

	list_for_each_entry(unit, &task->taken, node) {
		if (bgtoken_cancelled(token))
			break;
		last = &unit->node;
		trace_bgcompile_unit_begin(token, unit, 0);
		unit->error = ops->compile(unit, task->env, token);
		trace_bgcompile_unit_end(token, unit, unit->error);
		if (unit->error && task->tier == BGCOMPILE_BASELINE)
			break;
		if (time_after(jiffies, tick)) {
			if (!task->batch)
				break;
			cond_resched();
			tick = jiffies;
		}
	}
	list_cut_position(&task->compiled, &task->taken, last);
	cond_resched();
}

/* Before a scope: were the units taken quick? */
static void bgcompile_look_at_clock(struct bgcompile_task *task)
{
	u64 before = task->now;

	task->now = ktime_get_ns();
	if (task->now - before > BATCH_NS)
		task->growing = 1;
	else
		task->growing = min(2 * task->growing, MAX_BATCH);
}

/* What nobody is left to publish for. */
static void bgcompile_drop(struct bgcompile_task *task)
{
	struct bgcompile_unit *unit;

	list_splice_tail_init(&task->taken, &task->compiled);
	list_for_each_entry(unit, &task->compiled, node)
		trace_bgcompile_unit_drop(task->work.token, unit, -ECANCELED);
}

static void bgcompile_task_run(struct bgtoken_work *work)
{
	struct bgcompile_task *task =
		container_of(work, struct bgcompile_task, work);
	const struct bgcompile_ops *ops = task->queue->ops;
	struct bgtoken *token = work->token;

	task->env = NULL;
	task->now = ktime_get_ns();
	task->deadline = task->now + task->slice_ns;
	task->features = 0;
	task->growing = 1;
	INIT_LIST_HEAD(&task->taken);
	INIT_LIST_HEAD(&task->compiled);
	INIT_LIST_HEAD(&task->doomed);
	INIT_LIST_HEAD(&task->helpers);

	scoped_bgtoken(token, struct bgcompile *, state)
		bgcompile_begin(state, task);

	while (!list_empty(&task->taken)) {
		struct bgcompile *state;

		bgcompile_compile(task);
		bgcompile_look_at_clock(task);
		state = bgtoken_enter(token);
		if (state) {
			bgcompile_finish(state, task);
			bgtoken_exit(token);
		} else {
			bgcompile_drop(task);
		}
		bgcompile_free_units(ops, &task->compiled);
		bgcompile_put_tasks(&task->helpers);
	}
	bgcompile_free_units(ops, &task->doomed);
	if (task->env)
		ops->put_env(task->env);	/* taken in bgcompile_begin() */
}

/* In a scope: a task that is still counted will not run again (queue.pml: put_task). */
static void bgcompile_abandoned(struct bgcompile *state,
				struct bgcompile_task *task,
				struct list_head *doomed)
{
	unsigned long flags;

	spin_lock_irqsave(&state->lock, flags);
	bgcompile_stop(state, task);
	bgcompile_fail(state, task->work.token, -ESHUTDOWN, doomed);
	bgcompile_settle(state, task->work.token);
	spin_unlock_irqrestore(&state->lock, flags);
	bgcompile_tell(state, task->work.token);
}

static void bgcompile_task_release(struct bgtoken_work *work)
{
	struct bgcompile_task *task =
		container_of(work, struct bgcompile_task, work);
	LIST_HEAD(doomed);

	if (task->counted)	/* nobody else is left to change it */
		scoped_bgtoken(work->token, struct bgcompile *, state)
			bgcompile_abandoned(state, task, &doomed);
	if (task->queue) {
		bgcompile_free_units(task->queue->ops, &doomed);
		bgcompile_queue_put(task->queue);	/* bgcompile_start() */
	}
	kfree(task);
}

/* The owner's side */

/* A reference on the token of a state that was not cancelled, or NULL. */
static struct bgtoken *bgcompile_get_token(struct bgcompile *state)
{
	struct bgtoken *token;
	unsigned long flags;

	spin_lock_irqsave(&state->lock, flags);
	token = state->token;
	if (token)
		bgtoken_get(token);
	spin_unlock_irqrestore(&state->lock, flags);
	return token;
}

int __bgcompile_init(struct bgcompile *state, struct bgtoken_wq *wq,
		     const struct bgcompile_ops *ops,
		     const struct bgcompile_params *params,
		     struct bgtoken_site *site)
{
	const unsigned int all_tiers = BIT(BGCOMPILE_TIERS) - 1;
	struct bgcompile_queue *queue;
	struct bgtoken *token;

	if (!state || IS_ERR_OR_NULL(wq) || !ops || !ops->compile ||
	    !ops->publish || !ops->free_unit || !ops->get_env != !ops->put_env)
		return -EINVAL;
	if (params && (params->tiers & ~all_tiers ||
		       params->max_tasks > MAX_TASKS ||
		       params->batch > MAX_BATCH ||
		       params->kind == BGTOKEN_SPIN))
		return -EINVAL;

	memset(state, 0, sizeof(*state));
	if (params)
		state->params = *params;
	if (!state->params.max_tasks)
		state->params.max_tasks = min_t(unsigned int, num_online_cpus(),
						MAX_TASKS);
	if (!state->params.slice_ms)
		state->params.slice_ms = SLICE_MS;
	if (!state->params.tiers)
		state->params.tiers = all_tiers;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	if (!queue)
		return -ENOMEM;
	token = __bgtoken_create(state, state->params.kind, GFP_KERNEL, site);
	if (IS_ERR(token)) {
		kfree(queue);
		return PTR_ERR(token);
	}
	kref_init(&queue->kref);	/* put in bgcompile_cancel() */
	queue->ops = ops;
	bgcompile_units_init(&queue->units);

	state->token = token;		/* put in bgcompile_cancel() */
	state->queue = queue;
	state->wq = wq;
	state->ops = ops;
	spin_lock_init(&state->lock);
	INIT_LIST_HEAD(&state->callbacks);
	live_inc(states);
	return 0;
}
EXPORT_SYMBOL_GPL(__bgcompile_init);

/* How many more tasks the units need than are running or have been allocated. */
static int bgcompile_missing(struct bgcompile *state,
			     const struct bgcompile_units *units,
			     struct list_head *tasks)
	__must_hold(&state->lock)
{
	unsigned int count = units->count[BGCOMPILE_BASELINE] +
			     units->count[BGCOMPILE_TOP];
	int wanted = min(count, state->params.max_tasks - state->progress.tasks);

	lockdep_assert_held(&state->lock);
	return wanted - (int)list_count_nodes(tasks);
}

/*
 * In a scope: take over all of the units or none; none if more tasks are needed first,
 * as some have exited while these were being allocated (queue.pml: add).
 */
static int bgcompile_take(struct bgcompile *state, struct bgtoken *token,
			  struct bgcompile_units *units,
			  struct list_head *tasks, int *missing)
{
	struct bgcompile_progress *p = &state->progress;
	unsigned long flags;
	int tier, error;

	spin_lock_irqsave(&state->lock, flags);
	*missing = bgcompile_missing(state, units, tasks);
	if (p->error)
		error = p->error;
	else if (bgcompile_final(p->events))
		error = -EALREADY;
	else if (*missing > 0)
		error = 0;
	else
		error = bgcompile_start(state, tasks);
	if (!error && *missing <= 0) {
		for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
			p->total[tier] += units->count[tier];
			live_add(units, units->count[tier]);
		}
		bgcompile_units_move(units, &state->queue->units);
		trace_bgcompile_units_add(token,
					  units->count[BGCOMPILE_BASELINE],
					  units->count[BGCOMPILE_TOP]);
		bgcompile_settle(state, token);
	}
	spin_unlock_irqrestore(&state->lock, flags);
	bgcompile_tell(state, token);
	return error;
}

/**
 * bgcompile_add_units() - hand units over to be compiled
 * @state:	the caller keeps its owner alive
 * @units:	list of units, from bgcompile_unit_add(); empty afterwards
 *
 * May be called again until the final event has come, which happens as soon as all
 * units added so far are done: units that belong together are best added in one call.
 * That is also cheaper: big units are merged into those already waiting, one by one
 * and with interrupts off.
 * If the first call has an empty list, the state is finished at once.
 *
 * Any call may tell events before it returns, and so under whatever locks the caller
 * holds: see struct bgcompile_callback.
 *
 * Context: Process context; may sleep.  Not inside a scope of this state.
 * Return: 0, and the units belong to the library.  On error they all still belong to
 * the caller, on the list, perhaps in another order: -EINVAL for a tier that
 * is unknown or not among the state's, -ENOMEM, -ECANCELED if the state is
 * cancelled, -EALREADY if it has finished, -ESHUTDOWN if its workqueue is
 * closing, or the error that the state failed with.
 */
int bgcompile_add_units(struct bgcompile *state, struct list_head *units)
{
	struct bgcompile_units sorted;
	struct bgtoken *token;
	unsigned long flags;
	int error, missing;
	LIST_HEAD(tasks);

	token = bgcompile_get_token(state);
	if (!token)
		return -ECANCELED;
	error = bgcompile_units_sort(&sorted, units, &state->params);
	if (error)
		goto put_token;

	spin_lock_irqsave(&state->lock, flags);
	missing = bgcompile_missing(state, &sorted, &tasks);
	spin_unlock_irqrestore(&state->lock, flags);
	do {
		error = bgcompile_alloc_tasks(&tasks, max(missing, 0), token, GFP_KERNEL);
		if (error)
			break;
		missing = 0;
		error = -ECANCELED;
		scoped_bgtoken(token, struct bgcompile *, alive)
			error = bgcompile_take(alive, token, &sorted, &tasks,
					       &missing);
	} while (!error && missing > 0);

	if (error)
		bgcompile_units_to_list(&sorted, units);
	bgcompile_put_tasks(&tasks);
put_token:
	bgtoken_put(token);
	return error;
}
EXPORT_SYMBOL_GPL(bgcompile_add_units);

/**
 * bgcompile_add_callback() - have a callback told of events
 * @state:	the caller keeps its owner alive
 * @cb:		with fn set; belongs to the library until it is told of the final
 *		event, or until bgcompile_cancel() has returned
 *
 * Events that have already come are told before this returns, or soon after that if
 * another task is telling events at the moment.
 *
 * Context: Process context; may sleep.  Not inside a scope of this state.
 * Return: 0, -EINVAL without a function, -ECANCELED if the state is cancelled.
 */
int bgcompile_add_callback(struct bgcompile *state,
			   struct bgcompile_callback *cb)
{
	struct bgtoken *token;
	int error = -ECANCELED;

	if (!cb || !cb->fn)
		return -EINVAL;
	token = bgcompile_get_token(state);	/* (queue.pml: add_callback) */
	if (!token)
		return -ECANCELED;
	scoped_bgtoken(token, struct bgcompile *, alive) {
		unsigned long flags;

		cb->told = 0;
		spin_lock_irqsave(&alive->lock, flags);
		list_add_tail(&cb->node, &alive->callbacks);
		spin_unlock_irqrestore(&alive->lock, flags);
		bgcompile_tell(alive, token);
		error = 0;
	}
	bgtoken_put(token);
	return error;
}
EXPORT_SYMBOL_GPL(bgcompile_add_callback);

/**
 * bgcompile_progress() - see where a state stands
 * @state:	the caller keeps its owner alive, or is inside a scope
 * @progress:	filled in; a consistent snapshot
 *
 * Context: Any that may take a spinlock_t.  Never waits for a scope.  Works on a
 * cancelled state, too.
 */
void bgcompile_progress(struct bgcompile *state,
			struct bgcompile_progress *progress)
{
	unsigned long flags;

	spin_lock_irqsave(&state->lock, flags);
	*progress = state->progress;
	spin_unlock_irqrestore(&state->lock, flags);
}
EXPORT_SYMBOL_GPL(bgcompile_progress);

static bool bgcompile_settled(struct bgcompile *state, unsigned int events)
{
	unsigned long flags;
	bool settled;

	spin_lock_irqsave(&state->lock, flags);
	settled = state->progress.events & events;
	spin_unlock_irqrestore(&state->lock, flags);
	return settled;
}

/* (queue.pml: wait) */
static long bgcompile_wait_for(struct bgcompile *state, enum bgcompile_event event,
			       long timeout)
{
	const unsigned int events = BIT(event) | BIT(BGCOMPILE_FAILED);
	struct bgcompile_progress progress;
	struct bgtoken *token;
	long left = -ECANCELED;

	if (event != BGCOMPILE_BASELINE_FINISHED &&
	    event != BGCOMPILE_TOP_FINISHED)
		return -EINVAL;
	token = bgcompile_get_token(state);
	if (token) {
		lock_map_acquire(__bgtoken_works_map(token));
		lock_map_release(__bgtoken_works_map(token));
		left = bgtoken_wait_event_killable_timeout(token,
							   bgcompile_settled(state, events),
							   timeout);
		if (!left && bgtoken_cancelled(token))	/* refused, and no time to wait */
			left = -ECANCELED;
		bgtoken_put(token);
	}
	bgcompile_progress(state, &progress);
	if (progress.events & BIT(event))
		return max(left, 1L);
	if (progress.events & BIT(BGCOMPILE_FAILED))
		return progress.error;
	return left;
}

/**
 * bgcompile_wait() - wait for a tier to finish
 * @state:	the caller keeps its owner alive for as long as it waits
 * @event:	BGCOMPILE_BASELINE_FINISHED or BGCOMPILE_TOP_FINISHED
 *
 * Waits for compile steps, so the caller must not hold a lock that they, publish or
 * free_unit take; lockdep reports that.  A caller that may be frozen must hold no lock at
 * all.
 *
 * Context: Process context; sleeps.  Not inside a scope of this state; nor in a compile
 * step or callback of a state initialised at the same place, which lockdep takes for
 * this one; nor in a work on its workqueue, unless that has room for its tasks as well.
 * Return: 0 if the event has come, the state's error if it failed first,
 * -ECANCELED if it was cancelled first, -EINTR if the caller is being killed,
 * -EINVAL for any other event.
 */
int bgcompile_wait(struct bgcompile *state, enum bgcompile_event event)
{
	return min(bgcompile_wait_for(state, event, MAX_SCHEDULE_TIMEOUT), 0L);
}
EXPORT_SYMBOL_GPL(bgcompile_wait);

/**
 * bgcompile_wait_timeout() - wait for a tier to finish, with a timeout
 * @state:	as for bgcompile_wait()
 * @event:	as for bgcompile_wait()
 * @timeout:	in jiffies
 *
 * Context: As bgcompile_wait().
 * Return: The jiffies left, at least 1, if the event has come; 0 if the timeout expired
 * first; errors as for bgcompile_wait().
 */
long bgcompile_wait_timeout(struct bgcompile *state, enum bgcompile_event event,
			    long timeout)
{
	return bgcompile_wait_for(state, event, timeout);
}
EXPORT_SYMBOL_GPL(bgcompile_wait_timeout);

/**
 * bgcompile_cancel_nested() - end a state inside a scope of another
 * @state:	the state to end
 * @subclass:	lockdep's, different from that of the enclosing scope
 *
 * For two states that were initialised at the same place.  Otherwise like
 * bgcompile_cancel().
 *
 * Context: As bgcompile_cancel().
 * Return: As bgcompile_cancel().
 */
bool bgcompile_cancel_nested(struct bgcompile *state, unsigned int subclass)
{
	struct bgcompile_queue *queue;
	struct bgtoken *token;
	unsigned long flags;

	token = bgcompile_get_token(state);
	if (!token)
		return false;
	bgtoken_cancel_nested(token, subclass);

	/*
	 * From here on there is no scope, which the list of callbacks is used in, only other
	 * calls by the owner (queue.pml: cancel).
	 */
	spin_lock_irqsave(&state->lock, flags);
	queue = state->queue;
	state->queue = NULL;
	state->token = NULL;
	spin_unlock_irqrestore(&state->lock, flags);

	if (queue) {
		bgcompile_queue_put(queue);	/* bgcompile_init() */
		bgtoken_put(token);		/* bgcompile_init() */
		live_dec(states);
	}
	bgtoken_put(token);	/* bgcompile_get_token() */
	return queue;
}
EXPORT_SYMBOL_GPL(bgcompile_cancel_nested);

/**
 * bgcompile_refuse() - the first half of a cancel
 * @state:	the caller keeps its owner alive, or is inside a scope
 *
 * Calls bgtoken_refuse() on the state's token: no new scope begins, nothing more is told,
 * and waiters get -ECANCELED.  The owner still has to call bgcompile_cancel().
 *
 * Context: Any that may take a spinlock_t.  Does not wait.
 */
void bgcompile_refuse(struct bgcompile *state)
{
	struct bgtoken *token = bgcompile_get_token(state);

	if (token)
		bgtoken_refuse(token);
	bgtoken_put(token);
}
EXPORT_SYMBOL_GPL(bgcompile_refuse);

/* The module */

static void __exit bgcompile_module_exit(void)
{
	live_check_none(states);
	live_check_none(units);
}
module_exit(bgcompile_module_exit);

static int __init bgcompile_module_init(void)
{
	return 0;
}
module_init(bgcompile_module_init);

MODULE_DESCRIPTION("Background compilation, cancellable at once");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
