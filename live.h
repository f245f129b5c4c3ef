/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts of a module's live objects: for people, who read them as
 * /sys/module/MODULE/parameters/NAME, for the module's exit to check, and for
 * other modules, such as tests, which sum them up without needing a file.
 *
 * Before including this, a .c file defines LIVE_PREFIX, which the names of its
 * counters begin with: if it is foo, others see the count of bars as foo_live_bars.
 *
 * Per CPU, so that counting costs one instruction and no shared cache line.  An
 * object may go away on a different CPU from the one it was created on, so only
 * the sum is meaningful.
 */
#ifndef _BGTOKEN_LIVE_H
#define _BGTOKEN_LIVE_H

#include <linux/export.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sysfs.h>

static inline long live_sum(const long __percpu *counter)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(counter, cpu));
	return sum;
}

/* Not by whoever inserts the module, either. */
static inline int live_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

/* The variable that counts _name. */
#define live_counter(_name)	__PASTE(LIVE_PREFIX, __PASTE(_live_, _name))

/* Defines and exports that variable, with a read-only parameter. */
#define LIVE_COUNTER(_name, _desc)					\
DECLARE_PER_CPU(long, live_counter(_name));				\
DEFINE_PER_CPU(long, live_counter(_name));				\
EXPORT_PER_CPU_SYMBOL_GPL(live_counter(_name));				\
static int live_##_name##_get(char *buffer, const struct kernel_param *kp) \
{									\
	return sysfs_emit(buffer, "%ld\n", live_sum(&live_counter(_name))); \
}									\
static const struct kernel_param_ops live_##_name##_ops = {		\
	.set = live_set,						\
	.get = live_##_name##_get,					\
};									\
module_param_cb(_name, &live_##_name##_ops, NULL, 0444);		\
MODULE_PARM_DESC(_name, _desc " (read-only)")

#define live_add(_name, _n)	this_cpu_add(live_counter(_name), _n)
#define live_inc(_name)		live_add(_name, 1)
#define live_dec(_name)		live_add(_name, -1)

/* For a module's exit, when nobody is left to free them. */
#define live_check_none(_name)						\
do {									\
	long __left = live_sum(&live_counter(_name));			\
									\
	WARN(__left, "%s: %ld " #_name " left behind\n", KBUILD_MODNAME, __left); \
} while (0)

#endif /* _BGTOKEN_LIVE_H */
