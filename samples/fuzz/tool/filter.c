// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/bgfilter: loads of valid programs, some with a few bits flipped; runs; waits for an event.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bgfilter_uapi.h"
#include "bgfuzz.h"
#include "gen.h"

#define MOST_PROGS	16
#define MOST_INSNS	1000	/* longer ones take a slow machine seconds */
#define MOST_FILES	1024

enum { LOAD = FIRST_OF_DEVICE, RUN, PROGRESS, WAIT, BASELINE, TOP, END };

static const struct kind kinds[] = {
	{ "BGFILTER_LOAD", { EBADF, EFAULT, EINTR, EINVAL, E2BIG, ENOMEM, ENOTTY }, true },
	{ "BGFILTER_RUN", { EBADF, EFAULT, EINTR, EINVAL, EMSGSIZE, ENODATA, ENOMEM, ENOTTY },
	  true },
	{ "BGFILTER_GET_PROGRESS", { EBADF, EFAULT, EINTR, ENODATA, ENOTTY }, true },
	{ "BGFILTER_WAIT", { EBADF, ECANCELED, EINTR, EINVAL, ENODATA, ENOMEM, ENOTTY }, true },
	{ "runs of baseline code", { 0 }, true },
	{ "runs of native code", { 0 }, true },
};

static const unsigned long commands[] = {
	BGFILTER_LOAD, BGFILTER_RUN, BGFILTER_GET_PROGRESS, BGFILTER_WAIT,
};

/* What libpcap makes of "tcp". */
static const struct bpf_insn of_tcp[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x86dd, 0, 5),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 6, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x2c, 0, 6),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 3, 4),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 262144),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

#define LEN_OF_TCP	ARRAY_SIZE(of_tcp)

static uint32_t some_program(struct fuzzer *me, struct bpf_insn insns[MOST_INSNS])
{
	uint32_t least = 2 * BPF_MEMWORDS + 2;	/* of gen_program() */
	uint32_t len = least + below(me, one_in(me, 64) ? MOST_INSNS - least : 64);

	switch (below(me, 3)) {
	case 0:
		gen_program(insns, len, below(me, 1000));
		return len;
	case 1:
		gen_chain(insns, len, below(me, 1000));
		return len;
	default:
		memcpy(insns, of_tcp, sizeof(of_tcp));
		return LEN_OF_TCP;
	}
}

/* By number: how many programs a file was last given, for the next run. */
static _Atomic uint32_t loaded[MOST_FILES];

static void load_set(struct fuzzer *me, int fd)
{
	struct bpf_insn insns[MOST_INSNS];
	struct bgfilter_prog progs[MOST_PROGS];
	struct bgfilter_load arg = {
		.nr_progs = 1 + below(me, MOST_PROGS),
		.nr_insns = some_program(me, insns),
		.tiers = below(me, 4),
	};
	uint32_t i;

	for (i = 0; i < arg.nr_progs; i++)
		progs[i] = (struct bgfilter_prog){ 0, arg.nr_insns };
	arg.progs = (uintptr_t)memory_like(me, progs, arg.nr_progs * sizeof(*progs), 4);
	arg.insns = (uintptr_t)memory_like(me, insns, arg.nr_insns * sizeof(*insns), 2);
	if (!called(me, LOAD, ioctl(fd, BGFILTER_LOAD, memory_like(me, &arg, sizeof(arg), 8))))
		loaded[fd % MOST_FILES] = arg.nr_progs;
}

static void run_set(struct fuzzer *me, int fd)
{
	uint8_t packet[GEN_PACKET_LEN], none[MOST_PROGS] = { 0 };
	uint8_t *verdicts = memory_like(me, none, sizeof(none), 0);
	struct bgfilter_run arg = {
		.verdicts = (uintptr_t)verdicts,
		.cap_len = below(me, GEN_PACKET_LEN + 1),
		.wire_len = odd_number(me),
		.nr_verdicts = loaded[fd % MOST_FILES],
		.tier = below(me, 3),
	};

	gen_packet(packet);
	arg.packet = (uintptr_t)memory_like(me, packet, sizeof(packet), 2);
	if (called(me, RUN, ioctl(fd, BGFILTER_RUN, memory_like(me, &arg, sizeof(arg), 8)))) {
		if (errno == ENODATA)
			loaded[fd % MOST_FILES] = 0;	/* another file of that number */
		return;
	}
	if (!is_memory(verdicts, 1))
		return;
	if (*verdicts & BGFILTER_RAN_BASELINE)
		seen(BASELINE);
	if (*verdicts & BGFILTER_RAN_TOP)
		seen(TOP);
}

static void call(struct fuzzer *me, int fd)
{
	void *at = memory(me, sizeof(struct bgfilter_progress));
	unsigned long event = one_in(me, 8) ? odd_number(me) : 1 + below(me, 2);

	if (!loaded[fd % MOST_FILES] && !one_in(me, 8)) {
		load_set(me, fd);
		return;
	}
	switch (below(me, 8)) {
	case 0:
		called(me, WAIT, ioctl(fd, BGFILTER_WAIT, event));
		break;
	case 1:
		called(me, PROGRESS, ioctl(fd, BGFILTER_GET_PROGRESS, at));
		break;
	case 2:
	case 3:
		load_set(me, fd);
		break;
	default:
		run_set(me, fd);
	}
}

static bool works(const char *path)
{
	struct bpf_insn insns[LEN_OF_TCP];
	uint8_t packet[GEN_PACKET_LEN], verdict = 0;
	struct bgfilter_prog prog = { 0, LEN_OF_TCP };
	struct bgfilter_load load = {
		.progs = (uintptr_t)&prog, .insns = (uintptr_t)insns, .nr_progs = 1,
		.nr_insns = prog.len,
	};
	struct bgfilter_run run = {
		.packet = (uintptr_t)packet, .verdicts = (uintptr_t)&verdict,
		.cap_len = sizeof(packet), .wire_len = sizeof(packet), .nr_verdicts = 1,
	};
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool works;

	memcpy(insns, of_tcp, sizeof(insns));
	gen_packet(packet);
	works = fd >= 0 && !ioctl(fd, BGFILTER_LOAD, &load) &&
		!ioctl(fd, BGFILTER_WAIT, BGFILTER_EVENT_TOP) &&
		!ioctl(fd, BGFILTER_RUN, &run) &&
		verdict == (BGFILTER_MATCH | BGFILTER_RAN_TOP);
	close(fd);
	return works;
}

const struct device device_filter = {
	.name = "filter",
	.path = "/dev/bgfilter",
	.commands = commands,
	.nr_commands = ARRAY_SIZE(commands),
	.kinds = kinds,
	.nr_kinds = END - FIRST_OF_DEVICE,
	.wait = WAIT,
	.call = call,
	.works = works,
};
