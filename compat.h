/* SPDX-License-Identifier: GPL-2.0-only */
/* All that differs between the kernels that this builds for (6.1 to 6.12). */
#ifndef _BGTOKEN_COMPAT_H
#define _BGTOKEN_COMPAT_H

#if __has_include(<linux/unaligned.h>)	/* 6.12 moved it */
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#endif /* _BGTOKEN_COMPAT_H */
