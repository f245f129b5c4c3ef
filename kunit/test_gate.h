/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gates, threads and contexts for tests in which time stands still.
 *
 * A gate is a place at which something is held until the test lets it go on,
 * so that "still inside" is a fact and not a guess about a sleep:
 *
 *	held thread, work or scope	test
 *
 *	test_gate_pass(&gate)		test_gate_wait(&gate, 1) is true: it is in
 *	    counted, and held		... look around ...
 *	    goes on			test_gate_open(&gate)
 *
 * A gate that is never passed, only arrived at, counts events.
 *
 * Nothing here waits without a limit: whoever waits is told that the time is
 * over, and the case fails and says where.  None of it asserts; a failing
 * KUNIT_ASSERT would leave threads behind, so end them first.
 *
 * No test may wait for a limit to pass: that is how it fails.  A limit that only
 * ends what has failed costs nothing where all is well, so the first is far
 * beyond what a machine takes that is slow, emulated and busy with others.  The
 * waits after it are given less, or a fault would take hours to be told.
 */
#ifndef _BGTOKEN_TEST_GATE_H
#define _BGTOKEN_TEST_GATE_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/dcache.h>
#include <linux/debug_locks.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "bgtoken.h"
#include "live.h"

#ifndef KUNIT_CASE_SLOW			/* not in 6.1 */
#define KUNIT_CASE_SLOW(name)	KUNIT_CASE(name)
#endif

/* KUNIT_CASE_SLOW() and KUNIT_CASE_PARAM() in one */
#ifdef KUNIT_CASE_PARAM_ATTR		/* not in 6.1 */
#define TEST_CASE_PARAM_SLOW(name, gen_params)				\
	KUNIT_CASE_PARAM_ATTR(name, gen_params, { .speed = KUNIT_SPEED_SLOW })
#else
#define TEST_CASE_PARAM_SLOW(name, gen_params)	KUNIT_CASE_PARAM(name, gen_params)
#endif

/*
 * How long anything may hang on this machine, in seconds: whoever boots it may find out while it
 * starts.  One object of a module has it for all.
 */
#define test_patience		__PASTE(__KBUILD_MODNAME, _patience)
extern unsigned int test_patience;
#ifndef TEST_PATIENCE_ELSEWHERE
unsigned int test_patience = 180;
module_param_named(patience, test_patience, uint, 0444);
MODULE_PARM_DESC(patience, "how long anything may hang on this machine, in s");
#endif

/* How long a test waits for what must happen, and how long once it has not. */
#define TEST_TIMEOUT_MS		(READ_ONCE(test_timed_out) ? 5000U : test_patience * 4000 / 9)
#define TEST_TIMEOUT		msecs_to_jiffies(TEST_TIMEOUT_MS)

/*
 * How long a gate holds at most: longer than a test that fails at each wait, and less than
 * that time, after which the kernel would call it a hang.
 */
#define TEST_HOLD		msecs_to_jiffies(test_patience * 8000 / 9)

/* A time that is not to pass: who was woken before it has most of it left, on any machine. */
#define AN_HOUR			(3600L * HZ)
#define HALF_AN_HOUR		(1800L * HZ)

/* A wait of this module came to its limit. */
static bool test_timed_out __maybe_unused;

static inline bool test_in_time(bool so)
{
	if (!so)
		WRITE_ONCE(test_timed_out, true);
	return so;
}

/**
 * test_until() - look again and again until something is so
 * @cond:	an expression, evaluated many times
 *
 * Context: Process context; sleeps.
 * Return: True once @cond is, false after TEST_TIMEOUT.
 */
#define test_until(cond)						\
({									\
	unsigned long __end = jiffies + TEST_TIMEOUT;			\
	bool __over, __so;						\
									\
	for (;;) {							\
		__over = time_after_eq(jiffies, __end);			\
		__so = (cond);						\
		if (__so || __over)					\
			break;						\
		usleep_range(50, 200);					\
	}								\
	test_in_time(__so);						\
})

/**
 * test_relax() - between two looks of a loop that may last
 * @looks:	how many there were
 *
 * An emulator has a lock for the whole machine, which is taken for each cpu_relax(), and for
 * each look at a clock that is a device's.  A CPU that did nothing else kept another one from
 * that lock for more than a minute, where the host was busy.  So looks become rare.
 *
 * Context: Any.
 */
static inline void test_relax(unsigned int looks)
{
	int n;

	for (n = 0; looks > 1000 && n < 20000; n++)
		barrier();
	cpu_relax();
}

/**
 * test_spin_until() - test_until() for where one may not sleep
 * @cond:	an expression, evaluated many times
 *
 * Context: Any; spins.
 * Return: As test_until().
 */
#define test_spin_until(cond)						\
({									\
	ktime_t __end = ktime_add_ms(ktime_get(), TEST_TIMEOUT_MS);	\
	unsigned int __looks = 0;					\
	bool __over, __so;						\
									\
	for (;;) {							\
		__over = ktime_after(ktime_get(), __end);		\
		__so = (cond);						\
		if (__so || __over)					\
			break;						\
		test_relax(__looks++);					\
	}								\
	__so;								\
})

/**
 * test_rounds() - the head of a loop of rounds that look for a race
 * @n:		counts them, from 0
 * @end:	jiffies until which more of them are made
 *
 * A machine that is slow makes some, too: they are what the case is for.
 */
#define test_rounds(n, end)						\
	for ((n) = 0; (n) < TEST_LEAST_ROUNDS || time_before(jiffies, end); (n)++)

#define TEST_LEAST_ROUNDS	20

/* How long to try for what a machine may be too slow to show. */
#define TEST_TRY		msecs_to_jiffies(5000)

/**
 * struct test_gate - holds what arrives until the test opens it
 *
 * Its owner frees it when nothing that passes it is left: a thread is joined, a
 * work released.  One that was only arrived at may be freed once
 * test_gate_wait() has returned true for the last arrival.
 */
struct test_gate {
	/* private: under wait.lock */
	wait_queue_head_t wait;
	int arrived;
	bool open;
};

/**
 * test_gate_init() - a closed gate at which nothing has arrived
 * @gate:	the gate
 */
#define test_gate_init(gate)						\
do {									\
	struct test_gate *__gate = (gate);				\
									\
	init_waitqueue_head(&__gate->wait);				\
	__gate->arrived = 0;						\
	__gate->open = false;						\
} while (0)

/**
 * test_gate_arrive() - be counted, and go on
 * @gate:	the gate
 *
 * Context: Any but NMI.
 */
static inline void test_gate_arrive(struct test_gate *gate)
{
	unsigned long flags;

	spin_lock_irqsave(&gate->wait.lock, flags);
	gate->arrived++;
	wake_up_all_locked(&gate->wait);
	spin_unlock_irqrestore(&gate->wait.lock, flags);
}

/**
 * test_gate_count() - how many have arrived
 * @gate:	the gate
 *
 * Context: Any but NMI.
 * Return: The number of arrivals since test_gate_init().
 */
static inline int test_gate_count(struct test_gate *gate)
{
	unsigned long flags;
	int arrived;

	spin_lock_irqsave(&gate->wait.lock, flags);
	arrived = gate->arrived;
	spin_unlock_irqrestore(&gate->wait.lock, flags);
	return arrived;
}

/**
 * test_gate_wait() - the test waits for arrivals
 * @gate:	the gate
 * @n:		how many there must have been since test_gate_init()
 *
 * Context: Process context; sleeps.
 * Return: True if they have arrived, false after TEST_TIMEOUT.
 */
static inline bool test_gate_wait(struct test_gate *gate, int n)
{
	return test_in_time(wait_event_idle_timeout(gate->wait,
						    test_gate_count(gate) >= n,
						    TEST_TIMEOUT));
}

/**
 * test_gate_open() - let go what is held, and what comes later
 * @gate:	the gate
 *
 * Context: Any but NMI.
 */
static inline void test_gate_open(struct test_gate *gate)
{
	unsigned long flags;

	spin_lock_irqsave(&gate->wait.lock, flags);
	WRITE_ONCE(gate->open, true);
	wake_up_all_locked(&gate->wait);
	spin_unlock_irqrestore(&gate->wait.lock, flags);
}

/**
 * test_gate_pass() - be counted, and be held until the gate is open
 * @gate:	the gate
 *
 * Context: Process context; sleeps.
 * Return: True if the gate was opened, false after TEST_HOLD.
 */
static inline bool test_gate_pass(struct test_gate *gate)
{
	test_gate_arrive(gate);
	return test_in_time(wait_event_idle_timeout(gate->wait,
						    READ_ONCE(gate->open),
						    TEST_HOLD));
}

/**
 * test_gate_spin() - as test_gate_pass(), for where one may not sleep
 * @gate:	the gate
 *
 * Needs another CPU for the one that opens it; see test_thread_start().
 *
 * Context: Any but NMI; spins.
 * Return: True if the gate was opened, false after TEST_TIMEOUT.
 */
static inline bool test_gate_spin(struct test_gate *gate)
{
	ktime_t end = ktime_add_ms(ktime_get(), TEST_TIMEOUT_MS);
	unsigned int looks = 0;
	bool over = false;

	test_gate_arrive(gate);
	while (!READ_ONCE(gate->open)) {
		if (over)
			return test_in_time(false);
		test_relax(looks++);
		over = ktime_after(ktime_get(), end);
	}
	return true;
}

/**
 * struct test_thread - a thread of a test
 *
 * Lives in the test's own memory, zeroed, and is joined before that goes.
 */
struct test_thread {
	/* private: */
	struct task_struct *task;
	void (*fn)(void *arg);
	void *arg;
	bool began;
	struct completion returned;
};

static inline int test_thread_main(void *data)
{
	struct test_thread *thread = data;

	WRITE_ONCE(thread->began, true);
	thread->fn(thread->arg);
	complete_all(&thread->returned);
	return 0;
}

/**
 * test_thread_create() - make a thread that does not run yet
 * @test:	fails if the thread cannot be made
 * @thread:	to be joined with test_thread_join()
 * @cpu:	the CPU that it stays on, or -1 for any
 *
 * A thread that spins with interrupts off needs a CPU to itself, or it may
 * keep the test from running; see test_own_cpu().  As it may keep the kernel
 * from making threads, too, first create all and then run them.
 *
 * Context: Process context; sleeps.
 * Return: True if there is a thread.
 */
static inline bool test_thread_create(struct kunit *test,
				      struct test_thread *thread, int cpu)
{
	struct task_struct *task;

	init_completion(&thread->returned);
	thread->began = false;
	thread->fn = NULL;
	thread->task = NULL;
	task = kthread_create(test_thread_main, thread, "bgtoken_test");
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no thread: %ld", PTR_ERR(task));
		return false;
	}
	thread->task = get_task_struct(task);	/* put in test_thread_join() */
	if (cpu >= 0)
		kthread_bind(task, cpu);
	return true;
}

/**
 * test_thread_run() - let a new thread run
 * @thread:	from test_thread_create(), or that has failed
 * @fn:		what it calls
 * @arg:	the argument
 *
 * Context: Any.
 */
static inline void test_thread_run(struct test_thread *thread,
				   void (*fn)(void *arg), void *arg)
{
	if (!thread->task)
		return;
	thread->fn = fn;
	thread->arg = arg;
	wake_up_process(thread->task);
}

/**
 * test_thread_start() - run a function in a thread of its own
 * @test:	fails if the thread cannot be made
 * @thread:	to be joined with test_thread_join()
 * @cpu:	the CPU that it stays on, or -1 for any
 * @fn:		the function
 * @arg:	its argument
 *
 * Context: Process context; sleeps.
 * Return: True if it runs.
 */
static inline bool test_thread_start(struct kunit *test,
				     struct test_thread *thread, int cpu,
				     void (*fn)(void *arg), void *arg)
{
	if (!test_thread_create(test, thread, cpu))
		return false;
	test_thread_run(thread, fn, arg);
	return true;
}

/**
 * test_thread_returned() - has the thread's function returned?
 * @thread:	the thread
 *
 * Context: Any.
 * Return: True if so.
 */
static inline bool test_thread_returned(struct test_thread *thread)
{
	return completion_done(&thread->returned);
}

/**
 * test_thread_asleep() - see that a thread sleeps
 * @thread:	past the last point at which it tells the test anything
 *
 * Context: Process context; sleeps.
 * Return: True once it was seen asleep, false if its function has returned, or
 * after TEST_TIMEOUT.
 */
static inline bool test_thread_asleep(struct test_thread *thread)
{
	bool ended = false;

	if (!thread->task)
		return false;
	/* What kthreads sleep for before they begin does not count. */
	return test_until((ended = test_thread_returned(thread)) ||
			  (READ_ONCE(thread->began) &&
			   READ_ONCE(thread->task->__state) & TASK_NORMAL)) &&
	       !ended;
}

/**
 * test_thread_stays_asleep() - see that a thread waits for more than a grace period
 * @thread:	past the last point at which it tells the test anything
 *
 * For one that waits for a grace period first, and then for what it is to be seen
 * waiting for.  What is held meanwhile must not hold up grace periods.
 *
 * Context: Process context; sleeps.
 * Return: As test_thread_asleep().
 */
static inline bool test_thread_stays_asleep(struct test_thread *thread)
{
	if (!test_thread_asleep(thread))
		return false;
	synchronize_rcu();	/* may have begun before the thread's */
	synchronize_rcu();
	return test_thread_asleep(thread);
}

/**
 * test_thread_at_lock() - see that a thread waits for a lock of PREEMPT_RT
 * @thread:	past the last point at which it tells the test anything
 *
 * Context: Process context; sleeps.
 * Return: As test_thread_asleep(); it may be a spinlock_t that it waits for.
 */
static inline bool test_thread_at_lock(struct test_thread *thread)
{
	bool ended = false;

	if (!thread->task)
		return false;
	return test_until((ended = test_thread_returned(thread)) ||
			  (READ_ONCE(thread->began) &&
			   READ_ONCE(thread->task->__state) &
			   (TASK_NORMAL | TASK_RTLOCK_WAIT))) &&
	       !ended;
}

/**
 * test_thread_join() - wait for the end of a thread
 * @thread:	one that was started or only created, or for which that failed,
 *		or that was joined
 *
 * Context: Process context; sleeps.
 * Return: True if its function has returned and its text is left.  False after
 * TEST_TIMEOUT: open what holds it and join again, or leave its memory alone.
 */
static inline bool test_thread_join(struct test_thread *thread)
{
	if (!thread->task)
		return true;
	if (thread->fn &&
	    !test_in_time(wait_for_completion_timeout(&thread->returned,
						      TEST_TIMEOUT)))
		return false;
	kthread_stop(thread->task);
	put_task_struct(thread->task);
	thread->task = NULL;
	return true;
}

/**
 * test_need_lockdep() - begin a case that is about lockdep's silence
 * @test:	is skipped if this kernel's lockdep does not look for deadlocks, and
 *		fails if it has reported something: it turns itself off then, and its
 *		silence says nothing
 *
 * Context: Process context, before anything was started.
 */
static inline void test_need_lockdep(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PROVE_LOCKING))
		kunit_skip(test, "needs CONFIG_PROVE_LOCKING");
	KUNIT_ASSERT_TRUE_MSG(test, debug_locks, "lockdep has turned itself off before");
}

/**
 * test_expect_no_lockdep_report() - see that lockdep has found nothing
 * @test:	fails if it has
 *
 * Context: Any.
 */
static inline void test_expect_no_lockdep_report(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_LOCKDEP))
		KUNIT_EXPECT_TRUE_MSG(test, debug_locks, "lockdep has reported something");
}

/**
 * test_own_cpu() - keep the calling test on the first CPU
 * @test:	is skipped if there are too few CPUs
 * @others:	how many other CPUs it needs for threads that spin
 *
 * The others have the numbers 1 to @others.
 *
 * Context: Process context, before anything was started.
 */
static inline void test_own_cpu(struct kunit *test, unsigned int others)
{
	unsigned int cpu;

	for (cpu = 0; cpu <= others; cpu++)
		if (cpu >= nr_cpu_ids || !cpu_online(cpu))
			kunit_skip(test, "needs %u CPUs", others + 1);
	set_cpus_allowed_ptr(current, cpumask_of(0));
}

/**
 * test_cpu() - a CPU for a thread, if there are as many
 * @n:		its number
 *
 * Context: Any.
 * Return: What test_thread_create() wants: @n, or -1 if it is not online.
 */
static inline int test_cpu(unsigned int n)
{
	return n < nr_cpu_ids && cpu_online(n) ? n : -1;
}

/**
 * enum test_context - where test_call_in() calls
 * @TEST_PROCESS:	from the test itself
 * @TEST_SOFTIRQ:	from a tasklet
 * @TEST_HARDIRQ:	from an interrupt that may take a spinlock_t, as one that
 *			PREEMPT_RT has in a thread: neither an IPI itself nor a
 *			work of IRQ_WORK_HARD_IRQ is such
 */
enum test_context {
	TEST_PROCESS,
	TEST_SOFTIRQ,
	TEST_HARDIRQ,
};

struct test_call {
	void (*fn)(void *arg);
	void *arg;
	struct tasklet_struct tasklet;
	struct irq_work irq_work;
	struct completion done;
	struct rcu_head rcu;
};

static inline void test_call_tasklet(struct tasklet_struct *tasklet)
{
	struct test_call *call = container_of(tasklet, struct test_call, tasklet);

	call->fn(call->arg);
	complete(&call->done);
}

static inline void test_call_irq_work(struct irq_work *irq_work)
{
	struct test_call *call = container_of(irq_work, struct test_call, irq_work);

	call->fn(call->arg);
	complete(&call->done);
}

static inline struct test_call *test_call_create(void (*fn)(void *arg), void *arg)
{
	struct test_call *call = kzalloc(sizeof(*call), GFP_KERNEL);

	if (call) {
		call->fn = fn;
		call->arg = arg;
		call->irq_work = IRQ_WORK_INIT(test_call_irq_work);
		init_completion(&call->done);
	}
	return call;
}

/*
 * Not by irq_work_sync(): where there is no interrupt for it, or a thread instead,
 * that waits for a grace period, and someone in a scope may be holding that up.
 */
static inline void test_call_free(struct test_call *call)
{
	test_until(!irq_work_is_busy(&call->irq_work));
	kfree_rcu(call, rcu);
}

/**
 * test_call_in() - call a function in a context
 * @context:	where
 * @fn:		the function; does not sleep
 * @arg:	its argument
 *
 * Context: Process context; sleeps.
 * Return: True when the function has returned, false if there was no memory to
 * call it.
 */
static inline bool test_call_in(enum test_context context,
				void (*fn)(void *arg), void *arg)
{
	struct test_call *call;

	if (context == TEST_PROCESS) {
		fn(arg);
		return true;
	}
	call = test_call_create(fn, arg);
	if (!call)
		return false;
	if (context == TEST_SOFTIRQ) {
		tasklet_setup(&call->tasklet, test_call_tasklet);
		tasklet_schedule(&call->tasklet);
		wait_for_completion(&call->done);
		tasklet_kill(&call->tasklet);
	} else {
		irq_work_queue(&call->irq_work);
		wait_for_completion(&call->done);
	}
	test_call_free(call);
	return true;
}

static inline void test_call_raise_tasklet(struct irq_work *irq_work)
{
	struct test_call *call = container_of(irq_work, struct test_call, irq_work);

	tasklet_schedule(&call->tasklet);
}

static inline void test_call_raise(void *arg)
{
	struct test_call *call = arg;

	irq_work_queue(&call->irq_work);
}

/**
 * test_call_on() - call a function in a context on another CPU
 * @cpu:	the CPU; an interrupt comes to whatever it does
 * @context:	where
 * @fn:		the function; does not sleep
 * @arg:	its argument
 *
 * Context: Process context, after test_own_cpu(); sleeps.
 * Return: True when the function has returned, false if it was not called.
 */
static inline bool test_call_on(int cpu, enum test_context context,
				void (*fn)(void *arg), void *arg)
{
	struct test_call *call;
	bool called;

	if (context == TEST_PROCESS) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
		fn(arg);
		set_cpus_allowed_ptr(current, cpumask_of(0));
		return true;
	}
	call = test_call_create(fn, arg);
	if (!call)
		return false;
	tasklet_setup(&call->tasklet, test_call_tasklet);
	/* Not from the IPI itself: PREEMPT_RT warns of one to an idle CPU that raises a softirq. */
	if (context == TEST_SOFTIRQ)
		call->irq_work = IRQ_WORK_INIT(test_call_raise_tasklet);
	called = !smp_call_function_single(cpu, test_call_raise, call, true);
	if (called)
		wait_for_completion(&call->done);
	tasklet_kill(&call->tasklet);
	test_call_free(call);
	return called;
}

/* Debug code allocates, too, and copes: at most so many sites in one call. */
#define TEST_MAX_SITES	64

/* What failslab was set to. */
struct test_failslab {
	bool *ignore_sleeping;
	unsigned long *verbose;
	bool was_ignoring;
	unsigned long was_verbose;
};

static inline void *test_failslab_knob(const char *name)
{
	struct dentry *dir = debugfs_lookup("failslab", NULL);
	struct dentry *file = NULL;
	void *knob = NULL;

	if (!IS_ERR_OR_NULL(dir)) {
		file = debugfs_lookup(name, dir);
		dput(dir);
	}
	if (!IS_ERR_OR_NULL(file)) {
		knob = d_inode(file)->i_private;
		dput(file);
	}
	return knob;
}

/**
 * test_need_failslab() - begin a case that calls test_failslab_begin()
 * @test:	is skipped if this kernel was built without what that needs, and fails
 *		if it was built with it and there is none
 *
 * Context: Process context, before anything was started.
 */
static inline void test_need_failslab(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_FAILSLAB) || !IS_ENABLED(CONFIG_FAULT_INJECTION_DEBUG_FS))
		kunit_skip(test, "needs CONFIG_FAILSLAB and its debugfs");
	KUNIT_ASSERT_NOT_NULL(test, test_failslab_knob("ignore-gfp-wait"));
	KUNIT_ASSERT_NOT_NULL(test, test_failslab_knob("verbose"));
}

/**
 * test_failslab_begin() - let test_fail_alloc() fail allocations that may sleep
 * @s:		for test_failslab_end()
 *
 * As echo N > ignore-gfp-wait; echo 0 > verbose, in debugfs/failslab, would.
 *
 * Context: Process context, after test_need_failslab(); may sleep.
 */
static inline void test_failslab_begin(struct test_failslab *s)
{
	s->ignore_sleeping = test_failslab_knob("ignore-gfp-wait");
	s->verbose = test_failslab_knob("verbose");
	s->was_ignoring = *s->ignore_sleeping;
	s->was_verbose = *s->verbose;
	WRITE_ONCE(*s->ignore_sleeping, false);
	WRITE_ONCE(*s->verbose, 0);
}

/**
 * test_failslab_end() - set failslab as it was
 * @s:		from test_failslab_begin()
 */
static inline void test_failslab_end(struct test_failslab *s)
{
	WRITE_ONCE(*s->ignore_sleeping, s->was_ignoring);
	WRITE_ONCE(*s->verbose, s->was_verbose);
}

/**
 * test_fail_alloc() - have an allocation of the calling thread fail
 * @nth:	which one from now on, from 1
 *
 * By failslab, for allocations with __GFP_NOWARN that may not sleep, or for
 * all between test_failslab_begin() and test_failslab_end().
 *
 * Context: Process context.
 */
static inline void test_fail_alloc(unsigned int nth)
{
#ifdef CONFIG_FAILSLAB
	WRITE_ONCE(current->fail_nth, nth);
#endif
}

/**
 * test_fail_stop() - no more failing allocations
 *
 * Context: The thread that called test_fail_alloc().
 * Return: True if one has failed; else there was none so far on, or this
 * kernel cannot do it.
 */
static inline bool test_fail_stop(void)
{
#ifdef CONFIG_FAILSLAB
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
#else
	return false;
#endif
}

/**
 * test_managed_without_memory() - have one allocation of a call fail after the other
 * @_test:	is skipped if this kernel cannot do it
 * @_dev:	a name for a device, which is unbound at the end
 * @_call:	makes a managed resource of it: a pointer, or ERR_PTR(-ENOMEM)
 * @_least:	how many allocations it makes at least
 *
 * Context: Process context; sleeps.
 */
#define test_managed_without_memory(_test, _dev, _call, _least)		\
do {									\
	struct device *_dev;						\
	struct test_failslab __failslab;				\
	int __nth, __failures = 0;					\
	bool __failed = true;						\
	long __err;							\
									\
	test_need_failslab(_test);					\
	/* Without an owner: 6.1 runs suites before their module is in sysfs. */ \
	_dev = __root_device_register("bgtoken_test_device", NULL);	\
	KUNIT_ASSERT_FALSE(_test, IS_ERR(_dev));			\
	test_failslab_begin(&__failslab);				\
	for (__nth = 1; __failed && __nth < TEST_MAX_SITES; __nth++) {	\
		test_fail_alloc(__nth);					\
		__err = PTR_ERR_OR_ZERO(_call);				\
		__failed = test_fail_stop();				\
		if (__err) {						\
			KUNIT_EXPECT_EQ(_test, __err, (long)-ENOMEM);	\
			__failures++;					\
		}							\
	}								\
	test_failslab_end(&__failslab);					\
	KUNIT_EXPECT_FALSE(_test, __failed);				\
	KUNIT_EXPECT_GE(_test, __failures, _least);			\
	root_device_unregister(_dev);					\
} while (0)

/**
 * struct test_kind - a kind of token, for KUNIT_ARRAY_PARAM()
 * @kind:	the kind
 * @name:	how the results call it
 */
struct test_kind {
	enum bgtoken_kind kind;
	const char *name;
};

static const struct test_kind test_kinds[] __maybe_unused = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
	{ BGTOKEN_SPIN, "spin" },
};

/**
 * test_kind_desc() - the description of a kind
 * @kind:	an element of test_kinds
 * @desc:	KUNIT_PARAM_DESC_SIZE bytes
 *
 * Say KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc) in the suite,
 * and KUNIT_CASE_PARAM(..., test_kind_gen_params) for its cases.
 */
static inline void test_kind_desc(const struct test_kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

/**
 * test_kind_of() - the kind that a case is run for
 * @test:	its parameter begins with a struct test_kind, or it has none
 *
 * Context: Any.
 * Return: That kind, or BGTOKEN_MUTEX.
 */
static inline enum bgtoken_kind test_kind_of(struct kunit *test)
{
	const struct test_kind *param = test->param_value;

	return param ? param->kind : BGTOKEN_MUTEX;
}

/**
 * struct test_context_param - where to call, for KUNIT_ARRAY_PARAM()
 * @kind:	one that may be used there; where a struct test_kind would be
 * @context:	the context
 * @name:	how the results call it
 */
struct test_context_param {
	struct test_kind kind;
	enum test_context context;
	const char *name;
};

static const struct test_context_param test_contexts[] __maybe_unused = {
	{ { BGTOKEN_SPIN }, TEST_PROCESS, "process" },
	{ { BGTOKEN_SPIN }, TEST_SOFTIRQ, "softirq" },
	{ { BGTOKEN_SPIN }, TEST_HARDIRQ, "hardirq" },
};

/**
 * test_context_desc() - the description of a context
 * @param:	an element of test_contexts
 * @desc:	KUNIT_PARAM_DESC_SIZE bytes
 */
static inline void test_context_desc(const struct test_context_param *param,
				     char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

/**
 * test_token_create() - a token of a kind that is known when the test runs
 * @owner:	as for bgtoken_create()
 * @kind:	as for bgtoken_create()
 *
 * Each kind has its own lockdep class, which one call of bgtoken_create() for
 * all of them would not give.
 *
 * Context: Process context; may sleep.
 * Return: As bgtoken_create().
 */
static inline struct bgtoken *test_token_create(void *owner,
						enum bgtoken_kind kind)
{
	switch (kind) {
	case BGTOKEN_MUTEX:
		return bgtoken_create(owner, BGTOKEN_MUTEX, GFP_KERNEL);
	case BGTOKEN_SHARED:
		return bgtoken_create(owner, BGTOKEN_SHARED, GFP_KERNEL);
	case BGTOKEN_SPIN:
		return bgtoken_create(owner, BGTOKEN_SPIN, GFP_KERNEL);
	case BGTOKEN_PERCPU:
		return bgtoken_create(owner, BGTOKEN_PERCPU, GFP_KERNEL);
	}
	return ERR_PTR(-EINVAL);
}

/**
 * test_scopes_live() - how many scopes of a token are live
 * @token:	the token
 *
 * Exact while no scope begins or ends.
 *
 * Context: Any.
 * Return: That.
 */
static inline int test_scopes_live(struct bgtoken *token)
{
	unsigned int live = atomic_read(&token->scopes) & BGTOKEN_LIVE;
	int cpu;

	if (bgtoken_kind(token) == BGTOKEN_PERCPU)
		for_each_possible_cpu(cpu)
			live += atomic_read(per_cpu_ptr(token->live, cpu));
	return live;
}

/**
 * test_enter() - begin a scope by the name that is for the kind of the token
 * @token:	the token
 * @flags:	for test_exit()
 *
 * For cases that are run for all kinds, as is test_scope().  One that is about a single
 * kind uses that kind's own names.
 *
 * Context: As for that name.
 * Return: The owner, or NULL, as that does.
 */
static inline void *test_enter(struct bgtoken *token, unsigned long *flags)
{
	*flags = 0;
	if (bgtoken_kind(token) == BGTOKEN_SPIN)
		return bgtoken_enter_irqsave(token, *flags);
	return bgtoken_enter(token);
}

/**
 * test_exit() - end a scope by the name that is for the kind of the token
 * @token:	the token that test_enter() returned an owner for
 * @flags:	as it set them
 *
 * Context: The one that entered.
 */
static inline void test_exit(struct bgtoken *token, unsigned long flags)
{
	if (bgtoken_kind(token) == BGTOKEN_SPIN)
		bgtoken_exit_irqrestore(token, flags);
	else
		bgtoken_exit(token);
}

struct test_scope {
	struct bgtoken *token;
	void *owner;
	unsigned long flags;
};

static inline struct test_scope test_scope_enter(struct bgtoken *token)
{
	struct test_scope scope = { token };

	scope.owner = test_enter(token, &scope.flags);
	return scope;
}

static inline void test_scope_exit(struct test_scope *scope)
{
	if (scope->owner)
		test_exit(scope->token, scope->flags);
	scope->owner = NULL;
}

DEFINE_CLASS(test_scope, struct test_scope, test_scope_exit(&_T),
	     test_scope_enter(token), struct bgtoken *token)

/**
 * test_scope() - run the body that follows inside a scope on a token of any kind
 * @token:	the token
 * @type:	as for scoped_bgtoken()
 * @name:	as for scoped_bgtoken()
 *
 * Left as scoped_bgtoken() is; cases that are about that use it itself.
 */
#define test_scope(token, type, name)					\
	__scoped_bgtoken(test_scope, test_scope_exit, token, type, name, \
			 __UNIQUE_ID(test_scope))

/**
 * test_blocked_at() - see that a thread waits for the scopes of a token
 * @token:	a scope is live on it
 * @thread:	past the last point at which it tells the test anything
 *
 * Waiters for a SPIN token do not sleep: the token shows that somebody waits, not
 * who.  On PREEMPT_RT the thread shows it, at a lock.
 *
 * Context: Process context; sleeps.
 * Return: True once it was seen, false if the thread's function has returned,
 * or after TEST_TIMEOUT.
 */
static inline bool test_blocked_at(struct bgtoken *token,
				   struct test_thread *thread)
{
	bool ended = false;

	if (bgtoken_kind(token) != BGTOKEN_SPIN || !thread->task)
		return test_thread_asleep(thread);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return test_thread_at_lock(thread);
	return test_until((ended = test_thread_returned(thread)) ||
			  atomic_read(&token->scopes) &
			  (BGTOKEN_WAITER | BGTOKEN_PAUSED | BGTOKEN_CANCELLED)) &&
	       !ended;
}

/**
 * struct test_owner - an object that goes away while others look for it
 * @magic:	TEST_OWNER_ALIVE until it is freed
 */
struct test_owner {
	unsigned long magic;
};

#define TEST_OWNER_ALIVE	0x6f776e6572UL
#define TEST_OWNER_FREED	0x64656164UL

/**
 * test_owner_create() - make an owner
 *
 * Context: Process context; may sleep.
 * Return: The owner, or NULL if there is no memory.
 */
static inline struct test_owner *test_owner_create(void)
{
	struct test_owner *owner = kmalloc(sizeof(*owner), GFP_KERNEL);

	if (owner)
		owner->magic = TEST_OWNER_ALIVE;
	return owner;
}

/**
 * test_owner_alive() - look at an owner
 * @owner:	not NULL
 *
 * Context: Any, inside a scope.
 * Return: True if it has not been freed, as far as can be told; KASAN tells
 * better.
 */
static inline bool test_owner_alive(struct test_owner *owner)
{
	return READ_ONCE(owner->magic) == TEST_OWNER_ALIVE;
}

/**
 * test_owner_free() - poison an owner and free it
 * @owner:	of a token that was cancelled; or NULL
 *
 * Context: Any but NMI.
 */
static inline void test_owner_free(struct test_owner *owner)
{
	if (owner)
		WRITE_ONCE(owner->magic, TEST_OWNER_FREED);
	kfree(owner);
}

/* Live counts, read without a file: on some kernels a kthread cannot open any. */
DECLARE_PER_CPU(long, bgtoken_live_tokens);
DECLARE_PER_CPU(long, bgtoken_live_works);

/**
 * test_live() - how many of something are alive
 * @counter:	exported by the module that has them, such as bgtoken_live_tokens
 *
 * Context: Any.
 * Return: The number.
 */
#define test_live(counter)	live_sum(&(counter))

/**
 * test_nothing_left() - see that a count is back where it was
 * @test:	fails if it does not come back
 * @counter:	as for test_live()
 * @before:	what test_live() said before the test began
 *
 * Context: Process context; sleeps.
 */
#define test_nothing_left(test, counter, before)			\
	__test_nothing_left(test, &(counter), #counter, before)

static inline void __test_nothing_left(struct kunit *test,
				       const long __percpu *counter,
				       const char *name, long before)
{
	if (!test_until(live_sum(counter) == before))
		KUNIT_FAIL(test, "%s: %ld, were %ld", name, live_sum(counter),
			   before);
}

#endif /* _BGTOKEN_TEST_GATE_H */
