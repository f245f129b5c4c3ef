// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/edu0: numbers, some with a few bits flipped in their digits; reads; both commands.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bgedu_uapi.h"
#include "bgfuzz.h"

enum { ASK = FIRST_OF_DEVICE, ANSWER, STATS, LIVENESS, GONE, END };

static const struct kind kinds[] = {
	{ "write() of a number", { EBADF, EBUSY, EFAULT, EINTR, EINVAL, ENODEV, ERANGE }, true },
	{ "read() of a result", { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, ENODEV, ETIMEDOUT }, true },
	{ "BGEDU_IOC_STATS", { EBADF, EFAULT, EINTR, ENODEV, ENOTTY }, true },
	{ "BGEDU_IOC_LIVENESS", { EBADF, EFAULT, EINTR, ENODEV, ENOTTY }, true },
	{ "calls to what is unplugged", { 0 }, true },
};

static const unsigned long commands[] = { BGEDU_IOC_STATS, BGEDU_IOC_LIVENESS };

/* As called(); a file that is open may outlive its device. */
static long called_edu(struct fuzzer *me, unsigned int kind, long got)
{
	if (got < 0 && errno == ENODEV)
		seen(GONE);
	return called(me, kind, got);
}

static void ask(struct fuzzer *me, int fd)
{
	char text[24];
	/* Few that take the device long: it computes one after the other. */
	uint32_t number = one_in(me, 512) ? odd_number(me) : below(me, 2000);
	uint32_t len = snprintf(text, sizeof(text), "%u\n", number);
	const char *at = memory_like(me, text, len, 4);

	if (one_in(me, 8))
		len = below(me, sizeof(text));
	called_edu(me, ASK, write(fd, at, len));
}

static void call(struct fuzzer *me, int fd)
{
	void *at = memory(me, 16);

	switch (below(me, 8)) {
	case 0:
		called_edu(me, STATS, ioctl(fd, BGEDU_IOC_STATS, at));
		break;
	case 1:
		called_edu(me, LIVENESS, ioctl(fd, BGEDU_IOC_LIVENESS, at));
		break;
	case 2:
	case 3:
	case 4:
		called_edu(me, ANSWER, read(fd, at, below(me, 16)));
		break;
	default:
		ask(me, fd);
	}
}

static bool works(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool works = fd >= 0 && write(fd, "10", 2) == 2 &&
		     read(fd, text, sizeof(text) - 1) > 0 && !strcmp(text, "3628800\n");

	close(fd);
	return works;
}

const struct device device_edu = {
	.name = "edu",
	.path = "/dev/edu0",
	.commands = commands,
	.nr_commands = ARRAY_SIZE(commands),
	.kinds = kinds,
	.nr_kinds = END - FIRST_OF_DEVICE,
	.wait = ANSWER,
	.call = call,
	.works = works,
};
