// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cases scope and icount: one enter and exit, against each primitive's pair.
 *
 * In scope, threads that are bound to one CPU each run batches of pairs, on one
 * object or on one each, for a while; a sample is the mean of a batch.  In
 * icount, the machine counts instructions and its clocks tell them as ns, so the
 * time stamp counter around a batch says how many there were.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/timex.h>

#include "bench.h"

#define BATCH		256	/* pairs */
#define BATCH_WORK	16
#define TURN_MS		10
#define ICOUNT_BATCH	100
#define ICOUNT_SAMPLES	101
#define MOST_THREADS	64

struct runner {
	struct task_struct *task;
	struct scope *scope;
	void *object;
	unsigned long batches;
	u64 ns;
	struct completion done;
};

struct scope {
	const struct bench_lock *lock;
	bool work;
	atomic_t ready;
	bool go;
	bool stop;
	struct bench_series *series;
	struct runner runner[MOST_THREADS];
};

/* The first takes the samples. */
static int runner_run(void *data)
{
	struct runner *runner = data;
	struct scope *scope = runner->scope;
	unsigned int batch = scope->work ? BATCH_WORK : BATCH;
	u64 begin, start, end;

	atomic_inc(&scope->ready);
	while (!READ_ONCE(scope->go))
		schedule_timeout_interruptible(1);
	begin = bench_now();
	end = begin;
	while (!READ_ONCE(scope->stop)) {
		start = end;
		if (scope->work)
			scope->lock->loop_work(runner->object, batch);
		else
			scope->lock->loop(runner->object, batch);
		end = bench_now();
		runner->batches++;
		if (runner == scope->runner && runner->batches <= 2000)
			bench_add(scope->series, div_u64(end - start, batch));
		cond_resched();
		end = bench_now();
	}
	runner->ns = bench_now() - begin;
	complete(&runner->done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int scope_start(struct scope *scope, int threads)
{
	int i, cpu = -1;

	for (i = 0; i < threads; i++) {
		struct runner *runner = &scope->runner[i];

		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		init_completion(&runner->done);
		runner->task = kthread_create(runner_run, runner,
					      "bench_scope/%d", i);
		if (IS_ERR(runner->task))
			return i;
		kthread_bind(runner->task, cpu);
		wake_up_process(runner->task);
	}
	return threads;
}

static int scope_turn(const struct bench_lock *lock, int threads, bool each,
		      bool work)
{
	int i, started = 0, error = -ENOMEM;
	u64 batches = 0, rate = 0;
	char variant[28], param[8];
	struct scope *scope;
	void *object[MOST_THREADS] = {};

	scope = kzalloc(sizeof(*scope), GFP_KERNEL);
	if (!scope)
		return -ENOMEM;
	for (i = 0; i < (each ? threads : 1); i++) {
		object[i] = lock->create(scope);
		if (!object[i])
			goto destroy;
	}
	scnprintf(variant, sizeof(variant), "%s%s", lock->name,
		  work ? "/2us" : threads == 1 ? "" : each ? "/each" : "/one");
	bench_number(param, sizeof(param), threads);
	scope->lock = lock;
	scope->work = work;
	scope->series = bench_series("scope", variant, threads);
	for (i = 0; i < threads; i++) {
		scope->runner[i].scope = scope;
		scope->runner[i].object = object[each ? i : 0];
	}

	started = scope_start(scope, threads);
	while (atomic_read(&scope->ready) < started)
		schedule_timeout_interruptible(1);
	WRITE_ONCE(scope->go, true);
	schedule_timeout_interruptible(msecs_to_jiffies(TURN_MS) + 2);
	WRITE_ONCE(scope->stop, true);
	for (i = 0; i < started; i++) {
		wait_for_completion(&scope->runner[i].done);
		kthread_stop(scope->runner[i].task);
		batches = scope->runner[i].batches;
		rate += div64_u64(batches * (work ? BATCH_WORK : BATCH) *
				  NSEC_PER_SEC, max(scope->runner[i].ns, 1ULL));
	}
	error = started == threads ? 0 : -EAGAIN;
	if (!error)
		bench_rate("scope", variant, param, rate * 1000, "scopes/s");
destroy:
	for (i = 0; i < MOST_THREADS; i++)
		if (object[i])
			lock->destroy(object[i]);
	kfree(scope);
	return error;
}

int bench_scope(void)
{
	int turns = DIV_ROUND_UP(rounds, 4);	/* each of many batches */
	int turn, threads, error = 0;
	const struct bench_lock *lock;
	unsigned int i;

	for (turn = 0; turn < turns && !error; turn++) {
		bench_progress("scope", turn, turns);
		for (threads = 1; threads <= min(max_threads, MOST_THREADS);
		     threads *= 2) {
			for (i = 0; (lock = bench_lock(i)); i++) {
				if (bench_stop() || error)
					return error;
				error = scope_turn(lock, threads, false, false);
				if (!error && threads > 1 && !lock->design)
					error = scope_turn(lock, threads, true,
							   false);
				if (!error && threads <= 2 && lock->work)
					error = scope_turn(lock, threads, false,
							   true);
			}
		}
	}
	return error;
}

/* @n times two instructions, as only the machine's own language can say it. */
static void two_instructions(unsigned long n)
{
#ifdef CONFIG_X86
	asm volatile("1:	dec %0\n"
		     "	jnz 1b" : "+r" (n) : : "cc");
#elif defined(CONFIG_ARM64)
	asm volatile("1:	subs %0, %0, #1\n"
		     "	b.ne 1b" : "+r" (n) : : "cc");
#endif
}

/*
 * The median of many batches is one that no interrupt fell into.  The counter
 * tells instructions only if the loop of two, which is known, gives two.
 */
static int icount_check(struct bench_series *series)
{
	cycles_t start;
	u64 count;
	int i;

	for (i = 0; i < ICOUNT_SAMPLES; i++) {
		start = get_cycles();
		two_instructions(100000);
		bench_add(series, get_cycles() - start);
	}
	count = bench_median(series);
	pr_info("bgtoken_bench: 200000 instructions counted as %llu\n", count);
	return count >= 200000 && count < 200100 ? 0 : -EOPNOTSUPP;
}

static void icount_loop(const struct bench_lock *lock, void *object,
			struct bench_series *series)
{
	cycles_t start;
	int i;

	lock->loop(object, ICOUNT_BATCH);	/* warm */
	for (i = 0; i < ICOUNT_SAMPLES; i++) {
		start = get_cycles();
		lock->loop(object, ICOUNT_BATCH);
		bench_add(series, get_cycles() - start);
		cond_resched();
	}
}

static int icount_cancels(const struct bench_lock *lock,
			  struct bench_series *series)
{
	static int owner;
	cycles_t start;
	void *object;
	int i;

	for (i = 0; i < ICOUNT_SAMPLES; i++) {
		object = lock->create(&owner);
		if (!object)
			return -ENOMEM;
		start = get_cycles();
		lock->cancel(object);
		bench_add(series, get_cycles() - start);
		lock->destroy(object);
	}
	return 0;
}

int bench_icount(void)
{
	struct bench_series *series;
	const struct bench_lock *lock;
	u64 pairs, cancel, no_pairs = 0, no_cancel = 0;
	unsigned int i;
	void *object;
	int error;

	error = icount_check(bench_series("icount", "check", 100000));
	if (error)
		return error;
	for (i = 0; (lock = bench_lock(i)) && !bench_stop(); i++) {
		bench_progress("icount", i, bench_nr_locks + bench_nr_designs);
		object = lock->create(&error);
		if (!object)
			return -ENOMEM;
		series = bench_series("icount-batch", lock->name, ICOUNT_BATCH);
		icount_loop(lock, object, series);
		lock->destroy(object);
		pairs = bench_median(series);
		if (!i)
			no_pairs = pairs;
		bench_rate("icount", lock->name, "pair",
			   div_u64((pairs - no_pairs) * 1000, ICOUNT_BATCH),
			   "instructions");

		if (lock->bytes)
			bench_rate("icount", lock->name, "size",
				   lock->bytes * 1000, "bytes");
		if (!lock->cancel)
			continue;
		series = bench_series("icount-cancel", lock->name, 1);
		error = icount_cancels(lock, series);
		if (error)
			return error;
		cancel = bench_median(series);
		if (!i)
			no_cancel = cancel;
		bench_rate("icount", lock->name, "cancel",
			   (cancel - no_cancel) * 1000, "instructions");
	}
	return 0;
}
