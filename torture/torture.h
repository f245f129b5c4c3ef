/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bgtoken_torture: threads that use tokens, works, timers and compile states in many
 * ways, at random and all at once, and check what is promised.
 *
 *	main.c		parameters, threads, statistics, the verdict
 *	target.c	tokens and their owners: scopes, cancels, pauses
 *	works.c		works, delayed works and timers, and the workqueues under them
 *	waits.c		threads that wait for an event, and are woken or killed; pairs of them
 *	units.c		compile states
 *	steps.c		delays in the middle of the library's functions
 *
 * What is checked, and by whom:
 *
 *  - whoever is in a scope checks its owner's canary, who else is in one, and whether a
 *    cancel has returned or a pause is on;
 *  - whoever has cancelled or paused checks how many scopes are live, and in a pause
 *    whether something can be queued;
 *  - a work's function checks whether it runs twice at once, or beside another one on an
 *    ordered workqueue, whether its workqueue is gone, and whether it was pending when a
 *    cancel had returned; whoever has flushed the work checks whether it still runs;
 *  - a release checks what became of the work against how often its function was called;
 *  - a waiter checks why its wait ended;
 *  - pairs of threads wake each other by turns, and nobody else does: as long as both go on, no
 *    wake-up was lost;
 *  - a callback that is told an event of a compile state checks what was told before, and
 *    whoever waited for an event checks whether the figures add up;
 *  - the verdict checks the sums: as many releases as inits, as many owners freed as made.
 *
 * Some works and timers are armed for an hour: unless a cancel takes them off, as it should,
 * the sums are wrong.  KASAN sees the rest, as an owner is freed as soon as its cancel returns.
 */
#ifndef _BGTOKEN_TORTURE_H
#define _BGTOKEN_TORTURE_H

#include <linux/kref.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>

#include "bgcompile.h"

/* main.c */

/* What is counted, on each CPU; the sums are reported. */
enum torture_count {
	SCOPES, SCOPES_OF, SCOPES_OF_LAST = SCOPES_OF + BGTOKEN_KINDS - 1,
	REFUSED, CANCELS, CANCELLED_FIRST, PAUSES, REFUSES,
	OWNERS_MADE, OWNERS_FREED, TARGETS_MADE, TARGETS_FREED,
	WORKS_MADE, WORKS_RELEASED, QUEUED, NOT_QUEUED, MODIFIED, TAKEN_BACK, FLUSHED,
	RUNS, PLAIN_RUNS, DROPPED, DOOMED, REQUEUED, WQS_DESTROYED, WQS_FLUSHED,
	TIMERS_MADE, TIMERS_RELEASED, FIRED,
	WAITS, EVENTS, KILLS, RETURNS,
	STATES, ENVS_FREED, HELPS, OWN_WQS_DESTROYED, UNIT_KILLS,
	UNITS_ADDED, UNITS_FREED, UNITS_PUBLISHED,
	STEPS_INLINE, STEPS_ENTER, STEPS_EXIT, STEPS_CANCEL, STEPS_PAUSE, STEPS_DRAIN, STEPS_WORK,
	STEPS_COMPILE, NO_MEMORY,
	TICKS, TICK_SCOPES, TICK_CANCELS, TICK_PAUSES, TICK_REFUSES,
	TORTURE_COUNTS
};

/* One tick in so many refuses a token; two cancel it and two pause it, if it is BGTOKEN_SPIN. */
#define TORTURE_TICK_ODDS	128

#define TORTURE_STEPS	(STEPS_COMPILE - STEPS_INLINE + 1)

DECLARE_PER_CPU(unsigned long[TORTURE_COUNTS], torture_counts);
#define torture_count(_what)	this_cpu_inc(torture_counts[_what])

/* A promise is broken: counts it, and the first few times reports which one. */
#define torture_fail(_fmt, ...)	__torture_fail(_fmt "\n", ##__VA_ARGS__)
void __printf(1, 2) __torture_fail(const char *fmt, ...);

/* A thread, and its random numbers. */
struct torture_thread {
	struct task_struct *task;
	struct rnd_state rnd;
	const struct torture_role *role;
	int number;		/* in its role */
	unsigned long moves;	/* progress, to see whether it is stuck */
};

struct torture_role {
	const char *name;
	int *threads;		/* the parameter that says how many */
	void (*move)(struct torture_thread *me);
	bool signals;		/* may be killed, and carries on */
};

extern const struct torture_role torture_scope_role, torture_cancel_role,
	torture_pause_role, torture_work_role, torture_queue_role, torture_timer_role,
	torture_wait_role, torture_wake_role, torture_pair_role, torture_unit_role,
	torture_step_role;
extern int torture_scopes, torture_cancels, torture_pauses, torture_works,
	torture_queues, torture_timers, torture_waits, torture_units, torture_wakes, torture_pairs,
	torture_pair_threads, torture_steps;
extern unsigned short torture_sites;
extern unsigned int torture_odds_guests, torture_odds_empty, torture_odds_kills,
	torture_odds_flushes, torture_odds_mods, torture_odds_never, torture_odds_requeues,
	torture_odds_shared, torture_odds_unarmed, torture_odds_bad_units,
	torture_odds_bad_results, torture_odds_no_env, torture_odds_own_wq, torture_odds_plain;

u32 torture_below(struct torture_thread *me, u32 n);
/* Once in @n times; never if that is 0. */
bool torture_one_in(struct torture_thread *me, u32 n);
/* Spins for a moment, most often not at all; sleeps now and then, if that is allowed. */
void torture_delay(struct rnd_state *rnd, bool may_sleep);
/* Sleeps for as long as somebody wants to look at what a token is now. */
void torture_hold(struct torture_thread *me);
struct task_struct *torture_victim(struct torture_thread *me);

/* target.c */

struct torture_owner;

/* A token and what is known about it; outlives the owner. */
struct torture_target {
	struct kref kref;		/* the slot, the owner, whoever uses it */
	struct rcu_head rcu;
	struct bgtoken *token;		/* a reference */
	struct torture_owner *owner;	/* freed by whoever cancels first */
	enum bgtoken_kind kind;
	atomic_t live;			/* scopes, as they count themselves */
	unsigned long pausing;		/* bit 0: pauses do not nest, so one at a time */
	bool paused;			/* set by whoever has set that bit */
	bool over;			/* a cancel has returned */
	atomic_t events;		/* for waiters */
};

extern bool torture_kinds[BGTOKEN_KINDS];

int torture_targets_init(void);
void torture_targets_exit(void);

/* A token or a target from any slot, with a reference, or NULL. */
struct bgtoken *torture_find_token(struct torture_thread *me);
struct torture_target *torture_find_target(struct torture_thread *me);
void torture_target_put(struct torture_target *target);

/* Enters, looks around, and leaves; @rnd is the caller's alone. */
bool torture_visit(struct bgtoken *token, struct rnd_state *rnd, bool may_sleep);
/* The same, for a caller that is in a scope already. */
void torture_look_around(void *owner, struct bgtoken *token, struct rnd_state *rnd,
			 bool may_sleep);
/* Like bgtoken_cancel(), but the first one frees the owner. */
void torture_cancel(struct torture_target *target);
/*
 * Pauses and resumes, and looks around in between, calling @meanwhile if that is not NULL.
 * Does nothing, and returns false, if somebody else has paused the token.
 */
bool torture_pause(struct torture_target *target, struct torture_thread *me,
		   void (*meanwhile)(struct torture_thread *me, struct bgtoken *token));

/* works.c */

int torture_works_init(void);
void torture_works_exit(void);

/* For a token that is paused or cancelled. */
void torture_expect_refusal(struct torture_thread *me, struct bgtoken *token);

/* waits.c */

int torture_pairs_init(void);
void torture_pairs_cancel(void);
void torture_pairs_exit(void);

/* units.c */

int torture_units_init(void);
void torture_units_exit(void);

/* steps.c */

void torture_steps_init(void);
void torture_steps_exit(void);

#endif /* _BGTOKEN_TORTURE_H */
