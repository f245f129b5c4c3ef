// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads that must be refused: bad programs, and bad sets of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "badinput.h"

#define RET		STMT(BPF_RET | BPF_K, 1)
#define NEGATIVE(k)	((bpf_u_int32)(k))

/* Code of eBPF, of nobody, and of classic BPF where it makes no sense. */
#define CODE_CALL	0x85
#define CODE_NONE	0xffff
#define CODE_HIGH	(0x100 | BPF_RET | BPF_K)

/* A set of three: @bad at @place, and a plain return at the two others. */
struct set {
	struct bpf_insn insns[1 + BGFILTER_MAX_PROG + 1];
	struct bgfilter_prog progs[3];
	struct bgfilter_load load;
};

static struct set set;

static void make_set(const struct bpf_insn *bad, uint32_t len, uint32_t place)
{
	memset(&set, 0, sizeof(set));
	set.insns[0] = (struct bpf_insn)RET;
	memcpy(set.insns + 1, bad, len * sizeof(*bad));
	for (uint32_t i = 0; i < 3; i++)
		set.progs[i] = (struct bgfilter_prog){ 0, 1 };
	set.progs[place] = (struct bgfilter_prog){ 1, len };
	set.load = (struct bgfilter_load){
		.progs = (uintptr_t)set.progs,
		.insns = (uintptr_t)set.insns,
		.nr_progs = 3,
		.nr_insns = 1 + len,
		.failed = 12345,
		.insn = 12345,
		.reason = 12345,
	};
}

/* Whether set.load is refused with @error, and the good set is still in use. */
static bool refused(int error)
{
	return expect("the load", load(good_file(), &set.load), -error) &&
	       still_good(good_file());
}

/* The same, and for instruction @insn of program @failed, for @reason. */
static bool refused_at(int error, uint32_t failed, uint32_t insn,
		       enum bgfilter_reason reason)
{
	if (!refused(error))
		return false;
	if (set.load.failed != failed)
		return fail("failed is %u, wanted %u", set.load.failed, failed);
	if (set.load.insn != insn)
		return fail("insn is %u, wanted %u", set.load.insn, insn);
	if (set.load.reason != reason)
		return fail("reason is %u, wanted %u", set.load.reason, reason);
	return true;
}

static bool refused_for(int error, uint32_t failed, enum bgfilter_reason reason)
{
	return refused_at(error, failed, 0, reason);
}

#define BAD_PROGRAM(name, insn, reason, ...)				\
static bool name(void)							\
{									\
	static const struct bpf_insn bad[] = { __VA_ARGS__ };		\
									\
	make_set(bad, ARRAY_SIZE(bad), 1);				\
	return refused_at(EINVAL, 1, insn, BGFILTER_BAD_##reason);	\
}

BAD_PROGRAM(opcode_none, 0, OPCODE,
	    STMT(CODE_NONE, 0), RET)
BAD_PROGRAM(opcode_call, 0, OPCODE,
	    STMT(CODE_CALL, 0), RET)
BAD_PROGRAM(opcode_high, 0, OPCODE,
	    STMT(CODE_HIGH, 1))
BAD_PROGRAM(opcode_ldx, 0, OPCODE,
	    STMT(BPF_LDX | BPF_B | BPF_ABS, 0), RET)
BAD_PROGRAM(jt_past, 0, JUMP,
	    JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), RET)
BAD_PROGRAM(jf_past, 0, JUMP,
	    JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RET)
BAD_PROGRAM(jt_far, 0, JUMP,
	    JUMP(BPF_JMP | BPF_JSET | BPF_X, 0, 255, 0), RET)
BAD_PROGRAM(jf_far, 0, JUMP,
	    JUMP(BPF_JMP | BPF_JGE | BPF_K, 0, 0, 255), RET)
BAD_PROGRAM(ja_past, 0, JUMP,
	    STMT(BPF_JMP | BPF_JA, 1), RET)
BAD_PROGRAM(ja_far, 0, JUMP,
	    STMT(BPF_JMP | BPF_JA, 100000), RET)
BAD_PROGRAM(ja_self, 0, LOOP,
	    STMT(BPF_JMP | BPF_JA, NEGATIVE(-1)), RET)
BAD_PROGRAM(ja_back, 1, LOOP,
	    RET, STMT(BPF_JMP | BPF_JA, NEGATIVE(-2)), RET)
BAD_PROGRAM(ja_sign, 0, JUMP,
	    STMT(BPF_JMP | BPF_JA, 0x7fffffff), RET)
BAD_PROGRAM(no_return, 0, END,
	    STMT(BPF_LD | BPF_IMM, 1))
BAD_PROGRAM(return_first, 1, END,
	    RET, STMT(BPF_LD | BPF_IMM, 1))
BAD_PROGRAM(jump_last, 1, END,
	    RET, JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0))
BAD_PROGRAM(divide, 0, DIVISOR,
	    STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET)
BAD_PROGRAM(modulo, 0, DIVISOR,
	    STMT(BPF_ALU | BPF_MOD | BPF_K, 0), RET)
BAD_PROGRAM(shift_left, 0, SHIFT,
	    STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET)
BAD_PROGRAM(shift_right, 0, SHIFT,
	    STMT(BPF_ALU | BPF_RSH | BPF_K, NEGATIVE(-1)), RET)
BAD_PROGRAM(store_a, 0, CELL,
	    STMT(BPF_ST, BPF_MEMWORDS), RET)
BAD_PROGRAM(store_x, 0, CELL,
	    STMT(BPF_STX, BPF_MEMWORDS), RET)
BAD_PROGRAM(store_far, 0, CELL,
	    STMT(BPF_ST, NEGATIVE(-1)), RET)
BAD_PROGRAM(load_a, 0, CELL,
	    STMT(BPF_LD | BPF_MEM, BPF_MEMWORDS), RET)
BAD_PROGRAM(load_x, 0, CELL,
	    STMT(BPF_LDX | BPF_MEM, BPF_MEMWORDS), RET)
BAD_PROGRAM(not_stored, 0, UNWRITTEN,
	    STMT(BPF_LD | BPF_MEM, 3), RET)
BAD_PROGRAM(not_stored_on_a_path, 2, UNWRITTEN,
	    JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), STMT(BPF_ST, 3),
	    STMT(BPF_LD | BPF_MEM, 3), RET)
/* SKF_AD_OFF: the protocol, the VLAN tag; SKF_NET_OFF; SKF_LL_OFF */
BAD_PROGRAM(ancillary_protocol, 0, OFFSET,
	    STMT(BPF_LD | BPF_W | BPF_ABS, NEGATIVE(-0x1000)), RET)
BAD_PROGRAM(ancillary_vlan, 0, OFFSET,
	    STMT(BPF_LD | BPF_H | BPF_ABS, NEGATIVE(-0x1000 + 44)), RET)
BAD_PROGRAM(ancillary_net, 0, OFFSET,
	    STMT(BPF_LD | BPF_B | BPF_ABS, NEGATIVE(-0x100000)), RET)
BAD_PROGRAM(ancillary_link, 0, OFFSET,
	    STMT(BPF_LD | BPF_W | BPF_ABS, NEGATIVE(-0x200000)), RET)
BAD_PROGRAM(ancillary_header, 0, OFFSET,
	    STMT(BPF_LDX | BPF_MSH | BPF_B, NEGATIVE(-0x100000)), RET)

static const struct bpf_insn unknown[] = { STMT(CODE_NONE, 0), RET };

static bool failed_first(void)
{
	make_set(unknown, 2, 0);
	return refused_for(EINVAL, 0, BGFILTER_BAD_OPCODE);
}

static bool failed_middle(void)
{
	make_set(unknown, 2, 1);
	return refused_for(EINVAL, 1, BGFILTER_BAD_OPCODE);
}

static bool failed_last(void)
{
	make_set(unknown, 2, 2);
	return refused_for(EINVAL, 2, BGFILTER_BAD_OPCODE);
}

static bool length_0(void)
{
	make_set(unknown, 2, 1);
	set.progs[1].len = 0;
	return refused_for(EINVAL, 1, BGFILTER_BAD_EMPTY);
}

static bool length_4097(void)
{
	static struct bpf_insn many[BGFILTER_MAX_PROG + 1];

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct bpf_insn)RET;
	make_set(many, ARRAY_SIZE(many), 2);
	return refused_for(E2BIG, 2, BGFILTER_BAD_LONG);
}

static const struct bpf_insn just_return[] = { RET };

static void make_good(void)
{
	make_set(just_return, 1, 1);
}

static bool no_programs(void)
{
	make_good();
	set.load.nr_progs = 0;
	return refused_for(EINVAL, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool many_programs(void)
{
	static struct bgfilter_prog progs[BGFILTER_MAX_FILTERS + 1];

	for (size_t i = 0; i < ARRAY_SIZE(progs); i++)
		progs[i].len = 1;
	make_good();
	set.load.progs = (uintptr_t)progs;
	set.load.nr_progs = ARRAY_SIZE(progs);
	return refused_for(E2BIG, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool most_programs(void)
{
	make_good();
	set.load.nr_progs = NEGATIVE(-1);
	return refused_for(E2BIG, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool no_insns(void)
{
	make_good();
	set.load.nr_insns = 0;
	return refused_for(EINVAL, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool many_insns(void)
{
	make_good();
	set.load.nr_insns = BGFILTER_MAX_INSNS + 1;
	return refused_for(E2BIG, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool most_insns(void)
{
	make_good();
	set.load.nr_insns = NEGATIVE(-1);
	return refused_for(E2BIG, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool past_the_pool(void)
{
	make_good();
	set.progs[1] = (struct bgfilter_prog){ 1, 2 };
	return refused_for(EINVAL, 1, BGFILTER_BAD_POOL);
}

static bool beyond_the_pool(void)
{
	make_good();
	set.progs[1] = (struct bgfilter_prog){ 2, 1 };
	return refused_for(EINVAL, 1, BGFILTER_BAD_POOL);
}

static bool overflow(void)
{
	make_good();
	set.progs[1] = (struct bgfilter_prog){ NEGATIVE(-1), 2 };
	return refused_for(EINVAL, 1, BGFILTER_BAD_POOL);
}

static bool overflow_to_0(void)
{
	make_good();
	set.progs[2] = (struct bgfilter_prog){ NEGATIVE(-1), 1 };
	return refused_for(EINVAL, 2, BGFILTER_BAD_POOL);
}

static bool tiers_unknown(void)
{
	make_good();
	set.load.tiers = BGFILTER_TIER_TOP << 1;
	return refused_for(EINVAL, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool tiers_partly_unknown(void)
{
	make_good();
	set.load.tiers = BGFILTER_TIER_BASELINE | 1U << 31;
	return refused_for(EINVAL, NOT_ONE_PROGRAM, BGFILTER_OK);
}

static bool pool_at_0(void)
{
	make_good();
	set.load.insns = 0;
	return refused(EFAULT);
}

static bool pool_in_the_kernel(void)
{
	make_good();
	set.load.insns = -4096ULL;
	return refused(EFAULT);
}

static bool progs_at_0(void)
{
	make_good();
	set.load.progs = 0;
	return refused(EFAULT);
}

/* Two pages, of which the second goes.  Return: its start, or NULL. */
static char *end_of_memory(size_t *page)
{
	char *start;

	*page = sysconf(_SC_PAGESIZE);
	start = mmap(NULL, 2 * *page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (start == MAP_FAILED)
		return NULL;
	munmap(start + *page, *page);
	return start + *page;
}

static bool pool_truncated(void)
{
	size_t page;
	char *end = end_of_memory(&page);
	struct bpf_insn *insns;
	bool ok;

	if (!end)
		return fail("no memory");
	insns = (struct bpf_insn *)end - 2;
	insns[0] = (struct bpf_insn)RET;
	insns[1] = (struct bpf_insn)RET;
	make_good();
	set.load.insns = (uintptr_t)insns;
	set.load.nr_insns = 3;
	ok = refused(EFAULT);
	munmap(end - page, page);
	return ok;
}

static bool progs_truncated(void)
{
	size_t page;
	char *end = end_of_memory(&page);
	struct bgfilter_prog *progs;
	bool ok;

	if (!end)
		return fail("no memory");
	progs = (struct bgfilter_prog *)end - 2;
	progs[0] = (struct bgfilter_prog){ 0, 1 };
	progs[1] = (struct bgfilter_prog){ 0, 1 };
	make_good();
	set.load.progs = (uintptr_t)progs;
	ok = refused(EFAULT);
	munmap(end - page, page);
	return ok;
}

static bool load_at_0(void)
{
	return expect("the load", load(good_file(), NULL), -EFAULT) &&
	       still_good(good_file());
}

static bool refused_keeps_count(void)
{
	int before = count_sets();

	make_set(unknown, 2, 1);
	return refused_for(EINVAL, 1, BGFILTER_BAD_OPCODE) && sets_become(before);
}

/* A number in a file of the kernel's; -1 if it cannot be read or written. */
static int write_number(const char *path, int n)
{
	FILE *f = fopen(path, "w");
	bool ok;

	if (!f)
		return -1;
	ok = fprintf(f, "%d", n) > 0;
	return fclose(f) || !ok ? -1 : 0;
}

static int read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	int n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MOST_SITES	1000	/* allocations in one load, at the very most */

/*
 * Each allocation of a load fails in turn, until a load has no more of them.
 * Writing to fail-nth is what arms it, so nothing may come between.
 */
static bool no_memory(void)
{
	int failures = 0;

	if (write_number(FAILSLAB "ignore-gfp-wait", 0) ||
	    write_number(FAILSLAB "verbose", 0) || read_number(FAIL_NTH) < 0)
		return skip("the kernel has no failslab");
	for (int nth = 1; nth < MOST_SITES; nth++) {
		int fd = good_file();
		int arm = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
		int ret, left;
		char text[16];

		snprintf(text, sizeof(text), "%d", nth);
		if (arm < 0 || write(arm, text, strlen(text)) < 0) {
			if (arm >= 0)
				close(arm);
			return fail("%s: %s", FAIL_NTH, strerror(errno));
		}
		ret = load_good(fd);
		left = pread(arm, text, 1, 0) == 1 ? text[0] != '0' : -1;
		if (pwrite(arm, "0", 1, 0) != 1)
			left = -1;
		close(arm);
		if (left < 0)
			return fail("%s: %s", FAIL_NTH, strerror(errno));
		if (ret && ret != -ENOMEM)
			return expect("a load without memory", ret, -ENOMEM);
		if (!still_good(fd))
			return false;
		failures += ret == -ENOMEM;
		if (left)	/* it was not reached: that was all */
			return failures >= 5 ||
			       fail("only %d loads were refused", failures);
	}
	return fail("a load has more than %d allocations", MOST_SITES);
}

const struct test load_tests[] = {
	{ "a program with an unknown opcode is refused", opcode_none },
	{ "a program with an opcode of eBPF is refused", opcode_call },
	{ "an opcode of more than eight bits is refused", opcode_high },
	{ "an absolute load to X is refused", opcode_ldx },
	{ "a true branch just past the end is refused", jt_past },
	{ "a false branch just past the end is refused", jf_past },
	{ "a true branch far past the end is refused", jt_far },
	{ "a false branch far past the end is refused", jf_far },
	{ "a jump just past the end is refused", ja_past },
	{ "a jump far past the end is refused", ja_far },
	{ "a jump that wraps to itself is refused", ja_self },
	{ "a jump that wraps to the start is refused", ja_back },
	{ "a jump by the largest signed number is refused", ja_sign },
	{ "a program without a return is refused", no_return },
	{ "a program with a return only at the start is refused", return_first },
	{ "a program that ends in a branch is refused", jump_last },
	{ "a division by the constant zero is refused", divide },
	{ "a remainder by the constant zero is refused", modulo },
	{ "a left shift by 32 is refused", shift_left },
	{ "a right shift by more is refused", shift_right },
	{ "a store of A to scratch word 16 is refused", store_a },
	{ "a store of X to scratch word 16 is refused", store_x },
	{ "a store to scratch word 4294967295 is refused", store_far },
	{ "a load of A from scratch word 16 is refused", load_a },
	{ "a load of X from scratch word 16 is refused", load_x },
	{ "a load of a scratch word never stored is refused", not_stored },
	{ "a load of a scratch word not stored on one path is refused", not_stored_on_a_path },
	{ "an ancillary load of the protocol is refused", ancillary_protocol },
	{ "an ancillary load of the VLAN tag is refused", ancillary_vlan },
	{ "a load relative to the network header is refused", ancillary_net },
	{ "a load relative to the link header is refused", ancillary_link },
	{ "a header length load at a negative offset is refused", ancillary_header },
	{ "failed is 0 if the first program is bad", failed_first },
	{ "failed is the index of a bad program in the middle", failed_middle },
	{ "failed is the index of a bad program at the end", failed_last },
	{ "a program of 0 instructions is refused", length_0 },
	{ "a program of 4097 instructions is too big", length_4097 },
	{ "a set of 0 programs is refused", no_programs },
	{ "a set of 16385 programs is too big", many_programs },
	{ "a set of 4294967295 programs is too big", most_programs },
	{ "a pool of 0 instructions is refused", no_insns },
	{ "a pool of one instruction too many is too big", many_insns },
	{ "a pool of 4294967295 instructions is too big", most_insns },
	{ "a program that ends past the pool is refused", past_the_pool },
	{ "a program that starts past the pool is refused", beyond_the_pool },
	{ "a first and length that overflow are refused", overflow },
	{ "a first and length that overflow to 0 are refused", overflow_to_0 },
	{ "an unknown tier is refused", tiers_unknown },
	{ "an unknown tier beside a known one is refused", tiers_partly_unknown },
	{ "a pool at address 0 is a fault", pool_at_0 },
	{ "a pool at a kernel address is a fault", pool_in_the_kernel },
	{ "programs at address 0 are a fault", progs_at_0 },
	{ "a pool that runs into unmapped memory is a fault", pool_truncated },
	{ "programs that run into unmapped memory are a fault", progs_truncated },
	{ "a load structure at address 0 is a fault", load_at_0 },
	{ "a load that any allocation fails in leaves the set as it was", no_memory },
	{ "a refused load leaves the number of sets as it was", refused_keeps_count },
};

const size_t nr_load_tests = ARRAY_SIZE(load_tests);
