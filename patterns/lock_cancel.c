// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: 9870257a0a33 (ravb), 00fdebbbc557 (l2cap)
 * caught by: possible circular locking dependency detected
 * caught by: \(work_completion\)\(&nic->timeout\)
 * caught by: \(rtnl[#)]
 * found by: lock_cancel
 * before: a cancel_work_sync() under the lock that the work takes
 * after: bgtoken_cancel() under that lock waits for no work
 */
#include <linux/mutex.h>

#include "pattern.h"

static DEFINE_MUTEX(rtnl);		/* as it were */

PATTERN_GATE(at_lock);

/* Before */

struct nic {
	struct work_struct timeout;
	int resets;
};

static void nic_timeout_fn(struct work_struct *ws)
{
	struct nic *nic = container_of(ws, struct nic, timeout);

	pattern_hold(&at_lock);
	mutex_lock(&rtnl);
	nic->resets++;
	mutex_unlock(&rtnl);
}

static int before(void)
{
	struct nic *nic = kzalloc(sizeof(*nic), GFP_KERNEL);

	if (!nic)
		return -ENOMEM;
	INIT_WORK(&nic->timeout, nic_timeout_fn);
	schedule_work(&nic->timeout);
	pattern_await(&at_lock);
	pattern_open(&at_lock);
	flush_work(&nic->timeout);		/* this time it was quicker */
	schedule_work(&nic->timeout);
	mutex_lock(&rtnl);
	pattern_await(&at_lock);		/* and this time it is not */
	pattern_open(&at_lock);
	cancel_work_sync(&nic->timeout);	/* the bug */
	mutex_unlock(&rtnl);
	kfree(nic);
	return 0;
}

/* After */

struct token_nic {
	struct bgtoken *token;
	int resets;
};

static void token_nic_timeout_fn(struct bgtoken_work *work)
{
	pattern_hold(&at_lock);
	mutex_lock(&rtnl);
	scoped_bgtoken(work->token, struct token_nic *, nic)
		nic->resets++;
	mutex_unlock(&rtnl);
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_nic *nic = kzalloc(sizeof(*nic), GFP_KERNEL);
	struct bgtoken_work *timeout = kzalloc(sizeof(*timeout), GFP_KERNEL);

	if (IS_ERR(wq) || !nic || !timeout)
		return -ENOMEM;
	/* SHARED: rtnl is the lock, so a scope need not be one, and never waits under it. */
	nic->token = bgtoken_create(nic, BGTOKEN_SHARED, GFP_KERNEL);
	if (IS_ERR(nic->token))
		return -ENOMEM;
	bgtoken_work_init(timeout, nic->token, token_nic_timeout_fn, NULL);
	bgtoken_queue_work(wq, timeout);
	bgtoken_work_put(timeout);
	mutex_lock(&rtnl);
	pattern_await(&at_lock);		/* it runs, and is about to take the lock */
	pattern_open(&at_lock);
	bgtoken_cancel(nic->token);
	bgtoken_put(nic->token);
	kfree(nic);
	mutex_unlock(&rtnl);
	bgtoken_wq_destroy(wq);
	return 0;
}

static const struct pattern lock_cancel = { before, after };

module_pattern(lock_cancel, "a cancel under a lock that the work takes");
