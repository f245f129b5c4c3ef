// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random programs on odd packets: do both tiers say what libpcap says?
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "badinput.h"

#define PROGRAM_LEN	16
#define PACKETS		60
#define PACKET_LEN	64
#define CELLS		(BPF_MEMWORDS - 1)	/* one is left for native code */
#define RAN		(BGFILTER_RAN_BASELINE | BGFILTER_RAN_TOP)

unsigned int nr_same_programs = MAX_SAME_PROGRAMS;

static uint64_t state;

/* xorshift64*: the high half. */
static uint32_t rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL >> 32;
}

static uint32_t below(uint32_t n)
{
	return rnd() % n;
}

/* Values at which something might change. */
static uint32_t value(void)
{
	static const uint32_t values[] = {
		0, 1, 2, 31, 32, 33, 63, 64, 255, 256, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffe, 0xffffffff,
	};

	return below(3) ? values[below(ARRAY_SIZE(values))] : rnd();
}

static uint32_t offset(void)
{
	return below(24) ? below(PACKET_LEN / 2) : value() & 0x7fffffff;
}

static uint16_t size(void)
{
	static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };

	return sizes[below(3)];
}

static struct bpf_insn branch(uint32_t left)
{
	static const uint16_t ops[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	uint32_t reach = left < 4 ? left : 4;

	if (!below(4))
		return (struct bpf_insn)STMT(BPF_JMP | BPF_JA, below(reach));
	return (struct bpf_insn)JUMP(BPF_JMP | ops[below(4)] |
				     (below(2) ? BPF_X : BPF_K), value(),
				     below(reach), below(reach));
}

static struct bpf_insn arithmetic(void)
{
	static const uint16_t ops[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR,
		BPF_XOR, BPF_LSH, BPF_RSH,
	};
	uint16_t op = ops[below(ARRAY_SIZE(ops))];
	uint32_t k = value();

	if (!below(16))
		return (struct bpf_insn)STMT(BPF_ALU | BPF_NEG, 0);
	if (op == BPF_LSH || op == BPF_RSH)
		k %= 32;
	return (struct bpf_insn)STMT(BPF_ALU | op | (below(2) ? BPF_X : BPF_K),
				     k ? k : 1);
}

/* @left instructions follow, the last of them a return. */
static struct bpf_insn instruction(uint32_t left)
{
	switch (below(16)) {
	case 0:
	case 1:
		return (struct bpf_insn)STMT(BPF_LD | size() | BPF_ABS, offset());
	case 2:
		return (struct bpf_insn)STMT(BPF_LD | size() | BPF_IND,
					     below(8) ? offset() : value());
	case 3:
	case 4:
		return (struct bpf_insn)STMT(BPF_LDX | BPF_B | BPF_MSH, offset());
	case 5:
		return (struct bpf_insn)STMT(BPF_LDX | BPF_IMM,
					     below(4) ? below(40) : value());
	case 6:
		return (struct bpf_insn)STMT((below(2) ? BPF_LD : BPF_LDX) |
					     BPF_W | BPF_LEN, 0);
	case 7:
		return (struct bpf_insn)STMT((below(2) ? BPF_LD : BPF_LDX) |
					     BPF_MEM, below(CELLS));
	case 8:
		return (struct bpf_insn)STMT(below(2) ? BPF_ST : BPF_STX,
					     below(CELLS));
	case 9:
		return (struct bpf_insn)STMT(BPF_MISC |
					     (below(2) ? BPF_TAX : BPF_TXA), 0);
	case 10:
		return (struct bpf_insn)STMT(BPF_LD | BPF_IMM, value());
	case 11:
		return branch(left);
	default:
		return arithmetic();
	}
}

/* All words of scratch memory are written first, and A's last bit is returned. */
static void program(struct bpf_insn *insns)
{
	uint32_t i = 0;

	for (uint32_t cell = 0; cell < CELLS; cell++) {
		insns[i++] = (struct bpf_insn)STMT(BPF_LD | BPF_IMM, value());
		insns[i++] = (struct bpf_insn)STMT(BPF_ST, cell);
	}
	insns[i++] = (struct bpf_insn)STMT(BPF_LDX | BPF_IMM, below(40));
	for (uint32_t left = PROGRAM_LEN; left > 0; left--)
		insns[i++] = instruction(left + 2);
	insns[i++] = (struct bpf_insn)STMT(BPF_ALU | BPF_AND | BPF_K, 1);
	insns[i++] = (struct bpf_insn)STMT(BPF_RET | BPF_A, 0);
	insns[i] = (struct bpf_insn)STMT(BPF_RET | BPF_K, 1);
}

#define LEN	(2 * CELLS + PROGRAM_LEN + 4)

static struct {
	struct bpf_insn insns[MAX_SAME_PROGRAMS * LEN];
	struct bgfilter_prog progs[MAX_SAME_PROGRAMS];
	uint8_t packet[PACKET_LEN];
	uint32_t cap_len, wire_len;
	uint8_t verdicts[MAX_SAME_PROGRAMS];
	uint32_t matches;
} same;

static void make_packet(void)
{
	same.cap_len = below(3) ? PACKET_LEN : below(PACKET_LEN + 1);
	same.wire_len = below(2) ? value() : same.cap_len + below(3);
	for (uint32_t i = 0; i < PACKET_LEN; i++)
		same.packet[i] = below(3) ? rnd() : below(4);
}

/* The packet in @tier, and every verdict against bpf_filter()'s. */
static bool same_verdicts(int fd, uint32_t tier, uint8_t ran)
{
	struct bgfilter_run arg = {
		.packet = (uintptr_t)same.packet,
		.verdicts = (uintptr_t)same.verdicts,
		.cap_len = same.cap_len,
		.wire_len = same.wire_len,
		.nr_verdicts = nr_same_programs,
		.tier = tier,
	};

	if (!expect("the run", run(fd, &arg), 0))
		return false;
	for (uint32_t i = 0; i < nr_same_programs; i++) {
		bool expected = bpf_filter(same.insns + same.progs[i].first,
					   same.packet, same.wire_len,
					   same.cap_len);

		if ((same.verdicts[i] & RAN) != ran)
			return fail("program %u has no code of that tier", i);
		if (!!(same.verdicts[i] & BGFILTER_MATCH) != expected)
			return fail("program %u, %u bytes of %u: libpcap says %d",
				    i, same.cap_len, same.wire_len, expected);
		same.matches += expected;
	}
	return true;
}

static bool same_for(int fd, uint32_t tier, uint8_t ran)
{
	struct bgfilter_load arg = {
		.progs = (uintptr_t)same.progs,
		.insns = (uintptr_t)same.insns,
		.nr_progs = nr_same_programs,
		.nr_insns = nr_same_programs * LEN,
		.tiers = BGFILTER_TIER_BASELINE | tier,
	};

	for (uint32_t i = 0; i < nr_same_programs; i++) {
		same.progs[i] = (struct bgfilter_prog){ i * LEN, LEN };
		program(same.insns + i * LEN);
	}
	if (load(fd, &arg))
		return fail("program %u, instruction %u is refused: reason %u",
			    arg.failed, arg.insn, arg.reason);
	if (!expect("the wait", wait_event(fd, tier), 0))
		return false;
	same.matches = 0;
	for (uint32_t i = 0; i < PACKETS; i++) {
		make_packet();
		if (!same_verdicts(fd, tier, ran))
			return false;
	}
	/* It would prove little if nearly all ended early, or said the same. */
	if (same.matches < nr_same_programs * PACKETS / 10 ||
	    same.matches > nr_same_programs * PACKETS / 2)
		return fail("%u of %u matched", same.matches,
			    nr_same_programs * PACKETS);
	return true;
}

/* The same programs each time, so that a failure is seen again. */
static bool same_in(uint32_t tier, uint8_t ran)
{
	int fd = open_device();
	bool ok;

	if (fd < 0)
		return expect("the open", fd, 0);
	state = 0x9e3779b97f4a7c15ULL;
	ok = same_for(fd, tier, ran);
	close(fd);
	return ok;
}

static bool same_baseline(void)
{
	return same_in(BGFILTER_TIER_BASELINE, BGFILTER_RAN_BASELINE);
}

static bool same_top(void)
{
	return same_in(BGFILTER_TIER_TOP, BGFILTER_RAN_TOP);
}

const struct test same_tests[] = {
	{ "baseline code says what bpf_filter() of libpcap says", same_baseline },
	{ "native code says what bpf_filter() of libpcap says", same_top },
};

const size_t nr_same_tests = ARRAY_SIZE(same_tests);
