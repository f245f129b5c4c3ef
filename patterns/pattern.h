/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A public bug made small: a consumer as it was before, which has the bug, and as it is
 * after, with bgtoken.
 *
 * Each is a module of its own.  What tools/patterns reads is in its head, a line each:
 *
 *	bugs:		what it was made from, by number, and where that was
 *	caught by:	what the debug kernel says of the bug, as an extended regular
 *			expression, and which lock, work or function it names; a line for
 *			each part, all of which it has to say.  "time" if all the bug does is
 *			to take long
 *	before:		what is wrong, in a few words
 *	after:		what is done instead
 *
 * insmod runs the schedule that shows the bug: once as it was before, or as often as
 * "rounds" says after.  The schedule is made by gates, not by chance.
 */
#ifndef _BGTOKEN_PATTERN_H
#define _BGTOKEN_PATTERN_H

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "bgtoken.h"

/**
 * struct pattern - what a module has
 * @before:	the schedule, with the bug
 * @after:	the same without
 * @before_exit: what is done when the module is removed, or NULL
 * @after_exit:	the same
 *
 * They return 0, or a negative errno where there was no memory.
 */
struct pattern {
	int (*before)(void);
	int (*after)(void);
	void (*before_exit)(void);
	void (*after_exit)(void);
};

/* Holds one who comes by, until somebody lets it go on.  In static memory. */
struct pattern_gate {
	struct completion reached;
	struct completion opened;
};

#define PATTERN_GATE(_name)						\
	static struct pattern_gate _name = {				\
		.reached = COMPLETION_INITIALIZER(_name.reached),	\
		.opened = COMPLETION_INITIALIZER(_name.opened),		\
	}

/* For who is held: sleeps until the gate is opened. */
static inline void pattern_hold(struct pattern_gate *gate)
{
	complete(&gate->reached);
	wait_for_completion(&gate->opened);
}

/* Wait until somebody is held. */
static inline void pattern_await(struct pattern_gate *gate)
{
	wait_for_completion(&gate->reached);
}

/* Let one go on, who is held or will be. */
static inline void pattern_open(struct pattern_gate *gate)
{
	complete(&gate->opened);
}

/* What has to hold after: a warning fails the run. */
#define pattern_expect(_cond)	WARN_ON(!(_cond))

static u64 pattern_longest;	/* ns */
module_param_named(longest, pattern_longest, ullong, 0444);
MODULE_PARM_DESC(longest, "how long a caller was kept, in ns; 0 if that is not measured");

/*
 * How long did what began at @begin keep its caller?  Not less than the @least ns that it
 * waited for something, as far as that is known.  The longest is told.
 */
static inline void pattern_took(u64 begin, u64 least)
{
	u64 took = ktime_get_ns() - begin;

	pattern_expect(took >= least);
	pattern_longest = max(pattern_longest, took);
}

static bool pattern_after;
module_param_named(after, pattern_after, bool, 0444);
MODULE_PARM_DESC(after, "with bgtoken (0: as it was before)");

static unsigned int pattern_rounds = 1;
module_param_named(rounds, pattern_rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often (1)");

static int pattern_run(const struct pattern *pattern);

/**
 * module_pattern() - make a module of a pattern
 * @_pattern:	a struct pattern
 * @_bugs:	its description
 */
#define module_pattern(_pattern, _bugs)					\
	static int __init pattern_init(void)				\
	{								\
		return pattern_run(&(_pattern));			\
	}								\
	module_init(pattern_init);					\
									\
	static void __exit pattern_exit(void)				\
	{								\
		void (*leave)(void) = pattern_after ? (_pattern).after_exit : \
						      (_pattern).before_exit; \
									\
		if (leave)						\
			leave();					\
	}								\
	module_exit(pattern_exit);					\
									\
	MODULE_DESCRIPTION("Before and after: " _bugs);			\
	MODULE_LICENSE("GPL");						\
	COMPAT_IMPORT_NS(BGTOKEN)

static int pattern_run(const struct pattern *pattern)
{
	int (*run)(void) = pattern_after ? pattern->after : pattern->before;
	unsigned int i;
	int err = 0;

	OPTIMIZER_HIDE_VAR(run);	/* not inlined, as reports are to name it */
	for (i = 0; i < pattern_rounds && !err; i++) {
		err = run();
		cond_resched();
	}
	pr_info("pattern: %s %s: %u rounds, longest %llu ns, status %d\n", KBUILD_MODNAME,
		pattern_after ? "after" : "before", i, pattern_longest, err);
	return err;
}

#endif /* _BGTOKEN_PATTERN_H */
