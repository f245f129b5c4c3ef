// SPDX-License-Identifier: GPL-2.0-only
/*
 * One classic BPF program: checked, decoded, interpreted.
 *
 * Classic BPF is accepted, minus the Linux extensions: loads at negative offsets,
 * which mean ancillary data or an offset from another header.  Results are those
 * of libpcap's bpf_filter() on the same packet.  native.c ensures that the top
 * tier gives the same results.
 */
#include <linux/filter.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "bgfilter.h"
#include "compat.h"

/*
 * Decoded operations: first those that filters mostly consist of, then the others.
 * bgfilter_interpret() relies on the order of the first three lines.
 */
enum {
	OP_LD_W, OP_LD_H, OP_LD_B,		/* A = packet[k] */
	OP_JEQ_K, OP_AND_K,
	OP_JGT_K, OP_JGE_K, OP_JSET_K, OP_RET_K,
	OP_LDI_W, OP_LDI_H, OP_LDI_B,		/* A = packet[X + k] */
	OP_LD_LEN, OP_LD_IMM, OP_LD_MEM,
	OP_LDX_LEN, OP_LDX_IMM, OP_LDX_MEM,
	OP_LDX_MSH,				/* X = 4 * (packet[k] & 15) */
	OP_ST, OP_STX, OP_TAX, OP_TXA,
	OP_ADD_K, OP_SUB_K, OP_MUL_K, OP_DIV_K, OP_MOD_K,
	OP_OR_K, OP_XOR_K, OP_LSH_K, OP_RSH_K,
	OP_ADD_X, OP_SUB_X, OP_MUL_X, OP_DIV_X, OP_MOD_X,
	OP_AND_X, OP_OR_X, OP_XOR_X, OP_LSH_X, OP_RSH_X,
	OP_NEG,
	OP_JA, OP_JEQ_X, OP_JGT_X, OP_JGE_X, OP_JSET_X,
	OP_RET_A,
};

/* What the operand k of an instruction is, and so how it is checked. */
enum operand { ANY, OFFSET, INDEX, CELL, DIVISOR, SHIFT, JUMP, BRANCH };

struct opcode {
	u8 known;
	u8 op;
	u8 operand;
	u8 features;
};

#define OPCODE(_code, _op, _operand, _features)				\
	[_code] = { .known = 1, .op = _op, .operand = _operand,		\
		    .features = _features }
#define ALU(_name, _operand)						\
	OPCODE(BPF_ALU | BPF_##_name | BPF_K, OP_##_name##_K, _operand,	\
	       BGFILTER_FEATURE_ALU),					\
	OPCODE(BPF_ALU | BPF_##_name | BPF_X, OP_##_name##_X, ANY,	\
	       BGFILTER_FEATURE_ALU)
#define JMP(_name)							\
	OPCODE(BPF_JMP | BPF_##_name | BPF_K, OP_##_name##_K, BRANCH, 0), \
	OPCODE(BPF_JMP | BPF_##_name | BPF_X, OP_##_name##_X, BRANCH,	\
	       BGFILTER_FEATURE_JMP_X)

static const struct opcode opcodes[] = {
	OPCODE(BPF_LD | BPF_W | BPF_ABS, OP_LD_W, OFFSET, 0),
	OPCODE(BPF_LD | BPF_H | BPF_ABS, OP_LD_H, OFFSET, 0),
	OPCODE(BPF_LD | BPF_B | BPF_ABS, OP_LD_B, OFFSET, 0),
	OPCODE(BPF_LD | BPF_W | BPF_IND, OP_LDI_W, INDEX, BGFILTER_FEATURE_IND),
	OPCODE(BPF_LD | BPF_H | BPF_IND, OP_LDI_H, INDEX, BGFILTER_FEATURE_IND),
	OPCODE(BPF_LD | BPF_B | BPF_IND, OP_LDI_B, INDEX, BGFILTER_FEATURE_IND),
	OPCODE(BPF_LD | BPF_W | BPF_LEN, OP_LD_LEN, ANY, BGFILTER_FEATURE_LEN),
	OPCODE(BPF_LD | BPF_IMM, OP_LD_IMM, ANY, 0),
	OPCODE(BPF_LD | BPF_MEM, OP_LD_MEM, CELL, BGFILTER_FEATURE_MEM),
	OPCODE(BPF_LDX | BPF_W | BPF_LEN, OP_LDX_LEN, ANY, BGFILTER_FEATURE_LEN),
	OPCODE(BPF_LDX | BPF_IMM, OP_LDX_IMM, ANY, 0),
	OPCODE(BPF_LDX | BPF_MEM, OP_LDX_MEM, CELL, BGFILTER_FEATURE_MEM),
	OPCODE(BPF_LDX | BPF_B | BPF_MSH, OP_LDX_MSH, OFFSET,
	       BGFILTER_FEATURE_MSH),
	OPCODE(BPF_ST, OP_ST, CELL, BGFILTER_FEATURE_MEM),
	OPCODE(BPF_STX, OP_STX, CELL, BGFILTER_FEATURE_MEM),
	OPCODE(BPF_MISC | BPF_TAX, OP_TAX, ANY, 0),
	OPCODE(BPF_MISC | BPF_TXA, OP_TXA, ANY, 0),
	ALU(ADD, ANY), ALU(SUB, ANY), ALU(MUL, ANY),
	ALU(DIV, DIVISOR), ALU(MOD, DIVISOR),
	ALU(AND, ANY), ALU(OR, ANY), ALU(XOR, ANY),
	ALU(LSH, SHIFT), ALU(RSH, SHIFT),
	OPCODE(BPF_ALU | BPF_NEG, OP_NEG, ANY, BGFILTER_FEATURE_ALU),
	OPCODE(BPF_JMP | BPF_JA, OP_JA, JUMP, 0),
	JMP(JEQ), JMP(JGT), JMP(JGE), JMP(JSET),
	OPCODE(BPF_RET | BPF_K, OP_RET_K, ANY, 0),
	OPCODE(BPF_RET | BPF_A, OP_RET_A, ANY, 0),
};

static const struct opcode *opcode_of(const struct sock_filter *insn)
{
	if (insn->code >= ARRAY_SIZE(opcodes) || !opcodes[insn->code].known)
		return NULL;
	return &opcodes[insn->code];
}

/* What is wrong with the operand alone; @left instructions follow. */
static enum bgfilter_reason operand_check(const struct sock_filter *insn,
					  enum operand operand, u32 left)
{
	switch (operand) {
	case OFFSET:
		return insn->k <= INT_MAX ? BGFILTER_OK : BGFILTER_BAD_OFFSET;
	case CELL:
		return insn->k < BPF_MEMWORDS ? BGFILTER_OK : BGFILTER_BAD_CELL;
	case DIVISOR:
		return insn->k ? BGFILTER_OK : BGFILTER_BAD_DIVISOR;
	case SHIFT:
		return insn->k < 32 ? BGFILTER_OK : BGFILTER_BAD_SHIFT;
	case JUMP:
		if (insn->k > INT_MAX)
			return BGFILTER_BAD_LOOP;
		return insn->k < left ? BGFILTER_OK : BGFILTER_BAD_JUMP;
	case BRANCH:
		return insn->jt < left && insn->jf < left ?
			BGFILTER_OK : BGFILTER_BAD_JUMP;
	case INDEX:
	case ANY:
		return BGFILTER_OK;
	}
	return BGFILTER_BAD_OPCODE;
}

/**
 * bgfilter_check() - may this program be loaded?
 * @insns:	its instructions
 * @len:	how many
 * @scratch:	BGFILTER_CHECK_SCRATCH bytes, to work in
 * @at:		set to the index of the instruction that is to blame
 *
 * It may if every opcode is known, every operand is in range, every path ends at a
 * return, and no scratch memory cell is read that was not written on every path there.
 * @scratch[i] has a bit for each cell that has been written whenever i is reached;
 * jumps only go forward, so one pass will do.
 *
 * Return: BGFILTER_OK, or why not.
 */
enum bgfilter_reason bgfilter_check(const struct sock_filter *insns, u32 len,
				    u16 *scratch, u32 *at)
{
	const struct opcode *opcode;
	enum bgfilter_reason bad;
	u16 written = 0;
	u32 pc, left;

	*at = 0;
	if (!len)
		return BGFILTER_BAD_EMPTY;
	if (len > BGFILTER_MAX_PROG)
		return BGFILTER_BAD_LONG;
	memset(scratch, 0xff, len * sizeof(*scratch));

	for (pc = 0; pc < len; pc++) {
		const struct sock_filter *insn = &insns[pc];

		*at = pc;
		opcode = opcode_of(insn);
		if (!opcode)
			return BGFILTER_BAD_OPCODE;
		left = len - pc - 1;
		/* The last one has to be a return: a jump has nowhere to go from there. */
		if (!left && BPF_CLASS(insn->code) != BPF_RET)
			return BGFILTER_BAD_END;
		bad = operand_check(insn, opcode->operand, left);
		if (bad)
			return bad;

		written &= scratch[pc];
		switch (opcode->operand) {
		case CELL:
			if (opcode->op == OP_ST || opcode->op == OP_STX)
				written |= BIT(insn->k);
			else if (!(written & BIT(insn->k)))
				return BGFILTER_BAD_UNWRITTEN;
			break;
		case JUMP:
			scratch[pc + 1 + insn->k] &= written;
			written = ~0;	/* what follows is reached by jumps only */
			break;
		case BRANCH:
			scratch[pc + 1 + insn->jt] &= written;
			scratch[pc + 1 + insn->jf] &= written;
			written = ~0;
			break;
		}
	}
	return BGFILTER_OK;
}

/* Where operation @index is, in bytes. */
static u16 place_of(u32 index)
{
	static_assert(BGFILTER_MAX_PROG * sizeof(struct bgfilter_op) <= U16_MAX);

	return index * sizeof(struct bgfilter_op);
}

/* @next is the index of the instruction after @insn. */
static void decode_one(struct bgfilter_op *op, const struct opcode *opcode,
		       const struct sock_filter *insn, u32 next)
{
	static_assert(BGFILTER_MAX_PACKET < U32_MAX);

	op->op = opcode->op;
	op->k = insn->k;
	switch (opcode->operand) {
	case OFFSET:
	case INDEX:
		/* Anything above U32_MAX is outside of any packet, and so is U32_MAX itself. */
		op->end = min_t(u64, U32_MAX, (u64)insn->k +
				bpf_size_to_bytes(BPF_SIZE(insn->code)));
		break;
	case JUMP:
		op->jt = place_of(next + insn->k);
		break;
	case BRANCH:
		op->jt = place_of(next + insn->jt);
		op->jf = place_of(next + insn->jf);
		break;
	default:
		break;
	}
}

/**
 * bgfilter_decode() - the baseline tier
 * @insns:	a program that bgfilter_check() has passed
 * @len:	how many instructions
 *
 * Return: The code, for kvfree(), or ERR_PTR(-ENOMEM); ERR_PTR(-EINVAL) for an
 * opcode that a check would have refused.
 */
struct bgfilter_code *bgfilter_decode(const struct sock_filter *insns, u32 len)
{
	struct bgfilter_code *code;
	u32 pc;

	code = kvmalloc(struct_size(code, ops, len), GFP_KERNEL);
	if (!code)
		return ERR_PTR(-ENOMEM);
	code->len = len;
	code->features = 0;
	for (pc = 0; pc < len; pc++) {
		const struct opcode *opcode = opcode_of(&insns[pc]);

		if (!opcode) {
			kvfree(code);
			return ERR_PTR(-EINVAL);
		}
		decode_one(&code->ops[pc], opcode, &insns[pc], pc + 1);
		code->features |= opcode->features;
	}
	return code;
}

/* An operation by its place. */
static inline const struct bgfilter_op *op_at(const struct bgfilter_code *code,
					      u16 at)
{
	return (const void *)code->ops + at;
}

#define BRANCH_IF(cond)	(next = op_at(code, (cond) ? op->jt : op->jf))

/**
 * bgfilter_interpret() - run decoded code on a packet
 * @code:	the code
 * @data:	@cap_len bytes of the packet, from the link-layer header on
 * @cap_len:	bytes captured, up to BGFILTER_MAX_PACKET
 * @wire_len:	bytes that were on the wire, according to the capture: any number
 *
 * Return: What the program returns: 0 for no match.  A load outside of what was
 * captured, an index that wraps around 2^32, and a division by zero end it with
 * 0.  A shift by 32 or more gives 0.
 *
 * Where the kernel is built with retpolines, a switch is a tree of comparisons, six
 * deep for this many operations; so those that filters mostly consist of come before
 * it.  Four out of five are a load at an offset or a comparison with a constant.
 */
u32 bgfilter_interpret(const struct bgfilter_code *code, const u8 *data,
		       u32 cap_len, u32 wire_len)
{
	u32 mem[BPF_MEMWORDS];
	const struct bgfilter_op *op = code->ops, *next;
	u32 a = 0, x = 0;

	static_assert(OP_LD_B == 2 && OP_RET_K == 8);
	for (;; op = next) {
		u32 k = op->k;

		next = op + 1;
		if (op->op == OP_JEQ_K) {
			BRANCH_IF(a == k);
			continue;
		}
		if (op->op <= OP_LD_B) {
			if (op->end > cap_len)
				return 0;
			if (op->op == OP_LD_W)
				a = get_unaligned_be32(data + k);
			else if (op->op == OP_LD_H)
				a = get_unaligned_be16(data + k);
			else
				a = data[k];
			continue;
		}
		if (op->op == OP_AND_K) {
			a &= k;
			continue;
		}
		if (op->op <= OP_RET_K) {
			if (op->op == OP_RET_K)
				return k;
			if (op->op == OP_JSET_K)
				BRANCH_IF(a & k);
			else if (op->op == OP_JGE_K)
				BRANCH_IF(a >= k);
			else
				BRANCH_IF(a > k);
			continue;
		}

		switch (op->op) {
		case OP_LDI_W:
			if ((u64)x + op->end > cap_len)
				return 0;
			a = get_unaligned_be32(data + x + k);
			break;
		case OP_LDI_H:
			if ((u64)x + op->end > cap_len)
				return 0;
			a = get_unaligned_be16(data + x + k);
			break;
		case OP_LDI_B:
			if ((u64)x + op->end > cap_len)
				return 0;
			a = data[x + k];
			break;
		case OP_LDX_MSH:
			if (op->end > cap_len)
				return 0;
			x = (data[k] & 0xf) << 2;
			break;
		case OP_LD_LEN:
			a = wire_len;
			break;
		case OP_LD_IMM:
			a = k;
			break;
		case OP_LD_MEM:
			a = mem[k];
			break;
		case OP_LDX_LEN:
			x = wire_len;
			break;
		case OP_LDX_IMM:
			x = k;
			break;
		case OP_LDX_MEM:
			x = mem[k];
			break;
		case OP_ST:
			mem[k] = a;
			break;
		case OP_STX:
			mem[k] = x;
			break;
		case OP_TAX:
			x = a;
			break;
		case OP_TXA:
			a = x;
			break;

		case OP_ADD_X:
			k = x;
			fallthrough;
		case OP_ADD_K:
			a += k;
			break;
		case OP_SUB_X:
			k = x;
			fallthrough;
		case OP_SUB_K:
			a -= k;
			break;
		case OP_MUL_X:
			k = x;
			fallthrough;
		case OP_MUL_K:
			a *= k;
			break;
		case OP_DIV_X:
			k = x;
			if (!k)
				return 0;
			fallthrough;
		case OP_DIV_K:
			a /= k;
			break;
		case OP_MOD_X:
			k = x;
			if (!k)
				return 0;
			fallthrough;
		case OP_MOD_K:
			a %= k;
			break;
		case OP_AND_X:
			a &= x;
			break;
		case OP_OR_X:
			k = x;
			fallthrough;
		case OP_OR_K:
			a |= k;
			break;
		case OP_XOR_X:
			k = x;
			fallthrough;
		case OP_XOR_K:
			a ^= k;
			break;
		case OP_LSH_X:
			a = x < 32 ? a << x : 0;
			break;
		case OP_LSH_K:
			a <<= k;
			break;
		case OP_RSH_X:
			a = x < 32 ? a >> x : 0;
			break;
		case OP_RSH_K:
			a >>= k;
			break;
		case OP_NEG:
			a = -a;
			break;

		case OP_JA:
			next = op_at(code, op->jt);
			break;
		case OP_JEQ_X:
			BRANCH_IF(a == x);
			break;
		case OP_JGT_X:
			BRANCH_IF(a > x);
			break;
		case OP_JGE_X:
			BRANCH_IF(a >= x);
			break;
		case OP_JSET_X:
			BRANCH_IF(a & x);
			break;

		case OP_RET_A:
			return a;
		default:
			return 0;	/* bgfilter_decode() makes no other */
		}
	}
}
