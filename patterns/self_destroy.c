// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2024-41063 (hci_core)
 * caught by: possible recursive locking detected
 * caught by: \(wq_completion\)pattern
 * caught by: \(work_completion\)\(&hci->error_reset\)
 * before: the last put comes from a work, and destroys the workqueue it runs on
 * after: the workqueue is the module's; who cancels, even the work, frees the controller
 */
#include <linux/kref.h>

#include "pattern.h"

PATTERN_GATE(resetting);

/* Before */

struct hci {
	struct kref kref;
	struct workqueue_struct *wq;
	struct work_struct error_reset;
};

static DECLARE_COMPLETION(released);

static void hci_release(struct kref *kref)
{
	struct hci *hci = container_of(kref, struct hci, kref);

	destroy_workqueue(hci->wq);		/* the bug: the caller may run on it */
	kfree(hci);
	complete(&released);
}

static void error_reset_fn(struct work_struct *ws)
{
	struct hci *hci = container_of(ws, struct hci, error_reset);

	pattern_hold(&resetting);
	kref_put(&hci->kref, hci_release);
}

static int before(void)
{
	struct hci *hci = kzalloc(sizeof(*hci), GFP_KERNEL);

	if (!hci)
		return -ENOMEM;
	hci->wq = alloc_ordered_workqueue("pattern", 0);
	if (!hci->wq)
		return -ENOMEM;
	kref_init(&hci->kref);
	kref_get(&hci->kref);			/* put in error_reset_fn() */
	INIT_WORK(&hci->error_reset, error_reset_fn);
	queue_work(hci->wq, &hci->error_reset);
	pattern_await(&resetting);
	kref_put(&hci->kref, hci_release);	/* unregister: not the last one */
	pattern_open(&resetting);
	wait_for_completion(&released);
	return 0;
}

/* After */

struct token_hci {
	int resets;
};

/* A controller that does not come back is removed from here. */
static void token_error_reset_fn(struct bgtoken_work *work)
{
	struct token_hci *dead = NULL;

	pattern_hold(&resetting);
	scoped_bgtoken(work->token, struct token_hci *, hci) {
		hci->resets++;
		dead = hci;
	}
	/* The pointer is good for nothing, unless the cancel says it is ours to free. */
	if (dead && bgtoken_cancel(work->token))
		kfree(dead);
}

/* A reset and an unregister at once: whoever cancels first frees the controller. */
static int reset_one(struct bgtoken_wq *wq, bool reset_first)
{
	struct token_hci *hci = kzalloc(sizeof(*hci), GFP_KERNEL);
	struct bgtoken_work *reset = kzalloc(sizeof(*reset), GFP_KERNEL);
	struct bgtoken *token;

	if (!hci || !reset)
		return -ENOMEM;
	token = bgtoken_create(hci, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(token))
		return PTR_ERR(token);
	bgtoken_work_init(reset, token, token_error_reset_fn, NULL);
	bgtoken_queue_work(wq, reset);
	pattern_await(&resetting);
	if (reset_first) {
		pattern_open(&resetting);
		bgtoken_flush_work(reset);
		pattern_expect(!bgtoken_cancel(token));	/* unregister */
	} else {
		pattern_expect(bgtoken_cancel(token));
		pattern_expect(hci->resets == 0);
		kfree(hci);
		pattern_open(&resetting);
	}
	bgtoken_work_put(reset);
	bgtoken_put(token);
	return 0;
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_ordered_wq_create("pattern", 0);
	int err;

	if (IS_ERR(wq))
		return PTR_ERR(wq);
	err = reset_one(wq, false) ?: reset_one(wq, true);
	bgtoken_wq_destroy(wq);			/* module exit */
	return err;
}

static const struct pattern self_destroy = { before, after };

module_pattern(self_destroy, "a work that destroys its own workqueue");
