// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs, waits, polls and other calls on one file that must be refused.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "badinput.h"
#include "gen.h"

#define BAD_ADDRESS	8UL	/* in the page that nobody may map */
#define RAN		(BGFILTER_RAN_BASELINE | BGFILTER_RAN_TOP)

/* Runs the good set as spoiled: refused with @error, and good afterwards. */
static bool run_refused(struct bgfilter_run *arg, int error)
{
	return expect("the run", run(good_file(), arg), -error) &&
	       still_good(good_file());
}

static bool cap_len_large(void)
{
	static uint8_t packet[BGFILTER_MAX_PACKET + 1];
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.packet = (uintptr_t)packet;
	arg.cap_len = sizeof(packet);
	arg.wire_len = sizeof(packet);
	return run_refused(&arg, EMSGSIZE);
}

static bool cap_len_most(void)
{
	static uint8_t packet[BGFILTER_MAX_PACKET];
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	gen_packet(packet);
	arg.packet = (uintptr_t)packet;
	arg.cap_len = sizeof(packet);
	arg.wire_len = sizeof(packet);
	if (!expect("the run", run(good_file(), &arg), 0))
		return false;
	if (!(verdicts[2] & BGFILTER_MATCH) || !(verdicts[3] & BGFILTER_MATCH))
		return fail("IPv4 and the length did not match");
	return still_good(good_file());
}

/* A capture may say anything: the bytes are there, and "len" is what it says. */
static bool run_of_length(uint32_t wire_len, bool over_1000)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.wire_len = wire_len;
	if (!expect("the run", run(good_file(), &arg), 0))
		return false;
	if (!(verdicts[2] & BGFILTER_MATCH))
		return fail("IPv4 did not match");
	if (!(verdicts[3] & BGFILTER_MATCH) == over_1000)
		return fail("more than 1000 bytes on the wire: not so");
	return still_good(good_file());
}

static bool cap_len_over_wire_len(void)
{
	return run_of_length(0, false) && run_of_length(1, false) &&
	       run_of_length(GEN_PACKET_LEN - 1, false);
}

static bool wire_len_top_bit(void)
{
	return run_of_length(0x80000000, true) &&
	       run_of_length(0x80000000 + GEN_PACKET_LEN, true) &&
	       run_of_length(0xffffffff, true);
}

static bool cap_len_0(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.cap_len = 0;
	if (!expect("the run", run(good_file(), &arg), 0))
		return false;
	if (!(verdicts[0] & BGFILTER_MATCH))
		return fail("a filter that loads nothing did not match");
	if (!(verdicts[2] & RAN) || verdicts[2] & BGFILTER_MATCH)
		return fail("a filter that loads bytes matched none");
	return still_good(good_file());
}

static bool wire_len_is_length(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.wire_len = 1001;
	if (!expect("the run", run(good_file(), &arg), 0))
		return false;
	if (!(verdicts[3] & BGFILTER_MATCH))
		return fail("more than 1000 bytes on the wire did not match");
	return still_good(good_file());
}

static bool verdicts_few(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.nr_verdicts = NR_GOOD - 1;
	return run_refused(&arg, EINVAL);
}

static bool verdicts_many(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.nr_verdicts = NR_GOOD + 1;
	return run_refused(&arg, EINVAL);
}

static bool verdicts_none(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.nr_verdicts = 0;
	return run_refused(&arg, EINVAL);
}

static bool tier_unknown(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.tier = BGFILTER_TIER_TOP << 1;
	return run_refused(&arg, EINVAL);
}

static bool tier_two(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.tier = BGFILTER_TIER_BASELINE | BGFILTER_TIER_TOP;
	return run_refused(&arg, EINVAL);
}

static bool verdicts_bad(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.verdicts = BAD_ADDRESS;
	return run_refused(&arg, EFAULT);
}

static bool packet_bad(void)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	arg.packet = BAD_ADDRESS;
	return run_refused(&arg, EFAULT);
}

static bool run_bad(void)
{
	return expect("the run", run(good_file(), (void *)BAD_ADDRESS),
		      -EFAULT) && still_good(good_file());
}

static bool progress_bad(void)
{
	return expect("the call",
		      get_progress(good_file(), (void *)BAD_ADDRESS),
		      -EFAULT) && still_good(good_file());
}

/* Runs @test on a file of its own, with nothing loaded. */
static bool on_new_file(bool (*test)(int fd))
{
	int fd = open_device();
	bool ok;

	if (fd < 0)
		return expect("the open", fd, 0);
	ok = test(fd);
	close(fd);
	return ok;
}

static bool nothing_to_run(int fd)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	return expect("the run", run(fd, &arg), -ENODATA);
}

static bool run_without_load(void)
{
	return on_new_file(nothing_to_run);
}

static bool nothing_to_report(int fd)
{
	struct bgfilter_progress progress;

	return expect("the call", get_progress(fd, &progress), -ENODATA);
}

static bool progress_without_load(void)
{
	return on_new_file(nothing_to_report);
}

static bool nothing_to_wait_for(int fd)
{
	return expect("the wait", wait_event(fd, BGFILTER_EVENT_TOP), -ENODATA);
}

static bool wait_without_load(void)
{
	return on_new_file(nothing_to_wait_for);
}

static bool refused_load_is_no_load(int fd)
{
	struct bgfilter_load arg = { .nr_progs = 0 };

	return expect("the load", load(fd, &arg), -EINVAL) &&
	       nothing_to_run(fd) && nothing_to_report(fd) &&
	       nothing_to_wait_for(fd);
}

static bool first_load_refused(void)
{
	return on_new_file(refused_load_is_no_load);
}

static bool no_poll_in(int fd)
{
	return poll_in(fd, 0) ? fail("poll() reports POLLIN") : true;
}

static bool poll_without_load(void)
{
	return on_new_file(no_poll_in);
}

static bool unknown_ioctl(unsigned long cmd)
{
	int ret = ioctl(good_file(), cmd, 0) < 0 ? -errno : 0;

	return expect("the call", ret, -ENOTTY) && still_good(good_file());
}

static bool ioctl_number(void)
{
	return unknown_ioctl(_IO('F', 0xff));
}

static bool ioctl_type(void)
{
	return unknown_ioctl(_IO('f', 0xb3));
}

static bool ioctl_size(void)
{
	return unknown_ioctl(_IOW('F', 0xb1, uint32_t));
}

static bool wait_for_0(void)
{
	return expect("the wait", wait_event(good_file(), 0), -EINVAL);
}

static bool wait_for_unknown(void)
{
	return expect("the wait", wait_event(good_file(), 1 << 3), -EINVAL);
}

static bool wait_for_wide(void)
{
	return expect("the wait",
		      wait_event(good_file(),
				 1UL << 32 | BGFILTER_EVENT_BASELINE),
		      -EINVAL);
}

static bool no_read(void)
{
	char byte;
	int ret = read(good_file(), &byte, 1) < 0 ? -errno : 0;

	return expect("read()", ret, -EINVAL) && still_good(good_file());
}

static bool no_write(void)
{
	int ret = write(good_file(), "", 1) < 0 ? -errno : 0;

	return expect("write()", ret, -EINVAL) && still_good(good_file());
}

static bool event_polls_in(int fd)
{
	struct bgfilter_progress before, after;

	if (!expect("the load", load_long(fd, NR_LONG, 0), 0))
		return false;
	if (!poll_in(fd, deadline_ms()))
		return fail("poll() does not report POLLIN");
	if (!expect("the call", get_progress(fd, &before), 0))
		return false;
	if (!(before.events & BGFILTER_EVENT_BASELINE))
		return fail("POLLIN came without an event");
	/* The last event may come at any moment; else there is nothing new. */
	if (!poll_in(fd, 0))
		return true;
	if (!expect("the call", get_progress(fd, &after), 0))
		return false;
	if (after.events == before.events)
		return fail("POLLIN stays when the event was reported");
	return no_poll_in(fd);
}

static bool poll_event(void)
{
	return on_new_file(event_polls_in);
}

static bool last_event_polls_in(int fd)
{
	struct bgfilter_progress progress;

	if (!expect("the load", load_good(fd), 0) ||
	    !expect("the wait", wait_event(fd, BGFILTER_EVENT_TOP), 0))
		return false;
	if (!poll_in(fd, deadline_ms()))
		return fail("poll() does not report POLLIN");
	if (!expect("the call", get_progress(fd, &progress), 0))
		return false;
	return no_poll_in(fd);
}

static bool poll_reported(void)
{
	return on_new_file(last_event_polls_in);
}

static bool loads_again(int fd)
{
	static const struct bpf_insn insns[] = { STMT(BPF_RET | BPF_K, 0) };
	/* The same number of programs, and none of them matches. */
	static const struct bgfilter_prog progs[NR_GOOD] = {
		{ 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 },
	};
	struct bgfilter_load second = {
		.progs = (uintptr_t)progs,
		.insns = (uintptr_t)insns,
		.nr_progs = NR_GOOD,
		.nr_insns = 1,
	};
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	if (!expect("the first load", load_good(fd), 0) || !still_good(fd) ||
	    !expect("the second load", load(fd, &second), 0) ||
	    !expect("the wait", wait_event(fd, BGFILTER_EVENT_BASELINE), 0) ||
	    !expect("the run", run(fd, &arg), 0))
		return false;
	for (int i = 0; i < NR_GOOD; i++)
		if (!(verdicts[i] & RAN) || verdicts[i] & BGFILTER_MATCH)
			return fail("program %d does not run the new code", i);
	return true;
}

static bool second_load(void)
{
	return on_new_file(loads_again);
}

static bool replaces_compiling(int fd)
{
	struct bgfilter_progress progress;

	if (!expect("the first load", load_long(fd, NR_LONG, 0), 0) ||
	    !expect("the second load", load_good(fd), 0) ||
	    !expect("the call", get_progress(fd, &progress), 0))
		return false;
	if (progress.total[0] != NR_GOOD)
		return fail("progress is of %u units", progress.total[0]);
	return still_good(fd);
}

static bool load_while_compiling(void)
{
	return on_new_file(replaces_compiling);
}

/* Verdicts of @n programs: of those that ran, a match; of the rest, none. */
static bool run_some(int fd, uint8_t *verdicts, uint32_t n, uint32_t *ran)
{
	struct bgfilter_run arg = good_run(verdicts);

	memset(verdicts, 0xff, n);
	arg.nr_verdicts = n;
	if (!expect("the run", run(fd, &arg), 0))
		return false;
	*ran = 0;
	for (uint32_t i = 0; i < n; i++) {
		bool match = verdicts[i] & BGFILTER_MATCH;

		if (verdicts[i] & ~(BGFILTER_MATCH | RAN))
			return fail("verdict %u is %#x", i, verdicts[i]);
		if (match != !!(verdicts[i] & RAN))
			return fail("program %u: ran, and no match, or the reverse",
				    i);
		*ran += match;
	}
	return true;
}

static bool runs_from_first(int fd)
{
	static uint8_t verdicts[NR_LONG];
	static struct bpf_insn insns[BGFILTER_MAX_PROG];
	static struct bgfilter_prog progs[NR_LONG];
	struct bgfilter_load arg = {
		.progs = (uintptr_t)progs,
		.insns = (uintptr_t)insns,
		.nr_progs = NR_LONG,
		.nr_insns = BGFILTER_MAX_PROG,
	};
	uint64_t deadline = now_ms() + deadline_ms();
	struct bgfilter_progress progress;
	uint32_t ran = 0;

	/* Long to compile, and matches at once. */
	gen_program(insns, BGFILTER_MAX_PROG, 1);
	insns[0] = (struct bpf_insn)STMT(BPF_RET | BPF_K, 1);
	for (uint32_t i = 0; i < NR_LONG; i++)
		progs[i].len = BGFILTER_MAX_PROG;
	if (!expect("the load", load(fd, &arg), 0))
		return false;
	while (ran < NR_LONG) {
		uint32_t done;

		if (!expect("the call", get_progress(fd, &progress), 0))
			return false;
		done = progress.done[0];
		if (!run_some(fd, verdicts, NR_LONG, &ran))
			return false;
		if (ran < done)
			return fail("%u published, and %u ran", done, ran);
		if (now_ms() > deadline)
			return fail("%u of %u ran in time", ran, NR_LONG);
	}
	return true;
}

static bool partial_set(void)
{
	return on_new_file(runs_from_first);
}

static bool no_top_code(int fd)
{
	uint8_t verdicts[NR_LONG];
	struct bgfilter_run arg = good_run(verdicts);

	if (!expect("the load",
		    load_long(fd, NR_GOOD, BGFILTER_TIER_BASELINE), 0) ||
	    !expect("the wait", wait_event(fd, BGFILTER_EVENT_BASELINE), 0))
		return false;
	arg.tier = BGFILTER_TIER_TOP;
	if (!expect("the run", run(fd, &arg), 0))
		return false;
	for (int i = 0; i < NR_GOOD; i++)
		if (verdicts[i])
			return fail("verdict %d is %#x", i, verdicts[i]);
	return true;
}

static bool forced_tier_without_code(void)
{
	return on_new_file(no_top_code);
}

const struct test file_tests[] = {
	{ "a packet of 262145 captured bytes is too long", cap_len_large },
	{ "a packet of 262144 captured bytes is run", cap_len_most },
	{ "a length of less than was captured is taken as it is", cap_len_over_wire_len },
	{ "a length with its top bit set is taken as it is", wire_len_top_bit },
	{ "a packet of 0 captured bytes matches no filter that loads", cap_len_0 },
	{ "the length is that on the wire", wire_len_is_length },
	{ "too few verdicts are refused", verdicts_few },
	{ "too many verdicts are refused", verdicts_many },
	{ "0 verdicts are refused", verdicts_none },
	{ "a run in an unknown tier is refused", tier_unknown },
	{ "a run in two tiers is refused", tier_two },
	{ "verdicts at a bad address are a fault", verdicts_bad },
	{ "a packet at a bad address is a fault", packet_bad },
	{ "a run structure at a bad address is a fault", run_bad },
	{ "a progress structure at a bad address is a fault", progress_bad },
	{ "a run with nothing loaded finds no data", run_without_load },
	{ "progress with nothing loaded finds no data", progress_without_load },
	{ "a wait with nothing loaded finds no data", wait_without_load },
	{ "a refused first load leaves nothing loaded", first_load_refused },
	{ "poll() reports nothing with nothing loaded", poll_without_load },
	{ "an ioctl of an unknown number is refused", ioctl_number },
	{ "an ioctl of another type is refused", ioctl_type },
	{ "an ioctl of another size is refused", ioctl_size },
	{ "a wait for event 0 is refused", wait_for_0 },
	{ "a wait for an unknown event is refused", wait_for_unknown },
	{ "a wait for an event of more than 32 bits is refused", wait_for_wide },
	{ "read() is refused", no_read },
	{ "write() is refused", no_write },
	{ "poll() reports an event until progress has reported it", poll_event },
	{ "poll() reports nothing once the last event is reported", poll_reported },
	{ "a second load replaces the first", second_load },
	{ "a load replaces a set that is still compiling", load_while_compiling },
	{ "verdicts come from the first baseline result on", partial_set },
	{ "a forced tier without code gives no verdict", forced_tier_without_code },
};

const size_t nr_file_tests = ARRAY_SIZE(file_tests);
