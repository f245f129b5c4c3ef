// SPDX-License-Identifier: GPL-2.0-only
/*
 * The top tier: native code that gives the same results as libpcap's bpf_filter().
 *
 * Classic BPF is not quite the same in the kernel.  An index that wraps around
 * 2^32 is a valid offset there, one over INT_MAX leads to another header, and a
 * shift by X shifts by X mod 32; to libpcap the first two lie outside of the
 * packet, and a shift by 32 or more gives 0.  So code that checks X is inserted
 * before these instructions:
 *
 *	ld [x + k]	txa; jgt #(INT_MAX - k), 0, 1; ret #0; ld [x + k]
 *	lsh x		st M[c]; txa; jge #32, 0, 2; ld #0; st M[c]; ld M[c]; lsh x
 *
 * where c is a word of scratch memory that the program does not use.  A load whose
 * index comes from a header's length, as most do, needs no such check.  The code
 * that follows moves, and a branch that can no longer reach its target becomes one
 * over two jumps:
 *
 *	jeq #k, t, f	jeq #k, 0, 1; ja t; ja f
 */
#include <linux/filter.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bgfilter.h"

/* The length of the longest stand-in for one instruction. */
#define MOST		7

/* X is narrow if it is at most this, as the length of an IPv4 header is. */
#define NARROW		U8_MAX

/* Where an instruction of the old program is in the new one. */
struct place {
	u16 at;
	u8 len;
	bool wide;	/* X may be over NARROW on some path here */
};

static bool is_branch(const struct sock_filter *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_JA;
}

static bool is_index(const struct sock_filter *insn)
{
	return BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_IND;
}

static bool is_shift(const struct sock_filter *insn)
{
	return insn->code == (BPF_ALU | BPF_LSH | BPF_X) ||
	       insn->code == (BPF_ALU | BPF_RSH | BPF_X);
}

/* The length of the stand-in for @insn, as if branches need not become longer. */
static u8 length_of(const struct sock_filter *insn, bool wide)
{
	if (is_shift(insn))
		return 7;
	if (!is_index(insn) || insn->k > INT_MAX)
		return 1;	/* a load that is always outside: a return */
	return wide || insn->k > INT_MAX - NARROW ? 4 : 1;
}

/* Is X wide after @insn, if it was @wide before? */
static bool leaves_wide(const struct sock_filter *insn, bool wide)
{
	if (insn->code == (BPF_MISC | BPF_TAX))
		return true;
	if (BPF_CLASS(insn->code) != BPF_LDX)
		return wide;
	if (BPF_MODE(insn->code) == BPF_IMM)
		return insn->k > NARROW;
	return BPF_MODE(insn->code) != BPF_MSH;
}

/* Follows X on every path, as bgfilter_check() does the scratch memory. */
static void find_wide(const struct sock_filter *insns, u32 len,
		      struct place *places)
{
	bool wide = false, reached = true;	/* X starts at 0 */
	u32 pc;

	for (pc = 0; pc < len; pc++) {
		const struct sock_filter *insn = &insns[pc];

		if (reached && wide)
			places[pc].wide = true;
		wide = leaves_wide(insn, places[pc].wide);
		reached = false;
		if (is_branch(insn)) {
			places[pc + 1 + insn->jt].wide |= wide;
			places[pc + 1 + insn->jf].wide |= wide;
		} else if (BPF_CLASS(insn->code) == BPF_JMP) {
			places[pc + 1 + insn->k].wide |= wide;
		} else {
			reached = BPF_CLASS(insn->code) != BPF_RET;
		}
	}
}

/* From the end of the stand-in for @pc to the one for the instruction @skip further on. */
static u32 distance(const struct place *places, u32 pc, u32 skip)
{
	return places[pc + 1 + skip].at - places[pc + 1].at;
}

static void settle_places(struct place *places, u32 len)
{
	u32 pc;

	for (pc = 0; pc < len; pc++)
		places[pc + 1].at = places[pc].at + places[pc].len;
}

/*
 * Finds places for all, first as if each branch became longer.  Those that reach
 * their targets even then need not.  Return: whether any stand-in is needed.
 */
static bool find_places(const struct sock_filter *insns, u32 len,
			struct place *places)
{
	bool same = true;
	u32 pc;

	for (pc = 0; pc < len; pc++) {
		const struct sock_filter *insn = &insns[pc];

		places[pc].len = length_of(insn, places[pc].wide);
		same &= places[pc].len == 1 && !(is_index(insn) && insn->k > INT_MAX);
		if (is_branch(insn))
			places[pc].len = 3;
	}
	if (same)
		return false;
	settle_places(places, len);
	for (pc = 0; pc < len; pc++)
		if (is_branch(&insns[pc]) &&
		    distance(places, pc, insns[pc].jt) <= U8_MAX &&
		    distance(places, pc, insns[pc].jf) <= U8_MAX)
			places[pc].len = 1;
	settle_places(places, len);
	return true;
}

static bool has_shift(const struct sock_filter *insns, u32 len)
{
	u32 pc;

	for (pc = 0; pc < len; pc++)
		if (is_shift(&insns[pc]))
			return true;
	return false;
}

/* An unused word of scratch memory, or BPF_MEMWORDS. */
static u32 find_cell(const struct sock_filter *insns, u32 len)
{
	u32 used = 0, cell = 0;
	u32 pc;

	for (pc = 0; pc < len; pc++)
		switch (insns[pc].code) {
		case BPF_ST:
		case BPF_STX:
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
			used |= BIT(insns[pc].k);
		}
	while (cell < BPF_MEMWORDS && used & BIT(cell))
		cell++;
	return cell;
}

static void put_branch(struct sock_filter *to, const struct sock_filter *insn,
		       u8 len, u32 jt, u32 jf)
{
	to[0] = *insn;
	if (len == 1) {
		to[0].jt = jt;
		to[0].jf = jf;
		return;
	}
	to[0].jt = 0;
	to[0].jf = 1;
	to[1] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, jt + 1);
	to[2] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, jf);
}

static void put_index(struct sock_filter *to, const struct sock_filter *insn,
		      u8 len)
{
	const struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);

	if (insn->k > INT_MAX) {
		to[0] = none;
	} else if (len == 1) {
		to[0] = *insn;
	} else {
		to[0] = (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TXA, 0);
		to[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K,
						     INT_MAX - insn->k, 0, 1);
		to[2] = none;
		to[3] = *insn;
	}
}

static void put_shift(struct sock_filter *to, const struct sock_filter *insn,
		      u32 cell)
{
	to[0] = (struct sock_filter)BPF_STMT(BPF_ST, cell);
	to[1] = (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TXA, 0);
	to[2] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 32, 0, 2);
	to[3] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	to[4] = (struct sock_filter)BPF_STMT(BPF_ST, cell);
	to[5] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_MEM, cell);
	to[6] = *insn;
}

static void put_all(struct sock_filter *to, const struct sock_filter *insns,
		    u32 len, const struct place *places, u32 cell)
{
	u32 pc;

	for (pc = 0; pc < len; pc++) {
		const struct sock_filter *insn = &insns[pc];
		struct sock_filter *here = &to[places[pc].at];

		if (is_branch(insn)) {
			put_branch(here, insn, places[pc].len,
				   distance(places, pc, insn->jt),
				   distance(places, pc, insn->jf));
		} else if (is_index(insn)) {
			put_index(here, insn, places[pc].len);
		} else if (is_shift(insn)) {
			put_shift(here, insn, cell);
		} else {
			*here = *insn;
			if (insn->code == (BPF_JMP | BPF_JA))
				here->k = distance(places, pc, insn->k);
		}
	}
}

static int create(struct bpf_prog **prog, const struct sock_filter *insns,
		  u32 len)
{
	struct sock_fprog_kern fprog = {
		.len = len,
		.filter = (struct sock_filter *)insns,	/* which is only read */
	};

	return bpf_prog_create(prog, &fprog);
}

static int create_guarded(struct bpf_prog **prog,
			  const struct sock_filter *insns, u32 len,
			  const struct place *places)
{
	u32 cell = find_cell(insns, len);
	u32 new_len = places[len].at;
	struct sock_filter *to;
	int err;

	if (new_len > BPF_MAXINSNS ||
	    (cell == BPF_MEMWORDS && has_shift(insns, len)))
		return -E2BIG;
	to = kvmalloc_array(new_len, sizeof(*to), GFP_KERNEL);
	if (!to)
		return -ENOMEM;
	put_all(to, insns, len, places, cell);
	err = create(prog, to, new_len);
	kvfree(to);
	return err;
}

/**
 * bgfilter_native() - the top tier
 * @prog:	set to the program, for bpf_prog_destroy()
 * @insns:	a program that bgfilter_check() has passed
 * @len:	how many instructions
 *
 * A few programs cannot be compiled: very long ones, with or without what is
 * inserted here, whose jumps do not fit into 16 bits after the kernel's expansion,
 * and those that shift by X and leave no word of scratch memory unused.
 *
 * Context: Process context; may sleep.
 * Return: 0, -E2BIG or -EINVAL for such a program, or -ENOMEM.
 */
int bgfilter_native(struct bpf_prog **prog, const struct sock_filter *insns,
		    u32 len)
{
	struct place *places;
	int err;

	static_assert(MOST * BGFILTER_MAX_PROG <= U16_MAX);

	places = kvcalloc(len + 1, sizeof(*places), GFP_KERNEL);
	if (!places)
		return -ENOMEM;
	find_wide(insns, len, places);
	if (find_places(insns, len, places))
		err = create_guarded(prog, insns, len, places);
	else
		err = create(prog, insns, len);
	kvfree(places);
	return err;
}

/**
 * bgfilter_skb() - a packet as native code sees it
 * @data:	@cap_len bytes, which stay the caller's
 * @cap_len:	bytes captured
 * @wire_len:	bytes that were on the wire, any number
 *
 * All that native code reads of it is where the bytes are, "len", and "data_len",
 * which it subtracts from len, modulo 2^32, to get the number of bytes that are there.
 * The buffer has no bytes of its own, so nobody may read those.
 *
 * Context: Process context; may sleep.
 * Return: The packet, for bgfilter_skb_free(), or NULL.
 */
struct sk_buff *bgfilter_skb(const void *data, u32 cap_len, u32 wire_len)
{
	struct sk_buff *skb = alloc_skb(0, GFP_KERNEL);

	if (!skb)
		return NULL;
	skb->data = (void *)data;
	skb->len = wire_len;
	skb->data_len = wire_len - cap_len;
	return skb;
}

/**
 * bgfilter_skb_free() - free what bgfilter_skb() made
 * @skb:	the packet, or NULL
 */
void bgfilter_skb_free(struct sk_buff *skb)
{
	if (!skb)
		return;
	skb->data = skb->head;
	skb->len = 0;
	skb->data_len = 0;
	consume_skb(skb);
}
