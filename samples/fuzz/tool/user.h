/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the users of the samples' devices share that are there for tests.
 */
#ifndef FUZZ_USER_H
#define FUZZ_USER_H

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Longer than any call takes, in seconds: the virtual machine knows how slow it is. */
static inline unsigned int patience(void)
{
	const char *seconds = getenv("VM_PATIENCE");

	return seconds ? strtoul(seconds, NULL, 10) : 180;
}

/* Ends the program with status 2 if it is no number from @least to @most. */
static inline uint64_t number_or_exit(const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text == '\0' || *text == '-' || *end || errno || value < least || value > most) {
		fprintf(stderr, "%s: not a number from %" PRIu64 " to %" PRIu64 ": %s\n",
			program_invocation_short_name, least, most, text);
		exit(2);
	}
	return value;
}

#endif /* FUZZ_USER_H */
