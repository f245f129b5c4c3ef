/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands of bgfilter share: messages, exit codes, time, numbers.
 */
#ifndef BGFILTER_COMMON_H
#define BGFILTER_COMMON_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERSION		"1.0"
#define DEFAULT_DEVICE	"/dev/bgfilter"

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_USEC	1000ULL

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(f, a)	__attribute__((format(printf, f, a)))

enum {
	EXIT_OK		= 0,
	EXIT_DIFFERENCE	= 1,	/* not what libpcap says, or a tier has no code */
	EXIT_BAD_INPUT	= 2,	/* the command line, a filter or the capture */
	EXIT_SYSTEM	= 3,	/* the device, the interface, memory */
	EXIT_INTERRUPTED = 130,
};

/* Set by SIGINT and SIGTERM.  Every loop looks at it. */
extern volatile sig_atomic_t interrupted;

/*
 * SIGINT and SIGTERM set @interrupted, call on_interrupt() if there is one, and
 * end system calls with EINTR.
 */
void catch_signals(void);
extern void (*volatile on_interrupt)(void);
/*
 * While this is set, as it is at first, they end the program at once, with
 * EXIT_INTERRUPTED: cleared when there is something to print or to put right.
 */
extern volatile sig_atomic_t leave_at_once;

/* Like printf(); remembers the first error.  Return: whether there was none so far. */
bool print(const char *fmt, ...) __printf(1, 2);
/* Writes what was printed.  Return: whether all that was before could be, too. */
bool flush_stdout(void);
/* Says that it could not, and why.  Return: EXIT_SYSTEM, or EXIT_INTERRUPTED. */
int stdout_failed(void);

/* Set while the cursor is behind a bar on the terminal, which any message ends. */
extern volatile sig_atomic_t bar_drawn;
void end_bar(void);

/* Prints a line with the program's name in front to stderr. */
void say(const char *fmt, ...) __printf(1, 2);
/* The same, and returns EXIT_BAD_INPUT or EXIT_SYSTEM. */
int bad_input(const char *fmt, ...) __printf(1, 2);
int bad_system(const char *fmt, ...) __printf(1, 2);

/* Like calloc(); ends the program with EXIT_SYSTEM if there is no memory. */
void *must_calloc(size_t n, size_t size);
/* Like strdup(); the same. */
char *must_strdup(const char *text);
/* Like reallocarray(); the same. */
void *must_realloc(void *old, size_t n, size_t size);

/* CLOCK_MONOTONIC, ns. */
uint64_t now_ns(void);
/* Sleeps for @ns, less if a signal comes. */
void sleep_ns(uint64_t ns);

/* Is @path, which may be NULL, standard input or output? */
bool is_standard(const char *path);

/* Parses a decimal number from @min to @max.  Says what is wrong, and false. */
bool parse_number(const char *what, const char *text, uint64_t min,
		  uint64_t max, uint64_t *value);

/* The same of an IPv4 netmask, in the byte order of the host. */
bool parse_netmask(const char *text, uint32_t *mask);

#endif /* BGFILTER_COMMON_H */
