// SPDX-License-Identifier: GPL-2.0-only
/*
 * The character device, /dev/edu%d: what bgedu_uapi.h promises to its users.
 *
 * A file holds a reference on the token, so it may outlive the device.  A request to the
 * device is a job, which is on edu->jobs from bgedu_submit() to bgedu_finish().
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bgedu.h"

static DEFINE_IDA(bgedu_ids);

/* An open file, and its latest request. */
struct bgedu_file {
	struct kref kref;
	struct bgtoken *token;
	struct bgedu_job job;
	struct mutex lock;		/* for all below, which bgedu_finish() writes without it */
	enum bgedu_state {
		BGEDU_EMPTY,		/* set by the reader */
		BGEDU_ASKED,		/* by the writer: in edu->jobs */
		BGEDU_DONE,		/* by bgedu_finish() */
	} state;
	int error;
	char text[12];
	loff_t pos;
};

static void bgedu_file_free(struct kref *kref)
{
	struct bgedu_file *file = container_of(kref, struct bgedu_file, kref);

	bgtoken_put(file->token);
	kfree(file);
}

static enum bgedu_state bgedu_state(const struct bgedu_file *file)
{
	return smp_load_acquire(&file->state);	/* pairs with bgedu_finish() */
}

/* For a job on edu->jobs: under edu->lock and in a scope, or once there are no scopes. */
void bgedu_finish(struct bgedu *edu, struct bgedu_job *job, int error, u32 result)
{
	struct bgedu_file *file = container_of(job, struct bgedu_file, job);

	if (list_is_first(&job->node, &edu->jobs))
		edu->computing = false;
	list_del_init(&job->node);
	file->error = error;
	file->pos = 0;
	snprintf(file->text, sizeof(file->text), "%u\n", result);
	smp_store_release(&file->state, BGEDU_DONE);	/* pairs with bgedu_state() */
	kref_put(&file->kref, bgedu_file_free);		/* taken in bgedu_submit() */
	bgedu_pm_put(&edu->pdev->dev);			/* taken in bgedu_file_write() */
}

static int bgedu_open(struct inode *inode, struct file *filp)
{
	/* The device is still there: misc_deregister() waits for this. */
	struct bgedu *edu = container_of(filp->private_data, struct bgedu, misc);
	struct bgedu_file *file;

	if (bgedu_gone(edu->token))		/* see usual.c */
		return -ENODEV;
	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	kref_init(&file->kref);				/* put in bgedu_release() */
	file->token = bgtoken_get(edu->token);		/* put in bgedu_file_free() */
	mutex_init(&file->lock);
	INIT_LIST_HEAD(&file->job.node);
	filp->private_data = file;
	return stream_open(inode, filp);
}

/* Nobody wants its factorial any more; one that is being computed is left alone. */
static int bgedu_release(struct inode *inode, struct file *filp)
{
	struct bgedu_file *file = filp->private_data;

	scoped_bgtoken(file->token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		if (!list_empty(&file->job.node) &&
		    !(edu->computing && list_is_first(&file->job.node, &edu->jobs)))
			bgedu_finish(edu, &file->job, -ECANCELED, 0);
	}
	kref_put(&file->kref, bgedu_file_free);
	return 0;
}

/* On success, the caller's runtime PM reference passes to the job. */
static int bgedu_submit(struct bgedu_file *file, u32 number)
{
	guard(mutex)(&file->lock);
	if (bgedu_state(file) == BGEDU_ASKED)
		return -EBUSY;
	scoped_cond_bgtoken(return -ENODEV, file->token, struct bgedu *, edu) {
		kref_get(&file->kref);				/* bgedu_finish() */
		file->job.number = number;
		WRITE_ONCE(file->state, BGEDU_ASKED);
		guard(spinlock_irqsave)(&edu->lock);
		list_add_tail(&file->job.node, &edu->jobs);
		bgedu_start(edu);
	}
	return 0;
}

static ssize_t bgedu_file_write(struct file *filp, const char __user *buf, size_t count,
				loff_t *pos)
{
	struct bgedu_file *file = filp->private_data;
	struct device *dev;
	u32 number;
	int err;

	err = kstrtou32_from_user(buf, count, 10, &number);
	if (!err) {
		dev = bgedu_pm_get(file->token);	/* under no lock, as it may take long */
		err = PTR_ERR_OR_ZERO(dev) ?: bgedu_submit(file, number);
		if (err && !IS_ERR(dev))
			bgedu_pm_put(dev);
	}
	return bgedu_gone(file->token) ? -ENODEV : err ?: count;
}

/* Wait until there is something to read, or there never will be. */
static int bgedu_wait(struct file *filp)
{
	struct bgedu_file *file = filp->private_data;
	struct bgtoken *token = file->token;
	int err;

	if (filp->f_flags & O_NONBLOCK)
		err = bgedu_state(file) == BGEDU_ASKED ? -EAGAIN : 0;
	else
		err = bgtoken_wait_event_interruptible(token, bgedu_state(file) != BGEDU_ASKED ||
						       bgedu_gone(token));
	return bgedu_gone(token) ? -ENODEV : err;
}

static ssize_t bgedu_take(struct bgedu_file *file, char __user *buf, size_t count)
{
	ssize_t taken;

	guard(mutex)(&file->lock);
	if (bgedu_state(file) == BGEDU_EMPTY)
		return 0;
	if (bgedu_state(file) == BGEDU_ASKED)
		return -EAGAIN;		/* another thread was quicker */
	taken = file->error ?: simple_read_from_buffer(buf, count, &file->pos, file->text,
						       strlen(file->text));
	if (file->error || file->pos == strlen(file->text))
		WRITE_ONCE(file->state, BGEDU_EMPTY);
	return taken;
}

ssize_t bgedu_file_read(struct file *filp, char __user *buf, size_t count, loff_t *pos)
{
	struct bgedu_file *file = filp->private_data;
	ssize_t done;

	do {
		done = bgedu_wait(filp) ?: bgedu_take(file, buf, count);
	} while (done == -EAGAIN && !(filp->f_flags & O_NONBLOCK));
	return done;
}

static __poll_t bgedu_poll(struct file *filp, poll_table *pt)
{
	struct bgedu_file *file = filp->private_data;
	enum bgedu_state state;

	bgtoken_poll_wait(filp, file->token, pt);
	if (bgedu_gone(file->token))
		return EPOLLHUP | EPOLLERR;
	state = bgedu_state(file);
	if (state == BGEDU_ASKED)
		return 0;
	return EPOLLOUT | EPOLLWRNORM | (state == BGEDU_DONE ? EPOLLIN | EPOLLRDNORM : 0);
}

static int bgedu_stats(struct bgtoken *token, struct bgedu_stats *stats)
{
	scoped_cond_bgtoken(return -ENODEV, token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		*stats = edu->stats;
	}
	return 0;
}

/* Accesses that may fault are outside of scopes: a page may take long to come in. */
static long bgedu_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct bgtoken *token = ((struct bgedu_file *)filp->private_data)->token;
	void __user *user = (void __user *)arg;
	struct bgedu_stats stats;
	u32 value;
	int err;

	if (bgedu_gone(token))
		return -ENODEV;
	if (cmd == BGEDU_IOC_STATS) {
		err = bgedu_stats(token, &stats);
		return err ?: (copy_to_user(user, &stats, sizeof(stats)) ? -EFAULT : 0);
	}
	if (cmd == BGEDU_IOC_LIVENESS) {
		if (copy_from_user(&value, user, sizeof(value)))
			return -EFAULT;
		err = bgedu_liveness(token, &value);
		return err ?: (copy_to_user(user, &value, sizeof(value)) ? -EFAULT : 0);
	}
	return -ENOTTY;
}

static int bgedu_mmap(struct file *filp, struct vm_area_struct *vma)
{
	pr_info_ratelimited("bgedu: no mmap(): mapped registers cannot be taken back when the device goes; use read(), write() and ioctl()\n");
	return -ENODEV;
}

static const struct file_operations bgedu_fops = {
	.owner		= THIS_MODULE,
	.open		= bgedu_open,
	.release	= bgedu_release,
	.read		= bgedu_read_counted,	/* bgedu_file_read(): see usual.c */
	.write		= bgedu_file_write,
	.poll		= bgedu_poll,
	.unlocked_ioctl	= bgedu_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= bgedu_mmap,
};

int bgedu_register(struct bgedu *edu)
{
	int err;

	edu->id = ida_alloc(&bgedu_ids, GFP_KERNEL);
	if (edu->id < 0)
		return edu->id;
	edu->misc.minor = MISC_DYNAMIC_MINOR;
	edu->misc.fops = &bgedu_fops;
	edu->misc.parent = &edu->pdev->dev;
	edu->misc.name = devm_kasprintf(&edu->pdev->dev, GFP_KERNEL, "edu%d", edu->id);
	err = edu->misc.name ? misc_register(&edu->misc) : -ENOMEM;
	if (err)
		ida_free(&bgedu_ids, edu->id);
	return err;
}

/* Waits for an open() of any misc device, as in every misc driver; but for no open file. */
void bgedu_unregister(struct bgedu *edu)
{
	misc_deregister(&edu->misc);
	ida_free(&bgedu_ids, edu->id);
}
