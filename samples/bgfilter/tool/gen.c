// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "gen.h"

#define STMT(code, k)		((struct bpf_insn)BPF_STMT(code, k))
#define JUMP(code, k, jt, jf)	((struct bpf_insn)BPF_JUMP(code, k, jt, jf))

#define PROLOGUE	(2 * BPF_MEMWORDS)

/* xorshift32: the same programs for the same seed, everywhere. */
static uint32_t next(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

static uint32_t offset(uint32_t r)
{
	return r % (GEN_PACKET_LEN - 4);
}

static struct bpf_insn gen_jump(uint32_t r, uint32_t left)
{
	static const uint16_t ops[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	uint16_t code = BPF_JMP | ops[r % 4] | (r & 0x100 ? BPF_X : BPF_K);
	uint8_t jt = (r >> 9) % 4;
	uint8_t jf = (r >> 11) % 4;

	/* @left instructions follow, and the last of them is the return. */
	if (jt >= left)
		jt = 0;
	if (jf >= left)
		jf = 0;
	return JUMP(code, r >> 13, jt, jf);
}

static struct bpf_insn gen_insn(uint32_t *state, uint32_t left)
{
	uint32_t r = next(state);
	uint32_t k = next(state);

	switch (r >> 28) {
	case 0:
		return STMT(BPF_LD | BPF_W | BPF_ABS, offset(k));
	case 1:
		return STMT(BPF_LD | BPF_H | BPF_ABS, offset(k));
	case 2:
		return STMT(BPF_LD | BPF_B | BPF_ABS, offset(k));
	case 3:
		return STMT(BPF_LDX | BPF_MSH | BPF_B, offset(k));
	case 4:
		return STMT(BPF_LD | BPF_MEM, k % BPF_MEMWORDS);
	case 5:
		return STMT(BPF_LDX | BPF_MEM, k % BPF_MEMWORDS);
	case 6:
		return STMT(BPF_ST, k % BPF_MEMWORDS);
	case 7:
		return STMT(BPF_ALU | BPF_ADD | BPF_X, 0);
	case 8:
		return STMT(BPF_ALU | BPF_MUL | BPF_K, k);
	case 9:
		return STMT(BPF_ALU | BPF_XOR | BPF_K, k);
	case 10:
		return STMT(BPF_ALU | BPF_RSH | BPF_K, k % 32);
	case 11:
		return STMT(BPF_ALU | BPF_DIV | BPF_K, k | 1);
	case 12:
		return STMT(BPF_MISC | BPF_TAX, 0);
	case 13:
		return STMT(BPF_LD | BPF_W | BPF_LEN, 0);
	default:
		return gen_jump(k, left);
	}
}

void gen_program(struct bpf_insn *insns, uint32_t len, uint32_t seed)
{
	uint32_t state = seed * 2654435761U ^ 0x9e3779b9U;
	uint32_t i = 0;

	if (!state)
		state = 1;
	/* No path may read a word of scratch memory that it has not stored. */
	if (len > PROLOGUE)
		for (; i < PROLOGUE; i += 2) {
			insns[i] = STMT(BPF_LD | BPF_IMM, next(&state));
			insns[i + 1] = STMT(BPF_ST, i / 2);
		}
	for (; i < len - 1; i++) {
		insns[i] = gen_insn(&state, len - 1 - i);
		if (len <= PROLOGUE && BPF_MODE(insns[i].code) == BPF_MEM &&
		    BPF_CLASS(insns[i].code) <= BPF_LDX)
			insns[i] = STMT(BPF_LD | BPF_IMM, next(&state));
	}
	insns[len - 1] = seed & 1 ? STMT(BPF_RET | BPF_A, 0) :
				    STMT(BPF_RET | BPF_K, seed);
}

void gen_chain(struct bpf_insn *insns, uint32_t len, uint32_t seed)
{
	static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };
	uint32_t state = seed | 1;
	uint32_t i;

	for (i = 0; i + 2 < len; i += 2) {
		uint32_t r = next(&state);

		insns[i] = STMT(BPF_LD | sizes[r % 3] | BPF_ABS,
				offset(r >> 8));
		/* To the next test, as the chain is longer than a jump. */
		insns[i + 1] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, next(&state),
				    0, r >> 31 && i + 4 < len);
	}
	for (; i < len - 1; i++)
		insns[i] = STMT(BPF_LD | BPF_W | BPF_LEN, 0);
	insns[len - 1] = STMT(BPF_RET | BPF_K, 1);
}

void gen_packet(uint8_t packet[GEN_PACKET_LEN])
{
	static const uint8_t headers[] = {
		/* Ethernet: to, from, type */
		0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00,
		/* IPv4: 114 bytes, TCP, 192.0.2.1 to 192.0.2.2 */
		0x45, 0, 0, 114, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0,
		192, 0, 2, 1, 192, 0, 2, 2,
		/* TCP: 40000 to 80, ACK */
		0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 0xff, 0,
		0, 0, 0, 0,
	};

	for (int i = 0; i < GEN_PACKET_LEN; i++)
		packet[i] = i;
	memcpy(packet, headers, sizeof(headers));
}
