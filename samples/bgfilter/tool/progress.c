// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "device.h"
#include "progress.h"

#define TTY_INTERVAL	(100 * NSEC_PER_MSEC)
#define LINE_INTERVAL	(2 * NSEC_PER_SEC)
#define BAR_WIDTH	20

void meter_init(struct meter *meter, bool on)
{
	*meter = (struct meter){
		.on = on,
		.tty = isatty(STDERR_FILENO),
		.step = -1,
	};
}

static unsigned int percent(uint64_t done, uint64_t total)
{
	return total ? done * 100 / total : 100;
}

/* A bar is due by time; a line by tenth, or by time when it takes long. */
static bool due(const struct meter *meter, unsigned int percent)
{
	uint64_t since = now_ns() - meter->drawn_ns;

	if (!meter->on)
		return false;
	if (meter->tty)
		return !bar_drawn || since >= TTY_INTERVAL ||
		       (percent == 100 && meter->step != 10);
	return (int)(percent / 10) != meter->step ||
	       (percent < 100 && since >= LINE_INTERVAL);
}

static void say_line(struct meter *meter, const char *text,
		     unsigned int percent)
{
	if (meter->tty)
		fprintf(stderr, "\r%s\033[K", text);
	else
		fprintf(stderr, "%s\n", text);
	fflush(stderr);
	bar_drawn = meter->tty;
	meter->step = percent / 10;
	meter->drawn_ns = now_ns();
}

static void put_bar(FILE *out, const char *name, uint64_t done, uint64_t total)
{
	unsigned int full = percent(done, total) * BAR_WIDTH / 100;

	fprintf(out, "%s [", name);
	for (unsigned int i = 0; i < BAR_WIDTH; i++)
		fputc(i < full ? '#' : '.', out);
	fprintf(out, "] %" PRIu64 "/%" PRIu64, done, total);
}

static void show_compile(struct meter *meter,
			 const struct bgfilter_progress *p, uint64_t packets)
{
	uint64_t total = (uint64_t)p->total[BASELINE] + p->total[TOP];
	unsigned int done = percent(total - units_outstanding(p), total);
	char text[160] = "";
	FILE *out;

	if (!due(meter, done))
		return;
	out = fmemopen(text, sizeof(text) - 1, "w");
	if (!out)
		return;
	put_bar(out, "baseline", p->done[BASELINE] + p->failed[BASELINE],
		p->total[BASELINE]);
	fputs("  ", out);
	put_bar(out, "top", p->done[TOP] + p->failed[TOP], p->total[TOP]);
	if (packets)
		fprintf(out, "  packets %" PRIu64, packets);
	fclose(out);
	say_line(meter, text, done);
}

void meter_compile(struct meter *meter, int fd, uint64_t packets)
{
	struct bgfilter_progress progress;

	/* Do not ask the kernel more often than a bar could show. */
	if (!meter->on || now_ns() - meter->asked_ns < TTY_INTERVAL)
		return;
	meter->asked_ns = now_ns();
	if (!device_progress(fd, &progress))
		show_compile(meter, &progress, packets);
}

void meter_count(struct meter *meter, const char *what, uint64_t done,
		 uint64_t total)
{
	char text[160] = "";
	FILE *out;

	if (!due(meter, percent(done, total)))
		return;
	out = fmemopen(text, sizeof(text) - 1, "w");
	if (!out)
		return;
	put_bar(out, what, done, total);
	fclose(out);
	say_line(meter, text, percent(done, total));
}

static int wait_shown(struct meter *meter, int fd, uint32_t event)
{
	struct bgfilter_progress p;
	/* An event ends the poll; the time is for the bar. */
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		ret = device_progress(fd, &p);
		if (ret)
			return ret;
		show_compile(meter, &p, 0);
		if (p.events & event)
			return 0;
		if (p.events & BGFILTER_EVENT_FAILED)
			return p.error ? p.error : -EIO;
		if (interrupted)
			return -EINTR;
		ret = poll(&pfd, 1, TTY_INTERVAL / NSEC_PER_MSEC);
	} while (ret >= 0 || errno == EINTR);
	return -errno;
}

int meter_wait(struct meter *meter, int fd, uint32_t event)
{
	int ret;

	if (interrupted)
		return -EINTR;
	if (!meter->on)
		return device_wait(fd, event);
	ret = wait_shown(meter, fd, event);
	end_bar();
	return ret;
}
