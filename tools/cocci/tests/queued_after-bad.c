// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works that are cancelled before that which queues them is stopped.
 */

static void watch_timer(struct timer_list *timer)
{
	struct watch *watch = from_timer(watch, timer, timer);

	queue_work(system_wq, &watch->work);
}

static void watch_init(struct watch *watch)
{
	INIT_WORK(&watch->work, watch_fn);
	timer_setup(&watch->timer, watch_timer, 0);
}

static void watch_remove(struct watch *watch)
{
	cancel_work_sync(&watch->work);		/* FIND */
	del_timer_sync(&watch->timer);
	kfree(watch);
}

/* One call further up */

static void card_kick(struct card *card)
{
	schedule_work(&card->work);
}

static irqreturn_t card_irq(int irq, void *data)
{
	card_kick(data);
	return IRQ_HANDLED;
}

static int card_probe(struct card *card)
{
	INIT_WORK(&card->work, card_fn);
	return request_irq(card->irq, card_irq, IRQF_SHARED, "card", card);
}

static void card_remove(struct card *card)
{
	if (card->up)
		cancel_work_sync(&card->work);	/* FIND */
	free_irq(card->irq, card);
}

static void nic_tx_timeout(struct net_device *dev, unsigned int queue)
{
	struct nic *nic = netdev_priv(dev);

	schedule_work(&nic->reset);
}

static const struct net_device_ops nic_ops = {
	.ndo_start_xmit	= nic_xmit,
	.ndo_tx_timeout	= nic_tx_timeout,
};

static void nic_remove(struct pci_dev *pdev)
{
	struct nic *nic = pci_get_drvdata(pdev);

	cancel_work_sync(&nic->reset);		/* FIND */
	unregister_netdev(nic->dev);
	free_netdev(nic->dev);
}

static void stick_complete(struct urb *urb)
{
	struct stick *stick = urb->context;

	schedule_delayed_work(&stick->retry, HZ);
}

static void stick_submit(struct stick *stick)
{
	usb_fill_bulk_urb(stick->urb, stick->udev, stick->pipe, stick->buf, 64,
			  stick_complete, stick);
	usb_submit_urb(stick->urb, GFP_KERNEL);
}

static void stick_close(struct stick *stick)
{
	cancel_delayed_work_sync(&stick->retry);	/* FIND */
	usb_kill_urb(stick->urb);
	kfree(stick);
}

static void pair_poll(struct work_struct *work)
{
	struct pair *pair = container_of(work, struct pair, poll.work);

	schedule_work(&pair->report);
	schedule_delayed_work(&pair->poll, HZ);
}

static void pair_init(struct pair *pair)
{
	INIT_WORK(&pair->report, pair_report);
	INIT_DELAYED_WORK(&pair->poll, pair_poll);
}

static void pair_remove(struct pair *pair)
{
	cancel_work_sync(&pair->report);	/* FIND */
	cancel_delayed_work_sync(&pair->poll);
}

/* By the function itself */

static void line_kick(struct line *line)
{
	queue_delayed_work(line->wq, &line->tx, HZ);
}

static void line_close(struct line *line)
{
	cancel_delayed_work_sync(&line->tx);	/* FIND */
	line_kick(line);
	kfree(line);
}

static void line_free(struct net_device *dev)
{
	struct line *line = netdev_priv(dev);

	cancel_work_sync(&line->rx);		/* FIND */
	if (!list_empty(&line->frames))
		schedule_work(&line->rx);
	free_netdev(dev);
}

/* A timer that its work arms */

static void pump_fn(struct work_struct *work)
{
	struct pump *pump = container_of(work, struct pump, work);

	mod_timer(&pump->stroke, jiffies + HZ);
}

static void pump_slow_fn(struct work_struct *work)
{
	pump_fn(work);
}

static void pump_init(struct pump *pump)
{
	INIT_WORK(&pump->work, pump_fn);
	INIT_DELAYED_WORK(&pump->slow, pump_slow_fn);
}

static void pump_remove(struct pump *pump)
{
	timer_delete_sync(&pump->stroke);	/* FIND */
	cancel_work_sync(&pump->work);
	kfree(pump);
}

static void pump_halt(struct pump *pump)
{
	del_timer(&pump->stroke);		/* FIND */
	cancel_delayed_work_sync(&pump->slow);
}
