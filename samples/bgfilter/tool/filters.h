/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcpdump expressions, one or a file of them, compiled to one set.
 */
#ifndef BGFILTER_FILTERS_H
#define BGFILTER_FILTERS_H

#include <pcap/pcap.h>

#include "device.h"
#include "progress.h"

/* Where the expressions come from, and how they are compiled. */
struct source {
	const char *path;	/* of a file, "-" for standard input */
	char *expression;	/* or the one of the command line, to be freed */
	int link;		/* DLT_* of the packets */
	pcap_t *file;		/* the capture file, or NULL: libpcap may ask it */
	bpf_u_int32 netmask;	/* for "ip broadcast" */
	bool no_optimizer;
	bool skip_bad;		/* go on without what cannot be compiled or run */
	bool progress;
};

struct filter {
	char *text;		/* the expression, as in the file */
	unsigned int line;	/* its line there, from 1 */
};

/* set.progs[i] is the program of filters[i]. */
struct filters {
	const struct source *source;
	struct filter *filters;
	struct set set;
	uint32_t read;		/* expressions that were there */
	uint32_t skipped;	/* of them, for skip_bad */
};

/* Joins the words of the command line, as tcpdump does. */
char *join_words(char **words);

/*
 * Reads and compiles what @source names.  Return: EXIT_OK, or EXIT_BAD_INPUT or
 * EXIT_SYSTEM after a message that names the file and the line.  May take long:
 * to be called while @leave_at_once is set.
 */
int filters_read(struct filters *filters, const struct source *source);
void filters_free(struct filters *filters);

/* The first instruction of program @i. */
static inline const struct bpf_insn *filter_insns(const struct filters *filters,
						  uint32_t i)
{
	return filters->set.insns + filters->set.progs[i].first;
}

/*
 * Loads the set, less what the kernel refuses if that is to be skipped.
 * Return: EXIT_*; a refused program is named by its line and its instruction.
 */
int filters_load(struct filters *filters, int fd, uint32_t tiers);

/* "FILE:LINE", for a message, valid until the next call. */
const char *filter_place(const struct filters *filters,
			 const struct filter *filter);
/* The expression for a message, valid until the next call: a long one is cut. */
const char *filter_shown(const struct filter *filter);

#endif /* BGFILTER_FILTERS_H */
