// SPDX-License-Identifier: GPL-2.0-only
/*
 * Experiments: other ways to make a token, as far as a scope and a cancel need
 * them, to choose the library's by.  Nothing but the benchmark uses them.
 *
 *	held-KIND	a mutex or a spinlock, held for as long as the scope lasts, and
 *			the owner looked at before and after it is taken; one function
 *			for all kinds
 *	inline-KIND	the same, with enter and exit inline
 *	typed-KIND	the same, the kind known when it is compiled
 *	bare-KIND	the same, and the owner is not read before the lock: whoever
 *			enters after a cancel may queue for the lock
 *	line-KIND	the library's word and line, but not inline
 *	eager-mutex	the same, and whoever finds a scope live looks on for a moment
 *			before it stands in line
 *	active-mutex	a mutex and an active count, so that a cancel need not stand
 *			behind those that queue for the mutex
 *	word-mutex	one word, and whoever cannot enter sleeps on it: all of them
 *			are woken at once
 *	rwsem-shared	SHARED as a rwsem
 *	biased-shared	SHARED as an active count with a bias, as kernfs has it,
 *			which is the flag as well
 *	added-shared	the same by an addition, which never has to be retried: whoever
 *			finds itself refused takes itself back
 *	looked-shared	the same after a look, so that only a caller that races with a
 *			cancel has to take itself back
 *	patient-shared	biased-shared with exponential back-off
 *	rwlock-shared	SHARED as a rwlock_t: no scope may sleep
 *	counted-shared	SHARED as a count that a spinlock guards
 *	split-percpu	PERCPU as SRCU counts: enters and exits apart, on each CPU, with
 *			plain additions between barriers; no grace period
 *	table-percpu	PERCPU as BRAVO has it (Dice and Kogan, 2019): a scope is seen in
 *			a table that all tokens share, or else counted in the token's word
 */
#include <linux/atomic.h>
#include <linux/hash.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>

#include "bench.h"

/* All but line are made of this; sizes come from token_with(). */
struct design {
	void *owner;
	atomic_t active;
	unsigned int count;
	enum bgtoken_kind kind;
	struct mutex mutex;	/* a scope of active-mutex */
	struct rw_semaphore rwsem;	/* a scope of rwsem-shared */
	spinlock_t lock;	/* owner and count of counted-shared; a scope */
	unsigned long irqflags;
	rwlock_t rwlock;	/* a scope of rwlock-shared */
};

/* The size of a struct bgtoken that has _bytes in place of its word and union. */
#define token_with(_bytes)						\
	(sizeof(struct bgtoken) - (offsetof(struct bgtoken, timers) -	\
				   offsetof(struct bgtoken, mutex)) +	\
	 ALIGN((_bytes) - sizeof(atomic_t), sizeof(long)))

static void *design_create_kind(void *owner, enum bgtoken_kind kind)
{
	struct design *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->owner = owner;
	d->kind = kind;
	mutex_init(&d->mutex);
	init_rwsem(&d->rwsem);
	spin_lock_init(&d->lock);
	rwlock_init(&d->rwlock);
	return d;
}

static void *design_create(void *owner)
{
	return design_create_kind(owner, BGTOKEN_MUTEX);
}

static void *design_create_spin(void *owner)
{
	return design_create_kind(owner, BGTOKEN_SPIN);
}

static void design_destroy(void *object)
{
	kfree(object);
}

/*
 * held, inline, typed, bare.  With its kind given, the compiler leaves one of the
 * two.
 */

static __always_inline void held_unlock(struct design *d, enum bgtoken_kind kind)
{
	if (likely(kind == BGTOKEN_MUTEX))
		mutex_unlock(&d->mutex);
	else
		spin_unlock_irqrestore(&d->lock, d->irqflags);
}

static __always_inline void *held_lock(struct design *d, enum bgtoken_kind kind,
				       bool look)
{
	unsigned long flags;
	void *owner;

	if (look && unlikely(!READ_ONCE(d->owner)))
		return NULL;
	if (likely(kind == BGTOKEN_MUTEX)) {
		mutex_lock(&d->mutex);
	} else {
		spin_lock_irqsave(&d->lock, flags);
		d->irqflags = flags;
	}
	owner = READ_ONCE(d->owner);
	if (unlikely(!owner))
		held_unlock(d, kind);
	return owner;
}

static noinline void *held_enter(void *object)
{
	struct design *d = object;

	return held_lock(d, READ_ONCE(d->kind), true);
}

static noinline void held_exit(void *object)
{
	struct design *d = object;

	held_unlock(d, READ_ONCE(d->kind));
}

static void held_cancel(void *object)
{
	struct design *d = object;
	unsigned long flags;

	xchg(&d->owner, NULL);
	if (likely(READ_ONCE(d->kind) == BGTOKEN_MUTEX)) {
		mutex_lock(&d->mutex);
		mutex_unlock(&d->mutex);
	} else {
		spin_lock_irqsave(&d->lock, flags);
		spin_unlock_irqrestore(&d->lock, flags);
	}
}

BENCH_SCOPE_LOOPS(held, void, held_enter(o), held_exit(o))

#define HELD_LOOPS(_name, _kind, _look)					\
BENCH_SCOPE_LOOPS(_name, struct design, held_lock(o, _kind, _look),	\
		  held_unlock(o, _kind))

HELD_LOOPS(inline_held, READ_ONCE(o->kind), true)
HELD_LOOPS(typed_mutex, BGTOKEN_MUTEX, true)
HELD_LOOPS(bare_mutex, BGTOKEN_MUTEX, false)
HELD_LOOPS(typed_spin, BGTOKEN_SPIN, true)
HELD_LOOPS(bare_spin, BGTOKEN_SPIN, false)

/* line: as the library is, but a call away. */

static noinline void *line_enter(void *token)
{
	return bgtoken_enter(token);
}

static noinline void line_exit(void *token)
{
	bgtoken_exit(token);
}

static noinline void *line_enter_irqsave(void *token, unsigned long *flags)
{
	return bgtoken_enter_irqsave(token, *flags);
}

static noinline void line_exit_irqrestore(void *token, unsigned long flags)
{
	bgtoken_exit_irqrestore(token, flags);
}

BENCH_SCOPE_LOOPS(line, void, line_enter(o), line_exit(o))
BENCH_SCOPE_LOOPS(line_spin, void, line_enter_irqsave(o, &state),
		  line_exit_irqrestore(o, state))

#define EAGER_LOOKS	64

static noinline void *eager_enter(void *object)
{
	struct bgtoken *token = object;
	int looks;

	for (looks = 0; looks < EAGER_LOOKS; looks++) {
		if (!(atomic_read(&token->scopes) & BGTOKEN_LIVE))
			break;
		cpu_relax();
	}
	return bgtoken_enter(token);
}

BENCH_SCOPE_LOOPS(eager, void, eager_enter(o), line_exit(o))

/* active: a negative count refuses; at ACTIVE_BIAS nobody is left. */

#define ACTIVE_BIAS	(INT_MIN + 1)

static void active_wake(struct design *d)
{
	wake_up_var(&d->active);
}

static void active_cancel(void *object)
{
	struct design *d = object;

	/* Full barriers: who got in before is counted, the rest is refused. */
	if (atomic_add_return(ACTIVE_BIAS, &d->active) != ACTIVE_BIAS)
		wait_var_event(&d->active,
			       atomic_read(&d->active) == ACTIVE_BIAS);
	WRITE_ONCE(d->owner, NULL);
}

static noinline void *biased_shared_enter(void *object)
{
	struct design *d = object;

	return atomic_inc_unless_negative(&d->active) ? d->owner : NULL;
}

/* The caller's reference keeps the token for the wake-up. */
static noinline void biased_shared_exit(void *object)
{
	struct design *d = object;

	if (unlikely(atomic_dec_return(&d->active) == ACTIVE_BIAS))
		active_wake(d);
}

BENCH_SCOPE_LOOPS(biased_shared, void, biased_shared_enter(o),
		  biased_shared_exit(o))

/* A cancel may have to wait for those that are refused, too, for as long as they take. */
static noinline void *added_shared_enter(void *object)
{
	struct design *d = object;

	if (likely(atomic_inc_return(&d->active) > 0))
		return d->owner;
	biased_shared_exit(d);
	return NULL;
}

BENCH_SCOPE_LOOPS(added_shared, void, added_shared_enter(o),
		  biased_shared_exit(o))

static noinline void *looked_shared_enter(void *object)
{
	struct design *d = object;

	if (unlikely(atomic_read(&d->active) < 0))
		return NULL;
	if (likely(atomic_inc_return(&d->active) > 0))
		return d->owner;
	biased_shared_exit(d);
	return NULL;
}

BENCH_SCOPE_LOOPS(looked_shared, void, looked_shared_enter(o),
		  biased_shared_exit(o))

#define MOST_PATIENCE	64U

static noinline void *patient_shared_enter(void *object)
{
	struct design *d = object;
	int active = atomic_read(&d->active);
	unsigned int patience, i;

	for (patience = 1; active >= 0; patience = min(2 * patience, MOST_PATIENCE)) {
		if (likely(atomic_try_cmpxchg(&d->active, &active, active + 1)))
			return d->owner;
		for (i = 0; i < patience; i++)
			cpu_relax();
		active = atomic_read(&d->active);
	}
	return NULL;
}

BENCH_SCOPE_LOOPS(patient_shared, void, patient_shared_enter(o),
		  biased_shared_exit(o))

static noinline void *active_mutex_enter(void *object)
{
	struct design *d = object;

	if (unlikely(atomic_read(&d->active) < 0))
		return NULL;
	mutex_lock(&d->mutex);
	if (likely(atomic_inc_unless_negative(&d->active)))
		return d->owner;
	mutex_unlock(&d->mutex);
	return NULL;
}

static noinline void active_mutex_exit(void *object)
{
	struct design *d = object;

	if (unlikely(atomic_dec_return(&d->active) == ACTIVE_BIAS))
		active_wake(d);
	mutex_unlock(&d->mutex);
}

BENCH_SCOPE_LOOPS(active_mutex, void, active_mutex_enter(o),
		  active_mutex_exit(o))

/*
 * word: HELD by a scope, WAITERS if somebody sleeps on it, CANCELLED.  A scope
 * that ends wakes them if it finds anything but HELD.
 */

#define WORD_HELD	1
#define WORD_WAITERS	2
#define WORD_CANCELLED	4

/* Try to hold it, or leave word that somebody waits; true to stop waiting. */
static bool word_try(struct design *d, bool *held)
{
	int word = atomic_read(&d->active);

	for (;;) {
		*held = !(word & (WORD_HELD | WORD_CANCELLED));
		if (word & WORD_CANCELLED)
			return true;
		if (atomic_try_cmpxchg(&d->active, &word, word |
				       (*held ? WORD_HELD : WORD_WAITERS)))
			return *held;
	}
}

static noinline void *word_enter_slow(struct design *d)
{
	bool held;

	___wait_var_event(&d->active, word_try(d, &held), TASK_UNINTERRUPTIBLE,
			  0, 0, schedule());
	return held ? d->owner : NULL;
}

static noinline void *word_mutex_enter(void *object)
{
	struct design *d = object;
	int none = 0;

	might_sleep();
	if (likely(atomic_try_cmpxchg_acquire(&d->active, &none, WORD_HELD)))
		return d->owner;
	return word_enter_slow(d);
}

static noinline void word_exit_slow(struct design *d)
{
	atomic_andnot(WORD_WAITERS, &d->active);
	wake_up_var(&d->active);
}

static noinline void word_mutex_exit(void *object)
{
	struct design *d = object;

	if (unlikely(atomic_sub_return(WORD_HELD, &d->active)))
		word_exit_slow(d);
}

static void word_cancel(void *object)
{
	struct design *d = object;

	if (atomic_fetch_or(WORD_CANCELLED, &d->active) & WORD_HELD)
		wait_var_event(&d->active,
			       !(atomic_read(&d->active) & WORD_HELD));
	wake_up_var(&d->active);
	WRITE_ONCE(d->owner, NULL);
}

BENCH_SCOPE_LOOPS(word_mutex, void, word_mutex_enter(o),
		  word_mutex_exit(o))

/* rwsem: one lookup of the kind less than a library with it would have. */

static noinline void *rwsem_shared_enter(void *object)
{
	struct design *d = object;
	void *owner;

	if (unlikely(!READ_ONCE(d->owner)))
		return NULL;
	down_read(&d->rwsem);
	owner = READ_ONCE(d->owner);
	if (unlikely(!owner))
		up_read(&d->rwsem);
	return owner;
}

static noinline void rwsem_shared_exit(void *object)
{
	struct design *d = object;

	up_read(&d->rwsem);
}

static void rwsem_cancel(void *object)
{
	struct design *d = object;

	xchg(&d->owner, NULL);
	down_write(&d->rwsem);
	up_write(&d->rwsem);
}

BENCH_SCOPE_LOOPS(rwsem_shared, void, rwsem_shared_enter(o),
		  rwsem_shared_exit(o))

/* rwlock: no scope may sleep, and none is entered from an interrupt. */

static noinline void *rwlock_shared_enter(void *object)
{
	struct design *d = object;
	void *owner;

	if (unlikely(!READ_ONCE(d->owner)))
		return NULL;
	read_lock(&d->rwlock);
	owner = READ_ONCE(d->owner);
	if (unlikely(!owner))
		read_unlock(&d->rwlock);
	return owner;
}

static noinline void rwlock_shared_exit(void *object)
{
	struct design *d = object;

	read_unlock(&d->rwlock);
}

static void rwlock_cancel(void *object)
{
	struct design *d = object;

	xchg(&d->owner, NULL);
	write_lock(&d->rwlock);
	write_unlock(&d->rwlock);
}

BENCH_SCOPE_LOOPS(rwlock_shared, void, rwlock_shared_enter(o),
		  rwlock_shared_exit(o))

/* counted: "a refcount, a lock and a flag", to the letter. */

static noinline void *counted_shared_enter(void *object)
{
	struct design *d = object;
	void *owner;

	spin_lock(&d->lock);
	owner = d->owner;
	if (owner)
		d->count++;
	spin_unlock(&d->lock);
	return owner;
}

static noinline void counted_shared_exit(void *object)
{
	struct design *d = object;
	bool last;

	spin_lock(&d->lock);
	last = !--d->count && !d->owner;
	spin_unlock(&d->lock);
	if (unlikely(last))
		wake_up_var(&d->count);
}

static bool counted_idle(struct design *d)
{
	bool idle;

	spin_lock(&d->lock);
	idle = !d->count;
	spin_unlock(&d->lock);
	return idle;
}

static void counted_cancel(void *object)
{
	struct design *d = object;

	spin_lock(&d->lock);
	d->owner = NULL;
	spin_unlock(&d->lock);
	wait_var_event(&d->count, counted_idle(d));
}

BENCH_SCOPE_LOOPS(counted_shared, void, counted_shared_enter(o),
		  counted_shared_exit(o))

/* split: scopes only read the word that has the flag.  Its counts are 16 bytes a CPU. */

struct split_counts {
	unsigned long enters, exits;
};

struct split {
	void *owner;
	int cancelled;
	struct split_counts __percpu *counts;
};

static void *split_create(void *owner)
{
	struct split *s = kzalloc(max_t(size_t, sizeof(*s), 64), GFP_KERNEL);

	if (!s)
		return NULL;
	s->owner = owner;
	s->counts = alloc_percpu(struct split_counts);
	if (s->counts)
		return s;
	kfree(s);
	return NULL;
}

static void split_destroy(void *object)
{
	struct split *s = object;

	free_percpu(s->counts);
	kfree(s);
}

#ifdef CONFIG_X86
#define split_release()	barrier()
#else
#define split_release()	smp_mb()	/* pairs with that of split_idle() */
#endif

static noinline void split_percpu_exit(void *object)
{
	struct split *s = object;

	split_release();	/* what the scope did comes before */
	this_cpu_inc(s->counts->exits);
	smp_mb();	/* before the look; pairs with split_cancel() */
	if (unlikely(READ_ONCE(s->cancelled)))
		wake_up_var(&s->cancelled);
}

static noinline void *split_percpu_enter(void *object)
{
	struct split *s = object;

	this_cpu_inc(s->counts->enters);
	smp_mb();	/* before the look; pairs with split_cancel() */
	if (likely(!READ_ONCE(s->cancelled)))
		return s->owner;
	split_percpu_exit(s);
	return NULL;
}

/* An exit that is seen implies that its enter is. */
static bool split_idle(struct split *s)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(s->counts, cpu)->exits);
	smp_mb();	/* pairs with those of an enter and an exit */
	for_each_possible_cpu(cpu)
		sum -= READ_ONCE(per_cpu_ptr(s->counts, cpu)->enters);
	return !sum;
}

static void split_cancel(void *object)
{
	struct split *s = object;

	WRITE_ONCE(s->cancelled, true);
	smp_mb();	/* pairs with those of an enter and an exit */
	if (!split_idle(s))
		wait_var_event(&s->cancelled, split_idle(s));
}

BENCH_SCOPE_LOOPS(split_percpu, void, split_percpu_enter(o), split_percpu_exit(o))

/*
 * table: the slot of a task and a token.  Who finds its slot taken is counted in the word.
 * An exit may clear a slot that another scope of the same token has filled; that one takes its
 * count from the word then, and slots and word are still as many as there are scopes.  One
 * task has to enter and exit, which BGTOKEN_PERCPU does not ask for.
 */

#define TABLE_BITS	10

static struct design *table_slots[1 << TABLE_BITS] ____cacheline_aligned;

static __always_inline struct design **table_slot(struct design *d)
{
	return &table_slots[hash_long((unsigned long)d ^ (unsigned long)current, TABLE_BITS)];
}

static noinline void table_percpu_exit(void *object)
{
	struct design *d = object;

	if (cmpxchg(table_slot(d), d, NULL) != d)
		atomic_dec_return(&d->active);	/* for its barriers */
	if (unlikely(!READ_ONCE(d->owner)))
		wake_up_var(&d->active);
}

static noinline void *table_percpu_enter(void *object)
{
	struct design *d = object;
	void *owner;

	if (cmpxchg(table_slot(d), NULL, d))
		atomic_inc_return(&d->active);	/* for its barriers */
	owner = READ_ONCE(d->owner);
	if (unlikely(!owner))
		table_percpu_exit(d);
	return owner;
}

/* The word comes after the slots: an exit by another's slot leaves a count behind. */
static bool table_idle(struct design *d)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(table_slots); i++)
		if (smp_load_acquire(&table_slots[i]) == d)	/* pairs with an exit */
			return false;
	return !atomic_read_acquire(&d->active);
}

static void table_cancel(void *object)
{
	struct design *d = object;

	xchg(&d->owner, NULL);
	if (!table_idle(d))
		wait_var_event(&d->active, table_idle(d));
}

BENCH_SCOPE_LOOPS(table_percpu, void, table_percpu_enter(o), table_percpu_exit(o))

#define DESIGN_OF(_string, _create, _name, _cancel, _bytes)		\
	{ .name = _string, .bytes = token_with(_bytes), .design = true,	\
	  .tail = true, .create = _create, .destroy = design_destroy,	\
	  .loop = _name##_loop, .loop_work = _name##_loop_work,		\
	  .enter = _name##_enter, .exit = _name##_exit, .cancel = _cancel }

#define DESIGN(_string, _name, _cancel, _bytes)				\
	DESIGN_OF(_string, design_create, _name, _cancel, _bytes)

/* Not for the tail: but for the loops it is the one above. */
#define LOOPS_OF(_string, _create, _name)				\
	{ .name = _string, .design = true, .create = _create,		\
	  .destroy = design_destroy, .loop = _name##_loop,		\
	  .loop_work = _name##_loop_work }

/* Other ways into biased-shared, out of which there is one. */
#define ACTIVE(_string, _name)						\
	{ .name = _string, .bytes = token_with(sizeof(atomic_t)),	\
	  .design = true, .tail = true, .create = design_create,	\
	  .destroy = design_destroy, .loop = _name##_loop,		\
	  .loop_work = _name##_loop_work, .enter = _name##_enter,	\
	  .exit = biased_shared_exit, .cancel = active_cancel }

#define LINE(_string, _create, _loops)					\
	{ .name = _string, .bytes = sizeof(struct bgtoken),		\
	  .design = true, .create = _create,				\
	  .destroy = bench_token_destroy, .loop = _loops##_loop,	\
	  .loop_work = _loops##_loop_work }

const struct bench_lock bench_designs[] = {
	DESIGN("held-mutex", held, held_cancel, sizeof(struct mutex)),
	LOOPS_OF("inline-mutex", design_create, inline_held),
	LOOPS_OF("typed-mutex", design_create, typed_mutex),
	LOOPS_OF("bare-mutex", design_create, bare_mutex),
	LINE("line-mutex", bench_token_mutex, line),
	LINE("eager-mutex", bench_token_mutex, eager),
	DESIGN("active-mutex", active_mutex, active_cancel,
	       sizeof(struct mutex) + sizeof(atomic_t)),
	DESIGN("word-mutex", word_mutex, word_cancel, sizeof(atomic_t)),
	DESIGN("rwsem-shared", rwsem_shared, rwsem_cancel,
	       sizeof(struct rw_semaphore)),
	DESIGN("biased-shared", biased_shared, active_cancel, sizeof(atomic_t)),
	ACTIVE("added-shared", added_shared),
	ACTIVE("looked-shared", looked_shared),
	ACTIVE("patient-shared", patient_shared),
	DESIGN("rwlock-shared", rwlock_shared, rwlock_cancel, sizeof(rwlock_t)),
	DESIGN("counted-shared", counted_shared, counted_cancel,
	       sizeof(unsigned int)),	/* token->lock is there anyway */
	{ .name = "split-percpu", .bytes = token_with(sizeof(void *)), .design = true,
	  .tail = true, .create = split_create, .destroy = split_destroy,
	  .loop = split_percpu_loop, .loop_work = split_percpu_loop_work,
	  .enter = split_percpu_enter, .exit = split_percpu_exit, .cancel = split_cancel },
	DESIGN("table-percpu", table_percpu, table_cancel, sizeof(atomic_t)),
	DESIGN_OF("held-spin", design_create_spin, held, held_cancel,
		  sizeof(spinlock_t) + sizeof(unsigned long)),
	LOOPS_OF("inline-spin", design_create_spin, inline_held),
	LOOPS_OF("typed-spin", design_create_spin, typed_spin),
	LOOPS_OF("bare-spin", design_create_spin, bare_spin),
	LINE("line-spin", bench_token_spin, line_spin),
};

const unsigned int bench_nr_designs = ARRAY_SIZE(bench_designs);
