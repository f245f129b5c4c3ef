// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compile states: created, given units, some of which fail, and cancelled at any moment.
 *
 * A state is embedded in its owner, which is freed as soon as the cancel has returned and
 * no other thread has borrowed it, to add units, wait, or cancel, too.  What its units need
 * is the env, on which each task has a reference.
 *
 * Most states share a workqueue.  One in a while has its own, which is destroyed while its tasks
 * are at work: after the cancel, as bgcompile.h wants it, or too early, when nobody adds units any
 * more: then the state must fail, and whoever waits for it must be told.
 */
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>

#include "torture.h"

#define MOST_UNITS	48
#define ALIVE		0xa11fe0a11fe0UL
#define POISON		0xdeadbeefUL

struct state {
	unsigned long canary;
	struct bgcompile compile;
	struct bgcompile_callback callback;
	atomic_t told;
	struct state_env *env;		/* a reference */
	struct bgtoken_wq *own_wq;	/* or NULL, and the common one is used */
	atomic_t borrowers;
	atomic_t first;			/* cancels that were the first */
};

struct state_env {
	struct kref kref;
};

struct unit {
	struct bgcompile_unit unit;
	int error;			/* what its compile step is to return */
	int publish_error;
	atomic_t compiled;
};

static struct bgtoken_wq *units_wq;
static DEFINE_SPINLOCK(lent_lock);
static struct state *lent;		/* by the thread that created it, or NULL */

static struct state *to_state(struct bgcompile *compile)
{
	struct state *state = container_of(compile, struct state, compile);

	if (READ_ONCE(state->canary) != ALIVE)
		torture_fail("a scope of a compile state has no owner");
	return state;
}

static void env_free(struct kref *kref)
{
	kfree(container_of(kref, struct state_env, kref));
	torture_count(ENVS_FREED);
}

static void *get_env(struct bgcompile *compile)
{
	struct state_env *env = to_state(compile)->env;

	if (torture_odds_no_env && !(get_random_u32() % torture_odds_no_env))
		return NULL;
	kref_get(&env->kref);
	return env;
}

static void put_env(void *data)
{
	struct state_env *env = data;

	kref_put(&env->kref, env_free);
}

static int compile_unit(struct bgcompile_unit *bgunit, void *data, struct bgtoken *token)
{
	struct unit *unit = container_of(bgunit, struct unit, unit);
	struct rnd_state rnd;

	prandom_seed_state(&rnd, get_random_u64());
	if (atomic_inc_return(&unit->compiled) != 1)
		torture_fail("a unit is compiled again");
	torture_delay(&rnd, true);
	return unit->error;
}

static int publish_unit(struct bgcompile *compile, struct bgcompile_unit *bgunit)
{
	struct unit *unit = container_of(bgunit, struct unit, unit);

	to_state(compile);	/* is it there? */
	if (unit->publish_error)
		return unit->publish_error;
	torture_count(UNITS_PUBLISHED);
	return 0;
}

static void free_unit(struct bgcompile_unit *bgunit)
{
	kfree(container_of(bgunit, struct unit, unit));
	torture_count(UNITS_FREED);
}

static const struct bgcompile_ops ops = {
	.get_env = get_env,
	.put_env = put_env,
	.compile = compile_unit,
	.publish = publish_unit,
	.free_unit = free_unit,
};

static void event_told(struct bgcompile_callback *cb, enum bgcompile_event event, int error)
{
	struct state *state = container_of(cb, struct state, callback);
	int told;

	if (READ_ONCE(state->canary) != ALIVE)
		torture_fail("a callback has no owner");
	told = atomic_fetch_or(BIT(event), &state->told);
	if (told & BIT(event))
		torture_fail("a callback is told of event %d again", event);
	if (told & (BIT(BGCOMPILE_TOP_FINISHED) | BIT(BGCOMPILE_FAILED)))
		torture_fail("a callback is told of event %d after the end, %x", event, told);
	if (event == BGCOMPILE_TOP_FINISHED && !(told & BIT(BGCOMPILE_BASELINE_FINISHED)))
		torture_fail("a callback is told of the top tier first");
}

/* A tier that has finished may get more units, until all have. */
static void look_at_progress(struct state *state, bool all_finished)
{
	struct bgcompile_progress p;
	int tier;

	bgcompile_progress(&state->compile, &p);
	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		if (p.done[tier] + p.failed[tier] > p.total[tier])
			torture_fail("tier %d: %u done, %u failed, of %u", tier, p.done[tier],
				     p.failed[tier], p.total[tier]);
		if (all_finished && p.done[tier] + p.failed[tier] != p.total[tier])
			torture_fail("tier %d has finished: %u done, %u failed, of %u", tier,
				     p.done[tier], p.failed[tier], p.total[tier]);
	}
	if (p.error && !(p.events & BIT(BGCOMPILE_FAILED)))
		torture_fail("an error without its event: %d", p.error);
}

/* Return: whether the state has taken them. */
static bool add_units(struct torture_thread *me, struct state *state)
{
	int n = 1 + torture_below(me, MOST_UNITS), i;
	struct bgcompile_unit *bgunit, *next;
	LIST_HEAD(units);

	for (i = 0; i < n; i++) {
		struct unit *unit = kzalloc(sizeof(*unit), GFP_KERNEL);

		if (!unit)
			break;
		if (torture_one_in(me, torture_odds_bad_units))
			unit->error = -EIO;
		else if (torture_one_in(me, torture_odds_bad_results))
			unit->publish_error = -ENOSPC;
		bgcompile_unit_init(&unit->unit, torture_below(me, BGCOMPILE_TIERS),
				    torture_below(me, 1000));
		bgcompile_unit_add(&unit->unit, &units);
	}
	if (!bgcompile_add_units(&state->compile, &units)) {
		this_cpu_add(torture_counts[UNITS_ADDED], i);
		return true;
	}
	list_for_each_entry_safe(bgunit, next, &units, node)
		kfree(container_of(bgunit, struct unit, unit));
	return false;
}

static struct state *state_create(struct torture_thread *me)
{
	static const enum bgtoken_kind kinds[] = {
		BGTOKEN_MUTEX, BGTOKEN_SHARED, BGTOKEN_PERCPU
	};
	struct bgcompile_params params = {
		.kind = kinds[torture_below(me, ARRAY_SIZE(kinds))],
		.max_tasks = torture_below(me, 5),
		.big_size = torture_one_in(me, 2) ? 900 : 0,
		.batch = torture_one_in(me, 2) ? 1 + torture_below(me, 8) : 0,
	};
	struct state *state = kzalloc(sizeof(*state), GFP_KERNEL);
	struct state_env *env = kzalloc(sizeof(*env), GFP_KERNEL);
	struct bgtoken_wq *own_wq = NULL;

	if (torture_one_in(me, torture_odds_own_wq))
		own_wq = bgtoken_wq_create("torture_own", WQ_UNBOUND, 0);
	if (!state || !env || IS_ERR(own_wq) ||
	    bgcompile_init(&state->compile, own_wq ?: units_wq, &ops, &params)) {
		bgtoken_wq_destroy(own_wq);
		kfree(state);
		kfree(env);
		torture_count(NO_MEMORY);
		return NULL;
	}
	state->own_wq = own_wq;
	kref_init(&env->kref);
	state->env = env;
	state->canary = ALIVE;
	state->callback.fn = event_told;
	torture_count(STATES);		/* and an env each */
	return state;
}

static void lend(struct state *state)
{
	spin_lock(&lent_lock);
	if (!lent)
		lent = state;
	spin_unlock(&lent_lock);
}

/* Returns once nobody has borrowed it. */
static void take_back(struct state *state)
{
	spin_lock(&lent_lock);
	if (lent == state)
		lent = NULL;
	spin_unlock(&lent_lock);
	/* Acquire: what the last of them did, before its atomic_dec_and_test(), comes before. */
	wait_var_event(&state->borrowers, !atomic_read_acquire(&state->borrowers));
}

static struct state *borrow(void)
{
	struct state *state;

	spin_lock(&lent_lock);
	state = lent;
	if (state)
		atomic_inc(&state->borrowers);
	spin_unlock(&lent_lock);
	return state;
}

static void give_back(struct state *state)
{
	/* The state may be gone by then; the wake-up only needs the address. */
	if (atomic_dec_and_test(&state->borrowers))
		wake_up_var(&state->borrowers);
}

/* While its tasks are at work, some of which have not begun; they are gone when this returns. */
static void destroy_own_wq(struct state *state)
{
	struct bgtoken_wq *wq = state->own_wq;
	unsigned int tasks;

	state->own_wq = NULL;
	if (!wq)
		return;
	bgtoken_wq_destroy(wq);
	tasks = kref_read(&state->env->kref) - 1;
	if (tasks)
		torture_fail("%u tasks of a compile state outlive its workqueue", tasks);
	torture_count(OWN_WQS_DESTROYED);
}

/*
 * Why has a wait for the end of a state come to its end?  A state whose tasks were dropped has
 * failed, so that a wait ends, too.
 */
static void check_wait(struct state *state, enum bgcompile_event event, long ret)
{
	struct bgcompile_progress p;

	bgcompile_progress(&state->compile, &p);
	if (ret > 0 && !(p.events & BIT(event)))
		torture_fail("a wait for event %d of a compile state ends without it", event);
	else if (ret == -EINTR && signal_pending(current))
		torture_count(UNIT_KILLS);
	else if (ret < 0 && ret != -ECANCELED && ret != p.error)
		torture_fail("a wait for a compile state, whose error is %d, returned %ld",
			     p.error, ret);
	look_at_progress(state, event == BGCOMPILE_TOP_FINISHED && ret > 0);
}

static void wait_for_state(struct torture_thread *me, struct state *state, long timeout)
{
	enum bgcompile_event event = torture_one_in(me, 2) ? BGCOMPILE_TOP_FINISHED :
							     BGCOMPILE_BASELINE_FINISHED;

	check_wait(state, event, bgcompile_wait_timeout(&state->compile, event, timeout));
}

static void cancel_state(struct state *state)
{
	if (bgcompile_cancel(&state->compile))
		atomic_inc(&state->first);
}

/* Uses another thread's state. */
static void help(struct torture_thread *me, struct state *state)
{
	add_units(me, state);
	torture_delay(&me->rnd, true);
	switch (torture_below(me, 8)) {
	case 0:
		bgcompile_refuse(&state->compile);
		break;
	case 1:
		cancel_state(state);
		break;
	case 2:
	case 3:
		wait_for_state(me, state, torture_below(me, 20));
	}
	look_at_progress(state, false);
	torture_count(HELPS);
	give_back(state);
}

static void unit_move(struct torture_thread *me)
{
	int adds = 1 + torture_below(me, 4);
	struct state_env *env;
	struct state *state;
	bool ends = false;

	state = torture_one_in(me, 2) ? borrow() : NULL;
	if (state) {
		help(me, state);
		return;
	}
	state = state_create(me);
	if (!state)
		return;
	if (!state->own_wq && torture_one_in(me, 2))
		lend(state);
	bgcompile_add_callback(&state->compile, &state->callback);
	while (adds--) {
		ends |= add_units(me, state);
		torture_delay(&me->rnd, true);
	}
	if (torture_one_in(me, 2))
		destroy_own_wq(state);
	/* Where there are units, its end comes, without a timeout. */
	if (torture_one_in(me, 2))
		wait_for_state(me, state, ends && torture_one_in(me, 4) ?
					  MAX_SCHEDULE_TIMEOUT : torture_below(me, 20));
	cancel_state(state);
	destroy_own_wq(state);
	take_back(state);
	if (atomic_read(&state->first) != 1)
		torture_fail("%d cancels of a compile state were the first",
			     atomic_read(&state->first));
	env = state->env;
	state->canary = POISON;
	kfree(state);
	put_env(env);
}

const struct torture_role torture_unit_role = {
	.name = "unit", .threads = &torture_units, .move = unit_move, .signals = true,
};

int torture_units_init(void)
{
	units_wq = bgtoken_wq_create("torture_units", WQ_UNBOUND, 0);
	return PTR_ERR_OR_ZERO(units_wq);
}

void torture_units_exit(void)
{
	bgtoken_wq_destroy(units_wq);
}
