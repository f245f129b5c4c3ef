// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scopes that are left without an exit, or with two.
 */

static int leaks_on_error(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);	/* FIND */
	if (!foo)
		return -ENODEV;
	if (foo->bad)
		return -EIO;
	bgtoken_exit(token);
	return 0;
}

static int never(struct bgtoken *token)
{
	struct foo *foo = bgtoken_enter(token);	/* FIND */

	if (!foo)
		return -ENODEV;
	foo->n++;
	return 0;
}

static void never_void(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);	/* FIND */
	if (foo)
		foo->n++;
}

static void inside(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);	/* FIND */
	if (foo) {
		if (foo->n)
			return;
		foo->n++;
		bgtoken_exit(token);
	}
}

static void other(struct bgtoken *token)
{
	if (!bgtoken_enter(token))	/* FIND */
		return;
	foo();
}

static void twice(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);
	if (!foo)
		return;
	if (foo->n)
		bgtoken_exit(token);
	foo->n++;
	bgtoken_exit(token);	/* FIND */
}

static void cont(struct bgtoken *token)
{
	struct foo *foo;

	while (1) {
		foo = bgtoken_enter(token);	/* FIND */
		if (!foo)
			break;
		foo->n++;
		if (foo->m)
			continue;
		bgtoken_exit(token);
	}
}
