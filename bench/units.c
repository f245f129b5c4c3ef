// SPDX-License-Identifier: GPL-2.0-only
/*
 * Case units: many tiny units, through a compile state, one at a time or (batch,
 * with a mutex) several; as one work_struct each on an unbound workqueue; and as a
 * loop of one thread a CPU over an array, which is the limit.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "bench.h"
#include "bgcompile.h"
#include "bgtoken_trace.h"

#define UNIT_US		1
#define UNITS_BATCH	64
#define MOST_CPUS	64

static atomic_t units_done;
static atomic_t units_freed;
static atomic_t units_left;
static struct completion units_complete;

/* Through a compile state. */

static int unit_compile(struct bgcompile_unit *unit, void *env,
			struct bgtoken *token)
{
	bench_work_us(UNIT_US);
	return 0;
}

static int unit_publish(struct bgcompile *state, struct bgcompile_unit *unit)
{
	atomic_inc(&units_done);
	return 0;
}

static void unit_free(struct bgcompile_unit *unit)
{
	atomic_inc(&units_freed);
}

static const struct bgcompile_ops unit_ops = {
	.compile = unit_compile,
	.publish = unit_publish,
	.free_unit = unit_free,
};

static u64 compile_units(int n, enum bgtoken_kind kind, unsigned int batch)
{
	struct bgcompile_params params = { .kind = kind, .batch = batch };
	struct bgcompile_unit *unit;
	struct bgcompile state;
	struct bgtoken_wq *wq;
	LIST_HEAD(units);
	u64 start, ns = 0;
	int i, error;

	unit = kvcalloc(n, sizeof(*unit), GFP_KERNEL);
	wq = bgtoken_wq_create("bench_units", WQ_UNBOUND, 0);
	if (!unit || IS_ERR(wq))
		goto free;
	for (i = 0; i < n; i++) {
		bgcompile_unit_init(&unit[i], BGCOMPILE_BASELINE, 1);
		bgcompile_unit_add(&unit[i], &units);
	}
	if (bgcompile_init(&state, wq, &unit_ops, &params))
		goto free;

	start = bench_now();
	error = bgcompile_add_units(&state, &units);
	if (!error)
		error = bgcompile_wait(&state, BGCOMPILE_TOP_FINISHED);
	if (!error)
		ns = bench_now() - start;
	bgcompile_cancel(&state);
free:
	bgtoken_wq_destroy(wq);		/* waits for the last free_unit */
	kvfree(unit);
	return ns;
}

static u64 units_mutex(int n)
{
	return compile_units(n, BGTOKEN_MUTEX, 1);
}

static u64 units_shared(int n)
{
	return compile_units(n, BGTOKEN_SHARED, 1);
}

static u64 units_spin(int n)
{
	return compile_units(n, BGTOKEN_SPIN, 1);
}

static u64 units_batch(int n)
{
	return compile_units(n, BGTOKEN_MUTEX, UNITS_BATCH);
}

/* As one work_struct each. */

static void unit_finished(void)
{
	atomic_inc(&units_done);
	atomic_inc(&units_freed);
	if (atomic_dec_and_test(&units_left))
		complete(&units_complete);
}

static void unit_work(struct work_struct *work)
{
	bench_work_us(UNIT_US);
	unit_finished();
}

static u64 units_works(int n)
{
	struct workqueue_struct *wq;
	struct work_struct *work;
	u64 start, ns = 0;
	int i;

	work = kvcalloc(n, sizeof(*work), GFP_KERNEL);
	wq = alloc_workqueue("bench_units", WQ_UNBOUND, 0);
	if (!work || !wq)
		goto free;
	for (i = 0; i < n; i++)
		INIT_WORK(&work[i], unit_work);

	start = bench_now();
	for (i = 0; i < n; i++)
		queue_work(wq, &work[i]);
	wait_for_completion(&units_complete);
	ns = bench_now() - start;
free:
	if (wq)
		destroy_workqueue(wq);
	kvfree(work);
	return ns;
}

/* A thread on each CPU, with its share of the array. */

static atomic_t loops_left;

static int loop_run(void *data)
{
	long n = (long)data;

	while (n--) {
		bench_work_us(UNIT_US);
		unit_finished();
		if (!(n % 1024))
			cond_resched();
	}
	atomic_dec(&loops_left);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static u64 units_loop(int n)
{
	struct task_struct *task[MOST_CPUS];
	int cpus = min_t(int, num_online_cpus(), MOST_CPUS);
	int i, cpu = -1;
	u64 start, ns = 0;
	long share;

	for (i = 0; i < cpus; i++) {
		share = n / cpus + (i < n % cpus);
		task[i] = kthread_create(loop_run, (void *)share,
					 "bench_loop/%d", i);
		if (IS_ERR(task[i]))
			goto stop;
		cpu = cpumask_next(cpu, cpu_online_mask);
		kthread_bind(task[i], cpu);
	}
	start = bench_now();
	for (i = 0; i < cpus; i++)
		wake_up_process(task[i]);
	wait_for_completion(&units_complete);
	ns = bench_now() - start;
stop:
	while (i--)
		kthread_stop(task[i]);
	return ns;
}

static const struct {
	const char *name;
	u64 (*run)(int n);
	bool token;
} ways[] = {
	{ "bgcompile-mutex", units_mutex, true },
	{ "bgcompile-shared", units_shared, true },
	{ "bgcompile-spin", units_spin, true },
	{ "bgcompile-batch", units_batch, true },
	{ "work_struct", units_works },
	{ "kthread-loop", units_loop },
};

static u64 run_units(int i, int n)
{
	u64 ns;

	atomic_set(&units_done, 0);
	atomic_set(&units_freed, 0);
	atomic_set(&units_left, n);
	init_completion(&units_complete);
	ns = ways[i].run(n);
	if (ns && (atomic_read(&units_done) != n ||
		   atomic_read(&units_freed) != n))
		bench_fail("units %s: of %d units %d were done and %d freed",
			   ways[i].name, n, atomic_read(&units_done),
			   atomic_read(&units_freed));
	return ns;
}

/* How often a scope is entered, and so the token locked, by the trace event. */

static DEFINE_PER_CPU(unsigned long, scopes);

static void count_scope(void *data, struct bgtoken *token)
{
	this_cpu_inc(scopes);
}

static unsigned long sum_scopes(void)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(scopes, cpu);
	return sum;
}

static int count_locks(int i, int n)
{
	unsigned long before = sum_scopes();
	char param[16];
	int error;

	error = register_trace_bgtoken_enter(count_scope, NULL);
	if (error)
		return error;
	if (run_units(i, n))
		bench_rate("units", ways[i].name,
			   bench_number(param, sizeof(param), n),
			   div_u64((sum_scopes() - before) * 1000ULL, n),
			   "locks/unit");
	unregister_trace_bgtoken_enter(count_scope, NULL);
	tracepoint_synchronize_unregister();
	return 0;
}

int bench_units(void)
{
	int turns = DIV_ROUND_UP(rounds, 3);
	char param[16], what[32];
	int turn, i, n, error = 0;
	u64 ns;

	for (n = min(10000, max_units); n <= max_units && !error; n *= 10) {
		bench_number(param, sizeof(param), n);
		scnprintf(what, sizeof(what), "units %d", n);
		for (turn = 0; turn < turns; turn++) {
			bench_progress(what, turn, turns);
			for (i = 0; i < ARRAY_SIZE(ways); i++) {
				if (bench_stop())
					return 0;
				ns = run_units(i, n);
				if (!ns)
					return -ENOMEM;
				bench_add(bench_series("units", ways[i].name, n),
					  ns);
				bench_rate("units", ways[i].name, param,
					   div64_u64((u64)n * NSEC_PER_SEC * 1000,
						     ns), "units/s");
			}
		}
		for (i = 0; i < ARRAY_SIZE(ways) && !error; i++)
			if (ways[i].token)
				error = count_locks(i, n);
	}
	return error;
}
