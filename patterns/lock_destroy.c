// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: c895b784c699 (loop)
 * caught by: possible circular locking dependency detected
 * caught by: \(wq_completion\)pattern
 * caught by: \(work_completion\)\(&disk->io\)
 * caught by: \(&backing->lock[#)]
 * found by: lock_cancel
 * before: the last close destroys the workqueue under a lock that its works take
 * after: bgtoken_cancel() under that lock; the workqueue is the module's
 *
 * The destruction would have waited until all writes are done.  A cancel drops those that
 * are queued, and one that has begun may write after the close: here that is fine.
 */
#include <linux/kref.h>
#include <linux/mutex.h>

#include "pattern.h"

/* The file that a disk is made of; others have it open as well. */
struct backing {
	struct kref kref;
	struct mutex lock;	/* held for each write */
	int writes;
};

static void backing_free(struct kref *kref)
{
	kfree(container_of(kref, struct backing, kref));
}

/* Before */

struct disk {
	struct workqueue_struct *wq;
	struct work_struct io;
	struct backing *backing;
};

static void io_fn(struct work_struct *ws)
{
	struct backing *backing = container_of(ws, struct disk, io)->backing;

	mutex_lock(&backing->lock);
	backing->writes++;
	mutex_unlock(&backing->lock);
}

static int before(void)
{
	struct backing *backing = kzalloc(sizeof(*backing), GFP_KERNEL);
	struct disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);

	if (!backing || !disk)
		return -ENOMEM;
	kref_init(&backing->kref);
	mutex_init(&backing->lock);
	disk->backing = backing;
	disk->wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	if (!disk->wq)
		return -ENOMEM;
	INIT_WORK(&disk->io, io_fn);
	queue_work(disk->wq, &disk->io);
	flush_work(&disk->io);			/* this time it was quicker */
	mutex_lock(&backing->lock);		/* the last close */
	queue_work(disk->wq, &disk->io);	/* and this time it is not */
	destroy_workqueue(disk->wq);		/* the bug */
	mutex_unlock(&backing->lock);
	kfree(disk);
	kref_put(&backing->kref, backing_free);
	return 0;
}

/* After */

PATTERN_GATE(at_lock);

struct token_disk {
	struct bgtoken *token;
	struct backing *backing;
	int done;
};

static void token_io_fn(struct bgtoken_work *work)
{
	struct backing *backing = NULL;

	/* The lock is taken outside of scopes, so it is pinned. */
	scoped_cond_bgtoken(return, work->token, struct token_disk *, disk) {
		backing = disk->backing;
		kref_get(&backing->kref);
	}
	pattern_hold(&at_lock);
	mutex_lock(&backing->lock);
	backing->writes++;
	scoped_bgtoken(work->token, struct token_disk *, disk)
		disk->done++;
	mutex_unlock(&backing->lock);
	kref_put(&backing->kref, backing_free);
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct backing *backing = kzalloc(sizeof(*backing), GFP_KERNEL);
	struct token_disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	struct bgtoken_work *io = kzalloc(sizeof(*io), GFP_KERNEL);

	if (IS_ERR(wq) || !backing || !disk || !io)
		return -ENOMEM;
	kref_init(&backing->kref);
	mutex_init(&backing->lock);
	disk->backing = backing;
	disk->token = bgtoken_create(disk, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(disk->token))
		return -ENOMEM;
	bgtoken_work_init(io, disk->token, token_io_fn, NULL);
	bgtoken_queue_work(wq, io);
	bgtoken_work_put(io);
	mutex_lock(&backing->lock);		/* the last close */
	pattern_await(&at_lock);		/* about to take the lock */
	pattern_open(&at_lock);
	bgtoken_cancel(disk->token);
	pattern_expect(disk->done == 0);
	bgtoken_put(disk->token);
	kfree(disk);
	mutex_unlock(&backing->lock);
	bgtoken_wq_destroy(wq);			/* module exit */
	pattern_expect(backing->writes == 1);
	kref_put(&backing->kref, backing_free);
	return 0;
}

static const struct pattern lock_destroy = { before, after };

module_pattern(lock_destroy, "a workqueue destroyed under a lock that its works take");
