// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgedu: a driver for QEMU's edu device, which may be unplugged while it works.
 *
 * The device computes one factorial at a time and takes its time over it, moves memory by
 * DMA, and interrupts when it is done.  This is how its driver is written with bgtoken; the
 * device is here, slow operations are in work.c, and what its users see is in file.c:
 *
 *  - struct bgedu is the owner.  It is freed when the device is unbound.  Remove waits for
 *    scopes, which are short and include the timer function, and for any open() that has
 *    begun, but for no work and no reader.
 *  - Anything that may outlive it holds a reference on its token instead: open files, works
 *    and the timer.  The interrupt needs none, though it is freed after remove: it is requested
 *    after the token is created, and devres releases in reverse, so its handler goes first.
 *  - A work pins what it needs outside of scopes: here struct device, so that it can drop
 *    its runtime PM reference when the driver is gone.
 *  - usual.c is for comparison only, and not to be copied; because of it, bgedu_gone()
 *    stands where a driver calls bgtoken_cancelled(), and .remove and .read have other names.
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
 */
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "bgedu.h"

#define AUTOSUSPEND_MS		200

static unsigned int timeout_ms = 1000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "how long a factorial may take before the device is reset (1000)");

struct bgtoken_wq *bgedu_wq;

/*
 * Get a runtime PM reference, and one on the device, so that the former can be dropped when
 * the driver is gone.  A resume may take long, so it is outside of scopes.  -ENODEV if the
 * device is gone, or paused.
 */
struct device *bgedu_pm_get(struct bgtoken *token)
{
	struct device *dev;
	int err;

	scoped_cond_bgtoken(return ERR_PTR(-ENODEV), token, struct bgedu *, edu)
		dev = get_device(&edu->pdev->dev);
	err = pm_runtime_resume_and_get(dev);
	if (!err)
		return dev;
	put_device(dev);
	/* If the device was unbound meanwhile, its runtime PM is disabled. */
	return ERR_PTR(bgtoken_cancelled(token) ? -ENODEV : err);
}

void bgedu_pm_put(struct device *dev)
{
	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
	put_device(dev);
}

/* Jobs, under edu->lock and in a scope */

static struct bgedu_job *bgedu_first(struct bgedu *edu)
{
	return list_first_entry_or_null(&edu->jobs, struct bgedu_job, node);
}

/* Have the device compute the first job, if it can. */
void bgedu_start(struct bgedu *edu)
{
	struct bgedu_job *job = bgedu_first(edu);

	if (!job || !edu->ready || edu->computing)
		return;
	edu->computing = true;
	edu->deadline = jiffies + msecs_to_jiffies(READ_ONCE(timeout_ms));
	bgtoken_timer_mod(edu->watchdog, edu->deadline);
	/* The check stops when there is no job.  If it is pending, this does nothing. */
	bgtoken_queue_delayed_work(bgedu_wq, edu->health, HEALTH_PERIOD);
	bgedu_write(edu, EDU_FACTORIAL, job->number);
}

/* What was begun is void: the first job will be computed again. */
static void bgedu_void(struct bgedu *edu)
{
	edu->resets++;
	edu->ready = false;
	edu->computing = false;
	edu->transferring = false;
}

void bgedu_begin_anew(struct bgedu *edu)
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
	/* Ignore a late one, for what the device was doing before it was reset. */
	if (events & EDU_IRQ_FACTORIAL && edu->computing &&
	    !(bgedu_read(edu, EDU_STATUS) & EDU_STATUS_COMPUTING)) {
		u32 result = bgedu_read(edu, EDU_FACTORIAL);

		/* No factorial: it was just pulled out.  The job is left to the remove. */
		if (PCI_POSSIBLE_ERROR(result))
			return true;
		edu->stats.done++;
		bgedu_finish(edu, bgedu_first(edu), 0, result);
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

/* Query the device at once, without a job. */
int bgedu_liveness(struct bgtoken *token, u32 *value)
{
	struct device *dev = bgedu_pm_get(token);
	int err = -ENODEV;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	scoped_bgtoken(token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		bgedu_write(edu, EDU_LIVENESS, *value);
		*value = bgedu_read(edu, EDU_LIVENESS);
		/* Reads from a device that was just pulled out return something, too. */
		err = PCI_POSSIBLE_ERROR(bgedu_read(edu, EDU_ID)) ? -ENODEV : 0;
	}
	bgedu_pm_put(dev);
	return err;
}

/* Power */

/*
 * These access the device without a scope: the PM core calls none of them before probe drops
 * the usage count, or once remove has begun.
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
	pci_clear_master(edu->pdev);	/* its DMA goes nowhere; see bgedu_reset() */
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

/* For good.  With kexec, what the device still wrote would be in the next kernel's memory. */
static void bgedu_shutdown(struct pci_dev *pdev)
{
	bgedu_suspend(&pdev->dev);
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
		((u8 *)edu->dma)[i] = i * 7 ^ i >> 8;	/* any contents will do */
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
	 * No INTx: a level interrupt that is not acknowledged, as there is no scope, would
	 * fire forever.  A driver that uses INTx masks it before the cancel and the pause.
	 */
	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (err < 0)
		return err;
	return devm_request_irq(&pdev->dev, pci_irq_vector(pdev, 0), bgedu_interrupt, 0,
				"bgedu", edu->token);
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
	      bgedu_register(edu);
	if (err)
		return dev_err_probe(dev, err, "cannot be set up\n");

	pm_runtime_set_autosuspend_delay(dev, AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	/* An idle device, too, loses its firmware when the machine is suspended. */
	dev_pm_set_driver_flags(dev, DPM_FLAG_NO_DIRECT_COMPLETE);
	/* The PCI core took this.  Whether the device is suspended is up to power/control. */
	pm_runtime_put_noidle(dev);
	bgtoken_queue_work(bgedu_wq, edu->setup);
	return 0;
}

void bgedu_remove(struct pci_dev *pdev)
{
	struct bgedu *edu = pci_get_drvdata(pdev);
	struct bgedu_job *job, *next;

	/* (1) No new scope.  Waiting readers, pollers and works are woken. */
	bgtoken_refuse(edu->token);
	/* (2) No new file.  Open files have the token, not the device. */
	bgedu_unregister(edu);
	/* (3) No scope is live: from here on the device is this function's alone. */
	bgtoken_cancel(edu->token);
	/* (4) No interrupts, and no writes to memory that devres frees before it is off. */
	bgedu_write(edu, EDU_STATUS, 0);
	pci_clear_master(pdev);
	/* (5) Outstanding jobs are dropped. */
	list_for_each_entry_safe(job, next, &edu->jobs, node)
		bgedu_finish(edu, job, -ENODEV, 0);
	pm_runtime_dont_use_autosuspend(&pdev->dev);
	pm_runtime_get_noresume(&pdev->dev);	/* as the PCI core did for probe */
}

static const struct pci_device_id bgedu_devices[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },		/* QEMU's own IDs */
	{ }
};
MODULE_DEVICE_TABLE(pci, bgedu_devices);

static struct pci_driver bgedu_driver = {
	.name		= "bgedu",
	.id_table	= bgedu_devices,
	.probe		= bgedu_probe,
	.remove		= bgedu_remove_timed,	/* bgedu_remove(): see usual.c */
	.shutdown	= bgedu_shutdown,
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
	bgtoken_wq_destroy(bgedu_wq);	/* running works still execute this module's text */
}
module_exit(bgedu_exit);

MODULE_DESCRIPTION("QEMU's edu device, unplugged while it works");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
