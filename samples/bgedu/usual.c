// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver is compared with, and how: with the parameter "usual", its remove first
 * waits for readers and works, as remove functions usually do.  A driver written with
 * bgtoken needs nothing from this file, and has bgtoken_cancelled(), bgedu_remove() and
 * bgedu_file_read() where it is called.  Once it has waited, the usual way runs the same
 * code, which cancels out.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/wait_bit.h>

#include "bgedu.h"

static bool usual;
module_param(usual, bool, 0444);
MODULE_PARM_DESC(usual, "remove waits for readers and works (0)");

/* The comparison is made with a single device. */
static atomic_t readers = ATOMIC_INIT(0);
static bool gone;

/* A flag tells users of the device that it is gone, as in any careful driver. */
bool bgedu_gone(const struct bgtoken *token)
{
	return bgtoken_cancelled(token) || READ_ONCE(gone);
}

/* A reader holds up the removal while it reads; one that finds the device gone does not. */
ssize_t bgedu_read_counted(struct file *filp, char __user *buf, size_t count, loff_t *pos)
{
	ssize_t done;

	if (!usual || READ_ONCE(gone))
		return bgedu_file_read(filp, buf, count, pos);
	atomic_inc(&readers);
	done = bgedu_file_read(filp, buf, count, pos);
	if (atomic_dec_and_test(&readers))
		wake_up_var(&readers);
	return done;
}

/* A test looks for it in a stack. */
static noinline void bgedu_usual_wait(struct bgedu *edu)
{
	WRITE_ONCE(gone, true);
	bgtoken_wake(edu->token);
	wait_var_event(&readers, !atomic_read(&readers));
	/*
	 * What cancel_delayed_work_sync() and cancel_work_sync() do, except that a health check
	 * that is running at the time requeues itself; bgedu_remove() drops that.
	 */
	bgtoken_cancel_delayed_work(edu->health);
	bgtoken_flush_work(&edu->health->work);
	bgtoken_cancel_work(edu->setup);
	bgtoken_flush_work(edu->setup);
}

void bgedu_remove_timed(struct pci_dev *pdev)
{
	u64 begin = ktime_get_ns();

	if (usual)
		bgedu_usual_wait(pci_get_drvdata(pdev));
	bgedu_remove(pdev);
	pci_info(pdev, "removed in %llu ns, %s\n", ktime_get_ns() - begin,
		 usual ? "as usual" : "with a token");
	WRITE_ONCE(gone, false);
}
