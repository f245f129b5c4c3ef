// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: 5a0c122e834b (wave5)
 * caught by: KASAN: (slab-)?use-after-free in (__lock_acquire|.*spin_lock|kthread_queue)
 * caught by: vpu_poll\+0x
 * before: remove destroys the worker first, and the hrtimer queues on it afterwards
 * after: queueing on a cancelled token is refused, and never touches the workqueue
 */
#include <linux/hrtimer.h>
#include <linux/kthread.h>

#include "pattern.h"

#define POLL_PERIOD	ms_to_ktime(1)

/* The device has one more frame, until the hrtimer sees it. */
static DECLARE_COMPLETION(frame);
static DECLARE_COMPLETION(polled);
static DECLARE_COMPLETION(decoded);

static void start_polling(struct hrtimer *timer,
			  enum hrtimer_restart (*fn)(struct hrtimer *timer))
{
	compat_hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer_start(timer, POLL_PERIOD, HRTIMER_MODE_REL);
}

static void poll_one_frame(void)
{
	complete(&frame);
	wait_for_completion(&polled);
}

/* Before */

struct vpu {
	struct hrtimer poll;
	struct kthread_worker *worker;
	struct kthread_work decode;
};

static enum hrtimer_restart vpu_poll(struct hrtimer *timer)
{
	struct vpu *vpu = container_of(timer, struct vpu, poll);

	if (try_wait_for_completion(&frame)) {
		kthread_queue_work(vpu->worker, &vpu->decode);
		complete(&polled);
	}
	hrtimer_forward_now(timer, POLL_PERIOD);
	return HRTIMER_RESTART;
}

static void vpu_decode(struct kthread_work *work)
{
	complete(&decoded);
}

static int before(void)
{
	struct vpu *vpu = kzalloc(sizeof(*vpu), GFP_KERNEL);

	if (!vpu)
		return -ENOMEM;
	vpu->worker = kthread_create_worker(0, "pattern");
	if (IS_ERR(vpu->worker))
		return -ENOMEM;
	kthread_init_work(&vpu->decode, vpu_decode);
	start_polling(&vpu->poll, vpu_poll);
	poll_one_frame();
	wait_for_completion(&decoded);
	kthread_destroy_worker(vpu->worker);	/* remove: the bug */
	poll_one_frame();
	hrtimer_cancel(&vpu->poll);
	kfree(vpu);
	return 0;
}

/* After */

struct token_vpu {
	struct hrtimer poll;
	struct bgtoken *token;
	struct bgtoken_wq *wq;
	struct bgtoken_work *decode;
	int frames, refused;
};

/* Outside of scopes: remove cancels the hrtimer before it frees the vpu. */
static enum hrtimer_restart token_vpu_poll(struct hrtimer *timer)
{
	struct token_vpu *vpu = container_of(timer, struct token_vpu, poll);

	if (try_wait_for_completion(&frame)) {
		if (!bgtoken_queue_work(vpu->wq, vpu->decode))
			vpu->refused++;
		complete(&polled);
	}
	hrtimer_forward_now(timer, POLL_PERIOD);
	return HRTIMER_RESTART;
}

static void token_vpu_decode(struct bgtoken_work *work)
{
	scoped_bgtoken(work->token, struct token_vpu *, vpu)
		vpu->frames++;
	complete(&decoded);
}

static int after(void)
{
	struct token_vpu *vpu = kzalloc(sizeof(*vpu), GFP_KERNEL);

	if (!vpu)
		return -ENOMEM;
	vpu->wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	vpu->token = bgtoken_create(vpu, BGTOKEN_MUTEX, GFP_KERNEL);
	vpu->decode = kzalloc(sizeof(*vpu->decode), GFP_KERNEL);
	if (IS_ERR(vpu->wq) || IS_ERR(vpu->token) || !vpu->decode)
		return -ENOMEM;
	bgtoken_work_init(vpu->decode, vpu->token, token_vpu_decode, NULL);
	start_polling(&vpu->poll, token_vpu_poll);
	poll_one_frame();
	wait_for_completion(&decoded);
	bgtoken_cancel(vpu->token);		/* remove */
	bgtoken_wq_destroy(vpu->wq);
	poll_one_frame();
	hrtimer_cancel(&vpu->poll);
	pattern_expect(vpu->frames == 1 && vpu->refused == 1);
	bgtoken_work_put(vpu->decode);
	bgtoken_put(vpu->token);
	kfree(vpu);
	return 0;
}

static const struct pattern hrtimer_feeds = { before, after };

module_pattern(hrtimer_feeds, "an hrtimer that queues on a worker that is gone");
