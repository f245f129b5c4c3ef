/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For faults that are warned of, and after which the kernel is to go on: the run
 * fails by the warning, and the case says last that the rest is sound.
 */
#ifndef _BGTOKEN_FAULT_WARN_H
#define _BGTOKEN_FAULT_WARN_H

#include <kunit/test.h>
#include <linux/kmod.h>
#include <linux/panic.h>

#include "test_gate.h"

/* Warnings no longer panic, and none has come so far. */
static inline void fault_let_warnings_pass(struct kunit *test)
{
	static char *argv[4] = {
		"/bin/sh", "-c", "echo 0 >/proc/sys/kernel/panic_on_warn", NULL
	};
	static char *envp[2] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

	KUNIT_ASSERT_EQ(test, call_usermodehelper(argv[0], argv, envp,
						  UMH_WAIT_PROC), 0);
	KUNIT_ASSERT_FALSE(test, test_taint(TAINT_WARN));
}

/*
 * By WARN(), which is the library's own: lockdep's reports leave no such taint, but
 * lockdep_assert_held() and the like do.
 */
static inline void fault_expect_warned(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, test_taint(TAINT_WARN));
}

/* A token with a reference, of which nothing is live; puts it. */
static inline void fault_expect_token_works(struct kunit *test, struct bgtoken *token)
{
	unsigned long flags;
	void *owner;
	int n;

	for (n = 0; n < 3; n++) {
		owner = test_enter(token, &flags);
		KUNIT_EXPECT_NOT_NULL(test, owner);
		if (owner)
			test_exit(token, flags);
		KUNIT_EXPECT_FALSE(test, irqs_disabled());
		KUNIT_EXPECT_EQ(test, preempt_count(), 0);
	}
	KUNIT_EXPECT_FALSE(test, bgtoken_cancelled(token));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel(token));
	KUNIT_EXPECT_NULL(test, test_enter(token, &flags));
	KUNIT_EXPECT_FALSE(test, bgtoken_cancel(token));
	bgtoken_put(token);
}

/* A scope of another kind than BGTOKEN_SPIN ends by the name for those; puts the token. */
static inline void fault_exit_misnamed(struct kunit *test, struct bgtoken *token)
{
	unsigned long flags;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	fault_let_warnings_pass(test);
	KUNIT_ASSERT_NOT_NULL(test, bgtoken_enter(token));
	local_irq_save(flags);		/* or lockdep would be who warns */
	bgtoken_exit_irqrestore(token, flags);
	local_irq_restore(flags);
	fault_expect_warned(test);
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(token, flags));
	fault_expect_token_works(test, token);
}

#endif /* _BGTOKEN_FAULT_WARN_H */
