/* SPDX-License-Identifier: GPL-2.0-only */
/* For faults that KCSAN is to see, which takes as long as it takes. */
#ifndef _BGTOKEN_FAULT_RACE_H
#define _BGTOKEN_FAULT_RACE_H

#include <linux/console.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "test_gate.h"

static bool fault_race_seen;

static void fault_race_look(struct console *console, const char *text, unsigned int len)
{
	if (strnstr(text, "BUG: KCSAN: ", len))
		WRITE_ONCE(fault_race_seen, true);
}

/* Until it has told, or for as long as anything may hang on this machine. */
static inline void fault_race_wait(void)
{
	static struct console console = {
		.name = "fault",
		.write = fault_race_look,
		.flags = CON_ENABLED,
		.index = -1,
	};
	unsigned long end = jiffies + test_patience * HZ;

	register_console(&console);
	while (!READ_ONCE(fault_race_seen) && time_before(jiffies, end))
		schedule_timeout_idle(HZ / 10);
	unregister_console(&console);
}

#endif /* _BGTOKEN_FAULT_RACE_H */
