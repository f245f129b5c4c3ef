// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was published, and how it is freed.
 *
 * bpf_prog_destroy() leaves most of its job to a work on the system workqueue, which
 * takes mutexes that all works of its kind take, and now and then holds them for
 * long.  Freeing a set of 16,384 programs in one loop would queue as many works, and
 * each one that sleeps makes the workqueue wake another worker: more than a hundred
 * were seen.  Nothing says when such a work has ended.
 *
 * So results are freed gradually, one program in each turn of a work that requeues
 * itself behind the works that it has caused.  A CPU's works begin in the order in
 * which they were queued, and when a worker sleeps, another one takes the next work:
 *
 *  - a turn on the same worker as the last one: what the last one caused has ended,
 *    as a worker does one work after the other.  The next program is freed;
 *  - a turn on another worker: what the last one caused sleeps.  Nothing is freed for
 *    a while, and for twice as long each time this happens again.
 *
 * A worker that other works have put to sleep looks the same, and may do so for as
 * long as another set is being compiled.  So the delay is bounded, which keeps the
 * freeing from taking hours, if not from taking minutes; and programs to be freed do
 * not pile up, as loads wait while there are more of them than one set can have.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bgfilter.h"

#define LIVE_PREFIX	bgfilter
#include "live.h"

#define MAX_DELAY	msecs_to_jiffies(20)
#define SLOTS_A_TURN	64	/* of those that defer nothing to the kernel */

LIVE_COUNTER(results, "how many compiled programs are alive, both tiers");

static void bgfilter_free_some(struct work_struct *work);

static LIST_HEAD(leaving);		/* L */
static DEFINE_SPINLOCK(leaving_lock);	/* L */
static unsigned int leaving_progs;	/* L: programs of ended sets, still to be freed */
static DECLARE_WAIT_QUEUE_HEAD(some_left);
static DECLARE_DELAYED_WORK(free_work, bgfilter_free_some);

/* The work's own. */
static struct task_struct *last_worker;	/* NULL: nothing was freed in the last turn */
static unsigned long delay;		/* before this turn, in jiffies */

/* A compile step has produced a result, which bgfilter_free_result() is to free. */
void bgfilter_count_result(void)
{
	live_inc(results);
}

/**
 * bgfilter_free_result() - free one result, now
 * @tier:	the tier that it is of
 * @result:	the result, or NULL
 *
 * Context: Process context; may sleep.
 */
void bgfilter_free_result(enum bgcompile_tier tier, void *result)
{
	if (!result)
		return;
	if (tier == BGCOMPILE_TOP)
		bpf_prog_destroy(result);
	else
		kvfree(result);
	live_dec(results);
}

/**
 * bgfilter_results_alloc() - room for the results of an image
 * @nr:	programs in the image
 *
 * Return: The results, for bgfilter_results_leave(), or NULL.
 */
struct bgfilter_results *bgfilter_results_alloc(u32 nr)
{
	struct bgfilter_results *results;
	size_t size = struct_size(results, slots, nr);

	results = kvzalloc(size + BITS_TO_LONGS(nr) * sizeof(long),
			   GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!results)
		return NULL;
	results->nr = nr;
	results->published = (void *)results + size;
	return results;
}

/*
 * Frees slots, up to and including one with native code, and sets @freed to how many.
 * Return: whether any are left.
 */
static bool bgfilter_free_slots(struct bgfilter_results *results,
				unsigned int *freed)
{
	for (*freed = 0; *freed < SLOTS_A_TURN; ++*freed) {
		u32 i = find_next_bit(results->published, results->nr,
				      results->next);
		struct bgfilter_slot *slot = &results->slots[i];

		if (i >= results->nr)
			return false;
		results->next = i + 1;
		bgfilter_free_result(BGCOMPILE_BASELINE, slot->baseline);
		bgfilter_free_result(BGCOMPILE_TOP, slot->top);
		if (slot->top) {
			++*freed;
			break;
		}
	}
	return true;
}

/* Does what the last turn has caused still sleep?  If so, there is a delay. */
static bool bgfilter_is_behind(void)
{
	if (last_worker && last_worker != current) {
		last_worker = NULL;
		delay = clamp(2 * delay, 1UL, MAX_DELAY);
		return true;
	}
	if (last_worker)
		delay = 0;
	last_worker = current;
	return false;
}

/* The work.  Nothing else takes anything off the list. */
static void bgfilter_free_some(struct work_struct *work)
{
	struct bgfilter_results *results;
	unsigned int freed;
	bool more, empty;

	if (bgfilter_is_behind()) {
		schedule_delayed_work(&free_work, delay);
		return;
	}
	spin_lock(&leaving_lock);
	results = list_first_entry(&leaving, struct bgfilter_results, list);
	spin_unlock(&leaving_lock);

	more = bgfilter_free_slots(results, &freed);
	spin_lock(&leaving_lock);
	leaving_progs -= freed;
	if (!more)
		list_del(&results->list);
	empty = list_empty(&leaving);
	spin_unlock(&leaving_lock);
	if (!more)
		kvfree(results);
	if (empty) {
		last_worker = NULL;
		delay = 0;
	} else {
		schedule_delayed_work(&free_work, 0);
	}
	wake_up_all(&some_left);
}

/**
 * bgfilter_results_add() - program @index has a result in its slot
 * @results:	of its image
 * @index:	of the program
 *
 * Context: Any.
 */
void bgfilter_results_add(struct bgfilter_results *results, u32 index)
{
	if (!test_and_set_bit(index, results->published))
		atomic_inc(&results->progs);
}

/**
 * bgfilter_results_end() - nothing will be published any more
 * @results:	hold up loads from now until they are freed
 *
 * Context: Process context; does not wait.
 */
void bgfilter_results_end(struct bgfilter_results *results)
{
	spin_lock(&leaving_lock);
	leaving_progs += atomic_read(&results->progs);
	spin_unlock(&leaving_lock);
}

/**
 * bgfilter_results_leave() - free all results, gradually
 * @results:	no longer used by anybody; bgfilter_results_end() came before, if
 *		anything was published
 *
 * Context: Process context; does not wait.
 */
void bgfilter_results_leave(struct bgfilter_results *results)
{
	bool first;

	if (!results)
		return;
	if (!atomic_read(&results->progs)) {
		kvfree(results);
		return;
	}
	spin_lock(&leaving_lock);
	first = list_empty(&leaving);
	list_add_tail(&results->list, &leaving);
	spin_unlock(&leaving_lock);
	if (first)
		schedule_delayed_work(&free_work, 0);
}

static unsigned int bgfilter_leaving(void)
{
	unsigned int progs;

	spin_lock(&leaving_lock);
	progs = leaving_progs;
	spin_unlock(&leaving_lock);
	return progs;
}

/**
 * bgfilter_results_wait() - wait before loading more
 *
 * Context: Process context; sleeps while more than BGFILTER_MAX_FILTERS programs are
 * still to be freed.
 * Return: 0, or -ERESTARTSYS on a signal.
 */
int bgfilter_results_wait(void)
{
	return wait_event_interruptible(some_left, bgfilter_leaving() <=
						   BGFILTER_MAX_FILTERS);
}

static bool bgfilter_have_left(void)
{
	bool have_left;

	spin_lock(&leaving_lock);
	have_left = list_empty(&leaving);
	spin_unlock(&leaving_lock);
	return have_left;
}

/* For the module's exit: no image is left.  Waits for as many turns as it takes. */
void bgfilter_results_exit(void)
{
	wait_event_idle(some_left, bgfilter_have_left());
	flush_delayed_work(&free_work);
	live_check_none(results);
}
