// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2026-45910 (rxe), CVE-2026-46069 (mwifiex)
 * caught by: KASAN: (slab-)?use-after-free in qp_retry\+0x
 * found by: embedded
 * before: destroy deletes the timer and frees its owner, while the function still runs
 * after: the function runs in a scope, so the cancel waits for it
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/timer.h>

#include "pattern.h"

/* A timer's function cannot sleep at a gate; it spins there, but not for ever. */
#define SPIN_US		(5 * USEC_PER_SEC)

PATTERN_GATE(firing);

/* The caller stays on its CPU until migrate_enable(), and the timer gets another one. */
static int find_other_cpu(void)
{
	unsigned int cpu;

	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	if (cpu < nr_cpu_ids)
		return cpu;
	migrate_enable();
	return -ENODEV;
}

/* Before */

struct qp {
	struct timer_list retry;
	int retries;
};

static DECLARE_COMPLETION(fired);

static void qp_retry(struct timer_list *timer)
{
	struct qp *qp = container_of(timer, struct qp, retry);
	int left = SPIN_US;

	complete(&firing.reached);
	while (!try_wait_for_completion(&firing.opened) && left--)
		udelay(1);
	qp->retries++;
	complete(&fired);
}

static int before(void)
{
	struct qp *qp = kzalloc(sizeof(*qp), GFP_KERNEL);
	int cpu = find_other_cpu();

	if (!qp || cpu < 0)
		return qp ? cpu : -ENOMEM;
	timer_setup(&qp->retry, qp_retry, 0);
	qp->retry.expires = jiffies;
	add_timer_on(&qp->retry, cpu);
	pattern_await(&firing);
	timer_delete(&qp->retry);		/* destroy: the bug */
	kfree(qp);
	pattern_open(&firing);
	wait_for_completion(&fired);
	migrate_enable();
	return 0;
}

/* After */

struct token_qp {
	struct bgtoken *token;
	struct bgtoken_timer *retry;
	int retries;
};

static struct bgtoken_timer *to_arm;
static bool begun;

static void token_qp_retry(struct bgtoken_timer *timer, void *owner)
{
	struct bgtoken *token = bgtoken_timer_token(timer);
	struct token_qp *qp = owner;
	int left = SPIN_US;

	WRITE_ONCE(begun, true);
	complete(&firing.reached);
	while (!bgtoken_cancelled(token) && left--)
		udelay(1);
	pattern_expect(bgtoken_cancelled(token));
	qp->retries++;
}

/* A timer is run by the CPU that armed it, if that one does not go idle. */
static void arm_fn(struct work_struct *ws)
{
	bgtoken_timer_mod(to_arm, jiffies);
	while (!READ_ONCE(begun))
		cpu_relax();
}

static DECLARE_WORK(arm, arm_fn);

static int after(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", COMPAT_WQ_PERCPU |
						      WQ_CPU_INTENSIVE, 0);
	struct token_qp *qp = kzalloc(sizeof(*qp), GFP_KERNEL);
	int cpu = find_other_cpu();

	if (!wq || !qp || cpu < 0)
		return wq && qp ? cpu : -ENOMEM;
	qp->token = bgtoken_create(qp, BGTOKEN_SPIN, GFP_KERNEL);
	qp->retry = kzalloc(sizeof(*qp->retry), GFP_KERNEL);
	if (IS_ERR(qp->token) || !qp->retry)
		return -ENOMEM;
	bgtoken_timer_init(qp->retry, qp->token, token_qp_retry, NULL);
	to_arm = qp->retry;
	begun = false;
	queue_work_on(cpu, wq, &arm);
	pattern_await(&firing);
	bgtoken_cancel(qp->token);		/* destroy */
	pattern_expect(qp->retries == 1);
	bgtoken_timer_put(qp->retry);
	bgtoken_put(qp->token);
	kfree(qp);
	migrate_enable();
	destroy_workqueue(wq);
	bgtoken_barrier();			/* module exit */
	return 0;
}

static const struct pattern timer_frees = { before, after };

module_pattern(timer_frees, "freed while its timer's function runs");
