// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bgfuzz.h"
#include "user.h"

#define MOST_PROCESSES	64
#define MOST_THREADS	16
#define ERRORS		256
#define TOLD		10		/* errors that should not be */
#define SIGNAL_NS	20000000

/* Of all processes. */
static struct {
	_Atomic uint64_t calls;		/* that the driver may have seen */
	_Atomic uint64_t well[KINDS];
	_Atomic uint64_t errors[KINDS][ERRORS];	/* those that it may have */
	_Atomic uint32_t odd;		/* another error */
	_Atomic uint64_t of_calm[MOST_THREADS];
} *counts;

static struct device device;
static unsigned int processes = 4, threads = 3, kill_calls = 500, most_rest_ms;
static uint64_t seed;
static volatile sig_atomic_t ended;

static void usage(FILE *to)
{
	fputs("Usage: bgfuzz [-n CALLS] [-p PROCESSES] [-t THREADS] [-s SEED] [-k N] [-r MS]\n"
	      "              filter|edu [DEVICE]\n"
	      "\n"
	      "Makes random calls to /dev/bgfilter or /dev/edu0: valid ones, valid ones with a few\n"
	      "bits flipped, and nonsense. The threads of a process share its files and the memory\n"
	      "that they pass, so that both change while a call looks at them. Each thread gets a\n"
	      "signal every 20 ms, which ends its waits, and one of the processes is killed now and\n"
	      "then; but those of the first process get none, and each of its calls has to come back\n"
	      "by itself. A device that is not there is waited for.\n"
	      "\n"
	      "  -n CALLS      how many at least, all together, that reach the driver (100000): dup()\n"
	      "                and calls on a closed file do not count. It goes on until each kind\n"
	      "                of call has succeeded, and a signal has ended a wait, too\n"
	      "  -p PROCESSES  at a time (4; 2 to 64)\n"
	      "  -t THREADS    of each (3; at most 16)\n"
	      "  -s SEED       the same calls again, in each thread (default: the time). When\n"
	      "                they come, and what is in memory by then, is another matter\n"
	      "  -k N          kill a process after N such calls, and after N more, and so on (500)\n"
	      "  -r MS         rest up to MS ms after each call (0)\n"
	      "\n"
	      "A line every ten seconds says how far it is. Status 0 if no call failed with an\n"
	      "unexpected error, none hung, and the device works in the end. For anything else see\n"
	      "the kernel's log.\n", to);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static const struct kind *kind_of(unsigned int kind)
{
	return kind < FIRST_OF_DEVICE ? &common_kinds[kind] :
					&device.kinds[kind - FIRST_OF_DEVICE];
}

static bool may_fail_with(const struct kind *kind, int error)
{
	const int *one;

	for (one = kind->errors; *one; one++) {
		if (*one == error)
			return true;
	}
	return false;
}

/* Does the call reach the driver?  Some the kernel answers by itself. */
static bool is_drivers(unsigned int kind, long got, int error)
{
	return kind != DUP && kind != OTHER && (got >= 0 || error != EBADF);
}

long called(struct fuzzer *me, unsigned int kind, long got)
{
	int error = errno;

	if (is_drivers(kind, got, error))
		counts->calls++;
	if (me->calls)
		++*me->calls;
	if (got >= 0)
		counts->well[kind]++;
	else if (may_fail_with(kind_of(kind), error))
		counts->errors[kind][error % ERRORS]++;
	else if (counts->odd++ < TOLD)
		fprintf(stderr, "bgfuzz: %s failed with error %d (%s)\n", kind_of(kind)->name,
			error, strerror(error));
	return got;
}

void seen(unsigned int kind)
{
	counts->well[kind]++;
}

/* To this thread, as a process's own would nearly always go to its first one. */
static void want_signals(void)
{
	struct itimerspec time = {
		.it_interval.tv_nsec = SIGNAL_NS, .it_value.tv_nsec = SIGNAL_NS,
	};
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	timer_t timer;

	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &time, NULL)) {
		perror("bgfuzz: timer_create()");
		_exit(2);
	}
}

static void *run_thread(void *arg)
{
	struct fuzzer *me = arg;

	if (!me->calls)
		want_signals();
	for (;;) {
		any_call(me);
		if (most_rest_ms)
			usleep(below(me, 1000 * most_rest_ms));
	}
	return NULL;
}

static void run_process(unsigned int number, bool calm)
{
	struct sigaction action = { .sa_handler = on_signal };	/* no SA_RESTART */
	struct fuzzer fuzzers[MOST_THREADS] = { 0 };
	pthread_t thread;
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	memory_init();
	files_init();
	sigaction(SIGALRM, &action, NULL);
	for (i = 0; i < threads; i++)
		fuzzers[i] = (struct fuzzer){
			.random = seed + ((uint64_t)number << 32) + i, .device = &device,
			.calls = calm ? &counts->of_calm[i] : NULL,
		};
	for (i = 1; i < threads; i++) {
		errno = pthread_create(&thread, NULL, run_thread, &fuzzers[i]);
		if (errno) {
			perror("bgfuzz: pthread_create()");
			_exit(2);
		}
	}
	run_thread(&fuzzers[0]);
}

static pid_t start_process(bool calm)
{
	static unsigned int number;
	pid_t pid = fork();

	number++;
	if (!pid)
		run_process(number, calm);
	if (pid < 0) {
		perror("bgfuzz: fork()");
		exit(2);	/* and the others with it */
	}
	return pid;
}

/* It comes back from whatever calls it is in. */
static bool end_process(pid_t pid)
{
	time_t end = now() + patience();
	int status = 0;
	pid_t got;

	kill(pid, SIGKILL);
	for (;;) {
		got = waitpid(pid, &status, WNOHANG);
		if (got == pid || (got < 0 && errno != EINTR))
			break;
		if (now() > end) {
			fprintf(stderr, "bgfuzz: a process cannot be killed\n");
			return false;
		}
		usleep(1000);
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	fprintf(stderr, "bgfuzz: a process ended by itself, with status 0x%x\n", status);
	return false;
}

/* False if a call of the calm process does not come back. */
static bool goes_on(void)
{
	static uint64_t last[MOST_THREADS];
	static time_t moved[MOST_THREADS];
	unsigned int i;

	for (i = 0; i < threads; i++) {
		if (counts->of_calm[i] != last[i] || !moved[i]) {
			last[i] = counts->of_calm[i];
			moved[i] = now();
		} else if (now() - moved[i] > patience()) {
			fprintf(stderr, "bgfuzz: a call has not come back for %u seconds\n",
				patience());
			return false;
		}
	}
	return true;
}

/* What has to happen and has not yet, such as a kind of call that succeeds; or NULL. */
static const char *missing(void)
{
	unsigned int i;

	for (i = 0; i < FIRST_OF_DEVICE + device.nr_kinds; i++) {
		if (kind_of(i)->needed && !counts->well[i])
			return kind_of(i)->name;
	}
	return counts->errors[device.wait][EINTR] ? NULL : "a wait that a signal ends";
}

/* All that is to be done: true at last. */
static bool done(uint64_t most, time_t *since)
{
	if (counts->calls < most)
		return false;
	if (!*since)
		*since = now();
	return !missing() || now() - *since > patience();
}

static void tell_progress(uint64_t most)
{
	static time_t told;

	if (!told)
		told = now();
	if (now() - told < 10)
		return;
	told = now();
	printf("# %llu of %llu calls\n", (unsigned long long)counts->calls,
	       (unsigned long long)most);
	fflush(stdout);
}

/* Returns how many were killed, or -1. */
static int run_all(uint64_t most)
{
	pid_t pids[MOST_PROCESSES];
	uint64_t last = 0;
	time_t since = 0;
	bool well = true;
	int killed = 0;
	unsigned int i;

	for (i = 0; i < processes; i++)
		pids[i] = start_process(!i);
	while (well && !ended && !done(most, &since)) {
		usleep(10000);
		well = goes_on();
		tell_progress(most);
		if (counts->calls < last + kill_calls)
			continue;
		last = counts->calls;
		i = 1 + killed % (processes - 1);
		well = end_process(pids[i]) && well;
		pids[i] = start_process(false);
		killed++;
	}
	for (i = 0; i < processes; i++)
		well = end_process(pids[i]) && well;
	return well ? killed : -1;
}

/* What was asked of it before may have to be done first, and who was killed to be gone. */
static bool still_works(void)
{
	time_t end = now() + patience();

	do {
		if (device.works(device.path))
			return true;
		usleep(100000);
	} while (now() < end);
	fprintf(stderr, "bgfuzz: %s does not work any more\n", device.path);
	return false;
}

static void tell(int killed)
{
	unsigned int i, error;

	printf("# seed %llu: %llu calls, %d processes killed\n", (unsigned long long)seed,
	       (unsigned long long)counts->calls, killed);
	for (i = 0; i < FIRST_OF_DEVICE + device.nr_kinds; i++) {
		printf("# %s: %llu", kind_of(i)->name, (unsigned long long)counts->well[i]);
		for (error = 0; error < ERRORS; error++) {
			if (counts->errors[i][error])
				printf(", %s %llu", strerrorname_np(error),
				       (unsigned long long)counts->errors[i][error]);
		}
		printf("\n");
	}
	if (missing())
		fprintf(stderr, "bgfuzz: there was none: %s\n", missing());
}

static bool choose_device(int argc, char **argv)
{
	if (argc < 1 || argc > 2)
		return false;
	if (!strcmp(argv[0], device_filter.name))
		device = device_filter;
	else if (!strcmp(argv[0], device_edu.name))
		device = device_edu;
	else
		return false;
	if (argc > 1)
		device.path = argv[1];
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction end = { .sa_handler = on_end };
	uint64_t calls = 100000;
	int killed, opt;

	seed = time(NULL);
	while ((opt = getopt(argc, argv, "n:p:t:s:k:r:h")) != -1) {
		switch (opt) {
		case 'n':
			calls = number_or_exit(optarg, 1, UINT64_MAX);
			break;
		case 'p':
			processes = number_or_exit(optarg, 2, MOST_PROCESSES);
			break;
		case 't':
			threads = number_or_exit(optarg, 1, MOST_THREADS);
			break;
		case 's':
			seed = number_or_exit(optarg, 0, UINT64_MAX);
			break;
		case 'k':
			kill_calls = number_or_exit(optarg, 1, 1000000000);
			break;
		case 'r':
			most_rest_ms = number_or_exit(optarg, 0, 10000);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!choose_device(argc - optind, argv + optind)) {
		usage(stderr);
		return 2;
	}
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (counts == MAP_FAILED) {
		perror("bgfuzz: mmap()");
		return 2;
	}
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	errno = 0;
	if (nice(10) == -1 && errno)	/* whoever plugs a device in is not to be kept from it */
		perror("bgfuzz: nice()");
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	killed = run_all(calls);
	tell(killed);
	return killed < 0 || counts->odd || ended || missing() || !still_works();
}
