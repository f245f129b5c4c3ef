// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2023-1989 (btsdio), CVE-2025-21979 (cfg80211)
 * caught by: ODEBUG: free active .* object type: work_struct hint: radio_fn\+0x
 * before: remove frees the device while its work is queued
 * after: the work is an object of its own; remove cancels the token and frees the device
 */
#include "pattern.h"

PATTERN_GATE(busy);

/* Whatever else keeps the workqueue busy, so that the work stays queued. */
static void busy_fn(struct work_struct *ws)
{
	pattern_hold(&busy);
}

static DECLARE_WORK(busy_work, busy_fn);

/* Before */

struct radio {
	struct work_struct work;
	int packets;
};

static void radio_fn(struct work_struct *ws)
{
	container_of(ws, struct radio, work)->packets++;
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("pattern", 0);
	struct radio *radio = kzalloc(sizeof(*radio), GFP_KERNEL);

	if (!wq || !radio)
		return -ENOMEM;
	INIT_WORK(&radio->work, radio_fn);
	queue_work(wq, &busy_work);
	queue_work(wq, &radio->work);		/* a packet has come */
	pattern_await(&busy);
	kfree(radio);				/* remove: the bug */
	pattern_open(&busy);
	destroy_workqueue(wq);
	return 0;
}

/* After */

struct token_radio {
	struct bgtoken *token;
	int packets;
};

static void token_radio_fn(struct bgtoken_work *work)
{
	scoped_bgtoken(work->token, struct token_radio *, radio)
		radio->packets++;
}

static void token_busy_fn(struct bgtoken_work *work)
{
	pattern_hold(&busy);
}

static struct bgtoken_work *queue_one(struct bgtoken_wq *wq, struct bgtoken *token,
				      void (*fn)(struct bgtoken_work *work))
{
	struct bgtoken_work *work = kzalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return NULL;
	bgtoken_work_init(work, token, fn, NULL);
	bgtoken_queue_work(wq, work);
	bgtoken_work_put(work);
	return work;
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_ordered_wq_create("pattern", 0);
	struct token_radio *radio = kzalloc(sizeof(*radio), GFP_KERNEL);

	if (IS_ERR(wq) || !radio)
		return -ENOMEM;
	radio->token = bgtoken_create(radio, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(radio->token) || !queue_one(wq, radio->token, token_busy_fn) ||
	    !queue_one(wq, radio->token, token_radio_fn))
		return -ENOMEM;
	pattern_await(&busy);
	bgtoken_cancel(radio->token);		/* remove */
	pattern_expect(radio->packets == 0);
	bgtoken_put(radio->token);
	kfree(radio);
	pattern_open(&busy);
	bgtoken_wq_destroy(wq);			/* module exit */
	return 0;
}

static const struct pattern free_queued = { before, after };

module_pattern(free_queued, "freed while its work is queued");
