/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of compile states and units: one for each transition.  They
 * name the token, as the state may be gone.
 *
 *	echo 1 > /sys/kernel/tracing/events/bgcompile/enable
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bgcompile

#if !defined(_BGCOMPILE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BGCOMPILE_TRACE_H

#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(BGCOMPILE_BASELINE);
TRACE_DEFINE_ENUM(BGCOMPILE_TOP);
TRACE_DEFINE_ENUM(BGCOMPILE_BASELINE_FINISHED);
TRACE_DEFINE_ENUM(BGCOMPILE_TOP_FINISHED);
TRACE_DEFINE_ENUM(BGCOMPILE_FAILED);

#define bgcompile_show_tier(tier)					\
	__print_symbolic(tier,						\
			 { BGCOMPILE_BASELINE,	"baseline" },		\
			 { BGCOMPILE_TOP,	"top" })

/**
 * bgcompile_units_add - units were added to a state
 * @token:	its token
 * @baseline:	how many baseline units
 * @top:	how many top-tier units
 */
TRACE_EVENT(bgcompile_units_add,
	TP_PROTO(struct bgtoken *token, unsigned int baseline, unsigned int top),
	TP_ARGS(token, baseline, top),
	TP_STRUCT__entry(
		__field(u64,		token)
		__field(unsigned int,	baseline)
		__field(unsigned int,	top)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->baseline = baseline;
		__entry->top = top;
	),
	TP_printk("token=%llu baseline=%u top=%u", __entry->token,
		  __entry->baseline, __entry->top)
);

DECLARE_EVENT_CLASS(bgcompile_unit,
	TP_PROTO(struct bgtoken *token, struct bgcompile_unit *unit, int error),
	TP_ARGS(token, unit, error),
	TP_STRUCT__entry(
		__field(u64,	token)
		__field(void *,	unit)
		__field(size_t,	size)
		__field(int,	tier)
		__field(int,	error)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->unit = unit;
		__entry->size = unit->size;
		__entry->tier = unit->tier;
		__entry->error = error;
	),
	TP_printk("token=%llu unit=%p tier=%s size=%zu error=%d", __entry->token,
		  __entry->unit, bgcompile_show_tier(__entry->tier), __entry->size,
		  __entry->error)
);

/**
 * bgcompile_unit_begin - the compile step of a unit begins, outside of scopes
 * @token:	the state's token
 * @unit:	the unit
 * @error:	0
 */
DEFINE_EVENT(bgcompile_unit, bgcompile_unit_begin,
	TP_PROTO(struct bgtoken *token, struct bgcompile_unit *unit, int error),
	TP_ARGS(token, unit, error));

/**
 * bgcompile_unit_end - the compile step has returned
 * @token:	the state's token
 * @unit:	the unit
 * @error:	what it returned
 */
DEFINE_EVENT(bgcompile_unit, bgcompile_unit_end,
	TP_PROTO(struct bgtoken *token, struct bgcompile_unit *unit, int error),
	TP_ARGS(token, unit, error));

/**
 * bgcompile_unit_publish - the unit is accounted for, in a scope
 * @token:	the state's token
 * @unit:	the unit
 * @error:	0 if it was published, else why it failed
 */
DEFINE_EVENT(bgcompile_unit, bgcompile_unit_publish,
	TP_PROTO(struct bgtoken *token, struct bgcompile_unit *unit, int error),
	TP_ARGS(token, unit, error));

/**
 * bgcompile_unit_drop - the unit is not published, and may not have been compiled
 * @token:	the state's token
 * @unit:	the unit
 * @error:	-ECANCELED, or why the state failed meanwhile
 */
DEFINE_EVENT(bgcompile_unit, bgcompile_unit_drop,
	TP_PROTO(struct bgtoken *token, struct bgcompile_unit *unit, int error),
	TP_ARGS(token, unit, error));

/**
 * bgcompile_queue_free - the queue of a cancelled state is freed
 * @queue:	the queue
 * @dropped:	units freed with it that were never started
 */
TRACE_EVENT(bgcompile_queue_free,
	TP_PROTO(struct bgcompile_queue *queue, unsigned int dropped),
	TP_ARGS(queue, dropped),
	TP_STRUCT__entry(
		__field(void *,		queue)
		__field(unsigned int,	dropped)
	),
	TP_fast_assign(
		__entry->queue = queue;
		__entry->dropped = dropped;
	),
	TP_printk("queue=%p dropped=%u", __entry->queue, __entry->dropped)
);

/**
 * bgcompile_task_begin - a task begins a run, in its first scope
 * @token:	the state's token
 * @compile:	the compile step, which tells whose task it is: all tasks have the
 *		same work function
 */
TRACE_EVENT(bgcompile_task_begin,
	TP_PROTO(struct bgtoken *token, void *compile),
	TP_ARGS(token, compile),
	TP_STRUCT__entry(
		__field(u64,	token)
		__field(void *,	compile)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->compile = compile;
	),
	TP_printk("token=%llu compile=%ps", __entry->token, __entry->compile)
);

DECLARE_EVENT_CLASS(bgcompile_task,
	TP_PROTO(struct bgtoken *token, unsigned int tasks),
	TP_ARGS(token, tasks),
	TP_STRUCT__entry(
		__field(u64,		token)
		__field(unsigned int,	tasks)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->tasks = tasks;
	),
	TP_printk("token=%llu tasks=%u", __entry->token, __entry->tasks)
);

/**
 * bgcompile_task_yield - a task's time slice is over; it has queued itself again
 * @token:	the state's token
 * @tasks:	tasks queued or running
 */
DEFINE_EVENT(bgcompile_task, bgcompile_task_yield,
	TP_PROTO(struct bgtoken *token, unsigned int tasks),
	TP_ARGS(token, tasks));

/**
 * bgcompile_task_stop - a task has found nothing to do
 * @token:	the state's token
 * @tasks:	tasks left, queued or running
 */
DEFINE_EVENT(bgcompile_task, bgcompile_task_stop,
	TP_PROTO(struct bgtoken *token, unsigned int tasks),
	TP_ARGS(token, tasks));

/**
 * bgcompile_event - an event has occurred
 * @token:	the state's token
 * @event:	which one
 * @error:	0, or why the state failed
 */
TRACE_EVENT(bgcompile_event,
	TP_PROTO(struct bgtoken *token, int event, int error),
	TP_ARGS(token, event, error),
	TP_STRUCT__entry(
		__field(u64,	token)
		__field(int,	event)
		__field(int,	error)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->event = event;
		__entry->error = error;
	),
	TP_printk("token=%llu event=%s error=%d", __entry->token,
		  __print_symbolic(__entry->event,
			{ BGCOMPILE_BASELINE_FINISHED,	"baseline-finished" },
			{ BGCOMPILE_TOP_FINISHED,	"top-finished" },
			{ BGCOMPILE_FAILED,		"failed" }),
		  __entry->error)
);

#endif /* _BGCOMPILE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE bgcompile_trace
#include <trace/define_trace.h>
