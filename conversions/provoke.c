// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provoke what happens to the driver of a network card once in a long while, for
 * tools/conversions: write one of these to /sys/module/provoke/parameters/run.
 *
 *	hang eth0	its transmitter hangs, as far as the kernel can tell: ndo_tx_timeout()
 *	close eth0	the same, and 100 ms later somebody closes it who has had RTNL since
 *			before that, and opens it again
 *	late eth0	the same, while its remove takes it down, and on a CPU whose works wait
 *			behind one that takes longer than the remove
 *	rtnl eth0	the same, while its remove takes it down, and somebody has RTNL from then
 *			on, for longer than the remove: a work that waits for it goes on late
 *	unbind 0000:01:00.0	release its driver; says how long that took
 *	bind 0000:01:00.0	bind it again
 *
 * The driver sees nothing that a machine could not do to it; only when, is chosen.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <linux/workqueue.h>

#define OUTLAST_MS	100	/* enough for a work, or a thread, to get as far as RTNL */

/*
 * If a remove waits for what is to outlast it.  Less than the 30 s after which
 * tools/conversions has the kernel tell of a hang, which then is the driver's own.
 */
#define LIMIT_MS	25000

static DECLARE_COMPLETION(removed);
/* Which interface, and what: "late" or "rtnl". Under RTNL. */
static char armed[IFNAMSIZ], armed_with[8];
static struct task_struct *holder;

static void hog_fn(struct work_struct *work)
{
	unsigned long end = jiffies + msecs_to_jiffies(LIMIT_MS);

	while (!completion_done(&removed) && time_before(jiffies, end)) {
		cpu_relax();
		cond_resched();		/* runnable all the time, so no other work is run */
	}
}

static DECLARE_WORK(hog, hog_fn);

static int holder_fn(void *unused)
{
	rtnl_lock();
	wait_for_completion_timeout(&removed, msecs_to_jiffies(LIMIT_MS));
	rtnl_unlock();
	return 0;
}

/* What the last round left is over. Not under RTNL. */
static void settle(void)
{
	complete_all(&removed);
	flush_work(&hog);
	if (holder)
		kthread_stop_put(holder);
	holder = NULL;
}

/* As the watchdog of the transmit queues does it, in softirq. */
static void hang(struct net_device *dev)
{
	netif_tx_lock_bh(dev);
	dev->netdev_ops->ndo_tx_timeout(dev, 0);
	netif_tx_unlock_bh(dev);
	pr_info("provoke: %s hangs\n", dev->name);
}

/* Its work is queued behind the hog, as it goes to this CPU. */
static void hang_late(struct net_device *dev)
{
	preempt_disable();
	schedule_work_on(smp_processor_id(), &hog);
	hang(dev);
	preempt_enable();
}

/* Its work is behind the holder, which is behind the remover. */
static void hang_and_hold(struct net_device *dev)
{
	struct task_struct *task = kthread_create(holder_fn, NULL, "provoke");

	if (IS_ERR(task))
		return;
	holder = get_task_struct(task);
	wake_up_process(task);
	msleep(OUTLAST_MS);
	hang(dev);
	msleep(OUTLAST_MS);
}

/* The queues are stopped after this, and their watchdog with them. */
static int on_event(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);

	if (event != NETDEV_GOING_DOWN || strcmp(dev->name, armed))
		return NOTIFY_DONE;
	armed[0] = '\0';
	if (!strcmp(armed_with, "late"))
		hang_late(dev);
	else
		hang_and_hold(dev);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = on_event };

static int close_and_open(struct net_device *dev)
{
	hang(dev);
	msleep(OUTLAST_MS);
	dev_close(dev);
	return dev_open(dev, NULL);
}

static int run_on_net(const char *what, const char *name)
{
	struct net_device *dev;
	int err = 0;

	settle();
	rtnl_lock();
	dev = __dev_get_by_name(&init_net, name);
	if (!dev || !dev->netdev_ops->ndo_tx_timeout || !netif_running(dev)) {
		err = -ENODEV;
	} else if (!strcmp(what, "hang")) {
		hang(dev);
	} else if (!strcmp(what, "close")) {
		err = close_and_open(dev);
	} else if (!strcmp(what, "late") || !strcmp(what, "rtnl")) {
		reinit_completion(&removed);
		strscpy(armed, name, sizeof(armed));
		strscpy(armed_with, what, sizeof(armed_with));
	} else {
		err = -EINVAL;
	}
	rtnl_unlock();
	return err;
}

static int run_on_device(const char *what, const char *address)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, address);
	int err = 0;
	u64 begin;

	if (!dev)
		return -ENODEV;
	if (!strcmp(what, "unbind")) {
		begin = ktime_get_ns();
		device_release_driver(dev);
		pr_info("provoke: removed in %llu ns\n", ktime_get_ns() - begin);
		complete_all(&removed);
	} else {
		err = device_attach(dev);
		err = err < 0 ? err : err ? 0 : -ENODEV;
	}
	put_device(dev);
	return err;
}

static int set_run(const char *val, const struct kernel_param *kp)
{
	char what[8], on[16];

	if (sscanf(val, "%7s %15s", what, on) != 2)
		return -EINVAL;
	if (!strcmp(what, "unbind") || !strcmp(what, "bind"))
		return run_on_device(what, on);
	return run_on_net(what, on);
}

static const struct kernel_param_ops run_ops = { .set = set_run };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "what to do, and to which device: see the head of provoke.c");

static int __init provoke_init(void)
{
	return register_netdevice_notifier(&notifier);
}
module_init(provoke_init);

static void __exit provoke_exit(void)
{
	unregister_netdevice_notifier(&notifier);
	settle();
}
module_exit(provoke_exit);

MODULE_DESCRIPTION("Provoke what happens to a driver once in a long while");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
