/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds a run of a work, or a timer's function, between the moment at which the kernel
 * begins it and the moment at which the library hears of it: the kernel's own trace
 * events lie there.  What others do meanwhile is not a race any more.  And sees that
 * something is freed by kfree(), which has an event, too.
 *
 * One at a time for each suite that includes this.  Such a suite has test_begun_init() and
 * test_begun_exit() as its suite_init and suite_exit, and its cases say
 * test_begun_need(), or test_free_need(), first.
 */
#ifndef _BGTOKEN_TEST_BEGUN_H
#define _BGTOKEN_TEST_BEGUN_H

#include <linux/tracepoint.h>

#include "test_gate.h"

/* With interrupts off.  A case that this is too short for is skipped. */
#define TEST_BEGUN_HOLD_MS	10000

static struct {
	void *what;		/* a work_struct or timer_list, or NULL */
	void *arming;		/* a timer_list, or NULL */
	struct bgtoken *token;	/* whose cancel that is held for */
	bool began, go, met;
	bool probed_run, probed_timer, probed_start, probed_free;
	struct tracepoint *run, *timer, *start, *free;
	const void *kept;	/* what is to be freed, or NULL */
	struct test_thread busy;
	bool stop;
} begun;

/* Not on the first CPU, which is the test's; nobody sleeps here, nor wakes anyone. */
static void test_begun_hold(void *what)
{
	ktime_t end = ktime_add_ms(ktime_get(), TEST_TIMEOUT_MS);
	unsigned int looks = 0;

	if (what != READ_ONCE(begun.what) || raw_smp_processor_id() == 0)
		return;
	WRITE_ONCE(begun.what, NULL);
	smp_store_release(&begun.began, true);		/* to test_begun_wait() */
	/* From test_begun_go(). */
	while (!smp_load_acquire(&begun.go) && ktime_before(ktime_get(), end))
		test_relax(looks++);
}

static void test_begun_run(void *data, struct work_struct *work)
{
	test_begun_hold(work);
}

static void test_begun_timer(void *data, struct timer_list *timer, unsigned long baseclk)
{
	test_begun_hold(timer);
}

/*
 * The kernel has been told to arm a timer, and says so under the lock of whoever told it.
 * The armer is held here, with that lock, until the token is cancelled, and then for 100 ms
 * more, in which the cancel comes to the lock.  Not for ever: what is to cancel it may have
 * to wait for this CPU.
 */
static void test_begun_start(void *data, struct timer_list *timer)
{
	ktime_t end = ktime_add_ms(ktime_get(), TEST_BEGUN_HOLD_MS);
	unsigned int looks = 0;

	if (timer != READ_ONCE(begun.arming))
		return;
	WRITE_ONCE(begun.arming, NULL);
	smp_store_release(&begun.began, true);		/* to test_begun_wait() */
	while (!bgtoken_cancelled(begun.token) && ktime_before(ktime_get(), end))
		test_relax(looks++);
	WRITE_ONCE(begun.met, bgtoken_cancelled(begun.token));
	end = ktime_add_ms(ktime_get(), 100);
	/* From test_begun_go(). */
	while (!smp_load_acquire(&begun.go) && ktime_before(ktime_get(), end))
		test_relax(looks++);
}

static void test_begun_free(void *data, unsigned long call_site, const void *ptr)
{
	if (ptr && ptr == READ_ONCE(begun.kept))
		WRITE_ONCE(begun.kept, NULL);
}

static void test_begun_find(struct tracepoint *tracepoint, void *priv)
{
	if (!strcmp(tracepoint->name, "workqueue_execute_start"))
		begun.run = tracepoint;
	else if (!strcmp(tracepoint->name, "timer_expire_entry"))
		begun.timer = tracepoint;
	else if (!strcmp(tracepoint->name, "timer_start"))
		begun.start = tracepoint;
	else if (!strcmp(tracepoint->name, "kfree"))
		begun.free = tracepoint;
}

static int test_begun_init(struct kunit_suite *suite)
{
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		return 0;
	for_each_kernel_tracepoint(test_begun_find, NULL);
	begun.probed_run = begun.run &&
		!tracepoint_probe_register(begun.run, test_begun_run, NULL);
	begun.probed_timer = begun.timer &&
		!tracepoint_probe_register(begun.timer, test_begun_timer, NULL);
	begun.probed_start = begun.start &&
		!tracepoint_probe_register(begun.start, test_begun_start, NULL);
	begun.probed_free = begun.free &&
		!tracepoint_probe_register(begun.free, test_begun_free, NULL);
	return 0;
}

static void test_begun_exit(struct kunit_suite *suite)
{
	if (begun.probed_run)
		tracepoint_probe_unregister(begun.run, test_begun_run, NULL);
	if (begun.probed_timer)
		tracepoint_probe_unregister(begun.timer, test_begun_timer, NULL);
	if (begun.probed_start)
		tracepoint_probe_unregister(begun.start, test_begun_start, NULL);
	if (begun.probed_free)
		tracepoint_probe_unregister(begun.free, test_begun_free, NULL);
	tracepoint_synchronize_unregister();
}

/* The case stays on the first CPU, and uses the second for what is held. */
static void test_begun_need(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_TRUE(test, begun.probed_run && begun.probed_timer && begun.probed_start);
	test_own_cpu(test, 1);
}

/* Before it is queued, or armed. */
static void test_begun_expect(void *what)
{
	WRITE_ONCE(begun.began, false);
	WRITE_ONCE(begun.go, false);
	WRITE_ONCE(begun.what, what);
}

/* Before a timer is armed: not held when it fires, but while it is armed. */
static void test_begun_expect_arming(struct timer_list *timer, struct bgtoken *token)
{
	WRITE_ONCE(begun.began, false);
	WRITE_ONCE(begun.go, false);
	WRITE_ONCE(begun.met, false);
	WRITE_ONCE(begun.token, token);
	WRITE_ONCE(begun.arming, timer);
}

/* After the thread that armed it has ended, and last in a case. */
static void test_begun_need_met(struct kunit *test)
{
	if (!READ_ONCE(begun.met) && test->status == KUNIT_SUCCESS)
		kunit_skip(test, "the cancel did not come while the timer was being armed");
}

static bool test_begun_held(void)
{
	return smp_load_acquire(&begun.began);		/* from test_begun_hold() */
}

static bool test_begun_wait(void)
{
	return test_until(test_begun_held());
}

static void test_begun_go(void)
{
	smp_store_release(&begun.go, true);	/* to test_begun_hold() */
}

static void test_begun_busy(void *arg)
{
	while (!READ_ONCE(begun.stop))
		cond_resched();
}

/* So that the second CPU sees to its timers itself, and no other does. */
static bool test_begun_keep_busy(struct kunit *test)
{
	if (!test_thread_join(&begun.busy)) {
		KUNIT_FAIL(test, "the thread of an earlier case is left");
		return false;
	}
	WRITE_ONCE(begun.stop, false);
	return test_thread_start(test, &begun.busy, 1, test_begun_busy, NULL);
}

/*
 * The second CPU, after test_own_cpu(), arms a timer for TEST_BEGUN_SOON jiffies.  That
 * fires there, too, where it holds up neither the test nor another timer that it needs.
 */
#define TEST_BEGUN_SOON	2

static bool test_begun_arm(struct kunit *test, void (*arm)(void *arg), void *arg)
{
	return test_begun_keep_busy(test) && test_call_on(1, TEST_HARDIRQ, arm, arg);
}

/* Returns when the timer has fired, and is held. */
static bool test_begun_fire(struct kunit *test, struct timer_list *timer,
			    void (*arm)(void *arg), void *arg)
{
	test_begun_expect(timer);
	return test_begun_arm(test, arm, arg) && test_begun_wait();
}

/* At the end of each case.  False if a thread is left. */
static bool test_begun_end(void)
{
	WRITE_ONCE(begun.what, NULL);
	WRITE_ONCE(begun.arming, NULL);
	WRITE_ONCE(begun.kept, NULL);
	test_begun_go();
	WRITE_ONCE(begun.stop, true);
	return test_thread_join(&begun.busy);
}

static void test_free_need(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_TRUE(test, begun.probed_free);
}

/* Before it can be; nothing else is there meanwhile. */
static void test_free_expect(const void *what)
{
	WRITE_ONCE(begun.kept, what);
}

static bool test_free_seen(void)
{
	return !READ_ONCE(begun.kept);
}

#endif /* _BGTOKEN_TEST_BEGUN_H */
