// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners that are reached outside of their scopes.
 */

static void f1(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);
	if (!foo)
		return;
	foo->n++;
	bgtoken_exit(token);
	foo->n++;	/* FIND */
}

static void f2(struct bgtoken *token)
{
	struct foo *foo = bgtoken_enter(token);

	if (!foo)
		return;
	bgtoken_exit(token);
	foo_go(foo);	/* FIND */
}

static struct foo *f3(struct bgtoken *token)
{
	scoped_bgtoken(token, struct foo *, foo) {
		if (foo->ready)
			return foo;	/* FIND */
	}
	return NULL;
}

static int f4(struct bgtoken *token)
{
	struct foo *kept = NULL;

	scoped_bgtoken(token, struct foo *, foo)
		kept = foo;
	if (!kept)
		return -ENODEV;
	return foo_go(kept);	/* FIND */
}

static int f5(struct bgtoken *token, struct job *job)
{
	scoped_cond_bgtoken(return -ENODEV, token, struct foo *, foo) {
		foo->self = foo;
		job->foo = foo;	/* FIND */
	}
	return 0;
}

static int f6(struct bgtoken *token, struct job *job)
{
	unsigned long flags;
	struct foo *foo;

	foo = bgtoken_enter_irqsave(token, flags);
	if (!foo)
		return -ENODEV;
	foo->self = foo;
	job->foo = foo;	/* FIND */
	bgtoken_exit_irqrestore(token, flags);
	return 0;
}
