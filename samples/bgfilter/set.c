// SPDX-License-Identifier: GPL-2.0-only
/*
 * A set of filters: it owns a compile state, and runs the filters.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "bgfilter.h"

#define LIVE_PREFIX	bgfilter
#include "live.h"

#define BIG_PROGRAM	1000	/* instructions; larger ones are compiled first */

LIVE_COUNTER(sets, "how many sets are alive");

/* States */

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

/* An event has come.  Called inside a scope of the set. */
static void bgfilter_set_event(struct bgfilter_set *set, enum bgcompile_event event,
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
 * @file:	the file that the set will belong to; not changed yet
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
		return bgfilter_flush_start(set, bgfilter_set_event);
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
 * Context: Process context; may sleep, but waits for no unit, unless teardown=flush.
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
		smp_load_acquire(&slot->top) : NULL;		/* with (T) in image.c */
	if (top)
		return bpf_prog_run_pin_on_cpu(top, skb) ?
			BGFILTER_RAN_TOP | BGFILTER_MATCH : BGFILTER_RAN_TOP;

	baseline = tier & BGFILTER_TIER_BASELINE ?
		smp_load_acquire(&slot->baseline) : NULL;	/* with (B) in image.c */
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
	bgfilter_image_exit();
}
