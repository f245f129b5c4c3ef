// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: 5e672cd69f0a (xfs)
 * caught by: time
 * before: a system call flushes works that it does not need
 * after: the call looks inside a scope, and waits for the scopes of others only
 */
#include <linux/delay.h>

#include "pattern.h"

#define SLOW_MS		100	/* what a work takes */

PATTERN_GATE(running);

/* Before */

struct quota {
	struct work_struct work;
	long free;
};

static void quota_fn(struct work_struct *ws)
{
	pattern_hold(&running);
	msleep(SLOW_MS);
	container_of(ws, struct quota, work)->free++;
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
	pattern_open(&running);
	begin = ktime_get_ns();
	flush_work(&quota->work);		/* statfs(): the bug */
	READ_ONCE(quota->free);
	pattern_took(begin);
	kfree(quota);
	return 0;
}

/* After */

struct token_quota {
	struct bgtoken *token;
	long free;
};

static void token_quota_fn(struct bgtoken_work *work)
{
	pattern_hold(&running);
	msleep(SLOW_MS);
	scoped_bgtoken(work->token, struct token_quota *, quota)
		quota->free++;
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_quota *quota = kzalloc(sizeof(*quota), GFP_KERNEL);
	struct bgtoken_work *work = kzalloc(sizeof(*work), GFP_KERNEL);
	u64 begin;

	if (IS_ERR(wq) || !quota || !work)
		return -ENOMEM;
	quota->token = bgtoken_create(quota, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(quota->token))
		return -ENOMEM;
	bgtoken_work_init(work, quota->token, token_quota_fn, NULL);
	bgtoken_queue_work(wq, work);
	bgtoken_work_put(work);
	pattern_await(&running);
	pattern_open(&running);
	begin = ktime_get_ns();
	scoped_bgtoken(quota->token, struct token_quota *, alive)	/* statfs() */
		READ_ONCE(alive->free);
	bgtoken_cancel(quota->token);					/* and umount() */
	bgtoken_put(quota->token);
	kfree(quota);
	pattern_took(begin);
	bgtoken_wq_destroy(wq);
	return 0;
}

static const struct pattern stall = { before, after };

module_pattern(stall, "a system call that flushes works");
