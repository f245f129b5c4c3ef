// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark's statistics: series of samples, their medians and tails, the
 * files that show them, progress, and failures.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bench.h"

/*
 * The lock: values are added by the benchmark's own thread only, and read by
 * whoever opens a file.
 */
static DEFINE_MUTEX(series_lock);
static LIST_HEAD(series_list);
static atomic_t failures = ATOMIC_INIT(0);
static char doing[80] = "starting";

void bench_progress(const char *what, unsigned int done, unsigned int total)
{
	scnprintf(doing, sizeof(doing), "%s %u/%u", what, done, total);
	cond_resched();
}

bool bench_stop(void)
{
	return kthread_should_stop();
}

const char *bench_number(char *buffer, size_t size, long number)
{
	scnprintf(buffer, size, "%ld", number);
	return buffer;
}

const char *bench_doing(void)
{
	return doing;
}

struct bench_series {
	struct list_head node;
	char name[3][28];	/* case, variant, parameter */
	const char *unit;	/* of a rate, in thousandths; else NULL: ns */
	bool show_all;
	u64 *value;
	unsigned int count;
	unsigned int room;
};

static struct bench_series *series_find(const char *which, const char *variant,
					const char *param, const char *unit)
{
	struct bench_series *series;

	list_for_each_entry(series, &series_list, node)
		if (!strcmp(series->name[0], which) &&
		    !strcmp(series->name[1], variant) &&
		    !strcmp(series->name[2], param) &&
		    !strcmp(series->unit ?: "", unit ?: ""))
			return series;
	series = kzalloc(sizeof(*series), GFP_KERNEL);
	if (!series)
		return NULL;
	strscpy(series->name[0], which, sizeof(series->name[0]));
	strscpy(series->name[1], variant, sizeof(series->name[1]));
	strscpy(series->name[2], param, sizeof(series->name[2]));
	series->unit = unit;
	list_add_tail(&series->node, &series_list);
	return series;
}

static void series_add(struct bench_series *series, u64 value)
{
	unsigned int room;
	u64 *more;

	if (series && series->count == series->room) {
		room = series->room ? series->room * 2 : 16;
		more = kvmalloc_array(room, sizeof(*more), GFP_KERNEL);
		if (more && series->count)
			memcpy(more, series->value,
			       series->count * sizeof(*more));
		if (more) {
			kvfree(series->value);
			series->value = more;
			series->room = room;
		}
	}
	if (series && series->count < series->room)
		series->value[series->count++] = value;
	else
		bench_fail("no memory for a sample");
}

struct bench_series *bench_series(const char *which, const char *variant,
				  long param)
{
	struct bench_series *series;
	char number[24];

	mutex_lock(&series_lock);
	series = series_find(which, variant,
			     bench_number(number, sizeof(number), param), NULL);
	mutex_unlock(&series_lock);
	return series;
}

void bench_add(struct bench_series *series, u64 ns)
{
	mutex_lock(&series_lock);
	series_add(series, ns);
	mutex_unlock(&series_lock);
}

void bench_show_all(struct bench_series *series)
{
	if (series)
		series->show_all = true;
}

void bench_rate(const char *which, const char *variant, const char *param,
		u64 thousandths, const char *unit)
{
	mutex_lock(&series_lock);
	series_add(series_find(which, variant, param, unit), thousandths);
	mutex_unlock(&series_lock);
}

void bench_fail(const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	if (atomic_inc_return(&failures) > 20)
		return;
	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_err("bgtoken_bench: failure: %pV\n", &vaf);
	va_end(args);
}

bool bench_failed(void)
{
	return atomic_read(&failures);
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* The smallest value that @percent of all do not exceed; sorts them. */
static u64 series_percentile(struct bench_series *series, unsigned int percent)
{
	unsigned int rank = (series->count * percent + 99) / 100;

	sort(series->value, series->count, sizeof(u64), compare_u64, NULL);
	return series->value[rank ? rank - 1 : 0];
}

u64 bench_median(struct bench_series *series)
{
	u64 median = 0;

	mutex_lock(&series_lock);
	if (series && series->count)
		median = series_percentile(series, 50);
	mutex_unlock(&series_lock);
	return median;
}

static int bench_tsv_show(struct seq_file *m, void *unused)
{
	struct bench_series *s;

	seq_puts(m, "case\tvariant\tparam\tn\tmedian_ns\tp99_ns\tmax_ns\n");
	mutex_lock(&series_lock);
	list_for_each_entry(s, &series_list, node)
		if (!s->unit && s->count)
			seq_printf(m, "%s\t%s\t%s\t%u\t%llu\t%llu\t%llu\n",
				   s->name[0], s->name[1], s->name[2], s->count,
				   series_percentile(s, 50),
				   series_percentile(s, 99),
				   s->value[s->count - 1]);
	mutex_unlock(&series_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bench_tsv);

static int rates_tsv_show(struct seq_file *m, void *unused)
{
	struct bench_series *s;
	u32 rest;
	u64 value;

	seq_puts(m, "case\tvariant\tparam\tvalue\tunit\n");
	mutex_lock(&series_lock);
	list_for_each_entry(s, &series_list, node) {
		if (!s->unit || !s->count)
			continue;
		value = div_u64_rem(series_percentile(s, 50), 1000, &rest);
		seq_printf(m, "%s\t%s\t%s\t%llu.%03u\t%s\n", s->name[0],
			   s->name[1], s->name[2], value, rest, s->unit);
	}
	mutex_unlock(&series_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rates_tsv);

/* Every sample of those series for which somebody wants a distribution. */
static int samples_tsv_show(struct seq_file *m, void *unused)
{
	struct bench_series *s;
	unsigned int i;

	seq_puts(m, "case\tvariant\tparam\tns\n");
	mutex_lock(&series_lock);
	list_for_each_entry(s, &series_list, node) {
		if (!s->show_all || !s->count)
			continue;
		series_percentile(s, 50);
		for (i = 0; i < s->count; i++)
			seq_printf(m, "%s\t%s\t%s\t%llu\n", s->name[0],
				   s->name[1], s->name[2], s->value[i]);
	}
	mutex_unlock(&series_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(samples_tsv);

void bench_stats_files(struct dentry *dir)
{
	debugfs_create_file("bench.tsv", 0444, dir, NULL, &bench_tsv_fops);
	debugfs_create_file("rates.tsv", 0444, dir, NULL, &rates_tsv_fops);
	debugfs_create_file("samples.tsv", 0444, dir, NULL, &samples_tsv_fops);
}

void bench_stats_log(void)
{
	struct bench_series *s;

	mutex_lock(&series_lock);
	list_for_each_entry(s, &series_list, node)
		if (s->count)
			pr_info("bgtoken_bench: case=%s variant=%s param=%s n=%u median=%llu p99=%llu max=%llu unit=%s%s\n",
				s->name[0], s->name[1], s->name[2], s->count,
				series_percentile(s, 50),
				series_percentile(s, 99),
				s->value[s->count - 1], s->unit ? "0.001*" : "",
				s->unit ?: "ns");
	mutex_unlock(&series_lock);
}

void bench_stats_exit(void)
{
	struct bench_series *s, *next;

	list_for_each_entry_safe(s, next, &series_list, node) {
		kvfree(s->value);
		kfree(s);
	}
}
