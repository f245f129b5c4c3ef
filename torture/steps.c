// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays between the steps of the library, which has no hooks for them: kprobes on randomly
 * picked instructions, whose handlers spin now and then.
 *
 * A preemption seldom falls into a window of a few instructions. A delay makes the window as wide
 * as itself, and a timer that has expired meanwhile preempts right after it.
 *
 * The functions are found by their names.  There are as many probes for each step from the start,
 * when the machine is idle; then threads move them, one at a time, as registering one may take a
 * second on an emulated machine whose CPUs are busy and go off and on.
 */
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/string.h>

#include "torture.h"

#define PROBES	4		/* for each step */
#define REACH	SZ_128K		/* of a module's text to either side, even with KASAN */
#define TRIES	100		/* most addresses are in the middle of an instruction */
#define LONG	200		/* one hit in this many takes a millisecond */

/* The step that a function belongs to is that of the first name that its own begins with. */
static const struct {
	const char *name;
	enum torture_count step;
} step_names[] = {
	{ "torture_visit", STEPS_INLINE },
	{ "__bgtoken_enter", STEPS_ENTER }, { "bgtoken_enter_", STEPS_ENTER },
	{ "__bgtoken_exit", STEPS_EXIT }, { "bgtoken_exit", STEPS_EXIT },
	{ "bgtoken_pause", STEPS_PAUSE }, { "bgtoken_resume", STEPS_PAUSE },
	{ "bgtoken_wq", STEPS_DRAIN }, { "bgtoken_expedite", STEPS_DRAIN },
	{ "bgtoken_wait_releases", STEPS_DRAIN }, { "bgtoken_barrier", STEPS_DRAIN },
	{ "bgtoken_cancel_work", STEPS_WORK }, { "bgtoken_refused", STEPS_WORK },
	{ "bgtoken_cancel", STEPS_CANCEL }, { "bgtoken_close", STEPS_CANCEL },
	{ "bgtoken_notify", STEPS_CANCEL }, { "bgtoken_refuse", STEPS_CANCEL },
	{ "bgtoken_wait", STEPS_CANCEL },
	{ "bgtoken_", STEPS_WORK },	/* works, waits, tokens: the rest */
	{ "bgcompile_", STEPS_COMPILE },
};

static struct step_function {
	unsigned long address, size;
	enum torture_count step;
} step_functions[200];
static unsigned int nr_step_functions;

static struct step_probe {
	struct kprobe kprobe;
	enum torture_count step;
	bool registered;
} step_probes[PROBES * TORTURE_STEPS];
static DEFINE_MUTEX(step_probes_lock);

static DEFINE_PER_CPU(struct rnd_state, step_rnd);

/* In a trap, one at a time on each CPU. */
static int step_delay(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct rnd_state *rnd = this_cpu_ptr(&step_rnd);

	torture_count(container_of(kprobe, struct step_probe, kprobe)->step);
	if (prandom_u32_state(rnd) % LONG)
		torture_delay(rnd, false);
	else
		mdelay(1);
	return 0;
}
NOKPROBE_SYMBOL(step_delay);

/*
 * Keeps the kernel from turning the trap into a jump, which waits until each task has slept; the
 * threads here may not sleep for minutes.
 */
static void step_delayed(struct kprobe *kprobe, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(step_delayed);

/* A random address in a random function of that step, or 0. */
static unsigned long step_find(struct torture_thread *me, enum torture_count step)
{
	struct step_function *function = step_functions, *picked = NULL;
	unsigned int n = 0;

	for (; function < &step_functions[nr_step_functions]; function++)
		if (function->step == step && torture_one_in(me, ++n))
			picked = function;
	return picked ? picked->address + torture_below(me, picked->size) : 0;
}

static void step_probe_remove(struct step_probe *probe)
{
	if (probe->registered)
		unregister_kprobe(&probe->kprobe);	/* waits for its handlers */
	probe->registered = false;
}

static void step_probe_place(struct torture_thread *me, struct step_probe *probe)
{
	enum torture_count step = STEPS_INLINE + (probe - step_probes) % TORTURE_STEPS;
	unsigned int tries;

	for (tries = 0; tries < TRIES && !probe->registered; tries++) {
		unsigned long address = step_find(me, step);

		if (!address)
			return;
		*probe = (struct step_probe){
			.kprobe.addr = (kprobe_opcode_t *)address,
			.kprobe.pre_handler = step_delay,
			.kprobe.post_handler = step_delayed,
			.step = step,
		};
		/* Refuses what does not begin an instruction, and what may not be probed. */
		probe->registered = !register_kprobe(&probe->kprobe);
	}
}

static void step_move(struct torture_thread *me)
{
	struct step_probe *probe = &step_probes[torture_below(me, ARRAY_SIZE(step_probes))];

	mutex_lock(&step_probes_lock);
	step_probe_remove(probe);
	step_probe_place(me, probe);
	mutex_unlock(&step_probes_lock);
	if (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
}

const struct torture_role torture_step_role = {
	.name = "delay", .threads = &torture_steps, .move = step_move,
};

static void step_add(const char *name, unsigned long address, unsigned long size)
{
	unsigned int i;

	for (i = 0; i < nr_step_functions; i++)
		if (step_functions[i].address == address)
			return;		/* looked around from elsewhere */
	for (i = 0; i < ARRAY_SIZE(step_names); i++)
		if (str_has_prefix(name, step_names[i].name))
			break;
	if (i < ARRAY_SIZE(step_names) && nr_step_functions < ARRAY_SIZE(step_functions))
		step_functions[nr_step_functions++] = (struct step_function){
			address, size, step_names[i].step };
}

/* The functions near @address; what belongs to others has other names. */
static void step_look_around(unsigned long address)
{
	unsigned long end = address + REACH, offset, size;
	char name[KSYM_SYMBOL_LEN];

	for (address -= REACH; address < end; address += size) {
		char *plus;

		sprint_symbol(name, address);		/* NAME+OFFSET/SIZE [MODULE] */
		plus = strchr(name, '+');
		if (plus && sscanf(plus, "+%lx/%lx", &offset, &size) == 2 && offset < size) {
			address -= offset;
			step_add(name, address, size);
		} else {
			size = 16;	/* nobody's */
		}
	}
}

void torture_steps_init(void)
{
	struct torture_thread me;
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu)
		prandom_seed_state(per_cpu_ptr(&step_rnd, cpu), get_random_u64());
	if (!torture_steps)
		return;
	step_look_around((unsigned long)bgtoken_cancel_nested);
	step_look_around((unsigned long)bgcompile_cancel_nested);
	step_look_around((unsigned long)torture_visit);
	prandom_seed_state(&me.rnd, get_random_u64());
	for (i = 0; i < ARRAY_SIZE(step_probes); i++)
		step_probe_place(&me, &step_probes[i]);
}

void torture_steps_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(step_probes); i++)
		step_probe_remove(&step_probes[i]);
}
