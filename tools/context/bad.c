// SPDX-License-Identifier: GPL-2.0-only
/* Scopes misused: clang's context analysis is to warn of the lines that are marked, alone. */
#include <linux/module.h>

#include "foo.h"

static void __maybe_unused bad_missing_exit(struct bgtoken *token, bool early)
{
	if (!bgtoken_enter(token))
		return;
	if (early)
		return;
	bgtoken_exit(token);
} /* warned of: no exit if early */

static void __maybe_unused bad_missing_irqrestore(struct bgtoken *token, bool early)
{
	unsigned long flags;

	if (!bgtoken_enter_irqsave(token, flags))
		return;
	if (!early)
		bgtoken_exit_irqrestore(token, flags);
} /* warned of: no exit if early */

static void __maybe_unused bad_exit(struct bgtoken *token, unsigned long flags)
{
	bgtoken_exit(token); /* warned of: no enter */
	bgtoken_exit_irqrestore(token, flags); /* warned of: no enter */
}

static void __maybe_unused bad_exit_twice(struct bgtoken *token)
{
	if (bgtoken_enter(token)) {
		bgtoken_exit(token);
		bgtoken_exit(token); /* warned of: the second */
	}
}

static void __maybe_unused bad_unchecked(struct bgtoken *token)
{
	bgtoken_enter(token);
	bgtoken_exit(token); /* warned of: there may be no scope */
}

static void __maybe_unused bad_cancel(struct bgtoken *token)
{
	if (!bgtoken_enter(token))
		return;
	bgtoken_cancel(token); /* warned of: in a scope */
	bgtoken_pause(token); /* warned of: in a scope */
	bgtoken_exit(token);
}

static void __maybe_unused bad_scoped(struct foo_work *w)
{
	scoped_bgtoken(w->work.token, struct foo *, foo) {
		bgtoken_cancel_nested(w->work.token, 1); /* warned of: in a scope */
		foo_step(foo); /* warned of: not known to be in a scope of foo->token */
	}
	scoped_bgtoken_irqsave(w->work.token, struct foo *, foo)
		bgtoken_cancel(w->work.token); /* warned of: in a scope */
}

static void __maybe_unused bad_scoped_cond(struct foo_work *w)
{
	scoped_cond_bgtoken(return, w->work.token, struct foo *, foo)
		bgtoken_pause_nested(w->work.token, 1); /* warned of: in a scope */
	scoped_cond_bgtoken_irqsave(return, w->work.token, struct foo *, foo)
		bgtoken_cancel(w->work.token); /* warned of: in a scope */
}

static int __maybe_unused bad_guarded(struct foo *foo)
{
	foo->count++; /* warned of: outside */
	if (bgtoken_enter(foo->token)) {
		foo->count++;
		bgtoken_exit(foo->token);
	}
	scoped_bgtoken(foo->token, void *, owner)
		foo->count++;
	foo_step(foo); /* warned of: outside */
	return foo->count; /* warned of: outside */
}

MODULE_DESCRIPTION("bgtoken: scopes that clang warns of");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
