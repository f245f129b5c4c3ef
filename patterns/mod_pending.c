// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: 9fc75b71fdd3 (rbd)
 * caught by: ODEBUG: free active .* object type: timer_list hint: lock_fn\+0x
 * caught by: before\+0x
 * found by: queued_after
 * before: delayed_work_pending(), then mod_delayed_work(), and the cancel in between
 * after: the work is taken back and queued again, which a cancelled token refuses
 */
#include "pattern.h"

#define LATER	(3600 * HZ)	/* so that the work is still pending at the end */

PATTERN_GATE(looked);

/* Before */

struct image {
	struct work_struct kick;
	struct delayed_work lock;
	struct workqueue_struct *wq;
	int locks;
};

static void lock_fn(struct work_struct *ws)
{
	container_of(ws, struct image, lock.work)->locks++;
}

/* If the lock is being asked for, ask sooner. */
static void kick_fn(struct work_struct *ws)
{
	struct image *image = container_of(ws, struct image, kick);

	if (delayed_work_pending(&image->lock)) {
		pattern_hold(&looked);
		mod_delayed_work(image->wq, &image->lock, LATER / 2);	/* the bug */
	}
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct image *image = kzalloc(sizeof(*image), GFP_KERNEL);

	if (!wq || !image)
		return -ENOMEM;
	image->wq = wq;
	INIT_WORK(&image->kick, kick_fn);
	INIT_DELAYED_WORK(&image->lock, lock_fn);
	queue_delayed_work(wq, &image->lock, LATER);
	queue_work(wq, &image->kick);
	pattern_await(&looked);
	cancel_delayed_work_sync(&image->lock);		/* unmap */
	pattern_open(&looked);
	cancel_work_sync(&image->kick);
	kfree(image);
	destroy_workqueue(wq);
	return 0;
}

/* After */

struct token_image {
	struct bgtoken *token;
	int locks;
};

struct token_kick {
	struct bgtoken_work work;
	struct bgtoken_wq *wq;
	struct bgtoken_delayed_work *lock;	/* with the reference from its init */
};

static int refused;

static void token_lock_fn(struct bgtoken_work *work)
{
	scoped_bgtoken(work->token, struct token_image *, image)
		image->locks++;
}

static void token_kick_fn(struct bgtoken_work *work)
{
	struct token_kick *kick = container_of(work, struct token_kick, work);

	if (bgtoken_cancel_delayed_work(kick->lock)) {
		pattern_hold(&looked);
		refused += !bgtoken_queue_delayed_work(kick->wq, kick->lock, LATER / 2);
	}
}

static void token_kick_release(struct bgtoken_work *work)
{
	struct token_kick *kick = container_of(work, struct token_kick, work);

	bgtoken_work_put(&kick->lock->work);
	kfree(kick);
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_image *image = kzalloc(sizeof(*image), GFP_KERNEL);
	struct bgtoken_delayed_work *lock = kzalloc(sizeof(*lock), GFP_KERNEL);
	struct token_kick *kick = kzalloc(sizeof(*kick), GFP_KERNEL);

	if (IS_ERR(wq) || !image || !lock || !kick)
		return -ENOMEM;
	image->token = bgtoken_create(image, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(image->token))
		return -ENOMEM;
	refused = 0;
	bgtoken_delayed_work_init(lock, image->token, token_lock_fn, NULL);
	bgtoken_queue_delayed_work(wq, lock, LATER);
	bgtoken_work_init(&kick->work, image->token, token_kick_fn, token_kick_release);
	kick->wq = wq;
	kick->lock = lock;
	bgtoken_queue_work(wq, &kick->work);
	bgtoken_work_put(&kick->work);
	pattern_await(&looked);
	bgtoken_cancel(image->token);		/* unmap */
	bgtoken_put(image->token);
	kfree(image);
	pattern_open(&looked);
	bgtoken_wq_destroy(wq);			/* module exit */
	pattern_expect(refused == 1);
	return 0;
}

static const struct pattern mod_pending = { before, after };

module_pattern(mod_pending, "a delayed work moved that is not pending any more");
