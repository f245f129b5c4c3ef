// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2026-43415 (ufs)
 * caught by: KASAN: vmalloc-out-of-bounds in rtc_fn\+0x
 * before: suspend switches the registers off, and only then cancels the work
 * after: registers are touched in scopes; bgtoken_pause() before they are switched off
 */
#include <linux/vmalloc.h>

#include "pattern.h"

#define PERIOD	(60 * HZ)	/* never comes */

PATTERN_GATE(at_register);

/* Registers are memory that is mapped only while they are on; else a touch is caught. */

/* Before */

struct ufs {
	struct delayed_work rtc;
	int *registers;
};

static void rtc_fn(struct work_struct *ws)
{
	struct ufs *ufs = container_of(ws, struct ufs, rtc.work);

	pattern_hold(&at_register);
	WRITE_ONCE(*ufs->registers, 1);
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct ufs *ufs = kzalloc(sizeof(*ufs), GFP_KERNEL);

	if (!wq || !ufs)
		return -ENOMEM;
	ufs->registers = vzalloc(PAGE_SIZE);
	if (!ufs->registers)
		return -ENOMEM;
	INIT_DELAYED_WORK(&ufs->rtc, rtc_fn);
	queue_delayed_work(wq, &ufs->rtc, 0);
	pattern_await(&at_register);
	vfree(ufs->registers);			/* suspend: the bug */
	pattern_open(&at_register);
	cancel_delayed_work_sync(&ufs->rtc);	/* too late */
	destroy_workqueue(wq);
	kfree(ufs);
	return 0;
}

/* After */

struct token_ufs {
	struct bgtoken *token;
	struct bgtoken_wq *wq;
	struct bgtoken_delayed_work *rtc;
	int *registers;
	int updates;
};

static void token_rtc_fn(struct bgtoken_work *work)
{
	pattern_hold(&at_register);
	scoped_bgtoken(work->token, struct token_ufs *, ufs) {
		WRITE_ONCE(*ufs->registers, ++ufs->updates);
		bgtoken_queue_delayed_work(ufs->wq, ufs->rtc, PERIOD);
	}
}

static void suspend(struct token_ufs *ufs)
{
	bgtoken_pause(ufs->token);
	vfree(ufs->registers);
}

static int resume(struct token_ufs *ufs)
{
	ufs->registers = vzalloc(PAGE_SIZE);
	if (!ufs->registers)
		return -ENOMEM;
	bgtoken_resume(ufs->token);
	pattern_expect(bgtoken_queue_delayed_work(ufs->wq, ufs->rtc, 0));
	return 0;
}

/* Let the work that is held go on, and end. */
static void let_end(struct bgtoken_delayed_work *rtc)
{
	pattern_open(&at_register);
	bgtoken_flush_work(&rtc->work);
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_ufs *ufs = kzalloc(sizeof(*ufs), GFP_KERNEL);
	struct bgtoken_delayed_work *rtc = kzalloc(sizeof(*rtc), GFP_KERNEL);

	if (IS_ERR(wq) || !ufs || !rtc)
		return -ENOMEM;
	ufs->wq = wq;
	ufs->rtc = rtc;
	ufs->token = bgtoken_create(ufs, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(ufs->token))
		return -ENOMEM;
	bgtoken_delayed_work_init(rtc, ufs->token, token_rtc_fn, NULL);
	bgtoken_pause(ufs->token);		/* the registers are off at first */
	if (resume(ufs))
		return -ENOMEM;
	pattern_await(&at_register);
	suspend(ufs);				/* while it runs */
	let_end(rtc);
	pattern_expect(ufs->updates == 0);
	if (resume(ufs))
		return -ENOMEM;
	pattern_await(&at_register);
	let_end(rtc);
	pattern_expect(ufs->updates == 1);
	suspend(ufs);				/* while it is armed */
	bgtoken_cancel(ufs->token);		/* remove */
	bgtoken_work_put(&rtc->work);
	bgtoken_put(ufs->token);
	kfree(ufs);
	bgtoken_wq_destroy(wq);			/* module exit */
	return 0;
}

static const struct pattern suspended = { before, after };

module_pattern(suspended, "a work that touches hardware that is switched off");
