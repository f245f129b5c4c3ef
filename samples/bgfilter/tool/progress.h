/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far things are: a bar on a terminal, lines at a modest rate elsewhere.
 */
#ifndef BGFILTER_PROGRESS_H
#define BGFILTER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct meter {
	bool on;
	bool tty;
	int step;		/* the tenth that was said last, -1: none */
	uint64_t drawn_ns;	/* when something was said last */
	uint64_t asked_ns;	/* when the kernel was asked last */
};

void meter_init(struct meter *meter, bool on);
/* Says where the set of @fd is, and @packets if there are any. */
void meter_compile(struct meter *meter, int fd, uint64_t packets);
/* Says that @done of @total @what are done. */
void meter_count(struct meter *meter, const char *what, uint64_t done,
		 uint64_t total);

/*
 * Waits until @event has come for the set of @fd, and shows the way there.
 * Return: 0 or a negative errno: -EINTR on a signal, the set's own if it
 * failed.
 */
int meter_wait(struct meter *meter, int fd, uint32_t event);

#endif /* BGFILTER_PROGRESS_H */
