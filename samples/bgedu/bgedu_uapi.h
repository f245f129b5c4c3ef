/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/edu%d: factorials, computed by QEMU's edu device in the background.
 *
 *	write()	a number in decimal, to be computed next.  -EBUSY while this file's last
 *		one is being computed
 *	read()	its factorial, modulo 2^32, and a newline; waits for it.  0 if nothing was
 *		asked for, or everything has been read; -ETIMEDOUT if the device got stuck:
 *		if this number alone took longer than timeout_ms, a module parameter.
 *		Neither the numbers before it nor setting up the device count
 *	poll()	POLLIN when there is something to read, POLLOUT when nothing is being
 *		computed, POLLHUP when the device is gone
 *
 * Once the device is gone, every call returns -ENODEV, and waiters return at once.
 */
#ifndef _BGEDU_UAPI_H
#define _BGEDU_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct bgedu_stats - what a device has done since it was plugged in
 * @done:	factorials computed
 * @stuck:	factorials given up by the watchdog
 * @setups:	how often it was set up: once, and again after each stuck factorial and suspend
 * @checks:	health checks passed; they run while it computes, at most four a second
 */
struct bgedu_stats {
	__u32 done;
	__u32 stuck;
	__u32 setups;
	__u32 checks;
};

#define BGEDU_IOC_STATS		_IOR('e', 1, struct bgedu_stats)
/* The device returns the complement. */
#define BGEDU_IOC_LIVENESS	_IOWR('e', 2, __u32)

#endif
