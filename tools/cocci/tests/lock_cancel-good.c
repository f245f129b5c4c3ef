// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works and timers that are waited for with no lock held that they take.
 */

static void locked_fn(struct work_struct *work)
{
	struct locked *locked = container_of(work, struct locked, work);

	mutex_lock(&locked->lock);
	locked->n++;
	mutex_unlock(&locked->lock);
}

static void other_fn(struct work_struct *work)
{
	struct locked *locked = container_of(work, struct locked, other);

	if (!mutex_trylock(&locked->lock))
		return;
	locked->n++;
	mutex_unlock(&locked->lock);
}

static void locked_init(struct locked *locked)
{
	INIT_WORK(&locked->work, locked_fn);
	INIT_WORK(&locked->other, other_fn);
}

static void locked_stop(struct locked *locked)
{
	mutex_lock(&locked->lock);
	locked->running = false;
	cancel_work(&locked->work);
	cancel_work_sync(&locked->other);
	mutex_unlock(&locked->lock);
	cancel_work_sync(&locked->work);
}

static void locked_other_lock(struct locked *locked)
{
	mutex_lock(&locked->config);
	cancel_work_sync(&locked->work);
	mutex_unlock(&locked->config);
}

/* It drops the lock first. */
static void locked_halt(struct locked *locked)
{
	mutex_unlock(&locked->lock);
	cancel_work_sync(&locked->work);
	mutex_lock(&locked->lock);
}

static void locked_remove(struct locked *locked)
{
	mutex_lock(&locked->lock);
	locked_halt(locked);
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

static void nic_poll(struct work_struct *work)
{
	nic_look(container_of(work, struct nic, poll.work));
}

static int nic_stop(struct net_device *dev)
{
	struct nic *nic = netdev_priv(dev);

	cancel_delayed_work_sync(&nic->poll);
	return 0;
}

static const struct net_device_ops nic_ops = {
	.ndo_stop	= nic_stop,
};

static void nic_init(struct nic *nic)
{
	INIT_WORK(&nic->reset, nic_reset);
	INIT_DELAYED_WORK(&nic->poll, nic_poll);
}

static void nic_remove(struct pci_dev *pdev)
{
	struct nic *nic = pci_get_drvdata(pdev);

	unregister_netdev(nic->dev);
	cancel_work_sync(&nic->reset);
}

static void nic_suspend(struct nic *nic)
{
	rtnl_lock();
	nic->up = false;
	rtnl_unlock();
	cancel_work_sync(&nic->reset);
}

/* Locks that are variables, and workqueues */

static DEFINE_MUTEX(requests);
static DEFINE_MUTEX(answers);

static void request_fn(struct work_struct *work)
{
	struct request *request = container_of(work, struct request, work);

	mutex_lock(&requests);
	request->done = true;
	mutex_unlock(&requests);
}

static void answer_fn(struct work_struct *work)
{
	struct request *request = container_of(work, struct request, answer);

	mutex_lock(&answers);
	request->answered = true;
	mutex_unlock(&answers);
}

static void request_start(struct request *request)
{
	INIT_WORK(&request->work, request_fn);
	INIT_WORK(&request->answer, answer_fn);
	queue_work(request->queue, &request->work);
	queue_work(request->answer_queue, &request->answer);
}

static void request_stop(struct request *request)
{
	mutex_lock(&requests);
	flush_workqueue(request->answer_queue);
	flush_work(&request->answer);
	mutex_unlock(&requests);
	mutex_lock(&answers);
	flush_workqueue(request->queue);
	mutex_unlock(&answers);
	destroy_workqueue(request->queue);
	destroy_workqueue(request->answer_queue);
}
