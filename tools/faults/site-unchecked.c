// SPDX-License-Identifier: GPL-2.0-only
/*
 * plants: a scope begun by the name for another kind, at a site that lockdep does not check
 * caught by: the case, which says in the end that the tokens of such sites work
 * text: the tokens of sites that go unchecked work
 * run: debug --suite fault_site_unchecked
 *
 * It leaves no class for the sites that come after it, so it is no case of a suite that
 * shares its kernel with others.
 */
#include <linux/module.h>

#include "fault_warn.h"

#define CHECKED	256	/* so many sites: see bgtoken_create() */

static struct bgtoken *create_at(struct kunit *test, enum bgtoken_kind kind, int line)
{
	struct bgtoken_site site = { "bgtoken:site", "sites.c", line };
	struct bgtoken *token = __bgtoken_create(test, kind, GFP_KERNEL, &site);

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	return token;
}

static void enter_both(struct kunit *test, struct bgtoken *outer, struct bgtoken *inner)
{
	test_scope(outer, struct kunit *, owner)
		test_scope(inner, struct kunit *, same)
			KUNIT_EXPECT_PTR_EQ(test, owner, same);
}

static void site_unchecked(struct kunit *test)
{
	struct bgtoken *a, *b, *shared, *spin;
	unsigned long flags;
	int line;

	for (line = 1; line <= CHECKED; line++)
		bgtoken_put(create_at(test, BGTOKEN_MUTEX, line));
	a = create_at(test, BGTOKEN_MUTEX, ++line);
	b = create_at(test, BGTOKEN_MUTEX, ++line);
	shared = create_at(test, BGTOKEN_SHARED, ++line);
	spin = create_at(test, BGTOKEN_SPIN, ++line);

	/* Reported of others, see lock-abba.c. */
	enter_both(test, a, b);
	enter_both(test, b, a);
	test_expect_no_lockdep_report(test);

	fault_let_warnings_pass(test);
	KUNIT_EXPECT_NULL(test, bgtoken_enter_irqsave(a, flags));
	fault_expect_warned(test);
	fault_expect_token_works(test, a);
	fault_expect_token_works(test, b);
	fault_expect_token_works(test, shared);
	fault_expect_token_works(test, spin);
	test_expect_no_lockdep_report(test);
	if (test->status == KUNIT_SUCCESS)
		kunit_info(test, "the tokens of sites that go unchecked work");
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(site_unchecked),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "fault_site_unchecked",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

MODULE_DESCRIPTION("A planted fault");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
