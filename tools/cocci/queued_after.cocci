// SPDX-License-Identifier: GPL-2.0-only
//
// A function that cancels a work, and only afterwards stops what queues it: in between it
// may be queued again, and nobody takes it back. CVE-2026-23240 (tls) was this:
// patterns/requeued.c. Timers and works that start each other, as in CVE-2023-4134 (cyttsp4)
// and patterns/timer_and_work.c, are found in either order; patterns/hrtimer_feeds.c is the
// same with a kthread worker.
//
// What queues it, itself or by one call, may be the function of a timer or of another work,
// an interrupt handler, the completion of an URB, or what the network stack calls of a
// device, such as .ndo_tx_timeout. It is stopped by del_timer_sync(), cancel_work_sync(),
// free_irq(), usb_kill_urb() or unregister_netdev(), on the same path. Or the function itself
// queues the work once more, or calls one that does, and then frees what the work is part of.
//
// False negatives: what is stopped in another function, or by devres after remove; what is
// queued further down than one call, or freed by a put.
// Let pass: a work that is cancelled once more later on the path, or flushed after the function
// queued it; disable_work_sync(), after which it is not queued; the same for a timer and
// timer_shutdown_sync(); URBs in .disconnect of the file's usb_driver, as the core has ended
// them before, unless it has .soft_unbind.
// False positives: what cannot happen any more at the time of the cancel, as a flag says so, or
// the device was told to be quiet; .disconnect, where the usb_driver is in another file; an
// interrupt, timer or call for another object of the same type, or for a member of another
// type that has the same name; a call later on the path that cancels the work in its turn; a
// timer that the function itself arms again in the end, as it resets something.
//
// Confidence: high for the order, moderate that it matters: the window is often short.
//
// message: it may be queued or armed again after this
// files: (cancel|disable)_(delayed_)?work_sync
// files: (schedule|queue|mod)_(delayed_)?work

// A function that cancels a work, and stops something after it.
@canceller exists@
identifier f, r;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier z =~ "^((devm_)?free_irq|unregister_netdev|(del_timer|timer_delete|timer_shutdown)_sync|(cancel|disable)_(delayed_)?work_sync|usb_(kill|poison)_(anchored_)?urbs?)$";
expression e;
@@
r(...) {
	... when any
	c(\(&e->f\|&e.f\))
	... when any
	z(...)
	... when any
}

// A function that queues it, and one that calls such a function.
@q exists@
identifier qf, canceller.f;
identifier k =~ "^(schedule|queue|mod)_(delayed_)?work(_on)?$";
expression e;
@@
qf(...) {
	... when any
	k(..., \(&e->f\|&e.f\), ...)
	... when any
}

@qq exists@
identifier q.qf, up;
@@
up(...) {
	... when any
	qf(...)
	... when any
}

// A timer, deleted after the cancel.
@timer1@
identifier q.qf;
identifier t;
expression x;
@@
timer_setup(\(&x->t\|&x.t\), qf, ...)

@show_timer1 depends on timer1 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^(del_timer|timer_delete|timer_shutdown)(_sync)?$";
identifier w =~ "^(del_timer|timer_delete|timer_shutdown)_sync$";
identifier timer1.t;
expression g, h;
@@
r(...) {
	... when != v(\(&g->t\|&g.t\))
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(\(&h->t\|&h.t\))
	... when != a(\(&e->f\|&e.f\))
}

@timer2@
identifier qq.up;
identifier t;
expression x;
@@
timer_setup(\(&x->t\|&x.t\), up, ...)

@show_timer2 depends on timer2 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^(del_timer|timer_delete|timer_shutdown)(_sync)?$";
identifier w =~ "^(del_timer|timer_delete|timer_shutdown)_sync$";
identifier timer2.t;
expression g, h;
@@
r(...) {
	... when != v(\(&g->t\|&g.t\))
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(\(&h->t\|&h.t\))
	... when != a(\(&e->f\|&e.f\))
}

// Another work.
@work1@
identifier q.qf;
identifier t != canceller.f;
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
expression x;
@@
i(\(&x->t\|&x.t\), qf)

@show_work1 depends on work1 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^(cancel|disable)_(delayed_)?work_sync$";
identifier w =~ "^(cancel|disable)_(delayed_)?work_sync$";
identifier work1.t;
expression g, h;
@@
r(...) {
	... when != v(\(&g->t\|&g.t\))
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(\(&h->t\|&h.t\))
	... when != a(\(&e->f\|&e.f\))
}

@work2@
identifier qq.up;
identifier t != canceller.f;
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
expression x;
@@
i(\(&x->t\|&x.t\), up)

@show_work2 depends on work2 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^(cancel|disable)_(delayed_)?work_sync$";
identifier w =~ "^(cancel|disable)_(delayed_)?work_sync$";
identifier work2.t;
expression g, h;
@@
r(...) {
	... when != v(\(&g->t\|&g.t\))
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(\(&h->t\|&h.t\))
	... when != a(\(&e->f\|&e.f\))
}

// An interrupt handler.
@irq1@
identifier q.qf;
identifier i =~ "^request_(threaded_|any_context_)?irq$|^devm_request_(threaded_|any_context_)?irq$";
@@
i(..., qf, ...)

@show_irq1 depends on irq1 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^synchronize_irq$|free_irqs?|disable_.*(int|irq)|(int|irq).*_disable|mask_irq|irq_mask";
identifier w =~ "^(devm_)?free_irq$";
@@
r(...) {
	... when != v(...)
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(...)
	... when != a(\(&e->f\|&e.f\))
}

@irq2@
identifier qq.up;
identifier i =~ "^request_(threaded_|any_context_)?irq$|^devm_request_(threaded_|any_context_)?irq$";
@@
i(..., up, ...)

@show_irq2 depends on irq2 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^synchronize_irq$|free_irqs?|disable_.*(int|irq)|(int|irq).*_disable|mask_irq|irq_mask";
identifier w =~ "^(devm_)?free_irq$";
@@
r(...) {
	... when != v(...)
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(...)
	... when != a(\(&e->f\|&e.f\))
}

// What the network stack calls of a device until it is unregistered.
@net1@
identifier q.qf;
identifier o;
identifier d =~ "^ndo_(tx_timeout|set_rx_mode|open|start_xmit|set_mac_address|eth_ioctl)$";
@@
struct net_device_ops o = { .d = qf, };

@show_net1 depends on net1 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
@@
r(...) {
	... when != unregister_netdev(...)
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	unregister_netdev(...)
	... when != a(\(&e->f\|&e.f\))
}

@net2@
identifier qq.up;
identifier o;
identifier d =~ "^ndo_(tx_timeout|set_rx_mode|open|start_xmit|set_mac_address|eth_ioctl)$";
@@
struct net_device_ops o = { .d = up, };

@show_net2 depends on net2 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
@@
r(...) {
	... when != unregister_netdev(...)
* c
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	unregister_netdev(...)
	... when != a(\(&e->f\|&e.f\))
}

// Not in disconnect: the core has ended the URBs by then, unless told not to.
@usb@
identifier o, gone;
@@
struct usb_driver o = { .disconnect = gone, };

@soft@
identifier o;
@@
struct usb_driver o = { .soft_unbind = 1, };

@ended depends on !soft exists@
identifier usb.gone;
identifier c =~ "^cancel_(delayed_)?work_sync$";
position p;
@@
gone(...) {
	... when any
	c@p(...)
	... when any
}

// The completion of an URB.
@urb1@
identifier q.qf;
identifier i =~ "^usb_fill_(bulk|int|control)_urb$";
@@
i(..., qf, ...)

@show_urb1 depends on urb1 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^usb_(kill|poison|free)_(anchored_)?urbs?$";
identifier w =~ "^usb_(kill|poison)_(anchored_)?urbs?$";
position p != {ended.p};
@@
r(...) {
	... when != v(...)
* c@p
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(...)
	... when != a(\(&e->f\|&e.f\))
}

@urb2@
identifier qq.up;
identifier i =~ "^usb_fill_(bulk|int|control)_urb$";
@@
i(..., up, ...)

@show_urb2 depends on urb2 exists@
identifier canceller.r, canceller.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression b, d, e;
identifier v =~ "^usb_(kill|poison|free)_(anchored_)?urbs?$";
identifier w =~ "^usb_(kill|poison)_(anchored_)?urbs?$";
position p != {ended.p};
@@
r(...) {
	... when != v(...)
* c@p
  (\(&b->f\|&b.f\))
	... when != a(\(&d->f\|&d.f\))
	w(...)
	... when != a(\(&e->f\|&e.f\))
}

// A function that cancels a work and frees something after it. What frees stands here once, and
// in the two rules below in two parts: with a pointer to what the work is in, and to what has it.
@freer exists@
identifier f, r;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier g =~ "^(kfree|kvfree|vfree|kfree_sensitive|kvfree_sensitive|kfree_rcu|kmem_cache_free|free_netdev|mmc_free_host|ieee80211_free_hw)$";
expression e;
@@
r(...) {
	... when any
	c(\(&e->f\|&e.f\))
	... when any
	g(...)
	... when any
}

// It is queued again in between, and whose it is is freed.
@show_again1 exists@
identifier freer.r, freer.f;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work)$";
identifier w =~ "^((destroy|flush|drain)_workqueue|flush_scheduled_work)$";
identifier k =~ "^(schedule|queue|mod)_(delayed_)?work(_on)?$";
identifier g =~ "^(kfree|kvfree|vfree|kfree_sensitive|kvfree_sensitive|kfree_rcu|kmem_cache_free)$";
identifier h =~ "^(free_netdev|mmc_free_host|ieee80211_free_hw)$";
expression e, b, d;
@@
r(...) {
	... when any
* c
  (\(&e->f\|&e.f\))
	... when != a(\(&b->f\|&b.f\))
	    when != w(...)
	k(..., \(&e->f\|&e.f\), ...)
	... when != a(\(&d->f\|&d.f\))
	    when != w(...)
(
	g(..., e, ...)
|
	h(...)
)
	... when any
}

// The same, by one call.
@again exists@
identifier qf, freer.f;
identifier k =~ "^(schedule|queue|mod)_(delayed_)?work(_on)?$";
expression e;
@@
qf(...) {
	... when any
	k(..., \(&e->f\|&e.f\), ...)
	... when any
}

@show_again2 exists@
identifier freer.r, freer.f, again.qf;
identifier c =~ "^cancel_(delayed_)?work_sync$";
identifier a =~ "^((cancel|disable)_(delayed_)?work_sync|flush_(delayed_)?work)$";
identifier w =~ "^((destroy|flush|drain)_workqueue|flush_scheduled_work)$";
identifier g =~ "^(kfree|kvfree|vfree|kfree_sensitive|kvfree_sensitive|kfree_rcu|kmem_cache_free)$";
identifier h =~ "^(free_netdev|mmc_free_host|ieee80211_free_hw)$";
expression e, b, d;
@@
r(...) {
	... when any
* c
  (\(&e->f\|&e.f\))
	... when != a(\(&b->f\|&b.f\))
	    when != w(...)
	qf(...)
	... when != a(\(&d->f\|&d.f\))
	    when != w(...)
(
	g(..., e, ...)
|
	h(...)
)
	... when any
}

// A timer that is deleted before the work that arms it: the other order of these two.
@deleter exists@
identifier t, r;
identifier v =~ "^(del_timer|timer_delete)(_sync)?$";
identifier c =~ "^(cancel|disable)_(delayed_)?work_sync$";
expression e;
@@
r(...) {
	... when any
	v(\(&e->t\|&e.t\))
	... when any
	c(...)
	... when any
}

@arms exists@
identifier qf, deleter.t;
identifier k =~ "^(mod_timer|add_timer|timer_reduce)$";
expression e;
@@
qf(...) {
	... when any
	k(\(&e->t\|&e.t\), ...)
	... when any
}

@armer exists@
identifier arms.qf, up;
@@
up(...) {
	... when any
	qf(...)
	... when any
}

@arm1@
identifier arms.qf, f;
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
expression x;
@@
i(\(&x->f\|&x.f\), qf)

@show_arm1 depends on arm1 exists@
identifier deleter.r, deleter.t, arm1.f;
identifier v =~ "^(del_timer|timer_delete)(_sync)?$";
identifier a =~ "^(del_timer|timer_delete|timer_shutdown)(_sync)?$";
identifier c =~ "^(cancel|disable)_(delayed_)?work_sync$";
identifier d =~ "^(cancel|disable)_(delayed_)?work(_sync)?$";
expression b, e, g, h, j;
@@
r(...) {
	... when != d(\(&g->f\|&g.f\))
* v
  (\(&b->t\|&b.t\))
	... when != a(\(&h->t\|&h.t\))
	c(\(&e->f\|&e.f\))
	... when != a(\(&j->t\|&j.t\))
}

@arm2@
identifier armer.up, f;
identifier i =~ "^INIT_(DELAYED_|DEFERRABLE_)?WORK$";
expression x;
@@
i(\(&x->f\|&x.f\), up)

@show_arm2 depends on arm2 exists@
identifier deleter.r, deleter.t, arm2.f;
identifier v =~ "^(del_timer|timer_delete)(_sync)?$";
identifier a =~ "^(del_timer|timer_delete|timer_shutdown)(_sync)?$";
identifier c =~ "^(cancel|disable)_(delayed_)?work_sync$";
identifier d =~ "^(cancel|disable)_(delayed_)?work(_sync)?$";
expression b, e, g, h, j;
@@
r(...) {
	... when != d(\(&g->f\|&g.f\))
* v
  (\(&b->t\|&b.t\))
	... when != a(\(&h->t\|&h.t\))
	c(\(&e->f\|&e.f\))
	... when != a(\(&j->t\|&j.t\))
}
