// SPDX-License-Identifier: GPL-2.0-only
/*
 * Case units: many tiny units, through a compile state of each kind, as it comes,
 * and (one, with a mutex) one unit a scope; as one work_struct each on an unbound
 * workqueue; and as a loop of one thread a CPU over an array, which is the limit.
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
#define MOST_CPUS	64

/* Counted where it is, and summed up afterwards: no line that all CPUs write. */
struct unit_count {
	u8 done;
	u8 freed;
};

static unsigned int units_wrong;

static bool count_once(const struct unit_count *count)
{
	return count->done == 1 && count->freed == 1;
}

/* Through a compile state. */

struct compile_unit {
	struct bgcompile_unit unit;
	struct unit_count count;
};

static struct unit_count *unit_count(struct bgcompile_unit *unit)
{
	return &container_of(unit, struct compile_unit, unit)->count;
}

static int unit_compile(struct bgcompile_unit *unit, void *env,
			struct bgtoken *token)
{
	bench_work_us(UNIT_US);
	return 0;
}

static int unit_publish(struct bgcompile *state, struct bgcompile_unit *unit)
{
	unit_count(unit)->done++;
	return 0;
}

static void unit_free(struct bgcompile_unit *unit)
{
	unit_count(unit)->freed++;
}

static const struct bgcompile_ops unit_ops = {
	.compile = unit_compile,
	.publish = unit_publish,
	.free_unit = unit_free,
};

static u64 compile_units(int n, enum bgtoken_kind kind, unsigned int batch)
{
	struct bgcompile_params params = { .kind = kind, .batch = batch };
	struct compile_unit *unit;
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
		bgcompile_unit_init(&unit[i].unit, BGCOMPILE_BASELINE, 1);
		bgcompile_unit_add(&unit[i].unit, &units);
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
	for (i = 0; ns && i < n; i++)
		units_wrong += !count_once(&unit[i].count);
	kvfree(unit);
	return ns;
}

static u64 units_mutex(int n)
{
	return compile_units(n, BGTOKEN_MUTEX, 0);
}

static u64 units_shared(int n)
{
	return compile_units(n, BGTOKEN_SHARED, 0);
}

static u64 units_one(int n)
{
	return compile_units(n, BGTOKEN_MUTEX, 1);
}

/* As one work_struct each. */

struct work_unit {
	struct work_struct work;
	struct unit_count count;
};

static void unit_work(struct work_struct *work)
{
	struct work_unit *unit = container_of(work, struct work_unit, work);

	bench_work_us(UNIT_US);
	unit->count.done++;
	unit->count.freed++;
}

static u64 units_works(int n)
{
	struct workqueue_struct *wq;
	struct work_unit *unit;
	u64 start, ns = 0;
	int i;

	unit = kvcalloc(n, sizeof(*unit), GFP_KERNEL);
	wq = alloc_workqueue("bench_units", WQ_UNBOUND, 0);
	if (!unit || !wq)
		goto free;
	for (i = 0; i < n; i++)
		INIT_WORK(&unit[i].work, unit_work);

	start = bench_now();
	for (i = 0; i < n; i++)
		queue_work(wq, &unit[i].work);
	flush_workqueue(wq);
	ns = bench_now() - start;
	for (i = 0; i < n; i++)
		units_wrong += !count_once(&unit[i].count);
free:
	if (wq)
		destroy_workqueue(wq);
	kvfree(unit);
	return ns;
}

/* A thread on each CPU, with its share of the array. */

struct loop {
	struct task_struct *task;
	struct unit_count *count;
	int n;
	struct completion done;
};

static int loop_run(void *data)
{
	struct loop *loop = data;
	int i;

	for (i = 0; i < loop->n; i++) {
		bench_work_us(UNIT_US);
		loop->count[i].done++;
		loop->count[i].freed++;
		if (!(i % 1024))
			cond_resched();
	}
	complete(&loop->done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static u64 units_loop(int n)
{
	int cpus = min_t(int, num_online_cpus(), MOST_CPUS);
	struct unit_count *count = kvcalloc(n, sizeof(*count), GFP_KERNEL);
	struct loop *loop = kcalloc(cpus, sizeof(*loop), GFP_KERNEL);
	int i = 0, at = 0, cpu = -1;
	u64 start, ns = 0;

	if (!count || !loop)
		goto stop;
	for (i = 0; i < cpus; i++) {
		loop[i].count = count + at;
		loop[i].n = n / cpus + (i < n % cpus);
		at += loop[i].n;
		init_completion(&loop[i].done);
		loop[i].task = kthread_create(loop_run, &loop[i],
					      "bench_loop/%d", i);
		if (IS_ERR(loop[i].task))
			goto stop;
		cpu = cpumask_next(cpu, cpu_online_mask);
		kthread_bind(loop[i].task, cpu);
	}
	start = bench_now();
	for (i = 0; i < cpus; i++)
		wake_up_process(loop[i].task);
	for (i = 0; i < cpus; i++)
		wait_for_completion(&loop[i].done);
	ns = bench_now() - start;
	for (at = 0; at < n; at++)
		units_wrong += !count_once(&count[at]);
stop:
	while (i--)
		kthread_stop(loop[i].task);
	kfree(loop);
	kvfree(count);
	return ns;
}

static const struct {
	const char *name;
	u64 (*run)(int n);
	bool token;
} ways[] = {
	{ "bgcompile-mutex", units_mutex, true },
	{ "bgcompile-shared", units_shared, true },
	{ "bgcompile-one", units_one, true },
	{ "work_struct", units_works },
	{ "kthread-loop", units_loop },
};

static u64 run_units(int i, int n)
{
	u64 ns;

	units_wrong = 0;
	ns = ways[i].run(n);
	if (units_wrong)
		bench_fail("units %s: of %d units %u were not done and freed once",
			   ways[i].name, n, units_wrong);
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
