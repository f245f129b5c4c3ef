// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the scope and tail cases measure: the library's kinds, and the pairs
 * of calls that people use today.  Experiments are in designs.c.
 */
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "bench.h"

/* The library */

static void *token_or_none(struct bgtoken *token)
{
	return IS_ERR(token) ? NULL : token;
}

void *bench_token_mutex(void *owner)
{
	return token_or_none(bgtoken_create(owner, BGTOKEN_MUTEX, GFP_KERNEL));
}

void *bench_token_shared(void *owner)
{
	return token_or_none(bgtoken_create(owner, BGTOKEN_SHARED, GFP_KERNEL));
}

void *bench_token_percpu(void *owner)
{
	return token_or_none(bgtoken_create(owner, BGTOKEN_PERCPU, GFP_KERNEL));
}

void *bench_token_spin(void *owner)
{
	return token_or_none(bgtoken_create(owner, BGTOKEN_SPIN, GFP_KERNEL));
}

void bench_token_destroy(void *object)
{
	bgtoken_put(object);
}

static void *token_enter(void *object)
{
	return bgtoken_enter(object);
}

static void token_exit(void *object)
{
	bgtoken_exit(object);
}

static void *token_enter_irqsave(void *object, unsigned long *flags)
{
	return bgtoken_enter_irqsave(object, *flags);
}

static void token_exit_irqrestore(void *object, unsigned long flags)
{
	bgtoken_exit_irqrestore(object, flags);
}

static void token_cancel(void *object)
{
	bgtoken_cancel(object);
}

BENCH_SCOPE_LOOPS(token, struct bgtoken, bgtoken_enter(o), bgtoken_exit(o))
BENCH_SCOPE_LOOPS(token_spin, struct bgtoken, bgtoken_enter_irqsave(o, state),
		  bgtoken_exit_irqrestore(o, state))

/* SHARED while somebody else is in a scope: the slower path. */
static void *token_second_create(void *owner)
{
	struct bgtoken *token = bench_token_shared(owner);

	return token ? bgtoken_enter(token) ? token : NULL : NULL;
}

static void token_second_destroy(void *object)
{
	bgtoken_exit(object);
	bgtoken_put(object);
}

#define TOKEN_BY(_name, _create, _loops, ...)				\
	{ .name = _name, .bytes = sizeof(struct bgtoken), .tail = true,	\
	  .work = true, .create = _create, .destroy = bench_token_destroy,	\
	  .loop = _loops##_loop, .loop_work = _loops##_loop_work,	\
	  .cancel = token_cancel, __VA_ARGS__ }

#define TOKEN(_name, _create)						\
	TOKEN_BY(_name, _create, token, .enter = token_enter, .exit = token_exit)

/* Primitives */

static void primitive_destroy(void *object)
{
	kfree(object);
}

/* In a cache line of its own, as the larger ones are. */
#define PRIMITIVE_CREATE(_name, _type, _init)				\
static void *_name##_create(void *owner)				\
{									\
	_type *o = kzalloc(max_t(size_t, sizeof(*o), 64), GFP_KERNEL);	\
									\
	if (o)								\
		_init;							\
	return o;							\
}

/* The price of the loop itself, which is taken off. */
PRIMITIVE_CREATE(nothing, int, *o = 0)
BENCH_LOOPS(nothing, int, barrier(), barrier())
static void nothing_cancel(void *object)
{
	barrier();
}

PRIMITIVE_CREATE(mutex, struct mutex, mutex_init(o))
BENCH_LOOPS(mutex, struct mutex, mutex_lock(o), mutex_unlock(o))

/* The limit of a cancel: a lock that nobody holds, and a store. */
static void mutex_cancel(void *object)
{
	mutex_lock(object);
	barrier();
	mutex_unlock(object);
}

/* The floor of a tail: nobody keeps anybody out, and nobody is waited for. */
struct flag {
	void *owner;
};

PRIMITIVE_CREATE(flag, struct flag, o->owner = owner)
static void *flag_enter(void *object)
{
	return READ_ONCE(((struct flag *)object)->owner);
}

static void flag_exit(void *object)
{
}

static void flag_cancel(void *object)
{
	xchg(&((struct flag *)object)->owner, NULL);
}

BENCH_SCOPE_LOOPS(flag, void, flag_enter(o), flag_exit(o))

PRIMITIVE_CREATE(rwsem, struct rw_semaphore, init_rwsem(o))
BENCH_LOOPS(rwsem, struct rw_semaphore, down_read(o), up_read(o))

struct spin {
	spinlock_t lock;	/* measured, and guards nothing */
};

PRIMITIVE_CREATE(spin, struct spin, spin_lock_init(&o->lock))
BENCH_LOOPS(spin, struct spin, spin_lock_irqsave(&o->lock, state),
	    spin_unlock_irqrestore(&o->lock, state))

PRIMITIVE_CREATE(kref, struct kref, kref_init(o))
static void kref_release(struct kref *kref)
{
	bench_fail("scope kref: a count that does not add up");
}

BENCH_LOOPS(kref, struct kref, kref_get(o), kref_put(o, kref_release))

PRIMITIVE_CREATE(rcu, int, *o = 0)
BENCH_LOOPS(rcu, int, rcu_read_lock(), rcu_read_unlock())

#define SRCU_CREATE(_name, _init)					\
static void *_name##_create(void *owner)				\
{									\
	struct srcu_struct *o = kzalloc(sizeof(*o), GFP_KERNEL);	\
									\
	if (o && _init(o)) {						\
		kfree(o);						\
		o = NULL;						\
	}								\
	return o;							\
}

SRCU_CREATE(srcu, init_srcu_struct)

static void srcu_destroy(void *object)
{
	cleanup_srcu_struct(object);
	kfree(object);
}

BENCH_LOOPS(srcu, struct srcu_struct, state = srcu_read_lock(o),
	    srcu_read_unlock(o, state))

#ifdef BENCH_HAS_SRCU_FAST
SRCU_CREATE(srcu_fast, init_srcu_struct_fast)
BENCH_LOOPS(srcu_fast, struct srcu_struct,
	    state = (__force unsigned long)srcu_read_lock_fast(o),
	    srcu_read_unlock_fast(o, (__force struct srcu_ctr __percpu *)state))
#endif

static void ref_release(struct percpu_ref *ref)
{
}

static void *percpu_ref_create(void *owner)
{
	struct percpu_ref *o = kzalloc(sizeof(*o), GFP_KERNEL);

	if (o && percpu_ref_init(o, ref_release, 0, GFP_KERNEL)) {
		kfree(o);
		o = NULL;
	}
	return o;
}

static void percpu_ref_destroy(void *object)
{
	percpu_ref_exit(object);
	kfree(object);
}

BENCH_SCOPE_LOOPS(percpu_ref, struct percpu_ref, percpu_ref_tryget_live(o),
		  percpu_ref_put(o))

#define PRIMITIVE_OWN(_name, _destroy)					\
	.name = #_name, .create = _name##_create, .destroy = _destroy,	\
	.loop = _name##_loop, .loop_work = _name##_loop_work

#define PRIMITIVE(_name)	PRIMITIVE_OWN(_name, primitive_destroy)

const struct bench_lock bench_locks[] = {
	{ PRIMITIVE(nothing), .cancel = nothing_cancel },
	{ PRIMITIVE(flag), .tail = true, .unsafe = true, .enter = flag_enter,
	  .exit = flag_exit, .cancel = flag_cancel },
	{ PRIMITIVE(mutex), .bytes = sizeof(struct mutex), .work = true,
	  .cancel = mutex_cancel },
	TOKEN("token-mutex", bench_token_mutex),
	{ PRIMITIVE(spin), .bytes = sizeof(spinlock_t) },
	TOKEN_BY("token-spin", bench_token_spin, token_spin,
		 .enter_irqsave = token_enter_irqsave,
		 .exit_irqrestore = token_exit_irqrestore),
	{ PRIMITIVE(rwsem), .bytes = sizeof(struct rw_semaphore), .work = true },
	TOKEN("token-shared", bench_token_shared),
	TOKEN("token-percpu", bench_token_percpu),
	{ .name = "second-shared", .create = token_second_create,
	  .destroy = token_second_destroy, .loop = token_loop,
	  .loop_work = token_loop_work },
	{ PRIMITIVE_OWN(srcu, srcu_destroy),
	  .bytes = sizeof(struct srcu_struct) },
#ifdef BENCH_HAS_SRCU_FAST
	{ PRIMITIVE_OWN(srcu_fast, srcu_destroy),
	  .bytes = sizeof(struct srcu_struct) },
#endif
	{ PRIMITIVE(rcu) },
	{ PRIMITIVE_OWN(percpu_ref, percpu_ref_destroy),
	  .bytes = sizeof(struct percpu_ref) },
	{ PRIMITIVE(kref), .bytes = sizeof(struct kref) },
};

const unsigned int bench_nr_locks = ARRAY_SIZE(bench_locks);
