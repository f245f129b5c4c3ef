/* SPDX-License-Identifier: GPL-2.0-only */
/* An owner, for the users of tokens beside this. */
#ifndef _CONTEXT_FOO_H
#define _CONTEXT_FOO_H

#include "bgtoken.h"

struct foo {
	struct bgtoken *token;
	int count __guarded_by(token);
};

struct foo_work {
	struct bgtoken_work work;
};

void foo_step(struct foo *foo) __must_hold(foo->token);

#endif
