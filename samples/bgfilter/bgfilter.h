/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bgfilter: classic BPF filters compiled in the background.
 *
 *	main.c		/dev/bgfilter: one file, one set
 *	set.c		the set: owner of a compile state
 *	image.c		what was loaded, and its units, which outlive the set
 *	results.c	what was published, and how it is freed
 *	prog.c		one program: check it, decode it, interpret it
 *	native.c	one program for the kernel's own compiler
 *	flush.c		how it is done without tokens, for comparison
 *
 * Who holds what:
 *
 *  - a set belongs to its file, which frees it after cancelling it;
 *  - references on an image, the programs as they were loaded, are held by its
 *    set, by each task that compiles (as the env), and by each unit;
 *  - a result belongs to its unit until it is published, then to the image's
 *    results, which are freed gradually once the image is gone.
 */
#ifndef _BGFILTER_H
#define _BGFILTER_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/filter.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "bgcompile.h"
#include "bgfilter_uapi.h"

/* prog.c */

/* One decoded instruction. */
struct bgfilter_op {
	u8 op;			/* enum in prog.c */
	union {
		struct {
			u16 jt, jf;	/* jumps: bytes from the first operation on */
		};
		u32 end;	/* loads: k plus the size */
	};
	u32 k;
};

/* The baseline result. */
struct bgfilter_code {
	unsigned long features;	/* BGFILTER_FEATURE_* */
	u32 len;
	struct bgfilter_op ops[] __counted_by(len);
};

#define BGFILTER_CHECK_SCRATCH	(BGFILTER_MAX_PROG * sizeof(u16))

enum bgfilter_reason bgfilter_check(const struct sock_filter *insns, u32 len,
				    u16 *scratch, u32 *at);
struct bgfilter_code *bgfilter_decode(const struct sock_filter *insns, u32 len);
u32 bgfilter_interpret(const struct bgfilter_code *code, const u8 *data,
		       u32 cap_len, u32 wire_len);

/* native.c */

int bgfilter_native(struct bpf_prog **prog, const struct sock_filter *insns,
		    u32 len);
struct sk_buff *bgfilter_skb(const void *data, u32 cap_len, u32 wire_len);
void bgfilter_skb_free(struct sk_buff *skb);

/* results.c */

/* What is published of one program.  Each is set once, with release semantics. */
struct bgfilter_slot {
	struct bgfilter_code *baseline;
	struct bpf_prog *top;
};

struct bgfilter_results {
	struct list_head list;		/* links those that leave */
	u32 next;			/* slot to be freed */
	u32 nr;
	unsigned long *published;	/* bit i: slots[i] is not empty */
	atomic_t progs;			/* how many are not: a close has no time to count them */
	struct bgfilter_slot slots[] __counted_by(nr);
};

void bgfilter_count_result(void);
void bgfilter_free_result(enum bgcompile_tier tier, void *result);
struct bgfilter_results *bgfilter_results_alloc(u32 nr);
void bgfilter_results_add(struct bgfilter_results *results, u32 index);
void bgfilter_results_end(struct bgfilter_results *results);
void bgfilter_results_leave(struct bgfilter_results *results);
int bgfilter_results_wait(void);
void bgfilter_results_exit(void);

/* image.c */

struct bgfilter_image;

/* One piece of compilation: one program, one tier. */
struct bgfilter_unit {
	struct bgcompile_unit unit;
	struct bgfilter_image *image;	/* a reference, from add to free */
	u32 index;			/* of the program */
	void *result;			/* NULL once published */
};

/* The programs as they were loaded, for compile steps; and what these have produced. */
struct bgfilter_image {
	refcount_t refs;
	u32 nr_progs;
	u32 nr_units;
	u32 tiers;			/* BGFILTER_TIER_* */
	struct bgfilter_prog *progs;
	struct sock_filter *insns;
	struct bgfilter_unit *units;	/* baseline ones first */
	struct bgfilter_results *results;
	atomic64_t compile_ns[BGCOMPILE_TIERS];
	atomic64_t longest_ns[BGCOMPILE_TIERS];
};

struct bgfilter_set;

struct bgfilter_image *bgfilter_image_create(struct bgfilter_load *load);
void bgfilter_image_put(void *image);
int bgfilter_compile(struct bgcompile_unit *unit, void *env,
		     struct bgtoken *token);
int bgfilter_publish_in(struct bgfilter_set *set, struct bgfilter_unit *unit);
void bgfilter_free_unit(struct bgcompile_unit *unit);
void bgfilter_image_exit(void);

/* set.c */

struct bgfilter_file;
struct bgfilter_flush;

struct bgfilter_set {
	struct bgcompile compile;	/* unused with teardown=flush */
	struct bgfilter_flush *flush;	/* NULL unless teardown=flush */
	struct bgcompile_callback callback;
	struct bgfilter_image *image;
	struct bgfilter_file *file;
	u32 events;			/* E: BGFILTER_EVENT_* */
	u32 unread;			/* E: those not yet reported */
	int error;			/* E */
	u32 nr;
	u8 verdicts[] __counted_by(nr);	/* F: as a run fills it */
};

struct bgfilter_set *bgfilter_set_create(struct bgfilter_file *file,
					 struct bgfilter_load *load);
int bgfilter_set_start(struct bgfilter_set *set);
void bgfilter_set_destroy(struct bgfilter_set *set);
int bgfilter_set_run(struct bgfilter_set *set, const struct sk_buff *skb,
		     u32 tier);
void bgfilter_set_progress(struct bgfilter_set *set,
			   struct bgcompile_progress *progress);

void bgfilter_set_exit(void);

/* main.c */

struct bgfilter_file {
	struct mutex lock;		/* F: loads and runs, one at a time */
	spinlock_t events_lock;		/* E: taken inside F, and in scopes */
	struct bgfilter_set *set;	/* F and E to write, either to read */
	u64 loads;			/* E: how many sets there were */
	wait_queue_head_t waitq;
};

extern struct bgtoken_wq *bgfilter_wq;
extern bool bgfilter_teardown_flush;
extern unsigned int bgfilter_max_tasks;

/* flush.c */

typedef void bgfilter_event_fn(struct bgfilter_set *set, enum bgcompile_event event, int error);

int bgfilter_flush_start(struct bgfilter_set *set, bgfilter_event_fn *event);
void bgfilter_flush_stop(struct bgfilter_set *set);
void bgfilter_flush_progress(struct bgfilter_flush *flush,
			     struct bgcompile_progress *progress);

#endif /* _BGFILTER_H */
