/* SPDX-License-Identifier: GPL-2.0-only */
/* All that differs between the kernels that this builds for (6.1 to 6.12). */
#ifndef _BGTOKEN_COMPAT_H
#define _BGTOKEN_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)	/* which moved it */
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)	/* exported: perf lock contention */
#include <trace/events/lock.h>
#else
#define LCB_F_SPIN	0
#define LCB_F_MUTEX	0
#define trace_contention_begin(lock, flags)	do { } while (0)
#define trace_contention_end(lock, ret)		do { } while (0)
#endif

#endif /* _BGTOKEN_COMPAT_H */
