// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2025-38211 (iw_cm)
 * caught by: ODEBUG: free active .* object type: work_struct hint: event_fn\+0x
 * caught by: Workqueue: pattern event_fn
 * before: the last put, inside a work, frees the pool in which that and queued works lie
 * after: each work is an object of its own; whoever closes frees those that are spare
 */
#include <linux/kref.h>
#include <linux/list.h>

#include "pattern.h"

#define POOL	3	/* events, so that one that comes needs no memory */

PATTERN_GATE(handling);

/* Before */

struct event {
	struct work_struct work;
	struct conn *conn;
};

struct conn {
	struct kref kref;
	struct event *pool;
	int pending;
};

static void conn_free(struct kref *kref)
{
	struct conn *conn = container_of(kref, struct conn, kref);

	kfree(conn->pool);			/* the bug */
	kfree(conn);
}

/* The first work handles all events there are, and the next finds none. */
static void event_fn(struct work_struct *ws)
{
	struct conn *conn = container_of(ws, struct event, work)->conn;

	pattern_hold(&handling);
	while (conn->pending-- > 0)
		if (kref_put(&conn->kref, conn_free))
			return;
}

static void conn_event(struct workqueue_struct *wq, struct conn *conn,
		       struct event *event)
{
	event->conn = conn;
	INIT_WORK(&event->work, event_fn);
	conn->pending++;
	kref_get(&conn->kref);			/* put when it is handled */
	queue_work(wq, &event->work);
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("pattern", 0);
	struct event *pool = kcalloc(POOL, sizeof(*pool), GFP_KERNEL);
	struct conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);

	if (!wq || !pool || !conn)
		return -ENOMEM;
	conn->pool = pool;
	kref_init(&conn->kref);
	conn_event(wq, conn, &pool[0]);
	pattern_await(&handling);
	conn_event(wq, conn, &pool[1]);
	kref_put(&conn->kref, conn_free);	/* the user has gone */
	pattern_open(&handling);
	destroy_workqueue(wq);
	return 0;
}

/* After */

struct token_event {
	struct bgtoken_work work;
	struct list_head node;
};

struct token_conn {
	struct list_head spare;			/* events */
};

static int handled, dropped;

static void token_conn_close(struct bgtoken *token)
{
	struct token_event *event, *next;
	struct token_conn *conn = NULL;

	scoped_bgtoken_irqsave(token, struct token_conn *, alive)
		conn = alive;
	if (!bgtoken_cancel(token))		/* somebody else frees it */
		return;
	list_for_each_entry_safe(event, next, &conn->spare, node)
		kfree(event);
	kfree(conn);
}

static void token_event_fn(struct bgtoken_work *work)
{
	pattern_hold(&handling);
	handled++;
	token_conn_close(work->token);		/* the user has gone */
}

/* Back to the spare ones, if they are still there. */
static void token_event_release(struct bgtoken_work *work)
{
	struct token_event *event = container_of(work, struct token_event, work);

	dropped += bgtoken_work_fate(work) == BGTOKEN_DROPPED_CANCELLED;
	scoped_cond_bgtoken_irqsave(kfree(event), work->token, struct token_conn *, conn)
		list_add(&event->node, &conn->spare);
}

static void token_conn_event(struct bgtoken_wq *wq, struct bgtoken *token)
{
	struct token_event *event = NULL;

	scoped_bgtoken_irqsave(token, struct token_conn *, conn) {
		event = list_first_entry_or_null(&conn->spare, struct token_event, node);
		if (event)
			list_del(&event->node);
	}
	if (!event)			/* it is closed, or none is spare */
		return;
	bgtoken_work_init(&event->work, token, token_event_fn, token_event_release);
	bgtoken_queue_work(wq, &event->work);
	bgtoken_work_put(&event->work);
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_ordered_wq_create("pattern", 0);
	struct token_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	struct token_event *event;
	struct bgtoken *token;
	int i;

	if (IS_ERR(wq) || !conn)
		return -ENOMEM;
	INIT_LIST_HEAD(&conn->spare);
	for (i = 0; i < POOL; i++) {
		event = kzalloc(sizeof(*event), GFP_KERNEL);
		if (!event)
			return -ENOMEM;
		list_add(&event->node, &conn->spare);
	}
	token = bgtoken_create(conn, BGTOKEN_SPIN, GFP_KERNEL);
	if (IS_ERR(token))
		return -ENOMEM;
	handled = 0;
	dropped = 0;
	token_conn_event(wq, token);
	pattern_await(&handling);
	for (i = 0; i < POOL; i++)		/* for the last one, none is spare */
		token_conn_event(wq, token);
	pattern_open(&handling);
	bgtoken_wq_flush(wq);
	token_conn_event(wq, token);		/* it is closed */
	bgtoken_put(token);
	bgtoken_wq_destroy(wq);
	pattern_expect(handled == 1 && dropped == POOL - 1);
	return 0;
}

static const struct pattern last_put_pool = { before, after };

module_pattern(last_put_pool, "the last put inside a work frees the pool of works");
