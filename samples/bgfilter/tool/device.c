// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common.h"
#include "device.h"

/* The kernel reads the pool as struct sock_filter. */
_Static_assert(sizeof(struct bpf_insn) == 8, "size of an instruction");
_Static_assert(offsetof(struct bpf_insn, jt) == 2, "place of jt");
_Static_assert(offsetof(struct bpf_insn, jf) == 3, "place of jf");
_Static_assert(offsetof(struct bpf_insn, k) == 4, "place of k");

static const char *open_hint(int err)
{
	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return "; is the module bgfilter loaded?";
	case EACCES:
	case EPERM:
		return "; this needs root and CAP_NET_ADMIN";
	default:
		return "";
	}
}

int device_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int err = errno;

	if (fd < 0)
		say("cannot open %s: %s%s", path, strerror(err), open_hint(err));
	return fd;
}

/* A signal that does not end the program ends no call, either. */
static int device_ioctl(int fd, unsigned long cmd, unsigned long arg)
{
	while (ioctl(fd, cmd, arg) < 0)
		if (errno != EINTR || interrupted)
			return -errno;
	return 0;
}

int device_load(int fd, const struct set *set, uint32_t tiers,
		struct bgfilter_load *load)
{
	*load = (struct bgfilter_load){
		.progs = (uintptr_t)set->progs,
		.insns = (uintptr_t)set->insns,
		.nr_progs = set->nr_progs,
		.nr_insns = set->nr_insns,
		.tiers = tiers,
		.failed = ~0U,
	};

	return device_ioctl(fd, BGFILTER_LOAD, (uintptr_t)load);
}

int device_progress(int fd, struct bgfilter_progress *progress)
{
	return device_ioctl(fd, BGFILTER_GET_PROGRESS, (uintptr_t)progress);
}

int device_wait(int fd, uint32_t event)
{
	return device_ioctl(fd, BGFILTER_WAIT, event);
}

int device_run(int fd, struct bgfilter_run *run)
{
	return device_ioctl(fd, BGFILTER_RUN, (uintptr_t)run);
}

uint32_t units_outstanding(const struct bgfilter_progress *progress)
{
	uint32_t n = 0;

	for (int tier = 0; tier < NR_TIERS; tier++)
		n += progress->total[tier] - progress->done[tier] -
		     progress->failed[tier];
	return n;
}

const char *device_teardown(void)
{
	static char text[32];
	FILE *f = fopen("/sys/module/bgfilter/parameters/teardown", "r");

	if (!f || !fgets(text, sizeof(text), f))
		snprintf(text, sizeof(text), "unknown");
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return text;
}
