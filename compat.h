/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that differs between the kernels in tools/kernels, except for the KUnit macros in
 * kunit/test_gate.h, the name of a kworker in kunit/work_test.c, and what bench/Kbuild looks for.
 */
#ifndef _BGTOKEN_COMPAT_H
#define _BGTOKEN_COMPAT_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)	/* which moved it */
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/*
 * Annotations of scopes for clang's context analysis, but not for sparse; see bgtoken.c.
 * A scope begins if the function does not return NULL.
 */
#ifdef context_lock_struct
#define __acquires_if_nonnull(x)	__cond_acquires(nonnull, x)
#define __ends_scope(x)			__releases(x) __no_context_analysis
#define __outside_scope(x)		__must_not_hold(x)
#define __is_token(x)			__returns_ctx_lock(x)
#else
#define __acquires_if_nonnull(x)	__cond_acquires(x)
#define __ends_scope(x)
#define __outside_scope(x)
#define __is_token(x)
#define __no_context_analysis
#define context_lock_struct(name)	struct name
#endif

/* rcu_read_lock() is for readers since clang's context analysis knows that. */
#ifndef __acquires_shared
#define __acquires_shared(x)		__acquires(x)
#define __releases_shared(x)		__releases(x)
#endif

/* MODULE_IMPORT_NS() takes a name or a string; that differs even within one stable series. */
#define COMPAT_IMPORT_NS(ns)		MODULE_INFO(import_ns, #ns)

/*
 * WQ_PERCPU by number: kernels that have it require it or WQ_UNBOUND, stable series
 * gained it at some point, and other kernels ignore it.
 */
#define COMPAT_WQ_PERCPU		BIT(8)

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define compat_unbound_wq		system_dfl_wq
#else
#define compat_unbound_wq		system_unbound_wq
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define compat_platform_driver_register(drv)	\
	__platform_driver_register(drv, NULL, KBUILD_MODNAME)
#else
#define compat_platform_driver_register(drv)	\
	__platform_driver_register(drv, NULL)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define compat_hrtimer_setup	hrtimer_setup
#else
#define compat_hrtimer_setup(timer, fn, clock, mode)			\
({									\
	struct hrtimer *__timer = (timer);				\
									\
	hrtimer_init(__timer, clock, mode);				\
	__timer->function = (fn);					\
})
#endif

/* <trace/events/lock.h>: not exported to modules before. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define COMPAT_TRACE_CONTENTION
#define compat_contention_begin(lock, flags)	trace_contention_begin(lock, flags)
#define compat_contention_end(lock, ret)	trace_contention_end(lock, ret)
#else
static inline void compat_contention_begin(void *lock, unsigned int flags) {}
static inline void compat_contention_end(void *lock, int ret) {}
#endif

#endif /* _BGTOKEN_COMPAT_H */
