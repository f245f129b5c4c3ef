// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2024-26976 (kvm)
 * caught by: #PF: supervisor instruction fetch in kernel mode
 * caught by: last unloaded: pattern_text_gone
 * before: the module is removed while a work sleeps in its text
 * after: module exit destroys the background workqueue, which waits for what runs
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/lockdep.h>

#include "pattern.h"

/*
 * A sleep, as a gate would lie in the module, too, and there is nobody left to open
 * it.  Far longer than it takes to free the module once its exit has returned.
 */
#define FAULT_MS	10000

PATTERN_GATE(faulting);

/* Before */

struct vm {
	struct kref kref;
	struct work_struct fault;
};

static struct vm *the_vm;

static void vm_free(struct kref *kref)
{
	kfree(container_of(kref, struct vm, kref));
}

static void fault_fn(struct work_struct *ws)
{
	struct vm *vm = container_of(ws, struct vm, fault);

	pattern_hold(&faulting);
	msleep(FAULT_MS);
	kref_put(&vm->kref, vm_free);	/* the memory is there, the text is not */
}

static int before(void)
{
	the_vm = kzalloc(sizeof(*the_vm), GFP_KERNEL);
	if (!the_vm)
		return -ENOMEM;
	kref_init(&the_vm->kref);
	INIT_WORK(&the_vm->fault, fault_fn);
#ifdef CONFIG_LOCKDEP
	/* The key goes with the module, too, and lockdep would notice that first. */
	lockdep_init_map(&the_vm->fault.lockdep_map, "fault",
			 &__lockdep_no_validate__, 0);
#endif
	kref_get(&the_vm->kref);		/* put in fault_fn() */
	queue_work(compat_unbound_wq, &the_vm->fault);
	pattern_await(&faulting);
	return 0;
}

static void before_exit(void)
{
	pattern_open(&faulting);
	kref_put(&the_vm->kref, vm_free);		/* no flush: the bug */
}

/* After */

struct token_vm {
	struct bgtoken *token;
	int faults;
};

static struct bgtoken_wq *wq;
static struct token_vm *token_vm;
static bool returned;

static void token_fault_fn(struct bgtoken_work *work)
{
	pattern_hold(&faulting);
	bgtoken_sleep(work->token, msecs_to_jiffies(FAULT_MS));	/* cut short */
	scoped_bgtoken(work->token, struct token_vm *, vm)
		vm->faults++;
	returned = true;
}

static int after(void)
{
	struct bgtoken_work *fault = kzalloc(sizeof(*fault), GFP_KERNEL);

	wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	token_vm = kzalloc(sizeof(*token_vm), GFP_KERNEL);
	if (IS_ERR(wq) || !token_vm || !fault)
		return -ENOMEM;
	token_vm->token = bgtoken_create(token_vm, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(token_vm->token))
		return -ENOMEM;
	bgtoken_work_init(fault, token_vm->token, token_fault_fn, NULL);
	bgtoken_queue_work(wq, fault);
	bgtoken_work_put(fault);
	pattern_await(&faulting);
	return 0;
}

static void after_exit(void)
{
	bgtoken_cancel(token_vm->token);
	bgtoken_put(token_vm->token);
	kfree(token_vm);
	pattern_open(&faulting);
	bgtoken_wq_destroy(wq);
	pattern_expect(returned);
}

static const struct pattern text_gone = {
	before, after, .before_exit = before_exit, .after_exit = after_exit,
};

module_pattern(text_gone, "a work sleeps in a module that is removed");
