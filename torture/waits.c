// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that wait for an event or the end of a token, and threads that wake, signal and kill
 * them.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

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
