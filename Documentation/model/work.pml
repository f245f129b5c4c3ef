/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One work, delayed work or timer, and all that moves it, as the table in bgtoken_work.c has
 * it; with what it relies on: the kernel's workqueues, timers and RCU.
 *
 * Each atomic or d_step is one access to what is shared without token->lock, with what only
 * this model has, such as what it asserts.  Memory is sequentially consistent here; what
 * barriers are for is in Documentation/litmus.
 *
 * users: user
 *
 * What tools/model runs:
 *
 * run: USERS=1 OPS=3 FLUSHES=1
 * run: USERS=1 OPS=2 CANCELS=1
 * run: USERS=1 OPS=3 DRAINS=2 FLUSHES=1
 * run: USERS=1 OPS=2 TIMER_FN=1 CANCELS=1 PAUSES=1 REQUEUES=1
 * run: USERS=1 OPS=2 TIMED=0 WQS=2 PAUSES=1 REQUEUES=1
 * run: USERS=1 OPS=1 REQUEUES=2 DRAINS=2
 * run: USERS=1 OPS=1 REQUEUES=1 FLUSHES=1 CANCELS=1 PAUSES=1
 * run: USERS=1 OPS=2 ATOMIC=1 TIMER_FN=1 REQUEUES=1 BARRIERS=1
 * run: USERS=1 OPS=2 CANCELS=2
 * long: USERS=2 OPS=2 FLUSHES=1
 * long: USERS=2 OPS=2 CANCELS=2 TIMED=0
 * long: USERS=2 OPS=2 CANCELS=1
 * long: USERS=1 OPS=2 CANCELS=1 PAUSES=1 REQUEUES=1
 * long: USERS=1 OPS=2 ATOMIC=1 DRAINS=1 CANCELS=1
 * long: USERS=2 OPS=2 DRAINS=1
 * long: USERS=2 OPS=1 ATOMIC=1 DRAINS=1 CANCELS=1
 * long: USERS=1 OPS=3 WQS=2 DRAINS=2
 * long: USERS=2 OPS=1 TIMER_FN=1 PAUSES=1 REQUEUES=1 BARRIERS=1
 * long: USERS=2 OPS=1 DRAINS=1 PAUSES=1
 * beyond: USERS=2 OPS=2 CANCELS=1 PAUSES=1
 * ends: USERS=1 OPS=2 CANCELS=1 DRAINS=1
 * ends: USERS=1 OPS=2 TIMER_FN=1 PAUSES=1 REQUEUES=1
 *
 * mutant: LOOK_BEFORE_LOCK USERS=1 TIMED=0 CANCELS=1: (owed&& !(doomed))
 * mutant: RUN_NOT_STALE USERS=1 OPS=2 TIMED=0: state==2
 * mutant: TIMER_NOT_STALE USERS=1 OPS=2: state==1
 * mutant: STALE_TIMER_IGNORED USERS=1 OPS=2: state==1
 * mutant: MOVED_WHILE_IT_LEAVES USERS=1 OPS=3 WQS=2 TIMED=0 DRAINS=2: !(wq_gone[wq])
 * mutant: MOVED_WHILE_QUEUED USERS=1 OPS=2 WQS=2 TIMED=0 PAUSES=1 DRAINS=2: !(wq_gone[wq])
 * mutant: MOVED_WITHOUT_REFERENCE USERS=1 OPS=2: token_refs>0
 * mutant: EXPEDITED_WITHOUT_REFERENCE USERS=1 CANCELS=1: token_refs>0
 * mutant: DROPPED_NOT_PUT USERS=1 CANCELS=1 TIMED=0: token_refs==0
 * mutant: NOT_UNLISTED USERS=1: !(listed[0])
 * mutant: PAUSE_NOT_COUNTED USERS=1 PAUSES=1 TIMED=0: (owed&& !(doomed))
 * mutant: PAUSES_NOT_NOTED USERS=1 PAUSES=1 TIMED=0: (owed&& !(doomed))
 * mutant: PAUSE_LEAVES_TIMERS USERS=1 PAUSES=1: state!=1
 * mutant: PAUSE_DOES_NOT_WAIT USERS=1 PAUSES=1 TIMER_FN=1: !(in_scope)
 * mutant: QUEUED_IN_A_PAUSE USERS=1 PAUSES=1 TIMED=0: !(pausing)
 * mutant: CANCEL_DOES_NOT_WAIT USERS=1 CANCELS=1 TIMER_FN=1: !(in_scope)
 * mutant: FLUSH_DOES_NOT_WAIT USERS=1 OPS=2 FLUSHES=1 TIMED=0: ended>=was_calls
 * mutant: FLUSH_LEAVES_THE_TIMER USERS=1 OPS=2 FLUSHES=1: number!=w
 * mutant: FLUSH_UNDER_THE_LOCK USERS=1 OPS=2 FLUSHES=1 TIMED=0: token_refs==0
 * mutant: ANY_PAUSE USERS=1 PAUSES=1 TIMER_FN=1: !(dead)
 * mutant: WATCHED_TOO_LATE USERS=1 CANCELS=1: state!=1
 * mutant: SECOND_DOES_NOT_WALK USERS=1 CANCELS=2: state!=1
 * mutant: WORKQUEUE_LOOKED_AT_FIRST USERS=1 TIMED=0 DRAINS=1: !(wq_gone[w])
 * mutant: CLOSING_IGNORED USERS=1 TIMED=0 DRAINS=2: !(draining[w])
 * mutant: LISTED_WHILE_CLOSING USERS=1 DRAINS=2: !(draining[wq])
 * mutant: DRAIN_LEAVES_TIMERS USERS=1 DRAINS=2: !(draining[wq])
 * mutant: NO_GRACE_PERIOD USERS=1 TIMED=0 DRAINS=1: !(wq_gone[w])
 * mutant: NO_GRACE_PERIOD_AT_THE_END USERS=1 OPS=2 DRAINS=1: users_left+taken
 * mutant: RELEASES_NOT_WAITED_FOR USERS=1 ATOMIC=1 DRAINS=1: !(put_before)
 * mutant: COUNTED_AFTER_QUEUEING USERS=1 ATOMIC=1 DRAINS=1: releases>0
 * mutant: RELEASE_NOT_COUNTED USERS=1 ATOMIC=1 DRAINS=1: releases==0
 * mutant: OWN_WORKQUEUE_NOT_FLUSHED USERS=1 TIMER_FN=1 BARRIERS=1: !(running
 * endless: NOT_UNLISTED USERS=1 DRAINS=2: non-progress cycle
 */
#ifndef USERS
#define USERS	0	/* who hold a reference, each for OPS calls */
#endif
#ifndef OPS
#define OPS	1
#endif
#ifndef ATOMIC
#define ATOMIC	0	/* users put where they may not sleep */
#endif
#ifndef TIMED
#define TIMED	1	/* a delayed work */
#endif
#ifndef TIMER_FN
#define TIMER_FN 0	/* a bgtoken_timer */
#endif
#ifndef WQS
#define WQS	1	/* workqueues */
#endif
#ifndef REQUEUES
#define REQUEUES 0	/* how often the function calls something for the work itself */
#endif
#ifndef CANCELS
#define CANCELS	0	/* tasks that cancel the token */
#endif
#ifndef PAUSES
#define PAUSES	0	/* tasks that pause and resume; there may be one */
#endif
#ifndef DRAINS
#define DRAINS	0	/* 1: cancels and destroys workqueue 0; 2: only destroys it */
#endif
#ifndef BARRIERS
#define BARRIERS 0	/* of a timer: cancels the token, and waits for its function */
#endif
#ifndef FLUSHES
#define FLUSHES	0	/* users flush, too */
#endif

#define IDLE	0
#define TIMER	1
#define QUEUED	2

/* The token. */
bool cancelled, paused, watched;
byte pauses;			/* in token->marks */
bool lock;			/* token->lock, which is an RCU read-side section, too */
byte token_refs;
bool in_scope;			/* of a timer's function */
#define shut	(cancelled || paused)

/* The work. */
byte state = IDLE, wq, work_pauses, refs;
bool stale_run, stale_timer;
bool gone;			/* it is released */
byte readers;			/* RCU's, beside those below */
byte releases;			/* bgtoken_releases: put where one may not sleep */
bool to_release;

/* The kernel's: is it on a workqueue, which, and does a worker have it? */
bool pending, running[WQS], draining[WQS], wq_gone[WQS];
byte where, begun, done;
/* A timer, and whether its function runs, which is an RCU read-side section, too. */
bool armed, firing;

/* A background workqueue's. */
bool closing[WQS], listed[WQS];

/* What the contract is about. */
bool owed;			/* it was queued, and its function is to be called */
bool doomed;			/* it was pending at a cancel or a pause */
byte number;			/* of the last time that it was queued or moved */
byte users_left;
byte taken;			/* references that users have taken back, and not put yet */
bool over;			/* a cancel has returned */
bool pausing;			/* a pause has returned, and there was no resume yet */
byte calls, ended;		/* of the function */
byte grabs;			/* times that it was taken off the workqueue */
bool disturbed;			/* somebody has cancelled, paused or destroyed */

#define touch	assert(!gone && token_refs > 0)

inline take_lock()
{
	atomic { !lock -> lock = true }
}

inline drop_lock()
{
	lock = false
}

/* synchronize_rcu(), for whatever has begun before; each may be followed by others. */
inline grace_period()
{
#ifndef NO_GRACE_PERIOD
	!lock;
	readers == 0;
	!firing
#else
	skip
#endif
}

/* bgtoken_work_free() */
inline work_free()
{
	assert(!gone && refs == 0 && state == IDLE);
	assert(!armed && !pending && !stale_run && !stale_timer);
	gone = true;
	token_refs--
}

/*
 * In process context it is released here, else by a workqueue; who may not sleep is in an RCU
 * read-side section.
 */
inline put(may_sleep)
{
	if
	:: may_sleep ->
		d_step {
			touch;
			refs--;
			if
			:: refs == 0 -> work_free()
			:: else
			fi
		}
	:: else ->
		d_step { touch; readers++; refs--; last = refs == 0 };
		if
		:: last ->
			last = false;
#ifdef COUNTED_AFTER_QUEUEING
			to_release = true;
			releases++
#else
			releases++;
			to_release = true
#endif
		:: else
		fi;
		readers--
	fi
}

proctype releaser()
{
end:	do
	:: d_step { to_release -> to_release = false; work_free() };
#ifndef RELEASE_NOT_COUNTED
	   d_step { assert(releases > 0); releases-- }
#endif
	od
}

/* From TIMER: bgtoken_unlist() */
inline unlist()
{
#ifndef NOT_UNLISTED
	listed[wq] = false
#else
	skip
#endif
}

/* queue_work() */
inline queue_it(w)
{
	d_step {
		assert(!pending && !wq_gone[w] && !draining[w]);
		pending = true;
		where = w
	}
}

/* mod_timer() */
inline arm()
{
	d_step { assert(!armed); armed = true }
}

/* bgtoken_take_back(): to IDLE; the reference is the caller's if mine. */
inline take_back()
{
	if
	:: state == TIMER ->
		unlist();
		state = IDLE;
		atomic {
			mine = armed;
			armed = false;
			if
			:: mine
#ifdef TIMER_NOT_STALE
			:: else
#else
			:: else -> assert(!stale_timer); stale_timer = true
#endif
			fi
		}
	:: else ->
		state = IDLE;
		atomic {
			mine = pending;
			grabs = grabs + mine;
			pending = false;
			if
			:: mine
#ifdef RUN_NOT_STALE
			:: else
#else
			:: else -> assert(!stale_run); stale_run = true
#endif
			fi
		}
	fi
}

/* bgtoken_expedite(): from TIMER to QUEUED */
inline expedite()
{
	take_back();
	if
	:: mine
#ifndef EXPEDITED_WITHOUT_REFERENCE
	:: else -> refs++
#else
	:: else
#endif
	fi;
	state = QUEUED;
	mine = false;
	queue_it(wq)
}

/* bgtoken_expedite_token() */
inline expedite_token()
{
	take_lock();
	if
	:: state == TIMER -> expedite()
	:: else
	fi;
	drop_lock()
}

#define is_pending	(state != IDLE && work_pauses == pauses)

/* bgtoken_may_queue(): the token's word, then the workqueue's */
inline may_queue(w, mod)
{
	ok = false;
#ifdef WORKQUEUE_LOOKED_AT_FIRST
	assert(!wq_gone[w]);
#endif
	if
#ifdef QUEUED_IN_A_PAUSE
	:: d_step { cancelled -> touch }
#else
	:: d_step { shut -> touch }
#endif
	:: else ->
		assert(!wq_gone[w]);
		if
#ifndef CLOSING_IGNORED
		:: closing[w]
#endif
		:: else ->
			ok = (is_pending && mod && wq == w) ||
#if defined(MOVED_WHILE_IT_LEAVES)
			     (!is_pending && (wq == w || state == IDLE))
#elif defined(MOVED_WHILE_QUEUED)
			     (!is_pending && (wq == w || !stale_run))
#else
			     (!is_pending && (wq == w || (state == IDLE && !stale_run)))
#endif
		fi
	fi
}

/* bgtoken_queue_locked() */
inline queue_locked(w, timed, mod)
{
	late = over;
	may_queue(w, mod);
	if
	:: ok && state != TIMER && timed ->
		d_step {	/* bgtoken_list(), under wq->lock */
			assert(!wq_gone[w]);
#ifndef LISTED_WHILE_CLOSING
			ok = !closing[w];
#endif
			listed[w] = ok
		}
	:: else
	fi;
	if
	:: !ok
	:: else ->
		d_step {
			/* Refused since a cancel has returned, and until the resume. */
			assert(!late && !pausing);
#ifndef PAUSES_NOT_NOTED
			work_pauses = pauses;
#endif
			owed = true;
			doomed = false;
			number++
		};
		if
		:: state == TIMER && timed ->	/* bgtoken_move_timer() */
			atomic {
				if
				:: armed -> armed = false
#ifdef MOVED_WITHOUT_REFERENCE
				:: else -> stale_timer = true
#else
				:: else -> assert(!stale_timer); stale_timer = true; refs++
#endif
				fi
			};
			arm()
		:: else ->
			if
			:: state == IDLE -> refs++
			:: else ->
				take_back();
				if
				:: mine
				:: else -> refs++
				fi;
				mine = false
			fi;
			wq = w;
			if
			:: timed -> state = TIMER; arm()
			:: else -> state = QUEUED; queue_it(w)
			fi
		fi
	fi;
	d_step { ok = false; late = false }
}

/* bgtoken_queue_work(), bgtoken_queue_delayed_work(), bgtoken_mod_delayed_work() */
inline queue(w, timed, mod)
{
	take_lock();
#ifndef WATCHED_TOO_LATE
	if
	:: timed -> d_step { touch; watched = true }
	:: else
	fi;
#endif
	queue_locked(w, timed, mod);
#ifdef WATCHED_TOO_LATE
	watched = true;
#endif
	drop_lock()
}

/* bgtoken_cancel_work(), which puts the reference of a run or timer that has not begun */
inline cancel_work()
{
	take_lock();
	if
	:: state != IDLE ->
		d_step { owed = false; touch };
		take_back();
		taken = taken + mine
	:: else
	fi;
	drop_lock();
	if
	:: mine -> mine = false; put(!ATOMIC); taken--
	:: else
	fi
}

/*
 * flush_work(): of what is queued now or, if it is not, of what runs.  It stands behind that in
 * the workqueue, so if that is taken off, nobody is waited for.
 */
inline flush_it()
{
	d_step {
		touch;
		was_grabs = grabs;
		was_calls = calls;
		if
		:: pending -> target = begun + 1
		:: else -> target = begun
		fi
	};
#ifndef FLUSH_DOES_NOT_WAIT
	(done >= target || grabs != was_grabs);
#endif
	/* What ran when it was called has returned. */
	d_step {
		assert(ended >= was_calls || grabs != was_grabs);
		target = 0;
		was_grabs = 0;
		was_calls = 0
	}
}

inline some_wq()
{
	if
	:: w = 0
#if WQS > 1
	:: w = 1
#endif
	fi
}

inline call_something()
{
	atomic { some_wq() };
	if
#if !TIMER_FN
	:: queue(w, false, false)
#endif
#if TIMED && !TIMER_FN
	:: queue(w, true, false)
	:: queue(w, false, true)
#endif
#if TIMED
	:: queue(w, true, true)
#endif
	:: cancel_work()
	fi
}

proctype user()
{
	bool ok, mine, last, late;
	byte n, w, target, was_grabs, was_calls;

	do
	:: n < OPS ->
		n++;
		if
		:: call_something()
#if FLUSHES
		:: /* bgtoken_flush_delayed_work() */
			take_lock();
#ifndef FLUSH_LEAVES_THE_TIMER
			if
			:: state == TIMER -> expedite()
			:: else
			fi;
#endif
			if
			:: owed -> w = number
			:: else -> w = 0
			fi;
#ifndef FLUSH_UNDER_THE_LOCK
			drop_lock();
			flush_it();
#else
			flush_it();
			drop_lock();
#endif
			d_step { touch; assert(w == 0 || !owed || number != w) };
			w = 0
#endif
		fi
	:: else -> break
	od;
	put(!ATOMIC);
	users_left--
}

/* bgtoken_due(): is it to run? */
inline due()
{
	if
	:: d_step { cancelled -> touch }
	:: else ->
		if
		:: d_step { paused || work_pauses != pauses -> touch }
		:: else ->
			assert(!wq_gone[wq]);
			ok = !closing[wq]
		fi
	fi
}

byte requeues;

/* What the function does for the work itself. */
inline call_itself()
{
	if
	:: requeues < REQUEUES -> requeues++; call_something()
	:: true
	fi
}

/* A worker, and bgtoken_workfn(): from QUEUED to IDLE */
proctype worker(byte me)
{
	bool ok, mine, last, late;
	byte w;

end:	do
	:: d_step {
		pending && where == me ->
		assert(!wq_gone[me] && !running[me]);
		pending = false;
		running[me] = true;
		begun++
	   };
#ifdef LOOK_BEFORE_LOCK
	   due();
#endif
	   take_lock();
	   if
	   :: stale_run ->
		d_step { stale_run = false; ok = false };
		drop_lock()
	   :: else ->
		assert(state == QUEUED);
		state = IDLE;
#ifndef LOOK_BEFORE_LOCK
		due();
#endif
		d_step {
			/* It is called, or there is a reason why not. */
			assert(ok -> owed && !doomed : doomed || shut || closing[wq]);
			owed = false;
			calls = calls + ok
		};
		drop_lock();
		if
		:: ok -> ok = false; call_itself(); ended++
		:: else
		fi
	   fi;
#ifdef DROPPED_NOT_PUT
	   if
	   :: shut
	   :: else -> put(true)
	   fi;
#else
	   put(true);
#endif
	   d_step { running[me] = false; done++ }
	od
}

/* The timer's interrupt, and bgtoken_timerfn(): from TIMER to QUEUED or, for a timer, IDLE */
proctype timer()
{
	bool ok, mine, stale, dead, last, late;
	byte w, mark;

end:	do
	:: d_step { armed -> armed = false; firing = true };
	   take_lock();
#ifndef STALE_TIMER_IGNORED
	   d_step { stale = stale_timer; stale_timer = false };
#endif
	   if
	   :: stale
	   :: else ->
		assert(state == TIMER);
		unlist();
#if TIMER_FN
		d_step {
			state = IDLE;
			mark = work_pauses;
			assert(owed);
			owed = false;
			dead = doomed;
			ok = true
		}
#else
		state = QUEUED;
		queue_it(wq)
#endif
	   fi;
	   drop_lock();
#if TIMER_FN
	   if
	   :: ok ->	/* bgtoken_timer_run() */
		ok = false;
		if
		:: d_step { !shut -> touch; assert(!over && !pausing); in_scope = true };
		   if
#ifndef ANY_PAUSE
		   :: mark == pauses ->
#else
		   :: true ->
#endif
			assert(!dead);
			call_itself()
		   :: else	/* of before a pause that has ended since */
		   fi;
		   d_step { touch; in_scope = false }
		:: else
		fi;
		d_step { mark = 0; dead = false };
		put(false)
	   :: else ->
		if
		:: stale -> put(false)
		:: else
		fi
	   fi;
#else
	   if
	   :: stale -> put(false)
	   :: else
	   fi;
#endif
	   stale = false;
	   firing = false
	od
}

/* bgtoken_cancel(), but for the wait for scopes of others */
inline cancel_token()
{
	d_step {
		mine = !cancelled;	/* is it the first? */
		cancelled = true;
		disturbed = true;
		if
		:: is_pending -> doomed = true
		:: else
		fi
	};
	if
#ifdef SECOND_DOES_NOT_WALK
	:: watched && mine -> mine = false; expedite_token()
#else
	:: watched -> mine = false; expedite_token()
#endif
	:: else
	fi;
#ifndef CANCEL_DOES_NOT_WAIT
	!in_scope;
#endif
	/* Nothing is on a timer any more. */
	d_step { assert(state != TIMER && !in_scope); over = true }
}

proctype cancel()
{
	bool mine;

	cancel_token();
	token_refs--
}

proctype pause()
{
	bool mine;

	d_step {
		paused = true;
		disturbed = true;
		if
		:: is_pending -> doomed = true
		:: else
		fi
	};
	/* bgtoken_drop_pending() */
#ifndef PAUSE_NOT_COUNTED
	take_lock();
	d_step {
		if
		:: state != IDLE -> doomed = true
		:: else
		fi;
		pauses++
	};
	drop_lock();
#endif
#ifndef PAUSE_LEAVES_TIMERS
	expedite_token();
#endif
#ifndef PAUSE_DOES_NOT_WAIT
	!in_scope;
#endif
	d_step { assert(state != TIMER && !in_scope); pausing = true };
	d_step { assert(state != TIMER && !in_scope); pausing = false; paused = false };
	token_refs--
}

/* bgtoken_wq_expedite() */
inline expedite_wq()
{
	closing[0] = true;	/* under wq->lock, as all looks at listed */
#ifdef DRAIN_LEAVES_TIMERS
	do
	:: break
#else
	do
#endif
	:: d_step { listed[0] -> touch; refs++ };
	   take_lock();
	   if
	   :: state == TIMER && wq == 0 -> expedite()
	   :: else
	   fi;
	   drop_lock();
	   put(true)
	:: else -> break
	od
}

/* bgtoken_wq_destroy() */
proctype drain()
{
	bool mine, put_before, last;

	disturbed = true;
#if DRAINS == 1
	cancel_token();
#endif
	expedite_wq();
	grace_period();
	/* destroy_workqueue() */
	draining[0] = true;
	!(pending && where == 0) && !running[0];
	/* bgtoken_barrier() */
	put_before = refs == 0 && !gone;
#ifndef NO_GRACE_PERIOD_AT_THE_END
	grace_period();
#endif
#ifndef RELEASES_NOT_WAITED_FOR
	releases == 0;
#endif
	d_step {
		/* Neither is its function called any more, nor has the workqueue a reference. */
		assert(!(state != IDLE && wq == 0));
#if WQS == 1 && !TIMER_FN
		assert(gone || refs <= users_left + taken);
#endif
		assert(gone || !put_before)
	};
#if DRAINS == 2
	users_left == 0;	/* who still queue must not find it freed */
#endif
	d_step { wq_gone[0] = true; token_refs-- }
}

/*
 * bgtoken_barrier(), after a cancel: no function of a timer runs any more, and what was put
 * where one may not sleep is released.  The library's own workqueue is 0, as a timer is only
 * queued there, to be dropped.
 */
proctype barrier()
{
	bool mine, put_before;

	disturbed = true;
	cancel_token();
	put_before = refs == 0 && !gone;
	grace_period();
#ifndef OWN_WORKQUEUE_NOT_FLUSHED
	!pending && !running[0];
#endif
	releases == 0;
	d_step {
		assert(state == IDLE && !armed && !firing && !pending && !running[0]);
		assert(gone || !put_before);
		token_refs--
	}
}

#define start(count, what)					\
	n = 0;							\
	do							\
	:: n < count -> run what; n++				\
	:: else -> break					\
	od

init
{
	byte n;

	atomic {
		users_left = USERS;
		refs = USERS;
		token_refs = 1 + CANCELS + PAUSES + BARRIERS + (DRAINS > 0);
		start(USERS, user());
		start(CANCELS, cancel());
		start(PAUSES, pause());
		start((DRAINS > 0), drain());
		start(BARRIERS, barrier());
		run releaser();
		run timer();
		start(WQS, worker(n));
		n = 0
	}
	/* Until nothing is left to do. */
	timeout;
	assert(gone && token_refs == 0 && releases == 0);
	assert(!lock && !firing && !armed && !pending && !listed[0]);
	assert(users_left == 0 && done == begun);
	assert(disturbed || !owed);
#if DRAINS
	assert(wq_gone[0])
#endif
}
