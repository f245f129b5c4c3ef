// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays between the steps of the library, which has no hooks for them: kprobes on randomly
 * picked instructions, different ones every few seconds, whose handlers spin now and then.
 *
 * A preemption seldom falls into a window of a few instructions. A delay makes the window as wide
 * as itself, and a timer that has expired meanwhile preempts right after it.
 *
 * A thread registers its own probes and unregisters them, which waits for their handlers.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "torture.h"

#define PROBES	16
#define REACH	SZ_128K		/* of the modules' text to either side, even with KASAN */
#define TRIES	2000		/* most addresses are in the middle of an instruction */
#define PERIOD	(2 * HZ)	/* a probe is expensive: it changes text on all CPUs at once */

static DEFINE_PER_CPU(struct rnd_state, step_rnd);

/* In a trap, one at a time on each CPU. */
static int step_delay(struct kprobe *probe, struct pt_regs *regs)
{
	torture_count(STEPS);
	torture_delay(this_cpu_ptr(&step_rnd), false);
	return 0;
}
NOKPROBE_SYMBOL(step_delay);

/*
 * Returns whether @address is in the text of @module, or, if that is built in, of a function with
 * @prefix; only names tell.
 */
static bool is_in(unsigned long address, const char *module, const char *prefix)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol(name, address);
	return strstr(name, module) || str_has_prefix(name, prefix);
}

/* An address in the library, or 0. */
static unsigned long step_find(struct torture_thread *me)
{
	/* Most often it is the locks that are interesting. */
	bool compile = torture_one_in(me, 3);
	unsigned long address = compile ? (unsigned long)bgcompile_cancel :
					  (unsigned long)bgtoken_cancel;

	address = address - REACH + torture_below(me, 2 * REACH);
	if (compile ? is_in(address, "[bgcompile]", "bgcompile_") :
		      is_in(address, "[bgtoken]", "bgtoken_"))
		return address;
	return 0;
}

static void step_move(struct torture_thread *me)
{
	struct kprobe *probes = kcalloc(PROBES, sizeof(*probes), GFP_KERNEL);
	unsigned int i, tries, n = 0;

	for (tries = 0; probes && n < PROBES && tries < TRIES; tries++) {
		unsigned long address = step_find(me);

		if (!address)
			continue;
		probes[n] = (struct kprobe){
			.addr = (kprobe_opcode_t *)address,
			.pre_handler = step_delay,
		};
		/* Refuses what does not begin an instruction, and what may not be probed. */
		if (!register_kprobe(&probes[n]))
			n++;
	}
	if (!kthread_should_stop())
		schedule_timeout_interruptible(PERIOD);
	for (i = 0; i < n; i++)
		unregister_kprobe(&probes[i]);
	kfree(probes);
}

const struct torture_role torture_step_role = {
	.name = "delay", .threads = &torture_steps, .move = step_move,
};

void torture_steps_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		prandom_seed_state(per_cpu_ptr(&step_rnd, cpu), get_random_u64());
}
