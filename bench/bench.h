/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark: what its cases share.
 *
 * A case measures several ways to do one thing, in turn (A B A B), so that
 * their ratios hold on a machine that is busy with other things, too.  What is
 * measured goes into series, each of one case, variant and parameter.
 */
#ifndef _BGTOKEN_BENCH_H
#define _BGTOKEN_BENCH_H

#include <linux/ktime.h>
#include <linux/types.h>

#include "bgtoken.h"

/* The clock of User-Mode Linux has steps of 256 ns; a cancel takes less. */
#if defined(CONFIG_UML) && defined(CONFIG_X86_64)
#define BENCH_OWN_CLOCK
#endif

/* Module parameters; see main.c. */
extern int rounds;
extern int max_length;
extern int max_works;
extern bool canceller_fifo;
extern int max_threads;
extern int max_units;
extern int max_tokens;

/* stats.c: series of samples in ns, and of rates. */

struct bench_series;

struct bench_series *bench_series(const char *which, const char *variant,
				  long param);
void bench_add(struct bench_series *series, u64 ns);
void bench_show_all(struct bench_series *series);
u64 bench_median(struct bench_series *series);

/* Thousandths of @unit; several values of one name make their median. */
void bench_rate(const char *which, const char *variant, const char *param,
		u64 thousandths, const char *unit);

__printf(1, 2) void bench_fail(const char *fmt, ...);
bool bench_failed(void);

struct dentry;

void bench_stats_files(struct dentry *dir);
void bench_stats_exit(void);
void bench_stats_log(void);

/* What is being done, for who asks meanwhile; and is it to end? */
void bench_progress(const char *what, unsigned int done, unsigned int total);
const char *bench_doing(void);
bool bench_stop(void);
const char *bench_number(char *buffer, size_t size, long number);

/* clock.c */

void bench_calibrate(void);

/* Some work that takes about this long, by a loop that was timed at the start. */
void bench_work_us(unsigned int us);

#ifdef BENCH_OWN_CLOCK
u64 bench_now(void);
#else
static inline u64 bench_now(void)
{
	return ktime_get_ns();
}
#endif

/*
 * struct bench_lock - something with a pair of calls, and perhaps a cancel
 *
 * The loops run @n pairs without an indirect call, that of an exported function
 * apart; in the second each scope does 2 us of work.  Those that cannot be
 * cancelled have neither enter nor cancel.  Where enter is there, or the one that
 * saves interrupts, an object is created with an owner, and it returns that, or NULL.
 */
struct bench_lock {
	const char *name;
	size_t bytes;		/* of a token made of it, on this kernel */
	bool design;		/* an experiment, not in use anywhere */
	bool tail;		/* measured in the tail case */
	bool work;		/* measured with work inside, too */
	bool unsafe;		/* keeps nobody out: its misuse is no failure */
	void *(*create)(void *owner);
	void (*destroy)(void *object);
	void (*loop)(void *object, unsigned long n);
	void (*loop_work)(void *object, unsigned long n);
	void *(*enter)(void *object);
	void (*exit)(void *object);
	void *(*enter_irqsave)(void *object, unsigned long *flags);
	void (*exit_irqrestore)(void *object, unsigned long flags);
	void (*cancel)(void *object);
};

#define BENCH_SCOPE_US	2

/* Define both loops; _begin and _end may use "o", of type _type, and "state". */
#define BENCH_LOOPS(_name, _type, _begin, _end)				\
static void _name##_loop(void *object, unsigned long n)			\
{									\
	unsigned long __maybe_unused state;				\
	_type * __maybe_unused o = object;				\
									\
	while (n--) {							\
		_begin;							\
		barrier();						\
		_end;							\
	}								\
}									\
									\
static void _name##_loop_work(void *object, unsigned long n)		\
{									\
	unsigned long __maybe_unused state;				\
	_type * __maybe_unused o = object;				\
									\
	while (n--) {							\
		_begin;							\
		bench_work_us(BENCH_SCOPE_US);				\
		_end;							\
	}								\
}

/* The same for an _enter that may fail, which it never does here. */
#define BENCH_SCOPE_LOOPS(_name, _type, _enter, _exit)			\
	BENCH_LOOPS(_name, _type, if (!(_enter)) break, _exit)

/* locks.c: tokens, made and put; without memory there is none. */
void *bench_token_mutex(void *owner);
void *bench_token_shared(void *owner);
void *bench_token_percpu(void *owner);
void *bench_token_spin(void *owner);
void bench_token_destroy(void *object);

extern const struct bench_lock bench_locks[];
extern const unsigned int bench_nr_locks;
extern const struct bench_lock bench_designs[];
extern const unsigned int bench_nr_designs;

/* The locks and the designs as one list; NULL past its end. */
static inline const struct bench_lock *bench_lock(unsigned int i)
{
	if (i < bench_nr_locks)
		return &bench_locks[i];
	i -= bench_nr_locks;
	return i < bench_nr_designs ? &bench_designs[i] : NULL;
}

/* The cases: 0, or an error that keeps them from going on. */
int bench_cancel(void);
int bench_tail(void);
int bench_scope(void);
int bench_units(void);
int bench_tokens(void);
int bench_icount(void);

#endif /* _BGTOKEN_BENCH_H */
