// SPDX-License-Identifier: GPL-2.0-only
//
// A work or timer that is waited for with a lock held that its function takes: a deadlock,
// if it runs just then. 9870257a0a33 (ravb) and 00fdebbbc557 (l2cap) were this:
// patterns/lock_cancel.c; lock_flush.c and lock_destroy.c are the same with a workqueue.
//
// The lock is a mutex, a semaphore or a spinlock, a variable or part of a structure, and is told
// by its name; the wait is in the function that took it, or in one that it calls, and then the
// call is what is shown. So it is with a workqueue that is flushed or destroyed: it is told by
// its name where a work is queued on it. RTNL is looked for further: a work that takes it, or
// calls a function that does, is found where it is waited for between rtnl_lock() and
// rtnl_unlock(), and in the function that is .ndo_stop or the like, or is called from there,
// up to two calls down.
//
// False negatives: what happens between files; locks that are reached by a pointer of their own,
// that guard() takes, or that the caller's caller holds; a work that takes its lock in a function
// it calls, RTNL apart; a workqueue flushed by a function that is called with the lock held, or
// on which works are queued for a CPU only; a lock that the work takes by a long way round, of
// which lockdep knows.
// False positives: locks of two different structures whose members have one name; workqueues
// likewise; a wait that a flag keeps from happening while the work may run; a work that takes
// the lock only in a state in which nobody waits for it; a path on which a signal kept a lock
// from being taken.
//
// Confidence: moderate. Read whether the two locks are one, and then believe it.
//
// message: waits for it under a lock that its function takes
// files: INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup
// files: mutex_lock|down_(read|write)|spin_lock|rtnl_lock
// files: (cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work\(|(flush|drain|destroy)_workqueue|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel

// A work or timer that is waited for, and its function.
@waited@
identifier f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
c(\(&b->f\|&b.f\))

@work@
identifier waited.f, fn;
identifier i =~ "^(INIT_(DELAYED_|DEFERRABLE_)?WORK|timer_setup|hrtimer_setup)$";
expression x;
@@
i(\(&x->f\|&x.f\), fn, ...)

// A lock that the function takes.
@takes exists@
identifier work.fn, m;
identifier l =~ "^(mutex_lock(_nested|_interruptible|_killable)?|down_(read|write)(_killable)?|spin_lock(_bh|_irq|_irqsave)?)$";
expression y;
@@
fn(...) {
	... when any
	l(\(&y->m\|&y.m\|&m\), ...)
	... when any
}

// It is waited for with that lock held.
@direct exists@
identifier waited.f, takes.m;
identifier l =~ "^(mutex_lock(_nested|_interruptible|_killable)?|down_(read|write)(_killable)?|spin_lock(_bh|_irq|_irqsave)?)$";
identifier u =~ "^(mutex_unlock|up_(read|write)|spin_unlock(_bh|_irq|_irqrestore)?)$";
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression a, b, e;
@@
l(\(&a->m\|&a.m\|&m\), ...)
... when != u(\(&e->m\|&e.m\|&m\), ...)
* c
  (\(&b->f\|&b.f\))

// Or in a function that is called with it held: the call is what is told.
@helper exists@
identifier waited.f, takes.m, h;
identifier u =~ "^(mutex_unlock|up_(read|write)|spin_unlock(_bh|_irq|_irqrestore)?)$";
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b, e;
@@
h(...) {
	... when != u(\(&e->m\|&e.m\|&m\), ...)
	c(\(&b->f\|&b.f\))
	... when any
}

@deep exists@
identifier helper.h, takes.m;
identifier l =~ "^(mutex_lock(_nested|_interruptible|_killable)?|down_(read|write)(_killable)?|spin_lock(_bh|_irq|_irqsave)?)$";
identifier u =~ "^(mutex_unlock|up_(read|write)|spin_unlock(_bh|_irq|_irqrestore)?)$";
expression a, e;
@@
l(\(&a->m\|&a.m\|&m\), ...)
... when != u(\(&e->m\|&e.m\|&m\), ...)
* h
  (...)

// The same with a workqueue, which is told by the name of its member or variable.
@queued@
identifier f, q;
identifier k =~ "^(queue|mod)_(delayed_)?work$";
expression x, y;
@@
k(\(x->q\|x.q\|q\), \(&y->f\|&y.f\), ...)

@qwork@
identifier queued.f, fn;
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
expression x;
@@
i(\(&x->f\|&x.f\), fn)

@qtakes exists@
identifier qwork.fn, m;
identifier l =~ "^(mutex_lock(_nested|_interruptible|_killable)?|down_(read|write)(_killable)?)$";
expression y;
@@
fn(...) {
	... when any
	l(\(&y->m\|&y.m\|&m\), ...)
	... when any
}

@qdirect exists@
identifier queued.q, qtakes.m;
identifier l =~ "^(mutex_lock(_nested|_interruptible|_killable)?|down_(read|write)(_killable)?)$";
identifier u =~ "^(mutex_unlock|up_(read|write))$";
identifier c =~ "^(flush|drain|destroy)_workqueue$";
expression a, b, e;
@@
l(\(&a->m\|&a.m\|&m\), ...)
... when != u(\(&e->m\|&e.m\|&m\), ...)
* c
  (\(b->q\|b.q\|q\))

// RTNL: functions that take it, and those that call them.
@rtnl1 exists@
identifier fn;
@@
fn(...) {
	... when any
	rtnl_lock()
	... when any
}

@rtnl2 exists@
identifier rtnl1.fn, fn2;
@@
fn2(...) {
	... when any
	fn(...)
	... when any
}

// A work that takes RTNL, waited for with it held.
@rwork1@
identifier rtnl1.fn, f;
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
expression x;
@@
i(\(&x->f\|&x.f\), fn)

@held1 exists@
identifier rwork1.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
rtnl_lock();
... when != rtnl_unlock()
* c
  (\(&b->f\|&b.f\))

@cancels1 exists@
identifier rwork1.f, s;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) {
	... when != rtnl_unlock()
	c(\(&b->f\|&b.f\))
	... when any
}

@above1 exists@
identifier cancels1.s, t;
@@
t(...) {
	... when any
	s(...)
	... when any
}

@far1 exists@
identifier above1.t, v;
@@
v(...) {
	... when any
	t(...)
	... when any
}

@ops_cancels1@
identifier o, cancels1.s;
identifier d =~ "^ndo_(stop|open|change_mtu|set_mac_address|set_features)$";
@@
struct net_device_ops o = { .d = s, };

@show_cancels1 depends on ops_cancels1 exists@
identifier cancels1.s, rwork1.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) { <+...
* c
  (\(&b->f\|&b.f\))
...+> }

@ops_above1@
identifier o, above1.t;
identifier d =~ "^ndo_(stop|open|change_mtu|set_mac_address|set_features)$";
@@
struct net_device_ops o = { .d = t, };

@show_above1 depends on ops_above1 exists@
identifier cancels1.s, rwork1.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) { <+...
* c
  (\(&b->f\|&b.f\))
...+> }

@ops_far1@
identifier o, far1.v;
identifier d =~ "^ndo_(stop|open|change_mtu|set_mac_address|set_features)$";
@@
struct net_device_ops o = { .d = v, };

@show_far1 depends on ops_far1 exists@
identifier cancels1.s, rwork1.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) { <+...
* c
  (\(&b->f\|&b.f\))
...+> }

// The same for a work that takes it one call further down.
@rwork2@
identifier rtnl2.fn2, f;
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
expression x;
@@
i(\(&x->f\|&x.f\), fn2)

@held2 exists@
identifier rwork2.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
rtnl_lock();
... when != rtnl_unlock()
* c
  (\(&b->f\|&b.f\))

@cancels2 exists@
identifier rwork2.f, s;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) {
	... when != rtnl_unlock()
	c(\(&b->f\|&b.f\))
	... when any
}

@above2 exists@
identifier cancels2.s, t;
@@
t(...) {
	... when any
	s(...)
	... when any
}

@far2 exists@
identifier above2.t, v;
@@
v(...) {
	... when any
	t(...)
	... when any
}

@ops_cancels2@
identifier o, cancels2.s;
identifier d =~ "^ndo_(stop|open|change_mtu|set_mac_address|set_features)$";
@@
struct net_device_ops o = { .d = s, };

@show_cancels2 depends on ops_cancels2 exists@
identifier cancels2.s, rwork2.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) { <+...
* c
  (\(&b->f\|&b.f\))
...+> }

@ops_above2@
identifier o, above2.t;
identifier d =~ "^ndo_(stop|open|change_mtu|set_mac_address|set_features)$";
@@
struct net_device_ops o = { .d = t, };

@show_above2 depends on ops_above2 exists@
identifier cancels2.s, rwork2.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) { <+...
* c
  (\(&b->f\|&b.f\))
...+> }

@ops_far2@
identifier o, far2.v;
identifier d =~ "^ndo_(stop|open|change_mtu|set_mac_address|set_features)$";
@@
struct net_device_ops o = { .d = v, };

@show_far2 depends on ops_far2 exists@
identifier cancels2.s, rwork2.f;
identifier c =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work|(del_timer|timer_delete|timer_shutdown)_sync|hrtimer_cancel)$";
expression b;
@@
s(...) { <+...
* c
  (\(&b->f\|&b.f\))
...+> }
