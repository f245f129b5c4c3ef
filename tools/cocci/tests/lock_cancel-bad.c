// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works and timers that are waited for under a lock that they take.
 */

static void locked_fn(struct work_struct *work)
{
	struct locked *locked = container_of(work, struct locked, work);

	mutex_lock(&locked->lock);
	locked->n++;
	mutex_unlock(&locked->lock);
}

static void locked_timer_fn(struct timer_list *timer)
{
	struct locked *locked = from_timer(locked, timer, timer);

	spin_lock(&locked->spin);
	locked->n++;
	spin_unlock(&locked->spin);
}

static void locked_init(struct locked *locked)
{
	INIT_WORK(&locked->work, locked_fn);
	INIT_DELAYED_WORK(&locked->poll, locked_fn);
	timer_setup(&locked->timer, locked_timer_fn, 0);
}

static void locked_stop(struct locked *locked)
{
	mutex_lock(&locked->lock);
	locked->running = false;
	cancel_work_sync(&locked->work);	/* FIND */
	mutex_unlock(&locked->lock);
}

static int locked_maybe(struct locked *locked)
{
	mutex_lock(&locked->lock);
	if (locked->running) {
		flush_delayed_work(&locked->poll);	/* FIND */
		mutex_unlock(&locked->lock);
		return 0;
	}
	mutex_unlock(&locked->lock);
	return -EAGAIN;
}

static void locked_timer_stop(struct locked *locked)
{
	unsigned long flags;

	spin_lock_irqsave(&locked->spin, flags);
	del_timer_sync(&locked->timer);		/* FIND */
	spin_unlock_irqrestore(&locked->spin, flags);
}

static void locked_halt(struct locked *locked)
{
	locked->running = false;
	cancel_work_sync(&locked->work);
}

static void locked_remove(struct locked *locked)
{
	mutex_lock(&locked->lock);
	locked_halt(locked);			/* FIND */
	mutex_unlock(&locked->lock);
}

/* RTNL */

static void nic_reset(struct work_struct *work)
{
	struct nic *nic = container_of(work, struct nic, reset);

	rtnl_lock();
	nic_reinit(nic);
	rtnl_unlock();
}

static void nic_check_locked(struct nic *nic)
{
	rtnl_lock();
	nic_look(nic);
	rtnl_unlock();
}

static void nic_check(struct work_struct *work)
{
	nic_check_locked(container_of(work, struct nic, check.work));
}

static void nic_down(struct nic *nic)
{
	cancel_work_sync(&nic->reset);		/* FIND */
}

static void nic_down_if_up(struct nic *nic)
{
	if (nic->up)
		nic_down(nic);
}

static int nic_stop(struct net_device *dev)
{
	struct nic *nic = netdev_priv(dev);

	nic_down_if_up(nic);
	cancel_delayed_work_sync(&nic->check);	/* FIND */
	return 0;
}

static const struct net_device_ops nic_ops = {
	.ndo_open	= nic_open,
	.ndo_stop	= nic_stop,
};

static void nic_init(struct nic *nic)
{
	INIT_WORK(&nic->reset, nic_reset);
	INIT_DELAYED_WORK(&nic->check, nic_check);
}

static void nic_suspend(struct nic *nic)
{
	rtnl_lock();
	nic->up = false;
	cancel_work_sync(&nic->reset);		/* FIND */
	rtnl_unlock();
}

/* Locks that are variables, and workqueues */

static DEFINE_MUTEX(requests);

static void request_fn(struct work_struct *work)
{
	struct request *request = container_of(work, struct request, work);

	if (mutex_lock_interruptible(&requests))
		return;
	request->done = true;
	mutex_unlock(&requests);
}

static void request_start(struct request *request)
{
	INIT_WORK(&request->work, request_fn);
	queue_work(request->queue, &request->work);
}

static void request_stop(struct request *request)
{
	mutex_lock(&requests);
	flush_work(&request->work);		/* FIND */
	drain_workqueue(request->queue);	/* FIND */
	mutex_unlock(&requests);
}

static void requests_end(struct request *request)
{
	mutex_lock(&requests);
	destroy_workqueue(request->queue);	/* FIND */
	mutex_unlock(&requests);
}
