// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2026-23240 (tls), CVE-2026-23239 (espintcp), CVE-2026-31406 (xfrm)
 * caught by: ODEBUG: free active .* object type: timer_list hint: tx_fn\+0x
 * caught by: before\+0x
 * before: a softirq queues the work again between its cancel and the free
 * after: a cancelled token refuses whatever is queued after it
 */
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/timer.h>

#include "pattern.h"

#define LATER	(3600 * HZ)	/* so that the work is still pending at the end */

/* What the softirq belongs to; it stays when the layer above it goes. */
struct tcp {
	struct timer_list ack;
	struct completion acked;
	void (*write_space)(struct tcp *tcp);
	void *upper;
	bool queued;
};

static void ack_timerfn(struct timer_list *timer)
{
	struct tcp *tcp = container_of(timer, struct tcp, ack);

	tcp->write_space(tcp);
	complete(&tcp->acked);
}

/* The timer fires.  Was something queued by it? */
static bool tcp_ack(struct tcp *tcp)
{
	mod_timer(&tcp->ack, jiffies);
	wait_for_completion(&tcp->acked);
	return tcp->queued;
}

static struct tcp *tcp_create(void (*write_space)(struct tcp *tcp), void *upper)
{
	struct tcp *tcp = kzalloc(sizeof(*tcp), GFP_KERNEL);

	if (!tcp)
		return NULL;
	timer_setup(&tcp->ack, ack_timerfn, 0);
	init_completion(&tcp->acked);
	tcp->write_space = write_space;
	tcp->upper = upper;
	return tcp;
}

static void tcp_free(struct tcp *tcp)
{
	timer_delete_sync(&tcp->ack);
	kfree(tcp);
}

/* Before */

static struct workqueue_struct *wq;

struct tls {
	struct delayed_work tx;
	int sent;
};

static void tx_fn(struct work_struct *ws)
{
	container_of(ws, struct tls, tx.work)->sent++;
}

static void write_space(struct tcp *tcp)
{
	struct tls *tls = tcp->upper;

	tcp->queued = queue_delayed_work(wq, &tls->tx, LATER);
}

static int before(void)
{
	struct tls *tls = kzalloc(sizeof(*tls), GFP_KERNEL);
	struct tcp *tcp = tcp_create(write_space, tls);

	wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	if (!wq || !tls || !tcp)
		return -ENOMEM;
	INIT_DELAYED_WORK(&tls->tx, tx_fn);
	tcp_ack(tcp);
	cancel_delayed_work_sync(&tls->tx);	/* close */
	tcp_ack(tcp);				/* the bug: nothing keeps it out */
	kfree(tls);
	tcp_free(tcp);
	destroy_workqueue(wq);
	return 0;
}

/* After */

static struct bgtoken_wq *token_wq;

struct token_tls {
	struct bgtoken *token;
	int sent;
};

static void token_tx_fn(struct bgtoken_work *work)
{
	scoped_bgtoken(work->token, struct token_tls *, tls)
		tls->sent++;
}

static void token_write_space(struct tcp *tcp)
{
	struct bgtoken_delayed_work *tx = tcp->upper;	/* the socket's own reference */

	tcp->queued = bgtoken_queue_delayed_work(token_wq, tx, LATER);
}

static int after(void)
{
	struct bgtoken_delayed_work *tx = kzalloc(sizeof(*tx), GFP_KERNEL);
	struct token_tls *tls = kzalloc(sizeof(*tls), GFP_KERNEL);
	struct tcp *tcp = tcp_create(token_write_space, tx);

	token_wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	if (IS_ERR(token_wq) || !tx || !tls || !tcp)
		return -ENOMEM;
	tls->token = bgtoken_create(tls, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(tls->token))
		return -ENOMEM;
	bgtoken_delayed_work_init(tx, tls->token, token_tx_fn, NULL);
	pattern_expect(tcp_ack(tcp));
	bgtoken_cancel(tls->token);		/* close */
	pattern_expect(!tcp_ack(tcp));
	bgtoken_put(tls->token);
	kfree(tls);
	pattern_expect(!tcp_ack(tcp));
	tcp_free(tcp);
	bgtoken_work_put(&tx->work);
	bgtoken_wq_destroy(token_wq);
	return 0;
}

static const struct pattern requeued = { before, after };

module_pattern(requeued, "queued again after its cancel");
