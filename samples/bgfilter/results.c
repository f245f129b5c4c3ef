// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was published, and how it goes.
 *
 * bpf_prog_destroy() leaves most of its work to a work on the system's workqueue,
 * which takes mutexes that all of its kind take, and holds them for long now and
 * then.  A set of 16,384 programs that went in one loop would queue as many, and
 * each that sleeps has the workqueue wake one more worker: more than a hundred were
 * seen.  Nobody is told when such a work has ended.
 *
 * So results go at a pace, one program in each turn of a work that queues itself
 * behind what it has caused.  A CPU's works begin in the order in which they were
 * queued, and a worker that sleeps has another one take the next:
 *
 *  - a turn on the same worker as the last one: what that caused has ended, as a
 *    worker does one work after the other.  The next program goes;
 *  - a turn on another worker: it sleeps.  Nothing goes for a while, and for twice
 *    as long each time that this is so again.
 *
 * A worker that other works have put to sleep looks the same, and may do so for as
 * long as another set is being compiled.  So the delay has a bound, which keeps it
 * from hours, if not from minutes; and what is to go does not pile up, as loads wait
 * while there is more of it than one set can have.
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
#define SLOTS_A_TURN	64	/* of those that leave nothing to the kernel */

LIVE_COUNTER(results, "how many compiled programs are alive, both tiers");

static void bgfilter_free_some(struct work_struct *work);

static LIST_HEAD(leaving);		/* L */
static DEFINE_SPINLOCK(leaving_lock);	/* L */
static unsigned int leaving_progs;	/* L: programs still to be freed, of sets that ended */
static DECLARE_WAIT_QUEUE_HEAD(some_left);
static DECLARE_DELAYED_WORK(free_work, bgfilter_free_some);

/* The work's own. */
static struct task_struct *last_worker;	/* NULL: nothing went in the last turn */
static unsigned long delay;		/* before this one, jiffies */

/* A compile step has made one: bgfilter_free_result() is its end. */
void bgfilter_count_result(void)
{
	live_inc(results);
}

/**
 * bgfilter_free_result() - free one result, now
 * @tier:	whose it is
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
 * Return: For bgfilter_results_leave(), or NULL.
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
 * Frees slots up to one with native code, and says how many.  Return: whether any is
 * left.
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

/* Does what the last turn has caused still sleep?  Then there is a @delay. */
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

/* The work.  Nobody but it takes anything off the list. */
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
 * @results:	loads are held up by what is there, from now until it is freed
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
 * bgfilter_results_leave() - free all of it, at a pace
 * @results:	nobody looks at it any more; bgfilter_results_end() came before, if
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
 * bgfilter_results_wait() - before more is loaded
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
