// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2024-35899 (nf_tables)
 * caught by: KASAN: (slab-)?use-after-free in destroy_fn\+0x
 * before: exit frees what is still on the list of a global work that is queued
 * after: exit cancels the token and frees the list; the work finds neither
 */
#include <linux/list.h>

#include "pattern.h"

PATTERN_GATE(busy);

struct set {
	struct list_head node;
};

static void free_sets(struct list_head *sets)
{
	struct set *set, *next;

	list_for_each_entry_safe(set, next, sets, node)
		kfree(set);
}

/* Before */

static struct workqueue_struct *wq;
static LIST_HEAD(dead);		/* sets to be destroyed, of all users */

static void busy_fn(struct work_struct *ws)
{
	pattern_hold(&busy);
}

static void destroy_fn(struct work_struct *ws)
{
	struct set *set, *next;

	list_for_each_entry_safe(set, next, &dead, node) {
		list_del(&set->node);
		kfree(set);
	}
}

static DECLARE_WORK(busy_work, busy_fn);
static DECLARE_WORK(destroy_work, destroy_fn);

static int before(void)
{
	struct set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	wq = alloc_ordered_workqueue("pattern", 0);
	if (!wq || !set)
		return -ENOMEM;
	queue_work(wq, &busy_work);
	list_add(&set->node, &dead);	/* its last user is gone */
	queue_work(wq, &destroy_work);
	pattern_await(&busy);
	return 0;
}

static void before_exit(void)
{
	free_sets(&dead);		/* the bug: the work is still to come */
	pattern_open(&busy);
	destroy_workqueue(wq);
}

/* After */

struct table {
	struct bgtoken *token;		/* its scopes are the lock on the list */
	struct list_head dead;
};

static struct bgtoken_wq *token_wq;
static struct table *table;
static bool destroyed;

static void token_busy_fn(struct bgtoken_work *work)
{
	pattern_hold(&busy);
}

static void token_destroy_fn(struct bgtoken_work *work)
{
	LIST_HEAD(mine);

	destroyed = true;
	scoped_bgtoken(work->token, struct table *, alive)
		list_splice_init(&alive->dead, &mine);
	free_sets(&mine);		/* outside the scope: it may take long */
}

static bool queue_one(void (*fn)(struct bgtoken_work *work))
{
	struct bgtoken_work *work = kzalloc(sizeof(*work), GFP_KERNEL);
	bool queued;

	if (!work)
		return false;
	bgtoken_work_init(work, table->token, fn, NULL);
	queued = bgtoken_queue_work(token_wq, work);
	bgtoken_work_put(work);
	return queued;
}

static int after(void)
{
	struct set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	token_wq = bgtoken_ordered_wq_create("pattern", 0);
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (IS_ERR(token_wq) || !table || !set)
		return -ENOMEM;
	INIT_LIST_HEAD(&table->dead);
	table->token = bgtoken_create(table, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(table->token) || !queue_one(token_busy_fn))
		return -ENOMEM;
	scoped_bgtoken(table->token, struct table *, alive)
		list_add(&set->node, &alive->dead);
	if (!queue_one(token_destroy_fn))
		return -ENOMEM;
	pattern_await(&busy);
	return 0;
}

static void after_exit(void)
{
	bgtoken_cancel(table->token);
	pattern_expect(!list_empty(&table->dead));
	free_sets(&table->dead);
	bgtoken_put(table->token);
	kfree(table);
	pattern_open(&busy);
	bgtoken_wq_destroy(token_wq);	/* drops the work that is queued */
	pattern_expect(!destroyed);
}

static const struct pattern exit_list = {
	before, after, .before_exit = before_exit, .after_exit = after_exit,
};

module_pattern(exit_list, "module exit frees what a queued work has on its list");
