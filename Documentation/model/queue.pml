/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A compile state, its queue of units and its tasks, as bgcompile.c has them: who starts a
 * task, when it stops counting, what is put back and for whom, what a failure and a cancel
 * do with units.
 *
 * A scope is taken from token.pml as it is proven there: SHARED is how many may be in one, and
 * a cancel waits for them.  Of a work there is left that it is queued, runs, and may be refused
 * or dropped.  Each atomic or d_step is one section of state->lock, or one access to the token.
 *
 * All units are of the baseline tier, so one that fails ends the state.
 *
 * users: close
 *
 * What tools/model runs:
 *
 * run: UNITS=2 BATCH=2 WAITS=1 CALLBACKS=1
 * run: UNITS=2 CANCELS=1 CLOSES=1
 * run: UNITS=3 BATCH=2 FAILS=1 NO_ENVS=1
 * run: ADDS=2 UNITS=1
 * run: UNITS=2 FAILS=1 CALLBACKS=1 SHARED=1
 * run: UNITS=2 CANCELS=1 CALLBACKS=1
 * run: UNITS=2 CANCELS=1 CALLBACKS=1 SHARED=1
 * long: UNITS=3 BATCH=3 YIELDS=1 WAITS=1 CALLBACKS=1
 * long: UNITS=3 BATCH=2 FAILS=1 NO_ENVS=1 CANCELS=1
 * long: ADDS=2 UNITS=2
 * long: ADDS=2 UNITS=2 SHARED=1
 * long: ADDS=2 UNITS=1 CANCELS=1 CLOSES=1
 * long: UNITS=2 CANCELS=2 WAITS=1
 * long: UNITS=3 BATCH=2 FAILS=1 CANCELS=2 SHARED=1
 * beyond: UNITS=3 BATCH=2 FAILS=1 CANCELS=2 WAITS=1 CALLBACKS=1
 * ends: UNITS=2 BATCH=2 YIELDS=1 CANCELS=1
 *
 * mutant: TASKS_NOT_LOOKED_AT_AGAIN ADDS=2 UNITS=2: (tasks-leaving)>=
 * mutant: STOPS_LATER ADDS=2 UNITS=2 SHARED=1: (tasks-leaving)>=
 * mutant: ADDED_WITHOUT_A_TASK CLOSES=1: freed==added
 * mutant: ABANDONED_SILENTLY CLOSES=1: tasks==0
 * mutant: FAILS_AFTER_THE_END CLOSES=1: finished&&failed
 * mutant: FAILURE_NOT_SETTLED FAILS=1: added==0
 * mutant: PUT_BACK_AFTER_A_FAILURE UNITS=3 BATCH=2 FAILS=1: taken==0
 * mutant: SPARE_FAILS UNITS=3 BATCH=3 NO_ENVS=1: may_fail
 * mutant: QUEUE_NOT_REFERENCED CANCELS=1: !(queue_gone)
 * mutant: STARTER_KEEPS_ITS_REFERENCE CLOSES=1: !(has_queue[one])
 * mutant: TAKEN_NOT_FREED CANCELS=1: freed==added
 * mutant: TOLD_OUTSIDE_THE_SCOPE CANCELS=1 CALLBACKS=1: !(state_gone)
 * mutant: TOLD_BY_ALL SHARED=1 CALLBACKS=1: in_callback
 * mutant: LOOKS_BEFORE_IT_IS_SEEN WAITS=1: invalid end state
 * endless: YIELDS_FIRST UNITS=2 CANCELS=1: non-progress cycle
 */
#ifndef ADDS
#define ADDS	1	/* tasks that each add UNITS units, in one call */
#endif
#ifndef UNITS
#define UNITS	2
#endif
#ifndef TASKS
#define TASKS	2	/* params.max_tasks */
#endif
#ifndef WORKS
#define WORKS	3	/* that may be alive at a time: who finds none has no memory */
#endif
#ifndef SHARED
#define SHARED	0	/* the kind of the state's token, SHARED or MUTEX */
#endif
#ifndef BATCH
#define BATCH	1	/* a task takes this many at most */
#endif
#ifndef YIELDS
#define YIELDS	0	/* how often a slice is over */
#endif
#ifndef FAILS
#define FAILS	0	/* how many units may fail */
#endif
#ifndef NO_ENVS
#define NO_ENVS	0	/* how often get_env() may fail */
#endif
#ifndef CANCELS
#define CANCELS	0	/* tasks that cancel */
#endif
#ifndef CLOSES
#define CLOSES	0	/* the workqueue is closed under the state */
#endif
#ifndef WAITS
#define WAITS	0	/* tasks in bgcompile_wait() */
#endif
#ifndef CALLBACKS
#define CALLBACKS 0	/* a callback that is added meanwhile */
#endif

/* The token. */
bool cancelled;
byte in_scope;
bool state_gone;

/* The state, of state->lock. */
byte compiling, settled, total;	/* settled: done or failed */
byte tasks;			/* progress.tasks */
bool error;			/* progress.error */
bool finished, failed;		/* progress.events */
#define final	(finished || failed)
bool telling;
bool callback, told_first, told_last;	/* one callback: of two events, in order */
bool asleep;			/* in bgcompile_wait() */

/* The queue, which outlives the state. */
byte queued, queue_refs = 1;
bool queue_gone;

/* Tasks, which are works. */
#define NONE	255
bool allocated[WORKS];
byte refs[WORKS];
bool pending[WORKS];
bool counted[WORKS], spare[WORKS], has_queue[WORKS];
bool closing;

/* What the contract is about. */
byte added, freed;		/* units that were the library's; that it has freed */
bool in_callback, may_fail;
byte leaving;			/* tasks that have found no unit, and count still */
byte yields, fails, no_envs;	/* of those that there may be */
byte users = ADDS;		/* calls that rely on the state being kept alive */

inline enter()
{
	atomic {
		if
		:: cancelled -> inside = false
		:: !cancelled && (SHARED || in_scope == 0) ->
			assert(!state_gone);
			in_scope++;
			inside = true
		fi
	}
}

inline exit()
{
	d_step { assert(!state_gone); in_scope--; inside = false }
}

/* bgcompile_settle().  Waiters are woken, and look under state->lock, too. */
inline settle()
{
	if
	:: error ->
#ifndef FAILURE_NOT_SETTLED
		failed = true;
#endif
		asleep = false
	:: !error && !cancelled && settled == total && total > 0 ->
		finished = true;
		asleep = false
	:: else
	fi
}

/* bgcompile_tell(), one step for each section; cb->fn() is called in between. */
inline tell()
{
	do
	:: atomic {
		!telling && !cancelled && callback && final && !told_last ->
		if
		:: finished && !told_first -> told_first = true
		:: else -> told_last = true
		fi;
#ifndef TOLD_BY_ALL
		telling = true
#endif
	   };
	   /* cb->fn(), one at a time */
	   d_step { assert(!state_gone && !in_callback); in_callback = true };
	   d_step { assert(!state_gone); in_callback = false };
	   telling = false
	:: atomic { telling || cancelled || !callback || !final || told_last }; break
	od
}

/* bgcompile_fail(): what was not started will not be. */
inline fail()
{
	if
#ifdef FAILS_AFTER_THE_END
	:: !failed && !cancelled ->
#else
	:: !final && !cancelled ->
#endif
		error = true;
		doomed = doomed + queued;
		queued = 0
	:: else
	fi
}

inline stop(t)
{
	assert(counted[t] && tasks > 0);
	counted[t] = false;
	tasks--
}

/* ops->free_unit(), of so many */
inline free_units(n)
{
	freed = freed + n;
	assert(freed <= added)
}

inline queue_put()
{
	d_step {
		assert(!queue_gone);
		queue_refs--;
		if
		:: queue_refs == 0 ->
			queue_gone = true;
			free_units(queued);
			queued = 0
		:: else
		fi
	}
}

/* bgcompile_alloc_tasks(): one, or there is no memory. */
inline alloc(into)
{
	d_step {
		into = NONE;
		i = 0;
		do
		:: i < WORKS && !allocated[i] ->
			allocated[i] = true;
			refs[i] = 1;
			into = i;
			i = WORKS
		:: i < WORKS && allocated[i] -> i++
		:: else -> break
		od;
		i = 0
	}
}

/* bgcompile_start(), of one task, in a section of state->lock. */
inline start_task(t)
{
	if
	:: tasks < TASKS ->
		assert(!queue_gone);
		if
		:: !cancelled && !closing ->	/* else bgtoken_queue_work() refuses it */
			has_queue[t] = true;
#ifndef QUEUE_NOT_REFERENCED
			queue_refs++;
#endif
			pending[t] = true;
			counted[t] = true;
			tasks++;
#ifdef STARTER_KEEPS_ITS_REFERENCE
			refs[t]++
#else
			t = NONE	/* the starter's is put, and the worker's is left */
#endif
		:: else
		fi
	:: else
	fi
}

/* bgtoken_work_put(), and bgcompile_task_release() if it is the last. */
inline put_task(t)
{
	d_step { assert(refs[t] > 0); refs[t]--; last = refs[t] == 0 };
	if
	:: last ->
		last = false;
#ifndef ABANDONED_SILENTLY
		if
		:: counted[t] ->
			enter();
			if
			:: inside ->
				/* bgcompile_abandoned() */
				d_step { may_fail = true; stop(t); fail(); settle() };
				tell();
				exit()
			:: else
			fi
		:: else
		fi;
#endif
		d_step { free_units(doomed); doomed = 0 };
		if
		:: has_queue[t] -> has_queue[t] = false; queue_put()
		:: else
		fi;
		d_step {
			counted[t] = false;
			spare[t] = false;
			allocated[t] = false
		}
	:: else
	fi
}

#define least(a, b)	((a) < (b) -> (a) : (b))

/* bgcompile_add_units(), with as many tasks as may be missing, which are two at most. */
proctype add()
{
	bool inside, enough, last;
	byte i, doomed, one = NONE, two = NONE, have, want;

	want = least(UNITS, TASKS - tasks);
	do
	:: /* what is missing is allocated */
	   do
	   :: have < want && have < 2 ->
		if
		:: one == NONE -> alloc(one)
		:: else -> alloc(two)
		fi;
		if
		:: one == NONE || (have == 1 && two == NONE) -> goto out	/* -ENOMEM */
		:: else -> have++
		fi
	   :: else -> break
	   od;
	   enough = true;
	   enter();
	   if
	   :: inside ->
		/* bgcompile_take() */
		atomic {
			want = least(UNITS, TASKS - tasks);
			if
			:: error || final
#ifndef TASKS_NOT_LOOKED_AT_AGAIN
			:: !(error || final) && want > have -> enough = false
			:: !(error || final) && want <= have ->
#else
			:: !(error || final) ->
#endif
				if
				:: one != NONE -> start_task(one)
				:: else
				fi;
				if
				:: two != NONE -> start_task(two)
				:: else
				fi;
#ifndef ADDED_WITHOUT_A_TASK
				if
				:: tasks > 0 || one == NONE ->
					/* As many as there may be, that look at the queue again. */
					assert(tasks - leaving >= least(UNITS, TASKS) ||
					       closing || cancelled);
#else
				if
				:: true ->
#endif
					total = total + UNITS;
					added = added + UNITS;
					queued = queued + UNITS;
					settle()
				:: else
				fi
			fi
		};
		tell();
		exit()
	   :: else
	   fi;
	   if
	   :: enough -> break
	   :: else
	   fi
	od;
out:
	/* Units are not freed here: their adder may hold any lock. */
	if
	:: one != NONE -> assert(!has_queue[one]); put_task(one)
	:: else
	fi;
	if
	:: two != NONE -> assert(!has_queue[two]); put_task(two)
	:: else
	fi;
	users--
}

/* bgcompile_next(), in a section of state->lock */
inline next(may_yield)
{
	if
	:: cancelled
	:: !cancelled && queued == 0 ->
#ifndef STOPS_LATER
		stop(me)
#else
		late = true;
		leaving++
#endif
	:: !cancelled && queued > 0 ->
		if
#ifdef YIELDS_FIRST
		:: true ->
#else
		:: may_yield && yields < YIELDS ->
			yields++;
#endif
			if
			:: !closing -> pending[me] = true; refs[me]++
			:: else
			fi
		:: queued >= 1 -> taken = 1
		:: queued >= BATCH && BATCH > 1 -> taken = BATCH
		fi;
		/* After a failure no unit is begun. */
		assert(!queue_gone && (taken == 0 || !error));
		queued = queued - taken;
		compiling = compiling + taken
	fi
}

/* bgcompile_put_back(), in a section of state->lock; taken is what was not begun. */
inline put_back()
{
	compiling = compiling - taken;
	if
#ifdef PUT_BACK_AFTER_A_FAILURE
	:: cancelled -> doomed = doomed + taken
#else
	:: error || cancelled -> doomed = doomed + taken
#endif
	:: else ->
		queued = queued + taken;
		if
		:: taken > 1 && tasks < TASKS ->
			alloc(helper);	/* if there is memory */
			if
			:: helper != NONE -> spare[helper] = true; start_task(helper)
			:: else
			fi
		:: else
		fi
	fi;
	taken = 0
}

/* A worker with one task, and bgcompile_task_run() */
proctype run_task(byte me)
{
	bool inside, dropped, bad, late, last;
	byte i, doomed, taken, compiled, helper = NONE;

end:	do
	:: d_step { pending[me] -> pending[me] = false; dropped = cancelled || closing };
	   if
	   :: dropped -> dropped = false
	   :: else ->
		enter();
		if
		:: inside ->
			/* bgcompile_begin() */
			atomic {
				assert(!queue_gone);
				bad = queued == 0;
				if
				:: bad -> stop(me)
				:: else
				fi
			};
			if
			:: bad
			:: !bad && no_envs < NO_ENVS ->
				d_step {
					no_envs++;
					stop(me);
					if
					:: !spare[me] || tasks == 0 -> may_fail = true; fail()
#ifdef SPARE_FAILS
					:: else -> fail()
#else
					:: else
#endif
					fi;
					settle()
				};
				tell()
			:: !bad -> atomic { spare[me] = false; next(false) }
			fi;
			bad = false;
			exit()
		:: else
		fi;
		do
		:: taken > 0 ->
			/* bgcompile_compile(): at least one, unless cancelled */
			if
			:: cancelled -> compiled = 0
			:: compiled = 1
			:: taken > 1 -> compiled = taken
			fi;
			taken = taken - compiled;
			if
			:: compiled > 0 && fails < FAILS -> fails++; bad = true
			:: true
			fi;
			enter();
			if
			:: inside ->
				/* bgcompile_finish() */
				atomic {
					compiling = compiling - compiled;
					if
					:: error	/* a sibling's: what comes later is dropped */
					:: !error -> settled = settled + compiled
					fi;
					if
					:: bad -> bad = false; may_fail = true; fail()
					:: else
					fi;
					if
					:: taken > 0 -> put_back()
					:: else
					fi;
					settle()
				};
#ifndef TOLD_OUTSIDE_THE_SCOPE
				tell();
#endif
				atomic { next(true) };
#ifdef STOPS_LATER
				if
				:: late -> atomic { late = false; leaving--; stop(me) }
				:: else
				fi;
#endif
				exit();
#ifdef TOLD_OUTSIDE_THE_SCOPE
				tell();
#endif
				free_units(compiled)
			:: else ->	/* bgcompile_drop() */
#ifdef TAKEN_NOT_FREED
				d_step { free_units(compiled); taken = 0; bad = false }
#else
				d_step { free_units(compiled + taken); taken = 0; bad = false }
#endif
			fi;
			compiled = 0;
			if
			:: helper != NONE -> put_task(helper); helper = NONE
			:: else
			fi
		:: else -> break
		od;
		atomic { free_units(doomed); doomed = 0 }
	   fi;
	   put_task(me)
	od
}

/* bgcompile_cancel() */
proctype cancel()
{
	bool first;

	d_step { cancelled = true; asleep = false };
	in_scope == 0;
	/* Of several, one drops what the state has. */
	d_step { first = !state_gone; state_gone = true };
	if
	:: first -> queue_put()
	:: else
	fi
}

proctype close()
{
	closing = true
}

/* bgcompile_wait() */
proctype wait()
{
	do
	::
#ifdef LOOKS_BEFORE_IT_IS_SEEN
	   if
	   :: final || cancelled -> break
	   :: else
	   fi;
#endif
	   asleep = true;
	   if
#ifdef LOOKS_BEFORE_IT_IS_SEEN
	   :: true -> !asleep
#else
	   :: final || cancelled -> break
	   :: else -> !asleep
#endif
	   fi
	od
}

/* bgcompile_add_callback() */
proctype add_callback()
{
	bool inside;

	enter();
	if
	:: inside -> callback = true; tell(); exit()
	:: else
	fi
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
		start(ADDS, add());
		start(CANCELS, cancel());
		start(CLOSES, close());
		start(WAITS, wait());
		start(CALLBACKS, add_callback());
		start(WORKS, run_task(n));
		n = 0
	}
	/* Until nothing is left to do. */
	timeout;
	assert(users == 0 && in_scope == 0 && !telling);
	assert(freed == added && queued == 0);
	n = 0;
	do
	:: n < WORKS -> assert(!allocated[n] && !pending[n] && refs[n] == 0); n++
	:: else -> break
	od;
	if
	:: cancelled -> assert(queue_gone && state_gone)
	:: else ->
		assert(!queue_gone && tasks == 0 && compiling == 0);
		/* No unit is left that nobody will compile. */
		assert(added == 0 || final);
		assert(error || settled == total);
		assert(error == failed && !(finished && failed));
		assert(!error || may_fail);
		assert(!callback || !final || told_last);
		assert(!finished || !callback || told_first)
	fi
}
