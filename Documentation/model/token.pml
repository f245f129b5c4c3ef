/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A token and its scopes, as bgtoken.c has them: steps (1) to (4) and (a) to (d) there.
 *
 * Each atomic or d_step is one access to what is shared, with what only this model has, such as
 * what it asserts.  Memory is sequentially consistent here; what barriers are for is in
 * Documentation/litmus.
 *
 * KIND is MUTEX, SPIN, SHARED or PERCPU; RT is 1 for CONFIG_PREEMPT_RT.  SCOPES and the like
 * are how many of each process there are.
 *
 * users: scope hold
 *
 * What tools/model runs:
 *
 * run: KIND=SHARED SCOPES=3 CANCELS=2
 * run: KIND=MUTEX SCOPES=2 CANCELS=2
 * run: KIND=PERCPU SCOPES=2 CANCELS=1 PAUSES=1
 * run: KIND=MUTEX SCOPES=2 HOLDS=1 REFUSES=1 CANCELS=1
 * run: KIND=SPIN SCOPES=2 HOLDS=1 REFUSES=1
 * run: KIND=SHARED SCOPES=1 LOOKUPS=1 REFUSES=1 SLEEPS=1 CANCELS=1
 * run: KIND=MUTEX SCOPES=1 LOOKUPS=1 REFUSES=1 SLEEPS=1 CANCELS=1
 * run: KIND=SHARED SCOPES=1 WAITS=1 PAUSES=1
 * run: KIND=MUTEX SCOPES=1 WAITS=1 PAUSES=1 CANCELS=1
 * run: KIND=PERCPU WAITS=1 PAUSES=1 CANCELS=1
 * run: KIND=PERCPU SCOPES=1 LOOKUPS=1 CANCELS=1
 * run: KIND=SHARED SCOPES=2 ENTERS=2 CANCELS=1 PAUSES=1
 * run: KIND=MUTEX SCOPES=2 ENTERS=2 CANCELS=1 PAUSES=1
 * run: KIND=MUTEX SCOPES=1 HOLDS=1 PAUSES=1 CANCELS=1
 * long: KIND=SHARED SCOPES=3 CANCELS=2 PAUSES=1
 * long: KIND=SPIN SCOPES=3 CANCELS=2 PAUSES=1
 * long: KIND=SPIN RT=1 SCOPES=3 CANCELS=2 PAUSES=1
 * long: KIND=MUTEX SCOPES=3 CANCELS=2
 * long: KIND=MUTEX SCOPES=3 CANCELS=2 PAUSES=1
 * long: KIND=MUTEX RT=1 SCOPES=3 CANCELS=2 PAUSES=1
 * long: KIND=PERCPU SCOPES=3 CANCELS=2
 * long: KIND=PERCPU SCOPES=3 CANCELS=1 PAUSES=1
 * long: KIND=SHARED SCOPES=1 WAITS=1 REFUSES=1 CANCELS=2
 * beyond: KIND=SHARED SCOPES=4 CANCELS=2 PAUSES=1
 * beyond: KIND=MUTEX SCOPES=4 CANCELS=2
 * beyond: KIND=PERCPU SCOPES=4 CANCELS=1
 * ends: KIND=MUTEX SCOPES=2 CANCELS=1 PAUSES=1
 * ends: KIND=PERCPU SCOPES=2 CANCELS=1
 * ends: KIND=SHARED SCOPES=2 CANCELS=1 PAUSES=1
 * ends: KIND=SPIN RT=1 SCOPES=2 CANCELS=1 PAUSES=1
 * ends: KIND=SHARED WAITS=1 PAUSES=1
 *
 * mutant: WAITER_LEFT KIND=MUTEX SCOPES=3: !(waiter)
 * mutant: WAITER_LEFT_WHEN_SHUT KIND=MUTEX SCOPES=2 CANCELS=1: !(waiter)
 * mutant: LINE_ENTERS_WHEN_SHUT KIND=MUTEX SCOPES=2 CANCELS=1: !(owner_gone)
 * mutant: LINE_ENTERS_WHEN_SHUT KIND=MUTEX SCOPES=2 PAUSES=1: !(pausing)
 * mutant: EXIT_LEAVES_THE_LINE KIND=MUTEX SCOPES=2: invalid end state
 * mutant: EXIT_WAKES_NOBODY KIND=MUTEX SCOPES=1 CANCELS=1: invalid end state
 * mutant: EXIT_WAKES_NOBODY KIND=PERCPU SCOPES=1 CANCELS=1: invalid end state
 * mutant: NO_SECOND_LOOK KIND=PERCPU SCOPES=1 CANCELS=1: !(owner_gone)
 * mutant: NO_SECOND_LOOK KIND=PERCPU SCOPES=1 PAUSES=1: !(pausing)
 * mutant: UNCOUNTED_ELSEWHERE KIND=PERCPU SCOPES=2 CANCELS=1: total>=0
 * mutant: LOOK_THEN_COUNT KIND=SHARED SCOPES=1 CANCELS=1: !(owner_gone)
 * mutant: COUNT_THEN_CANCEL KIND=SHARED SCOPES=1 CANCELS=1: in_scope==0
 * mutant: CANCEL_DOES_NOT_WAIT KIND=SPIN SCOPES=1 CANCELS=1: in_scope==0
 * mutant: CANCEL_LEAVES_THE_LINE KIND=MUTEX SCOPES=1 HOLDS=1 CANCELS=1: invalid end state
 * mutant: NOT_CLAIMED KIND=SHARED CANCELS=2: got_true==1
 * mutant: SECOND_DOES_NOT_WAIT KIND=SHARED SCOPES=1 CANCELS=2: in_scope==0
 * mutant: SLEEPERS_LEFT KIND=SHARED SLEEPS=1 CANCELS=1: invalid end state
 * mutant: WATCHES_TOO_LATE KIND=SHARED SLEEPS=1 CANCELS=1: invalid end state
 * mutant: LOOKS_BEFORE_IT_IS_SEEN KIND=SHARED SLEEPS=1 CANCELS=1: invalid end state
 * mutant: REFUSE_CLAIMS KIND=SHARED REFUSES=1 CANCELS=1: got_true==
 * mutant: REFUSE_WAKES_NO_SLEEPER KIND=SHARED SLEEPS=1 REFUSES=1: invalid end state
 * mutant: REFUSE_LEAVES_THE_LINE KIND=MUTEX SCOPES=1 HOLDS=1 REFUSES=1: invalid end state
 * mutant: PAUSE_DOES_NOT_WAIT KIND=SPIN SCOPES=1 PAUSES=1: in_scope==0
 * mutant: RESUME_WAKES_NOBODY KIND=SHARED WAITS=1 PAUSES=1: invalid end state
 * mutant: SLEEPS_THOUGH_WOKEN KIND=SHARED WAITS=1: invalid end state
 * mutant: WOKEN_FORGOTTEN_LATE KIND=SHARED WAITS=1: invalid end state
 * mutant: ENQUEUED_TOO_LATE KIND=SHARED WAITS=1: invalid end state
 * mutant: PRODUCER_WAKES_NOBODY KIND=SHARED WAITS=1: invalid end state
 * mutant: LOOKUP_TAKES_A_DEAD_ONE KIND=SHARED LOOKUPS=1 CANCELS=1: !(token_gone)
 * mutant: NO_GRACE_PERIOD KIND=SHARED LOOKUPS=1 CANCELS=1: !(memory_gone)
 * endless: WAITER_DOES_NOT_SLEEP KIND=SHARED WAITS=1: non-progress cycle
 */
#define MUTEX	0
#define SPIN	1
#define SHARED	2
#define PERCPU	3

#ifndef KIND
#define KIND	MUTEX
#endif
#ifndef RT
#define RT	0
#endif
#ifndef SCOPES
#define SCOPES	0	/* tasks that enter, each ENTERS times */
#endif
#ifndef ENTERS
#define ENTERS	1
#endif
#ifndef HOLDS
#define HOLDS	0	/* tasks in a scope that lasts until those in line have left; not for RT */
#endif
#ifndef CANCELS
#define CANCELS	0	/* tasks that cancel; the one that gets true frees the owner */
#endif
#ifndef PAUSES
#define PAUSES	0	/* tasks that pause and resume; there may be one */
#endif
#ifndef REFUSES
#define REFUSES	0	/* tasks that refuse */
#endif
#ifndef SLEEPS
#define SLEEPS	0	/* tasks in bgtoken_sleep() */
#endif
#ifndef WAITS
#define WAITS	0	/* tasks in bgtoken_wait_event(), with one that makes it true */
#endif
#ifndef LOOKUPS
#define LOOKUPS	0	/* tasks that find the token under RCU and enter it */
#endif
#define ONE_AT_A_TIME	(KIND == MUTEX || KIND == SPIN)
#define IRQS_OFF	(KIND == SPIN && !RT)
#define CPUS		2

/* token->scopes */
byte live;
bool cancelled, claimed, paused, waiter;
#define shut	(cancelled || paused)

/* token->live; a counter may be below 0 */
short counter[CPUS];

/* token->mutex or token->spin */
bool line;

/* token->kref, and the rest of its life */
byte refs;
bool token_gone;		/* the last reference */
bool memory_gone;		/* a grace period later */
bool published = true;		/* where lookups find it */
byte readers;			/* RCU's */

bool watched;			/* BGTOKEN_WATCHED */

/* Who sleeps on &token->scopes, and on &token->owner: a bit for each process. */
int asleep, asleep_owner;
bool enqueued, woken;		/* the waiter's, in bgtoken_wait_event() */
bool condition;			/* what it waits for */

/* What the contract is about. */
bool owner_gone;
byte in_scope;			/* for as long as the owner may be used */
bool over;			/* a cancel or a refusal has returned */
bool pausing;			/* a pause has returned, and there was no resume yet */
byte got_true;			/* cancels */

#define ME	(1 << _pid)

/* Each access needs a reference, whoever holds it. */
#define touch	assert(!token_gone)

inline put()
{
	d_step {
		touch;
		refs--;
		if
		:: refs == 0 -> token_gone = true
		:: else
		fi
	}
}

/* wake_up_var() of the two */
inline wake()
{
	d_step { touch; asleep = 0 }
}

inline wake_owner()
{
	d_step { touch; woken = woken || enqueued; asleep_owner = 0 }
}

/* bgtoken_sum(): one counter after the other */
inline sum()
{
	d_step { total = counter[0] };
	d_step { touch; total = total + counter[1]; assert(total >= 0 || !shut) }
}

/*
 * wait_var_event(&token->scopes, bgtoken_over(token, until)).  A wait that spins is the
 * same without a wake-up.
 */
inline wait(until)
{
#if KIND == PERCPU
	do
	:: d_step { touch; asleep = asleep | ME };
	   sum();
	   if
	   :: total <= 0 -> break
	   :: else -> total = 0; (asleep & ME) == 0
	   fi
	od;
	total = 0;
	asleep = asleep & ~ME
#else
	if
	:: IRQS_OFF ->
		d_step { live == 0 || (until && shut) -> touch }
	:: else ->
		if
		:: d_step { live == 0 || (until && shut) -> touch }
		:: else ->
			if
#ifndef CANCEL_LEAVES_THE_LINE
			:: !until -> wake()
#endif
			:: else
			fi;
			do
			:: d_step { touch; asleep = asleep | ME };
			   if
			   :: d_step { live == 0 || (until && shut) -> asleep = asleep & ~ME };
			      break
			   :: else -> (asleep & ME) == 0
			   fi
			od
		fi
	fi
#endif
}

inline line_lock()
{
	if
	:: ONE_AT_A_TIME -> d_step { !line -> touch; line = true }
	:: else
	fi
}

/* A mutex is still touched when the next one has it already. */
inline line_unlock()
{
	if
	:: ONE_AT_A_TIME -> d_step { touch; line = false }; d_step { touch }
	:: else
	fi
}

/* The owner may be used from here on. */
inline begin()
{
	assert(!owner_gone && !over && !pausing);
	in_scope++;
	assert(!ONE_AT_A_TIME || in_scope == 1);
}

/* bgtoken_stand_in_line() */
inline stand_in_line()
{
	line_lock();
	/* For a while newcomers may go first. */
	do
	:: atomic { live == 0 && !shut && !claimed && !waiter ->
		touch; live = 1; entered = true; begin() }; break
	:: atomic { shut -> touch }; break
	:: atomic { live > 0 || waiter -> touch }; break	/* for long enough */
	od;
	if
	:: entered
	:: else ->
		if
		:: atomic { shut -> touch }
		:: atomic { !shut -> touch };
			d_step { touch; waiter = true };
			do
			:: wait(true);
			   if
#ifdef LINE_ENTERS_WHEN_SHUT
			   :: atomic { live == 0 && waiter ->
#else
			   :: atomic { live == 0 && waiter && !shut && !claimed ->
#endif
				touch; live = 1;
#ifndef WAITER_LEFT
				waiter = false;
#endif
				entered = true; begin() }; break
			   :: atomic { shut -> touch }; break
			   :: else
			   fi
			od;
			if
			:: entered
#ifdef WAITER_LEFT_WHEN_SHUT
			:: else
#else
			:: else -> d_step { touch; waiter = false }
#endif
			fi
		fi
	fi;
	if
	:: entered && RT
	:: else -> line_unlock()
	fi
}

inline some_cpu()
{
	if
	:: cpu = 0
	:: cpu = 1
	fi
}

/* bgtoken_enter() and bgtoken_enter_irqsave(), step (1) */
inline enter()
{
	entered = false;
#if KIND == PERCPU
	if
	:: atomic { shut -> touch }
	:: atomic { !shut -> touch };
		atomic { some_cpu(); touch; counter[cpu]++ };
		if
#ifdef NO_SECOND_LOOK
		:: atomic { true -> touch; entered = true; begin() }
#else
		:: atomic { !shut -> touch; cpu = 0; entered = true; begin() }
		:: atomic { shut -> touch };
			atomic {
				touch;
#ifdef UNCOUNTED_ELSEWHERE
				some_cpu();
#endif
				counter[cpu]--;
				cpu = 0
			};
			if
			:: d_step { shut -> touch } -> wake()
			:: else
			fi
#endif
		fi
	fi
#elif KIND == SHARED
	if
	:: atomic { shut -> touch }
#ifdef LOOK_THEN_COUNT
	:: !shut -> atomic { touch; live++; entered = true; begin() }
#else
	:: atomic { !shut -> touch; live++; entered = true; begin() }
#endif
	fi
#else
	if
	:: atomic { !RT && live == 0 && !shut && !claimed && !waiter ->
		touch; live = 1; entered = true; begin() }
	:: else ->
		if
		:: atomic { shut -> touch }
		:: else -> stand_in_line()
		fi
	fi
#endif
}

/* bgtoken_exit(), steps (3) and (4) */
inline exit()
{
#if KIND == PERCPU
	atomic { some_cpu(); touch; entered = false; in_scope--; counter[cpu]--; cpu = 0 };
#ifndef EXIT_WAKES_NOBODY
	if
	:: d_step { shut -> touch } -> wake()
	:: else -> d_step { touch }
	fi
#endif
#else
	d_step {
		touch;
		entered = false;
		in_scope--;
		live--;
		/* __bgtoken_quiet(), of the word as it was then */
#ifdef EXIT_LEAVES_THE_LINE
		wakes = live == 0 && !IRQS_OFF && shut
#else
		wakes = live == 0 && !IRQS_OFF && (shut || claimed || waiter)
#endif
	};
#ifndef EXIT_WAKES_NOBODY
	if
	:: wakes -> wakes = false; wake()
	:: else
	fi;
#endif
	if
	:: RT -> line_unlock()
	:: else
	fi
#endif
}

/* What is done in a scope. */
inline use()
{
	assert(!owner_gone)
}

proctype scope()
{
	bool entered, wakes;
	byte cpu, n;

	do
	:: n < ENTERS ->
		n++;
		enter();
		if
		:: entered -> use(); exit()
		:: else
		fi
	:: else -> break
	od;
	put()
}

/* Those in line leave as the token is shut, and not only when the scope ends. */
proctype hold()
{
	bool entered, wakes;
	byte cpu;

	enter();
	if
	:: entered -> shut && !line; use(); exit()
	:: else
	fi;
	put()
}

/* bgtoken_close(), of CANCELLED and CLAIMED or of CANCELLED alone: (a) and (b) */
inline notify()
{
	if
#ifndef SLEEPERS_LEFT
	:: d_step { watched -> touch } -> wake_owner()
#endif
	:: else
	fi
}

/* Step (c), of what was seen at (a). */
inline wait_scopes()
{
#if KIND == PERCPU
	sum();
	if
	:: total > 0 -> total = 0; wait(false)
	:: else -> total = 0
	fi
#else
#ifdef SECOND_DOES_NOT_WAIT
	if
	:: seen && first ->
#else
	if
	:: seen ->
#endif
#if RT	/* for the priority that it hands down; nothing here would tell if it did not */
		line_lock();
		line_unlock();
#endif
		wait(false)
	:: else
	fi
#endif
}

/* Nobody is in a scope, and nobody will be. */
#define nobody	assert(in_scope == 0)

proctype cancel()
{
	bool seen, first = true;
	short total;

#ifdef COUNT_THEN_CANCEL
	d_step { touch; seen = live > 0 };
	d_step { touch; first = !claimed; cancelled = true; claimed = true };
#else
	d_step {
		touch;
		seen = live > 0;
#ifdef REFUSE_CLAIMS
		first = !cancelled;
#else
		first = !claimed;
#endif
		cancelled = true;
#ifndef NOT_CLAIMED
		claimed = true
#endif
	};
#endif
	notify();
#ifndef CANCEL_DOES_NOT_WAIT
	wait_scopes();
#endif
	atomic { nobody; touch; over = true };
	if
	:: first ->
		d_step { nobody; got_true++; assert(got_true == 1); owner_gone = true };
		published = false
	:: else
	fi;
	put()
}

proctype pause()
{
	bool seen, first = true;
	short total;

	d_step { touch; paused = true; seen = live > 0 };
#ifndef PAUSE_DOES_NOT_WAIT
	wait_scopes();
#endif
	atomic { nobody; touch; pausing = true };
	/* What suspend does: the owner is there, unless it was cancelled meanwhile. */
	atomic { nobody; touch };
	d_step { nobody; touch; pausing = false; paused = false };
#ifndef RESUME_WAKES_NOBODY
	wake_owner();
#endif
	put()
}

proctype refuse()
{
	bool first;

	d_step { touch; first = waiter; cancelled = true };
#ifndef REFUSE_WAKES_NO_SLEEPER
	notify();
#endif
#ifndef REFUSE_LEAVES_THE_LINE
	if
	:: first -> wake()
	:: else
	fi;
#endif
	over = true;
	put()
}

/* bgtoken_sleep() without a time-out: a cancel ends it */
proctype sleep()
{
#ifndef WATCHES_TOO_LATE
	d_step { touch; watched = true };
#endif
	do
	::
#ifndef LOOKS_BEFORE_IT_IS_SEEN
	   d_step { touch; asleep_owner = asleep_owner | ME };
#endif
	   if
	   :: d_step { cancelled -> touch }; break
	   :: else ->
#ifdef WATCHES_TOO_LATE
		d_step { touch; watched = true };
#endif
#ifdef LOOKS_BEFORE_IT_IS_SEEN
		d_step { touch; asleep_owner = asleep_owner | ME };
#endif
		(asleep_owner & ME) == 0
	   fi
	od;
	asleep_owner = asleep_owner & ~ME;
	put()
}

/* bgtoken_wait_event(), whose condition enters a scope: in a pause it is false */
proctype wait_event()
{
	bool entered, wakes, met;
	byte cpu;

#ifndef ENQUEUED_TOO_LATE
	d_step { touch; watched = true; woken = false; enqueued = true };
#else
	d_step { touch; watched = true; woken = false };
#endif
	do
	:: met = false;
	   enter();
	   if
	   :: entered -> use(); met = condition; exit()
	   :: else
	   fi;
	   if
	   :: met -> break
	   :: else
	   fi;
#ifdef ENQUEUED_TOO_LATE
	   enqueued = true;
#endif
#ifdef WOKEN_FORGOTTEN_LATE
	   d_step { touch; woken = false };
#endif
	   /* set_current_state() */
	   d_step { touch; asleep_owner = asleep_owner | ME };
	   if
	   :: d_step { cancelled -> touch }; break
#ifndef SLEEPS_THOUGH_WOKEN
	   :: d_step { !cancelled && woken -> touch }
	   :: d_step { !cancelled && !woken -> touch };
#else
	   :: d_step { !cancelled -> touch };
#endif
#ifndef WAITER_DOES_NOT_SLEEP
	      (asleep_owner & ME) == 0
#endif
	   fi;
	   d_step { asleep_owner = asleep_owner & ~ME; woken = false }
	od;
	enqueued = false;
	asleep_owner = asleep_owner & ~ME;
	put()
}

/* Makes it true, and wakes: bgtoken_wake() */
proctype producer()
{
	condition = true;
#ifndef PRODUCER_WAKES_NOBODY
	wake_owner();
#endif
	put()
}

/* bgtoken_get_unless_zero() in an RCU read-side section */
proctype lookup()
{
	bool entered, wakes, found;
	byte cpu;

	readers++;
	if
	:: published ->
		d_step {
			assert(!memory_gone);
#ifdef LOOKUP_TAKES_A_DEAD_ONE
			found = true;
#else
			found = refs > 0;
#endif
			if
			:: found -> refs++
			:: else
			fi
		}
	:: else
	fi;
	readers--;
	if
	:: found ->
		enter();
		if
		:: entered -> use(); exit()
		:: else
		fi;
		put()
	:: else
	fi
}

/* kfree_rcu(); of one reader, that there is none is a grace period */
proctype reclaim()
{
	token_gone;
#ifndef NO_GRACE_PERIOD
	readers == 0;
#endif
	memory_gone = true
}

#define start(count, what)					\
	n = 0;							\
	do							\
	:: n < count -> run what(); n++				\
	:: else -> break					\
	od

init
{
	byte n;

	atomic {
		refs = SCOPES + HOLDS + CANCELS + PAUSES + REFUSES + SLEEPS + 2 * WAITS;
		run reclaim();
		start(SCOPES, scope);
		start(HOLDS, hold);
		start(CANCELS, cancel);
		start(PAUSES, pause);
		start(REFUSES, refuse);
		start(SLEEPS, sleep);
		start(WAITS, wait_event);
		start(WAITS, producer);
		start(LOOKUPS, lookup)
	}
	_nr_pr == 1;
	assert(refs == 0 && token_gone && memory_gone);
	assert(in_scope == 0 && got_true == (CANCELS > 0));
	assert(live == 0 && !waiter && !line && counter[0] + counter[1] == 0)
}
