// SPDX-License-Identifier: GPL-2.0-only
/* Scopes as they are meant to be, of which clang's context analysis is not to warn. */
#include <linux/module.h>

#include "foo.h"

void foo_step(struct foo *foo)
{
	lockdep_assert_bgtoken(foo->token);
	foo->count++;
}

static int __maybe_unused good_enter(struct bgtoken *token, bool early)
{
	struct foo *foo = bgtoken_enter(token);
	int count;

	if (!foo)
		return -ENODEV;
	if (early) {
		bgtoken_exit(token);
		bgtoken_pause(token);
		return 0;
	}
	lockdep_assert_bgtoken(foo->token);
	foo_step(foo);
	count = foo->count;
	bgtoken_exit(token);
	return count;
}

static void __maybe_unused good_names(struct foo *foo)
{
	if (bgtoken_enter(foo->token)) {
		foo_step(foo);
		bgtoken_exit(foo->token);
	}
	scoped_bgtoken(foo->token, void *, owner)
		foo->count++;
	bgtoken_cancel(foo->token);
}

static void __maybe_unused good_nested(struct bgtoken *outer, struct bgtoken *inner)
{
	if (!bgtoken_enter(outer))
		return;
	if (bgtoken_enter_nested(inner, SINGLE_DEPTH_NESTING))
		bgtoken_exit(inner);
	bgtoken_cancel_nested(inner, SINGLE_DEPTH_NESTING);
	bgtoken_refuse(outer);
	bgtoken_exit(outer);
}

static void __maybe_unused good_irqsave(struct bgtoken *token)
{
	unsigned long flags;
	struct foo *foo;

	foo = bgtoken_enter_irqsave(token, flags);
	if (foo) {
		lockdep_assert_bgtoken(foo->token);
		foo->count++;
		bgtoken_exit_irqrestore(token, flags);
	}
	bgtoken_cancel(token);
}

static int __maybe_unused good_scoped(struct foo_work *w, int way)
{
	scoped_bgtoken(w->work.token, struct foo *, foo) {
		lockdep_assert_bgtoken(foo->token);
		foo_step(foo);
		if (way == 1)
			break;
		if (way == 2)
			continue;
		if (way == 3)
			return foo->count;
		if (way == 4)
			goto out;
		foo->count++;
	}
	scoped_bgtoken_irqsave(w->work.token, struct foo *, foo) {
		if (way == 5)
			return 0;
	}
	bgtoken_pause(w->work.token);
	return 1;
out:
	bgtoken_cancel(w->work.token);
	return 0;
}

static int __maybe_unused good_scoped_cond(struct foo_work *w, int way)
{
	scoped_cond_bgtoken(return bgtoken_cancel(w->work.token), w->work.token,
			    struct foo *, foo) {
		lockdep_assert_bgtoken(foo->token);
		foo_step(foo);
		if (way == 1)
			break;
		if (way == 2)
			continue;
		if (way == 3)
			return foo->count;
	}
	scoped_cond_bgtoken_irqsave(way = 0, w->work.token, struct foo *, foo) {
		if (way == 4)
			return 0;
	}
	return bgtoken_cancel(w->work.token);
}

static void __maybe_unused good_class(struct bgtoken *token)
{
	CLASS(bgtoken, scope)(token);
	struct foo *foo = scope.owner;

	if (!foo)
		return;
	lockdep_assert_bgtoken(foo->token);
	foo_step(foo);
}

MODULE_DESCRIPTION("bgtoken: scopes that clang follows");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
