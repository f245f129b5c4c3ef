/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the driver share: main.c, which explains its design, work.c and file.c;
 * and usual.c, which it is compared with.
 */
#ifndef _BGEDU_H
#define _BGEDU_H

#include <linux/io.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "bgtoken.h"
#include "bgedu_uapi.h"

struct pci_dev;

/* The registers: see docs/specs/edu.rst in QEMU's source. */
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

#define FIRMWARE_SIZE		2048
#define HEALTH_PERIOD		(HZ / 4)

/*
 * A bound device: the owner.
 *
 * Devres frees it, after bgedu_remove().  Files, works, the timer and the interrupt
 * handler reach it only in scopes on @token; open() and the PM callbacks need no scope,
 * as they are no longer called by then.
 */
struct bgedu {
	struct bgtoken *token;
	struct pci_dev *pdev;
	void __iomem *regs;
	void *dma;			/* the firmware, and as much room to read it back */
	dma_addr_t dma_addr;
	struct miscdevice misc;
	int id;				/* of misc: edu%d */

	struct bgtoken_work *setup;
	struct bgtoken_delayed_work *health;
	struct bgtoken_timer *watchdog;

	spinlock_t lock;		/* for all below, and for starting the device */
	struct list_head jobs;		/* holds a reference on each job's file */
	bool ready;			/* its firmware is loaded */
	bool computing;			/* the first of jobs */
	bool transferring;		/* by DMA */
	unsigned int resets;		/* what was begun before the last one is void */
	unsigned long deadline;		/* for what it is computing, in jiffies */
	struct bgedu_stats stats;
};

/* What a file asks for: part of a struct bgedu_file. */
struct bgedu_job {
	struct list_head node;		/* in edu->jobs, under edu->lock */
	u32 number;
};

static inline u32 bgedu_read(struct bgedu *edu, unsigned int reg)
{
	return readl(edu->regs + reg);
}

static inline void bgedu_write(struct bgedu *edu, unsigned int reg, u32 value)
{
	writel(value, edu->regs + reg);
}

/* main.c */
extern struct bgtoken_wq *bgedu_wq;
struct device *bgedu_pm_get(struct bgtoken *token);
void bgedu_pm_put(struct device *dev);
void bgedu_start(struct bgedu *edu);
void bgedu_begin_anew(struct bgedu *edu);
int bgedu_liveness(struct bgtoken *token, u32 *value);
void bgedu_remove(struct pci_dev *pdev);

/* work.c */
void bgedu_setup(struct bgtoken_work *work);
void bgedu_health(struct bgtoken_work *work);

/* file.c */
int bgedu_register(struct bgedu *edu);
void bgedu_unregister(struct bgedu *edu);
void bgedu_finish(struct bgedu *edu, struct bgedu_job *job, int error, u32 result);
ssize_t bgedu_file_read(struct file *filp, char __user *buf, size_t count, loff_t *pos);

/* usual.c: in place of bgtoken_cancelled(), bgedu_remove() and bgedu_file_read() */
bool bgedu_gone(const struct bgtoken *token);
void bgedu_remove_timed(struct pci_dev *pdev);
ssize_t bgedu_read_counted(struct file *filp, char __user *buf, size_t count, loff_t *pos);

#endif
