// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2026-31509 (NFC NCI)
 * caught by: possible circular locking dependency detected
 * caught by: \(wq_completion\)pattern
 * caught by: \(work_completion\)\(&nfc->rx\)
 * caught by: \(req_lock[#)]
 * found by: lock_cancel
 * before: close flushes the workqueue under a lock that its works take
 * after: close pauses under that lock, and flushes without it; unregister only cancels
 */
#include <linux/mutex.h>

#include "pattern.h"

static DEFINE_MUTEX(req_lock);		/* one request at a time */

/* Before */

struct nfc {
	struct workqueue_struct *wq;
	struct work_struct rx;
	int frames;
};

static void rx_fn(struct work_struct *ws)
{
	struct nfc *nfc = container_of(ws, struct nfc, rx);

	mutex_lock(&req_lock);
	nfc->frames++;
	mutex_unlock(&req_lock);
}

static int before(void)
{
	struct nfc *nfc = kzalloc(sizeof(*nfc), GFP_KERNEL);

	if (!nfc)
		return -ENOMEM;
	nfc->wq = alloc_ordered_workqueue("pattern", 0);
	if (!nfc->wq)
		return -ENOMEM;
	INIT_WORK(&nfc->rx, rx_fn);
	queue_work(nfc->wq, &nfc->rx);
	flush_work(&nfc->rx);			/* this time it was quicker */
	mutex_lock(&req_lock);			/* close */
	queue_work(nfc->wq, &nfc->rx);		/* and this time it is not */
	flush_workqueue(nfc->wq);		/* the bug */
	mutex_unlock(&req_lock);
	destroy_workqueue(nfc->wq);
	kfree(nfc);
	return 0;
}

/* After */

PATTERN_GATE(at_lock);

struct token_nfc {
	struct bgtoken *token;
	struct bgtoken_work *rx;
	int frames;
};

static void token_rx_fn(struct bgtoken_work *work)
{
	pattern_hold(&at_lock);
	mutex_lock(&req_lock);
	scoped_bgtoken(work->token, struct token_nfc *, nfc)
		nfc->frames++;
	mutex_unlock(&req_lock);
}

static struct token_nfc *token_nfc_alloc(void)
{
	struct token_nfc *nfc = kzalloc(sizeof(*nfc), GFP_KERNEL);
	struct bgtoken_work *rx = kzalloc(sizeof(*rx), GFP_KERNEL);

	if (!nfc || !rx)
		return NULL;
	/* SHARED: req_lock is lock enough, and no scope is to wait under it. */
	nfc->token = bgtoken_create(nfc, BGTOKEN_SHARED, GFP_KERNEL);
	if (IS_ERR(nfc->token))
		return NULL;
	nfc->rx = rx;
	bgtoken_work_init(rx, nfc->token, token_rx_fn, NULL);
	return nfc;
}

/* A frame has come; its work is about to take the lock. */
static void receive(struct token_nfc *nfc, struct bgtoken_wq *wq)
{
	pattern_expect(bgtoken_queue_work(wq, nfc->rx));
	pattern_await(&at_lock);
	pattern_open(&at_lock);
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_ordered_wq_create("pattern", 0);
	struct token_nfc *nfc = token_nfc_alloc();

	if (IS_ERR(wq) || !nfc)
		return -ENOMEM;
	mutex_lock(&req_lock);			/* close */
	receive(nfc, wq);
	bgtoken_pause(nfc->token);
	mutex_unlock(&req_lock);
	bgtoken_wq_flush(wq);			/* so that no work outlives the pause */
	bgtoken_resume(nfc->token);		/* open */
	pattern_expect(nfc->frames == 0);
	receive(nfc, wq);
	bgtoken_wq_flush(wq);
	pattern_expect(nfc->frames == 1);
	mutex_lock(&req_lock);			/* unregister */
	receive(nfc, wq);
	bgtoken_cancel(nfc->token);
	pattern_expect(nfc->frames == 1);
	bgtoken_work_put(nfc->rx);
	bgtoken_put(nfc->token);
	kfree(nfc);
	mutex_unlock(&req_lock);
	bgtoken_wq_destroy(wq);			/* module exit */
	return 0;
}

static const struct pattern lock_flush = { before, after };

module_pattern(lock_flush, "a flush under a lock that the works take");
