// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

volatile sig_atomic_t interrupted;
void (*volatile on_interrupt)(void);
volatile sig_atomic_t leave_at_once = 1;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
	if (leave_at_once)
		_exit(EXIT_INTERRUPTED);
	if (on_interrupt)
		on_interrupt();
}

void catch_signals(void)
{
	/* No SA_RESTART: a wait in the kernel is to end. */
	struct sigaction sa = { .sa_handler = on_signal };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

/* The first error, since stdio forgets which it was. */
static int stdout_error;

bool print(const char *fmt, ...)
{
	va_list args;

	errno = 0;
	va_start(args, fmt);
	if (vprintf(fmt, args) < 0 && !stdout_error)
		stdout_error = errno ? errno : EIO;
	va_end(args);
	return !stdout_error;
}

bool flush_stdout(void)
{
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && !stdout_error)
		stdout_error = errno ? errno : EIO;
	return !stdout_error;
}

int stdout_failed(void)
{
	/* A signal has ended the wait for a reader. */
	if (stdout_error == EINTR && interrupted)
		return EXIT_INTERRUPTED;
	return bad_system("cannot write to standard output: %s",
			  strerror(stdout_error));
}

volatile sig_atomic_t bar_drawn;

void end_bar(void)
{
	if (bar_drawn)
		fputc('\n', stderr);
	bar_drawn = 0;
}

static void vsay(const char *fmt, va_list args)
{
	int err = errno;

	flush_stdout();
	end_bar();
	errno = err;
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
}

int bad_input(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
	return EXIT_BAD_INPUT;
}

int bad_system(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
	return EXIT_SYSTEM;
}

void *must_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p) {
		say("out of memory");
		exit(EXIT_SYSTEM);
	}
	return p;
}

char *must_strdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(must_calloc(size, 1), text, size);
}

void *must_realloc(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n, size);

	if (!p) {
		say("out of memory");
		exit(EXIT_SYSTEM);
	}
	return p;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

bool is_standard(const char *path)
{
	return path && !strcmp(path, "-");
}

bool parse_number(const char *what, const char *text, uint64_t min,
		  uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end && !errno &&
	    *value >= min && *value <= max)
		return true;
	say("%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"",
	    what, min, max, text);
	return false;
}

bool parse_netmask(const char *text, uint32_t *mask)
{
	if (inet_pton(AF_INET, text, mask) == 1) {
		*mask = ntohl(*mask);
		return true;
	}
	say("--netmask takes a mask such as 255.255.255.0, not \"%s\"", text);
	return false;
}
