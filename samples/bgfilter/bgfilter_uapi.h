/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/bgfilter: sets of classic BPF filters, compiled in the background.
 *
 * Each open file holds one set.  BGFILTER_LOAD replaces it: the programs are
 * checked before the call returns and compiled after it, first to a decoded
 * form for a small interpreter (the baseline tier), then to native code (the
 * top tier).  BGFILTER_RUN uses the best tier available at that moment.
 * Closing the file frees the set at once, whatever is still compiling.
 *
 * poll() reports POLLIN while there is an event that no BGFILTER_GET_PROGRESS has
 * reported yet, and POLLERR once the set has failed.
 */
#ifndef BGFILTER_UAPI_H
#define BGFILTER_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define BGFILTER_MAX_FILTERS	16384		/* programs in one set */
#define BGFILTER_MAX_PROG	4096		/* instructions in one program */
#define BGFILTER_MAX_INSNS	(16U << 20)	/* in one set, and in its pool */
#define BGFILTER_MAX_PACKET	262144		/* captured bytes of one packet */

/* Tiers.  A mask in struct bgfilter_load, one value in struct bgfilter_run. */
#define BGFILTER_TIER_BASELINE	(1U << 0)
#define BGFILTER_TIER_TOP	(1U << 1)

/* Events, as a mask.  TOP and FAILED are final: one of them comes, once. */
#define BGFILTER_EVENT_BASELINE	(1U << 0)
#define BGFILTER_EVENT_TOP	(1U << 1)
#define BGFILTER_EVENT_FAILED	(1U << 2)

/* What the programs of a set make use of, OR-ed as they are compiled. */
#define BGFILTER_FEATURE_LEN	(1U << 0)	/* the packet's length */
#define BGFILTER_FEATURE_IND	(1U << 1)	/* loads at an index */
#define BGFILTER_FEATURE_MSH	(1U << 2)	/* the IPv4 header length load */
#define BGFILTER_FEATURE_MEM	(1U << 3)	/* scratch memory */
#define BGFILTER_FEATURE_ALU	(1U << 4)	/* arithmetic */
#define BGFILTER_FEATURE_JMP_X	(1U << 5)	/* compares with X */

/* Why a program is refused. */
enum bgfilter_reason {
	BGFILTER_OK,
	BGFILTER_BAD_EMPTY,	/* no instruction */
	BGFILTER_BAD_LONG,	/* over BGFILTER_MAX_PROG instructions */
	BGFILTER_BAD_POOL,	/* not entirely within the pool */
	BGFILTER_BAD_TOTAL,	/* takes the set over BGFILTER_MAX_INSNS */
	BGFILTER_BAD_OPCODE,	/* not a classic BPF opcode */
	BGFILTER_BAD_OFFSET,	/* a load at 2^31 or more: Linux's ancillary data */
	BGFILTER_BAD_CELL,	/* there are BPF_MEMWORDS words of scratch memory */
	BGFILTER_BAD_UNWRITTEN,	/* reads a word not written on every path there */
	BGFILTER_BAD_DIVISOR,	/* by the constant 0 */
	BGFILTER_BAD_SHIFT,	/* by a constant of 32 or more */
	BGFILTER_BAD_JUMP,	/* past the end */
	BGFILTER_BAD_LOOP,	/* a jump backwards */
	BGFILTER_BAD_END,	/* the last instruction is not a return */
};

/* One program: a run of instructions in the set's pool.  Programs may share some. */
struct bgfilter_prog {
	__u32 first;		/* index of the first instruction in the pool */
	__u32 len;		/* instructions, 1 to BGFILTER_MAX_PROG */
};

/**
 * struct bgfilter_load - replace the set of this file
 * @progs:	address of @nr_progs struct bgfilter_prog
 * @insns:	address of @nr_insns struct sock_filter, the pool
 * @nr_progs:	1 to BGFILTER_MAX_FILTERS
 * @nr_insns:	1 to BGFILTER_MAX_INSNS
 * @tiers:	mask of the tiers to compile; 0 means both
 * @failed:	out, on EINVAL and E2BIG: index of the program that was refused,
 *		or ~0 if no single program was
 * @insn:	out: index of the instruction to blame, counted from its program's first
 * @reason:	out: enum bgfilter_reason, BGFILTER_OK if no single program was refused
 *
 * Sleeps while more than BGFILTER_MAX_FILTERS programs of earlier sets are still
 * to be freed.  On any error the previous set stays in use.  A very long program
 * may be too much for the kernel's own compiler: it runs in the baseline tier for
 * good, and counts as failed in the top tier.
 */
struct bgfilter_load {
	__u64 progs;
	__u64 insns;
	__u32 nr_progs;
	__u32 nr_insns;
	__u32 tiers;
	__u32 failed;
	__u32 insn;
	__u32 reason;
};

/* One verdict of BGFILTER_RUN, a byte.  No BGFILTER_RAN_* bit: no code yet. */
#define BGFILTER_MATCH		(1U << 0)
#define BGFILTER_RAN_BASELINE	(1U << 1)
#define BGFILTER_RAN_TOP	(1U << 2)

/**
 * struct bgfilter_run - run every program on one packet
 * @packet:	address of @cap_len bytes, from the link-layer header on
 * @verdicts:	address of @nr_verdicts bytes, one for each program, in order
 * @cap_len:	bytes captured, up to BGFILTER_MAX_PACKET
 * @wire_len:	bytes that were on the wire; a capture may claim any number
 * @nr_verdicts: the number of programs in the set, else EINVAL
 * @tier:	0 for the best available, or one BGFILTER_TIER_* to use no other
 *
 * Verdicts are those of libpcap's pcap_offline_filter(), in either tier: a load
 * outside the @cap_len bytes means no match, and "len" is @wire_len.
 */
struct bgfilter_run {
	__u64 packet;
	__u64 verdicts;
	__u32 cap_len;
	__u32 wire_len;
	__u32 nr_verdicts;
	__u32 tier;
};

/**
 * struct bgfilter_progress - where the set's compilation stands
 * @total:	units of each tier (0 baseline, 1 top) that were added
 * @done:	units of each tier that are published
 * @failed:	units of each tier that failed
 * @tasks:	tasks queued or running
 * @compiling:	units that tasks have taken: about to be compiled, being compiled, or
 *		being published
 * @events:	mask of the events so far
 * @error:	0, or the negative errno that the set failed with
 * @features:	mask of BGFILTER_FEATURE_*
 * @reserved:	0
 * @compile_ns:	time spent in compile steps, each tier, ns
 * @longest_ns:	the longest compile step so far, each tier, ns
 */
struct bgfilter_progress {
	__u32 total[2];
	__u32 done[2];
	__u32 failed[2];
	__u32 tasks;
	__u32 compiling;
	__u32 events;
	__s32 error;
	__u32 features;
	__u32 reserved;
	__u64 compile_ns[2];
	__u64 longest_ns[2];
};

#define BGFILTER_LOAD		_IOWR('F', 0xb0, struct bgfilter_load)
#define BGFILTER_RUN		_IOW('F', 0xb1, struct bgfilter_run)
#define BGFILTER_GET_PROGRESS	_IOR('F', 0xb2, struct bgfilter_progress)
/*
 * Sleeps until the event whose mask is the argument itself, EVENT_BASELINE or
 * EVENT_TOP, has come.  EINTR on a signal that is caught, ECANCELED if the set is
 * replaced meanwhile, the set's own error if it failed, ENODATA if nothing was
 * loaded, EINVAL for any other event.
 *
 * A stop and SIGCONT, a freeze, and a handler with SA_RESTART restart the wait, for
 * whatever set is there then.  The same goes for the other calls.
 */
#define BGFILTER_WAIT		_IO('F', 0xb3)

#endif /* BGFILTER_UAPI_H */
