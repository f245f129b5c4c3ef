// SPDX-License-Identifier: GPL-2.0-only
/*
 * Works and timers that are waited for, or that own what they run for.
 */

struct kept {
	struct work_struct work;
	struct delayed_work poll;
	struct timer_list timer;
	struct work_struct by_helper;
	struct work_struct by_devres;
};

static void kept_fn(struct work_struct *work)
{
	kept_look(work);
}

static void kept_timer(struct timer_list *timer)
{
	kept_wake(timer);
}

static int kept_probe(struct device *dev)
{
	struct kept *kept = kzalloc(sizeof(*kept), GFP_KERNEL);

	if (!kept)
		return -ENOMEM;
	INIT_WORK(&kept->work, kept_fn);
	INIT_DELAYED_WORK(&kept->poll, kept_fn);
	timer_setup(&kept->timer, kept_timer, 0);
	INIT_WORK(&kept->by_helper, kept_fn);
	devm_work_autocancel(dev, &kept->by_devres, kept_fn);
	dev_set_drvdata(dev, kept);
	return 0;
}

static void kept_remove(struct device *dev)
{
	struct kept *kept = dev_get_drvdata(dev);

	timer_shutdown_sync(&kept->timer);
	cancel_work_sync(&kept->poll.work);
	disable_work_sync(&kept->work);
	kept_stop(&kept->by_helper);
	kfree(kept);
}

/* The work frees it. */
struct request {
	struct work_struct work;
};

static void request_fn(struct work_struct *work)
{
	struct request *request = container_of(work, struct request, work);

	request_do(request);
	kfree(request);
}

static int request_send(void)
{
	struct request *request = kmalloc(sizeof(*request), GFP_ATOMIC);

	if (!request)
		return -ENOMEM;
	INIT_WORK(&request->work, request_fn);
	schedule_work(&request->work);
	return 0;
}

/* Nobody frees it. */
struct forever {
	struct work_struct work;
};

static void forever_init(struct forever *forever)
{
	INIT_WORK(&forever->work, kept_fn);
}

/* Others, who have the header, may cancel it. */
static void shared_probe(struct shared *shared)
{
	INIT_WORK(&shared->work, kept_fn);
}

static void shared_remove(struct shared *shared)
{
	kfree(shared);
}
