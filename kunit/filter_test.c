// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample's checker, interpreter and native code, against tables and against
 * each other.
 *
 * What the kernel's bpf_prog_create() accepts, less loads at negative offsets, is
 * accepted here.  What the tables say is what libpcap's bpf_filter() returns, and
 * both tiers are to return that.  Random programs and packets come from a seed,
 * which is said at the start; give it as the parameter of that name to see them
 * again.  (bgfilter-badinput compares such ones with libpcap itself.)
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/filter.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

/*
 * The object under test: the sample's module exports nothing.  By other names,
 * as both may be built in.
 */
#define bgfilter_check		bgfilter_test_check
#define bgfilter_decode		bgfilter_test_decode
#define bgfilter_interpret	bgfilter_test_interpret
#define bgfilter_native		bgfilter_test_native
#define bgfilter_skb		bgfilter_test_skb
#define bgfilter_skb_free	bgfilter_test_skb_free
#include "../samples/bgfilter/prog.c"
#include "../samples/bgfilter/native.c"

static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the random programs and packets (default: any)");

#define PROGRAMS	25
#define PACKETS		40
#define MAX_PACKETS	64

static unsigned int programs = PROGRAMS;
module_param(programs, uint, 0444);
MODULE_PARM_DESC(programs, "random programs in each batch (default 25)");

static unsigned int packets = PACKETS;
module_param(packets, uint, 0444);
MODULE_PARM_DESC(packets, "random packets for each of them, up to 64 (default 40)");

/* Batches, so that none takes long.  Of each only the index is of interest. */
static const u8 batches[21];

static void batch_desc(const u8 *batch, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "batch %td", batch - batches);
}

KUNIT_ARRAY_PARAM(batch, batches, batch_desc);

/* All classic opcodes, written down once more, independently of prog.c. */
static const u16 classic[] = {
	BPF_LD | BPF_W | BPF_ABS, BPF_LD | BPF_H | BPF_ABS,
	BPF_LD | BPF_B | BPF_ABS, BPF_LD | BPF_W | BPF_IND,
	BPF_LD | BPF_H | BPF_IND, BPF_LD | BPF_B | BPF_IND,
	BPF_LD | BPF_W | BPF_LEN, BPF_LD | BPF_IMM, BPF_LD | BPF_MEM,
	BPF_LDX | BPF_W | BPF_LEN, BPF_LDX | BPF_IMM, BPF_LDX | BPF_MEM,
	BPF_LDX | BPF_B | BPF_MSH, BPF_ST, BPF_STX,
	BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA,
	BPF_ALU | BPF_ADD | BPF_K, BPF_ALU | BPF_ADD | BPF_X,
	BPF_ALU | BPF_SUB | BPF_K, BPF_ALU | BPF_SUB | BPF_X,
	BPF_ALU | BPF_MUL | BPF_K, BPF_ALU | BPF_MUL | BPF_X,
	BPF_ALU | BPF_DIV | BPF_K, BPF_ALU | BPF_DIV | BPF_X,
	BPF_ALU | BPF_MOD | BPF_K, BPF_ALU | BPF_MOD | BPF_X,
	BPF_ALU | BPF_AND | BPF_K, BPF_ALU | BPF_AND | BPF_X,
	BPF_ALU | BPF_OR | BPF_K, BPF_ALU | BPF_OR | BPF_X,
	BPF_ALU | BPF_XOR | BPF_K, BPF_ALU | BPF_XOR | BPF_X,
	BPF_ALU | BPF_LSH | BPF_K, BPF_ALU | BPF_LSH | BPF_X,
	BPF_ALU | BPF_RSH | BPF_K, BPF_ALU | BPF_RSH | BPF_X,
	BPF_ALU | BPF_NEG, BPF_JMP | BPF_JA,
	BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JEQ | BPF_X,
	BPF_JMP | BPF_JGT | BPF_K, BPF_JMP | BPF_JGT | BPF_X,
	BPF_JMP | BPF_JGE | BPF_K, BPF_JMP | BPF_JGE | BPF_X,
	BPF_JMP | BPF_JSET | BPF_K, BPF_JMP | BPF_JSET | BPF_X,
	BPF_RET | BPF_K, BPF_RET | BPF_A,
};

static bool is_classic(u32 code)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(classic); i++)
		if (classic[i] == code)
			return true;
	return false;
}

/* What every case has at hand. */
struct filter_ctx {
	u16 *scratch;		/* BGFILTER_CHECK_SCRATCH */
	struct sock_filter *prog;	/* BGFILTER_MAX_PROG + 1 */
	struct rnd_state rnd;
};

static int filter_test_init(struct kunit *test)
{
	struct filter_ctx *ctx;
	const u8 *batch = test->param_value;
	static bool said;

	/* All of them from one seed, and all different. */
	if (!seed)
		seed = get_random_u32() | 1;
	if (!said) {
		kunit_info(test, "seed=%lu", seed);
		said = true;
	}
	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->scratch = kunit_kzalloc(test, BGFILTER_CHECK_SCRATCH, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->scratch);
	ctx->prog = kunit_kcalloc(test, BGFILTER_MAX_PROG + 1,
				  sizeof(*ctx->prog), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->prog);
	prandom_seed_state(&ctx->rnd, seed);
	if (batch >= batches && batch < batches + ARRAY_SIZE(batches))
		prandom_seed_state(&ctx->rnd, seed + 1 + (batch - batches));
	test->priv = ctx;
	return 0;
}

static enum bgfilter_reason check_at(struct kunit *test,
				     const struct sock_filter *insns, u32 len,
				     u32 *at)
{
	struct filter_ctx *ctx = test->priv;

	return bgfilter_check(insns, len, ctx->scratch, at);
}

static enum bgfilter_reason check(struct kunit *test,
				  const struct sock_filter *insns, u32 len)
{
	u32 at;

	return check_at(test, insns, len, &at);
}

static u32 rnd(struct filter_ctx *ctx)
{
	return prandom_u32_state(&ctx->rnd);
}

/* From 0 to @n - 1. */
static u32 rnd_below(struct filter_ctx *ctx, u32 n)
{
	return rnd(ctx) % n;
}

static int kernel_create(struct bpf_prog **prog,
			 const struct sock_filter *insns, u32 len)
{
	struct sock_fprog_kern fprog = {
		.len = len,
		.filter = (struct sock_filter *)insns,
	};

	return bpf_prog_create(prog, &fprog);
}

static void dump_program(struct kunit *test, const struct sock_filter *insns,
			 u32 len)
{
	u32 pc;

	for (pc = 0; pc < len; pc++)
		kunit_info(test, "%4u: { 0x%02x, %u, %u, 0x%08x },", pc,
			   insns[pc].code, insns[pc].jt, insns[pc].jf,
			   insns[pc].k);
}

static void dump_packet(struct kunit *test, const u8 *data, u32 cap_len,
			u32 wire_len)
{
	u32 off;

	kunit_info(test, "packet: %u bytes of %u", cap_len, wire_len);
	for (off = 0; off < cap_len; off += 16)
		kunit_info(test, "%4u: %*ph", off,
			   (int)min_t(u32, 16, cap_len - off), data + off);
}

/* What each opcode does, at its borders. */

static const u8 packet[] = {
	0x45, 0x11, 0x22, 0x33, 0x80, 0x00, 0x00, 0x01,
	0xff, 0xfe, 0xfd, 0xfc, 0x12, 0x34, 0x56, 0x78,
};

#define WIRE_LEN	20	/* the last four bytes were not captured */

struct result_case {
	const char *name;
	u32 expected;
	u32 len;
	struct sock_filter insns[8];
};

#define CASE(_name, _expected, ...) {					\
	.name = _name,							\
	.expected = _expected,						\
	.len = ARRAY_SIZE(((struct sock_filter[]){ __VA_ARGS__ })),	\
	.insns = { __VA_ARGS__ },					\
}

#define STMT(_code, _k)		BPF_STMT(_code, _k)
#define RET_A			BPF_STMT(BPF_RET | BPF_A, 0)
#define RET(_k)			BPF_STMT(BPF_RET | BPF_K, _k)
#define A(_k)			BPF_STMT(BPF_LD | BPF_IMM, _k)
#define X(_k)			BPF_STMT(BPF_LDX | BPF_IMM, _k)
#define TXA			BPF_STMT(BPF_MISC | BPF_TXA, 0)
#define TAX			BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define LD(_size, _mode, _k)	BPF_STMT(BPF_LD | BPF_##_size | BPF_##_mode, _k)
#define MSH(_k)			BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, _k)
#define ALU_K(_op, _k)		BPF_STMT(BPF_ALU | BPF_##_op | BPF_K, _k)
#define ALU_X(_op)		BPF_STMT(BPF_ALU | BPF_##_op | BPF_X, 0)
#define JA(_k)			BPF_STMT(BPF_JMP | BPF_JA, _k)
#define JMP_K(_op, _k, _t, _f)	BPF_JUMP(BPF_JMP | BPF_##_op | BPF_K, _k, _t, _f)
#define JMP_X(_op, _t, _f)	BPF_JUMP(BPF_JMP | BPF_##_op | BPF_X, 0, _t, _f)

static const struct result_case result_cases[] = {
	CASE("ret k", 0xffffffff, RET(0xffffffff)),
	CASE("ret 0", 0, RET(0)),
	CASE("ret a: a starts at 0", 0, RET_A),
	CASE("ret a", 0xdeadbeef, A(0xdeadbeef), RET_A),
	CASE("txa: x starts at 0", 0, A(5), TXA, RET_A),

	CASE("ld [k]", 0x12345678, LD(W, ABS, 12), RET_A),
	CASE("ld [k]: unaligned", 0x11223380, LD(W, ABS, 1), RET_A),
	CASE("ld [k]: the last byte is missing", 0, LD(W, ABS, 13), RET(7)),
	CASE("ldh [k]", 0x5678, LD(H, ABS, 14), RET_A),
	CASE("ldh [k]: the last byte is missing", 0, LD(H, ABS, 15), RET(7)),
	CASE("ldb [k]", 0x78, LD(B, ABS, 15), RET_A),
	CASE("ldb [k]: not captured", 0, LD(B, ABS, 16), RET(7)),
	CASE("ldb [k]: not on the wire", 0, LD(B, ABS, 20), RET(7)),
	CASE("ldb [k]: the largest offset", 0, LD(B, ABS, INT_MAX), RET(7)),
	CASE("ld [k]: the largest offset", 0, LD(W, ABS, INT_MAX), RET(7)),
	CASE("ld [x + k]", 0x12345678, X(4), LD(W, IND, 8), RET_A),
	CASE("ld [x + k]: one too far", 0, X(5), LD(W, IND, 8), RET(7)),
	CASE("ldh [x + k]", 0x8000, X(1), LD(H, IND, 3), RET_A),
	CASE("ldh [x + k]: one too far", 0, X(1), LD(H, IND, 14), RET(7)),
	CASE("ldb [x + k]", 0xfe, X(9), LD(B, IND, 0), RET_A),
	CASE("ldb [x + k]: one too far", 0, X(9), LD(B, IND, 7), RET(7)),
	CASE("ldb [x + k]: wraps into the packet", 0,
	     X(0xfffffffe), LD(B, IND, 3), RET(7)),
	CASE("ldh [x + k]: wraps to its start", 0,
	     X(0xfffffffe), LD(H, IND, 2), RET(7)),
	CASE("ld [x + k]: k is negative, the sum is not", 0,
	     X(13), LD(W, IND, 0xffffffff), RET(7)),
	CASE("ldb [x + k]: k is negative, x is narrow", 0,
	     MSH(0), LD(B, IND, 0xfffffff0), RET(7)),
	CASE("ldb [x + k]: negative", 0, X(0xfffffffe), LD(B, IND, 1), RET(7)),
	CASE("ldb [x + k]: at the network header", 0,
	     X(SKF_NET_OFF), LD(B, IND, 0), RET(7)),
	CASE("ldb [x + k]: at the link-layer header", 0,
	     X(SKF_LL_OFF), LD(B, IND, 0), RET(7)),
	CASE("ldb [x + k]: ancillary data", 0,
	     X(SKF_AD_OFF), LD(B, IND, 0), RET(7)),
	CASE("ldb [x + k]: x may be wide on one way only", 0,
	     JMP_K(JEQ, 0, 0, 1), X(0xfffffffe), LD(B, IND, 3), RET(7)),
	CASE("ldb [x + k]: x from a", 0,
	     A(0xfffffffe), TAX, LD(B, IND, 3), RET(7)),
	CASE("ldb [x + k]: x from the scratch memory", 0,
	     A(0xfffffffe), STMT(BPF_ST, 0), STMT(BPF_LDX | BPF_MEM, 0),
	     LD(B, IND, 3), RET(7)),
	CASE("ldb [x + k]: past the largest offset", 0,
	     X(1), LD(B, IND, INT_MAX), RET(7)),
	CASE("ldx 4*([k]&0xf)", 20, MSH(0), TXA, RET_A),
	CASE("ldx 4*([k]&0xf): last", 32, MSH(15), TXA, RET_A),
	CASE("ldx 4*([k]&0xf): not captured", 0, MSH(16), RET(7)),
	CASE("ldx 4*([k]&0xf) leaves a alone", 3, A(3), MSH(0), RET_A),

	CASE("ld len: of the wire", WIRE_LEN, LD(W, LEN, 0), RET_A),
	CASE("ldx len: of the wire", WIRE_LEN,
	     STMT(BPF_LDX | BPF_W | BPF_LEN, 0), TXA, RET_A),
	CASE("ld k", 9, A(9), RET_A),
	CASE("ldx k", 9, X(9), TXA, RET_A),
	CASE("tax", 9, A(9), TAX, A(1), TXA, RET_A),
	CASE("tax leaves a alone", 9, A(9), TAX, RET_A),
	CASE("st, ld M[0]", 9, A(9), STMT(BPF_ST, 0), A(1),
	     STMT(BPF_LD | BPF_MEM, 0), RET_A),
	CASE("st, ldx M[15]", 9, A(9), STMT(BPF_ST, 15), A(1),
	     STMT(BPF_LDX | BPF_MEM, 15), TXA, RET_A),
	CASE("stx, ld M[15]", 9, X(9), STMT(BPF_STX, 15), X(1),
	     STMT(BPF_LD | BPF_MEM, 15), RET_A),
	CASE("cells are apart", 4, A(4), STMT(BPF_ST, 3), A(5), STMT(BPF_ST, 4),
	     STMT(BPF_LD | BPF_MEM, 3), RET_A),

	CASE("DIV x: by zero ends it", 0, A(1), X(0), ALU_X(DIV), RET(7)),
	CASE("MOD x: by zero ends it", 0, A(1), X(0), ALU_X(MOD), RET(7)),
	CASE("LSH x: by 33 gives 0", 0, A(3), X(33), ALU_X(LSH), RET_A),
	CASE("RSH x: by 32 gives 0", 0, A(3), X(32), ALU_X(RSH), RET_A),
	CASE("RSH x: by the most gives 0", 0, A(3), X(0xffffffff), ALU_X(RSH),
	     RET_A),
	CASE("LSH x leaves x alone", 33, A(3), X(33), ALU_X(LSH), TXA, RET_A),
	CASE("RSH x leaves the scratch memory alone", 5, A(5), STMT(BPF_ST, 0),
	     X(33), ALU_X(RSH), STMT(BPF_LD | BPF_MEM, 0), RET_A),
	CASE("neg", 0xffffffff, A(1), STMT(BPF_ALU | BPF_NEG, 0), RET_A),
	CASE("neg 0x80000000", 0x80000000, A(0x80000000),
	     STMT(BPF_ALU | BPF_NEG, 0), RET_A),

	CASE("ja 0", 1, JA(0), RET(1), RET(2)),
	CASE("ja 2", 3, JA(2), RET(1), RET(2), RET(3)),
	CASE("a branch may skip either way", 2,
	     A(1), JMP_K(JEQ, 2, 0, 1), RET(1), RET(2)),
};

/* Of an accumulator and an operand, which is k or, in a second program, x. */
struct binary_case {
	const char *name;
	u16 code;
	u32 a;
	u32 operand;
	u32 expected;	/* of a branch: 1 if it is taken, else 2 */
};

#define BINARY(_class, _op, _a, _operand, _expected)			\
	{ #_op " of " #_a " and " #_operand, BPF_##_class | BPF_##_op,	\
	  _a, _operand, _expected }

static const struct binary_case binary_cases[] = {
	BINARY(ALU, ADD, 3, 4, 7),
	BINARY(ALU, ADD, 0xffffffff, 2, 1),
	BINARY(ALU, SUB, 7, 4, 3),
	BINARY(ALU, SUB, 4, 7, 0xfffffffd),
	BINARY(ALU, MUL, 6, 7, 42),
	BINARY(ALU, MUL, 0x10001, 0x10001, 0x20001),
	BINARY(ALU, DIV, 43, 6, 7),
	BINARY(ALU, DIV, 0xfffffffe, 2, 0x7fffffff),
	BINARY(ALU, MOD, 43, 6, 1),
	BINARY(ALU, MOD, 0xffffffff, 0x10, 0xf),
	BINARY(ALU, AND, 0xff00, 0x0ff0, 0x0f00),
	BINARY(ALU, OR, 0xff00, 0x0ff0, 0xfff0),
	BINARY(ALU, XOR, 0xff00, 0x0ff0, 0xf0f0),
	BINARY(ALU, LSH, 0x80000001, 1, 2),
	BINARY(ALU, LSH, 1, 31, 0x80000000),
	BINARY(ALU, RSH, 0x80000001, 1, 0x40000000),
	BINARY(ALU, RSH, 0x80000000, 31, 1),
	BINARY(JMP, JEQ, 5, 5, 1),
	BINARY(JMP, JEQ, 5, 6, 2),
	BINARY(JMP, JGT, 6, 5, 1),
	BINARY(JMP, JGT, 5, 5, 2),
	BINARY(JMP, JGT, 0x80000000, 1, 1),
	BINARY(JMP, JGE, 5, 5, 1),
	BINARY(JMP, JGE, 4, 5, 2),
	BINARY(JMP, JGE, 1, 0xffffffff, 2),
	BINARY(JMP, JSET, 6, 2, 1),
	BINARY(JMP, JSET, 6, 9, 2),
	BINARY(JMP, JSET, 0x80000000, 0x80000000, 1),
	BINARY(JMP, JSET, 6, 0, 2),
};

static void result_desc(const struct result_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(result, result_cases, result_desc);

static void binary_desc(const struct binary_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(binary, binary_cases, binary_desc);

/* -1 if it cannot be created */
static s64 native_result(const struct sock_filter *insns, u32 len, u32 wire_len)
{
	struct bpf_prog *prog;
	struct sk_buff *skb;
	s64 result = -1;

	if (bgfilter_native(&prog, insns, len))
		return -1;
	skb = bgfilter_skb(packet, sizeof(packet), wire_len);
	if (skb)
		result = bpf_prog_run_pin_on_cpu(prog, skb);
	bgfilter_skb_free(skb);
	bpf_prog_destroy(prog);
	return result;
}

static void expect_result_of(struct kunit *test,
			     const struct sock_filter *insns, u32 len,
			     u32 wire_len, u32 expected)
{
	struct bgfilter_code *code;

	KUNIT_ASSERT_EQ(test, check(test, insns, len), BGFILTER_OK);
	code = bgfilter_decode(insns, len);
	KUNIT_ASSERT_FALSE(test, IS_ERR(code));
	KUNIT_EXPECT_EQ_MSG(test, expected,
			    bgfilter_interpret(code, packet, sizeof(packet),
					       wire_len),
			    "interpreted, of %u bytes", wire_len);
	kvfree(code);
	KUNIT_EXPECT_EQ_MSG(test, (s64)expected,
			    native_result(insns, len, wire_len),
			    "native, of %u bytes", wire_len);
}

static void expect_result(struct kunit *test, const struct sock_filter *insns,
			  u32 len, u32 expected)
{
	expect_result_of(test, insns, len, WIRE_LEN, expected);
}

static void filter_opcode_returns_what_it_should(struct kunit *test)
{
	const struct result_case *c = test->param_value;

	expect_result(test, c->insns, c->len, c->expected);
}

static void filter_operand_may_be_k_or_x(struct kunit *test)
{
	const struct binary_case *c = test->param_value;
	struct sock_filter insns[] = {
		A(c->a), X(0), STMT(c->code | BPF_K, c->operand),
		RET_A, RET(1),
	};

	if (BPF_CLASS(c->code) == BPF_JMP) {
		insns[2].jt = 1;
		insns[3] = (struct sock_filter)RET(2);
	}
	expect_result(test, insns, ARRAY_SIZE(insns), c->expected);
	insns[1].k = c->operand;
	insns[2].code = c->code | BPF_X;
	insns[2].k = 0;
	expect_result(test, insns, ARRAY_SIZE(insns), c->expected);
}

static void filter_tables_have_every_opcode(struct kunit *test)
{
	DECLARE_BITMAP(seen, 256) = {};
	int i, pc;

	for (i = 0; i < ARRAY_SIZE(result_cases); i++)
		for (pc = 0; pc < result_cases[i].len; pc++)
			set_bit(result_cases[i].insns[pc].code, seen);
	for (i = 0; i < ARRAY_SIZE(binary_cases); i++) {
		set_bit(binary_cases[i].code | BPF_K, seen);
		set_bit(binary_cases[i].code | BPF_X, seen);
	}
	for (i = 0; i < ARRAY_SIZE(classic); i++)
		KUNIT_EXPECT_TRUE_MSG(test, test_bit(classic[i], seen),
				      "opcode 0x%02x", classic[i]);
	KUNIT_EXPECT_EQ(test, bitmap_weight(seen, 256),
			(int)ARRAY_SIZE(classic));
}

/* A capture may say that fewer bytes were on the wire than are there, or more. */
static void filter_length_is_what_the_packet_says(struct kunit *test)
{
	static const u32 wire_lens[] = {
		0, 1, sizeof(packet) - 1, sizeof(packet), WIRE_LEN, INT_MAX,
		0x80000000, 0x80000003, 0xfffffff0, 0xffffffff,
	};
	static const struct sock_filter length[] = { LD(W, LEN, 0), RET_A };
	static const struct sock_filter index[] = {
		STMT(BPF_LDX | BPF_W | BPF_LEN, 0), TXA, RET_A,
	};
	static const struct sock_filter last[] = { LD(W, ABS, 12), RET_A };
	static const struct sock_filter past[] = { LD(W, ABS, 13), RET(7) };
	static const struct sock_filter at_length[] = {
		STMT(BPF_LDX | BPF_W | BPF_LEN, 0), LD(B, IND, 3), RET(7),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(wire_lens); i++) {
		u32 n = wire_lens[i];

		expect_result_of(test, length, ARRAY_SIZE(length), n, n);
		expect_result_of(test, index, ARRAY_SIZE(index), n, n);
		expect_result_of(test, last, ARRAY_SIZE(last), n, 0x12345678);
		expect_result_of(test, past, ARRAY_SIZE(past), n, 0);
		expect_result_of(test, at_length, ARRAY_SIZE(at_length), n,
				 n < sizeof(packet) - 3 ? 7 : 0);
	}
}

/* What is put in before them moves what branches and jumps lead to. */
static void filter_branches_reach_across_guarded_loads(struct kunit *test)
{
	struct filter_ctx *ctx = test->priv;
	struct sock_filter *prog = ctx->prog;
	int loads, i, n;

	/* Up to as far as a branch can reach before anything is put in. */
	for (loads = 1; loads <= 250; loads += 3) {
		n = 0;
		prog[n++] = (struct sock_filter)LD(B, ABS, 0);
		prog[n++] = (struct sock_filter)TAX;
		prog[n++] = (struct sock_filter)JMP_K(JEQ, 0x45, 1, 0);
		prog[n++] = (struct sock_filter)JA(loads + 1);
		prog[n++] = (struct sock_filter)JMP_K(JEQ, 0x46, 0, loads + 1);
		for (i = 0; i < loads; i++)
			prog[n++] = (struct sock_filter)LD(B, IND, i);
		prog[n++] = (struct sock_filter)RET(1);
		prog[n++] = (struct sock_filter)RET(2);
		expect_result(test, prog, n, 2);
		prog[2].k = 0x44;	/* by the jump */
		expect_result(test, prog, n, 1);
	}
}

static void filter_that_uses_all_scratch_memory_has_no_native_shift(struct kunit *test)
{
	struct filter_ctx *ctx = test->priv;
	struct bgfilter_code *code;
	struct bpf_prog *prog;
	int i;

	for (i = 0; i < BPF_MEMWORDS; i++)
		ctx->prog[i] = (struct sock_filter)STMT(BPF_ST, i);
	ctx->prog[i++] = (struct sock_filter)A(3);
	ctx->prog[i++] = (struct sock_filter)X(33);
	ctx->prog[i++] = (struct sock_filter)ALU_X(LSH);
	ctx->prog[i++] = (struct sock_filter)RET_A;
	KUNIT_ASSERT_EQ(test, check(test, ctx->prog, i), BGFILTER_OK);
	KUNIT_EXPECT_EQ(test, bgfilter_native(&prog, ctx->prog, i), -E2BIG);
	code = bgfilter_decode(ctx->prog, i);
	KUNIT_ASSERT_FALSE(test, IS_ERR(code));
	KUNIT_EXPECT_EQ(test, bgfilter_interpret(code, packet, 1, 1), 0U);
	kvfree(code);
	/* One word less in use, and there is one. */
	ctx->prog[0].k = 1;
	expect_result(test, ctx->prog, i, 0);
}

static void filter_too_long_with_what_is_put_in_has_no_native_code(struct kunit *test)
{
	struct filter_ctx *ctx = test->priv;
	struct bpf_prog *prog;
	int last = BGFILTER_MAX_PROG - 1;
	int i;

	ctx->prog[0] = (struct sock_filter)STMT(BPF_LDX | BPF_W | BPF_LEN, 0);
	for (i = 1; i < last; i++)
		ctx->prog[i] = (struct sock_filter)LD(B, IND, 0);
	ctx->prog[last] = (struct sock_filter)RET(1);
	KUNIT_ASSERT_EQ(test, check(test, ctx->prog, last + 1), BGFILTER_OK);
	KUNIT_EXPECT_EQ(test, bgfilter_native(&prog, ctx->prog, last + 1), -E2BIG);
}

static void filter_of_an_empty_packet_loads_nothing(struct kunit *test)
{
	static const struct sock_filter insns[] = { LD(B, ABS, 0), RET(7) };
	struct bgfilter_code *code;

	code = bgfilter_decode(insns, ARRAY_SIZE(insns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(code));
	KUNIT_EXPECT_EQ(test, bgfilter_interpret(code, NULL, 0, 64), 0U);
	kvfree(code);
}

static const struct {
	struct sock_filter insn;
	unsigned long features;
} feature_cases[] = {
	{ LD(W, LEN, 0), BGFILTER_FEATURE_LEN },
	{ LD(B, IND, 0), BGFILTER_FEATURE_IND },
	{ MSH(0), BGFILTER_FEATURE_MSH },
	{ STMT(BPF_ST, 0), BGFILTER_FEATURE_MEM },
	{ ALU_K(ADD, 1), BGFILTER_FEATURE_ALU },
	{ JMP_X(JEQ, 0, 0), BGFILTER_FEATURE_JMP_X },
	{ JMP_K(JEQ, 0, 0, 0), 0 },
	{ LD(W, ABS, 0), 0 },
};

static void filter_decode_reports_features(struct kunit *test)
{
	struct sock_filter insns[ARRAY_SIZE(feature_cases) + 1];
	struct bgfilter_code *code;
	unsigned long all = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(feature_cases); i++) {
		insns[0] = feature_cases[i].insn;
		insns[1] = (struct sock_filter)RET(0);
		code = bgfilter_decode(insns, 2);
		KUNIT_ASSERT_FALSE(test, IS_ERR(code));
		KUNIT_EXPECT_EQ_MSG(test, code->features,
				    feature_cases[i].features, "opcode 0x%02x",
				    insns[0].code);
		kvfree(code);
	}
	for (i = 0; i < ARRAY_SIZE(feature_cases); i++) {
		insns[i] = feature_cases[i].insn;
		all |= feature_cases[i].features;
	}
	insns[i] = (struct sock_filter)RET(0);
	code = bgfilter_decode(insns, ARRAY_SIZE(insns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(code));
	KUNIT_EXPECT_EQ(test, code->features, all);
	kvfree(code);
}

static void filter_decode_refuses_what_was_not_checked(struct kunit *test)
{
	static const struct sock_filter insns[] = { STMT(0xff, 0), RET(0) };

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(bgfilter_decode(insns, 2)),
			-EINVAL);
}

/* What is refused. */

static void filter_check_knows_the_classic_opcodes_and_no_other(struct kunit *test)
{
	struct sock_filter insns[] = {
		STMT(BPF_ST, 1), STMT(0, 1), RET(0), RET(0),
	};
	u32 code;

	for (code = 0; code <= U16_MAX; code++) {
		int expected = is_classic(code) ? BGFILTER_OK :
						  BGFILTER_BAD_OPCODE;
		int err;

		insns[1].code = code;
		err = check(test, insns, ARRAY_SIZE(insns));
		if (err != expected)
			KUNIT_FAIL(test, "opcode 0x%04x: %d, not %d", code, err,
				   expected);
		if (!(code % 4096))
			cond_resched();
	}
}

/* One instruction that is just allowed, and one that just is not. */
struct operand_case {
	const char *name;
	enum bgfilter_reason reason;
	struct sock_filter last;
	struct sock_filter first;
};

static const struct operand_case operand_cases[] = {
	{ "ld [k]", BGFILTER_BAD_OFFSET,
	  LD(W, ABS, INT_MAX), LD(W, ABS, 0x80000000) },
	{ "ldh [k]", BGFILTER_BAD_OFFSET,
	  LD(H, ABS, INT_MAX), LD(H, ABS, 0x80000000) },
	{ "ldb [k]", BGFILTER_BAD_OFFSET,
	  LD(B, ABS, INT_MAX), LD(B, ABS, 0x80000000) },
	{ "ldx 4*([k]&0xf)", BGFILTER_BAD_OFFSET,
	  MSH(INT_MAX), MSH(0x80000000) },
	{ "ld [k]: not ancillary data", BGFILTER_BAD_OFFSET,
	  LD(W, IND, SKF_AD_OFF),
	  LD(W, ABS, SKF_AD_OFF) },
	{ "ldh [k]: not from the network header", BGFILTER_BAD_OFFSET,
	  LD(H, IND, SKF_NET_OFF),
	  LD(H, ABS, SKF_NET_OFF) },
	{ "ldb [k]: not from the link-layer header", BGFILTER_BAD_OFFSET,
	  LD(B, IND, SKF_LL_OFF),
	  LD(B, ABS, SKF_LL_OFF) },
	{ "st", BGFILTER_BAD_CELL,
	  STMT(BPF_ST, 15), STMT(BPF_ST, 16) },
	{ "stx", BGFILTER_BAD_CELL,
	  STMT(BPF_STX, 15), STMT(BPF_STX, 16) },
	{ "st: far off", BGFILTER_BAD_CELL,
	  STMT(BPF_ST, 0), STMT(BPF_ST, 0xffffffff) },
	{ "ld M[]", BGFILTER_BAD_CELL,
	  STMT(BPF_LD | BPF_MEM, 15), STMT(BPF_LD | BPF_MEM, 16) },
	{ "ldx M[]", BGFILTER_BAD_CELL,
	  STMT(BPF_LDX | BPF_MEM, 15), STMT(BPF_LDX | BPF_MEM, 16) },
	{ "div k", BGFILTER_BAD_DIVISOR,
	  ALU_K(DIV, 1), ALU_K(DIV, 0) },
	{ "mod k", BGFILTER_BAD_DIVISOR,
	  ALU_K(MOD, 1), ALU_K(MOD, 0) },
	{ "lsh k", BGFILTER_BAD_SHIFT,
	  ALU_K(LSH, 31), ALU_K(LSH, 32) },
	{ "rsh k", BGFILTER_BAD_SHIFT,
	  ALU_K(RSH, 31), ALU_K(RSH, 32) },
	{ "ja", BGFILTER_BAD_JUMP,
	  JA(1), JA(2) },
	{ "ja: wraps", BGFILTER_BAD_LOOP,
	  JA(0), JA(0xffffffff) },
	{ "jeq k, true", BGFILTER_BAD_JUMP,
	  JMP_K(JEQ, 0, 1, 0), JMP_K(JEQ, 0, 2, 0) },
	{ "jeq k, false", BGFILTER_BAD_JUMP,
	  JMP_K(JEQ, 0, 0, 1), JMP_K(JEQ, 0, 0, 2) },
	{ "jeq x, true", BGFILTER_BAD_JUMP,
	  JMP_X(JEQ, 1, 0), JMP_X(JEQ, 2, 0) },
	{ "jeq x, false", BGFILTER_BAD_JUMP,
	  JMP_X(JEQ, 0, 1), JMP_X(JEQ, 0, 2) },
	{ "jgt k, true", BGFILTER_BAD_JUMP,
	  JMP_K(JGT, 0, 1, 0), JMP_K(JGT, 0, 2, 0) },
	{ "jgt k, false", BGFILTER_BAD_JUMP,
	  JMP_K(JGT, 0, 0, 1), JMP_K(JGT, 0, 0, 2) },
	{ "jgt x, true", BGFILTER_BAD_JUMP,
	  JMP_X(JGT, 1, 0), JMP_X(JGT, 2, 0) },
	{ "jgt x, false", BGFILTER_BAD_JUMP,
	  JMP_X(JGT, 0, 1), JMP_X(JGT, 0, 2) },
	{ "jge k, true", BGFILTER_BAD_JUMP,
	  JMP_K(JGE, 0, 1, 0), JMP_K(JGE, 0, 2, 0) },
	{ "jge k, false", BGFILTER_BAD_JUMP,
	  JMP_K(JGE, 0, 0, 1), JMP_K(JGE, 0, 0, 2) },
	{ "jge x, true", BGFILTER_BAD_JUMP,
	  JMP_X(JGE, 1, 0), JMP_X(JGE, 2, 0) },
	{ "jge x, false", BGFILTER_BAD_JUMP,
	  JMP_X(JGE, 0, 1), JMP_X(JGE, 0, 2) },
	{ "jset k, true", BGFILTER_BAD_JUMP,
	  JMP_K(JSET, 0, 1, 0), JMP_K(JSET, 0, 2, 0) },
	{ "jset k, false", BGFILTER_BAD_JUMP,
	  JMP_K(JSET, 0, 0, 1), JMP_K(JSET, 0, 0, 2) },
	{ "jset x, true", BGFILTER_BAD_JUMP,
	  JMP_X(JSET, 1, 0), JMP_X(JSET, 2, 0) },
	{ "jset x, false", BGFILTER_BAD_JUMP,
	  JMP_X(JSET, 0, 1), JMP_X(JSET, 0, 2) },
	{ "jset x: as far as can be", BGFILTER_BAD_JUMP,
	  JMP_X(JSET, 1, 1), JMP_X(JSET, 255, 255) },
};

static void operand_desc(const struct operand_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(operand, operand_cases, operand_desc);

static void filter_check_knows_the_border(struct kunit *test)
{
	const struct operand_case *c = test->param_value;
	struct sock_filter insns[] = {
		STMT(BPF_ST, 15), c->last, RET(0), RET(0),
	};

	u32 at;

	KUNIT_EXPECT_EQ(test, check(test, insns, ARRAY_SIZE(insns)),
			BGFILTER_OK);
	insns[1] = c->first;
	KUNIT_EXPECT_EQ(test, check_at(test, insns, ARRAY_SIZE(insns), &at),
			c->reason);
	KUNIT_EXPECT_EQ(test, at, 1U);
}

struct path_case {
	const char *name;
	enum bgfilter_reason expected;
	u32 at;			/* whose fault it is */
	u32 len;
	struct sock_filter insns[8];
};

#define PATHS(_name, _expected, _at, ...) {				\
	.name = _name,							\
	.expected = BGFILTER_##_expected,				\
	.at = _at,							\
	.len = ARRAY_SIZE(((struct sock_filter[]){ __VA_ARGS__ })),	\
	.insns = { __VA_ARGS__ },					\
}

#define ST(_k)		STMT(BPF_ST, _k)
#define STX(_k)		STMT(BPF_STX, _k)
#define LDM(_k)		STMT(BPF_LD | BPF_MEM, _k)
#define LDXM(_k)	STMT(BPF_LDX | BPF_MEM, _k)
#define IF(_t, _f)	JMP_K(JEQ, 0, _t, _f)

static const struct path_case path_cases[] = {
	PATHS("no return", BAD_END, 0, A(1)),
	PATHS("no return at the end", BAD_END, 1, RET(1), A(1)),
	PATHS("a jump at the end", BAD_END, 0, JA(0)),
	PATHS("a branch at the end", BAD_END, 0, IF(0, 0)),
	PATHS("returns only", OK, 0, RET(1), RET_A),
	PATHS("cell never written, ld", BAD_UNWRITTEN, 0, LDM(0), RET_A),
	PATHS("cell never written, ldx", BAD_UNWRITTEN, 0, LDXM(0), RET_A),
	PATHS("another cell written", BAD_UNWRITTEN, 1, ST(1), LDM(0), RET_A),
	PATHS("cell written by st", OK, 0, ST(0), LDM(0), RET_A),
	PATHS("cell written by stx", OK, 0, STX(0), LDXM(0), RET_A),
	PATHS("written after it is read", BAD_UNWRITTEN, 0, LDM(0), ST(0), RET_A),
	PATHS("written on the true path only", BAD_UNWRITTEN, 2,
	      IF(0, 1), ST(0), LDM(0), RET_A),
	PATHS("written on the false path only", BAD_UNWRITTEN, 2,
	      IF(1, 0), ST(0), LDM(0), RET_A),
	PATHS("written on both paths", OK, 0,
	      IF(0, 2), ST(0), JA(1), ST(0), LDM(0), RET_A),
	PATHS("another cell on each path", BAD_UNWRITTEN, 4,
	      IF(0, 2), ST(0), JA(1), ST(1), LDM(0), RET_A),
	PATHS("written before the branch", OK, 0,
	      ST(0), IF(0, 1), ST(1), LDM(0), RET_A),
	PATHS("written where ja jumps over", BAD_UNWRITTEN, 2,
	      JA(1), ST(0), LDM(0), RET_A),
	PATHS("written where nobody comes", OK, 0,
	      JA(2), ST(0), LDM(0), RET_A),
	PATHS("the path that does not write returns", OK, 0,
	      IF(0, 1), JA(1), RET(0), ST(0), LDM(0), RET_A),
	PATHS("three ways, one of them without", BAD_UNWRITTEN, 4,
	      IF(0, 2), ST(0), IF(1, 1), STX(1), LDM(0), RET_A),
};

static void path_desc(const struct path_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(path, path_cases, path_desc);

static void filter_check_follows_every_path(struct kunit *test)
{
	const struct path_case *c = test->param_value;
	struct bpf_prog *prog;
	u32 at;
	int err;

	KUNIT_EXPECT_EQ(test, check_at(test, c->insns, c->len, &at),
			c->expected);
	if (c->expected)
		KUNIT_EXPECT_EQ(test, at, c->at);
	err = kernel_create(&prog, c->insns, c->len);
	KUNIT_EXPECT_EQ(test, err, c->expected ? -EINVAL : 0);
	if (!err)
		bpf_prog_destroy(prog);
}

static void filter_check_knows_how_long_a_program_may_be(struct kunit *test)
{
	static const struct { u32 len; enum bgfilter_reason reason; } cases[] = {
		{ 0, BGFILTER_BAD_EMPTY }, { 1, BGFILTER_OK },
		{ BGFILTER_MAX_PROG, BGFILTER_OK },
		{ BGFILTER_MAX_PROG + 1, BGFILTER_BAD_LONG },
		{ U32_MAX, BGFILTER_BAD_LONG },
	};
	struct filter_ctx *ctx = test->priv;
	int i;

	for (i = 0; i <= BGFILTER_MAX_PROG; i++)
		ctx->prog[i] = (struct sock_filter)RET(1);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, check(test, ctx->prog, cases[i].len),
				    cases[i].reason, "%u instructions",
				    cases[i].len);
}

static void filter_jumps_across_the_longest_program(struct kunit *test)
{
	struct filter_ctx *ctx = test->priv;
	struct bgfilter_code *code;
	u32 last = BGFILTER_MAX_PROG - 1;
	int i;

	for (i = 0; i < last; i++)
		ctx->prog[i] = (struct sock_filter)RET(1);
	ctx->prog[0] = (struct sock_filter)JA(last - 1);
	ctx->prog[last] = (struct sock_filter)RET(2);
	KUNIT_ASSERT_EQ(test, check(test, ctx->prog, last + 1), 0);
	code = bgfilter_decode(ctx->prog, last + 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(code));
	KUNIT_EXPECT_EQ(test, bgfilter_interpret(code, packet, 1, 1), 2U);
	kvfree(code);
}

/* Random programs. */

#define RANDOM_LEN	64	/* instructions */
#define PACKET_LEN	96	/* bytes */

/* An offset near the packet: most often inside, and often at its end. */
static u32 random_offset(struct filter_ctx *ctx)
{
	switch (rnd_below(ctx, 16)) {
	case 0:
		return rnd(ctx) & INT_MAX;
	case 1:
	case 2:
		return PACKET_LEN - 8 + rnd_below(ctx, 10);
	default:
		return rnd_below(ctx, PACKET_LEN / 4);
	}
}

/* Values at which something might change. */
static u32 random_value(struct filter_ctx *ctx)
{
	static const u32 values[] = {
		0, 1, 2, 31, 32, 33, 0x7f, 0x80, 0xff, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
	};

	return rnd_below(ctx, 2) ? rnd(ctx) :
	       values[rnd_below(ctx, ARRAY_SIZE(values))];
}

/* A cell that is written on every way here, or 0. */
static u32 random_cell(struct filter_ctx *ctx, u16 written)
{
	u32 cell = rnd_below(ctx, BPF_MEMWORDS);

	while (written && !(written & BIT(cell)))
		cell = (cell + 1) % BPF_MEMWORDS;
	return written ? cell : 0;
}

/* One valid instruction; @left follow. */
static struct sock_filter random_insn(struct filter_ctx *ctx, u16 written,
				      u32 left)
{
	struct sock_filter insn = {};
	u32 reach = min_t(u32, left, 8);

	for (;;) {
		insn.code = classic[rnd_below(ctx, ARRAY_SIZE(classic))];
		insn.k = random_value(ctx);
		insn.jt = rnd(ctx);	/* nobody looks, but at jumps */
		insn.jf = rnd(ctx);
		switch (insn.code) {
		case BPF_LD | BPF_W | BPF_ABS:
		case BPF_LD | BPF_H | BPF_ABS:
		case BPF_LD | BPF_B | BPF_ABS:
		case BPF_LDX | BPF_B | BPF_MSH:
			insn.k = random_offset(ctx);
			return insn;
		case BPF_LD | BPF_W | BPF_IND:
		case BPF_LD | BPF_H | BPF_IND:
		case BPF_LD | BPF_B | BPF_IND:
			if (rnd_below(ctx, 4))
				insn.k = random_offset(ctx);
			return insn;
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
			if (!written)
				continue;
			insn.k = random_cell(ctx, written);
			return insn;
		case BPF_ST:
		case BPF_STX:
			insn.k = rnd_below(ctx, BPF_MEMWORDS);
			return insn;
		case BPF_ALU | BPF_DIV | BPF_K:
		case BPF_ALU | BPF_MOD | BPF_K:
			insn.k = insn.k ?: 1;
			return insn;
		case BPF_ALU | BPF_LSH | BPF_K:
		case BPF_ALU | BPF_RSH | BPF_K:
			insn.k %= 32;
			return insn;
		case BPF_JMP | BPF_JA:
			insn.k = rnd_below(ctx, reach);
			return insn;
		case BPF_RET | BPF_K:
		case BPF_RET | BPF_A:
			if (rnd_below(ctx, 4))
				continue;
			return insn;
		}
		if (BPF_CLASS(insn.code) == BPF_JMP) {
			insn.jt = rnd_below(ctx, reach);
			insn.jf = rnd_below(ctx, reach);
		}
		return insn;
	}
}

/* Sometimes an index that leads into the packet, so that loads at it work. */
static bool random_index(struct filter_ctx *ctx, struct sock_filter *insns)
{
	u32 x = rnd_below(ctx, 2) ? rnd_below(ctx, 16) : random_value(ctx);
	u16 size = BPF_SIZE(rnd_below(ctx, 3) << 3);

	if (rnd_below(ctx, 12))
		return false;
	insns[0] = (struct sock_filter)X(x);
	insns[1] = (struct sock_filter)STMT(BPF_LD | size | BPF_IND,
					    random_offset(ctx) - x);
	return true;
}

/* A program that every checker accepts, into ctx->prog. */
static u32 random_program(struct filter_ctx *ctx)
{
	u32 len = 2 + rnd_below(ctx, RANDOM_LEN - 1);
	u16 reached[RANDOM_LEN + 1];	/* as bgfilter_check()'s scratch */
	struct sock_filter *insn;
	u16 written = 0;
	u32 pc;

	memset(reached, 0xff, sizeof(reached));
	for (pc = 0; pc < len - 1; pc++) {
		written &= reached[pc];
		if (pc + 2 < len && random_index(ctx, &ctx->prog[pc])) {
			pc++;
			written &= reached[pc];
			continue;
		}
		insn = &ctx->prog[pc];
		*insn = random_insn(ctx, written, len - pc - 1);
		if (insn->code == BPF_ST || insn->code == BPF_STX) {
			written |= BIT(insn->k);
		} else if (insn->code == (BPF_JMP | BPF_JA)) {
			reached[pc + 1 + insn->k] &= written;
			written = ~0;
		} else if (BPF_CLASS(insn->code) == BPF_JMP) {
			reached[pc + 1 + insn->jt] &= written;
			reached[pc + 1 + insn->jf] &= written;
			written = ~0;
		}
	}
	ctx->prog[pc] = (struct sock_filter)RET_A;
	return len;
}

/* Change something, so that it may well be refused. */
static u32 spoil(struct filter_ctx *ctx, u32 len)
{
	struct sock_filter *insn = &ctx->prog[rnd_below(ctx, len)];

	switch (rnd_below(ctx, 8)) {
	case 0:
		insn->code = rnd_below(ctx, 256);
		break;
	case 1:
		insn->code = classic[rnd_below(ctx, ARRAY_SIZE(classic))];
		break;
	case 2:
		insn->k = random_value(ctx);
		break;
	case 3:
		insn->k = rnd_below(ctx, len);
		break;
	case 4:
		insn->jt = rnd_below(ctx, len + 1);
		break;
	case 5:
		insn->jf = rnd_below(ctx, len + 1);
		break;
	case 6:
		return 1 + rnd_below(ctx, len);
	case 7:
		insn->code = BPF_LD | BPF_MEM;
		insn->k = rnd_below(ctx, BPF_MEMWORDS);
		break;
	}
	return len;
}

static bool has_negative_offset(const struct sock_filter *insns, u32 len)
{
	u32 pc;

	for (pc = 0; pc < len; pc++) {
		switch (insns[pc].code) {
		case BPF_LD | BPF_W | BPF_ABS:
		case BPF_LD | BPF_H | BPF_ABS:
		case BPF_LD | BPF_B | BPF_ABS:
		case BPF_LDX | BPF_B | BPF_MSH:
			if (insns[pc].k > INT_MAX)
				return true;
		}
	}
	return false;
}

/* What the batches came to, for the case that runs after them. */
static struct {
	unsigned int accepted;
	unsigned int refused;
	unsigned int run;	/* programs */
	unsigned int jited;
	unsigned int pairs;
	unsigned int matched;	/* the result was not 0 */
	unsigned int truncated;
	DECLARE_BITMAP(seen, 256);	/* opcodes */
} sums;

/* Both checkers on ctx->prog; false on a difference, which is shown. */
static bool same_verdict(struct kunit *test, u32 len)
{
	struct filter_ctx *ctx = test->priv;
	struct bpf_prog *prog;
	int ours, kernels;

	ours = check(test, ctx->prog, len) ? -EINVAL : 0;
	kernels = kernel_create(&prog, ctx->prog, len);
	if (!kernels)
		bpf_prog_destroy(prog);
	if (has_negative_offset(ctx->prog, len))
		kernels = -EINVAL;
	if (ours)
		sums.refused++;
	else
		sums.accepted++;
	if (ours == kernels)
		return true;
	dump_program(test, ctx->prog, len);
	KUNIT_FAIL(test, "%d, but the kernel's is %d", ours, kernels);
	return false;
}

static void filter_check_accepts_what_the_kernel_accepts(struct kunit *test)
{
	struct filter_ctx *ctx = test->priv;
	unsigned int i, spoils;
	u32 len;

	for (i = 0; i < programs; i++) {
		len = random_program(ctx);
		for (spoils = 1 + rnd_below(ctx, 3); spoils; spoils--)
			len = spoil(ctx, len);
		if (!same_verdict(test, len))
			return;
		cond_resched();
	}
}

struct random_packet {
	u8 data[PACKET_LEN];
	u32 cap_len;
	u32 wire_len;
	struct sk_buff *skb;
};

static void random_packets_free(struct random_packet *all)
{
	int i;

	for (i = 0; i < MAX_PACKETS; i++)
		bgfilter_skb_free(all[i].skb);
	kfree(all);
}

/* Of all lengths, with bytes among which small ones are frequent. */
static bool random_packet(struct filter_ctx *ctx, struct random_packet *p)
{
	u32 i;

	p->cap_len = rnd_below(ctx, 4) ? PACKET_LEN :
		     rnd_below(ctx, PACKET_LEN + 1);
	p->wire_len = p->cap_len + (rnd_below(ctx, 3) ? 0 : rnd_below(ctx, 64));
	if (!rnd_below(ctx, 4))
		p->wire_len = random_value(ctx);
	for (i = 0; i < p->cap_len; i++)
		p->data[i] = rnd_below(ctx, 3) ? rnd(ctx) : rnd_below(ctx, 4);
	p->skb = bgfilter_skb(p->data, p->cap_len, p->wire_len);
	return p->skb;
}

/* NULL if there is no memory */
static struct random_packet *random_packets(struct filter_ctx *ctx)
{
	struct random_packet *all;
	int i;

	all = kcalloc(MAX_PACKETS, sizeof(*all), GFP_KERNEL);
	if (!all)
		return NULL;
	for (i = 0; i < packets; i++) {
		if (!random_packet(ctx, &all[i])) {
			random_packets_free(all);
			return NULL;
		}
	}
	return all;
}

/* One program on one packet; false on a difference, which is shown. */
static bool same_result(struct kunit *test, const struct bgfilter_code *code,
			const struct bpf_prog *prog, u32 len,
			const struct random_packet *p)
{
	struct filter_ctx *ctx = test->priv;
	u32 ours, native;

	native = bpf_prog_run_pin_on_cpu(prog, p->skb);
	ours = bgfilter_interpret(code, p->data, p->cap_len, p->wire_len);
	sums.pairs++;
	sums.matched += !!native;
	sums.truncated += p->cap_len < p->wire_len;
	if (ours == native)
		return true;
	dump_program(test, ctx->prog, len);
	dump_packet(test, p->data, p->cap_len, p->wire_len);
	KUNIT_FAIL(test, "0x%08x, but native code's is 0x%08x", ours, native);
	return false;
}

/* ctx->prog on all packets; false as same_result(). */
static bool same_results(struct kunit *test, u32 len,
			 const struct random_packet *all)
{
	struct filter_ctx *ctx = test->priv;
	struct bgfilter_code *code;
	struct bpf_prog *prog;
	unsigned int i;
	bool same = true;

	if (check(test, ctx->prog, len) ||
	    bgfilter_native(&prog, ctx->prog, len)) {
		dump_program(test, ctx->prog, len);
		KUNIT_FAIL(test, "a valid program was refused");
		return false;
	}
	code = bgfilter_decode(ctx->prog, len);
	if (IS_ERR(code)) {
		bpf_prog_destroy(prog);
		KUNIT_FAIL(test, "decode: %ld", PTR_ERR(code));
		return false;
	}
	sums.run++;
	sums.jited += prog->jited;
	for (i = 0; same && i < packets; i++)
		same = same_result(test, code, prog, len, &all[i]);
	kvfree(code);
	bpf_prog_destroy(prog);
	return same;
}

static void filter_interpreter_agrees_with_native_code(struct kunit *test)
{
	struct filter_ctx *ctx = test->priv;
	struct random_packet *all;
	unsigned int i, pc;
	u32 len;

	packets = min_t(unsigned int, packets, MAX_PACKETS);
	all = random_packets(ctx);
	KUNIT_ASSERT_NOT_NULL(test, all);
	for (i = 0; i < programs; i++) {
		len = random_program(ctx);
		for (pc = 0; pc < len; pc++)
			set_bit(ctx->prog[pc].code, sums.seen);
		if (!same_results(test, len, all))
			break;
		cond_resched();
	}
	random_packets_free(all);
}

/* They would say little if most programs were refused, or ended at once. */
static void filter_random_programs_were_worth_running(struct kunit *test)
{
	unsigned int all = ARRAY_SIZE(batches) * programs;

	kunit_info(test, "checks: %u accepted, %u refused", sums.accepted,
		   sums.refused);
	kunit_info(test, "runs: %u pairs, %u with a result other than 0, %u of a truncated packet",
		   sums.pairs, sums.matched, sums.truncated);
	KUNIT_EXPECT_EQ(test, sums.accepted + sums.refused, all);
	KUNIT_EXPECT_EQ(test, sums.run, all);
	if (IS_ENABLED(CONFIG_BPF_JIT_DEFAULT_ON))
		KUNIT_EXPECT_EQ(test, sums.jited, all);
	else
		kunit_info(test, "no native code here: %u of %u programs",
			   sums.jited, all);
	KUNIT_EXPECT_EQ(test, sums.pairs, all * packets);
	if (programs == PROGRAMS && packets == PACKETS)
		KUNIT_EXPECT_GE(test, sums.pairs, 20000U);
	KUNIT_EXPECT_GT(test, sums.accepted, all / 10);
	KUNIT_EXPECT_GT(test, sums.refused, all / 10);
	KUNIT_EXPECT_GT(test, sums.matched, sums.pairs / 10);
	KUNIT_EXPECT_GT(test, sums.truncated, sums.pairs / 10);
	KUNIT_EXPECT_EQ(test, bitmap_weight(sums.seen, 256),
			(int)ARRAY_SIZE(classic));
}

static struct kunit_case filter_cases[] = {
	KUNIT_CASE_PARAM(filter_opcode_returns_what_it_should, result_gen_params),
	KUNIT_CASE_PARAM(filter_operand_may_be_k_or_x, binary_gen_params),
	KUNIT_CASE(filter_tables_have_every_opcode),
	KUNIT_CASE(filter_length_is_what_the_packet_says),
	KUNIT_CASE(filter_branches_reach_across_guarded_loads),
	KUNIT_CASE(filter_that_uses_all_scratch_memory_has_no_native_shift),
	KUNIT_CASE(filter_too_long_with_what_is_put_in_has_no_native_code),
	KUNIT_CASE(filter_of_an_empty_packet_loads_nothing),
	KUNIT_CASE(filter_decode_reports_features),
	KUNIT_CASE(filter_decode_refuses_what_was_not_checked),
	KUNIT_CASE(filter_check_knows_the_classic_opcodes_and_no_other),
	KUNIT_CASE_PARAM(filter_check_knows_the_border, operand_gen_params),
	KUNIT_CASE_PARAM(filter_check_follows_every_path, path_gen_params),
	KUNIT_CASE(filter_check_knows_how_long_a_program_may_be),
	KUNIT_CASE(filter_jumps_across_the_longest_program),
	KUNIT_CASE_PARAM(filter_check_accepts_what_the_kernel_accepts,
			 batch_gen_params),
	KUNIT_CASE_PARAM(filter_interpreter_agrees_with_native_code,
			 batch_gen_params),
	KUNIT_CASE(filter_random_programs_were_worth_running),
	{}
};

static struct kunit_suite filter_suite = {
	.name = "bgfilter_prog",
	.init = filter_test_init,
	.test_cases = filter_cases,
};

kunit_test_suite(filter_suite);

MODULE_DESCRIPTION("KUnit tests of bgfilter's checker, interpreter and native code");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
