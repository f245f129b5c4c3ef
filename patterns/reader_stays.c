// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2026-31582 (hwmon powerz)
 * caught by: KASAN: (slab-)?use-after-free in read_fn\+0x
 * before: disconnect frees the URB, and the reader that waited for its turn fills it in
 * after: the reader waits on the token, outside of scopes, and finds the device gone
 */
#include <linux/mutex.h>

#include "pattern.h"

#define READ_TIMEOUT	(60 * HZ)	/* longer than anything here takes */

PATTERN_GATE(waiting);

/* Before */

struct urb {
	int value;
};

struct meter {
	struct mutex lock;		/* one reader at a time */
	struct completion replied;
	struct urb *urb;
	struct work_struct read;	/* stands for a task in read() */
};

static void read_fn(struct work_struct *ws)
{
	struct meter *meter = container_of(ws, struct meter, read);

	pattern_hold(&waiting);
	mutex_lock(&meter->lock);
	meter->urb->value = 0;
	wait_for_completion_timeout(&meter->replied, READ_TIMEOUT);
	mutex_unlock(&meter->lock);
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct meter *meter = kzalloc(sizeof(*meter), GFP_KERNEL);

	if (!wq || !meter)
		return -ENOMEM;
	mutex_init(&meter->lock);
	init_completion(&meter->replied);
	INIT_WORK(&meter->read, read_fn);
	meter->urb = kzalloc(sizeof(*meter->urb), GFP_KERNEL);
	if (!meter->urb)
		return -ENOMEM;
	queue_work(wq, &meter->read);
	pattern_await(&waiting);
	mutex_lock(&meter->lock);		/* disconnect */
	complete(&meter->replied);
	kfree(meter->urb);			/* the bug: it can still be found */
	mutex_unlock(&meter->lock);
	pattern_open(&waiting);
	destroy_workqueue(wq);			/* the file goes, after its last reader */
	kfree(meter);
	return 0;
}

/* After */

struct token_meter {
	struct bgtoken *token;
	bool busy;			/* a reader's turn */
	bool replied;
	int value;
};

static bool meter_turn(struct bgtoken *token)
{
	bool mine = false;

	scoped_bgtoken(token, struct token_meter *, meter) {
		mine = !meter->busy;
		meter->busy = true;
		if (mine)
			meter->replied = false;		/* that was the last reader's */
		else
			complete(&waiting.reached);
	}
	return mine;
}

static bool meter_replied(struct bgtoken *token)
{
	bool replied = false;

	scoped_bgtoken(token, struct token_meter *, meter) {
		replied = meter->replied;
		if (!replied)
			complete(&waiting.reached);
	}
	return replied;
}

static long token_meter_read(struct bgtoken *token)
{
	long value = 0, left;

	left = bgtoken_wait_event_interruptible_timeout(token, meter_turn(token),
							READ_TIMEOUT);
	if (left <= 0)
		return left == -ECANCELED ? -ENODEV : left ?: -ETIMEDOUT;
	left = bgtoken_wait_event_interruptible_timeout(token, meter_replied(token),
							READ_TIMEOUT);
	scoped_cond_bgtoken(return -ENODEV, token, struct token_meter *, meter) {
		value = meter->value;
		meter->busy = false;
	}
	bgtoken_wake(token);		/* the next one's turn */
	return left > 0 ? value : left ?: -ETIMEDOUT;
}

static void token_meter_reply(struct bgtoken *token, int value)
{
	scoped_bgtoken(token, struct token_meter *, meter) {
		meter->value = value;
		meter->replied = true;
	}
	bgtoken_wake(token);
}

static struct bgtoken *file;		/* has a reference, while it is open */
static long result;

static void token_read_fn(struct work_struct *ws)
{
	result = token_meter_read(file);
}

static DECLARE_WORK(token_read, token_read_fn);

/* The device goes while a reader waits: for its turn, or else for the reply. */
static int disconnect_while(bool busy)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct token_meter *meter = kzalloc(sizeof(*meter), GFP_KERNEL);
	int value;

	if (!wq || !meter)
		return -ENOMEM;
	meter->token = bgtoken_create(meter, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(meter->token))
		return -ENOMEM;
	file = bgtoken_get(meter->token);
	for (value = 1; value <= 2; value++) {		/* each reader gets a reply of its own */
		reinit_completion(&waiting.reached);
		queue_work(wq, &token_read);
		pattern_expect(wait_for_completion_timeout(&waiting.reached, READ_TIMEOUT));
		token_meter_reply(file, value);
		flush_work(&token_read);
		pattern_expect(result == value);
	}
	meter->busy = busy;
	reinit_completion(&waiting.reached);
	queue_work(wq, &token_read);
	pattern_await(&waiting);
	bgtoken_cancel(meter->token);		/* disconnect */
	bgtoken_put(meter->token);
	kfree(meter);
	destroy_workqueue(wq);
	pattern_expect(result == -ENODEV);
	bgtoken_put(file);
	return 0;
}

static int after(void)
{
	return disconnect_while(true) ?: disconnect_while(false);
}

static const struct pattern reader_stays = { before, after };

module_pattern(reader_stays, "a reader that waits while the device goes");
