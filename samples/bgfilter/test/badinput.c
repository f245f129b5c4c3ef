// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgfilter-badinput: gives /dev/bgfilter what it must refuse, and looks whether
 * the set that was there before stays in use; and what is odd and must be taken.
 * Speaks TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "badinput.h"
#include "gen.h"
#include "user.h"

static const char *device = "/dev/bgfilter";
static char reason[400];
static int good_fd;

bool fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (!*reason)
		vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	return false;
}

static const char *outcome(int ret)
{
	const char *name = strerrorname_np(-ret);

	return ret == 0 ? "success" : name ? name : "a value that is no errno";
}

bool expect(const char *what, int ret, int want)
{
	if (ret == want)
		return true;
	return fail("%s: %s, wanted %s", what, outcome(ret), outcome(want));
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

int open_device(void)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int do_ioctl(int fd, unsigned long cmd, unsigned long arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

int load(int fd, const struct bgfilter_load *load)
{
	return do_ioctl(fd, BGFILTER_LOAD, (uintptr_t)load);
}

int get_progress(int fd, struct bgfilter_progress *progress)
{
	return do_ioctl(fd, BGFILTER_GET_PROGRESS, (uintptr_t)progress);
}

int wait_event(int fd, unsigned long event)
{
	return do_ioctl(fd, BGFILTER_WAIT, event);
}

int run(int fd, struct bgfilter_run *run)
{
	return do_ioctl(fd, BGFILTER_RUN, (uintptr_t)run);
}

bool poll_in(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1 && pfd.revents & POLLIN;
}

static const struct bpf_insn good_insns[] = {
	/* 0: every packet */
	STMT(BPF_RET | BPF_K, 1),
	/* 1: none */
	STMT(BPF_RET | BPF_K, 0),
	/* 2, 4 instructions: IPv4 */
	STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 1),
	STMT(BPF_RET | BPF_K, 262144),
	STMT(BPF_RET | BPF_K, 0),
	/* 6, 4 instructions: more than 1000 bytes on the wire */
	STMT(BPF_LD | BPF_W | BPF_LEN, 0),
	JUMP(BPF_JMP | BPF_JGT | BPF_K, 1000, 0, 1),
	STMT(BPF_RET | BPF_K, 262144),
	STMT(BPF_RET | BPF_K, 0),
};

static const struct bgfilter_prog good_progs[NR_GOOD] = {
	{ 0, 1 }, { 1, 1 }, { 2, 4 }, { 6, 4 },
};

static const uint8_t good_matches[NR_GOOD] = {
	BGFILTER_MATCH, 0, BGFILTER_MATCH, 0,
};

int good_file(void)
{
	return good_fd;
}

static int begin_good(int fd)
{
	struct bgfilter_load arg = {
		.progs = (uintptr_t)good_progs,
		.insns = (uintptr_t)good_insns,
		.nr_progs = NR_GOOD,
		.nr_insns = ARRAY_SIZE(good_insns),
	};

	return load(fd, &arg);
}

int load_good(int fd)
{
	int ret = begin_good(fd);

	return ret ? ret : wait_event(fd, BGFILTER_EVENT_BASELINE);
}

struct bgfilter_run good_run(uint8_t verdicts[NR_GOOD])
{
	static uint8_t packet[GEN_PACKET_LEN];

	gen_packet(packet);
	memset(verdicts, 0xff, NR_GOOD);
	return (struct bgfilter_run){
		.packet = (uintptr_t)packet,
		.verdicts = (uintptr_t)verdicts,
		.cap_len = GEN_PACKET_LEN,
		.wire_len = GEN_PACKET_LEN,
		.nr_verdicts = NR_GOOD,
	};
}

bool still_good(int fd)
{
	uint8_t verdicts[NR_GOOD];
	struct bgfilter_run arg = good_run(verdicts);

	if (!expect("a run of the good set", run(fd, &arg), 0))
		return false;
	for (int i = 0; i < NR_GOOD; i++) {
		if (!(verdicts[i] & (BGFILTER_RAN_BASELINE | BGFILTER_RAN_TOP)))
			return fail("good program %d did not run", i);
		if ((verdicts[i] & BGFILTER_MATCH) != good_matches[i])
			return fail("good program %d gave the wrong verdict",
				    i);
	}
	return true;
}

int load_long(int fd, uint32_t n, uint32_t tiers)
{
	static struct bpf_insn insns[BGFILTER_MAX_PROG];
	static struct bgfilter_prog progs[BGFILTER_MAX_FILTERS];
	struct bgfilter_load arg = {
		.progs = (uintptr_t)progs,
		.insns = (uintptr_t)insns,
		.nr_progs = n,
		.nr_insns = BGFILTER_MAX_PROG,
		.tiers = tiers,
	};

	gen_program(insns, BGFILTER_MAX_PROG, 1);
	for (uint32_t i = 0; i < n; i++)
		progs[i] = (struct bgfilter_prog){ 0, BGFILTER_MAX_PROG };
	return load(fd, &arg);
}

int count_sets(void)
{
	FILE *f = fopen("/sys/module/bgfilter/parameters/sets", "r");
	int n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

unsigned int deadline_ms(void)
{
	return 1000 * patience();
}

bool sets_become(int want)
{
	uint64_t deadline = now_ms() + deadline_ms();
	int n;

	if (want < 0)
		return fail("the module's parameter \"sets\" cannot be read");
	while ((n = count_sets()) != want) {
		if (now_ms() > deadline)
			return fail("%d sets after %d s, wanted %d", n,
				    deadline_ms() / 1000, want);
		poll(NULL, 0, 1);
	}
	return true;
}

static const char *skipped;

bool skip(const char *why)
{
	skipped = why;
	return true;
}

static unsigned int run_tests(const struct test *tests, size_t n,
			      unsigned int *number)
{
	unsigned int failed = 0;

	for (size_t i = 0; i < n; i++) {
		reason[0] = '\0';
		skip(NULL);
		if (tests[i].run()) {
			printf("ok %u - %s%s%s\n", ++*number, tests[i].sentence,
			       skipped ? " # SKIP " : "", skipped ?: "");
			continue;
		}
		failed++;
		printf("not ok %u - %s # %s\n", ++*number, tests[i].sentence,
		       reason);
	}
	return failed;
}

static void bail_out(const char *what, int ret)
{
	printf("Bail out! %s: %s\n", what, strerror(-ret));
	exit(3);
}

/*
 * The good set, and then again in its own place.  A load that fails leaves the set before it in
 * use; it is said why only if that is so.
 */
static int replace(void)
{
	const char *what = "open";
	int fd = open_device(), ret = fd;

	if (fd >= 0) {
		what = "the first load";
		ret = load_good(fd);
	}
	if (!ret) {
		what = "the second load";
		ret = begin_good(fd);
		if (!ret)
			ret = wait_event(fd, BGFILTER_EVENT_BASELINE);
		else if (!still_good(fd))
			return 1;
	}
	if (ret < 0)
		fprintf(stderr, "bgfilter-badinput: %s: %s\n", what, strerror(-ret));
	return ret < 0;
}

static const char help[] =
"Usage: bgfilter-badinput [--programs N] [DEVICE]\n"
"       bgfilter-badinput --replace\n"
"\n"
"Gives DEVICE (/dev/bgfilter) what it must refuse, and checks that it does and\n"
"that the set that was loaded before stays in use.  Run it as root.\n"
"\n"
"  --programs N  random programs that are compared with libpcap, 20 to 1000\n"
"                (default 1000): on a debug kernel each takes a while\n"
"  --replace     only loads a set, and then another in its place; prints nothing, or\n"
"                why not, if the first was in use then\n"
"\n"
"Prints TAP.  Exit codes: 0 all ok; 1 not all; 2 usage; 3 no device, or the\n"
"output cannot be written.\n";

int main(int argc, char **argv)
{
	unsigned int number = 0, failed = 0;
	char *end = "";
	int ret;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--replace"))
		return replace();
	if (argc > 2 && !strcmp(argv[1], "--programs")) {
		nr_same_programs = strtoul(argv[2], &end, 10);
		argc -= 2;
		argv += 2;
	}
	if (argc > 2 || (argc > 1 && argv[1][0] == '-') || *end ||
	    nr_same_programs < 20 || nr_same_programs > MAX_SAME_PROGRAMS) {
		fputs(help, stderr);
		return 2;
	}
	if (argc > 1)
		device = argv[1];
	/* Forked children must not print what is still in the buffer. */
	setvbuf(stdout, NULL, _IOLBF, 0);

	good_fd = open_device();
	if (good_fd < 0)
		bail_out(device, good_fd);
	ret = load_good(good_fd);
	if (ret)
		bail_out("the good set is not accepted", ret);

	printf("1..%zu\n", nr_load_tests + nr_file_tests + nr_same_tests +
	       nr_life_tests);
	failed += run_tests(load_tests, nr_load_tests, &number);
	failed += run_tests(file_tests, nr_file_tests, &number);
	failed += run_tests(same_tests, nr_same_tests, &number);
	failed += run_tests(life_tests, nr_life_tests, &number);
	printf("# %u passed, %u failed\n", number - failed, failed);
	if (fflush(stdout) || ferror(stdout))
		return 3;
	return failed ? 1 : 0;
}
