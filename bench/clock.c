// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark's clock, and work that takes as long as is wanted.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "bench.h"

static unsigned long work_loops = 1000;		/* a us */

#ifdef BENCH_OWN_CLOCK
static u64 clock_start;			/* in cycles */
static u64 clock_mult;			/* ns a cycle, times 2^32 */

static u64 clock_cycles(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return ((u64)high << 32 | low) - clock_start;
}

u64 bench_now(void)
{
	return mul_u64_u64_shr(clock_cycles(), clock_mult, 32);
}

/* One moment by both clocks: of a few, the one that the least came between. */
static u64 clock_both(u64 *cycles)
{
	u64 best = U64_MAX, moment = 0, before, now, ns;
	int i;

	for (i = 0; i < 50; i++) {
		before = ktime_get_ns();
		now = clock_cycles();
		ns = ktime_get_ns();
		if (ns - before < best) {
			best = ns - before;
			moment = ns;
			*cycles = now;
		}
	}
	return moment;
}

/* Against the clock that has steps, for so long that they are a millionth of it. */
static void clock_calibrate(void)
{
	u64 from, to, cycles;

	from = clock_both(&cycles);
	clock_start = cycles;
	do {
		to = clock_both(&cycles);
	} while (to - from < NSEC_PER_SEC / 4);
	clock_mult = mul_u64_u64_div_u64(to - from, 1ULL << 32, cycles);
}
#else
static void clock_calibrate(void)
{
}
#endif

static noinline void bench_spin(unsigned long n)
{
	while (n--)
		barrier();
}

void bench_work_us(unsigned int us)
{
	bench_spin(us * work_loops);
}

/* The quickest of a few is the one that nothing came between. */
void bench_calibrate(void)
{
	const unsigned long n = 100000;
	u64 best = U64_MAX, clock = U64_MAX, start;
	int i;

	clock_calibrate();
	for (i = 0; i < 20; i++) {
		start = bench_now();
		bench_spin(n);
		best = min(best, bench_now() - start);
		start = bench_now();
		clock = min(clock, bench_now() - start);
	}
	work_loops = max(div64_u64(n * NSEC_PER_USEC, max(best, 1ULL)), 1ULL);
	bench_rate("machine", "clock", "read", clock * 1000, "ns");
	bench_rate("machine", "loop", "us", work_loops * 1000, "loops");
}
