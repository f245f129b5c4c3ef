/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What main.c, the driver, and usual.c, which it is compared with, share.
 */
#ifndef _BGEDU_H
#define _BGEDU_H

#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "bgtoken.h"
#include "bgedu_uapi.h"

struct pci_dev;

/*
 * A device that is bound: the owner.
 *
 * Devres frees it, after bgedu_remove().  Files, works, the timer and the interrupt
 * handler reach it in scopes on @token only.
 */
struct bgedu {
	struct bgtoken *token;
	struct pci_dev *pdev;
	void __iomem *regs;
	void *dma;			/* a page: the firmware, and room to read it back */
	dma_addr_t dma_addr;
	struct miscdevice misc;
	int id;				/* of misc: edu%d */

	struct bgtoken_work *setup;
	struct bgtoken_delayed_work *health;
	struct bgtoken_timer *watchdog;

	spinlock_t lock;		/* for all below, and to start the device */
	struct list_head jobs;		/* of struct bgedu_file; holds a reference on each */
	bool ready;			/* its firmware is there */
	bool computing;			/* the first of jobs */
	bool transferring;		/* by DMA */
	unsigned int resets;		/* what was begun before the last one is void */
	unsigned long deadline;		/* of what it computes, in jiffies */
	struct bgedu_stats stats;
};

void bgedu_remove(struct pci_dev *pdev);

ssize_t bgedu_file_read(struct file *filp, char __user *buf, size_t count, loff_t *pos);

/* usual.c: in the place of bgtoken_cancelled() and of the two above */
bool bgedu_gone(const struct bgtoken *token);
void bgedu_remove_timed(struct pci_dev *pdev);
ssize_t bgedu_read_counted(struct file *filp, char __user *buf, size_t count, loff_t *pos);

#endif
