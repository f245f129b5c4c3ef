/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/bgfilter, as calls that return 0 or a negative errno: -EINTR once there was
 * a signal that ends the program, and not before.
 */
#ifndef BGFILTER_DEVICE_H
#define BGFILTER_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <pcap/bpf.h>

#include "bgfilter_uapi.h"

enum { BASELINE, TOP, NR_TIERS };	/* indices in struct bgfilter_progress */

/* A set of programs in one pool. */
struct set {
	struct bgfilter_prog *progs;
	struct bpf_insn *insns;
	uint32_t nr_progs;
	uint32_t nr_insns;
};

/* Opens @path.  Return: the file, or -1 after a message that has a hint. */
int device_open(const char *path);

/*
 * Loads @set for @tiers, a mask, 0 for both.  @load->failed is the index of the
 * refused program, or ~0; @load->insn and reason say why.
 */
int device_load(int fd, const struct set *set, uint32_t tiers,
		struct bgfilter_load *load);
int device_progress(int fd, struct bgfilter_progress *progress);
int device_wait(int fd, uint32_t event);
int device_run(int fd, struct bgfilter_run *run);

/* Units that neither are published nor have failed. */
uint32_t units_outstanding(const struct bgfilter_progress *progress);

/* What teardown= the module has: "token", "flush", or "unknown". */
const char *device_teardown(void);

#endif /* BGFILTER_DEVICE_H */
