// SPDX-License-Identifier: GPL-2.0-only
/*
 * teardown=flush: how it is done without tokens, so that the two can be compared
 * in one program.
 *
 * Works point straight at the set.  So the set can be freed only after waiting
 * for them: a flag asks them to leave after their current unit, and
 * cancel_work_sync() waits until they have.
 */
#include <linux/cpumask.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "bgfilter.h"

struct bgfilter_flush_task {
	struct work_struct work;
	struct bgfilter_set *set;
};

struct bgfilter_flush {
	spinlock_t lock;			/* next, progress */
	struct bgfilter_unit *next;
	struct bgfilter_unit *end;
	bool stop;
	struct bgcompile_progress progress;
	bgfilter_event_fn *event;
	unsigned int nr_tasks;
	struct bgfilter_flush_task tasks[] __counted_by(nr_tasks);
};

static struct bgfilter_unit *bgfilter_flush_next(struct bgfilter_flush *flush)
{
	struct bgfilter_unit *unit = NULL;

	spin_lock(&flush->lock);
	if (!READ_ONCE(flush->stop) && !flush->progress.error &&
	    flush->next < flush->end) {
		unit = flush->next++;
		flush->progress.compiling++;
	} else {
		flush->progress.tasks--;
	}
	spin_unlock(&flush->lock);
	return unit;
}

/* The mask of events that have come with this unit. */
static unsigned int bgfilter_flush_account(struct bgfilter_flush *flush,
					   enum bgcompile_tier tier, int err)
{
	struct bgcompile_progress *p = &flush->progress;
	unsigned int before = p->events;

	p->compiling--;
	if (err)
		p->failed[tier]++;
	else
		p->done[tier]++;
	if (err && tier == BGCOMPILE_BASELINE && !p->error) {
		p->error = err;
		p->events |= BIT(BGCOMPILE_FAILED);
	}
	if (!p->error)
		for (tier = 0; tier < BGCOMPILE_TIERS; tier++) {
			if (p->done[tier] + p->failed[tier] != p->total[tier])
				break;
			p->events |= BIT(BGCOMPILE_BASELINE_FINISHED + tier);
		}
	return p->events & ~before;
}

static void bgfilter_flush_workfn(struct work_struct *work)
{
	struct bgfilter_set *set =
		container_of(work, struct bgfilter_flush_task, work)->set;
	struct bgfilter_flush *flush = set->flush;
	struct bgfilter_unit *unit;
	unsigned int events;
	int err, event;

	while ((unit = bgfilter_flush_next(flush))) {
		err = bgfilter_compile(&unit->unit, set->image, NULL);
		if (!err)
			bgfilter_publish_in(set, unit);

		spin_lock(&flush->lock);
		flush->progress.features |= unit->unit.features;
		events = bgfilter_flush_account(flush, unit->unit.tier, err);
		spin_unlock(&flush->lock);
		for (event = 0; event < BGCOMPILE_EVENTS; event++)
			if (events & BIT(event))
				flush->event(set, event, event == BGCOMPILE_FAILED ? err : 0);
	}
}

/**
 * bgfilter_flush_start() - begin to compile, the old way
 * @set:	as created
 * @event:	called for each event
 *
 * Context: Process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int bgfilter_flush_start(struct bgfilter_set *set, bgfilter_event_fn *event)
{
	unsigned int nr_tasks = bgfilter_max_tasks ?: num_online_cpus();
	struct bgfilter_image *image = set->image;
	struct bgfilter_flush *flush;
	enum bgcompile_tier tier;
	u32 i;

	flush = kzalloc(struct_size(flush, tasks, nr_tasks), GFP_KERNEL);
	if (!flush)
		return -ENOMEM;
	spin_lock_init(&flush->lock);
	for (tier = 0; tier < BGCOMPILE_TIERS; tier++)
		if (image->tiers & BIT(tier))
			flush->progress.total[tier] = image->nr_progs;
	flush->next = image->units;
	flush->end = image->units + image->nr_units;
	flush->event = event;
	flush->nr_tasks = nr_tasks;
	flush->progress.tasks = nr_tasks;
	set->flush = flush;
	for (i = 0; i < nr_tasks; i++) {
		flush->tasks[i].set = set;
		INIT_WORK(&flush->tasks[i].work, bgfilter_flush_workfn);
		queue_work(compat_unbound_wq, &flush->tasks[i].work);
	}
	return 0;
}

/**
 * bgfilter_flush_stop() - wait until nothing compiles any more
 * @set:	may be freed afterwards
 *
 * Context: Process context; sleeps until the units being compiled are done.
 */
void bgfilter_flush_stop(struct bgfilter_set *set)
{
	struct bgfilter_flush *flush = set->flush;
	unsigned int i;

	if (!flush)
		return;
	WRITE_ONCE(flush->stop, true);
	for (i = 0; i < flush->nr_tasks; i++)
		cancel_work_sync(&flush->tasks[i].work);
	kfree(flush);
}

/**
 * bgfilter_flush_progress() - as bgcompile_progress()
 * @flush:	the state of the set's tasks
 * @progress:	filled in
 */
void bgfilter_flush_progress(struct bgfilter_flush *flush,
			     struct bgcompile_progress *progress)
{
	spin_lock(&flush->lock);
	*progress = flush->progress;
	spin_unlock(&flush->lock);
}
