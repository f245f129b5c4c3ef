// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners that stay in their scopes, are pinned, or are the one who cancelled.
 */

static int g1(struct bgtoken *token, struct job *job)
{
	struct foo *foo;
	int n = 0;
	bool there;

	foo = bgtoken_enter(token);
	if (foo) {
		n = foo->n;
		bgtoken_exit(token);
	}
	there = foo;
	foo = bgtoken_enter(token);
	if (foo) {
		n = foo->n;
		bgtoken_exit(token);
	}
	if (bgtoken_cancel(token))
		kfree(foo);
	return foo ? n : -ENODEV;
}

static int g2(struct bgtoken *token, struct job *job)
{
	struct image *image = NULL;
	struct foo *foo;

	scoped_bgtoken(token, struct foo *, foo) {
		struct foo *same = foo;

		image = image_get(foo->image);
		same->n++;
	}
	if (!image)
		return -ENODEV;
	parse(image);
	scoped_bgtoken(token, struct foo *, foo)
		publish(foo, image);
	foo = bgtoken_enter(token);
	if (!foo)
		return -ENODEV;
	foo_get(foo);
	bgtoken_exit(token);
	foo_go(foo);
	foo_put(foo);
	return 0;
}
