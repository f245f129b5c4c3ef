/* SPDX-License-Identifier: GPL-2.0-only */
/* All that differs between the kernels of tools/kernels. */
#ifndef _BGTOKEN_COMPAT_H
#define _BGTOKEN_COMPAT_H

#include <linux/compiler.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)	/* which moved it */
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* A scope begins if what the function returns is not NULL. */
#ifdef __cond_acquires_impl_nonnull	/* with clang's analysis of contexts */
#define __acquires_if_nonnull(x)	__cond_acquires(nonnull, x)
#else
#define __acquires_if_nonnull(x)	__cond_acquires(x)
#endif

/* One of the two has to be said, once there is this one. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define WQ_PERCPU			0
#define system_dfl_wq			system_unbound_wq
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define platform_driver_register_ownerless(drv)	\
	__platform_driver_register(drv, NULL, KBUILD_MODNAME)
#else
#define platform_driver_register_ownerless(drv)	\
	__platform_driver_register(drv, NULL)
#endif

/* <trace/events/lock.h>: not exported to modules before. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define HAS_TRACE_CONTENTION
#define contention_begin(lock, flags)	trace_contention_begin(lock, flags)
#define contention_end(lock, ret)	trace_contention_end(lock, ret)
#else
static inline void contention_begin(void *lock, unsigned int flags) {}
static inline void contention_end(void *lock, int ret) {}
#endif

#endif /* _BGTOKEN_COMPAT_H */
