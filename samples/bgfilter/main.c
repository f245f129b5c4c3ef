// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/bgfilter: one open file, one set of filters.  See bgfilter_uapi.h.
 *
 * E: file->events_lock, F: file->lock, which is taken first.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bgfilter.h"

struct bgtoken_wq *bgfilter_wq;

bool bgfilter_teardown_flush;
static char *teardown = "token";
module_param(teardown, charp, 0444);
MODULE_PARM_DESC(teardown,
		 "how close() ends the compilation: token (default), or flush, which waits for units");

unsigned int bgfilter_max_tasks;
module_param_named(max_tasks, bgfilter_max_tasks, uint, 0444);
MODULE_PARM_DESC(max_tasks,
		 "compile tasks for one set, up to 1024 (default: online CPUs)");

static int bgfilter_open(struct inode *inode, struct file *filp)
{
	struct bgfilter_file *file;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	spin_lock_init(&file->events_lock);
	init_waitqueue_head(&file->waitq);
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

/* Return the old set, which only the caller can reach now.  Under F. */
static struct bgfilter_set *bgfilter_exchange(struct bgfilter_file *file,
					      struct bgfilter_set *set)
{
	struct bgfilter_set *old = file->set;

	spin_lock(&file->events_lock);
	file->set = set;
	file->loads++;
	spin_unlock(&file->events_lock);
	wake_up_all(&file->waitq);
	return old;
}

static int bgfilter_release(struct inode *inode, struct file *filp)
{
	struct bgfilter_file *file = filp->private_data;

	bgfilter_set_destroy(file->set);
	mutex_destroy(&file->lock);
	kfree(file);
	return 0;
}

static int bgfilter_load(struct bgfilter_file *file, void __user *argp)
{
	struct bgfilter_load __user *uload = argp;
	struct bgfilter_load load;
	struct bgfilter_set *set;
	int err;

	if (copy_from_user(&load, uload, sizeof(load)))
		return -EFAULT;
	err = bgfilter_results_wait();
	if (err)
		return err;
	set = bgfilter_set_create(file, &load);
	if (put_user(load.failed, &uload->failed) ||
	    put_user(load.insn, &uload->insn) ||
	    put_user(load.reason, &uload->reason)) {
		err = -EFAULT;
		goto destroy;
	}
	if (IS_ERR(set))
		return PTR_ERR(set);

	if (mutex_lock_interruptible(&file->lock)) {
		err = -ERESTARTSYS;
		goto destroy;
	}
	err = bgfilter_set_start(set);
	if (!err)
		set = bgfilter_exchange(file, set);
	mutex_unlock(&file->lock);
destroy:
	/* The old set, or on error the new one. */
	if (!IS_ERR(set))
		bgfilter_set_destroy(set);
	return err;
}

static int bgfilter_run_check(const struct bgfilter_run *run)
{
	if (run->cap_len > BGFILTER_MAX_PACKET)
		return -EMSGSIZE;
	if (run->tier && run->tier != BGFILTER_TIER_BASELINE &&
	    run->tier != BGFILTER_TIER_TOP)
		return -EINVAL;
	return 0;
}

static int bgfilter_run_set(struct bgfilter_set *set,
			    const struct bgfilter_run *run)
{
	u32 tier = run->tier ?: BGFILTER_TIER_BASELINE | BGFILTER_TIER_TOP;
	struct sk_buff *skb;
	void *packet;
	int err;

	if (!set)
		return -ENODATA;
	err = bgfilter_run_check(run);
	if (err)
		return err;
	if (run->nr_verdicts != set->nr)
		return -EINVAL;
	packet = vmemdup_user(u64_to_user_ptr(run->packet), run->cap_len);
	if (IS_ERR(packet))
		return PTR_ERR(packet);
	skb = bgfilter_skb(packet, run->cap_len, run->wire_len);
	err = skb ? bgfilter_set_run(set, skb, tier) : -ENOMEM;
	bgfilter_skb_free(skb);
	kvfree(packet);
	if (err)
		return err;
	if (copy_to_user(u64_to_user_ptr(run->verdicts), set->verdicts, set->nr))
		return -EFAULT;
	return 0;
}

static int bgfilter_run(struct bgfilter_file *file, const void __user *argp)
{
	struct bgfilter_run run;
	int err;

	if (copy_from_user(&run, argp, sizeof(run)))
		return -EFAULT;
	if (mutex_lock_interruptible(&file->lock))
		return -ERESTARTSYS;
	err = bgfilter_run_set(file->set, &run);
	mutex_unlock(&file->lock);
	return err;
}

static void bgfilter_fill_progress(struct bgfilter_file *file,
				   struct bgfilter_progress *to)
{
	struct bgfilter_set *set = file->set;
	struct bgcompile_progress from;
	int tier;

	bgfilter_set_progress(set, &from);
	*to = (struct bgfilter_progress){
		.tasks = from.tasks,
		.compiling = from.compiling,
		.features = from.features,
	};
	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		to->total[tier] = from.total[tier];
		to->done[tier] = from.done[tier];
		to->failed[tier] = from.failed[tier];
		to->compile_ns[tier] = atomic64_read(&set->image->compile_ns[tier]);
		to->longest_ns[tier] = atomic64_read(&set->image->longest_ns[tier]);
	}
	spin_lock(&file->events_lock);
	to->events = set->events;
	to->error = set->error;
	spin_unlock(&file->events_lock);
}

static int bgfilter_get_progress(struct bgfilter_file *file, void __user *argp)
{
	struct bgfilter_progress progress;
	int err = 0;

	if (mutex_lock_interruptible(&file->lock))
		return -ERESTARTSYS;
	if (file->set)
		bgfilter_fill_progress(file, &progress);
	else
		err = -ENODATA;
	if (!err && copy_to_user(argp, &progress, sizeof(progress)))
		err = -EFAULT;
	if (!err) {
		spin_lock(&file->events_lock);
		file->set->unread &= ~progress.events;
		spin_unlock(&file->events_lock);
	}
	mutex_unlock(&file->lock);
	return err;
}

/* What the wait is to return, or -EAGAIN if the event has not come yet. */
static int bgfilter_waited(struct bgfilter_file *file, u64 load, u32 event)
{
	int ret = -EAGAIN;

	spin_lock(&file->events_lock);
	if (!file->set)
		ret = -ENODATA;
	else if (file->loads != load)
		ret = -ECANCELED;
	else if (file->set->events & event)
		ret = 0;
	else if (file->set->events & BGFILTER_EVENT_FAILED)
		ret = file->set->error;
	spin_unlock(&file->events_lock);
	return ret;
}

static int bgfilter_wait(struct bgfilter_file *file, unsigned long event)
{
	int ret, err;
	u64 load;

	if (event != BGFILTER_EVENT_BASELINE && event != BGFILTER_EVENT_TOP)
		return -EINVAL;
	spin_lock(&file->events_lock);
	load = file->loads;
	spin_unlock(&file->events_lock);
	err = wait_event_interruptible(file->waitq,
				       (ret = bgfilter_waited(file, load, event)) !=
				       -EAGAIN);
	return err ?: ret;
}

static long bgfilter_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct bgfilter_file *file = filp->private_data;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case BGFILTER_LOAD:
		return bgfilter_load(file, argp);
	case BGFILTER_RUN:
		return bgfilter_run(file, argp);
	case BGFILTER_GET_PROGRESS:
		return bgfilter_get_progress(file, argp);
	case BGFILTER_WAIT:
		return bgfilter_wait(file, arg);
	}
	return -ENOTTY;
}

static __poll_t bgfilter_poll(struct file *filp, poll_table *wait)
{
	struct bgfilter_file *file = filp->private_data;
	__poll_t mask = 0;

	poll_wait(filp, &file->waitq, wait);
	spin_lock(&file->events_lock);
	if (file->set && file->set->unread)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (file->set && file->set->events & BGFILTER_EVENT_FAILED)
		mask |= EPOLLERR;
	spin_unlock(&file->events_lock);
	return mask;
}

static const struct file_operations bgfilter_fops = {
	.owner = THIS_MODULE,
	.open = bgfilter_open,
	.release = bgfilter_release,
	.unlocked_ioctl = bgfilter_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = bgfilter_poll,
};

static struct miscdevice bgfilter_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bgfilter",
	.mode = 0600,
	.fops = &bgfilter_fops,
};

static int __init bgfilter_init(void)
{
	int err;

	if (!strcmp(teardown, "flush")) {
		bgfilter_teardown_flush = true;
	} else if (strcmp(teardown, "token")) {
		pr_err("teardown=%s: neither token nor flush\n", teardown);
		return -EINVAL;
	}
	if (bgfilter_max_tasks > 1024) {
		pr_err("max_tasks=%u: over 1024\n", bgfilter_max_tasks);
		return -EINVAL;
	}
	bgfilter_wq = bgtoken_wq_create("bgfilter", WQ_UNBOUND, 0);
	if (IS_ERR(bgfilter_wq))
		return PTR_ERR(bgfilter_wq);
	err = misc_register(&bgfilter_device);
	if (err)
		bgtoken_wq_destroy(bgfilter_wq);
	return err;
}
module_init(bgfilter_init);

/* No file is open: each set is cancelled.  Their tasks may still be at it. */
static void __exit bgfilter_exit(void)
{
	misc_deregister(&bgfilter_device);
	bgtoken_wq_destroy(bgfilter_wq);
	bgfilter_set_exit();
}
module_exit(bgfilter_exit);

MODULE_DESCRIPTION("Packet filters compiled in the background");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
