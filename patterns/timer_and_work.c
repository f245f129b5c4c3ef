// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2023-4134 (cyttsp4)
 * caught by: ODEBUG: free active .* object type: timer_list hint: panel_watchdog\+0x
 * found by: queued_after
 * before: remove deletes the timer, then cancels the work, which arms the timer again
 * after: a timer and a work of one token; after the cancel neither can start the other
 */
#include <linux/timer.h>

#include "pattern.h"

#define WATCHDOG_PERIOD		(60 * HZ)	/* longer than anything here takes */

PATTERN_GATE(resetting);

/* Before */

static struct workqueue_struct *panel_wq;

struct panel {
	struct timer_list watchdog;
	struct work_struct reset;
};

static void panel_watchdog(struct timer_list *timer)
{
	queue_work(panel_wq, &container_of(timer, struct panel, watchdog)->reset);
}

static void panel_reset(struct work_struct *ws)
{
	pattern_hold(&resetting);
	mod_timer(&container_of(ws, struct panel, reset)->watchdog,
		  jiffies + WATCHDOG_PERIOD);
}

static int before(void)
{
	struct panel *panel = kzalloc(sizeof(*panel), GFP_KERNEL);

	panel_wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	if (!panel_wq || !panel)
		return -ENOMEM;
	timer_setup(&panel->watchdog, panel_watchdog, 0);
	INIT_WORK(&panel->reset, panel_reset);
	mod_timer(&panel->watchdog, jiffies);
	pattern_await(&resetting);
	timer_delete_sync(&panel->watchdog);	/* remove */
	pattern_open(&resetting);
	cancel_work_sync(&panel->reset);	/* the bug: it is armed again by now */
	kfree(panel);
	destroy_workqueue(panel_wq);
	return 0;
}

/* After */

static struct bgtoken_wq *token_panel_wq;

struct token_panel {
	struct bgtoken *token;
	struct bgtoken_timer *watchdog;
	struct bgtoken_work *reset;
	int bites, resets;
};

static void token_panel_watchdog(struct bgtoken_timer *timer, void *owner)
{
	struct token_panel *panel = owner;

	panel->bites++;
	bgtoken_queue_work(token_panel_wq, panel->reset);
}

static void token_panel_reset(struct bgtoken_work *work)
{
	pattern_hold(&resetting);
	scoped_bgtoken(work->token, struct token_panel *, panel) {
		panel->resets++;
		bgtoken_timer_mod(panel->watchdog, jiffies + WATCHDOG_PERIOD);
	}
}

static int after(void)
{
	struct token_panel *panel = kzalloc(sizeof(*panel), GFP_KERNEL);

	token_panel_wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	if (IS_ERR(token_panel_wq) || !panel)
		return -ENOMEM;
	/* SHARED: begun in softirq by the timer, and a scope of the work may sleep. */
	panel->token = bgtoken_create(panel, BGTOKEN_SHARED, GFP_KERNEL);
	panel->watchdog = kzalloc(sizeof(*panel->watchdog), GFP_KERNEL);
	panel->reset = kzalloc(sizeof(*panel->reset), GFP_KERNEL);
	if (IS_ERR(panel->token) || !panel->watchdog || !panel->reset)
		return -ENOMEM;
	bgtoken_timer_init(panel->watchdog, panel->token, token_panel_watchdog, NULL);
	bgtoken_work_init(panel->reset, panel->token, token_panel_reset, NULL);
	bgtoken_timer_mod(panel->watchdog, jiffies);
	pattern_await(&resetting);
	bgtoken_cancel(panel->token);		/* remove */
	pattern_expect(panel->bites == 1 && panel->resets == 0);
	bgtoken_timer_put(panel->watchdog);
	bgtoken_work_put(panel->reset);
	bgtoken_put(panel->token);
	kfree(panel);
	pattern_open(&resetting);
	bgtoken_wq_destroy(token_panel_wq);	/* module exit */
	return 0;
}

static const struct pattern timer_and_work = { before, after };

module_pattern(timer_and_work, "a timer and a work that start each other");
