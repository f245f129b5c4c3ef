// SPDX-License-Identifier: GPL-2.0-only
/*
 * The works: slow operations, which run outside of scopes and may outlive the device.
 *
 * Each remembers edu->resets from its first scope, and is void if that has changed later:
 * the device was reset meanwhile, or suspended.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "bgedu.h"

static unsigned int patience = 30;
module_param(patience, uint, 0444);
MODULE_PARM_DESC(patience, "how long a transfer or a reset may take before the device is given up, in s (30)");

static bool bgedu_transferred(struct bgtoken *token)
{
	bool done = false;

	scoped_bgtoken(token, struct bgedu *, edu)
		done = !READ_ONCE(edu->transferring);
	return done;
}

/*
 * Move the firmware to the device, or back into the second half of edu->dma, unless the device
 * was reset since @resets, and wait for the transfer outside of scopes.
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

/* The device has no reset: it is as good as new once it has finished all that it was doing. */
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
				pci_set_master(edu->pdev);	/* no earlier DMA is left */
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
 * After probe, a resume or a stuck factorial: make the device ready, which takes as long as
 * whatever it was doing before; or give up on it.
 */
void bgedu_setup(struct bgtoken_work *work)
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

/* Now and then, while somebody waits for the device: is the firmware intact? */
void bgedu_health(struct bgtoken_work *work)
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
		pm_runtime_get_noresume(dev);	/* it is resumed: a job has a reference, too */
	}
	err = bgedu_verify(token, resets);
	scoped_bgtoken(token, struct bgedu *, edu) {
		guard(spinlock_irqsave)(&edu->lock);
		if (edu->resets != resets) {
			/* whatever it found is out of date */
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
