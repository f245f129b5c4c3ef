// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgedu: a driver for QEMU's edu device, which may be unplugged while it works.
 *
 * The device computes one factorial at a time and takes its time over it, moves memory by
 * DMA, and interrupts when it is done.  This is how its driver is written with bgtoken:
 *
 *  - struct bgedu is the owner.  It goes when the device is unbound, and of all who use
 *    it remove waits for scopes only, which are short: for no work, no timer, no reader.
 *  - Whoever may outlive it holds a reference on its token instead: open files, works and
 *    the timer.  The interrupt needs none, though it is freed after remove: it was requested
 *    after the token was created, and devres goes in reverse, so its handler goes first.
 *  - What a work needs outside of scopes, it pins: here struct device, so that it can
 *    give back its reference for runtime PM when the driver is gone.
 *
 * Who holds which reference, and who drops it:
 *
 *	token		the device		devm_bgtoken_create()
 *			each work, the timer	their release
 *			struct bgedu_file	bgedu_file_free()
 *	works, timer	the device		devm_bgtoken_work_create() and the like
 *	bgedu_file	its struct file		bgedu_release()
 *			edu->jobs		bgedu_finish()
 *	runtime PM	edu->jobs		bgedu_finish(): bgedu_pm_put()
 *			whoever uses registers	itself: bgedu_pm_put()
 *
 * The registers are those of docs/specs/edu.rst in QEMU's source.
 */
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bgedu.h"

#define EDU_ID			0x00
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_COMPUTING	0x01
#define EDU_STATUS_INTERRUPT	0x80	/* when it is done */
#define EDU_IRQ_STATUS		0x24
#define EDU_IRQ_FACTORIAL	0x001
#define EDU_IRQ_DMA		0x100
#define EDU_IRQ_ACK		0x64
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_DEST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_RUN		0x01
#define EDU_DMA_FROM_DEVICE	0x02
#define EDU_DMA_INTERRUPT	0x04
#define EDU_BUFFER		0x40000	/* for DMA, as the device sees it */

#define FIRMWARE_SIZE		2048	/* in the first half of edu->dma */
#define HEALTH_PERIOD		(HZ / 4)
#define AUTOSUSPEND_MS		200

static unsigned int timeout_ms = 1000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "how long a factorial may take before the device is reset (1000)");

static unsigned int patience = 30;
module_param(patience, uint, 0444);
MODULE_PARM_DESC(patience, "how long a transfer or a reset may take before the device is given up, in s (30)");

static struct bgtoken_wq *bgedu_wq;
static DEFINE_IDA(bgedu_ids);

/* A file that is open, and what it asked for last. */
struct bgedu_file {
	struct kref kref;
	struct bgtoken *token;
	struct list_head node;		/* in edu->jobs, under edu->lock */
	u32 number;
	struct mutex lock;		/* for all below, but that bgedu_finish() writes it */
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

static u32 bgedu_read(struct bgedu *edu, unsigned int reg)
{
	return readl(edu->regs + reg);
}

static void bgedu_write(struct bgedu *edu, unsigned int reg, u32 value)
{
	writel(value, edu->regs + reg);
}

/*
 * A reference for runtime PM, and on the device, so that it can be given back when the
 * driver is gone.  A resume may take long, so it is outside of scopes.  -ENODEV if the device
 * is gone, or paused.
 */
static struct device *bgedu_pm_get(struct bgtoken *token)
{
	struct device *dev;
	int err;

	scoped_cond_bgtoken(return ERR_PTR(-ENODEV), token, struct bgedu *, edu)
		dev = get_device(&edu->pdev->dev);
	err = pm_runtime_resume_and_get(dev);
	if (!err)
		return dev;
	put_device(dev);
	/* Of one that is unbound meanwhile, runtime PM is off. */
	return ERR_PTR(bgtoken_cancelled(token) ? -ENODEV : err);
}

static void bgedu_pm_put(struct device *dev)
{
	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
	put_device(dev);
}

/* Jobs, under edu->lock and in a scope */

static struct bgedu_file *bgedu_first(struct bgedu *edu)
{
	return list_first_entry_or_null(&edu->jobs, struct bgedu_file, node);
}

/* Have the device compute the first of them, if it can. */
static void bgedu_start(struct bgedu *edu)
{
	struct bgedu_file *file = bgedu_first(edu);

	if (!file || !edu->ready || edu->computing)
		return;
	edu->computing = true;
	edu->deadline = jiffies + msecs_to_jiffies(READ_ONCE(timeout_ms));
	bgtoken_timer_mod(edu->watchdog, edu->deadline);
	/* Refused if it is pending; else it found no job, or ends by queueing itself. */
	bgtoken_queue_delayed_work(bgedu_wq, edu->health, HEALTH_PERIOD);
	bgedu_write(edu, EDU_FACTORIAL, file->number);
}

static void bgedu_finish(struct bgedu *edu, struct bgedu_file *file, int error, u32 result)
{
	if (list_is_first(&file->node, &edu->jobs))
		edu->computing = false;
	list_del_init(&file->node);
	file->error = error;
	file->pos = 0;
	snprintf(file->text, sizeof(file->text), "%u\n", result);
	smp_store_release(&file->state, BGEDU_DONE);	/* pairs with bgedu_state() */
	kref_put(&file->kref, bgedu_file_free);		/* taken in bgedu_submit() */
	bgedu_pm_put(&edu->pdev->dev);			/* taken in bgedu_file_write() */
}

/* What was begun is void: the first job will be computed again. */
static void bgedu_void(struct bgedu *edu)
{
	edu->resets++;
	edu->ready = false;
	edu->computing = false;
	edu->transferring = false;
}

static void bgedu_begin_anew(struct bgedu *edu)
{
	bgedu_void(edu);
	bgtoken_queue_work(bgedu_wq, edu->setup);
}

/* Under edu->lock.  False if it was not the device's interrupt, or there is no device. */
static bool bgedu_handle(struct bgedu *edu)
{
	u32 events = bgedu_read(edu, EDU_IRQ_STATUS);

	if (!events || PCI_POSSIBLE_ERROR(events))
		return false;
	bgedu_write(edu, EDU_IRQ_ACK, events);
	if (events & EDU_IRQ_DMA)
		edu->transferring = false;
	/* Not a late one, for what it was at before it was reset. */
	if (events & EDU_IRQ_FACTORIAL && edu->computing &&
	    !(bgedu_read(edu, EDU_STATUS) & EDU_STATUS_COMPUTING)) {
		edu->stats.done++;
		bgedu_finish(edu, bgedu_first(edu), 0, bgedu_read(edu, EDU_FACTORIAL));
		bgedu_start(edu);
	}
	return true;
}

static irqreturn_t bgedu_interrupt(int irq, void *token)
{
	bool handled = false;		/* not if it is paused, or gone */

	scoped_bgtoken(token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		handled = bgedu_handle(edu);
	}
	if (handled)
		bgtoken_wake(token);
	return IRQ_RETVAL(handled);
}

/* In softirq, in a scope: was there no interrupt in time? */
static void bgedu_watchdog(struct bgtoken_timer *timer, void *owner)
{
	struct bgedu *edu = owner;

	scoped_guard(spinlock_irqsave, &edu->lock) {
		if (!edu->computing || time_before(jiffies, edu->deadline))
			return;
		edu->stats.stuck++;
		bgedu_finish(edu, bgedu_first(edu), -ETIMEDOUT, 0);
		bgedu_begin_anew(edu);
	}
	bgtoken_wake(edu->token);
}

/* Works */

static bool bgedu_transferred(struct bgtoken *token)
{
	bool done = false;

	scoped_bgtoken(token, struct bgedu *, edu)
		done = !READ_ONCE(edu->transferring);
	return done;
}

/*
 * Move the firmware to the device, or back into the second half of edu->dma, unless it was
 * reset since @resets, and wait for that outside of scopes.
 */
static int bgedu_transfer(struct bgtoken *token, unsigned int resets, bool back)
{
	long left;

	scoped_cond_bgtoken(return -ENODEV, token, struct bgedu *, edu) {
		u32 memory = lower_32_bits(edu->dma_addr);

		guard(spinlock_irqsave)(&edu->lock);
		if (edu->resets != resets || edu->transferring)
			return -EAGAIN;
		edu->transferring = true;
		bgedu_write(edu, EDU_DMA_SOURCE, back ? EDU_BUFFER : memory);
		bgedu_write(edu, EDU_DMA_DEST, back ? memory + FIRMWARE_SIZE : EDU_BUFFER);
		bgedu_write(edu, EDU_DMA_COUNT, FIRMWARE_SIZE);
		bgedu_write(edu, EDU_DMA_COMMAND, EDU_DMA_RUN | EDU_DMA_INTERRUPT |
			    (back ? EDU_DMA_FROM_DEVICE : 0));
	}
	left = bgtoken_wait_event_timeout(token, bgedu_transferred(token), patience * HZ);
	if (bgedu_gone(token))
		return -ENODEV;
	return left ? 0 : -ETIMEDOUT;
}

/* Does the device have what it was given? */
static int bgedu_verify(struct bgtoken *token, unsigned int resets)
{
	int err = bgedu_transfer(token, resets, true);

	if (err)
		return err;
	scoped_cond_bgtoken(return -ENODEV, token, struct bgedu *, edu) {
		if (READ_ONCE(edu->resets) != resets)
			err = -EAGAIN;
		else if (memcmp(edu->dma, edu->dma + FIRMWARE_SIZE, FIRMWARE_SIZE))
			err = -EIO;
	}
	return err;
}

/* The device has no reset: it is as new when what it does for nobody has come to its end. */
static int bgedu_reset(struct bgtoken *token)
{
	unsigned long deadline = jiffies + patience * HZ;

	do {
		scoped_cond_bgtoken(return -ENODEV, token, struct bgedu *, edu) {
			guard(spinlock_irqsave)(&edu->lock);
			bgedu_write(edu, EDU_STATUS, 0);	/* no interrupt */
			if (!(bgedu_read(edu, EDU_STATUS) & EDU_STATUS_COMPUTING) &&
			    !(bgedu_read(edu, EDU_DMA_COMMAND) & EDU_DMA_RUN)) {
				bgedu_write(edu, EDU_IRQ_ACK, ~0);
				pci_set_master(edu->pdev);	/* no DMA of earlier is left */
				bgedu_write(edu, EDU_STATUS, EDU_STATUS_INTERRUPT);
				return 0;
			}
		}
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
	} while (!bgedu_gone(token) && !bgtoken_sleep(token, HZ / 100 + 1));
	return -ENODEV;
}

/*
 * After probe, a resume, and a factorial that was stuck: make the device ready, which takes
 * as long as what it was at before; or give it up.
 */
static void bgedu_setup(struct bgtoken_work *work)
{
	struct bgtoken *token = work->token;
	struct device *dev;
	unsigned int resets;
	int err;

	scoped_cond_bgtoken(return, token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		if (edu->ready)
			return;
		resets = edu->resets;
	}
	dev = bgedu_pm_get(token);
	err = PTR_ERR_OR_ZERO(dev) ?: bgedu_reset(token) ?:
	      bgedu_transfer(token, resets, false) ?: bgedu_verify(token, resets);
	scoped_bgtoken(token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		if (edu->resets != resets) {
			/* it was reset meanwhile, and another set-up is queued */
		} else if (!err) {
			edu->ready = true;
			edu->stats.setups++;
			bgedu_start(edu);
		} else if (err != -ENODEV) {
			dev_err(&edu->pdev->dev, "set-up failed: %d; given up\n", err);
			bgtoken_refuse(token);		/* to its users it is gone */
		}
	}
	if (!IS_ERR(dev))
		bgedu_pm_put(dev);
}

/* Now and then, while somebody waits for it: is the firmware what it was? */
static void bgedu_health(struct bgtoken_work *work)
{
	struct bgtoken *token = work->token;
	struct device *dev;
	unsigned int resets;
	int err;

	scoped_cond_bgtoken(return, token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		if (!edu->ready || list_empty(&edu->jobs))
			return;			/* bgedu_start() queues it again */
		resets = edu->resets;
		dev = get_device(&edu->pdev->dev);
		pm_runtime_get_noresume(dev);	/* it is resumed: a job has one, too */
	}
	err = bgedu_verify(token, resets);
	scoped_bgtoken(token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		if (edu->resets != resets) {
			/* whatever it found was of an earlier time */
		} else if (!err) {
			edu->stats.checks++;
		} else if (err == -EIO || err == -ETIMEDOUT) {
			dev_err(&edu->pdev->dev, "health check failed: %d\n", err);
			bgedu_begin_anew(edu);
		}
	}
	bgedu_pm_put(dev);
	bgtoken_queue_delayed_work(bgedu_wq, to_bgtoken_delayed_work(work), HEALTH_PERIOD);
}

/* Files */

static enum bgedu_state bgedu_state(const struct bgedu_file *file)
{
	return smp_load_acquire(&file->state);	/* pairs with bgedu_finish() */
}

static int bgedu_open(struct inode *inode, struct file *filp)
{
	/* It is there: misc_deregister(), in bgedu_remove(), waits for this. */
	struct bgedu *edu = container_of(filp->private_data, struct bgedu, misc);
	struct bgedu_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	kref_init(&file->kref);				/* put in bgedu_release() */
	file->token = bgtoken_get(edu->token);		/* put in bgedu_file_free() */
	mutex_init(&file->lock);
	INIT_LIST_HEAD(&file->node);
	filp->private_data = file;
	return stream_open(inode, filp);
}

/* Nobody wants its factorial any more; one that is being computed is left alone. */
static int bgedu_release(struct inode *inode, struct file *filp)
{
	struct bgedu_file *file = filp->private_data;

	scoped_bgtoken(file->token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		if (!list_empty(&file->node) &&
		    !(edu->computing && list_is_first(&file->node, &edu->jobs)))
			bgedu_finish(edu, file, -ECANCELED, 0);
	}
	kref_put(&file->kref, bgedu_file_free);
	return 0;
}

/* The caller's reference for runtime PM is the job's from then on. */
static int bgedu_submit(struct bgedu_file *file, u32 number)
{
	guard(mutex)(&file->lock);
	if (bgedu_state(file) == BGEDU_ASKED)
		return -EBUSY;
	scoped_cond_bgtoken(return -ENODEV, file->token, struct bgedu *, edu) {
		kref_get(&file->kref);				/* bgedu_finish() */
		file->number = number;
		WRITE_ONCE(file->state, BGEDU_ASKED);
		guard(spinlock_irqsave)(&edu->lock);
		list_add_tail(&file->node, &edu->jobs);
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

/* Until there is something to read, or never will be. */
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
		return -EAGAIN;		/* by another thread, which was quicker */
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

static int bgedu_liveness(struct bgtoken *token, u32 *value)
{
	struct device *dev = bgedu_pm_get(token);
	int err = -ENODEV;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	scoped_bgtoken(token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		bgedu_write(edu, EDU_LIVENESS, *value);
		*value = bgedu_read(edu, EDU_LIVENESS);
		/* One that was just pulled out answers whatever it is asked. */
		err = PCI_POSSIBLE_ERROR(bgedu_read(edu, EDU_ID)) ? -ENODEV : 0;
	}
	bgedu_pm_put(dev);
	return err;
}

/* What may fault is outside of scopes: a page may take long to come. */
static long bgedu_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct bgedu_file *file = filp->private_data;
	void __user *user = (void __user *)arg;
	struct bgedu_stats stats;
	u32 value;
	int err;

	if (bgedu_gone(file->token))
		return -ENODEV;
	if (cmd == BGEDU_IOC_STATS) {
		err = bgedu_stats(file->token, &stats);
		return err ?: (copy_to_user(user, &stats, sizeof(stats)) ? -EFAULT : 0);
	}
	if (cmd == BGEDU_IOC_LIVENESS) {
		if (get_user(value, (u32 __user *)user))
			return -EFAULT;
		err = bgedu_liveness(file->token, &value);
		return err ?: put_user(value, (u32 __user *)user);
	}
	return -ENOTTY;
}

static int bgedu_mmap(struct file *filp, struct vm_area_struct *vma)
{
	pr_info_once("bgedu: no mmap(): mapped registers cannot be taken back when the device goes; use read(), write() and ioctl()\n");
	return -ENODEV;
}

static const struct file_operations bgedu_fops = {
	.owner		= THIS_MODULE,
	.open		= bgedu_open,
	.release	= bgedu_release,
	.read		= bgedu_read_counted,
	.write		= bgedu_file_write,
	.poll		= bgedu_poll,
	.unlocked_ioctl	= bgedu_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= bgedu_mmap,
};

/* The device */

/*
 * These reach it without a scope: the PM core calls none of them before probe drops the count
 * of who uses the device, or when remove has begun.
 */

static int bgedu_runtime_suspend(struct device *dev)
{
	bgedu_write(dev_get_drvdata(dev), EDU_STATUS, 0);
	return 0;
}

static int bgedu_runtime_resume(struct device *dev)
{
	bgedu_write(dev_get_drvdata(dev), EDU_STATUS, EDU_STATUS_INTERRUPT);
	return 0;
}

/* Until the resume there is no scope: no register is touched, and nothing is queued. */
static int bgedu_suspend(struct device *dev)
{
	struct bgedu *edu = dev_get_drvdata(dev);

	bgtoken_pause(edu->token);
	bgedu_write(edu, EDU_STATUS, 0);
	pci_clear_master(edu->pdev);	/* what it moves, it moves nowhere; see bgedu_reset() */
	return 0;
}

/* The device has forgotten everything; its users have not. */
static int bgedu_resume(struct device *dev)
{
	struct bgedu *edu = dev_get_drvdata(dev);

	bgedu_void(edu);		/* nobody else is here: it is paused */
	bgtoken_resume(edu->token);
	bgtoken_queue_work(bgedu_wq, edu->setup);
	return 0;
}

static const struct dev_pm_ops bgedu_pm = {
	SYSTEM_SLEEP_PM_OPS(bgedu_suspend, bgedu_resume)
	RUNTIME_PM_OPS(bgedu_runtime_suspend, bgedu_runtime_resume, NULL)
};

/* The works and the timer are objects of their own, which may outlive edu. */
static int bgedu_alloc(struct bgedu *edu, struct device *dev)
{
	unsigned int i;
	int err;

	edu->token = devm_bgtoken_create(dev, edu, BGTOKEN_SHARED);
	edu->setup = devm_bgtoken_work_create(dev, edu->token, bgedu_setup);
	edu->health = devm_bgtoken_delayed_work_create(dev, edu->token, bgedu_health);
	edu->watchdog = devm_bgtoken_timer_create(dev, edu->token, bgedu_watchdog);
	err = PTR_ERR_OR_ZERO(edu->token) ?: PTR_ERR_OR_ZERO(edu->setup) ?:
	      PTR_ERR_OR_ZERO(edu->health) ?: PTR_ERR_OR_ZERO(edu->watchdog);
	if (err)
		return err;
	edu->dma = dmam_alloc_coherent(dev, 2 * FIRMWARE_SIZE, &edu->dma_addr, GFP_KERNEL);
	if (!edu->dma)
		return -ENOMEM;
	for (i = 0; i < FIRMWARE_SIZE; i++)
		((u8 *)edu->dma)[i] = i * 7 ^ i >> 8;	/* whatever it is */
	return 0;
}

static int bgedu_map(struct bgedu *edu, struct pci_dev *pdev)
{
	int err;

	edu->regs = pcim_iomap(pdev, 0, 0);
	if (!edu->regs)
		return -ENOMEM;
	if ((bgedu_read(edu, EDU_ID) & 0xff) != 0xed)
		return -ENODEV;
	/*
	 * No INTx: a level that is not acknowledged, as there is no scope, comes for ever.
	 * With one, mask it before the cancel and the pause.
	 */
	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (err < 0)
		return err;
	return devm_request_irq(&pdev->dev, pci_irq_vector(pdev, 0), bgedu_interrupt, 0,
				"bgedu", edu->token);
}

static int bgedu_register(struct bgedu *edu, struct device *dev)
{
	int err;

	edu->id = ida_alloc(&bgedu_ids, GFP_KERNEL);
	if (edu->id < 0)
		return edu->id;
	edu->misc.minor = MISC_DYNAMIC_MINOR;
	edu->misc.fops = &bgedu_fops;
	edu->misc.parent = dev;
	edu->misc.name = devm_kasprintf(dev, GFP_KERNEL, "edu%d", edu->id);
	err = edu->misc.name ? misc_register(&edu->misc) : -ENOMEM;
	if (err)
		ida_free(&bgedu_ids, edu->id);
	return err;
}

static int bgedu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct bgedu *edu;
	int err;

	edu = devm_kzalloc(dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	spin_lock_init(&edu->lock);
	INIT_LIST_HEAD(&edu->jobs);
	pci_set_drvdata(pdev, edu);
	err = pcim_enable_device(pdev) ?:
	      dma_set_mask_and_coherent(dev, DMA_BIT_MASK(28)) ?:
	      bgedu_alloc(edu, dev) ?:
	      bgedu_map(edu, pdev) ?:
	      bgedu_register(edu, dev);
	if (err)
		return dev_err_probe(dev, err, "cannot be set up\n");

	pm_runtime_set_autosuspend_delay(dev, AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	/* One that is idle loses its firmware, too, when the machine is suspended. */
	dev_pm_set_driver_flags(dev, DPM_FLAG_NO_DIRECT_COMPLETE);
	/* The PCI core has taken it.  Whether it is suspended is up to power/control. */
	pm_runtime_put_noidle(dev);
	bgtoken_queue_work(bgedu_wq, edu->setup);
	return 0;
}

void bgedu_remove(struct pci_dev *pdev)
{
	struct bgedu *edu = pci_get_drvdata(pdev);
	struct bgedu_file *file, *next;

	/* (1) No new scope.  Readers, pollers and works that wait are told. */
	bgtoken_refuse(edu->token);
	/*
	 * (2) No new file.  Those that are open have the token, and not the device.  This
	 * waits for an open of whatever misc device, as each driver of one does.
	 */
	misc_deregister(&edu->misc);
	ida_free(&bgedu_ids, edu->id);
	/* (3) No scope is live: from here on the device is this function's alone. */
	bgtoken_cancel(edu->token);
	/* (4) It does not interrupt, nor write to memory that devres frees before it is off. */
	bgedu_write(edu, EDU_STATUS, 0);
	pci_clear_master(pdev);
	/* (5) What was to be done is dropped. */
	list_for_each_entry_safe(file, next, &edu->jobs, node)
		bgedu_finish(edu, file, -ENODEV, 0);
	pm_runtime_dont_use_autosuspend(&pdev->dev);
	pm_runtime_get_noresume(&pdev->dev);	/* as the PCI core gave it to probe */
}

static const struct pci_device_id bgedu_devices[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },		/* QEMU's numbers of its own */
	{ }
};
MODULE_DEVICE_TABLE(pci, bgedu_devices);

static struct pci_driver bgedu_driver = {
	.name		= "bgedu",
	.id_table	= bgedu_devices,
	.probe		= bgedu_probe,
	.remove		= bgedu_remove_timed,
	.driver.pm	= pm_ptr(&bgedu_pm),
};

static int __init bgedu_init(void)
{
	int err;

	bgedu_wq = bgtoken_wq_create("bgedu", WQ_UNBOUND, 0);
	if (IS_ERR(bgedu_wq))
		return PTR_ERR(bgedu_wq);
	err = pci_register_driver(&bgedu_driver);
	if (err)
		bgtoken_wq_destroy(bgedu_wq);
	return err;
}
module_init(bgedu_init);

static void __exit bgedu_exit(void)
{
	pci_unregister_driver(&bgedu_driver);
	bgtoken_wq_destroy(bgedu_wq);	/* what runs still runs this module's text */
}
module_exit(bgedu_exit);

MODULE_DESCRIPTION("QEMU's edu device, unplugged while it works");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
