// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events of both systems: when each comes, in which order, and what each
 * says, as whoever reads the trace buffer sees it.
 *
 * A probe is on every event.  What it makes of its arguments is made by the
 * event's own header, read once more with other macros: the fields are filled in
 * as there, and printed as there.  Cases compare lines.
 */
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/tracepoint.h>

#include "compile_mock.h"

#define MOST_RECORDS	64
#define TOP_SIZE	7	/* of a unit of that tier; mock_unit() has 1 */

/* What the probes have seen, in this order; begun anew for each case. */
struct record {
	const char *name;		/* set last */
	char text[160];
};

static struct {
	atomic_t nr;
	struct record records[MOST_RECORDS];
} trace_log;

/*
 * What a case wants done where an event comes, in its context.  It is there until
 * nothing is left that makes events: a kworker may be about to look at it.
 */
static struct {
	const char *event;		/* set last */
	void (*fn)(void *arg);
	void *arg;
} trace_hook;

static void record(const char *name, const char *text)
{
	const char *hooked = smp_load_acquire(&trace_hook.event);	/* window_hook() */
	int n = atomic_inc_return(&trace_log.nr) - 1;

	if (n < MOST_RECORDS) {
		strscpy(trace_log.records[n].text, text,
			sizeof(trace_log.records[n].text));
		/* After the text: read_next() looks at that when it has found this. */
		smp_store_release(&trace_log.records[n].name, name);
	}
	if (hooked && !strcmp(name, hooked))
		trace_hook.fn(trace_hook.arg);
}

static const char *symbol_of(const struct trace_print_flags *symbols,
			     unsigned long value)
{
	for (; symbols->name; symbols++)
		if (symbols->mask == value)
			return symbols->name;
	return "unknown";
}

/* The headers of the events, as probes */

#undef TP_PROTO
#undef TP_ARGS
#undef TP_STRUCT__entry
#undef TP_fast_assign
#undef TP_printk
#undef DECLARE_EVENT_CLASS
#undef DEFINE_EVENT
#undef TRACE_EVENT
#undef TRACE_DEFINE_ENUM

#define TP_PROTO(args...)		args
#define TP_ARGS(args...)		args
#define TP_STRUCT__entry(args...)	args
#define TP_fast_assign(args...)		args
#define TP_printk(fmt, args...)		fmt, args
#define TRACE_DEFINE_ENUM(a)
#define __field(type, item)		type item;
#define __array(type, item, len)	type item[len];
#define __print_symbolic(value, symbols...)				\
({									\
	static const struct trace_print_flags __symbols[] = {		\
		symbols, {}						\
	};								\
									\
	symbol_of(__symbols, value);					\
})

#define DECLARE_EVENT_CLASS(class, proto, args, fields, assign, print)	\
static void print_##class(char *text, size_t size, proto)		\
{									\
	struct { fields } entry, *__entry = &entry;			\
									\
	assign								\
	snprintf(text, size, print);					\
}

#define DEFINE_EVENT(class, event, proto, args)				\
static void probe_##event(void *data, proto)				\
{									\
	char text[sizeof(trace_log.records->text)];			\
									\
	print_##class(text, sizeof(text), args);			\
	record(#event, text);						\
}

#define TRACE_EVENT(event, proto, args, fields, assign, print)		\
	DECLARE_EVENT_CLASS(event, PARAMS(proto), PARAMS(args),		\
			    PARAMS(fields), PARAMS(assign), PARAMS(print)) \
	DEFINE_EVENT(event, event, PARAMS(proto), PARAMS(args))

#include "bgtoken_trace.h"
#include "bgcompile_trace.h"

#define EVENT(name)	{ #name, probe_##name }

static struct {
	const char *name;
	void *probe;
	struct tracepoint *tracepoint;
} events[] = {
	EVENT(bgtoken_create),
	EVENT(bgtoken_cancel),
	EVENT(bgtoken_enter),
	EVENT(bgtoken_enter_refuse),
	EVENT(bgtoken_exit),
	EVENT(bgtoken_cancel_done),
	EVENT(bgtoken_pause),
	EVENT(bgtoken_pause_done),
	EVENT(bgtoken_resume),
	EVENT(bgtoken_free),
	EVENT(bgtoken_work_queue),
	EVENT(bgtoken_work_refuse),
	EVENT(bgtoken_work_start),
	EVENT(bgtoken_work_end),
	EVENT(bgtoken_work_cancel),
	EVENT(bgtoken_work_drop),
	EVENT(bgtoken_wq_drain),
	EVENT(bgcompile_units_add),
	EVENT(bgcompile_unit_begin),
	EVENT(bgcompile_unit_end),
	EVENT(bgcompile_unit_publish),
	EVENT(bgcompile_unit_drop),
	EVENT(bgcompile_queue_free),
	EVENT(bgcompile_task_begin),
	EVENT(bgcompile_task_yield),
	EVENT(bgcompile_task_stop),
	EVENT(bgcompile_event),
};

/* Tracepoints are found by name: the modules export two of them. */

static int nr_tracepoints;	/* of both systems */

static void look_at_tracepoint(struct tracepoint *tracepoint, void *priv)
{
	int i;

	if (strncmp(tracepoint->name, "bgtoken_", 8) &&
	    strncmp(tracepoint->name, "bgcompile_", 10))
		return;
	nr_tracepoints++;
	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (!strcmp(events[i].name, tracepoint->name))
			events[i].tracepoint = tracepoint;
}

#if defined(CONFIG_MODULES) && defined(CONFIG_TRACEPOINTS)
static int look_at_module(struct notifier_block *nb, unsigned long state,
			  void *data)
{
	struct module *mod = ((struct tp_module *)data)->mod;
	int i;

	if (state == MODULE_STATE_COMING)
		for (i = 0; i < mod->num_tracepoints; i++)
			look_at_tracepoint(tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]),
					   NULL);
	return NOTIFY_OK;
}

/* It is told at once of the modules that there are. */
static void look_at_modules(void)
{
	static struct notifier_block nb = { .notifier_call = look_at_module };

	if (!register_tracepoint_module_notifier(&nb))
		unregister_tracepoint_module_notifier(&nb);
}
#else
static void look_at_modules(void)
{
}
#endif

static int trace_suite_init(struct kunit_suite *suite)
{
	int i;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		return 0;
	nr_tracepoints = 0;
	for_each_kernel_tracepoint(look_at_tracepoint, NULL);
	look_at_modules();
	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i].tracepoint &&
		    tracepoint_probe_register(events[i].tracepoint,
					      events[i].probe, NULL))
			events[i].tracepoint = NULL;
	return 0;
}

static void trace_suite_exit(struct kunit_suite *suite)
{
	int i;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		return;
	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i].tracepoint)
			tracepoint_probe_unregister(events[i].tracepoint,
						    events[i].probe, NULL);
	tracepoint_synchronize_unregister();
}

static void trace_begin(void)
{
	memset(trace_log.records, 0, sizeof(trace_log.records));
	atomic_set(&trace_log.nr, 0);
}

static int trace_test_init(struct kunit *test)
{
	mock_init(test);
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	trace_begin();
	return 0;
}

/* Lines */

/* A reader of those lines that have a key in them. */
struct reader {
	const char *system;		/* what their names begin with */
	char key[40];
	int next;
};

static struct reader read_of(const char *system, const char *what, const void *who)
{
	struct reader reader = { .system = system };

	snprintf(reader.key, sizeof(reader.key), "%s=%p", what, who);
	return reader;
}

/* Of a token, which may be gone. */
static struct reader read_of_token(const char *system, u64 id)
{
	struct reader reader = { .system = system };

	snprintf(reader.key, sizeof(reader.key), "token=%llu", id);
	return reader;
}

static struct record *read_next(struct reader *reader)
{
	while (reader->next < MOST_RECORDS) {
		struct record *r = &trace_log.records[reader->next];
		const char *name = smp_load_acquire(&r->name);	/* of record() */
		const char *at;

		if (!name)
			return NULL;
		at = strstr(r->text, reader->key);
		if (!strncmp(name, reader->system, strlen(reader->system)) && at &&
		    !isdigit(at[strlen(reader->key)]))	/* an id that begins with this one */
			return r;
		reader->next++;
	}
	return NULL;
}

static __printf(4, 5) void expect_event(struct kunit *test, struct reader *reader,
					const char *name, const char *fmt, ...)
{
	struct record *r;
	char text[sizeof(r->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!test_until(read_next(reader))) {
		KUNIT_FAIL(test, "no %s: %s", name, text);
		return;
	}
	r = read_next(reader);
	KUNIT_EXPECT_STREQ(test, r->name, name);
	KUNIT_EXPECT_STREQ(test, r->text, text);
	reader->next++;
}

static void expect_no_more(struct kunit *test, struct reader *reader)
{
	struct record *r = read_next(reader);

	if (r)
		KUNIT_FAIL(test, "one more: %s: %s", r->name, r->text);
	KUNIT_EXPECT_LE(test, atomic_read(&trace_log.nr), MOST_RECORDS);
}

/* Cases: tokens */

static void trace_every_event_there_is_has_a_case(struct kunit *test)
{
	int i;

	KUNIT_EXPECT_EQ(test, nr_tracepoints, (int)ARRAY_SIZE(events));
	for (i = 0; i < ARRAY_SIZE(events); i++)
		KUNIT_EXPECT_NOT_NULL_MSG(test, events[i].tracepoint, "%s",
					  events[i].name);
}

static void trace_tells_the_life_of_a_token(struct kunit *test)
{
	const struct test_kind *kind = test->param_value;
	struct reader reader;
	struct bgtoken *token;
	unsigned long flags;
	int line = 0;
	u64 id;

	token = test_token_create(test, kind->kind);
	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	id = token->id;
	if (test_enter(token, &flags))
		test_exit(token, flags);
	bgtoken_pause(token);
	KUNIT_EXPECT_NULL(test, test_enter(token, &flags));
	bgtoken_resume(token);
	bgtoken_cancel(token);
	KUNIT_EXPECT_NULL(test, test_enter(token, &flags));
	bgtoken_cancel(token);
	bgtoken_put(token);

	reader = read_of_token("bgtoken_", id);
	if (read_next(&reader))
		sscanf(strrchr(read_next(&reader)->text, ':') ?: "", ":%d", &line);
	KUNIT_EXPECT_GT(test, line, 0);
	expect_event(test, &reader, "bgtoken_create",
		     "token=%llu owner=%p kind=%s name=bgtoken:owner site=bgtoken_trace_test:test_gate.h:%d",
		     id, test, kind->name, line);
	expect_event(test, &reader, "bgtoken_enter", "token=%llu", id);
	expect_event(test, &reader, "bgtoken_exit", "token=%llu", id);
	expect_event(test, &reader, "bgtoken_pause", "token=%llu", id);
	expect_event(test, &reader, "bgtoken_pause_done", "token=%llu waited=0", id);
	expect_event(test, &reader, "bgtoken_enter_refuse", "token=%llu reason=paused", id);
	expect_event(test, &reader, "bgtoken_resume", "token=%llu", id);
	expect_event(test, &reader, "bgtoken_cancel", "token=%llu first=1", id);
	expect_event(test, &reader, "bgtoken_cancel_done", "token=%llu waited=0", id);
	expect_event(test, &reader, "bgtoken_enter_refuse", "token=%llu reason=cancelled", id);
	expect_event(test, &reader, "bgtoken_cancel", "token=%llu first=0", id);
	expect_event(test, &reader, "bgtoken_cancel_done", "token=%llu waited=0", id);
	expect_event(test, &reader, "bgtoken_free", "token=%llu", id);
	expect_no_more(test, &reader);
}

/* What is told of a site is what the library has remembered of it. */
static void trace_tells_sites_that_are_close_apart(struct kunit *test)
{
	int first = __LINE__ + 4, second = __LINE__ + 5;
	const gfp_t gfp = GFP_KERNEL;
	struct kunit *other = test;
	struct bgtoken *tokens[] = {
		bgtoken_create(test, BGTOKEN_SHARED, gfp),
		bgtoken_create(test, BGTOKEN_SPIN, gfp), bgtoken_create(other, BGTOKEN_SPIN, gfp),
	};
	const struct { const char *kind, *name; int line; } sites[] = {
		{ "shared", "test", first }, { "spin", "test", second },
		{ "spin", "other", second },
	};
	struct reader reader;
	int i;

	for (i = 0; i < ARRAY_SIZE(tokens); i++) {
		u64 id;

		if (IS_ERR(tokens[i])) {
			KUNIT_FAIL(test, "no memory");
			continue;
		}
		id = tokens[i]->id;
		bgtoken_cancel(tokens[i]);
		bgtoken_put(tokens[i]);
		reader = read_of_token("bgtoken_create", id);
		expect_event(test, &reader, "bgtoken_create",
			     "token=%llu owner=%p kind=%s name=bgtoken:%s site=bgtoken_trace_test:trace_test.c:%d",
			     id, test, sites[i].kind, sites[i].name, sites[i].line);
	}
}

/* The exit that the closing of a token waits for takes another path than the rest. */
static void trace_tells_the_exit_from_a_refused_token(struct kunit *test)
{
	struct bgtoken *token = test_token_create(test, test_kind_of(test));
	struct reader reader;
	unsigned long flags;
	u64 id;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	id = token->id;
	if (test_enter(token, &flags)) {
		bgtoken_refuse(token);
		test_exit(token, flags);
	}
	bgtoken_cancel(token);
	bgtoken_put(token);
	reader = read_of_token("bgtoken_exit", id);
	expect_event(test, &reader, "bgtoken_exit", "token=%llu", id);
	expect_no_more(test, &reader);
}

/* Cases: works */

struct trace_scope {
	struct bgtoken *token;
	struct test_gate inside;
};

static void trace_holder(void *arg)
{
	struct trace_scope *scope = arg;
	unsigned long flags;

	if (!test_enter(scope->token, &flags))
		return;
	test_gate_pass(&scope->inside);
	test_exit(scope->token, flags);
}

static void trace_canceller(void *arg)
{
	struct trace_scope *scope = arg;

	bgtoken_cancel(scope->token);
}

static void trace_pauser(void *arg)
{
	struct trace_scope *scope = arg;

	bgtoken_pause(scope->token);
}

/* By @close, which makes the event @done. */
static void expect_wait_told(struct kunit *test, void (*close)(void *arg), const char *done)
{
	struct trace_scope *scope = kzalloc(sizeof(*scope), GFP_KERNEL);
	struct test_thread holder = {}, closer = {};
	struct reader reader;
	u64 waited = 0, id;

	KUNIT_ASSERT_NOT_NULL(test, scope);
	test_gate_init(&scope->inside);
	scope->token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(scope->token)) {
		kfree(scope);
		KUNIT_FAIL(test, "no memory");
		return;
	}
	id = scope->token->id;
	test_thread_start(test, &holder, -1, trace_holder, scope);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&scope->inside, 1));
	test_thread_start(test, &closer, -1, close, scope);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(&closer));
	msleep(20);
	test_gate_open(&scope->inside);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&closer));
	KUNIT_EXPECT_TRUE(test, test_thread_join(&holder));
	reader = read_of_token(done, id);
	if (read_next(&reader))
		sscanf(strstr(read_next(&reader)->text, "waited=") ?: "", "waited=%llu", &waited);
	KUNIT_EXPECT_GE(test, waited, 10 * NSEC_PER_MSEC);
	bgtoken_put(scope->token);
	kfree(scope);
}

static void trace_tells_for_how_long_a_cancel_has_waited(struct kunit *test)
{
	expect_wait_told(test, trace_canceller, "bgtoken_cancel_done");
}

static void trace_tells_for_how_long_a_pause_has_waited(struct kunit *test)
{
	expect_wait_told(test, trace_pauser, "bgtoken_pause_done");
}

struct trace_work {
	struct bgtoken_delayed_work dwork;
	struct test_gate hold;
};

static void trace_work_fn(struct bgtoken_work *work)
{
	struct trace_work *tw = container_of(work, struct trace_work, dwork.work);

	test_gate_pass(&tw->hold);
}

static void trace_work_release(struct bgtoken_work *work)
{
}

static void trace_tells_the_way_of_a_work(struct kunit *test)
{
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	struct bgtoken_wq *wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 0);
	struct bgtoken_work *work;
	struct trace_work *tw;
	struct reader reader;
	u64 id;

	KUNIT_ASSERT_FALSE(test, IS_ERR(token));
	KUNIT_ASSERT_FALSE(test, IS_ERR(wq));
	id = token->id;
	tw = kunit_kzalloc(test, sizeof(*tw), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, tw);
	test_gate_init(&tw->hold);
	work = &tw->dwork.work;
	bgtoken_delayed_work_init(&tw->dwork, token, trace_work_fn,
				  trace_work_release);

	/*
	 * Queued, and again as it runs; pending then; taken back; refused in a pause;
	 * queued once more; dropped by a cancel.
	 */
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, work));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&tw->hold, 1));
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(wq, &tw->dwork, AN_HOUR));
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(wq, work));
	KUNIT_EXPECT_TRUE(test, bgtoken_cancel_work(work));
	bgtoken_pause(token);
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(wq, work));
	bgtoken_resume(token);
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_delayed_work(wq, &tw->dwork, AN_HOUR));
	test_gate_open(&tw->hold);
	reader = read_of("bgtoken_work", "work", work);
	expect_event(test, &reader, "bgtoken_work_queue",
		     "work=%p function=%ps token=%llu delay=0", work, trace_work_fn, id);
	expect_event(test, &reader, "bgtoken_work_start",
		     "work=%p function=%ps token=%llu", work, trace_work_fn, id);
	expect_event(test, &reader, "bgtoken_work_queue",
		     "work=%p function=%ps token=%llu delay=%llu", work, trace_work_fn, id,
		     jiffies64_to_nsecs(AN_HOUR));
	expect_event(test, &reader, "bgtoken_work_refuse",
		     "work=%p function=%ps token=%llu reason=pending", work,
		     trace_work_fn, id);
	expect_event(test, &reader, "bgtoken_work_cancel",
		     "work=%p function=%ps token=%llu", work, trace_work_fn, id);
	expect_event(test, &reader, "bgtoken_work_refuse",
		     "work=%p function=%ps token=%llu reason=paused", work, trace_work_fn,
		     id);
	expect_event(test, &reader, "bgtoken_work_queue",
		     "work=%p function=%ps token=%llu delay=%llu", work, trace_work_fn, id,
		     jiffies64_to_nsecs(AN_HOUR));
	expect_event(test, &reader, "bgtoken_work_end",
		     "work=%p function=%ps token=%llu", work, trace_work_fn, id);
	bgtoken_cancel(token);
	expect_event(test, &reader, "bgtoken_work_drop",
		     "work=%p function=%ps token=%llu", work, trace_work_fn, id);
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(wq, work));
	expect_event(test, &reader, "bgtoken_work_refuse",
		     "work=%p function=%ps token=%llu reason=cancelled", work,
		     trace_work_fn, id);
	bgtoken_wq_destroy(wq);
	bgtoken_work_put(work);
	bgtoken_barrier();		/* tw goes with the case */
	bgtoken_put(token);
	expect_no_more(test, &reader);
	reader = read_of("bgtoken_", "wq", wq);
	expect_event(test, &reader, "bgtoken_wq_drain", "wq=%p begin", wq);
	expect_event(test, &reader, "bgtoken_wq_drain", "wq=%p done", wq);
	expect_no_more(test, &reader);
}

/* Cases: timers */

static void trace_timer_fn(struct bgtoken_timer *timer, void *owner)
{
}

/* What the next event, which is there, says of a delay: in ns. */
static u64 delay_of(struct reader *reader)
{
	struct record *r = read_next(reader);
	const char *delay = r ? strstr(r->text, "delay=") : NULL;
	u64 ns = 0;

	return delay && !kstrtou64(delay + strlen("delay="), 10, &ns) ? ns : 0;
}

/* Armed for an hour, of which something may have been over before it was. */
static void expect_armed_for_an_hour(struct kunit *test, struct reader *reader,
				     struct bgtoken_timer *timer)
{
	u64 delay = delay_of(reader), hour = jiffies64_to_nsecs(AN_HOUR);

	KUNIT_EXPECT_LE(test, delay, hour);
	KUNIT_EXPECT_GT(test, delay, hour / 2);
	expect_event(test, reader, "bgtoken_work_queue",
		     "work=%p function=%ps token=%llu delay=%llu", &timer->dwork.work,
		     trace_timer_fn, bgtoken_timer_token(timer)->id, delay);
}

static void trace_tells_the_way_of_a_timer(struct kunit *test)
{
	struct bgtoken_timer *timer = kzalloc(sizeof(*timer), GFP_KERNEL);
	struct bgtoken *token = bgtoken_create(test, BGTOKEN_SPIN, GFP_KERNEL);
	struct bgtoken_work *work = &timer->dwork.work;
	struct reader reader;
	u64 id;

	if (!timer || IS_ERR(token)) {
		kfree(timer);
		bgtoken_put(token);
		KUNIT_FAIL(test, "no memory");
		return;
	}
	id = token->id;
	bgtoken_timer_init(timer, token, trace_timer_fn, NULL);
	reader = read_of("bgtoken_work", "work", work);

	/* Due already; taken off; taken off by a cancel; refused. */
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(timer, jiffies - 1));
	expect_event(test, &reader, "bgtoken_work_queue",
		     "work=%p function=%ps token=%llu delay=0", work, trace_timer_fn, id);
	expect_event(test, &reader, "bgtoken_work_start",
		     "work=%p function=%ps token=%llu", work, trace_timer_fn, id);
	expect_event(test, &reader, "bgtoken_work_end",
		     "work=%p function=%ps token=%llu", work, trace_timer_fn, id);
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(timer, jiffies + AN_HOUR));
	expect_armed_for_an_hour(test, &reader, timer);
	KUNIT_EXPECT_TRUE(test, bgtoken_timer_cancel(timer));
	expect_event(test, &reader, "bgtoken_work_cancel",
		     "work=%p function=%ps token=%llu", work, trace_timer_fn, id);
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(timer, jiffies + AN_HOUR));
	expect_armed_for_an_hour(test, &reader, timer);
	bgtoken_cancel(token);
	expect_event(test, &reader, "bgtoken_work_drop",
		     "work=%p function=%ps token=%llu", work, trace_timer_fn, id);
	KUNIT_EXPECT_FALSE(test, bgtoken_timer_mod(timer, jiffies - 1));
	expect_event(test, &reader, "bgtoken_work_refuse",
		     "work=%p function=%ps token=%llu reason=cancelled", work,
		     trace_timer_fn, id);
	bgtoken_barrier();
	bgtoken_timer_put(timer);
	bgtoken_put(token);
	expect_no_more(test, &reader);
}

/* Cases: what comes between an event and what follows it */

/* Threads use it: it goes when they are joined. */
static struct window {
	struct bgtoken *token;
	struct bgtoken_wq *wq;
	struct trace_work tw;
	struct test_thread threads[2];
	unsigned long delay;
	bool go;
	bool cancelled;			/* or a thread has done what it was to do */
	bool queued;
	bool met;			/* what the hook waited for has come meanwhile */
} *window;				/* the case's, or NULL */

static struct window *window_begin(struct kunit *test)
{
	struct window *w = kzalloc(sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->token = bgtoken_create(test, BGTOKEN_MUTEX, GFP_KERNEL);
	w->wq = bgtoken_wq_create("bgtoken_test", WQ_UNBOUND, 0);
	if (IS_ERR(w->token) || IS_ERR(w->wq)) {
		bgtoken_wq_destroy(w->wq);
		bgtoken_put(w->token);
		kfree(w);
		KUNIT_FAIL(test, "no memory");
		return NULL;
	}
	test_gate_init(&w->tw.hold);
	bgtoken_delayed_work_init(&w->tw.dwork, w->token, trace_work_fn,
				  trace_work_release);
	window = w;
	return w;
}

static void window_hook(const char *event, void (*fn)(void *arg), void *arg)
{
	trace_hook.fn = fn;
	trace_hook.arg = arg;
	smp_store_release(&trace_hook.event, event);	/* record() */
}

/* By the case, and if that has left early by the suite's exit. */
static void window_end(struct kunit *test)
{
	struct window *w = window;
	int n;

	if (!w)
		return;
	window = NULL;
	test_gate_open(&w->tw.hold);
	for (n = 0; n < ARRAY_SIZE(w->threads); n++) {
		if (!test_thread_join(&w->threads[n])) {
			KUNIT_FAIL(test, "threads left behind");
			return;
		}
	}
	bgtoken_wq_destroy(w->wq);
	WRITE_ONCE(trace_hook.event, NULL);
	bgtoken_work_put(&w->tw.dwork.work);
	bgtoken_barrier();
	bgtoken_put(w->token);
	kfree(w);
}

static void window_canceller(void *arg)
{
	struct window *w = arg;

	test_spin_until(READ_ONCE(w->go));
	bgtoken_cancel(w->token);
	WRITE_ONCE(w->cancelled, true);
}

static void window_queuer(void *arg)
{
	struct window *w = arg;

	w->queued = bgtoken_queue_delayed_work(w->wq, &w->tw.dwork, w->delay);
}

#define WINDOW_MS	50
#define WINDOW_OPEN_MS	10000
#define WINDOW_TRIES	3

/*
 * The cancel begins, and gets as far as it can, while a work is being queued.  Not for ever:
 * interrupts are off, and the canceller's CPU may have to wait for this one to take some.
 */
static void window_open(void *arg)
{
	struct window *w = arg;
	u64 end = ktime_get_ns() + WINDOW_OPEN_MS * NSEC_PER_MSEC;
	unsigned int looks = 0;

	WRITE_ONCE(w->go, true);
	while (!bgtoken_cancelled(w->token) && ktime_get_ns() < end)
		test_relax(looks++);
	w->met = bgtoken_cancelled(w->token);
	/* It may have to wait for who is queueing; if not, it is soon done. */
	end = ktime_get_ns() + WINDOW_MS * NSEC_PER_MSEC;
	while (!READ_ONCE(w->cancelled) && ktime_get_ns() < end)
		cpu_relax();
}

static const struct window_param {
	const char *name;
	unsigned long delay;
} window_params[] = {
	{ "at once", 0 },
	{ "for later", AN_HOUR },
};

static void window_desc(const struct window_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(window, window_params, window_desc);

/*
 * It was not cancelled when the work was claimed, and is when it goes onto its
 * queue or timer.  The queuer is on CPU 1, maybe with interrupts off, the cancel
 * on CPU 0, where the test just waits.
 */
static bool work_claimed_just_before_a_cancel(struct kunit *test)
{
	const struct window_param *param = test->param_value;
	struct test_thread *queuer, *canceller;
	struct bgtoken_work *work;
	struct reader reader;
	struct window *w;

	w = window_begin(test);
	if (!w)
		return true;
	w->delay = param->delay;
	test_gate_open(&w->tw.hold);
	work = &w->tw.dwork.work;
	queuer = &w->threads[0];
	canceller = &w->threads[1];
	test_thread_create(test, queuer, 1);
	test_thread_create(test, canceller, 0);

	window_hook("bgtoken_work_queue", window_open, w);
	test_thread_run(canceller, window_canceller, w);
	test_thread_run(queuer, window_queuer, w);
	KUNIT_EXPECT_TRUE(test, test_thread_join(queuer));
	KUNIT_EXPECT_TRUE(test, test_thread_join(canceller));
	if (!w->met) {
		window_end(test);
		return false;
	}
	KUNIT_EXPECT_TRUE(test, w->queued);
	reader = read_of("bgtoken_work", "work", work);
	expect_event(test, &reader, "bgtoken_work_queue",
		     "work=%p function=%ps token=%llu delay=%llu", work, trace_work_fn,
		     w->token->id, jiffies64_to_nsecs(w->delay));
	expect_event(test, &reader, "bgtoken_work_drop",
		     "work=%p function=%ps token=%llu", work, trace_work_fn,
		     w->token->id);
	KUNIT_EXPECT_EQ(test, test_gate_count(&w->tw.hold), 0);
	window_end(test);
	expect_no_more(test, &reader);
	return true;
}

static void trace_work_claimed_just_before_a_cancel_is_dropped(struct kunit *test)
{
	int tries;

	test_own_cpu(test, 1);
	for (tries = 0; tries < WINDOW_TRIES; tries++) {
		if (work_claimed_just_before_a_cancel(test) || test->status != KUNIT_SUCCESS)
			return;
		trace_begin();		/* the next one may have the same address */
	}
	kunit_skip(test, "the cancel did not come while the work was being queued");
}

/* Queues when the hook says so, and tells it. */
static void window_late_queuer(void *arg)
{
	struct window *w = arg;

	test_spin_until(READ_ONCE(w->go));
	w->queued = bgtoken_queue_delayed_work(w->wq, &w->tw.dwork, w->delay);
	WRITE_ONCE(w->cancelled, true);
}

static void window_let_queue(void *arg)
{
	struct window *w = arg;
	u64 end = ktime_get_ns() + WINDOW_MS * NSEC_PER_MSEC;

	WRITE_ONCE(w->go, true);
	while (!READ_ONCE(w->cancelled) && ktime_get_ns() < end)
		cpu_relax();
	w->met = READ_ONCE(w->cancelled);
}

/* As soon as a pause is told of, and before it has dropped what is pending. */
static void trace_work_is_refused_from_the_event_of_a_pause_on(struct kunit *test)
{
	struct window *w;
	bool met;

	test_own_cpu(test, 1);
	w = window_begin(test);
	if (!w)
		return;
	w->delay = AN_HOUR;
	test_gate_open(&w->tw.hold);
	test_thread_create(test, &w->threads[0], 1);
	test_thread_run(&w->threads[0], window_late_queuer, w);
	window_hook("bgtoken_pause", window_let_queue, w);
	bgtoken_pause(w->token);
	KUNIT_EXPECT_TRUE(test, test_thread_join(&w->threads[0]));
	met = w->met;
	if (met)
		KUNIT_EXPECT_FALSE(test, w->queued);
	bgtoken_resume(w->token);
	window_end(test);
	if (!met)
		kunit_skip(test, "the machine is too slow to tell");
}

static void window_destroyer(void *arg)
{
	struct window *w = arg;

	bgtoken_wq_destroy(w->wq);
	w->wq = NULL;
}

static void trace_tells_of_a_workqueue_that_closes(struct kunit *test)
{
	struct window *w = window_begin(test);
	struct test_thread *destroyer;
	struct bgtoken_work *work;
	struct bgtoken_wq *wq;
	struct reader reader;

	if (!w)
		return;
	wq = w->wq;
	work = &w->tw.dwork.work;
	destroyer = &w->threads[0];
	KUNIT_EXPECT_TRUE(test, bgtoken_queue_work(wq, work));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&w->tw.hold, 1));
	test_thread_start(test, destroyer, -1, window_destroyer, w);
	KUNIT_EXPECT_TRUE(test, test_thread_asleep(destroyer));

	reader = read_of("bgtoken_", "wq", wq);
	expect_event(test, &reader, "bgtoken_wq_drain", "wq=%p begin", wq);
	expect_no_more(test, &reader);
	KUNIT_EXPECT_FALSE(test, bgtoken_queue_work(wq, work));
	test_gate_open(&w->tw.hold);
	if (!test_thread_join(destroyer)) {
		KUNIT_FAIL(test, "the workqueue is not destroyed");
		return;
	}
	expect_event(test, &reader, "bgtoken_wq_drain", "wq=%p done", wq);
	expect_no_more(test, &reader);

	reader = read_of("bgtoken_work", "work", work);
	expect_event(test, &reader, "bgtoken_work_queue",
		     "work=%p function=%ps token=%llu delay=0", work, trace_work_fn,
		     w->token->id);
	expect_event(test, &reader, "bgtoken_work_start",
		     "work=%p function=%ps token=%llu", work, trace_work_fn,
		     w->token->id);
	expect_event(test, &reader, "bgtoken_work_refuse",
		     "work=%p function=%ps token=%llu reason=closing", work,
		     trace_work_fn, w->token->id);
	expect_event(test, &reader, "bgtoken_work_end",
		     "work=%p function=%ps token=%llu", work, trace_work_fn,
		     w->token->id);
	expect_no_more(test, &reader);
	window_end(test);
}

/* Cases: compile states, with one task */

/* The last unit added. */
static struct bgcompile_unit *last_of(struct list_head *units)
{
	return list_last_entry(units, struct bgcompile_unit, node);
}

static void expect_unit(struct kunit *test, struct reader *reader,
			const char *event, struct mock *mock,
			struct bgcompile_unit *unit, const char *tier, int error)
{
	expect_event(test, reader, event,
		     "token=%llu unit=%p tier=%s size=%d error=%d", mock->token->id, unit,
		     tier, strcmp(tier, "top") ? 1 : TOP_SIZE, error);
}

/* A unit that was held at the gate, and comes to an end with an error or 0. */
static void expect_whole_unit(struct kunit *test, struct reader *reader,
			      struct mock *mock, struct bgcompile_unit *unit,
			      const char *tier, int error)
{
	expect_unit(test, reader, "bgcompile_unit_begin", mock, unit, tier, 0);
	expect_unit(test, reader, "bgcompile_unit_end", mock, unit, tier, error);
	expect_unit(test, reader, "bgcompile_unit_publish", mock, unit, tier, error);
}

static void trace_tells_how_a_state_is_compiled(struct kunit *test)
{
	struct mock *mock = mock_create(test, 3, .max_tasks = 1, .slice_ms = MOCK_ENDLESS_MS);
	struct bgcompile_unit *first, *second, *top;
	struct bgcompile_queue *queue = mock_state(mock)->queue;
	u64 id = mock->token->id;
	struct reader reader;
	LIST_HEAD(units);

	mock_unit(mock, &units);
	first = last_of(&units);
	mock_unit_sized(mock, &units, BGCOMPILE_TOP, TOP_SIZE)->publish_error = -EIO;
	top = last_of(&units);
	mock_unit(mock, &units);
	second = last_of(&units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	mock_drain(mock);

	reader = read_of_token("bgcompile_", id);
	expect_event(test, &reader, "bgcompile_units_add", "token=%llu baseline=2 top=1",
		     id);
	expect_event(test, &reader, "bgcompile_task_begin",
		     "token=%llu compile=%ps", id, mock_compile);
	expect_whole_unit(test, &reader, mock, first, "baseline", 0);
	expect_whole_unit(test, &reader, mock, second, "baseline", 0);
	expect_event(test, &reader, "bgcompile_event",
		     "token=%llu event=baseline-finished error=0", id);
	expect_unit(test, &reader, "bgcompile_unit_begin", mock, top, "top", 0);
	expect_unit(test, &reader, "bgcompile_unit_end", mock, top, "top", 0);
	expect_unit(test, &reader, "bgcompile_unit_publish", mock, top, "top", -EIO);
	expect_event(test, &reader, "bgcompile_event",
		     "token=%llu event=top-finished error=0", id);
	expect_event(test, &reader, "bgcompile_task_stop", "token=%llu tasks=0", id);
	expect_no_more(test, &reader);
	reader = read_of("bgcompile_", "queue", queue);
	expect_event(test, &reader, "bgcompile_queue_free", "queue=%p dropped=0",
		     queue);
	expect_no_more(test, &reader);
}

/* The second of a batch fails; the third, compiled too, is dropped for that. */
static void trace_tells_how_a_state_fails(struct kunit *test)
{
	struct mock *mock = mock_create(test, 4, .max_tasks = 1, .batch = 3,
					.slice_ms = MOCK_ENDLESS_MS);
	struct bgcompile_unit *unit[3];
	u64 id = mock->token->id;
	struct reader reader;
	LIST_HEAD(units);
	int i;

	for (i = 0; i < 3; i++) {
		mock_unit(mock, &units);
		unit[i] = last_of(&units);
	}
	mock_unit(mock, &units);
	mock->plans[1].publish_error = -ENOSPC;
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_FAILED));

	reader = read_of_token("bgcompile_", id);
	expect_event(test, &reader, "bgcompile_units_add", "token=%llu baseline=4 top=0",
		     id);
	expect_event(test, &reader, "bgcompile_task_begin",
		     "token=%llu compile=%ps", id, mock_compile);
	for (i = 0; i < 3; i++) {
		expect_unit(test, &reader, "bgcompile_unit_begin", mock, unit[i],
			    "baseline", 0);
		expect_unit(test, &reader, "bgcompile_unit_end", mock, unit[i],
			    "baseline", 0);
	}
	expect_unit(test, &reader, "bgcompile_unit_publish", mock, unit[0],
		    "baseline", 0);
	expect_unit(test, &reader, "bgcompile_unit_publish", mock, unit[1],
		    "baseline", -ENOSPC);
	expect_unit(test, &reader, "bgcompile_unit_drop", mock, unit[2],
		    "baseline", -ENOSPC);
	expect_event(test, &reader, "bgcompile_event",
		     "token=%llu event=failed error=%d", id, -ENOSPC);
	expect_event(test, &reader, "bgcompile_task_stop", "token=%llu tasks=0", id);
	expect_no_more(test, &reader);
}

static void trace_tells_how_a_state_is_cancelled(struct kunit *test)
{
	struct mock *mock = mock_create(test, 6, .max_tasks = 1, .slice_ms = MOCK_ENDLESS_MS);
	struct bgcompile_queue *queue = mock_state(mock)->queue;
	u64 id = mock->token->id;
	struct bgcompile_unit *unit;
	struct reader reader;
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	unit = last_of(&units);
	mock->plans[0].compile_error = -EINTR;
	mock_units(mock, &units, 5, NULL);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, mock_cancel_and_free(mock));
	test_gate_open(&mock->gate);
	mock_drain(mock);

	reader = read_of_token("bgcompile_", id);
	expect_event(test, &reader, "bgcompile_units_add", "token=%llu baseline=6 top=0",
		     id);
	expect_event(test, &reader, "bgcompile_task_begin",
		     "token=%llu compile=%ps", id, mock_compile);
	expect_unit(test, &reader, "bgcompile_unit_begin", mock, unit, "baseline", 0);
	expect_unit(test, &reader, "bgcompile_unit_end", mock, unit, "baseline",
		    -EINTR);
	expect_unit(test, &reader, "bgcompile_unit_drop", mock, unit, "baseline",
		    -ECANCELED);
	expect_no_more(test, &reader);
	reader = read_of("bgcompile_", "queue", queue);
	expect_event(test, &reader, "bgcompile_queue_free", "queue=%p dropped=5",
		     queue);
	expect_no_more(test, &reader);
}

static void trace_tells_of_a_task_that_yields(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .max_tasks = 1, .slice_ms = 1);
	u64 id = mock->token->id;
	struct bgcompile_unit *first, *second;
	struct reader reader;
	LIST_HEAD(units);

	mock_unit(mock, &units)->compile_ms = 3;
	first = last_of(&units);
	mock_units(mock, &units, 1, &mock->gate);
	second = last_of(&units);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));

	reader = read_of_token("bgcompile_", id);
	expect_event(test, &reader, "bgcompile_units_add", "token=%llu baseline=2 top=0",
		     id);
	expect_event(test, &reader, "bgcompile_task_begin",
		     "token=%llu compile=%ps", id, mock_compile);
	expect_whole_unit(test, &reader, mock, first, "baseline", 0);
	expect_event(test, &reader, "bgcompile_task_yield", "token=%llu tasks=1", id);
	expect_event(test, &reader, "bgcompile_task_begin",
		     "token=%llu compile=%ps", id, mock_compile);
	expect_unit(test, &reader, "bgcompile_unit_begin", mock, second,
		    "baseline", 0);
	expect_no_more(test, &reader);
}

/* Two, of which the first finds nothing to do while the other is held. */
static void trace_tells_how_many_tasks_are_left(struct kunit *test)
{
	struct mock *mock = mock_create(test, 2, .max_tasks = 2, .slice_ms = MOCK_ENDLESS_MS);
	u64 id = mock->token->id;
	struct reader reader;
	LIST_HEAD(units);

	mock_units(mock, &units, 1, &mock->gate);
	mock_units(mock, &units, 1, &mock->gate2);
	KUNIT_EXPECT_EQ(test, mock_add(mock, &units), 0);
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate, 1));
	KUNIT_EXPECT_TRUE(test, test_gate_wait(&mock->gate2, 1));
	test_gate_open(&mock->gate2);
	KUNIT_EXPECT_TRUE(test, test_until(mock_progress(mock).tasks == 1));
	test_gate_open(&mock->gate);
	KUNIT_EXPECT_TRUE(test, mock_finished(mock, BGCOMPILE_TOP_FINISHED));
	reader = read_of_token("bgcompile_task", id);
	expect_event(test, &reader, "bgcompile_task_begin",
		     "token=%llu compile=%ps", id, mock_compile);
	expect_event(test, &reader, "bgcompile_task_begin",
		     "token=%llu compile=%ps", id, mock_compile);
	expect_event(test, &reader, "bgcompile_task_stop", "token=%llu tasks=1", id);
	expect_event(test, &reader, "bgcompile_task_stop", "token=%llu tasks=0", id);
	expect_no_more(test, &reader);
}

KUNIT_ARRAY_PARAM(test_kind, test_kinds, test_kind_desc);

static struct kunit_case trace_test_cases[] = {
	KUNIT_CASE(trace_every_event_there_is_has_a_case),
	KUNIT_CASE_PARAM(trace_tells_the_life_of_a_token, test_kind_gen_params),
	KUNIT_CASE(trace_tells_sites_that_are_close_apart),
	KUNIT_CASE_PARAM(trace_tells_the_exit_from_a_refused_token, test_kind_gen_params),
	KUNIT_CASE(trace_tells_for_how_long_a_cancel_has_waited),
	KUNIT_CASE(trace_tells_for_how_long_a_pause_has_waited),
	KUNIT_CASE(trace_tells_the_way_of_a_work),
	KUNIT_CASE(trace_tells_the_way_of_a_timer),
	KUNIT_CASE(trace_work_is_refused_from_the_event_of_a_pause_on),
	KUNIT_CASE(trace_tells_of_a_workqueue_that_closes),
	KUNIT_CASE_PARAM(trace_work_claimed_just_before_a_cancel_is_dropped,
			 window_gen_params),
	KUNIT_CASE(trace_tells_how_a_state_is_compiled),
	KUNIT_CASE(trace_tells_how_a_state_fails),
	KUNIT_CASE(trace_tells_how_a_state_is_cancelled),
	KUNIT_CASE(trace_tells_of_a_task_that_yields),
	KUNIT_CASE(trace_tells_how_many_tasks_are_left),
	{}
};

static void trace_test_exit(struct kunit *test)
{
	window_end(test);
	mock_exit(test);
}

static struct kunit_suite trace_test_suite = {
	.name = "bgtoken_trace",
	.suite_init = trace_suite_init,
	.suite_exit = trace_suite_exit,
	.init = trace_test_init,
	.exit = trace_test_exit,
	.test_cases = trace_test_cases,
};

kunit_test_suite(trace_test_suite);

MODULE_DESCRIPTION("KUnit tests of bgtoken: trace events");
MODULE_LICENSE("GPL");
COMPAT_IMPORT_NS(BGTOKEN);
COMPAT_IMPORT_NS(BGCOMPILE);
