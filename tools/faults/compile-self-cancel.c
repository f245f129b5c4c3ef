// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a publish that cancels its own compile state, in whose scope it is
 * caught by: lockdep, before it is a hang
 * text: possible recursive locking detected
 * run: debug --suite fault_compile_self_cancel
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "bgcompile.h"

static struct bgcompile state;
static struct bgcompile_unit unit;

static int fault_compile(struct bgcompile_unit *unit, void *env,
			 struct bgtoken *token)
{
	return 0;
}

static int fault_publish(struct bgcompile *state, struct bgcompile_unit *unit)
{
	bgcompile_cancel(state);
	return 0;
}

static void fault_free_unit(struct bgcompile_unit *unit)
{
}

static const struct bgcompile_ops fault_ops = {
	.compile = fault_compile,
	.publish = fault_publish,
	.free_unit = fault_free_unit,
};

static void compile_self_cancel(struct kunit *test)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("fault", WQ_UNBOUND, 0);
	LIST_HEAD(units);

	KUNIT_ASSERT_EQ(test, bgcompile_init(&state, wq, &fault_ops, NULL), 0);
	bgcompile_unit_init(&unit, BGCOMPILE_BASELINE, 1);
	bgcompile_unit_add(&unit, &units);
	KUNIT_EXPECT_EQ(test, bgcompile_add_units(&state, &units), 0);
	bgcompile_wait(&state, BGCOMPILE_TOP_FINISHED);
	bgtoken_wq_destroy(wq);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(compile_self_cancel),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_compile_self_cancel",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
