/* SPDX-License-Identifier: GPL-2.0-only */
/* A token whose scopes take a mutex, for faults in those who hold that. */
#ifndef _BGTOKEN_FAULT_LOCK_H
#define _BGTOKEN_FAULT_LOCK_H

#include <kunit/test.h>
#include <linux/mutex.h>

#include "bgtoken.h"

static DEFINE_MUTEX(fault_lock);

/* Lockdep has seen it.  The caller puts the token. */
static inline struct bgtoken *fault_lock_token(struct kunit *test, enum bgtoken_kind kind)
{
	struct bgtoken *token = bgtoken_create(test, kind, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	if (bgtoken_enter(token)) {
		mutex_lock(&fault_lock);
		mutex_unlock(&fault_lock);
		bgtoken_exit(token);
	}
	return token;
}

#endif /* _BGTOKEN_FAULT_LOCK_H */
