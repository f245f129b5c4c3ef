/* SPDX-License-Identifier: GPL-2.0-only */
/* A compile state of one unit, for faults that are planted in its steps. */
#ifndef _BGTOKEN_FAULT_COMPILE_H
#define _BGTOKEN_FAULT_COMPILE_H

#include <kunit/test.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "bgcompile.h"

static struct bgcompile fault_state;
static struct bgcompile_unit fault_unit;
static void (*fault_in_compile)(void);
static void (*fault_in_publish)(void);
static void (*fault_in_free)(void);

static int fault_compile(struct bgcompile_unit *unit, void *env,
			 struct bgtoken *token)
{
	if (fault_in_compile)
		fault_in_compile();
	return 0;
}

static int fault_publish(struct bgcompile *state, struct bgcompile_unit *unit)
{
	if (fault_in_publish)
		fault_in_publish();
	return 0;
}

static void fault_free_unit(struct bgcompile_unit *unit)
{
	if (fault_in_free)
		fault_in_free();
}

static const struct bgcompile_ops fault_ops = {
	.compile = fault_compile,
	.publish = fault_publish,
	.free_unit = fault_free_unit,
};

/* Compile the unit, and call @then when it has finished, before the state goes. */
static inline void fault_run(struct kunit *test, void (*then)(void))
{
	struct bgtoken_wq *wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0);
	LIST_HEAD(units);

	KUNIT_ASSERT_EQ(test, bgcompile_init(&fault_state, wq, &fault_ops, NULL), 0);
	bgcompile_unit_init(&fault_unit, BGCOMPILE_BASELINE, 1);
	bgcompile_unit_add(&fault_unit, &units);
	KUNIT_EXPECT_EQ(test, bgcompile_add_units(&fault_state, &units), 0);
	bgcompile_wait(&fault_state, BGCOMPILE_TOP_FINISHED);
	if (then)
		then();
	bgcompile_cancel(&fault_state);
	bgtoken_wq_destroy(wq);
}

/* For faults that wait for the state under a lock that one of its steps takes. */
static DEFINE_MUTEX(fault_lock);

static inline void fault_take_lock(void)
{
	mutex_lock(&fault_lock);
	mutex_unlock(&fault_lock);
}

/* It has finished: so nothing hangs. */
static inline void fault_wait_under_lock(void)
{
	mutex_lock(&fault_lock);
	bgcompile_wait(&fault_state, BGCOMPILE_TOP_FINISHED);
	mutex_unlock(&fault_lock);
}

#endif /* _BGTOKEN_FAULT_COMPILE_H */
