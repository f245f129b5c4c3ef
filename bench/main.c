// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark: a module that measures from the moment it is inserted.
 *
 *	insmod bgtoken_bench.ko cases=cancel,scope rounds=5
 *	cat /sys/kernel/debug/bgtoken_bench/status	running, passed or failed
 *
 * beside bench.tsv, rates.tsv and samples.tsv; the same figures go to the
 * kernel's log when all is done.  The verdict never depends on how long things
 * took: it fails when counts do not add up, or a scope began after a cancel.
 * See Documentation/performance.rst.
 */
#include <linux/debugfs.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "bench.h"

static char *cases = "cancel,tail,scope,units,tokens";
module_param(cases, charp, 0444);
MODULE_PARM_DESC(cases, "which cases to run, in a list with commas: cancel, tail, scope, units, tokens (default: these), icount (needs QEMU's -icount shift=0)");

int rounds = 40;
module_param(rounds, int, 0444);
MODULE_PARM_DESC(rounds, "how many turns each variant has; the quick ones do several things in a turn (default 40)");

int max_length = 1000;
module_param_named(length, max_length, int, 0444);
MODULE_PARM_DESC(length, "cancel: the longest unit, in ms (default 1000)");

int max_works = 64;
module_param_named(works, max_works, int, 0444);
MODULE_PARM_DESC(works, "tail: the most works that hammer scopes (default 64)");

bool canceller_fifo;
module_param_named(fifo, canceller_fifo, bool, 0444);
MODULE_PARM_DESC(fifo, "tail: the canceller is SCHED_FIFO, to see how much of it is scheduling (default: no)");

int max_threads = 4;
module_param_named(threads, max_threads, int, 0444);
MODULE_PARM_DESC(threads, "scope: the most threads (default 4)");

int max_units = 100000;
module_param_named(units, max_units, int, 0444);
MODULE_PARM_DESC(units, "units: the most units (default 100000)");

int max_tokens = 1000000;
module_param_named(tokens, max_tokens, int, 0444);
MODULE_PARM_DESC(tokens, "tokens: the most tokens (default 1000000)");

static struct task_struct *bench_task;
static struct dentry *bench_dir;
static bool bench_done;

static const struct {
	const char *name;
	int (*run)(void);
} bench_cases[] = {
	{ "cancel", bench_cancel },
	{ "tail", bench_tail },
	{ "scope", bench_scope },
	{ "units", bench_units },
	{ "tokens", bench_tokens },
	{ "icount", bench_icount },
};

/* Is @name in the list, as a whole word? */
static bool bench_wanted(const char *name)
{
	size_t len = strlen(name);
	const char *at = cases;

	while ((at = strstr(at, name))) {
		if ((at == cases || at[-1] == ',') &&
		    (!at[len] || at[len] == ','))
			return true;
		at += len;
	}
	return false;
}

static int bench_run(void *unused)
{
	unsigned int i;
	int error;

	bench_calibrate();
	for (i = 0; i < ARRAY_SIZE(bench_cases) && !bench_stop(); i++) {
		if (!bench_wanted(bench_cases[i].name))
			continue;
		pr_info("bgtoken_bench: begin case=%s\n", bench_cases[i].name);
		error = bench_cases[i].run();
		if (error)
			bench_fail("case %s: error %d", bench_cases[i].name,
				   error);
		pr_info("bgtoken_bench: end case=%s\n", bench_cases[i].name);
	}
	bench_stats_log();
	pr_info("bgtoken_bench: verdict=%s\n",
		bench_failed() ? "failed" : bench_stop() ? "stopped" : "passed");
	smp_store_release(&bench_done, true);	/* pairs with status_show() */

	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

static int status_show(struct seq_file *m, void *unused)
{
	if (bench_failed())
		seq_puts(m, "failed\n");
	else if (smp_load_acquire(&bench_done))	/* pairs with bench_run() */
		seq_puts(m, "passed\n");
	else
		seq_printf(m, "running %s\n", bench_doing());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

static int __init bench_module_init(void)
{
	if (rounds < 1 || max_length < 1 || max_works < 1 || max_threads < 1 ||
	    max_units < 1 || max_tokens < 1)
		return -EINVAL;
	bench_dir = debugfs_create_dir("bgtoken_bench", NULL);
	debugfs_create_file("status", 0444, bench_dir, NULL, &status_fops);
	bench_stats_files(bench_dir);

	bench_task = kthread_run(bench_run, NULL, "bgtoken_bench");
	if (IS_ERR(bench_task)) {
		debugfs_remove(bench_dir);
		bench_stats_exit();
		return PTR_ERR(bench_task);
	}
	return 0;
}
module_init(bench_module_init);

static void __exit bench_module_exit(void)
{
	kthread_stop(bench_task);
	debugfs_remove(bench_dir);
	bench_stats_exit();
}
module_exit(bench_module_exit);

MODULE_DESCRIPTION("Measures bgtoken and bgcompile, and what is used instead");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
