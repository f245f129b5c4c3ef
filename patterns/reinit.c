// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: 45b859b07282 (thermal core)
 * caught by: KASAN: (slab-)?use-after-free in poll_fn\+0x
 * before: resume initialises the work again while it runs, and the last cancel misses it
 * after: bgtoken_pause() and bgtoken_resume(); a work is initialised once
 */
#include "pattern.h"

#define POLL	(60 * HZ)	/* never comes */

PATTERN_GATE(reading);

/* Before */

struct sensor {
	struct workqueue_struct *wq;
	struct delayed_work poll;
	int polls;
};

static void poll_fn(struct work_struct *ws)
{
	struct sensor *sensor = container_of(ws, struct sensor, poll.work);

	pattern_hold(&reading);			/* a slow sensor */
	sensor->polls++;
	queue_delayed_work(sensor->wq, &sensor->poll, POLL);
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct sensor *sensor = kzalloc(sizeof(*sensor), GFP_KERNEL);

	if (!wq || !sensor)
		return -ENOMEM;
	sensor->wq = wq;
	INIT_DELAYED_WORK(&sensor->poll, poll_fn);
	queue_delayed_work(wq, &sensor->poll, 0);
	pattern_await(&reading);
	cancel_delayed_work(&sensor->poll);	/* resume */
	INIT_DELAYED_WORK(&sensor->poll, poll_fn);	/* the bug */
	queue_delayed_work(wq, &sensor->poll, POLL);
	cancel_delayed_work_sync(&sensor->poll);	/* unregister: misses it */
	kfree(sensor);
	pattern_open(&reading);
	destroy_workqueue(wq);
	return 0;
}

/* After */

struct token_sensor {
	struct bgtoken *token;
	struct bgtoken_wq *wq;
	struct bgtoken_delayed_work *poll;
	int polls;
};

static void token_poll_fn(struct bgtoken_work *work)
{
	pattern_hold(&reading);
	scoped_bgtoken(work->token, struct token_sensor *, sensor) {
		sensor->polls++;
		bgtoken_queue_delayed_work(sensor->wq, sensor->poll, POLL);
	}
}

static void suspend_and_resume(struct token_sensor *sensor)
{
	bgtoken_pause(sensor->token);
	bgtoken_resume(sensor->token);
	pattern_expect(bgtoken_queue_delayed_work(sensor->wq, sensor->poll, 0));
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_sensor *sensor = kzalloc(sizeof(*sensor), GFP_KERNEL);
	struct bgtoken_delayed_work *poll = kzalloc(sizeof(*poll), GFP_KERNEL);

	if (IS_ERR(wq) || !sensor || !poll)
		return -ENOMEM;
	sensor->wq = wq;
	sensor->poll = poll;
	sensor->token = bgtoken_create(sensor, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(sensor->token))
		return -ENOMEM;
	bgtoken_delayed_work_init(poll, sensor->token, token_poll_fn, NULL);
	bgtoken_queue_delayed_work(wq, poll, 0);
	pattern_await(&reading);
	pattern_open(&reading);
	bgtoken_flush_work(&poll->work);
	pattern_expect(sensor->polls == 1);
	suspend_and_resume(sensor);		/* while it is armed */
	pattern_await(&reading);
	suspend_and_resume(sensor);		/* while it runs: queued behind it */
	pattern_expect(sensor->polls == 1);
	bgtoken_cancel(sensor->token);		/* unregister */
	bgtoken_work_put(&sensor->poll->work);
	bgtoken_put(sensor->token);
	kfree(sensor);
	pattern_open(&reading);
	bgtoken_wq_destroy(wq);			/* module exit */
	return 0;
}

static const struct pattern reinit = { before, after };

module_pattern(reinit, "a work initialised again while it runs");
