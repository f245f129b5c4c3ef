// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2023-33203 (emac), CVE-2024-49981 (venus)
 * caught by: KASAN: (slab-)?use-after-free in nic_reset_fn\+0x
 * before: remove frees the device while its work is running and still uses it
 * after: the work uses the device in scopes only; remove waits for none but a live one
 */
#include "pattern.h"

PATTERN_GATE(in_reset);

/* Before */

struct nic {
	struct work_struct reset;
	bool resetting;
	int resets;
};

static void nic_reset_fn(struct work_struct *ws)
{
	struct nic *nic = container_of(ws, struct nic, reset);

	nic->resetting = true;
	pattern_hold(&in_reset);		/* the hardware takes its time */
	nic->resets++;
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct nic *nic = kzalloc(sizeof(*nic), GFP_KERNEL);

	if (!wq || !nic)
		return -ENOMEM;
	INIT_WORK(&nic->reset, nic_reset_fn);
	queue_work(wq, &nic->reset);		/* an interrupt reported an error */
	pattern_await(&in_reset);
	kfree(nic);				/* remove: the bug */
	pattern_open(&in_reset);
	destroy_workqueue(wq);
	return 0;
}

/* After */

struct token_nic {
	struct bgtoken *token;
	bool resetting;
	int resets;
};

static int given_up;

static void token_nic_reset_fn(struct bgtoken_work *work)
{
	scoped_cond_bgtoken(return, work->token, struct token_nic *, nic)
		nic->resetting = true;
	pattern_hold(&in_reset);		/* outside the scopes: remove may come */
	scoped_cond_bgtoken(given_up++, work->token, struct token_nic *, nic)
		nic->resets++;
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_nic *nic = kzalloc(sizeof(*nic), GFP_KERNEL);
	struct bgtoken_work *reset = kzalloc(sizeof(*reset), GFP_KERNEL);

	if (IS_ERR(wq) || !nic || !reset)
		return -ENOMEM;
	nic->token = bgtoken_create(nic, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(nic->token))
		return -ENOMEM;
	given_up = 0;
	bgtoken_work_init(reset, nic->token, token_nic_reset_fn, NULL);
	bgtoken_queue_work(wq, reset);
	bgtoken_work_put(reset);
	pattern_await(&in_reset);
	bgtoken_cancel(nic->token);		/* remove, while the work is held */
	pattern_expect(nic->resetting && !nic->resets);
	bgtoken_put(nic->token);
	kfree(nic);
	pattern_open(&in_reset);
	bgtoken_wq_destroy(wq);			/* module exit */
	pattern_expect(given_up == 1);
	return 0;
}

static const struct pattern free_running = { before, after };

module_pattern(free_running, "freed while its work runs");
