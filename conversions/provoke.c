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
 *	suspend-rtnl eth0	the same, just before its card is suspended, and somebody has RTNL
 *			until it is
 *	suspend-late eth0	the same, and the CPU's works, too, wait until it is
 *	recover 0000:01:00.0	what the PCI core calls after an error: the driver takes the
 *			card down, resets it, and takes it up again
 *	shutdown 0000:01:00.0	what the driver does when the machine goes down; then, as that
 *			does not, its resume
 *	unbind 0000:01:00.0	release its driver; says how long that took
 *	bind 0000:01:00.0	bind it again
 *
 * The driver sees nothing that a machine could not do to it; only the moment is chosen.
 *
 * A workqueue that is not freezable goes on while devices are suspended.  What "suspend-rtnl"
 * looks for is a reset that does so, too, if the driver's suspend does not take RTNL; e100's and
 * vmxnet3's do not:
 *
 *	who suspends				the work that resets the card
 *
 *	early gate: somebody has RTNL,
 *	the transmitter hangs
 *						rtnl_lock(): waits
 *	the card's driver: napi_disable(),
 *	netif_device_detach()
 *	late gate: RTNL is let go
 *						netif_running(): it still is
 *						napi_disable(): waits for the card's resume
 *	another card's driver: rtnl_lock():
 *	waits for the work
 *
 * and the machine is never suspended, nor resumed.  With "suspend-late" the work begins at the
 * late gate.  The other card's driver is for instance r8169, sky2 or tg3.  Here the late gate
 * takes its part, and gives up in the end, as the kernel does not look for tasks that hang while
 * the machine is being suspended.
 */
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/pm_domain.h>
#include <linux/rtnetlink.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

/*
 * If a remove waits for what is to outlast it, or a suspend for RTNL.  Less than the 30 s after
 * which tools/conversions has the kernel tell of a hang of the driver's own; longer where the
 * driver should not wait, so that only one that does meets it.
 */
static unsigned int limit_ms = 25000;
module_param(limit_ms, uint, 0400);
MODULE_PARM_DESC(limit_ms, "how long what is to outlast a remove goes on, at most (default 25000)");

/* The hog, and the holder, go on until then. */
static DECLARE_COMPLETION(hog_over);
static DECLARE_COMPLETION(holder_over);
static DECLARE_COMPLETION(other_had_rtnl);

/*
 * Whose transmitter is to hang: when its remove takes it down, under RTNL; and when its card is
 * suspended, which changes only while nothing is.
 */
static char on_remove[IFNAMSIZ], on_suspend[IFNAMSIZ];
static bool behind_hog;			/* is its work, or else behind the holder */
static bool gave_up;			/* the hog, or the holder: nothing was provoked */

/* Two devices, and the card that is suspended after one and before the other. */
static struct device *early_gate, *late_gate, *card;
static int work_cpu;			/* where its work was queued, at the early gate */

static void hog_fn(struct work_struct *work)
{
	unsigned long end = jiffies + msecs_to_jiffies(limit_ms);

	while (!completion_done(&hog_over) && time_before(jiffies, end)) {
		cpu_relax();
		cond_resched();		/* runnable all the time, so no other work is run */
	}
	if (!completion_done(&hog_over))
		WRITE_ONCE(gave_up, true);
}

static DECLARE_WORK(hog, hog_fn);

static void holder_fn(struct work_struct *work)
{
	rtnl_lock();
	if (!wait_for_completion_timeout(&holder_over, msecs_to_jiffies(limit_ms)))
		WRITE_ONCE(gave_up, true);
	rtnl_unlock();
}

static DECLARE_WORK(holder, holder_fn);

static void other_fn(struct work_struct *work)
{
	rtnl_lock();
	complete(&other_had_rtnl);
	rtnl_unlock();
}

static DECLARE_WORK(other, other_fn);

static void behind_fn(struct work_struct *work)
{
}

static DECLARE_WORK(behind, behind_fn);

/* A CPU begins its works in turn: those before this one sleep then, or are done. */
static void wait_behind(int cpu)
{
	schedule_work_on(cpu, &behind);
	flush_work(&behind);
}

/* By then it has RTNL, or gets it before anybody who comes later. */
static void hold_rtnl(void)
{
	int cpu = raw_smp_processor_id();	/* any */

	schedule_work_on(cpu, &holder);
	wait_behind(cpu);
}

static void unlink_gates(void)
{
	if (!card)
		return;
	on_suspend[0] = '\0';
	device_link_remove(early_gate, card);
	device_link_remove(card, late_gate);
	put_device(card);
	card = NULL;
}

/* What the last round left is over. Not under RTNL. */
static void settle(void)
{
	complete_all(&hog_over);
	complete_all(&holder_over);
	flush_work(&hog);
	flush_work(&holder);
	flush_work(&other);
	gave_up = false;
	unlink_gates();
}

/* As the watchdog of the transmit queues does it, in softirq. */
static void hang(struct net_device *dev)
{
	netif_tx_lock_bh(dev);
	dev->netdev_ops->ndo_tx_timeout(dev, 0);
	netif_tx_unlock_bh(dev);
	pr_info("provoke: %s hangs\n", dev->name);
}

/*
 * Its work goes to this CPU, behind the hog if there is to be one; else it waits for RTNL, or is
 * done, when this returns.  Returns which CPU.
 */
static int hang_here(struct net_device *dev)
{
	int cpu = get_cpu();

	if (behind_hog)
		schedule_work_on(cpu, &hog);
	hang(dev);
	put_cpu();
	if (!behind_hog)
		wait_behind(cpu);
	return cpu;
}

/* The queues are stopped after this, and their watchdog with them. */
static int on_event(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);

	if (event != NETDEV_GOING_DOWN || strcmp(dev->name, on_remove))
		return NOTIFY_DONE;
	on_remove[0] = '\0';
	if (!behind_hog)
		hold_rtnl();		/* behind the remover, and the work behind it */
	hang_here(dev);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = on_event };

/* The card is suspended next. */
static int at_early_gate(struct device *gate)
{
	struct net_device *dev = dev_get_by_name(&init_net, on_suspend);

	if (!dev)
		return 0;
	hold_rtnl();
	work_cpu = hang_here(dev);
	dev_put(dev);
	return 0;
}

/* Who has RTNL is one of them. */
static void show_workers(void)
{
	struct task_struct *task;

	rcu_read_lock();
	for_each_process(task)
		if (task->flags & PF_WQ_WORKER)
			sched_show_task(task);
	rcu_read_unlock();
}

/* The card was suspended. */
static int at_late_gate(struct device *gate)
{
	int err = 0;

	if (!on_suspend[0])
		return 0;
	complete_all(&hog_over);
	wait_behind(work_cpu);		/* the card's work, if there still is one, waits for RTNL */
	schedule_work_on(work_cpu, &other);
	wait_behind(work_cpu);		/* and the other behind it: who sleeps gets it in turn */
	complete_all(&holder_over);
	if (READ_ONCE(gave_up)) {
		pr_err("provoke: it took too long until %s was suspended\n", on_suspend);
		err = -ETIMEDOUT;
	} else if (!card->power.is_suspended) {
		pr_err("provoke: %s was not suspended between the gates\n", on_suspend);
		err = -EINVAL;
	} else if (!wait_for_completion_timeout(&other_had_rtnl, msecs_to_jiffies(limit_ms))) {
		pr_err("provoke: %s is suspended, and nobody else gets RTNL\n", on_suspend);
		show_workers();
		err = -EBUSY;
	}
	on_suspend[0] = '\0';
	return err;
}

static struct dev_pm_domain early_domain = { .ops.suspend = at_early_gate };
static struct dev_pm_domain late_domain = { .ops.suspend = at_late_gate };

/* Consumers are suspended before their suppliers. Not under RTNL. */
static int link_gates(void)
{
	if (!device_link_add(card, late_gate, DL_FLAG_STATELESS) ||
	    !device_link_add(early_gate, card, DL_FLAG_STATELESS))
		return -ENOMEM;		/* settle() removes what there is */
	return 0;
}

static void arm(char *which, const char *name, bool with_hog)
{
	reinit_completion(&hog_over);
	reinit_completion(&holder_over);
	reinit_completion(&other_had_rtnl);
	strscpy(which, name, IFNAMSIZ);
	behind_hog = with_hog;
}

static int close_and_open(struct net_device *dev)
{
	behind_hog = false;
	hang_here(dev);			/* behind this task, which has RTNL */
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
		arm(on_remove, name, !strcmp(what, "late"));
	} else if (!strcmp(what, "suspend-late") || !strcmp(what, "suspend-rtnl")) {
		arm(on_suspend, name, !strcmp(what, "suspend-late"));
		card = get_device(dev->dev.parent);
	} else {
		err = -EINVAL;
	}
	rtnl_unlock();
	return card ? link_gates() : err;
}

static int recover(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	const struct pci_error_handlers *handlers;

	guard(device)(dev);
	handlers = dev->driver ? pdev->driver->err_handler : NULL;
	if (!handlers || !handlers->error_detected || !handlers->slot_reset || !handlers->resume)
		return -EINVAL;
	if (handlers->error_detected(pdev, pci_channel_io_frozen) != PCI_ERS_RESULT_NEED_RESET ||
	    handlers->slot_reset(pdev) != PCI_ERS_RESULT_RECOVERED)
		return -EIO;
	handlers->resume(pdev);
	return 0;
}

/* A reset that comes late has 100 ms in which to use what was shut down. */
static int shut_down(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);

	guard(device)(dev);
	if (!dev->driver || !pdev->driver->shutdown || !dev->driver->pm ||
	    !dev->driver->pm->resume)
		return -EINVAL;
	pdev->driver->shutdown(pdev);
	msleep(100);
	return dev->driver->pm->resume(dev);
}

static int unbind(struct device *dev)
{
	u64 begin = ktime_get_ns();

	device_release_driver(dev);
	pr_info("provoke: removed in %llu ns\n", ktime_get_ns() - begin);
	complete_all(&hog_over);
	complete_all(&holder_over);
	return READ_ONCE(gave_up) ? -ETIMEDOUT : 0;	/* it waited for what was to outlast it */
}

static int bind(struct device *dev)
{
	int bound = device_attach(dev);

	return bound < 0 ? bound : bound ? 0 : -ENODEV;
}

static const struct {
	const char *what;
	int (*run)(struct device *dev);
} on_device[] = {
	{ "recover", recover }, { "shutdown", shut_down }, { "unbind", unbind }, { "bind", bind },
};

static int run_on_device(int (*fn)(struct device *dev), const char *address)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, address);
	int err = dev ? fn(dev) : -ENODEV;

	put_device(dev);
	return err;
}

static int set_run(const char *val, const struct kernel_param *kp)
{
	char what[16], on[16];
	unsigned int i;

	if (sscanf(val, "%15s %15s", what, on) != 2)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(on_device); i++)
		if (!strcmp(what, on_device[i].what))
			return run_on_device(on_device[i].run, on);
	return run_on_net(what, on);
}

static const struct kernel_param_ops run_ops = { .set = set_run };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "what to do, and to which device: see the head of provoke.c");

/* A device that is suspended by @domain. */
static struct device *make_gate(const char *name, struct dev_pm_domain *domain)
{
	struct device *gate = root_device_register(name);

	if (!IS_ERR(gate))
		dev_pm_domain_set(gate, domain);
	return gate;
}

static int __init provoke_init(void)
{
	int err;

	early_gate = make_gate("provoke-early", &early_domain);
	if (IS_ERR(early_gate))
		return PTR_ERR(early_gate);
	late_gate = make_gate("provoke-late", &late_domain);
	err = PTR_ERR_OR_ZERO(late_gate);
	if (err)
		goto err_early;
	err = register_netdevice_notifier(&notifier);
	if (err)
		goto err_late;
	return 0;

err_late:
	root_device_unregister(late_gate);
err_early:
	root_device_unregister(early_gate);
	return err;
}
module_init(provoke_init);

static void __exit provoke_exit(void)
{
	unregister_netdevice_notifier(&notifier);
	settle();
	root_device_unregister(late_gate);
	root_device_unregister(early_gate);
}
module_exit(provoke_exit);

MODULE_DESCRIPTION("Provoke what happens to a driver once in a long while");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
