/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of tcpdump expressions, compiled to one set.
 */
#ifndef BGFILTER_FILTERS_H
#define BGFILTER_FILTERS_H

#include "device.h"

struct filter {
	char *text;		/* the expression, as in the file */
	unsigned int line;	/* its line there, from 1 */
};

/* set.progs[i] is the program of filters[i]. */
struct filters {
	const char *path;
	struct filter *filters;
	struct set set;
};

/*
 * Reads and compiles @path.  Return: EXIT_OK, or EXIT_BAD_INPUT or EXIT_SYSTEM
 * after a message that names the file and the line.
 */
int filters_read(struct filters *filters, const char *path);
void filters_free(struct filters *filters);

/* The first instruction of program @i. */
static inline const struct bpf_insn *filter_insns(const struct filters *filters,
						  uint32_t i)
{
	return filters->set.insns + filters->set.progs[i].first;
}

/* Loads the set.  Return: EXIT_*; a refused program is named by its line. */
int filters_load(const struct filters *filters, int fd, uint32_t tiers);

/* The expression for a message, valid until the next call: a long one is cut. */
const char *filter_shown(const struct filter *filter);

#endif /* BGFILTER_FILTERS_H */
