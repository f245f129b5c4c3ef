// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works that are cancelled once nothing queues them any more, or for good.
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
	timer_shutdown_sync(&watch->timer);
	cancel_work_sync(&watch->work);
	kfree(watch);
}

/* Cancelled on both sides. */
static void watch_remove_twice(struct watch *watch)
{
	cancel_work_sync(&watch->work);
	del_timer_sync(&watch->timer);
	cancel_work_sync(&watch->work);
	kfree(watch);
}

/* A disabled work refuses. */
static void watch_remove_disabled(struct watch *watch)
{
	disable_work_sync(&watch->work);
	del_timer_sync(&watch->timer);
	kfree(watch);
}

static irqreturn_t card_irq(int irq, void *data)
{
	struct card *card = data;

	schedule_work(&card->work);
	return IRQ_HANDLED;
}

static int card_probe(struct card *card)
{
	INIT_WORK(&card->work, card_fn);
	INIT_WORK(&card->other, card_fn);
	return request_irq(card->irq, card_irq, IRQF_SHARED, "card", card);
}

/* The interrupt does not queue that one. */
static void card_remove(struct card *card)
{
	cancel_work_sync(&card->other);
	free_irq(card->irq, card);
	cancel_work_sync(&card->work);
}

static void nic_tx_timeout(struct net_device *dev, unsigned int queue)
{
	struct nic *nic = netdev_priv(dev);

	schedule_work(&nic->reset);
}

static const struct net_device_ops nic_ops = {
	.ndo_tx_timeout	= nic_tx_timeout,
};

static void nic_remove(struct pci_dev *pdev)
{
	struct nic *nic = pci_get_drvdata(pdev);

	unregister_netdev(nic->dev);
	cancel_work_sync(&nic->reset);
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

/* By then the core has ended all URBs. */
static void stick_disconnect(struct usb_interface *intf)
{
	struct stick *stick = usb_get_intfdata(intf);

	cancel_delayed_work_sync(&stick->retry);
	usb_kill_urb(stick->urb);
	kfree(stick);
}

static struct usb_driver stick_driver = {
	.name		= "stick",
	.disconnect	= stick_disconnect,
};

/* It queues itself, one of each port. */
static void port_fn(struct work_struct *work)
{
	struct port *port = container_of(work, struct port, poll.work);

	schedule_delayed_work(&port->poll, HZ);
}

static void ports_init(struct ports *ports)
{
	int n;

	for (n = 0; n < PORTS; n++)
		INIT_DELAYED_WORK(&ports->port[n].poll, port_fn);
}

static void ports_remove(struct ports *ports)
{
	int n;

	for (n = 0; n < PORTS; n++)
		cancel_delayed_work_sync(&ports->port[n].poll);
}

static void line_kick(struct line *line)
{
	queue_delayed_work(line->wq, &line->tx, HZ);
}

static void line_close(struct line *line)
{
	line_kick(line);
	cancel_delayed_work_sync(&line->tx);
	kfree(line);
}

static void line_close_twice(struct line *line)
{
	cancel_delayed_work_sync(&line->tx);
	line_kick(line);
	cancel_delayed_work_sync(&line->tx);
	kfree(line);
}

/* It is waited for. */
static void line_close_flushed(struct line *line)
{
	cancel_delayed_work_sync(&line->tx);
	line_kick(line);
	flush_delayed_work(&line->tx);
	kfree(line);
}

static void line_close_emptied(struct line *line)
{
	cancel_delayed_work_sync(&line->tx);
	line_kick(line);
	destroy_workqueue(line->wq);
	kfree(line);
}

static void line_close_disabled(struct line *line)
{
	cancel_delayed_work_sync(&line->tx);
	disable_delayed_work_sync(&line->tx);
	line_kick(line);
	kfree(line);
}

/* What is queued is another work. */
static void line_close_other(struct line *line)
{
	cancel_work_sync(&line->rx);
	line_kick(line);
	cancel_delayed_work_sync(&line->tx);
	kfree(line);
}

/* The line stays, and so does its work. */
static void line_restart(struct line *line)
{
	cancel_delayed_work_sync(&line->tx);
	line_kick(line);
	kfree(line->frame);
}

static void line_error(struct line *line)
{
	cancel_delayed_work_sync(&line->tx);
	if (line->up)
		line_kick(line);
	else
		kfree(line);
}

/* A timer that its work arms */

static void pump_fn(struct work_struct *work)
{
	struct pump *pump = container_of(work, struct pump, work);

	mod_timer(&pump->stroke, jiffies + HZ);
}

static void pump_other_fn(struct work_struct *work)
{
	mod_timer(&container_of(work, struct pump, other)->other_stroke, jiffies + HZ);
}

static void pump_init(struct pump *pump)
{
	INIT_WORK(&pump->work, pump_fn);
	INIT_WORK(&pump->other, pump_other_fn);
}

static void pump_remove(struct pump *pump)
{
	timer_shutdown_sync(&pump->stroke);
	cancel_work_sync(&pump->work);
}

static void pump_halt(struct pump *pump)
{
	del_timer_sync(&pump->stroke);
	cancel_work_sync(&pump->work);
	del_timer_sync(&pump->stroke);
}

static void pump_stop(struct pump *pump)
{
	cancel_work_sync(&pump->work);
	del_timer_sync(&pump->stroke);
	cancel_work_sync(&pump->other);
}
