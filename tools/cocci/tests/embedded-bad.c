// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works and timers whose owner is freed, and for which nothing waits.
 */

struct gone {
	struct device *dev;
	struct work_struct work;
	struct delayed_work poll;
	struct timer_list timer;
	struct work_struct late;
};

static void gone_work(struct work_struct *work)
{
	struct gone *gone = container_of(work, struct gone, work);

	gone_look(gone);
}

static void gone_poll(struct work_struct *work)
{
	struct gone *gone = container_of(work, struct gone, poll.work);

	gone_look(gone);
	schedule_delayed_work(&gone->poll, HZ);
}

static void gone_timer(struct timer_list *timer)
{
	struct gone *gone = from_timer(gone, timer, timer);

	schedule_work(&gone->work);
}

static int gone_probe(struct device *dev)
{
	struct gone *gone = kzalloc(sizeof(*gone), GFP_KERNEL);

	if (!gone)
		return -ENOMEM;
	INIT_WORK(&gone->work, gone_work);		/* FIND */
	INIT_DELAYED_WORK(&gone->poll, gone_poll);	/* FIND */
	timer_setup(&gone->timer, gone_timer, 0);	/* FIND */
	INIT_WORK(&gone->late, gone_work);
	schedule_delayed_work(&gone->poll, HZ);
	dev_set_drvdata(dev, gone);
	return 0;
}

/* Neither of the two waits for what runs already. */
static void gone_remove(struct device *dev)
{
	struct gone *gone = dev_get_drvdata(dev);

	del_timer(&gone->timer);
	cancel_delayed_work(&gone->poll);
	cancel_work_sync(&gone->late);
	kfree(gone);
}

struct managed {
	struct work_struct work;
};

static void managed_work(struct work_struct *work)
{
	managed_look(container_of(work, struct managed, work));
}

static irqreturn_t managed_irq(int irq, void *data)
{
	struct managed *managed = data;

	schedule_work(&managed->work);
	return IRQ_HANDLED;
}

static int managed_probe(struct platform_device *pdev)
{
	struct managed *managed;

	managed = devm_kzalloc(&pdev->dev, sizeof(*managed), GFP_KERNEL);
	if (!managed)
		return -ENOMEM;
	INIT_WORK(&managed->work, managed_work);	/* FIND */
	return devm_request_irq(&pdev->dev, 1, managed_irq, 0, "managed", managed);
}

struct nic {
	struct net_device *dev;
	struct work_struct reset;
};

static void nic_reset(struct work_struct *work)
{
	struct nic *nic = container_of(work, struct nic, reset);

	nic_down(nic);
	nic_up(nic);
}

static void nic_tx_timeout(struct net_device *dev, unsigned int queue)
{
	struct nic *nic = netdev_priv(dev);

	schedule_work(&nic->reset);
}

static int nic_probe(struct pci_dev *pdev)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct nic));
	struct nic *nic;

	if (!dev)
		return -ENOMEM;
	nic = netdev_priv(dev);
	INIT_WORK(&nic->reset, nic_reset);		/* FIND */
	return register_netdev(dev);
}

static void nic_remove(struct pci_dev *pdev)
{
	struct net_device *dev = pci_get_drvdata(pdev);

	unregister_netdev(dev);
	free_netdev(dev);
}
