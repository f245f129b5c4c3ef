// SPDX-License-Identifier: GPL-2.0-only
/*
 * Case cancel: four works, each in the middle of a unit; how long until the
 * owner may be freed?
 *
 * The works are busy in their unit until all four are there, and then for half
 * of its length more, as seen from the start of what is timed.
 */
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>

#include "bench.h"

#define WORKS		4
#define TURN		10	/* cancels of a variant in a turn */
#define BUDGET_MS	2500	/* for one variant and length, in all its turns */
#define AT_LEAST	5

struct victim {
	bool freed;		/* as if: it stays, so that misuse is seen */
	atomic_t accesses;
};

struct crew;

struct job {
	struct work_struct work;
	struct crew *crew;
};

struct token_job {
	struct bgtoken_work work;
	struct crew *crew;
};

struct way {
	const char *name;
	bool waits;		/* for units */
	enum bgtoken_kind kind;
	int (*setup)(struct crew *crew);
	void (*queue)(struct crew *crew);
	void (*cancel)(struct crew *crew);
	void (*teardown)(struct crew *crew);	/* waits for all works */
	void (*access)(struct crew *crew);	/* by a plain work */
};

/* One round: the owner, its works, and whatever is between the two. */
struct crew {
	const struct way *way;
	struct victim victim;
	struct victim *owner;
	struct workqueue_struct *wq;
	struct job job[WORKS];

	struct bgtoken *token;
	struct bgtoken_wq *token_wq;
	struct token_job *token_job[WORKS];
	struct percpu_ref ref;
	struct completion ref_done;
	struct mutex mutex;	/* the limit's; guards owner */

	wait_queue_head_t wait;
	atomic_t in_unit;
	atomic_t left_unit;
	atomic_t released;
	u64 deadline;		/* 0: not yet known */
	bool let_go;
};

DEFINE_STATIC_SRCU(cancel_srcu);
static struct workqueue_struct *plain_wq;
static struct bgtoken_wq *token_wq;

static void touch(struct crew *crew, struct victim *owner)
{
	if (READ_ONCE(owner->freed))
		bench_fail("cancel %s: an access after the cancel",
			   crew->way->name);
	atomic_inc(&owner->accesses);
}

/* The unit: until it is let go, or its time is over. */
static bool unit_over(struct crew *crew)
{
	u64 deadline = READ_ONCE(crew->deadline);

	return READ_ONCE(crew->let_go) || (deadline && bench_now() >= deadline);
}

static void unit_run(struct crew *crew)
{
	atomic_inc(&crew->in_unit);
	wake_up(&crew->wait);
	while (!unit_over(crew))
		cond_resched();
	atomic_inc(&crew->left_unit);
	wake_up(&crew->wait);
}

/* Plain works: access, unit, access. */

static void job_run(struct work_struct *work)
{
	struct crew *crew = container_of(work, struct job, work)->crew;

	crew->way->access(crew);
	unit_run(crew);
	crew->way->access(crew);
}

static int plain_setup(struct crew *crew)
{
	crew->wq = plain_wq;
	return 0;
}

static void plain_queue(struct crew *crew)
{
	int i;

	for (i = 0; i < WORKS; i++) {
		crew->job[i].crew = crew;
		INIT_WORK(&crew->job[i].work, job_run);
		queue_work(crew->wq, &crew->job[i].work);
	}
}

static void plain_teardown(struct crew *crew)
{
	flush_workqueue(crew->wq);
}

static void owner_access(struct crew *crew)
{
	touch(crew, crew->owner);	/* the owner waits for the work */
}

static void cancel_work_cancel(struct crew *crew)
{
	int i;

	for (i = 0; i < WORKS; i++)
		cancel_work_sync(&crew->job[i].work);
}

static void flush_work_cancel(struct crew *crew)
{
	int i;

	for (i = 0; i < WORKS; i++)
		flush_work(&crew->job[i].work);
}

#ifdef BENCH_HAS_DISABLE_WORK
static void disable_work_cancel(struct crew *crew)
{
	int i;

	for (i = 0; i < WORKS; i++)
		disable_work_sync(&crew->job[i].work);
}
#endif

static int destroy_setup(struct crew *crew)
{
	crew->wq = alloc_workqueue("bench_own", WQ_UNBOUND, 0);
	return crew->wq ? 0 : -ENOMEM;
}

static void destroy_cancel(struct crew *crew)
{
	destroy_workqueue(crew->wq);
}

static void destroy_teardown(struct crew *crew)
{
}

static void srcu_access(struct crew *crew)
{
	int idx = srcu_read_lock(&cancel_srcu);
	struct victim *owner = READ_ONCE(crew->owner);

	if (owner)
		touch(crew, owner);
	srcu_read_unlock(&cancel_srcu, idx);
}

static void srcu_cancel(struct crew *crew)
{
	WRITE_ONCE(crew->owner, NULL);
	synchronize_srcu(&cancel_srcu);
}

static void rcu_access(struct crew *crew)
{
	struct victim *owner;

	rcu_read_lock();
	owner = READ_ONCE(crew->owner);
	if (owner)
		touch(crew, owner);
	rcu_read_unlock();
}

static void rcu_cancel(struct crew *crew)
{
	WRITE_ONCE(crew->owner, NULL);
	synchronize_rcu();
}

static void ref_release(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct crew, ref)->ref_done);
}

static int ref_setup(struct crew *crew)
{
	init_completion(&crew->ref_done);
	crew->wq = plain_wq;
	return percpu_ref_init(&crew->ref, ref_release, 0, GFP_KERNEL);
}

static void ref_access(struct crew *crew)
{
	if (!percpu_ref_tryget_live(&crew->ref))
		return;
	touch(crew, crew->owner);
	percpu_ref_put(&crew->ref);
}

static void ref_cancel(struct crew *crew)
{
	percpu_ref_kill(&crew->ref);
	wait_for_completion(&crew->ref_done);
}

static void ref_teardown(struct crew *crew)
{
	flush_workqueue(crew->wq);
	percpu_ref_exit(&crew->ref);
}

/* The limit: a lock that nobody holds, and a store. */

static int limit_setup(struct crew *crew)
{
	mutex_init(&crew->mutex);
	return plain_setup(crew);
}

static void limit_access(struct crew *crew)
{
}

static void limit_cancel(struct crew *crew)
{
	mutex_lock(&crew->mutex);
	WRITE_ONCE(crew->owner, NULL);
	mutex_unlock(&crew->mutex);
}

/* Tokens: the works have them, and are released when they like. */

static void token_access(struct bgtoken *token, struct crew *crew)
{
	if (crew->way->kind == BGTOKEN_SPIN) {
		scoped_bgtoken_irqsave(token, struct victim *, owner)
			touch(crew, owner);
	} else {
		scoped_bgtoken(token, struct victim *, owner)
			touch(crew, owner);
	}
}

static void token_job_run(struct bgtoken_work *work)
{
	struct crew *crew = container_of(work, struct token_job, work)->crew;

	token_access(work->token, crew);
	unit_run(crew);
	token_access(work->token, crew);
}

static void token_job_release(struct bgtoken_work *work)
{
	struct token_job *job = container_of(work, struct token_job, work);
	struct crew *crew = job->crew;

	kfree(job);
	atomic_inc(&crew->released);
	wake_up_var(&token_wq);
	/* crew may be gone */
}

static int token_setup(struct crew *crew)
{
	struct token_job *job;
	int i;

	crew->token = bgtoken_create(crew->owner, crew->way->kind, GFP_KERNEL);
	if (IS_ERR(crew->token))
		return PTR_ERR(crew->token);
	for (i = 0; i < WORKS; i++) {
		job = kzalloc(sizeof(*job), GFP_KERNEL);
		if (!job)
			break;
		job->crew = crew;
		bgtoken_work_init(&job->work, crew->token, token_job_run,
				  token_job_release);
		crew->token_job[i] = job;
	}
	if (i == WORKS)
		return 0;
	while (i--)
		bgtoken_work_put(&crew->token_job[i]->work);
	bgtoken_put(crew->token);
	return -ENOMEM;
}

static void token_queue(struct crew *crew)
{
	int i;

	for (i = 0; i < WORKS; i++) {
		if (!bgtoken_queue_work(token_wq, &crew->token_job[i]->work))
			bench_fail("cancel: a work was not queued");
		bgtoken_work_put(&crew->token_job[i]->work);
	}
}

static void token_cancel(struct crew *crew)
{
	if (!bgtoken_cancel(crew->token))
		bench_fail("cancel: somebody else cancelled");
}

static void token_teardown(struct crew *crew)
{
	bgtoken_put(crew->token);
	wait_var_event(&token_wq, atomic_read(&crew->released) == WORKS);
}

#define TOKEN_WAY(_name, _kind)						\
	{ .name = _name, .kind = _kind, .setup = token_setup,		\
	  .queue = token_queue, .cancel = token_cancel,			\
	  .teardown = token_teardown }

#define PLAIN_WAY(_name, _cancel, _access, _waits)			\
	{ .name = _name, .waits = _waits, .setup = plain_setup,		\
	  .queue = plain_queue, .cancel = _cancel,			\
	  .teardown = plain_teardown, .access = _access }

static const struct way ways[] = {
	TOKEN_WAY("token-mutex", BGTOKEN_MUTEX),
	TOKEN_WAY("token-shared", BGTOKEN_SHARED),
	TOKEN_WAY("token-percpu", BGTOKEN_PERCPU),
	TOKEN_WAY("token-spin", BGTOKEN_SPIN),
	{ .name = "limit", .setup = limit_setup, .queue = plain_queue,
	  .cancel = limit_cancel, .teardown = plain_teardown,
	  .access = limit_access },
	PLAIN_WAY("srcu", srcu_cancel, srcu_access, false),
	PLAIN_WAY("rcu", rcu_cancel, rcu_access, false),
	{ .name = "percpu_ref", .setup = ref_setup, .queue = plain_queue,
	  .cancel = ref_cancel, .teardown = ref_teardown,
	  .access = ref_access },
	PLAIN_WAY("cancel_work_sync", cancel_work_cancel, owner_access, true),
	PLAIN_WAY("flush_work", flush_work_cancel, owner_access, true),
#ifdef BENCH_HAS_DISABLE_WORK
	PLAIN_WAY("disable_work_sync", disable_work_cancel, owner_access, true),
#endif
	{ .name = "destroy_workqueue", .waits = true, .setup = destroy_setup,
	  .queue = plain_queue, .cancel = destroy_cancel,
	  .teardown = destroy_teardown, .access = owner_access },
};

static int one_cancel(struct crew *crew, const struct way *way,
		      struct bench_series *series, int length)
{
	int accesses, least, error;
	u64 start, end;

	memset(crew, 0, sizeof(*crew));
	crew->way = way;
	crew->owner = &crew->victim;
	init_waitqueue_head(&crew->wait);
	error = way->setup(crew);
	if (error)
		return error;
	way->queue(crew);
	wait_event(crew->wait, atomic_read(&crew->in_unit) == WORKS);

	WRITE_ONCE(crew->deadline, bench_now() +
		   length * (u64)NSEC_PER_MSEC / 2);
	start = bench_now();
	way->cancel(crew);
	end = bench_now();
	WRITE_ONCE(crew->victim.freed, true);
	bench_add(series, end - start);

	WRITE_ONCE(crew->let_go, true);
	wait_event(crew->wait, atomic_read(&crew->left_unit) == WORKS);
	way->teardown(crew);

	/*
	 * One access before the unit, and one after it for those that were
	 * waited for, or that a slow machine let end before the cancel.
	 */
	accesses = atomic_read(&crew->victim.accesses);
	least = way->access == limit_access ? 0 : way->waits ? 2 * WORKS : WORKS;
	if (accesses < least || accesses > 2 * WORKS)
		bench_fail("cancel %s: %d accesses by %d works", way->name,
			   accesses, WORKS);
	return 0;
}

/*
 * Those that wait for long have fewer turns, and fewer cancels in a turn, so
 * that they do not take for ever: @spent and @done are those of all turns.
 */
static int cancel_turn(struct crew *crew, const struct way *way, int length,
		       u64 *spent, int *done)
{
	struct bench_series *series = bench_series("cancel", way->name, length);
	u64 start = bench_now(), end = start;
	u64 turn = BUDGET_MS * (u64)NSEC_PER_MSEC / rounds;
	int n, error = 0;

	if (*done >= AT_LEAST && *spent > BUDGET_MS * (u64)NSEC_PER_MSEC)
		return 0;
	for (n = 0; n < TURN && end - start <= turn; n++) {
		if (bench_stop())
			break;
		error = one_cancel(crew, way, series, length);
		if (error)
			break;
		end = bench_now();
	}
	*spent += end - start;
	*done += n;
	return error;
}

static int cancel_length(struct crew *crew, int length)
{
	u64 spent[ARRAY_SIZE(ways)] = {};
	int done[ARRAY_SIZE(ways)] = {};
	int turn, n, i, error = 0;
	char what[32];

	scnprintf(what, sizeof(what), "cancel %d ms", length);
	for (turn = 0; turn < rounds && !error; turn++) {
		bench_progress(what, turn, rounds);
		/* Each comes first in its turn, when caches are cold. */
		for (n = 0; n < ARRAY_SIZE(ways) && !error; n++) {
			i = (n + turn) % ARRAY_SIZE(ways);
			error = cancel_turn(crew, &ways[i], length, &spent[i],
					    &done[i]);
		}
	}
	return error;
}

int bench_cancel(void)
{
	struct crew *crew = kzalloc(sizeof(*crew), GFP_KERNEL);
	int length, error = -ENOMEM;

	plain_wq = alloc_workqueue("bench_plain", WQ_UNBOUND, 0);
	token_wq = bgtoken_wq_create("bench_token", WQ_UNBOUND, 0);
	if (IS_ERR(token_wq))
		error = PTR_ERR(token_wq);
	else if (crew && plain_wq)
		error = 0;
	for (length = 1; length <= max_length && !error; length *= 10)
		error = cancel_length(crew, length);

	bgtoken_wq_destroy(token_wq);
	if (plain_wq)
		destroy_workqueue(plain_wq);
	kfree(crew);
	return error;
}
