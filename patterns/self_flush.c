// SPDX-License-Identifier: GPL-2.0-only
/*
 * bugs: CVE-2024-26976 (kvm async_pf), CVE-2026-46304 (nvmet)
 * caught by: possible recursive locking detected
 * caught by: \(work_completion\)\(&vm->fault\)
 * before: the last put comes from the work, and the release flushes that very work
 * after: the work pins the memory it uses, not the VM; who cancels frees the VM
 */
#include <linux/kref.h>

#include "pattern.h"

PATTERN_GATE(reading);

/* A guest's memory: a process owns it, and it may outlive the VM. */
struct memory {
	struct kref kref;
	int pages;
};

static void memory_free(struct kref *kref)
{
	kfree(container_of(kref, struct memory, kref));
}

/* Before */

struct vm {
	struct kref kref;
	struct work_struct fault;
	struct memory *memory;
	int faults;
};

static void vm_free(struct kref *kref)
{
	struct vm *vm = container_of(kref, struct vm, kref);

	flush_work(&vm->fault);			/* the bug: it may be the caller */
	kref_put(&vm->memory->kref, memory_free);
	kfree(vm);
}

static void fault_fn(struct work_struct *ws)
{
	struct vm *vm = container_of(ws, struct vm, fault);

	pattern_hold(&reading);
	vm->memory->pages++;
	vm->faults++;
	kref_put(&vm->kref, vm_free);
}

static int before(void)
{
	struct workqueue_struct *wq = alloc_workqueue("pattern", WQ_UNBOUND, 0);
	struct vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	struct memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);

	if (!wq || !vm || !memory)
		return -ENOMEM;
	kref_init(&memory->kref);
	kref_init(&vm->kref);
	kref_get(&vm->kref);			/* put in fault_fn() */
	vm->memory = memory;
	INIT_WORK(&vm->fault, fault_fn);
	queue_work(wq, &vm->fault);
	pattern_await(&reading);
	kref_put(&vm->kref, vm_free);		/* close(): not the last one */
	pattern_open(&reading);
	destroy_workqueue(wq);
	return 0;
}

/* After */

struct token_vm {
	struct bgtoken *token;
	struct memory *memory;
	int faults;
};

static void token_fault_fn(struct bgtoken_work *work)
{
	struct memory *memory = NULL;

	scoped_cond_bgtoken(return, work->token, struct token_vm *, vm) {
		memory = vm->memory;
		kref_get(&memory->kref);
	}
	pattern_hold(&reading);
	memory->pages++;
	kref_put(&memory->kref, memory_free);
	scoped_bgtoken(work->token, struct token_vm *, vm)
		vm->faults++;
}

static int after(void)
{
	struct bgtoken_wq *wq = bgtoken_wq_create("pattern", WQ_UNBOUND, 0);
	struct token_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	struct memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);
	struct bgtoken_work *fault = kzalloc(sizeof(*fault), GFP_KERNEL);

	if (IS_ERR(wq) || !vm || !memory || !fault)
		return -ENOMEM;
	kref_init(&memory->kref);
	vm->memory = memory;
	vm->token = bgtoken_create(vm, BGTOKEN_MUTEX, GFP_KERNEL);
	if (IS_ERR(vm->token))
		return -ENOMEM;
	bgtoken_work_init(fault, vm->token, token_fault_fn, NULL);
	bgtoken_queue_work(wq, fault);
	bgtoken_work_put(fault);
	pattern_await(&reading);
	bgtoken_cancel(vm->token);		/* close() */
	pattern_expect(vm->faults == 0);
	bgtoken_put(vm->token);
	kfree(vm);
	pattern_open(&reading);
	bgtoken_wq_destroy(wq);			/* module exit */
	pattern_expect(memory->pages == 1);
	kref_put(&memory->kref, memory_free);	/* exit() of the process */
	return 0;
}

static const struct pattern self_flush = { before, after };

module_pattern(self_flush, "a last put that flushes the work it comes from");
