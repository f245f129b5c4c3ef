/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bgfuzz: random and mutated calls to the devices of the samples.
 *
 *	main.c		processes and threads, who is killed, the verdict
 *	call.c		random numbers, memory to pass, calls that any device takes
 *	filter.c	/dev/bgfilter
 *	edu.c		/dev/edu0
 */
#ifndef BGFUZZ_H
#define BGFUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(_array)	(sizeof(_array) / sizeof((_array)[0]))

struct device;

/* A thread.  Files and memory belong to its process; the threads share them. */
struct fuzzer {
	uint64_t random;
	const struct device *device;
	_Atomic uint64_t *calls;	/* that it came back from */
};

#define MOST_ERRORS	16

/* What is called, or seen.  It is told, and some of it has to come about. */
struct kind {
	const char *name;
	int errors[MOST_ERRORS];	/* it may fail with; 0 ends them */
	bool needed;			/* it has to succeed at least once */
};

/* The kinds that each device has; its own come after them. */
enum {
	OPEN, CLOSE, DUP, IOCTL, READ, WRITE, READV, WRITEV, POLL, EPOLL, MMAP, OTHER,
	FIRST_OF_DEVICE,
	KINDS = FIRST_OF_DEVICE + 8
};

struct device {
	const char *name;
	const char *path;
	const unsigned long *commands;	/* of ioctl() */
	unsigned int nr_commands;
	const struct kind *kinds;	/* from FIRST_OF_DEVICE on */
	unsigned int nr_kinds;
	unsigned int wait;		/* a kind that a signal has to end at least once */
	void (*call)(struct fuzzer *me, int fd);
	bool (*works)(const char *path);	/* at the end */
};

extern const struct kind common_kinds[FIRST_OF_DEVICE];
extern const struct device device_filter, device_edu;

/* main.c */

/* Counts a call of that kind, and looks at its error if it failed.  Return: @got. */
long called(struct fuzzer *me, unsigned int kind, long got);
/* Counts what is no call of its own. */
void seen(unsigned int kind);

/* call.c */

uint32_t below(struct fuzzer *me, uint32_t n);
static inline bool one_in(struct fuzzer *me, uint32_t n) { return !below(me, n); }
/* A number that is likely to be a boundary of some type, or next to one. */
uint64_t odd_number(struct fuzzer *me);

/*
 * Memory for @size bytes that are like those at @from: most often as they are, at times with a
 * few bits, bytes or numbers changed.  It may also end too early, or be no memory at all.
 * One copy in @mutants is mutated; 0: none.
 */
void *memory_like(struct fuzzer *me, const void *from, uint32_t size, uint32_t mutants);
/* Memory for @size bytes, whatever is there. */
void *memory(struct fuzzer *me, uint32_t size);
/* Whether a copy was made, or all of that memory is there to be looked at. */
bool is_memory(const void *at, uint32_t size);

/* Of a process: once, before its threads. */
void memory_init(void);
void files_init(void);
/* One call of any kind, to any of the files. */
void any_call(struct fuzzer *me);

#endif /* BGFUZZ_H */
