/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A compile state whose every step the test holds, counts and can make fail.
 *
 * Three lifetimes, as with a real consumer:
 *
 *	struct mock		the test's; outlives all tasks, and keeps the counts
 *	struct mock_owner	cancelled by the test, poisoned and freed at once
 *	struct mock_unit	freed by free_unit, maybe after the owner
 *
 * What a unit is to do, and what was done with it, is in its plan, in the mock.
 * When the case is over, mock_end() ends what is left and proves for each unit
 * that was added that it was freed exactly once, and for the envs that as many
 * were put as were got; and mock_exit(), that the modules have nothing left.
 */
#ifndef _BGTOKEN_COMPILE_MOCK_H
#define _BGTOKEN_COMPILE_MOCK_H

#include <linux/lockdep.h>

#include "bgcompile.h"
#include "test_freeze.h"
#include "test_gate.h"

#define MOCK_CALLBACKS	3
#define MOCK_POISON	0xa5
#define MOCK_RUNS	3
#define MOCK_GROWING	UINT_MAX

/* A slice that is longer than any case takes, however slow the machine. */
#define MOCK_ENDLESS_MS	600000

struct mock;

/* What to do with a unit; and what happened to it. */
struct mock_plan {
	struct test_gate *in_compile;	/* held there, unless NULL */
	struct test_gate *in_publish;
	unsigned int compile_ms;
	int compile_error;
	int publish_error;
	unsigned long features;
	void (*publish_hook)(struct mock *mock);
	void (*compile_hook)(struct mock *mock);

	bool added;
	int unpublished;		/* with this one, as its compile step began */
	u64 begin_ns, end_ns;		/* of its compile step */
	unsigned long begin_jiffies, end_jiffies;
	atomic_t compiled;
	atomic_t published;
	atomic_t freed;
};

struct mock_unit {
	struct bgcompile_unit unit;
	struct mock *mock;
	unsigned int index;		/* of its plan */
};

struct mock_env {
	struct mock *mock;
	int nr;				/* of the run that got it, from 0 */
};

struct mock_callback {
	struct bgcompile_callback cb;
	struct mock *mock;
	struct mock_log *log;
	struct test_gate *in_callback;	/* held there, unless NULL */
	void (*hook)(struct mock *mock);
	bool free_itself;		/* on the final event */
};

/* What a callback was told; outlives it. */
struct mock_log {
	struct mock_callback *callback;	/* NULL once freed */
	struct test_gate told;		/* arrived at only */
	enum bgcompile_event event[8];
	int error[8];
};

struct mock_owner {
	struct bgcompile compile;
	struct mock *mock;
	atomic_t published;
};

struct mock {
	struct kunit *test;
	struct bgtoken_wq *wq;
	enum bgtoken_kind kind;
	struct mock_owner *owner;	/* NULL once freed */
	struct bgtoken *token;		/* the state's; a reference */

	/* Opened at the end of the case at the latest. */
	struct test_gate gate;
	struct test_gate gate2;
	struct test_gate env_gate;
	bool hold_env;
	unsigned int env_ms;		/* how long get_env takes, without a sleep */
	int env_error;			/* -ENOMEM: get_env returns NULL */

	struct test_gate compiles;	/* arrived at only, as are these */
	struct test_gate publishes;
	struct test_gate frees;
	struct test_gate env_gets;
	struct test_gate env_puts;
	atomic_t nr_envs;
	u64 first_env_ns;
	u64 run_end_ns[MOCK_RUNS];	/* of those that began first */
	atomic_t inside;		/* compile steps */
	atomic_t most_inside;
	atomic_t most_unpublished;	/* at the beginning of a compile step */
	atomic_t wrong;			/* a step was called as it may not be */
	struct task_struct *sleeper;	/* of hooks of the test's; a reference */
	unsigned long seen[2];		/* by hooks of the test's */
	struct mock_log logs[MOCK_CALLBACKS];
	unsigned int nr_callbacks;

	unsigned int nr_units;
	unsigned int max_units;
	struct mock_plan *plans;
	unsigned int *order;		/* in which compile steps began */
	atomic_t nr_order;
};

static inline struct mock_unit *to_mock_unit(struct bgcompile_unit *unit)
{
	return container_of(unit, struct mock_unit, unit);
}

static inline struct mock_plan *mock_plan_of(struct bgcompile_unit *unit)
{
	struct mock_unit *mu = to_mock_unit(unit);

	return &mu->mock->plans[mu->index];
}

static inline void mock_hold(struct mock *mock, struct test_gate *gate)
{
	if (!test_gate_pass(gate))
		atomic_inc(&mock->wrong);
}

static inline void mock_assert_no_scope(struct mock *mock)
{
	might_sleep();
	lockdep_assert_not_held(mock->token);
}

static inline void mock_assert_scope(struct mock *mock)
{
	lockdep_assert_held(mock->token);
}

/* The ops */

static inline void *mock_get_env(struct bgcompile *state)
{
	struct mock_owner *owner = container_of(state, struct mock_owner, compile);
	struct mock *mock = owner->mock;
	u64 end = ktime_get_ns() + mock->env_ms * NSEC_PER_MSEC;
	struct mock_env *env;
	int error;

	mock_assert_scope(mock);
	while (ktime_get_ns() < end)
		cpu_relax();
	if (mock->hold_env)
		mock_hold(mock, &mock->env_gate);
	if (owner->mock != mock)	/* the owner is still there */
		atomic_inc(&mock->wrong);
	error = READ_ONCE(mock->env_error);
	if (error)
		return error == -ENOMEM ? NULL : ERR_PTR(error);
	env = kmalloc(sizeof(*env), GFP_ATOMIC);
	if (!env)
		return NULL;
	env->mock = mock;
	env->nr = atomic_inc_return(&mock->nr_envs) - 1;
	if (!env->nr)
		mock->first_env_ns = ktime_get_ns();
	test_gate_arrive(&mock->env_gets);
	return env;
}

static inline void mock_put_env(void *data)
{
	struct mock_env *env = data;
	struct mock *mock = env->mock;

	mock_assert_no_scope(mock);
	if (env->nr < MOCK_RUNS)
		WRITE_ONCE(mock->run_end_ns[env->nr], ktime_get_ns());
	kfree(env);
	test_gate_arrive(&mock->env_puts);
}

static inline void mock_raise(atomic_t *most, int value)
{
	int old = atomic_read(most);

	while (old < value && !atomic_try_cmpxchg(most, &old, value))
		;
}

static inline int mock_compile(struct bgcompile_unit *unit, void *data,
			       struct bgtoken *token)
{
	struct mock_unit *mu = to_mock_unit(unit);
	struct mock_plan *plan = mock_plan_of(unit);
	struct mock *mock = mu->mock;
	struct mock_env *env = data;
	u64 end = ktime_get_ns() + plan->compile_ms * NSEC_PER_MSEC;

	mock_assert_no_scope(mock);
	plan->begin_jiffies = jiffies;
	plan->begin_ns = ktime_get_ns();
	if ((env && env->mock != mock) || token != mock->token)
		atomic_inc(&mock->wrong);
	mock->order[atomic_inc_return(&mock->nr_order) - 1] = mu->index;
	mock_raise(&mock->most_inside, atomic_inc_return(&mock->inside));
	atomic_inc(&plan->compiled);
	test_gate_arrive(&mock->compiles);
	plan->unpublished = test_gate_count(&mock->compiles) -
			    test_gate_count(&mock->publishes);
	mock_raise(&mock->most_unpublished, plan->unpublished);
	if (plan->in_compile)
		mock_hold(mock, plan->in_compile);
	if (plan->compile_hook)
		plan->compile_hook(mock);
	/* By the clock that slices go by: jiffies may come in bursts. */
	while (ktime_get_ns() < end)
		usleep_range(500, 1000);
	unit->features = plan->features;
	atomic_dec(&mock->inside);
	plan->end_ns = ktime_get_ns();
	plan->end_jiffies = jiffies;
	return plan->compile_error;
}

static inline int mock_publish(struct bgcompile *state,
			       struct bgcompile_unit *unit)
{
	struct mock_owner *owner = container_of(state, struct mock_owner, compile);
	struct mock_plan *plan = mock_plan_of(unit);
	struct mock *mock = owner->mock;

	mock_assert_scope(mock);
	lockdep_assert_not_held(&state->lock);
	if (plan->in_publish)
		mock_hold(mock, plan->in_publish);
	if (plan->publish_hook)
		plan->publish_hook(mock);
	atomic_inc(&owner->published);
	atomic_inc(&plan->published);
	test_gate_arrive(&mock->publishes);
	return plan->publish_error;
}

static inline void mock_free_unit(struct bgcompile_unit *unit)
{
	struct mock_plan *plan = mock_plan_of(unit);
	struct mock *mock = to_mock_unit(unit)->mock;

	mock_assert_no_scope(mock);
	atomic_inc(&plan->freed);
	kfree(to_mock_unit(unit));
	test_gate_arrive(&mock->frees);
}

static const struct bgcompile_ops mock_ops = {
	.get_env = mock_get_env,
	.put_env = mock_put_env,
	.compile = mock_compile,
	.publish = mock_publish,
	.free_unit = mock_free_unit,
};

/* The mock */

/* A lockdep class for each kind. */
static inline int mock_state_init(struct bgcompile *state, struct bgtoken_wq *wq,
				  const struct bgcompile_ops *ops,
				  const struct bgcompile_params *params)
{
	if (params->kind == BGTOKEN_MUTEX)
		return bgcompile_init(state, wq, ops, params);
	return bgcompile_init(state, wq, ops, params);
}

static inline void mock_gates_init(struct mock *mock)
{
	int i;

	test_gate_init(&mock->gate);
	test_gate_init(&mock->gate2);
	test_gate_init(&mock->env_gate);
	test_gate_init(&mock->compiles);
	test_gate_init(&mock->publishes);
	test_gate_init(&mock->frees);
	test_gate_init(&mock->env_gets);
	test_gate_init(&mock->env_puts);
	for (i = 0; i < MOCK_CALLBACKS; i++)
		test_gate_init(&mock->logs[i].told);
}

/**
 * mock_create_on() - a mock on a workqueue of its own
 * @test:	its priv is the mock from here on; see mock_end()
 * @ops:	of the state
 * @params:	of the state; but batch is 1 by default, and MOCK_GROWING for 0
 * @max_units:	how many units at most
 *
 * Return: The mock; there is none without memory: the case has ended then.
 */
static inline struct mock *mock_create_on(struct kunit *test,
					  const struct bgcompile_ops *ops,
					  const struct bgcompile_params *params,
					  unsigned int max_units)
{
	struct bgcompile_params one = *params;
	struct mock *mock;
	int err;

	/* So that a case knows what a task has taken. */
	if (!one.batch)
		one.batch = 1;
	if (one.batch == MOCK_GROWING)
		one.batch = 0;

	mock = kunit_kzalloc(test, sizeof(*mock), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mock);
	mock->test = test;
	mock->kind = params->kind;
	mock->max_units = max_units;
	mock->plans = kunit_kcalloc(test, max_units + 1, sizeof(*mock->plans),
				    GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mock->plans);
	mock->order = kunit_kcalloc(test, max_units + 1, sizeof(*mock->order),
				    GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mock->order);
	mock_gates_init(mock);

	mock->wq = bgtoken_wq_create("bgcompile_test", WQ_UNBOUND, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mock->wq));
	test->priv = mock;		/* from here on mock_end() cleans up */
	mock->owner = kzalloc(sizeof(*mock->owner), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mock->owner);
	mock->owner->mock = mock;
	err = mock_state_init(&mock->owner->compile, mock->wq, ops, &one);
	if (err) {
		kfree(mock->owner);
		mock->owner = NULL;
	}
	KUNIT_ASSERT_EQ(test, err, 0);
	mock->token = bgtoken_get(mock->owner->compile.token);
	return mock;
}

#define mock_create_with(_test, _max_units, _ops, ...)			\
	mock_create_on(_test, _ops,					\
		       &(const struct bgcompile_params){ __VA_ARGS__ },	\
		       _max_units)

#define mock_create(_test, _max_units, ...)				\
	mock_create_with(_test, _max_units, &mock_ops, __VA_ARGS__)

/* What the token of a state may be. */
static const struct test_kind __maybe_unused mock_kinds[] = {
	{ BGTOKEN_MUTEX, "mutex" },
	{ BGTOKEN_SHARED, "shared" },
	{ BGTOKEN_PERCPU, "percpu" },
};

/* The kind of a case over mock_kinds. */
static inline enum bgtoken_kind mock_kind(struct kunit *test)
{
	const struct test_kind *kind = test->param_value;

	return kind->kind;
}

static inline struct bgcompile *mock_state(struct mock *mock)
{
	return &mock->owner->compile;
}

static inline void mock_free_callbacks(struct mock *mock)
{
	unsigned int i;

	for (i = 0; i < mock->nr_callbacks; i++) {
		kfree(mock->logs[i].callback);
		mock->logs[i].callback = NULL;
	}
}

/* As soon as a cancel has returned, nobody touches the owner or a callback. */
static inline void mock_free_owner(struct mock *mock)
{
	struct mock_owner *owner = mock->owner;

	mock->owner = NULL;
	memset(owner, MOCK_POISON, sizeof(*owner));
	kfree(owner);
	mock_free_callbacks(mock);
}

/* bgcompile_cancel(), after which no scope is live. */
static inline bool mock_cancel(struct mock *mock)
{
	bool first = bgcompile_cancel(mock_state(mock));

	/* Of BGTOKEN_PERCPU, one that is being refused may be counted for a moment. */
	if (mock->kind != BGTOKEN_PERCPU && test_scopes_live(mock->token))
		atomic_inc(&mock->wrong);
	return first;
}

static inline bool mock_cancel_and_free(struct mock *mock)
{
	bool first = mock_cancel(mock);

	mock_free_owner(mock);
	return first;
}

static inline void mock_open_all(struct mock *mock)
{
	test_gate_open(&mock->gate);
	test_gate_open(&mock->gate2);
	test_gate_open(&mock->env_gate);
}

/* No task is left: each unit and each env is accounted for. */
static inline void mock_account(struct mock *mock)
{
	struct kunit *test = mock->test;
	unsigned int i;

	for (i = 0; i < mock->nr_units; i++) {
		struct mock_plan *plan = &mock->plans[i];
		int freed = atomic_read(&plan->freed);

		if (plan->added && freed != 1)
			KUNIT_FAIL(test, "unit %u was freed %d times", i, freed);
		if (!plan->added && freed)
			KUNIT_FAIL(test, "unit %u was refused, and freed", i);
		if (atomic_read(&plan->compiled) > 1)
			KUNIT_FAIL(test, "unit %u was compiled twice", i);
		if (atomic_read(&plan->published) > 1)
			KUNIT_FAIL(test, "unit %u was published twice", i);
	}
	KUNIT_EXPECT_EQ(test, test_gate_count(&mock->env_gets),
			test_gate_count(&mock->env_puts));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->inside), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->wrong), 0);
}

/* Wait for all that is left of the state: also in the middle of a case. */
static inline void mock_drain(struct mock *mock)
{
	bgtoken_wq_destroy(mock->wq);
	mock->wq = NULL;
}

/* Ends what the case has left of its mock, and proves the balance. */
static inline void mock_end(struct kunit *test)
{
	struct mock *mock = test->priv;

	if (!mock)
		return;
	mock_open_all(mock);
	if (mock->owner)
		mock_cancel_and_free(mock);
	mock_drain(mock);
	mock_account(mock);
	bgtoken_put(mock->token);
	test->priv = NULL;
}

/* For cases that make mock after mock; when mock_end() has ended this one. */
static inline void mock_forget(struct mock *mock)
{
	struct kunit *test = mock->test;

	kunit_kfree(test, mock->plans);
	kunit_kfree(test, mock->order);
	kunit_kfree(test, mock);
}

DECLARE_PER_CPU(long, bgcompile_live_states);
DECLARE_PER_CPU(long, bgcompile_live_units);

/* What there was alive when the case began. */
static struct mock_live {
	long states, units, tokens, works;
} mock_live;

/* The suite's init, for each case. */
static inline int mock_init(struct kunit *test)
{
	mock_live.states = test_live(bgcompile_live_states);
	mock_live.units = test_live(bgcompile_live_units);
	mock_live.tokens = test_live(bgtoken_live_tokens);
	mock_live.works = test_live(bgtoken_live_works);
	return 0;
}

/* The suite's exit, for each case. */
static inline void mock_exit(struct kunit *test)
{
	mock_end(test);
	test_nothing_left(test, bgcompile_live_states, mock_live.states);
	test_nothing_left(test, bgcompile_live_units, mock_live.units);
	test_nothing_left(test, bgtoken_live_tokens, mock_live.tokens);
	test_nothing_left(test, bgtoken_live_works, mock_live.works);
}

/* Workqueues */

/**
 * mock_narrow() - give a mock a workqueue that runs one work at a time
 * @mock:	no units were added
 * @flags:	WQ_UNBOUND, or 0 for one work on each CPU
 *
 * Return: False if there is no such workqueue; the test fails then.
 */
static inline bool mock_narrow(struct mock *mock, unsigned int flags)
{
	struct bgtoken_wq *narrow = bgtoken_wq_create("bgcompile_narrow", flags, 1);

	if (IS_ERR(narrow)) {
		KUNIT_FAIL(mock->test, "no workqueue: %ld", PTR_ERR(narrow));
		return false;
	}
	bgtoken_wq_destroy(mock->wq);
	mock->wq = narrow;
	mock->owner->compile.wq = narrow;
	return true;
}

/* A work that is not a task, of another token, and is held at gate2. */
struct mock_blocker {
	struct bgtoken_work work;
	struct mock *mock;
};

static inline void mock_blocker_fn(struct bgtoken_work *work)
{
	struct mock *mock = container_of(work, struct mock_blocker, work)->mock;

	test_gate_pass(&mock->gate2);
}

static inline void mock_blocker_release(struct bgtoken_work *work)
{
	kfree(container_of(work, struct mock_blocker, work));
}

static inline void mock_queue_blocker(struct mock *mock)
{
	struct mock_blocker *blocker;
	struct bgtoken *token;

	token = bgtoken_create(mock, BGTOKEN_MUTEX, GFP_KERNEL | __GFP_NOFAIL);
	blocker = kzalloc(sizeof(*blocker), GFP_KERNEL | __GFP_NOFAIL);
	blocker->mock = mock;
	bgtoken_work_init(&blocker->work, token, mock_blocker_fn,
			  mock_blocker_release);
	bgtoken_put(token);
	KUNIT_EXPECT_TRUE(mock->test,
			  bgtoken_queue_work(mock->wq, &blocker->work));
	bgtoken_work_put(&blocker->work);
}

/* Units */

/* One more unit at the end of @list; what it is to do goes into its plan. */
static inline struct mock_plan *mock_unit_sized(struct mock *mock,
						struct list_head *list,
						enum bgcompile_tier tier,
						size_t size)
{
	struct mock_unit *mu;

	if (mock->nr_units == mock->max_units) {
		KUNIT_FAIL(mock->test, "over %u units", mock->max_units);
		return &mock->plans[mock->max_units];
	}
	mu = kzalloc(sizeof(*mu), GFP_KERNEL | __GFP_NOFAIL);
	mu->mock = mock;
	mu->index = mock->nr_units++;
	bgcompile_unit_init(&mu->unit, tier, size);
	bgcompile_unit_add(&mu->unit, list);
	return &mock->plans[mu->index];
}

static inline struct mock_plan *mock_unit(struct mock *mock,
					  struct list_head *list)
{
	return mock_unit_sized(mock, list, BGCOMPILE_BASELINE, 1);
}

static inline void mock_units(struct mock *mock, struct list_head *list,
			      unsigned int n, struct test_gate *in_compile)
{
	while (n--)
		mock_unit(mock, list)->in_compile = in_compile;
}

/* Every unit of @list is the library's afterwards, or none. */
static inline int mock_add(struct mock *mock, struct list_head *list)
{
	struct bgcompile_unit *unit;
	int err;

	list_for_each_entry(unit, list, node)
		mock_plan_of(unit)->added = true;
	err = bgcompile_add_units(mock_state(mock), list);
	list_for_each_entry(unit, list, node)
		mock_plan_of(unit)->added = false;
	return err;
}

/* Units that are still the test's: how many, and they are gone. */
static inline unsigned int mock_free_list(struct list_head *list)
{
	struct bgcompile_unit *unit, *next;
	unsigned int n = 0;

	list_for_each_entry_safe(unit, next, list, node) {
		list_del(&unit->node);
		kfree(to_mock_unit(unit));
		n++;
	}
	return n;
}

/* Callbacks */

static inline void mock_told(struct bgcompile_callback *cb,
			     enum bgcompile_event event, int error)
{
	struct mock_callback *mc = container_of(cb, struct mock_callback, cb);
	struct mock_log *log = mc->log;
	struct mock *mock = mc->mock;
	int n = test_gate_count(&log->told);

	mock_assert_scope(mock);
	lockdep_assert_not_held(&mock->owner->compile.lock);
	if (mc->in_callback)
		mock_hold(mock, mc->in_callback);
	if (mc->hook)
		mc->hook(mock);
	if (n < ARRAY_SIZE(log->event)) {
		log->event[n] = event;
		log->error[n] = error;
	}
	if (mc->free_itself && event != BGCOMPILE_BASELINE_FINISHED) {
		log->callback = NULL;
		memset(mc, MOCK_POISON, sizeof(*mc));
		kfree(mc);
	}
	test_gate_arrive(&log->told);
}

/* A callback, not yet added; NULL without memory. */
static inline struct mock_callback *mock_callback(struct mock *mock)
{
	struct mock_callback *mc = kzalloc(sizeof(*mc), GFP_KERNEL | __GFP_NOFAIL);

	mc->cb.fn = mock_told;
	mc->mock = mock;
	mc->log = &mock->logs[mock->nr_callbacks++];
	mc->log->callback = mc;
	return mc;
}

static inline struct mock_log *mock_listen(struct mock *mock)
{
	struct mock_callback *mc = mock_callback(mock);

	KUNIT_EXPECT_EQ(mock->test,
			bgcompile_add_callback(mock_state(mock), &mc->cb), 0);
	return mc->log;
}

#define MOCK_NOTHING	BGCOMPILE_EVENTS

/* It was told @first and @second, in that order, and nothing else. */
static inline void mock_expect_told(struct mock *mock, struct mock_log *log,
				    enum bgcompile_event first,
				    enum bgcompile_event second, int error)
{
	struct kunit *test = mock->test;
	int n = (first != MOCK_NOTHING) + (second != MOCK_NOTHING);

	KUNIT_EXPECT_TRUE(test, test_gate_wait(&log->told, n));
	KUNIT_EXPECT_EQ(test, test_gate_count(&log->told), n);
	if (n > 0) {
		KUNIT_EXPECT_EQ(test, log->event[0], first);
		KUNIT_EXPECT_EQ(test, log->error[0],
				first == BGCOMPILE_FAILED ? error : 0);
	}
	if (n > 1) {
		KUNIT_EXPECT_EQ(test, log->event[1], second);
		KUNIT_EXPECT_EQ(test, log->error[1],
				second == BGCOMPILE_FAILED ? error : 0);
	}
}

/* What has become of the state */

static inline struct bgcompile_progress mock_progress(struct mock *mock)
{
	struct bgcompile_progress progress;

	bgcompile_progress(mock_state(mock), &progress);
	return progress;
}

/* Wait for an event, and for the tasks to be gone if it is final. */
static inline bool mock_finished(struct mock *mock, enum bgcompile_event event)
{
	return test_until(mock_progress(mock).events & BIT(event)) &&
	       (event == BGCOMPILE_BASELINE_FINISHED ||
		test_until(!mock_progress(mock).tasks));
}

/* Threads */

/* Cancels, and frees the owner the moment that it may. */
struct mock_canceller {
	struct test_thread thread;
	struct mock *mock;
	struct test_gate *go;		/* held there before, unless NULL */
	bool leave_owner;
	bool first;
};

static inline void mock_canceller_fn(void *arg)
{
	struct mock_canceller *c = arg;

	if (c->go)
		test_gate_pass(c->go);
	c->first = mock_cancel(c->mock);
	if (!c->leave_owner)
		mock_free_owner(c->mock);
}

/* A CPU that the one given is not, if there is one. */
static inline int mock_other_cpu(unsigned int cpu)
{
	unsigned int other = cpumask_any_but(cpu_online_mask, cpu);

	return other < nr_cpu_ids ? other : -1;
}

/* Returns when the token refuses new scopes; the cancel may be waiting. */
static inline bool mock_cancel_begins(struct mock *mock, struct mock_canceller *c)
{
	c->mock = mock;
	return test_thread_start(mock->test, &c->thread,
				 mock_other_cpu(raw_smp_processor_id()),
				 mock_canceller_fn, c) &&
	       test_until(bgtoken_cancelled(mock->token));
}

/* Even if something else has gone wrong: nothing holds it any more then. */
static inline bool mock_join(struct mock *mock, struct test_thread *thread)
{
	if (test_thread_join(thread))
		return true;
	KUNIT_FAIL(mock->test, "a thread did not return");
	mock_open_all(mock);
	return test_thread_join(thread);
}

struct mock_waiter {
	struct test_thread thread;
	struct mock *mock;
	enum bgcompile_event event;
	bool freezable;
	int result;
};

static inline void mock_waiter_fn(void *arg)
{
	struct mock_waiter *w = arg;

	if (w->freezable)
		set_freezable();
	allow_signal(SIGKILL);
	w->result = bgcompile_wait(mock_state(w->mock), w->event);
	flush_signals(current);
}

/* Returns when it sleeps. */
static inline bool mock_waiter_begins(struct mock *mock, struct mock_waiter *w,
				      enum bgcompile_event event)
{
	w->mock = mock;
	w->event = event;
	return test_thread_start(mock->test, &w->thread, -1, mock_waiter_fn, w) &&
	       test_thread_asleep(&w->thread);
}

/* Even if nobody wakes it. */
static inline bool mock_waiter_ends(struct mock *mock, struct mock_waiter *w)
{
	if (test_thread_join(&w->thread))
		return true;
	KUNIT_FAIL(mock->test, "a waiter was not woken");
	send_sig(SIGKILL, w->thread.task, 1);
	return test_thread_join(&w->thread);
}

#endif /* _BGTOKEN_COMPILE_MOCK_H */
