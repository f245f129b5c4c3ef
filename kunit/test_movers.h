/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that make random moves, all at once, until they are stopped; and one more that
 * pauses and resumes meanwhile: those have an order, so that it is one.
 */
#ifndef _BGTOKEN_TEST_MOVERS_H
#define _BGTOKEN_TEST_MOVERS_H

#include "test_gate.h"

#define TEST_MOVERS	3

/**
 * struct test_movers - the threads, and what they do
 * @move:	makes one move, of any kind
 * @pause:	pauses, and resumes
 *
 * Lives in the test's own memory, zeroed, and is stopped before that goes.
 */
struct test_movers {
	void (*move)(void *arg);
	void (*pause)(void *arg);
	/* private: */
	void *arg;
	struct test_thread threads[TEST_MOVERS];
	struct test_thread pauser;
	atomic_t moves;
	bool stop;
};

static inline void test_movers_move(void *arg)
{
	struct test_movers *movers = arg;

	while (!READ_ONCE(movers->stop)) {
		movers->move(movers->arg);
		atomic_inc(&movers->moves);
	}
}

static inline void test_movers_pause(void *arg)
{
	struct test_movers *movers = arg;

	while (!READ_ONCE(movers->stop)) {
		usleep_range(1, 200);
		movers->pause(movers->arg);
	}
}

/**
 * test_movers_start() - let them move
 * @test:	fails if a thread cannot be made
 * @movers:	set up, or stopped
 * @arg:	what @move and @pause are given
 *
 * Context: Process context; sleeps.
 */
static inline void test_movers_start(struct kunit *test, struct test_movers *movers,
				     void *arg)
{
	int n;

	movers->arg = arg;
	WRITE_ONCE(movers->stop, false);
	for (n = 0; n < TEST_MOVERS; n++)
		test_thread_start(test, &movers->threads[n], -1, test_movers_move, movers);
	test_thread_start(test, &movers->pauser, -1, test_movers_pause, movers);
}

/**
 * test_movers_wait() - wait until they have made some more moves
 * @movers:	started
 *
 * On a machine that is slow, too: they are what the case is for.
 *
 * Context: Process context; sleeps.
 * Return: True once they have, false after TEST_TIMEOUT.
 */
static inline bool test_movers_wait(struct test_movers *movers)
{
	int before = atomic_read(&movers->moves);

	return test_until(atomic_read(&movers->moves) - before >=
			  TEST_MOVERS * TEST_LEAST_ROUNDS);
}

/**
 * test_movers_stop() - have them stop, and wait for that
 * @movers:	started, stopped, or neither
 *
 * Context: Process context; sleeps.
 * Return: As test_thread_join(), of all of them.
 */
static inline bool test_movers_stop(struct test_movers *movers)
{
	bool joined = true;
	int n;

	WRITE_ONCE(movers->stop, true);
	for (n = 0; n < TEST_MOVERS; n++)
		joined &= test_thread_join(&movers->threads[n]);
	return test_thread_join(&movers->pauser) && joined;
}

#endif /* _BGTOKEN_TEST_MOVERS_H */
