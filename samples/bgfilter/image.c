// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was loaded, as compile steps see it: programs and their units, which outlive the set.
 *
 * A program is one unit in each tier.  Units are allocated in one array with the
 * image, and freed with it when the last reference is dropped: after a close, that
 * is most often the last compile task's.  Published results go then, too: getting
 * rid of them used to be most of what a close did.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bgfilter.h"

#define LIVE_PREFIX	bgfilter
#include "live.h"

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

void bgfilter_image_put(void *env)
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

/* Say in @load that program @i is refused, and why; return the error for it. */
static int bgfilter_refuse(struct bgfilter_load *load, u32 i,
			   enum bgfilter_reason reason, u32 at)
{
	load->failed = i;
	load->insn = at;
	load->reason = reason;
	return reason == BGFILTER_BAD_LONG || reason == BGFILTER_BAD_TOTAL ?
		-E2BIG : -EINVAL;
}

/* Does every program lie in the pool, and is it valid?  If not, @load says which. */
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

/**
 * bgfilter_image_create() - copy and check what is loaded
 * @load:	the arguments; @load->failed, insn and reason are set if it is refused
 *
 * Context: Process context; may sleep.
 * Return: The image, with a reference for bgfilter_image_put(), or an ERR_PTR.
 */
struct bgfilter_image *bgfilter_image_create(struct bgfilter_load *load)
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

/* The set is alive, and nobody else writes this slot's tier. */
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

/* For the module's exit, when all tasks are gone. */
void bgfilter_image_exit(void)
{
	live_check_none(images);
	bgfilter_results_exit();
}
