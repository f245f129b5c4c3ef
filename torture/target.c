// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tokens and their owners stand in slots, where all threads find them under RCU.
 *
 * References on a target: its slot's, its owner's, and that of whoever has found it.
 * The target has one on the token; whoever looks up only the token takes one on that.
 * An owner belongs to whoever is the first to cancel the token.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "torture.h"

#define SLOTS		8
#define CANARY_WORDS	8
#define ALIVE		0xa11fe0a11fe0UL
#define POISON		0xdeadbeefUL

struct torture_owner {
	unsigned long canary[CANARY_WORDS];
	struct torture_target *target;	/* a reference */
};

static struct bgtoken_site site = { "torture", KBUILD_MODNAME ":sites" };
static struct torture_target __rcu *slots[SLOTS];
static DEFINE_SPINLOCK(slots_lock);	/* for writing to them */

bool torture_kinds[BGTOKEN_KINDS] = { true, true, true, true };

/* Targets */

static void target_free(struct kref *kref)
{
	struct torture_target *target = container_of(kref, struct torture_target, kref);

	bgtoken_put(target->token);
	kfree_rcu(target, rcu);
	torture_count(TARGETS_FREED);
}

void torture_target_put(struct torture_target *target)
{
	kref_put(&target->kref, target_free);
}

static enum bgtoken_kind some_kind(struct torture_thread *me)
{
	enum bgtoken_kind kind;

	do {
		kind = torture_below(me, BGTOKEN_KINDS);
	} while (!torture_kinds[kind]);
	return kind;
}

/* Return: a target with two references, a slot's and its owner's; or NULL. */
static struct torture_target *target_create(struct torture_thread *me)
{
	struct torture_target *target = kzalloc(sizeof(*target), GFP_KERNEL);
	struct torture_owner *owner = kmalloc(sizeof(*owner), GFP_KERNEL);
	struct bgtoken *token = ERR_PTR(-ENOMEM);
	enum bgtoken_kind kind = some_kind(me);
	int i;

	if (target && owner)
		token = torture_sites ? __bgtoken_create(owner, kind, GFP_KERNEL, &site) :
					bgtoken_create(owner, kind, GFP_KERNEL);
	if (IS_ERR(token)) {
		kfree(target);
		kfree(owner);
		torture_count(NO_MEMORY);
		return NULL;
	}
	for (i = 0; i < CANARY_WORDS; i++)
		owner->canary[i] = ALIVE;
	owner->target = target;
	kref_init(&target->kref);
	kref_get(&target->kref);	/* put by owner_free() */
	target->token = token;
	target->owner = owner;
	target->kind = kind;
	torture_count(TARGETS_MADE);
	torture_count(OWNERS_MADE);
	return target;
}

static void owner_free(struct torture_owner *owner)
{
	struct torture_target *target = owner->target;
	int i;

	for (i = 0; i < CANARY_WORDS; i++)
		owner->canary[i] = POISON;
	kfree(owner);
	torture_target_put(target);
	torture_count(OWNERS_FREED);
}

struct bgtoken *torture_find_token(struct torture_thread *me)
{
	struct torture_target *target;
	struct bgtoken *token = NULL;

	rcu_read_lock();
	target = rcu_dereference(slots[torture_below(me, SLOTS)]);
	if (target)
		token = bgtoken_get_unless_zero(target->token);
	rcu_read_unlock();
	return token;
}

struct torture_target *torture_find_target(struct torture_thread *me)
{
	struct torture_target *target;

	rcu_read_lock();
	target = rcu_dereference(slots[torture_below(me, SLOTS)]);
	if (target && !kref_get_unless_zero(&target->kref))
		target = NULL;
	rcu_read_unlock();
	return target;
}

/* Scopes */

static bool exclusive(enum bgtoken_kind kind)
{
	return kind == BGTOKEN_MUTEX || kind == BGTOKEN_SPIN;
}

/* @when: the scope begins or ends.  Return: whether there is an owner. */
static bool look_at_owner(const struct torture_owner *owner, struct bgtoken *token,
			  const char *when)
{
	const struct torture_target *target;
	int i;

	for (i = 0; i < CANARY_WORDS; i++)
		if (READ_ONCE(owner->canary[i]) != ALIVE) {
			torture_fail("a scope has no owner as it %s: %lx", when,
				     owner->canary[i]);
			return false;
		}
	target = owner->target;
	if (target->token != token)
		torture_fail("a scope has another token's owner as it %s", when);
	if (READ_ONCE(target->over))
		torture_fail("a scope is live after the cancel, as it %s", when);
	if (READ_ONCE(target->paused))
		torture_fail("a scope is live in a pause, as it %s", when);
	return true;
}

void torture_look_around(void *data, struct bgtoken *token, struct rnd_state *rnd,
			 bool may_sleep)
{
	struct torture_owner *owner = data;
	struct torture_target *target;
	int live;

	torture_count(SCOPES);
	if (!look_at_owner(owner, token, "begins"))
		return;
	target = owner->target;
	torture_count(SCOPES_OF + (int)target->kind);
	live = atomic_inc_return(&target->live);
	if (exclusive(target->kind) && live != 1)
		torture_fail("kind %d: %d scopes at once", target->kind, live);
	torture_delay(rnd, may_sleep);
	if (look_at_owner(owner, token, "ends"))
		atomic_dec(&target->live);
}

bool torture_visit(struct bgtoken *token, struct rnd_state *rnd, bool may_sleep)
{
	bool visited = false;

	if (bgtoken_kind(token) == BGTOKEN_SPIN) {
		scoped_bgtoken_irqsave(token, struct torture_owner *, owner) {
			torture_look_around(owner, token, rnd, false);
			visited = true;
		}
	} else {
		scoped_bgtoken(token, struct torture_owner *, owner) {
			torture_look_around(owner, token, rnd, may_sleep);
			visited = true;
		}
	}
	if (!visited)
		torture_count(REFUSED);
	return visited;
}

static void scope_move(struct torture_thread *me)
{
	struct bgtoken *token = torture_find_token(me);
	int visits = 1 + torture_below(me, 16);

	if (!token) {
		schedule_timeout_uninterruptible(1);
		return;
	}
	while (visits-- && torture_visit(token, &me->rnd, true))
		torture_delay(&me->rnd, true);
	bgtoken_put(token);
}

const struct torture_role torture_scope_role = {
	.name = "scope", .threads = &torture_scopes, .move = scope_move,
};

/* Cancels */

/* The first caller frees the owner, while others may still be in the cancel. */
void torture_cancel(struct torture_target *target)
{
	bool first = bgtoken_cancel(target->token);
	int live = atomic_read(&target->live);

	if (live)
		torture_fail("kind %d: %d scopes are live after the cancel", target->kind,
			     live);
	WRITE_ONCE(target->over, true);
	torture_count(CANCELS);
	if (!first)
		return;
	torture_count(CANCELLED_FIRST);
	owner_free(target->owner);
}

/* Gives a slot a new target, or none, before it cancels the old one. */
static void cancel_move(struct torture_thread *me)
{
	struct torture_target *old, *target = NULL;
	u32 i = torture_below(me, SLOTS);

	torture_delay(&me->rnd, true);
	if (torture_one_in(me, torture_odds_guests)) {
		/* Another thread's target, alongside others; it stays in its slot. */
		old = torture_find_target(me);
		if (!old)
			return;
		if (torture_one_in(me, 2)) {
			bgtoken_refuse(old->token);
			torture_count(REFUSES);
			torture_hold(me);
		}
		torture_cancel(old);
		torture_target_put(old);
		return;
	}
	if (!torture_one_in(me, torture_odds_empty))
		target = target_create(me);
	spin_lock(&slots_lock);
	old = rcu_replace_pointer(slots[i], target, lockdep_is_held(&slots_lock));
	spin_unlock(&slots_lock);
	if (!old)
		return;
	torture_cancel(old);
	torture_target_put(old);
}

const struct torture_role torture_cancel_role = {
	.name = "cancel", .threads = &torture_cancels, .move = cancel_move,
};

/* Pauses, which their callers order among themselves */

bool torture_pause(struct torture_target *target, struct torture_thread *me,
		   void (*meanwhile)(struct torture_thread *me, struct bgtoken *token))
{
	int live;

	if (test_and_set_bit_lock(0, &target->pausing))
		return false;
	bgtoken_pause(target->token);
	live = atomic_read(&target->live);
	if (live)
		torture_fail("kind %d: %d scopes are live in a pause", target->kind, live);
	WRITE_ONCE(target->paused, true);
	if (meanwhile)
		meanwhile(me, target->token);
	live = atomic_read(&target->live);
	if (live)
		torture_fail("kind %d: %d scopes began in a pause", target->kind, live);
	WRITE_ONCE(target->paused, false);
	bgtoken_resume(target->token);
	clear_bit_unlock(0, &target->pausing);
	torture_count(PAUSES);
	return true;
}

static void wait_and_queue(struct torture_thread *me, struct bgtoken *token)
{
	torture_hold(me);
	torture_expect_refusal(me, token);
}

static void pause_move(struct torture_thread *me)
{
	struct torture_target *target = torture_find_target(me);

	torture_delay(&me->rnd, true);
	if (!target)
		return;
	torture_pause(target, me, wait_and_queue);
	torture_target_put(target);
}

const struct torture_role torture_pause_role = {
	.name = "pause", .threads = &torture_pauses, .move = pause_move,
};

/* Create a token at each of torture_sites sites; the targets use the next one. */
static int use_sites(void)
{
	struct bgtoken *token;

	while (site.line < torture_sites) {
		token = __bgtoken_create(&site, BGTOKEN_SPIN, GFP_KERNEL, &site);
		if (IS_ERR(token))
			return PTR_ERR(token);
		bgtoken_put(token);
		site.line++;
		site.place = 0;
	}
	return 0;
}

int torture_targets_init(void)
{
	int kind;

	for (kind = 0; kind < BGTOKEN_KINDS; kind++)
		if (torture_kinds[kind])
			return use_sites();
	return -EINVAL;
}

/* All threads have ended. */
void torture_targets_exit(void)
{
	struct torture_target *target;
	int i;

	for (i = 0; i < SLOTS; i++) {
		target = rcu_replace_pointer(slots[i], NULL, true);
		if (!target)
			continue;
		torture_cancel(target);
		torture_target_put(target);
	}
}
