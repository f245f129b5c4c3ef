// SPDX-License-Identifier: GPL-2.0-only
/*
 * In real time: threads enter and leave scopes on tokens that others cancel,
 * whose owners they poison and free at once.
 *
 * Tokens stand in slots.  A visitor takes a reference on what it finds in one,
 * and visits the owner a few times; a canceller puts a new token and owner
 * there, and cancels and frees the old ones, about which visitors still know.
 * KASAN sees a scope that outlives its cancel, and so does the magic.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include "test_gate.h"

#define VISITORS	8
#define CANCELLERS	2
#define SLOTS		4
#define VISITS		4

static unsigned int stress_ms = 2000;
module_param(stress_ms, uint, 0444);
MODULE_PARM_DESC(stress_ms, "how long each kind of token is stressed, in ms");

static unsigned int stress_seed;
module_param(stress_seed, uint, 0444);
MODULE_PARM_DESC(stress_seed, "of the random choices; 0 for a new one");

struct stress_owner {
	unsigned long magic;
	atomic_t visitors;
};

struct stress_slot {
	spinlock_t lock;		/* of the other two */
	struct bgtoken *token;		/* lock; the slot has a reference */
	struct stress_owner *owner;	/* lock; freed after the cancel */
};

struct stress;

/* A thread and what it has seen; read when it is joined. */
struct stress_thread {
	struct stress *s;
	struct test_thread thread;
	struct rnd_state rnd;
	unsigned long entered, refused, bad_magic, bad_overlap;
	unsigned long created, freed, bad_cancel, no_memory;
};

struct stress {
	enum bgtoken_kind kind;
	bool stop;
	struct stress_slot slots[SLOTS];
	struct stress_thread threads[VISITORS + CANCELLERS];
	struct stress_thread sum;
	long live_tokens;
};

static u32 below(struct stress_thread *st, u32 n)
{
	return prandom_u32_state(&st->rnd) % n;
}

/* Owners and tokens */

static bool fill(struct stress_thread *st, struct stress_owner **owner,
		 struct bgtoken **token)
{
	*owner = kmalloc(sizeof(**owner), GFP_KERNEL);
	*token = NULL;
	if (!*owner)
		return false;
	(*owner)->magic = TEST_OWNER_ALIVE;
	atomic_set(&(*owner)->visitors, 0);
	*token = test_token_create(*owner, st->s->kind);
	if (IS_ERR(*token)) {
		kfree(*owner);
		return false;
	}
	st->created++;
	return true;
}

static void cancel_and_free(struct stress_thread *st, struct bgtoken *token,
			    struct stress_owner *owner)
{
	if (!bgtoken_cancel(token) || bgtoken_cancel(token))
		st->bad_cancel++;
	if (atomic_read(&owner->visitors))
		st->bad_overlap++;
	WRITE_ONCE(owner->magic, TEST_OWNER_FREED);
	kfree(owner);
	bgtoken_put(token);
	st->freed++;
}

/* Threads */

static void visit(struct stress_thread *st, struct bgtoken *token)
{
	test_scope(token, struct stress_owner *, owner) {
		int n = atomic_inc_return(&owner->visitors);

		if (!__bgtoken_parallel(token) && n != 1)
			st->bad_overlap++;
		for (n = below(st, 50); n; n--)
			cpu_relax();
		if (st->s->kind != BGTOKEN_SPIN && !below(st, 100))
			usleep_range(10, 50);
		if (READ_ONCE(owner->magic) != TEST_OWNER_ALIVE)
			st->bad_magic++;
		atomic_dec(&owner->visitors);
		st->entered++;
		return;
	}
	st->refused++;
	if (!bgtoken_cancelled(token))
		st->bad_cancel++;
}

static void visitor(void *arg)
{
	struct stress_thread *st = arg;

	while (!READ_ONCE(st->s->stop)) {
		struct stress_slot *slot = &st->s->slots[below(st, SLOTS)];
		struct bgtoken *token;
		int n;

		spin_lock(&slot->lock);
		token = bgtoken_get(slot->token);
		spin_unlock(&slot->lock);
		for (n = 0; n < VISITS; n++)
			visit(st, token);
		bgtoken_put(token);
		cond_resched();
	}
}

static void canceller(void *arg)
{
	struct stress_thread *st = arg;

	while (!READ_ONCE(st->s->stop)) {
		struct stress_slot *slot = &st->s->slots[below(st, SLOTS)];
		struct stress_owner *owner;
		struct bgtoken *token;

		if (!fill(st, &owner, &token)) {
			st->no_memory++;
			msleep(20);
			continue;
		}
		spin_lock(&slot->lock);
		swap(slot->token, token);
		swap(slot->owner, owner);
		spin_unlock(&slot->lock);
		cancel_and_free(st, token, owner);
		if (!below(st, 4))
			usleep_range(10, 100);
	}
}

/* The case */

static void add_up(struct stress_thread *sum, const struct stress_thread *st)
{
	sum->entered += st->entered;
	sum->refused += st->refused;
	sum->bad_magic += st->bad_magic;
	sum->bad_overlap += st->bad_overlap;
	sum->created += st->created;
	sum->freed += st->freed;
	sum->bad_cancel += st->bad_cancel;
	sum->no_memory += st->no_memory;
}

/* On a slow machine the time may be over before it was its turn. */
static bool has_been_busy(struct stress_thread *st)
{
	return READ_ONCE(st->entered) || READ_ONCE(st->freed);
}

static void scopes_never_outlive_a_cancel_under_stress(struct kunit *test)
{
	struct stress *s = test->priv;
	struct stress_thread *sum = &s->sum;
	u32 seed = stress_seed ?: get_random_u32();
	int n;

	for (n = 0; n < VISITORS + CANCELLERS; n++) {
		struct stress_thread *st = &s->threads[n];

		st->s = s;
		prandom_seed_state(&st->rnd, seed + n);
		test_thread_create(test, &st->thread, -1);
	}
	for (n = 0; n < VISITORS + CANCELLERS; n++)
		test_thread_run(&s->threads[n].thread,
				n < VISITORS ? visitor : canceller, &s->threads[n]);
	msleep(stress_ms);
	for (n = 0; n < VISITORS + CANCELLERS; n++)
		KUNIT_EXPECT_TRUE(test, test_until(has_been_busy(&s->threads[n])));
	WRITE_ONCE(s->stop, true);
	for (n = 0; n < VISITORS + CANCELLERS; n++) {
		KUNIT_EXPECT_TRUE(test, test_thread_join(&s->threads[n].thread));
		add_up(sum, &s->threads[n]);
	}
	kunit_info(test, "seed %u, %u ms: %lu scopes, %lu refused, %lu cancels",
		   seed, stress_ms, sum->entered, sum->refused, sum->freed);

	KUNIT_EXPECT_EQ(test, sum->bad_magic, 0UL);
	KUNIT_EXPECT_EQ(test, sum->bad_overlap, 0UL);
	KUNIT_EXPECT_EQ(test, sum->bad_cancel, 0UL);
	KUNIT_EXPECT_EQ(test, sum->no_memory, 0UL);
	/* What was there at first was freed, what is there now was created. */
	KUNIT_EXPECT_EQ(test, sum->created, sum->freed);
	KUNIT_EXPECT_GT(test, sum->entered, 0UL);
	KUNIT_EXPECT_GT(test, sum->freed, 0UL);
}

/* The suite */

static int stress_test_init(struct kunit *test)
{
	const struct test_kind *param = test->param_value;
	struct stress *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct stress_thread first = { .s = s };
	int n;

	if (!s)
		return -ENOMEM;
	test->priv = s;
	s->kind = param->kind;
	s->live_tokens = test_live(bgtoken_live_tokens);
	for (n = 0; n < SLOTS; n++) {
		spin_lock_init(&s->slots[n].lock);
		if (!fill(&first, &s->slots[n].owner, &s->slots[n].token)) {
			s->slots[n].token = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

static void stress_test_exit(struct kunit *test)
{
	struct stress *s = test->priv;
	struct stress_thread last = { .s = s };
	bool over = true;
	int n;

	if (!s)
		return;
	WRITE_ONCE(s->stop, true);
	for (n = 0; n < VISITORS + CANCELLERS; n++)
		over &= test_thread_join(&s->threads[n].thread);
	if (!over) {
		KUNIT_FAIL(test, "threads left behind");
		return;
	}
	for (n = 0; n < SLOTS; n++)
		if (s->slots[n].token)
			cancel_and_free(&last, s->slots[n].token, s->slots[n].owner);
	KUNIT_EXPECT_EQ(test, last.bad_cancel + last.bad_overlap, 0UL);
	test_nothing_left(test, bgtoken_live_tokens, s->live_tokens);
	kfree(s);
}

KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc);

static struct kunit_case stress_test_cases[] = {
	TEST_CASE_PARAM_SLOW(scopes_never_outlive_a_cancel_under_stress,
			     test_kind_gen_params),
	{}
};

static struct kunit_suite stress_test_suite = {
	.name = "bgtoken_stress",
	.init = stress_test_init,
	.exit = stress_test_exit,
	.test_cases = stress_test_cases,
};

kunit_test_suite(stress_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: stress");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
