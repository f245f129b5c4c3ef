/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The barriers that x86 needs between CPUs.  User-Mode Linux has fences in their place, meant
 * for devices: an acquire is an mfence, which takes longer than the rest of a scope.  For
 * tools/bench --native, which has the whole kernel built with them, the peers of bgtoken too.
 */
#ifndef _BGTOKEN_BENCH_NATIVE_H
#define _BGTOKEN_BENCH_NATIVE_H

#ifdef __x86_64__
#define __smp_mb()			asm volatile("lock addl $0,-4(%%rsp)" : : : "memory", "cc")
#define __smp_rmb()			barrier()
#define __smp_wmb()			barrier()
#define __smp_mb__before_atomic()	barrier()
#define __smp_mb__after_atomic()	barrier()
#define __smp_store_release(p, v)	do { barrier(); WRITE_ONCE(*(p), v); } while (0)
#define __smp_load_acquire(p)						\
({									\
	typeof(p) __from = (p);						\
	__unqual_scalar_typeof(*__from) __value = READ_ONCE(*__from);	\
									\
	barrier();							\
	__value;							\
})
#endif

#endif /* _BGTOKEN_BENCH_NATIVE_H */
