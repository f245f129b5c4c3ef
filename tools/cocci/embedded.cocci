// SPDX-License-Identifier: GPL-2.0-only
//
// A work or timer that is part of a structure, whose owner is freed, and for which nothing
// in the file waits. If it is queued or runs by then, it goes on with memory that is gone.
// CVE-2023-1989 (btsdio) and CVE-2023-33203 (emac) were this: patterns/free_queued.c and
// free_running.c. cancel_delayed_work() and del_timer() do not wait, so they do not count:
// patterns/timer_frees.c.
//
// It is found where all of it is in one file: the structure is declared there, the work or
// timer initialised, and the structure freed by kfree() or the like, or allocated by
// devm_kzalloc(), or the private part of a net or IIO device.
//
// False negatives: a structure that a header declares, as then another file may wait; a member that
// has the name of another that is waited for; a cancel that is there but comes too late, or
// is not on every path; works on stacks, in arrays, and of the kthread kind.
// Let pass on a guess: a member whose address is given to any function not known not to wait;
// all works, if the file empties some workqueue; a function that frees, puts or releases
// something, as it may own what it works on.
// False positives: what can no longer be queued when it is freed, for example as something
// else waits for its end (a completion, a state), and drivers that cannot be unbound.
//
// Confidence: high that nothing waits, moderate that it can still be queued or running.
//
// message: its owner is freed, and nothing waits for it
// files: INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup
// files: kfree|devm_k[mzc]alloc|netdev_priv|iio_priv|vfree
// files: ^[[:space:]]+struct (work_struct|delayed_work|timer_list|hrtimer)[[:space:]]

// The work or timer, and whose it is.
@init@
identifier s, f, fn;
identifier i =~ "^(INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup)$";
struct s *x;
@@
i(&x->f, fn, ...)

// Somebody waits for one of that name, or may: what takes its address, and is not
// known not to wait, may be a helper that cancels.
@waited@
identifier init.f;
identifier g !~ "^(__)?(INIT_|timer_setup|hrtimer_(init|setup|start|forward|active|try_to_cancel)|schedule_|queue_|mod_|add_timer|del_timer$|timer_delete$|timer_pending|timer_reduce|work_pending|work_busy|delayed_work_pending|cancel_work$|cancel_delayed_work$)";
expression e, w;
@@
(
 g(..., \(&e->f\|&e.f\|&e->f.work\|&e.f.work\|&e->f.timer\), ...)
|
 w = \(&e->f\|&e.f\|&e->f.work\|&e.f.work\)
)

// A workqueue is emptied: take it to be that of all works.
@emptied@
identifier g =~ "^((destroy|flush|drain)_workqueue|flush_scheduled_work)$";
@@
g(...)

@a depends on waited@
identifier init.f;
identifier i =~ "^(INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup)$";
expression x;
position p;
@@
i@p(&x->f, ...)

@b depends on emptied@
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
position p;
@@
i@p(...)

@left@
identifier s, f, fn;
identifier i =~ "^(INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup)$";
struct s *x;
position p != {a.p, b.p};
@@
i@p(&x->f, fn, ...)

// Only if the structure is this file's own: then nobody else cancels it.
@own@
identifier left.s, left.f;
@@
struct s {
	...
(
	struct work_struct f;
|
	struct delayed_work f;
|
	struct timer_list f;
|
	struct hrtimer f;
)
	...
};

@freed depends on own@
identifier left.s;
identifier g =~ "^(kfree|kvfree|vfree|kfree_sensitive|kvfree_sensitive|kfree_rcu|kmem_cache_free)$";
identifier h =~ "^(devm_k[mzc]alloc|netdev_priv|iio_priv)$";
struct s *y;
@@
(
 g(..., y, ...)
|
 y = h(...)
)

// A function that drops or frees something may well own what it runs for.
@owns depends on freed exists@
identifier left.fn, g =~ "(^|_)(k|kv)?(free|put|release|destroy|unref)(_|$)";
@@
fn(...) {
	... when any
	g(...)
	... when any
}

@c depends on owns@
identifier left.fn;
identifier i =~ "^(INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup)$";
position p;
@@
i@p(..., fn, ...)

@show depends on freed@
identifier left.s, left.f, left.fn;
identifier i =~ "^(INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup)$";
struct s *x;
position p != {a.p, b.p, c.p};
@@
* i@p
  (&x->f, fn, ...)
