// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameters, threads, statistics, the verdict.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "torture.h"

#define FAILURES_TOLD	20
/* So many have some 40 works pending at a cancel; fewer may have none. */
#define RUNS_TO_EXPECT	3000
#define STATES_TO_EXPECT 100
/* One signal in 7 of those that threads with compile states got came in a wait. */
#define ODDS_OF_A_WAIT	10

#define THREADS(_what, _default, _desc)					\
int torture_##_what = _default;						\
module_param_named(_what, torture_##_what, int, 0444);			\
MODULE_PARM_DESC(_what, "threads that " _desc " (default " #_default "; -1: as many as CPUs)")

THREADS(scopes, -1, "enter and leave scopes");
THREADS(cancels, 2, "put new tokens in the place of old ones, and cancel these");
THREADS(pauses, 1, "pause and resume");
THREADS(works, 3, "make works, queue, modify, take back and flush them");
THREADS(queues, 1, "flush workqueues, and destroy them");
THREADS(timers, 2, "make timers, arm them and take them off");
THREADS(waits, 3, "wait for events");
THREADS(wakes, 1, "wake those, and kill them");
THREADS(units, 2, "make compile states, and cancel them");

int torture_pairs = 2;
module_param_named(pairs, torture_pairs, int, 0444);
MODULE_PARM_DESC(pairs, "pairs of threads that wake each other (default 2; -1: as many as CPUs)");

#define ODDS(_what, _default, _desc)					\
unsigned int torture_odds_##_what = _default;				\
module_param_named(odds_##_what, torture_odds_##_what, uint, 0444);	\
MODULE_PARM_DESC(odds_##_what, "one " _desc ", of so many (default " #_default "; 0: none)")

ODDS(guests, 4, "cancel of a token that stays in its slot");
ODDS(empty, 8, "slot that is left empty for a while");
ODDS(kills, 8, "event with which a waiter is killed");
ODDS(flushes, 4, "workqueue that is flushed and not destroyed");
ODDS(mods, 4, "first queueing of a work by a mod");
ODDS(never, 8, "delay that does not end");
ODDS(requeues, 4, "work that queues itself again");
ODDS(shared, 8, "move of works that makes a new one for all");
ODDS(plain, 4, "work without a timer");
ODDS(unarmed, 4, "timer that is taken off after it was armed");
ODDS(bad_units, 512, "unit that cannot be compiled");
ODDS(bad_results, 512, "unit that cannot be published");
ODDS(no_env, 64, "task that gets nothing to compile with");
ODDS(own_wq, 16, "compile state with a workqueue of its own, which is destroyed under it");

int torture_steps = IS_ENABLED(CONFIG_KPROBES);
module_param_named(steps, torture_steps, int, 0444);
MODULE_PARM_DESC(steps, "threads that move kprobes, which delay steps of the library, and keep this module in use while they place one (default 1, if there are kprobes; 0: none)");

static unsigned int torture_preempts = 1;
module_param_named(preempts, torture_preempts, uint, 0444);
MODULE_PARM_DESC(preempts, "SCHED_FIFO threads for each CPU, which preempt the others at any moment (default 1)");

static unsigned int seconds = 60;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long (default 60; 0: until the module is removed)");

static unsigned int stat_interval = 10;
module_param(stat_interval, uint, 0444);
MODULE_PARM_DESC(stat_interval, "seconds between lines of statistics (default 10)");

static unsigned int delays = 16;
module_param(delays, uint, 0444);
MODULE_PARM_DESC(delays, "one step in this many is delayed (default 16; 0: none)");

static unsigned int hold_ms;
module_param(hold_ms, uint, 0444);
MODULE_PARM_DESC(hold_ms, "ms for which a thread leaves a token paused, or refused before its cancel, at least (default 0)");

static unsigned int stuck = 600;
module_param(stuck, uint, 0444);
MODULE_PARM_DESC(stuck, "seconds without a move after which a thread is stuck (default 600; 0: never)");

unsigned short torture_sites;
module_param_named(sites, torture_sites, ushort, 0444);
MODULE_PARM_DESC(sites, "creation sites to use up first, for as long as bgtoken is inserted; tokens that stand in slots are then created at one more (default 0)");

module_param_array_named(kinds, torture_kinds, bool, NULL, 0444);
MODULE_PARM_DESC(kinds, "which kinds of token: mutex, shared, spin, percpu (default Y,Y,Y,Y)");

static const char *state = "running";

static int state_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", READ_ONCE(state));
}

static int state_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

static const struct kernel_param_ops state_ops = {
	.set = state_set,
	.get = state_get,
};
module_param_cb(state, &state_ops, NULL, 0444);
MODULE_PARM_DESC(state, "running, SUCCESS or FAILURE (read-only)");

DEFINE_PER_CPU(unsigned long[TORTURE_COUNTS], torture_counts);

/* In the order in which they are stopped: only an event or a cancel ends a wait. */
static const struct torture_role *const roles[] = {
	&torture_pair_role, &torture_wait_role, &torture_scope_role, &torture_work_role,
	&torture_timer_role, &torture_pause_role, &torture_unit_role, &torture_queue_role,
	&torture_wake_role, &torture_cancel_role, &torture_step_role,
};

static struct torture_thread *threads;
static unsigned int nr_threads;
static struct task_struct **preempting;
static struct task_struct *main_task;
static atomic_t failures, told;
static char first_failure[100];

void __torture_fail(const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (atomic_inc_return(&failures) == 1) {
		va_start(args, fmt);
		vscnprintf(first_failure, sizeof(first_failure), fmt, args);
		va_end(args);
		first_failure[strcspn(first_failure, "\n")] = '\0';
	}
	if (atomic_inc_return(&told) > FAILURES_TOLD)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pr_alert("failure: %pV", &vaf);
	va_end(args);
}

u32 torture_below(struct torture_thread *me, u32 n)
{
	return prandom_u32_state(&me->rnd) % n;
}

bool torture_one_in(struct torture_thread *me, u32 n)
{
	return n && !torture_below(me, n);
}

void torture_delay(struct rnd_state *rnd, bool may_sleep)
{
	u32 r = prandom_u32_state(rnd);

	if (!delays || r % delays)
		return;
	r = (r >> 16) % 16;
	if (r == 0 && may_sleep)
		schedule_timeout_uninterruptible(1);
	else if (r < 4 && may_sleep)
		cond_resched();
	else
		udelay(1 + r * r / 4);
}

void torture_hold(struct torture_thread *me)
{
	torture_delay(&me->rnd, true);
	if (hold_ms)
		msleep(hold_ms);
}

/* Threads */

/* A thread that may be killed, or NULL.  Its task stays until all are stopped. */
struct task_struct *torture_victim(struct torture_thread *me)
{
	u32 first = torture_below(me, nr_threads), i;

	for (i = 0; i < nr_threads; i++) {
		struct torture_thread *thread = &threads[(first + i) % nr_threads];

		if (thread->role->signals)
			return READ_ONCE(thread->task);
	}
	return NULL;
}

static int thread_run(void *data)
{
	struct torture_thread *me = data;

	if (me->role->signals)
		allow_signal(SIGKILL);
	while (!kthread_should_stop()) {
		me->role->move(me);
		WRITE_ONCE(me->moves, me->moves + 1);
		if (signal_pending(current))
			flush_signals(current);
		cond_resched();
	}
	return 0;
}

/* Briefly preempts whatever is on its CPU, at any moment; returns there after a hot-unplug. */
static int preempt_run(void *data)
{
	int cpu = (uintptr_t)data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, get_random_u64());
	sched_set_fifo_low(current);
	while (!kthread_should_stop()) {
		if (raw_smp_processor_id() != cpu && cpu_online(cpu))
			set_cpus_allowed_ptr(current, cpumask_of(cpu));
		usleep_range(100, 100 + prandom_u32_state(&rnd) % 5000);
		udelay(prandom_u32_state(&rnd) % 50);
	}
	return 0;
}

static int threads_start(void)
{
	unsigned int i, n = 0;
	int j;

	for (i = 0; i < ARRAY_SIZE(roles); i++)
		n += *roles[i]->threads;
	threads = kcalloc(n, sizeof(*threads), GFP_KERNEL);
	preempting = kcalloc(num_possible_cpus() * torture_preempts, sizeof(*preempting),
			     GFP_KERNEL);
	if (!threads || !preempting)
		return -ENOMEM;
	for (i = 0, n = 0; i < ARRAY_SIZE(roles); i++)
		for (j = 0; j < *roles[i]->threads; j++, n++) {
			threads[n].role = roles[i];
			threads[n].number = j;
			prandom_seed_state(&threads[n].rnd, get_random_u64());
		}
	nr_threads = n;
	for (i = 0; i < nr_threads; i++) {
		struct task_struct *task = kthread_create(thread_run, &threads[i], "torture_%s",
							  threads[i].role->name);

		if (IS_ERR(task))
			return PTR_ERR(task);
		get_task_struct(task);	/* put in threads_stop() */
		WRITE_ONCE(threads[i].task, task);
	}
	for (i = 0; i < nr_threads; i++)
		wake_up_process(threads[i].task);
	for (i = 0; i < num_possible_cpus() * torture_preempts; i++) {
		struct task_struct *task = kthread_run(preempt_run,
						       (void *)(uintptr_t)(i / torture_preempts),
						       "torture_preempt");

		if (IS_ERR(task))
			return PTR_ERR(task);
		preempting[i] = task;
	}
	return 0;
}

static void threads_stop(void)
{
	unsigned int i;

	torture_pairs_cancel();
	for (i = 0; i < nr_threads; i++)
		if (threads[i].task)
			kthread_stop(threads[i].task);
	for (i = 0; i < nr_threads; i++)
		if (threads[i].task)
			put_task_struct(threads[i].task);
	for (i = 0; preempting && i < num_possible_cpus() * torture_preempts; i++)
		if (preempting[i])
			kthread_stop(preempting[i]);
	kfree(preempting);
	kfree(threads);
}

/* Reports threads that have made no move for @stuck seconds; called once per interval. */
static void look_for_stuck(unsigned long *moves, unsigned int *looks)
{
	unsigned int i;

	for (i = 0; i < nr_threads; i++) {
		unsigned long now = READ_ONCE(threads[i].moves);

		looks[i] = now == moves[i] ? looks[i] + 1 : 0;
		moves[i] = now;
		if (stuck && looks[i] && (u64)looks[i] * stat_interval >= stuck) {
			torture_fail("a thread that is to %s is stuck", threads[i].role->name);
			looks[i] = 0;
		}
	}
}

/*
 * A pair whose wake-up was lost never moves again, as nobody else wakes it; so at the end each
 * thread has to move once more, for which it has as long as one that is stuck.
 */
static void look_for_lost_wakes(void)
{
	unsigned long moves, looks;
	unsigned int i;

	for (i = 0; stuck && i < nr_threads; i++) {
		if (threads[i].role != &torture_pair_role)
			continue;
		moves = READ_ONCE(threads[i].moves);
		looks = 10UL * stuck;
		while (READ_ONCE(threads[i].moves) == moves && looks) {
			schedule_timeout_uninterruptible(HZ / 10);
			looks--;
		}
		if (!looks)
			torture_fail("a wake-up was lost");
	}
}

/* Statistics */

static unsigned long sum(enum torture_count what)
{
	unsigned long total = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		total += READ_ONCE(per_cpu(torture_counts, cpu)[what]);
	return total;
}

static void tell(const char *when)
{
	pr_info("%s: scopes %lu, refused %lu; cancels %lu, first %lu, refuses %lu, pauses %lu; owners %lu/%lu\n",
		when, sum(SCOPES), sum(REFUSED), sum(CANCELS), sum(CANCELLED_FIRST),
		sum(REFUSES), sum(PAUSES), sum(OWNERS_FREED), sum(OWNERS_MADE));
	pr_info("%s: works %lu/%lu, queued %lu, not %lu, modified %lu, taken back %lu, flushed %lu, runs %lu, plain %lu, requeued %lu, dropped %lu, pending at a cancel %lu; workqueues flushed %lu, destroyed %lu\n",
		when, sum(WORKS_RELEASED), sum(WORKS_MADE), sum(QUEUED), sum(NOT_QUEUED),
		sum(MODIFIED), sum(TAKEN_BACK), sum(FLUSHED), sum(RUNS), sum(PLAIN_RUNS),
		sum(REQUEUED), sum(DROPPED), sum(DOOMED), sum(WQS_FLUSHED), sum(WQS_DESTROYED));
	pr_info("%s: timers %lu/%lu, fired %lu; waits %lu, events %lu, killed %lu, returns %lu\n",
		when, sum(TIMERS_RELEASED), sum(TIMERS_MADE), sum(FIRED), sum(WAITS),
		sum(EVENTS), sum(KILLS), sum(RETURNS));
	pr_info("%s: states %lu, helped %lu, waits for them killed %lu, workqueues destroyed under them %lu; units %lu/%lu, published %lu; no memory %lu; failures %d\n",
		when, sum(STATES), sum(HELPS), sum(UNIT_KILLS), sum(OWN_WQS_DESTROYED),
		sum(UNITS_FREED), sum(UNITS_ADDED), sum(UNITS_PUBLISHED), sum(NO_MEMORY),
		atomic_read(&failures));
	if (torture_steps)
		pr_info("%s: hits of kprobes in steps of inline scopes %lu, enter %lu, exit %lu, cancel %lu, pause %lu, drain %lu, works %lu, compile %lu\n",
			when, sum(STEPS_INLINE), sum(STEPS_ENTER), sum(STEPS_EXIT),
			sum(STEPS_CANCEL), sum(STEPS_PAUSE), sum(STEPS_DRAIN), sum(STEPS_WORK),
			sum(STEPS_COMPILE));
}

static void compare(const char *what, enum torture_count is, enum torture_count should_be)
{
	if (sum(is) != sum(should_be))
		torture_fail("%s: %lu of %lu", what, sum(is), sum(should_be));
}

/* Of so many, each with these odds, there is one: that there is none has odds of e^-30. */
static bool expect_one(unsigned long tries, unsigned int odds)
{
	return odds && tries / odds >= 30;
}

static unsigned int nr_kinds(void)
{
	unsigned int kind, n = 0;

	for (kind = 0; kind < BGTOKEN_KINDS; kind++)
		n += torture_kinds[kind];
	return n;
}

static void look_for_idle_kinds(void)
{
	unsigned int kind;

	for (kind = 0; kind < BGTOKEN_KINDS; kind++)
		if (torture_kinds[kind] && expect_one(sum(TARGETS_MADE), nr_kinds()) &&
		    expect_one(sum(SCOPES), nr_kinds()) && !sum(SCOPES_OF + kind))
			torture_fail("no scope of kind %u has begun", kind);
}

/* In softirq; @scopes: there is a kind that may be entered there. */
static void look_for_idle_ticks(bool scopes)
{
	unsigned long ticks = sum(TICKS), spins = ticks / nr_kinds();

	if (torture_cancels && !ticks)
		torture_fail("no softirq has seen a token");
	if (expect_one(ticks, TORTURE_TICK_ODDS) && !sum(TICK_REFUSES))
		torture_fail("no token was refused in softirq");
	if (scopes && expect_one(ticks, TORTURE_TICK_ODDS) && !sum(TICK_SCOPES))
		torture_fail("no scope has begun in softirq");
	if (torture_kinds[BGTOKEN_SPIN] && expect_one(sum(TARGETS_MADE), nr_kinds()) &&
	    expect_one(spins, TORTURE_TICK_ODDS / 2)) {
		if (!sum(TICK_CANCELS))
			torture_fail("no token was cancelled in softirq");
		if (!sum(TICK_PAUSES))
			torture_fail("no token was paused in softirq");
	}
}

/* A role that has done nothing has checked nothing. */
static void look_for_idle(void)
{
	static const struct {
		int *threads;
		enum torture_count what;
	} must[] = {
		{ &torture_scopes, SCOPES }, { &torture_cancels, CANCELLED_FIRST },
		{ &torture_pauses, PAUSES }, { &torture_works, RUNS },
		{ &torture_works, TAKEN_BACK }, { &torture_works, FLUSHED },
		{ &torture_works, REQUEUED },
		{ &torture_works, DROPPED }, { &torture_queues, WQS_DESTROYED },
		{ &torture_waits, WAITS }, { &torture_wakes, EVENTS },
		{ &torture_units, UNITS_PUBLISHED }, { &torture_pair_threads, RETURNS },
	}, steps[] = {
		{ &torture_scopes, STEPS_INLINE }, { &torture_scopes, STEPS_ENTER },
		{ &torture_scopes, STEPS_EXIT }, { &torture_cancels, STEPS_CANCEL },
		{ &torture_pauses, STEPS_PAUSE }, { &torture_queues, STEPS_DRAIN },
		{ &torture_works, STEPS_WORK }, { &torture_units, STEPS_COMPILE },
	};
	bool timers = torture_kinds[BGTOKEN_SHARED] || torture_kinds[BGTOKEN_SPIN] ||
		      torture_kinds[BGTOKEN_PERCPU];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(must); i++)
		if (*must[i].threads && !sum(must[i].what))
			torture_fail("threads of a role have done nothing (%u)", i);
	for (i = 0; torture_steps && seconds >= 30 && i < ARRAY_SIZE(steps); i++)
		if (*steps[i].threads && !sum(steps[i].what))
			torture_fail("steps of a kind were never delayed (%u)", i);
	if (torture_waits && torture_wakes && torture_odds_kills && !sum(KILLS))
		torture_fail("no wait was ended by a signal");
	if (sum(RUNS) > RUNS_TO_EXPECT && !sum(DOOMED))
		torture_fail("no work was pending at a cancel");
	if (expect_one(sum(RUNS), torture_odds_plain) && !sum(PLAIN_RUNS))
		torture_fail("no work without a timer has run");
	if (torture_works && torture_odds_plain != 1 && !sum(MODIFIED))
		torture_fail("no work was modified");
	if (torture_units > 1 && sum(STATES) > STATES_TO_EXPECT && !sum(HELPS))
		torture_fail("no compile state was used by two threads");
	if (expect_one(sum(STATES), torture_odds_own_wq) && !sum(OWN_WQS_DESTROYED))
		torture_fail("no workqueue was destroyed under a compile state");
	if (expect_one(sum(EVENTS) * torture_units / max(torture_waits + torture_units, 1),
		       ODDS_OF_A_WAIT * torture_odds_kills) && !sum(UNIT_KILLS))
		torture_fail("no wait for a compile state was ended by a signal");
	if (torture_timers && timers && !sum(FIRED))
		torture_fail("no timer has fired");
	look_for_idle_kinds();
	look_for_idle_ticks(timers);
}

static void verdict(void)
{
	atomic_set(&told, 0);	/* report what was lost in any case */
	compare("owners freed", OWNERS_FREED, OWNERS_MADE);
	compare("tokens whose cancel was the first", CANCELLED_FIRST, TARGETS_MADE);
	compare("targets freed", TARGETS_FREED, TARGETS_MADE);
	compare("works released", WORKS_RELEASED, WORKS_MADE);
	compare("timers released", TIMERS_RELEASED, TIMERS_MADE);
	compare("what tasks compiled with", ENVS_FREED, STATES);
	compare("units freed", UNITS_FREED, UNITS_ADDED);
	if (seconds >= 10)
		look_for_idle();
	tell("end");
	WRITE_ONCE(state, atomic_read(&failures) ? "FAILURE" : "SUCCESS");
	pr_info("end of test: %s%s%s\n", state, *first_failure ? ": " : "", first_failure);
}

static int main_run(void *unused)
{
	unsigned long end = jiffies + (unsigned long)seconds * HZ, next;
	unsigned long *moves = kcalloc(nr_threads, sizeof(*moves), GFP_KERNEL);
	unsigned int *looks = kcalloc(nr_threads, sizeof(*looks), GFP_KERNEL);
	char when[24];

	while (!kthread_should_stop() && (!seconds || time_before(jiffies, end))) {
		next = jiffies + (unsigned long)stat_interval * HZ;
		while (!kthread_should_stop() && time_before(jiffies, next) &&
		       (!seconds || time_before(jiffies, end)))
			schedule_timeout_interruptible(HZ / 10);
		if (moves && looks && time_after_eq(jiffies, next))
			look_for_stuck(moves, looks);
		snprintf(when, sizeof(when), "%lu s",
			 seconds + (long)(jiffies - end) / HZ);
		tell(when);
	}
	look_for_lost_wakes();
	threads_stop();
	torture_steps_exit();
	torture_targets_exit();
	torture_works_exit();
	torture_units_exit();
	torture_pairs_exit();
	verdict();
	kfree(moves);
	kfree(looks);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

/* How many there are to be, where -1 is as many as CPUs. */
static bool __init count_of(int *threads)
{
	if (*threads == -1)
		*threads = num_online_cpus();
	if (*threads < 0)
		pr_err("there cannot be %d threads\n", *threads);
	return *threads >= 0;
}

static int __init torture_init(void)
{
	unsigned int i;
	int err;

	/* Only the cancel threads put tokens into slots. */
	if (!stat_interval || !torture_cancels) {
		pr_err("stat_interval and cancels cannot be 0\n");
		return -EINVAL;
	}
	if (!count_of(&torture_pairs))
		return -EINVAL;
	torture_pair_threads = 2 * torture_pairs;
	for (i = 0; i < ARRAY_SIZE(roles); i++)
		if (!count_of(roles[i]->threads))
			return -EINVAL;
	err = torture_targets_init();
	if (!err)
		err = torture_pairs_init();
	if (err)
		return err;
	err = torture_units_init();
	if (err) {
		torture_pairs_exit();
		return err;
	}
	err = torture_works_init();
	if (!err) {
		torture_steps_init();
		err = threads_start();
	}
	if (!err) {
		main_task = kthread_run(main_run, NULL, "torture_main");
		err = PTR_ERR_OR_ZERO(main_task);
	}
	if (err) {
		threads_stop();
		torture_steps_exit();
		torture_targets_exit();
		torture_works_exit();
		torture_units_exit();
		torture_pairs_exit();
	}
	return err;
}
module_init(torture_init);

static void __exit torture_exit(void)
{
	kthread_stop(main_task);
	rcu_barrier();	/* for kfree_rcu(); not for its text, but to tell leaks apart */
}
module_exit(torture_exit);

MODULE_DESCRIPTION("Tortures bgtoken and bgcompile, and looks at what they promise");
MODULE_AUTHOR("the bgtoken developers");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
