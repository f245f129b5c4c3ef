// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scopes that end once on every way out.
 */

static int good(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);
	if (!foo)
		return -ENODEV;
	if (foo->bad)
		goto out;
	foo->n++;
out:
	bgtoken_exit(token);
	return 0;
}

static int good2(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);
	if (foo) {
		if (foo->bad) {
			bgtoken_exit(token);
			return -EIO;
		}
		bgtoken_exit(token);
	}
	return 0;
}

static void loop(struct bgtoken *token)
{
	struct foo *foo;
	unsigned long flags;

	while (1) {
		foo = bgtoken_enter_irqsave(token, flags);
		if (!foo)
			return;
		foo->n++;
		bgtoken_exit_irqrestore(token, flags);
	}
}

static int good3(struct bgtoken *token)
{
	struct foo *foo;

	foo = bgtoken_enter(token);
	if (!foo)
		return -ENODEV;
	if (foo->bad) {
		bgtoken_exit(token);
		return -EIO;
	}
	bgtoken_exit(token);
	return 0;
}

static void good4(struct bgtoken *token)
{
	struct foo *foo;

	while (1) {
		foo = bgtoken_enter(token);
		if (foo) {
			foo->n++;
			bgtoken_exit(token);
		} else {
			drop();
		}
	}
	foo = bgtoken_enter(token);
	if (foo)
		bgtoken_exit(token);
	if (bgtoken_enter(token)) {
		bar();
		bgtoken_exit(token);
	}
}
