/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of bad input share.  A test returns whether its sentence is
 * true; if it is not, it has said why with fail().
 */
#ifndef BGFILTER_BADINPUT_H
#define BGFILTER_BADINPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <pcap/bpf.h>

#include "bgfilter_uapi.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define STMT(code, k)		BPF_STMT(code, k)
#define JUMP(code, k, jt, jf)	BPF_JUMP(code, k, jt, jf)

#define NOT_ONE_PROGRAM	(~0U)
/*
 * For what must come, however slow the machine: it ends what has failed, and no test waits
 * for it.  As long as the machine's own patience (VM_PATIENCE, see tools/lib/lib.sh), after
 * which it would be taken to hang.
 */
unsigned int deadline_ms(void);

struct test {
	const char *sentence;
	bool (*run)(void);
};

extern const struct test load_tests[];
extern const size_t nr_load_tests;
extern const struct test file_tests[];
extern const size_t nr_file_tests;
extern const struct test same_tests[];
extern const size_t nr_same_tests;
extern const struct test life_tests[];
extern const size_t nr_life_tests;

/* Keeps the reason for the "not ok" line, if it is the first.  Return: false. */
bool fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* For what this kernel cannot test: the "ok" line says so.  Return: true. */
bool skip(const char *why);
/* Whether @ret, 0 or a negative errno, is @want; fail() names @what if not. */
bool expect(const char *what, int ret, int want);

uint64_t now_ms(void);

/* The device.  open_device() is -errno or a file; the rest 0 or -errno. */
int open_device(void);
int load(int fd, const struct bgfilter_load *load);
int get_progress(int fd, struct bgfilter_progress *progress);
int wait_event(int fd, unsigned long event);
int run(int fd, struct bgfilter_run *run);
/* Whether poll() reports POLLIN within @timeout_ms. */
bool poll_in(int fd, int timeout_ms);

/*
 * The good set: four short programs, and what they must say of the packet.
 * good_file() has it loaded and compiled before the first test.
 */
#define NR_GOOD		4

int good_file(void);
int load_good(int fd);
/* Whether @fd runs the good set, with the verdicts it must give. */
bool still_good(int fd);
/* A run of the good set on its packet, for tests that spoil one field. */
struct bgfilter_run good_run(uint8_t verdicts[NR_GOOD]);

/* @n filters of BGFILTER_MAX_PROG instructions: a set that takes a while. */
#define NR_LONG		1000

int load_long(int fd, uint32_t n, uint32_t tiers);

/* How many random programs are compared with libpcap. */
#define MAX_SAME_PROGRAMS	1000

extern unsigned int nr_same_programs;

/* What the module's parameter "sets" says, or -1. */
int count_sets(void);
/* Whether it gets to @want within 5 seconds. */
bool sets_become(int want);

#endif /* BGFILTER_BADINPUT_H */
