/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Freezes threads, and workqueues, as a suspend does.  Modules cannot, so cases that need it
 * are skipped there: User-Mode Linux has the suites built in.
 */
#ifndef _BGTOKEN_TEST_FREEZE_H
#define _BGTOKEN_TEST_FREEZE_H

#include <linux/freezer.h>
#include <linux/workqueue.h>

#include "test_gate.h"

static inline bool test_thread_frozen(struct test_thread *thread)
{
	return thread->task && READ_ONCE(thread->task->__state) & TASK_FROZEN;
}

#if defined(MODULE) || !defined(CONFIG_FREEZER)
#define TEST_CAN_FREEZE	0

static inline bool test_freeze(struct test_thread *thread) { return false; }
static inline void test_thaw(void) { }
static inline void test_freeze_works(void) { }
static inline void test_thaw_works(void) { }
#else
#define TEST_CAN_FREEZE	1

/* Not all of them: the first process waits for the suites, and would refuse. */
static inline bool test_freeze(struct test_thread *thread)
{
	static_branch_inc(&freezer_active);
	pm_nosig_freezing = true;
	return thread->task && test_until((freeze_task(thread->task), test_thread_frozen(thread)));
}

static inline void test_thaw(void)
{
	thaw_kernel_threads();
	static_branch_dec(&freezer_active);
}

static inline void test_freeze_works(void)
{
	freeze_workqueues_begin();
}

static inline void test_thaw_works(void)
{
	thaw_workqueues();
}
#endif

/**
 * test_need_freezer() - begin a case that freezes something
 * @test:	is skipped where that is not possible
 *
 * Context: Process context, before anything was started.
 */
static inline void test_need_freezer(struct kunit *test)
{
	if (!TEST_CAN_FREEZE)
		kunit_skip(test, "needs CONFIG_FREEZER, and to be built in");
}

/**
 * test_thread_frozen_while() - a sleeper is frozen, and is not there for its event until the thaw
 * @test:	after test_need_freezer()
 * @thread:	sleeps, after set_freezable()
 * @event:	is what it sleeps for, and happens in any case
 * @arg:	of that function
 *
 * Context: Process context; sleeps.
 */
static inline void test_thread_frozen_while(struct kunit *test, struct test_thread *thread,
					    void (*event)(void *arg), void *arg)
{
	KUNIT_EXPECT_TRUE(test, test_freeze(thread));
	event(arg);
	KUNIT_EXPECT_TRUE(test, test_thread_frozen(thread));
	KUNIT_EXPECT_FALSE(test, test_thread_returned(thread));
	test_thaw();
}

#endif /* _BGTOKEN_TEST_FREEZE_H */
