// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: 5e672cd69f0a (xfs)
 * caught by: time
 * before: a system call flushes works that it does not need
 * after: the call looks inside a scope, and waits for the scopes of others only
 */
#include <linux/delay.h>

#include "pattern.h"

#define SLOW_MS		100	/* what the work takes */

PATTERN_GATE(running);

/* Before */

struct quota {
	struct work_struct work;
	struct task_struct *caller;	/* is in statfs() */
	u64 took;			/* ns, what is slow */
	long free;
};

/* Does it sleep in statfs()?  There is nothing there to sleep for but the work. */
static bool waits(struct quota *quota)
{
	/* From before(). */
	struct task_struct *caller = smp_load_acquire(&quota->caller);

	return caller && READ_ONCE(caller->__state) == TASK_UNINTERRUPTIBLE;
}

/* Held until its caller waits for it: all that it takes then, the caller waits. */
static void quota_fn(struct work_struct *ws)
{
	struct quota *quota = container_of(ws, struct quota, work);
	u64 begin;

	complete(&running.reached);
	while (!waits(quota))
		msleep(20);
	begin = ktime_get_ns();
	msleep(SLOW_MS);
	quota->free++;
	quota->took = ktime_get_ns() - begin;
}

static int before(void)
{
	struct quota *quota = kzalloc(sizeof(*quota), GFP_KERNEL);
	u64 begin;

	if (!quota)
		return -ENOMEM;
	INIT_WORK(&quota->work, quota_fn);
	schedule_work(&quota->work);
	pattern_await(&running);
	begin = ktime_get_ns();
	smp_store_release(&quota->caller, current);	/* to waits() */
	flush_work(&quota->work);		/* statfs(): the bug */
	pattern_expect(READ_ONCE(quota->free) == 1);
	pattern_took(begin, quota->took);
	kfree(quota);
	return 0;
}

/* After */

struct token_quota {
	struct bgtoken *token;
	long free;
};

static int given_up;

static void token_quota_fn(struct bgtoken_work *work)
{
	pattern_hold(&running);			/* what is slow, outside the scope */
	scoped_cond_bgtoken(given_up++, work->token, struct token_quota *, quota)
		quota->free++;
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_quota *quota = kzalloc(sizeof(*quota), GFP_KERNEL);
	struct bgtoken_work *work = kzalloc(sizeof(*work), GFP_KERNEL);
	long free = -1;
	u64 begin;

	if (IS_ERR(wq) || !quota || !work)
		return -ENOMEM;
	quota->token = bgtoken_create(quota, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(quota->token))
		return -ENOMEM;
	given_up = 0;
	bgtoken_work_init(work, quota->token, token_quota_fn, NULL);
	bgtoken_queue_work(wq, work);
	bgtoken_work_put(work);
	pattern_await(&running);
	begin = ktime_get_ns();
	scoped_bgtoken(quota->token, struct token_quota *, alive)	/* statfs() */
		free = alive->free;
	bgtoken_cancel(quota->token);					/* and umount() */
	pattern_took(begin, 0);
	pattern_expect(free == 0);
	bgtoken_put(quota->token);
	kfree(quota);
	pattern_open(&running);			/* the work was held all the time */
	bgtoken_wq_destroy(wq);
	pattern_expect(given_up == 1);
	return 0;
}

static const struct pattern stall = { before, after };

module_pattern(stall, "a system call that flushes works");
