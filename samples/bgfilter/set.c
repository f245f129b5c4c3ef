// SPDX-License-Identifier: GPL-2.0-only
/*
 * A set of filters: the owner of a compile state.
 *
 * A program is one unit in each tier.  Units come in one array with the image,
 * and are freed with it, when the last reference goes: after a close that is
 * most often the last compile task's.  The results that are published go then,
 * too: to send them away was most of what a close did.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bgfilter.h"

#define LIVE_PREFIX	bgfilter
#include "live.h"

#define BIG_PROGRAM	1000	/* instructions; larger ones are compiled first */

LIVE_COUNTER(sets, "how many sets are alive");
LIVE_COUNTER(images, "how many images are alive");

/* Images */

static void bgfilter_image_free(struct bgfilter_image *image)
{
	bgfilter_results_leave(image->results);
	kvfree(image->units);
	kvfree(image->insns);
	kvfree(image->progs);
	kfree(image);
	live_dec(images);
}

static void bgfilter_image_put(void *env)
{
	struct bgfilter_image *image = env;

	if (refcount_dec_and_test(&image->refs))
		bgfilter_image_free(image);
}

static void *bgfilter_copy(u64 address, size_t count, size_t size)
{
	void *copy = kvmalloc_array(count, size,
				    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);

	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(copy, u64_to_user_ptr(address), count * size)) {
		kvfree(copy);
		return ERR_PTR(-EFAULT);
	}
	return copy;
}

static int bgfilter_image_copy(struct bgfilter_image *image,
			       const struct bgfilter_load *load)
{
	void *copy;

	copy = bgfilter_copy(load->progs, load->nr_progs, sizeof(*image->progs));
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	image->progs = copy;

	copy = bgfilter_copy(load->insns, load->nr_insns, sizeof(*image->insns));
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	image->insns = copy;

	image->units = kvcalloc(image->nr_units, sizeof(*image->units),
				GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	return image->units ? 0 : -ENOMEM;
}

static enum bgfilter_reason
bgfilter_prog_check(const struct bgfilter_image *image, u32 nr_insns,
		    const struct bgfilter_prog *prog, u16 *scratch, u32 *at)
{
	*at = 0;
	if (prog->len > BGFILTER_MAX_PROG)
		return BGFILTER_BAD_LONG;
	if (prog->first > nr_insns || prog->len > nr_insns - prog->first)
		return BGFILTER_BAD_POOL;
	return bgfilter_check(&image->insns[prog->first], prog->len, scratch, at);
}

/* The program @i of @load, and why; the error for it. */
static int bgfilter_refuse(struct bgfilter_load *load, u32 i,
			   enum bgfilter_reason reason, u32 at)
{
	load->failed = i;
	load->insn = at;
	load->reason = reason;
	return reason == BGFILTER_BAD_LONG || reason == BGFILTER_BAD_TOTAL ?
		-E2BIG : -EINVAL;
}

/* Every program lies in the pool and is valid; else @load says which is not. */
static int bgfilter_image_check(const struct bgfilter_image *image,
				struct bgfilter_load *load)
{
	const struct bgfilter_prog *prog, *checked = NULL;
	enum bgfilter_reason bad;
	u64 total = 0;
	u16 *scratch;
	int err = 0;
	u32 i, at;

	scratch = kmalloc(BGFILTER_CHECK_SCRATCH, GFP_KERNEL);
	if (!scratch)
		return -ENOMEM;
	for (i = 0; !err && i < image->nr_progs; i++) {
		prog = &image->progs[i];
		total += prog->len;	/* what is compiled, shared or not */
		if (total > BGFILTER_MAX_INSNS) {
			err = bgfilter_refuse(load, i, BGFILTER_BAD_TOTAL, 0);
			break;
		}
		if (checked && prog->first == checked->first &&
		    prog->len == checked->len)
			continue;	/* the same instructions again */
		bad = bgfilter_prog_check(image, load->nr_insns, prog, scratch,
					  &at);
		if (bad)
			err = bgfilter_refuse(load, i, bad, at);
		else if (fatal_signal_pending(current))
			err = -EINTR;
		checked = prog;
		cond_resched();
	}
	kfree(scratch);
	return err;
}

/* One for each program in each tier, the baseline ones first. */
static void bgfilter_units_init(struct bgfilter_image *image)
{
	struct bgfilter_unit *unit = image->units;
	enum bgcompile_tier tier;
	u32 i;

	for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
		if (!(image->tiers & BIT(tier)))
			continue;
		for (i = 0; i < image->nr_progs; i++, unit++) {
			unit->image = image;
			unit->index = i;
			bgcompile_unit_init(&unit->unit, tier,
					    image->progs[i].len);
		}
	}
}

static struct bgfilter_image *
bgfilter_image_create(struct bgfilter_load *load)
{
	const u32 both = BGFILTER_TIER_BASELINE | BGFILTER_TIER_TOP;
	struct bgfilter_image *image;
	int err;

	if (!load->nr_progs || !load->nr_insns || load->tiers & ~both)
		return ERR_PTR(-EINVAL);
	if (load->nr_progs > BGFILTER_MAX_FILTERS ||
	    load->nr_insns > BGFILTER_MAX_INSNS)
		return ERR_PTR(-E2BIG);

	image = kzalloc(sizeof(*image), GFP_KERNEL_ACCOUNT);
	if (!image)
		return ERR_PTR(-ENOMEM);
	live_inc(images);
	refcount_set(&image->refs, 1);	/* put in bgfilter_set_free() */
	image->nr_progs = load->nr_progs;
	image->tiers = load->tiers ?: both;
	image->nr_units = image->nr_progs * hweight32(image->tiers);

	err = bgfilter_image_copy(image, load);
	if (err)
		goto put_image;
	err = bgfilter_image_check(image, load);
	if (err)
		goto put_image;
	image->results = bgfilter_results_alloc(image->nr_progs);
	if (!image->results) {
		err = -ENOMEM;
		goto put_image;
	}
	bgfilter_units_init(image);
	return image;

put_image:
	bgfilter_image_put(image);
	return ERR_PTR(err);
}

/* Units */

void bgfilter_free_unit(struct bgcompile_unit *cunit)
{
	struct bgfilter_unit *unit =
		container_of(cunit, struct bgfilter_unit, unit);

	bgfilter_free_result(cunit->tier, unit->result);
	bgfilter_image_put(unit->image);	/* taken in bgfilter_set_start() */
}

static void bgfilter_account(struct bgfilter_image *image,
			     enum bgcompile_tier tier, u64 ns)
{
	s64 longest = atomic64_read(&image->longest_ns[tier]);

	atomic64_add(ns, &image->compile_ns[tier]);
	while (ns > longest &&
	       !atomic64_try_cmpxchg(&image->longest_ns[tier], &longest, ns))
		;
}

/* Outside of scopes: the image is all there is. */
int bgfilter_compile(struct bgcompile_unit *cunit, void *env,
		     struct bgtoken *token)
{
	struct bgfilter_unit *unit =
		container_of(cunit, struct bgfilter_unit, unit);
	struct bgfilter_image *image = env;
	const struct bgfilter_prog *prog = &image->progs[unit->index];
	u64 start = ktime_get_ns();
	int err = 0;

	if (cunit->tier == BGCOMPILE_TOP) {
		struct bpf_prog *top;

		err = bgfilter_native(&top, &image->insns[prog->first],
				      prog->len);
		if (!err)
			unit->result = top;
	} else {
		struct bgfilter_code *code;

		code = bgfilter_decode(&image->insns[prog->first], prog->len);
		err = PTR_ERR_OR_ZERO(code);
		if (!err) {
			unit->result = code;
			cunit->features = code->features;
		}
	}
	if (!err)
		bgfilter_count_result();
	bgfilter_account(image, cunit->tier, ktime_get_ns() - start);
	return err;
}

/* The set is alive, and the only one who writes this slot's tier is here. */
int bgfilter_publish_in(struct bgfilter_set *set, struct bgfilter_unit *unit)
{
	struct bgfilter_results *results = set->image->results;
	struct bgfilter_slot *slot = &results->slots[unit->index];

	/* Releases: each pairs with its acquire in bgfilter_run_slot(). */
	if (unit->unit.tier == BGCOMPILE_TOP)
		smp_store_release(&slot->top, unit->result);		/* (T) */
	else
		smp_store_release(&slot->baseline, unit->result);	/* (B) */
	unit->result = NULL;
	bgfilter_results_add(results, unit->index);
	return 0;
}

static struct bgfilter_set *to_set(struct bgcompile *state)
{
	return container_of(state, struct bgfilter_set, compile);
}

static int bgfilter_publish(struct bgcompile *state, struct bgcompile_unit *unit)
{
	return bgfilter_publish_in(to_set(state),
				   container_of(unit, struct bgfilter_unit, unit));
}

static void *bgfilter_get_env(struct bgcompile *state)
{
	struct bgfilter_image *image = to_set(state)->image;

	refcount_inc(&image->refs);	/* put as the env */
	return image;
}

static const struct bgcompile_ops bgfilter_ops = {
	.get_env = bgfilter_get_env,
	.put_env = bgfilter_image_put,
	.compile = bgfilter_compile,
	.publish = bgfilter_publish,
	.free_unit = bgfilter_free_unit,
};

/* Sets */

static void bgfilter_set_free(struct bgfilter_set *set)
{
	bgfilter_results_end(set->image->results);
	bgfilter_image_put(set->image);
	kvfree(set);
	live_dec(sets);
}

static struct bgfilter_set *bgfilter_set_alloc(u32 nr)
{
	struct bgfilter_set *set;

	set = kvzalloc(struct_size(set, verdicts, nr),
		       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!set)
		return NULL;
	live_inc(sets);
	set->nr = nr;
	return set;
}

/* An event has come: inside a scope of the set. */
void bgfilter_set_event(struct bgfilter_set *set, enum bgcompile_event event,
			int error)
{
	struct bgfilter_file *file = set->file;

	spin_lock(&file->events_lock);
	set->events |= BIT(event);
	set->unread |= BIT(event);
	set->error = error;
	spin_unlock(&file->events_lock);
	wake_up_all(&file->waitq);
}

static void bgfilter_told(struct bgcompile_callback *cb,
			  enum bgcompile_event event, int error)
{
	bgfilter_set_event(container_of(cb, struct bgfilter_set, callback),
			   event, error);
}

static int bgfilter_compile_init(struct bgfilter_set *set)
{
	const struct bgcompile_params params = {
		.max_tasks = bgfilter_max_tasks,
		.big_size = BIG_PROGRAM,
		.tiers = set->image->tiers,
	};
	int err;

	static_assert(BIT(BGCOMPILE_BASELINE) == BGFILTER_TIER_BASELINE);
	static_assert(BIT(BGCOMPILE_TOP) == BGFILTER_TIER_TOP);
	static_assert(BIT(BGCOMPILE_BASELINE_FINISHED) == BGFILTER_EVENT_BASELINE);
	static_assert(BIT(BGCOMPILE_TOP_FINISHED) == BGFILTER_EVENT_TOP);
	static_assert(BIT(BGCOMPILE_FAILED) == BGFILTER_EVENT_FAILED);

	err = bgcompile_init(&set->compile, bgfilter_wq, &bgfilter_ops, &params);
	if (err)
		return err;
	set->callback.fn = bgfilter_told;
	err = bgcompile_add_callback(&set->compile, &set->callback);
	if (err)
		bgcompile_cancel(&set->compile);
	return err;
}

/**
 * bgfilter_set_create() - copy and check what is loaded
 * @file:	the file that the set will be of; not yet changed
 * @load:	the arguments; @load->failed, insn and reason are set
 *
 * Context: Process context; may sleep.
 * Return: The set, for bgfilter_set_start(), or an ERR_PTR.
 */
struct bgfilter_set *bgfilter_set_create(struct bgfilter_file *file,
					 struct bgfilter_load *load)
{
	struct bgfilter_image *image;
	struct bgfilter_set *set;
	int err;

	load->failed = ~0;
	load->insn = 0;
	load->reason = BGFILTER_OK;
	image = bgfilter_image_create(load);
	if (IS_ERR(image))
		return ERR_CAST(image);

	set = bgfilter_set_alloc(image->nr_progs);
	if (!set) {
		bgfilter_image_put(image);
		return ERR_PTR(-ENOMEM);
	}
	set->image = image;	/* with its reference */
	set->file = file;
	err = bgfilter_teardown_flush ? 0 : bgfilter_compile_init(set);
	if (err) {
		bgfilter_set_free(set);
		return ERR_PTR(err);
	}
	return set;
}

/**
 * bgfilter_set_start() - begin to compile
 * @set:	as created
 *
 * Context: Process context; may sleep.
 * Return: 0 or a negative errno; either way bgfilter_set_destroy() is next.
 */
int bgfilter_set_start(struct bgfilter_set *set)
{
	struct bgfilter_image *image = set->image;
	LIST_HEAD(units);
	int err;
	u32 i;

	if (bgfilter_teardown_flush)
		return bgfilter_flush_start(set);
	for (i = 0; i < image->nr_units; i++)
		bgcompile_unit_add(&image->units[i].unit, &units);
	refcount_add(image->nr_units, &image->refs);	/* bgfilter_free_unit() */
	err = bgcompile_add_units(&set->compile, &units);
	if (err)	/* not the last: the set has one */
		WARN_ON(refcount_sub_and_test(image->nr_units, &image->refs));
	return err;
}

/**
 * bgfilter_set_destroy() - cancel and free, whatever is still compiling
 * @set:	nobody runs it any more
 *
 * Context: Process context; may sleep, but for no unit, unless teardown=flush.
 */
void bgfilter_set_destroy(struct bgfilter_set *set)
{
	if (!set)
		return;
	if (bgfilter_teardown_flush)
		bgfilter_flush_stop(set);
	else
		bgcompile_cancel(&set->compile);
	bgfilter_set_free(set);
}

/**
 * bgfilter_set_progress() - where the compilation stands
 * @set:	the set
 * @progress:	filled in
 */
void bgfilter_set_progress(struct bgfilter_set *set,
			   struct bgcompile_progress *progress)
{
	if (set->flush)
		bgfilter_flush_progress(set->flush, progress);
	else
		bgcompile_progress(&set->compile, progress);
}

static u8 bgfilter_run_slot(struct bgfilter_slot *slot,
			    const struct sk_buff *skb, u32 tier)
{
	struct bgfilter_code *baseline;
	struct bpf_prog *top;

	top = tier & BGFILTER_TIER_TOP ?
		smp_load_acquire(&slot->top) : NULL;		/* with (T) */
	if (top)
		return bpf_prog_run_pin_on_cpu(top, skb) ?
			BGFILTER_RAN_TOP | BGFILTER_MATCH : BGFILTER_RAN_TOP;

	baseline = tier & BGFILTER_TIER_BASELINE ?
		smp_load_acquire(&slot->baseline) : NULL;	/* with (B) */
	if (baseline)
		return bgfilter_interpret(baseline, skb->data,
					  skb_headlen(skb), skb->len) ?
			BGFILTER_RAN_BASELINE | BGFILTER_MATCH :
			BGFILTER_RAN_BASELINE;
	return 0;
}

/**
 * bgfilter_set_run() - run every program on a packet
 * @set:	the set; its verdicts are filled in
 * @skb:	the packet
 * @tier:	mask of the tiers that may be used
 *
 * Context: Process context; may sleep.
 * Return: 0, or -EINTR if the caller is being killed.
 */
int bgfilter_set_run(struct bgfilter_set *set, const struct sk_buff *skb,
		     u32 tier)
{
	struct bgfilter_slot *slots = set->image->results->slots;
	u32 i;

	for (i = 0; i < set->nr; i++) {
		set->verdicts[i] = bgfilter_run_slot(&slots[i], skb, tier);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* For the module's exit, when all tasks are gone. */
void bgfilter_set_exit(void)
{
	live_check_none(sets);
	live_check_none(images);
	bgfilter_results_exit();
}
