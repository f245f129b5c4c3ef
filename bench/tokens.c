// SPDX-License-Identifier: GPL-2.0-only
/*
 * Case tokens: a great many of them.  What one costs to create, cancel and put,
 * from 1,000 to 1,000,000 that are alive at once; the same with a delayed work
 * each; and the memory, by sizeof and as the allocator rounds it up.
 */
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/percpu-refcount.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/vmalloc.h>
#include <linux/wait_bit.h>

#include "bench.h"

#define MOST_DELAYED	100000
#define LATER		(3600 * HZ)

static int some_owner;

/* The next one of many, after a breath now and then. */
static int after(int i)
{
	if (!(i % 1024))
		cond_resched();
	return i + 1;
}

static void tokens_add(const char *variant, int n, u64 ns)
{
	bench_add(bench_series("tokens", variant, n), div_u64(ns, n));
}

static int tokens_turn(int n)
{
	struct bgtoken **token;
	u64 t[4];
	int i, error = 0;

	token = kvcalloc(n, sizeof(*token), GFP_KERNEL);
	if (!token)
		return -ENOMEM;
	t[0] = bench_now();
	for (i = 0; i < n; i = after(i)) {
		token[i] = bgtoken_create(&some_owner, BGTOKEN_MUTEX,
					  GFP_KERNEL);
		if (IS_ERR(token[i])) {
			error = PTR_ERR(token[i]);
			n = i;
		}
	}
	t[1] = bench_now();
	for (i = 0; i < n; i = after(i)) {
		if (!bgtoken_cancel(token[i]))
			bench_fail("tokens: one was cancelled before");
	}
	t[2] = bench_now();
	for (i = 0; i < n; i = after(i))
		bgtoken_put(token[i]);
	t[3] = bench_now();
	kvfree(token);
	if (error)
		return error;
	tokens_add("create", n, t[1] - t[0]);
	tokens_add("cancel", n, t[2] - t[1]);
	tokens_add("put", n, t[3] - t[2]);
	tokens_add("create-cancel-put", n, t[3] - t[0]);
	return 0;
}

/* What of that is the memory's: as much of it, touched as often, and no more. */
static int memory_turn(int n)
{
	struct bgtoken **token;
	int i, error = 0;
	u64 start;

	token = kvcalloc(n, sizeof(*token), GFP_KERNEL);
	if (!token)
		return -ENOMEM;
	start = bench_now();
	for (i = 0; i < n; i = after(i)) {
		token[i] = kzalloc(sizeof(**token), GFP_KERNEL);
		if (!token[i]) {
			error = -ENOMEM;
			n = i;
		}
	}
	for (i = 0; i < n; i = after(i))
		WRITE_ONCE(token[i]->owner, &some_owner);
	for (i = 0; i < n; i = after(i))
		kfree(token[i]);
	if (!error)
		tokens_add("kzalloc-write-kfree", n, bench_now() - start);
	kvfree(token);
	return error;
}

/* Tokens with a delayed work each */

static atomic_t released;
static int expected;

static void delayed_run(struct bgtoken_work *work)
{
	bench_fail("tokens: a work ran that was cancelled an hour before");
}

static void delayed_release(struct bgtoken_work *work)
{
	kfree(container_of(work, struct bgtoken_delayed_work, work));
	if (atomic_inc_return(&released) == READ_ONCE(expected))
		wake_up_var(&released);
}

static struct bgtoken *arm_one(struct bgtoken_wq *wq)
{
	struct bgtoken_delayed_work *dwork;
	struct bgtoken *token;

	dwork = kmalloc(sizeof(*dwork), GFP_KERNEL);
	if (!dwork)
		return ERR_PTR(-ENOMEM);
	token = bgtoken_create(&some_owner, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(token)) {
		kfree(dwork);
		return token;
	}
	bgtoken_delayed_work_init(dwork, token, delayed_run, delayed_release);
	if (!bgtoken_queue_delayed_work(wq, dwork, LATER))
		bench_fail("tokens: a delayed work was not queued");
	bgtoken_work_put(&dwork->work);
	return token;
}

static int delayed_turn(int n)
{
	struct bgtoken **token;
	struct bgtoken_wq *wq;
	int i, armed = 0, error = -ENOMEM;
	u64 t[4];

	token = kvcalloc(n, sizeof(*token), GFP_KERNEL);
	wq = bgtoken_wq_create("bench_delayed", WQ_UNBOUND, 0);
	if (!token || IS_ERR(wq))
		goto free;

	atomic_set(&released, 0);
	WRITE_ONCE(expected, n);
	t[0] = bench_now();
	for (; armed < n; armed = after(armed)) {
		token[armed] = arm_one(wq);
		if (IS_ERR(token[armed])) {
			error = PTR_ERR(token[armed]);
			break;
		}
	}
	t[1] = bench_now();
	for (i = 0; i < armed; i = after(i))
		bgtoken_cancel(token[i]);
	t[2] = bench_now();
	if (armed == n) {
		wait_var_event(&released, atomic_read(&released) == n);
		error = 0;
	}
	t[3] = bench_now();
	for (i = 0; i < armed; i++)
		bgtoken_put(token[i]);
free:
	bgtoken_wq_destroy(wq);
	kvfree(token);
	if (error)
		return error;
	if (atomic_read(&released) != n)
		bench_fail("tokens: %d works were released %d times", n,
			   atomic_read(&released));
	tokens_add("delayed-create-queue", n, t[1] - t[0]);
	tokens_add("delayed-cancel", n, t[2] - t[1]);
	tokens_add("delayed-released", n, t[3] - t[1]);
	return 0;
}

/* Memory */

/* What kmalloc() really gives for it. */
static size_t slab_size(size_t size)
{
	void *p = kmalloc(size, GFP_KERNEL);
	size_t real = p ? ksize(p) : 0;

	kfree(p);
	return real;
}

static void memory_add(const char *variant, size_t size, size_t percpu)
{
	bench_rate("memory", variant, "sizeof", size * 1000, "bytes");
	bench_rate("memory", variant, "slab", slab_size(size) * 1000, "bytes");
	bench_rate("memory", variant, "per-cpu", percpu * 1000, "bytes");
}

static void memory(void)
{
	size_t srcu = sizeof(struct srcu_struct);

#ifdef BENCH_HAS_SRCU_USAGE
	srcu += sizeof(struct srcu_usage);	/* allocated apart */
#endif
	memory_add("token", sizeof(struct bgtoken), 0);
	memory_add("token-percpu", sizeof(struct bgtoken),
		   sizeof(*((struct bgtoken *)NULL)->live));
	memory_add("work", sizeof(struct bgtoken_work), 0);
	memory_add("delayed-work", sizeof(struct bgtoken_delayed_work), 0);
	memory_add("work_struct", sizeof(struct work_struct), 0);
	memory_add("delayed_work", sizeof(struct delayed_work), 0);
	memory_add("mutex", sizeof(struct mutex), 0);
	/* Each for the same job: with the pointer to the owner. */
	memory_add("srcu", srcu + sizeof(void *), sizeof(struct srcu_data));
	memory_add("percpu_ref", sizeof(struct percpu_ref) +
		   sizeof(struct percpu_ref_data) + sizeof(struct completion) +
		   sizeof(void *), sizeof(unsigned long));
	memory_add("completion", sizeof(struct completion) +
		   sizeof(struct kref) + sizeof(void *), 0);
}

int bench_tokens(void)
{
	int n, turn, turns, error = 0;
	char what[40];

	memory();
	for (n = 1000; n <= max_tokens && !error; n *= 10) {
		turns = clamp(200000 / n, 3, rounds);
		scnprintf(what, sizeof(what), "tokens %d", n);
		for (turn = 0; turn < turns && !error && !bench_stop(); turn++) {
			bench_progress(what, turn, turns);
			error = tokens_turn(n);
			if (!error)
				error = memory_turn(n);
		}
	}
	for (n = 1000; n <= min(max_tokens, MOST_DELAYED) && !error; n *= 10) {
		turns = clamp(200000 / n, 3, rounds);
		scnprintf(what, sizeof(what), "tokens with a work %d", n);
		for (turn = 0; turn < turns && !error && !bench_stop(); turn++) {
			bench_progress(what, turn, turns);
			error = delayed_turn(n);
		}
	}
	return error;
}
