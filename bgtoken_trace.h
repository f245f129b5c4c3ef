/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of tokens and works: one for each transition.
 *
 *	echo 1 > /sys/kernel/tracing/events/bgtoken/enable
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bgtoken

#if !defined(_BGTOKEN_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BGTOKEN_TRACE_H

#include <linux/jiffies.h>
#include <linux/tracepoint.h>

struct bgtoken;
struct bgtoken_work;
struct bgtoken_wq;

#ifndef _BGTOKEN_TRACE_ENUM
#define _BGTOKEN_TRACE_ENUM
/* Why a scope did not begin, or a work was not queued. */
enum bgtoken_refusal {
	BGTOKEN_REFUSED_CANCELLED,
	BGTOKEN_REFUSED_CLOSING,
	BGTOKEN_REFUSED_PENDING,
	BGTOKEN_REFUSED_PAUSED,
	BGTOKEN_REFUSED_MISNAMED,
	BGTOKEN_REFUSALS,
};
#endif

TRACE_DEFINE_ENUM(BGTOKEN_MUTEX);
TRACE_DEFINE_ENUM(BGTOKEN_SHARED);
TRACE_DEFINE_ENUM(BGTOKEN_SPIN);
TRACE_DEFINE_ENUM(BGTOKEN_PERCPU);
TRACE_DEFINE_ENUM(BGTOKEN_REFUSED_CANCELLED);
TRACE_DEFINE_ENUM(BGTOKEN_REFUSED_CLOSING);
TRACE_DEFINE_ENUM(BGTOKEN_REFUSED_PENDING);
TRACE_DEFINE_ENUM(BGTOKEN_REFUSED_PAUSED);
TRACE_DEFINE_ENUM(BGTOKEN_REFUSED_MISNAMED);

#define bgtoken_show_reason(reason)					\
	__print_symbolic(reason,					\
			 { BGTOKEN_REFUSED_CANCELLED,	"cancelled" },	\
			 { BGTOKEN_REFUSED_CLOSING,	"closing" },	\
			 { BGTOKEN_REFUSED_PENDING,	"pending" },	\
			 { BGTOKEN_REFUSED_PAUSED,	"paused" },	\
			 { BGTOKEN_REFUSED_MISNAMED,	"misnamed" })

/**
 * bgtoken_create - a token was created
 * @token:	the token; reported by its id, which is never used again, with its kind
 * @owner:	what it guards
 * @name:	what the source calls the owner
 * @file:	where in the source, MODULE:FILE
 * @line:	and the line there
 */
TRACE_EVENT(bgtoken_create,
	TP_PROTO(struct bgtoken *token, void *owner, const char *name, const char *file,
		 int line),
	TP_ARGS(token, owner, name, file, line),
	TP_STRUCT__entry(
		__field(u64,	token)
		__field(void *,	owner)
		__field(int,	kind)
		__field(int,	line)
		__array(char,	name, BGTOKEN_SITE_LEN)
		__array(char,	file, BGTOKEN_SITE_LEN)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->owner = owner;
		__entry->kind = bgtoken_kind(token);
		__entry->line = line;
		strscpy(__entry->name, name, BGTOKEN_SITE_LEN);
		strscpy(__entry->file, file, BGTOKEN_SITE_LEN);
	),
	TP_printk("token=%llu owner=%p kind=%s name=%s site=%s:%d", __entry->token,
		  __entry->owner,
		  __print_symbolic(__entry->kind,
				   { BGTOKEN_MUTEX,	"mutex" },
				   { BGTOKEN_SHARED,	"shared" },
				   { BGTOKEN_SPIN,	"spin" },
				   { BGTOKEN_PERCPU,	"percpu" }),
		  __entry->name, __entry->file, __entry->line)
);

/**
 * bgtoken_cancel - the token refuses new scopes from here on
 * @token:	the token
 * @first:	this call cancelled it; false if it was already cancelled
 *
 * Live scopes may still be running; bgtoken_cancel_done says that none is.
 */
TRACE_EVENT(bgtoken_cancel,
	TP_PROTO(struct bgtoken *token, bool first),
	TP_ARGS(token, first),
	TP_STRUCT__entry(
		__field(u64,	token)
		__field(bool,	first)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->first = first;
	),
	TP_printk("token=%llu first=%d", __entry->token, __entry->first)
);

DECLARE_EVENT_CLASS(bgtoken_token,
	TP_PROTO(struct bgtoken *token),
	TP_ARGS(token),
	TP_STRUCT__entry(
		__field(u64,	token)
	),
	TP_fast_assign(
		__entry->token = token->id;
	),
	TP_printk("token=%llu", __entry->token)
);

/**
 * bgtoken_enter - a scope begins
 * @token:	the token
 *
 * A cancel that comes before the matching bgtoken_exit waits for it.
 */
DEFINE_EVENT(bgtoken_token, bgtoken_enter,
	TP_PROTO(struct bgtoken *token), TP_ARGS(token));

/**
 * bgtoken_enter_refuse - a scope does not begin
 * @token:	the token
 * @reason:	it is cancelled or paused, or was entered through a function for another kind
 */
TRACE_EVENT(bgtoken_enter_refuse,
	TP_PROTO(struct bgtoken *token, int reason),
	TP_ARGS(token, reason),
	TP_STRUCT__entry(
		__field(u64,	token)
		__field(int,	reason)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->reason = reason;
	),
	TP_printk("token=%llu reason=%s", __entry->token,
		  bgtoken_show_reason(__entry->reason))
);

/**
 * bgtoken_exit - a scope ends
 * @token:	the token
 */
DEFINE_EVENT(bgtoken_token, bgtoken_exit,
	TP_PROTO(struct bgtoken *token), TP_ARGS(token));

DECLARE_EVENT_CLASS(bgtoken_waited,
	TP_PROTO(struct bgtoken *token, u64 waited),
	TP_ARGS(token, waited),
	TP_STRUCT__entry(
		__field(u64,	token)
		__field(u64,	waited)
	),
	TP_fast_assign(
		__entry->token = token->id;
		__entry->waited = waited;
	),
	TP_printk("token=%llu waited=%llu", __entry->token, __entry->waited)
);

/**
 * bgtoken_cancel_done - a cancel has waited out the live scopes
 * @token:	the token; its owner may now be freed
 * @waited:	for how long it waited, in ns; 0 if it did not
 */
DEFINE_EVENT(bgtoken_waited, bgtoken_cancel_done,
	TP_PROTO(struct bgtoken *token, u64 waited), TP_ARGS(token, waited));

/**
 * bgtoken_pause - the token refuses scopes and works from here on, for a while
 * @token:	the token
 */
DEFINE_EVENT(bgtoken_token, bgtoken_pause,
	TP_PROTO(struct bgtoken *token), TP_ARGS(token));

/**
 * bgtoken_pause_done - a pause has waited out the live scopes
 * @token:	the token
 * @waited:	for how long it waited, in ns; 0 if it did not
 */
DEFINE_EVENT(bgtoken_waited, bgtoken_pause_done,
	TP_PROTO(struct bgtoken *token, u64 waited), TP_ARGS(token, waited));

/**
 * bgtoken_resume - a pause is over
 * @token:	the token
 */
DEFINE_EVENT(bgtoken_token, bgtoken_resume,
	TP_PROTO(struct bgtoken *token), TP_ARGS(token));

/**
 * bgtoken_free - the last reference on a token is gone
 * @token:	the token, not to be followed any more
 */
DEFINE_EVENT(bgtoken_token, bgtoken_free,
	TP_PROTO(struct bgtoken *token), TP_ARGS(token));

/**
 * bgtoken_work_queue - a work was queued or a timer armed, or it was moved to another time
 * @work:	the work, or that of the timer; reported with its function
 * @token:	the token that it carries
 * @delay:	how long until it is due, in jiffies; reported in ns
 */
TRACE_EVENT(bgtoken_work_queue,
	TP_PROTO(struct bgtoken_work *work, struct bgtoken *token,
		 unsigned long delay),
	TP_ARGS(work, token, delay),
	TP_STRUCT__entry(
		__field(void *,		work)
		__field(void *,		function)
		__field(u64,		token)
		__field(u64,		delay)
	),
	TP_fast_assign(
		__entry->work = work;
		__entry->function = work->fn;
		__entry->token = token->id;
		__entry->delay = jiffies64_to_nsecs(delay);
	),
	TP_printk("work=%p function=%ps token=%llu delay=%llu", __entry->work,
		  __entry->function, __entry->token, __entry->delay)
);

/**
 * bgtoken_work_refuse - a work was not queued, and no reference was taken
 * @work:	the work; reported with its function
 * @token:	the token that it carries
 * @reason:	which of the four reasons it was
 */
TRACE_EVENT(bgtoken_work_refuse,
	TP_PROTO(struct bgtoken_work *work, struct bgtoken *token, int reason),
	TP_ARGS(work, token, reason),
	TP_STRUCT__entry(
		__field(void *,	work)
		__field(void *,	function)
		__field(u64,	token)
		__field(int,	reason)
	),
	TP_fast_assign(
		__entry->work = work;
		__entry->function = work->fn;
		__entry->token = token->id;
		__entry->reason = reason;
	),
	TP_printk("work=%p function=%ps token=%llu reason=%s", __entry->work,
		  __entry->function, __entry->token, bgtoken_show_reason(__entry->reason))
);

DECLARE_EVENT_CLASS(bgtoken_work_token,
	TP_PROTO(struct bgtoken_work *work, struct bgtoken *token),
	TP_ARGS(work, token),
	TP_STRUCT__entry(
		__field(void *,	work)
		__field(void *,	function)
		__field(u64,	token)
	),
	TP_fast_assign(
		__entry->work = work;
		__entry->function = work->fn;
		__entry->token = token->id;
	),
	TP_printk("work=%p function=%ps token=%llu", __entry->work,
		  __entry->function, __entry->token)
);

/**
 * bgtoken_work_start - the function of a work or timer is about to be called
 * @work:	the work
 * @token:	the token that it carries
 */
DEFINE_EVENT(bgtoken_work_token, bgtoken_work_start,
	TP_PROTO(struct bgtoken_work *work, struct bgtoken *token),
	TP_ARGS(work, token));

/**
 * bgtoken_work_end - the function of a work or timer has returned
 * @work:	the work
 * @token:	the token that it carries
 */
DEFINE_EVENT(bgtoken_work_token, bgtoken_work_end,
	TP_PROTO(struct bgtoken_work *work, struct bgtoken *token),
	TP_ARGS(work, token));

/**
 * bgtoken_work_cancel - a pending work or timer was taken back
 * @work:	the work
 * @token:	the token that it carries
 */
DEFINE_EVENT(bgtoken_work_token, bgtoken_work_cancel,
	TP_PROTO(struct bgtoken_work *work, struct bgtoken *token),
	TP_ARGS(work, token));

/**
 * bgtoken_work_drop - a queued work or armed timer was dropped without being called
 * @work:	the work
 * @token:	the token that it carries; it is cancelled or paused, or the workqueue is closing
 */
DEFINE_EVENT(bgtoken_work_token, bgtoken_work_drop,
	TP_PROTO(struct bgtoken_work *work, struct bgtoken *token),
	TP_ARGS(work, token));

/**
 * bgtoken_wq_drain - a background workqueue is being destroyed
 * @wq:		the background workqueue
 * @done:	false as it closes, true when its last work has returned
 */
TRACE_EVENT(bgtoken_wq_drain,
	TP_PROTO(struct bgtoken_wq *wq, bool done),
	TP_ARGS(wq, done),
	TP_STRUCT__entry(
		__field(void *,	wq)
		__field(bool,	done)
	),
	TP_fast_assign(
		__entry->wq = wq;
		__entry->done = done;
	),
	TP_printk("wq=%p %s", __entry->wq, __entry->done ? "done" : "begin")
);

#endif /* _BGTOKEN_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE bgtoken_trace
#include <trace/define_trace.h>
