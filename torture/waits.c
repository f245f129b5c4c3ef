// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that wait for an event or the end of a token, and threads that wake, signal and kill
 * them; and pairs of threads that wake each other by turns.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "torture.h"

static bool event_since(struct torture_target *target, int before)
{
	return atomic_read(&target->events) != before;
}

/* A condition may do this: it is checked in a scope, and is false in a pause. */
static bool event_in_scope(struct torture_thread *me, struct torture_target *target, int before)
{
	return torture_visit(target->token, &me->rnd, true) && event_since(target, before);
}

/*
 * A cancel is permanent, and so is an event: both can be checked afterwards.  And a
 * signal stays pending until this thread flushes it.  @signalled: what the wait returns
 * for a signal, 0 if a signal must not end it.
 */
static void wait_check(struct torture_target *target, int before, long ret, bool timed,
		       int signalled)
{
	bool event = event_since(target, before);

	if (ret == -ECANCELED && !bgtoken_cancelled(target->token))
		torture_fail("a wait ended with the token, which is not cancelled");
	else if (ret > 0 && (!timed || !event))
		torture_fail("a wait has %ld left, and there was no event", ret);
	else if (!ret && !timed && !event)
		torture_fail("a wait without a timeout ended without an event");
	else if (ret < 0 && ret == signalled && signal_pending(current))
		torture_count(KILLS);
	else if (ret < 0 && ret != -ECANCELED)
		torture_fail("a wait returned %ld", ret);
}

static void wait_move(struct torture_thread *me)
{
	struct torture_target *target = torture_find_target(me);
	int before;
	long ret;

	if (!target) {
		torture_delay(&me->rnd, true);
		return;
	}
	before = atomic_read(&target->events);
	switch (torture_below(me, 8)) {
	case 0:
		ret = bgtoken_wait_event(target->token, event_since(target, before));
		wait_check(target, before, ret, false, 0);
		break;
	case 1:
		ret = bgtoken_wait_event_killable(target->token, event_since(target, before));
		wait_check(target, before, ret, false, -EINTR);
		break;
	case 2:
		ret = bgtoken_wait_event_interruptible(target->token,
						       event_since(target, before));
		wait_check(target, before, ret, false, -ERESTARTSYS);
		break;
	case 3:
		ret = bgtoken_wait_event_interruptible_timeout(target->token,
							       event_since(target, before),
							       torture_below(me, 5));
		wait_check(target, before, ret, true, -ERESTARTSYS);
		break;
	case 4:
		ret = bgtoken_wait_event_timeout(target->token, event_since(target, before),
						 torture_below(me, 5));
		wait_check(target, before, ret, true, 0);
		break;
	case 5:
		ret = bgtoken_wait_event_killable_timeout(target->token,
							  event_in_scope(me, target, before),
							  torture_below(me, 5));
		wait_check(target, before, ret, true, -EINTR);
		break;
	case 6:
		ret = bgtoken_wait_event_killable(target->token,
						  event_in_scope(me, target, before));
		wait_check(target, before, ret, false, -EINTR);
		break;
	case 7:
		ret = bgtoken_sleep(target->token, 2);
		if (ret && !bgtoken_cancelled(target->token))
			torture_fail("a sleep ended early by %ld, and there was no cancel", ret);
		break;
	}
	torture_count(WAITS);
	torture_target_put(target);
}

const struct torture_role torture_wait_role = {
	.name = "wait", .threads = &torture_waits, .move = wait_move, .signals = true,
};

static void wake_move(struct torture_thread *me)
{
	struct torture_target *target = torture_find_target(me);
	struct task_struct *victim;

	usleep_range(10, 10 + torture_below(me, 300));
	if (torture_one_in(me, torture_odds_kills)) {
		victim = torture_victim(me);
		if (victim)
			send_sig(SIGKILL, victim, 1);
	}
	if (!target)
		return;
	atomic_inc(&target->events);
	bgtoken_wake(target->token);
	torture_count(EVENTS);
	torture_target_put(target);
}

const struct torture_role torture_wake_role = {
	.name = "wake", .threads = &torture_wakes, .move = wake_move,
};

/* Pairs, which throw a ball: whoever has it has been woken, by the other one alone */

struct torture_pair {
	struct bgtoken *token;
	atomic_t ball;			/* the last bit: who has it */
};

static struct torture_pair *pairs;
int torture_pair_threads;	/* two for each */

static bool has_ball(struct torture_pair *pair, struct torture_thread *me)
{
	return (atomic_read(&pair->ball) & 1) == (me->number & 1);
}

/* A condition takes its time after it has looked, and the ball may come meanwhile. */
static bool look_for_ball(struct torture_pair *pair, struct torture_thread *me)
{
	bool has = has_ball(pair, me);

	if (!has)
		torture_delay(&me->rnd, true);
	return has;
}

/* It may do that in a scope. */
static bool look_in_scope(struct torture_pair *pair, struct torture_thread *me)
{
	bool has = false;

	scoped_bgtoken(pair->token, struct torture_pair *, itself)
		has = look_for_ball(itself, me);
	return has;
}

static void pair_move(struct torture_thread *me)
{
	struct torture_pair *pair = &pairs[me->number / 2];
	long ret = 0;

	switch (torture_below(me, 4)) {
	case 0:
		ret = bgtoken_wait_event(pair->token, look_for_ball(pair, me));
		break;
	case 1:
		ret = bgtoken_wait_event(pair->token, look_in_scope(pair, me));
		break;
	case 2:
		ret = bgtoken_wait_event_interruptible(pair->token, look_for_ball(pair, me));
		break;
	case 3:
		ret = bgtoken_wait_event_killable(pair->token, look_for_ball(pair, me));
		break;
	}
	if (ret == -ECANCELED && bgtoken_cancelled(pair->token))
		return;		/* the end of the test */
	if (ret || !has_ball(pair, me))
		torture_fail("a wait for a partner returned %ld", ret);
	torture_delay(&me->rnd, true);
	atomic_inc(&pair->ball);
	bgtoken_wake(pair->token);
	torture_count(RETURNS);
}

const struct torture_role torture_pair_role = {
	.name = "pair", .threads = &torture_pair_threads, .move = pair_move,
};

int torture_pairs_init(void)
{
	int i;

	pairs = kcalloc(torture_pairs, sizeof(*pairs), GFP_KERNEL);
	if (!pairs)
		return -ENOMEM;
	for (i = 0; i < torture_pairs; i++) {
		pairs[i].token = bgtoken_create(&pairs[i], BGTOKEN_SHARED, GFP_KERNEL);
		if (IS_ERR(pairs[i].token)) {
			pairs[i].token = NULL;
			torture_pairs_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

/* Ends the game: whoever waits leaves. */
void torture_pairs_cancel(void)
{
	int i;

	for (i = 0; i < torture_pairs; i++)
		if (pairs[i].token)
			bgtoken_cancel(pairs[i].token);
}

/* Their threads have ended. */
void torture_pairs_exit(void)
{
	int i;

	torture_pairs_cancel();
	for (i = 0; i < torture_pairs; i++)
		bgtoken_put(pairs[i].token);
	kfree(pairs);
}
