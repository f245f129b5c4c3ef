// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2021-47552 (blk-mq)
 * caught by: KASAN: (slab-)?use-after-free in dispatch_fn\+0x
 * before: the cancel is put off to the last put, and the device is gone before that
 * after: teardown cancels the token, which waits for no work
 */
#include <linux/kref.h>

#include "pattern.h"

#define LATER	(3600 * HZ)	/* its time comes when the schedule says so */

struct disk {			/* gone when it is pulled out */
	int dispatched;
};

/* Before */

struct queue {			/* stays until it is closed */
	struct kref kref;
	struct delayed_work dispatch;
	struct disk *disk;
};

static void dispatch_fn(struct work_struct *ws)
{
	container_of(ws, struct queue, dispatch.work)->disk->dispatched++;
}

static void queue_free(struct kref *kref)
{
	struct queue *queue = container_of(kref, struct queue, kref);

	cancel_delayed_work_sync(&queue->dispatch);
	kfree(queue);
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	struct disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);

	if (!wq || !queue || !disk)
		return -ENOMEM;
	kref_init(&queue->kref);
	queue->disk = disk;
	INIT_DELAYED_WORK(&queue->dispatch, dispatch_fn);
	queue_delayed_work(wq, &queue->dispatch, LATER);	/* it was busy */
	kfree(disk);			/* pulled out; the cancel is put off: the bug */
	flush_delayed_work(&queue->dispatch);		/* its time has come */
	kref_put(&queue->kref, queue_free);		/* closed */
	destroy_workqueue(wq);
	return 0;
}

/* After */

struct token_queue {
	struct kref kref;
	int runs;
};

struct token_dispatch {
	struct bgtoken_delayed_work dwork;
	struct token_queue *queue;	/* holds a reference: used outside scopes */
};

static void token_queue_free(struct kref *kref)
{
	kfree(container_of(kref, struct token_queue, kref));
}

static void token_dispatch_fn(struct bgtoken_work *work)
{
	container_of(work, struct token_dispatch, dwork.work)->queue->runs++;
	scoped_bgtoken(work->token, struct disk *, disk)
		disk->dispatched++;
}

static void token_dispatch_release(struct bgtoken_work *work)
{
	struct token_dispatch *dispatch =
		container_of(work, struct token_dispatch, dwork.work);

	pattern_expect(bgtoken_work_fate(work) == BGTOKEN_DROPPED_CANCELLED);
	pattern_expect(!dispatch->queue->runs);
	kref_put(&dispatch->queue->kref, token_queue_free);
	kfree(dispatch);
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_dispatch *dispatch = kzalloc(sizeof(*dispatch), GFP_KERNEL);
	struct token_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	struct disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	struct bgtoken *token;

	if (IS_ERR(wq) || !dispatch || !queue || !disk)
		return -ENOMEM;
	token = bgtoken_create(disk, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(token))
		return -ENOMEM;
	kref_init(&queue->kref);
	dispatch->queue = queue;
	kref_get(&queue->kref);			/* put in token_dispatch_release() */
	bgtoken_delayed_work_init(&dispatch->dwork, token, token_dispatch_fn,
				  token_dispatch_release);
	bgtoken_queue_delayed_work(wq, &dispatch->dwork, LATER);
	bgtoken_cancel(token);			/* pulled out */
	bgtoken_put(token);
	kfree(disk);
	bgtoken_flush_delayed_work(&dispatch->dwork);
	bgtoken_work_put(&dispatch->dwork.work);
	kref_put(&queue->kref, token_queue_free);	/* closed */
	bgtoken_wq_destroy(wq);
	return 0;
}

static const struct pattern put_off = { before, after };

module_pattern(put_off, "a cancel put off to the last put");
