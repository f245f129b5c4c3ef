// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgedu-load: many users of a device that comes and goes.  Each opens it, asks for
 * factorials, reads, polls, closes, and is killed at any time; and checks whatever it is
 * told.  See usage().
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bgedu_uapi.h"
#include "user.h"

#define MAX_USERS	256
#define REST		16	/* times as long as a call kept a CPU busy */
#define MOST_REST_US	5000000
#define NO_DEVICE_US	5000	/* between looks for one */

/* Shared by all of them. */
struct counts {
	_Atomic uint32_t right;		/* factorials */
	_Atomic uint32_t wrong;
	_Atomic uint32_t stuck;
	_Atomic uint32_t gone;		/* files that outlived the device */
	_Atomic uint32_t broken;	/* promises */
	_Atomic uint32_t opens;
	_Atomic uint32_t calls[MAX_USERS];	/* that each user came back from */
};

static struct counts *counts;
static const char *path = "/dev/edu0";
static unsigned int slow_one_in, most_rest_ms, kill_ms = 20;
static bool goes;
static volatile sig_atomic_t ended;

static void usage(FILE *to)
{
	fputs("Usage: bgedu-load [-n USERS] [-s N] [-g] [-r MS] [-k MS] [-t SECONDS] [DEVICE]\n"
	      "       bgedu-load -S [DEVICE]\n"
	      "\n"
	      "Has many processes open a device of bgedu's, ask it for factorials, read,\n"
	      "poll and close, while it is plugged in and out, and checks every answer. One\n"
	      "half of them is killed now and then; of the other, no call may last for ever.\n"
	      "A device that is not there is waited for. They are nice, so that who plugs\n"
	      "it in is not kept from it.\n"
	      "\n"
	      "  -n USERS    processes at a time (16; at most 256)\n"
	      "  -s N        one factorial in N is of a number that the device is stuck on\n"
	      "              (default 0: none). One more is asked for in the end, and has to\n"
	      "              be given up\n"
	      "  -g          the device goes at times, and some file has to outlive it\n"
	      "  -r MS       sleep up to MS ms after each call, and 16 times as long as it kept a\n"
	      "              CPU busy (default 0: they take all CPUs of a slow machine)\n"
	      "  -k MS       pick a user every MS ms, and kill it if it is of that half (20)\n"
	      "  -t SECONDS  how long (default: until SIGTERM or SIGINT)\n"
	      "  -S          only print what the device has done since it was plugged in\n"
	      "\n"
	      "DEVICE is /dev/edu0 if it is not given. Ends with a line of figures, and status\n"
	      "0 if some answers came, all were right, and no promise was broken.\n", to);
}

static void on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static uint32_t factorial(uint32_t n)
{
	uint32_t result = 1;

	if (n >= 34)
		return 0;	/* 2^32 is a factor */
	for (; n > 1; n--)
		result *= n;
	return result;
}

static void broken(const char *what, int got)
{
	counts->broken++;
	fprintf(stderr, "bgedu-load: %s: %d (%s)\n", what, got, strerror(errno));
}

/* One file. */
struct user {
	int fd;
	bool asked;
	uint32_t number;
};

static bool went(int got)
{
	return got < 0 && errno == ENODEV;
}

static uint32_t some_number(void)
{
	if (slow_one_in && !(rand() % slow_one_in))
		return UINT32_MAX;
	return rand() % 4 ? rand() % 40 : rand() % 10000000;
}

static bool ask(struct user *user)
{
	uint32_t number = some_number();
	char text[16];
	int len = snprintf(text, sizeof(text), "%" PRIu32, number);
	int got = write(user->fd, text, len);

	if (got == len) {
		user->asked = true;
		user->number = number;
	} else if (!went(got) && !(got < 0 && errno == EBUSY && user->asked)) {
		broken("write()", got);
	}
	return went(got);
}

static void check_answer(struct user *user, const char *text, int len)
{
	char *end;
	uint32_t result = strtoul(text, &end, 10);

	if (!user->asked || len < 2 || *end != '\n' || result != factorial(user->number)) {
		counts->wrong++;
		fprintf(stderr, "bgedu-load: %" PRIu32 "! = %.*s\n", user->number, len, text);
	} else {
		counts->right++;
	}
	user->asked = false;
}

static bool answer(struct user *user)
{
	char text[16] = "";
	int got = read(user->fd, text, sizeof(text) - 1);

	if (got > 0) {
		check_answer(user, text, got);
	} else if (got < 0 && errno == ETIMEDOUT && user->asked) {
		user->asked = false;
		counts->stuck++;
	} else if (!went(got) && !(got == 0 && !user->asked) &&
		   !(got < 0 && errno == EAGAIN && user->asked)) {
		broken("read()", got);
	}
	return went(got);
}

static bool try_answer(struct user *user)
{
	bool gone;

	fcntl(user->fd, F_SETFL, O_NONBLOCK);
	gone = answer(user);
	fcntl(user->fd, F_SETFL, 0);
	return gone;
}

/*
 * A host that is busy gives each CPU of a virtual machine the same, whoever runs on it: so
 * users keep whoever plugs the device in from it, however nice they are.  They rest for as
 * long as they were busy, times REST, which leaves most of a machine alone, fast or slow.
 */
static uint64_t busy_us;	/* of this process, when it last rested */

static void rest(unsigned int least_us)
{
	struct timespec now;
	uint64_t us = 0;

	if (most_rest_ms && !clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)) {
		uint64_t before = busy_us;

		busy_us = now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
		us = REST * (busy_us - before);
	}
	usleep(least_us + (us < MOST_REST_US ? us : MOST_REST_US));
}

/* For ever, if that is what it takes: until there is an answer, or the device is gone. */
static int some_time(void)
{
	return rand() % 2 ? rand() % 50 : -1;
}

/* cppcheck-suppress constParameterCallback ; as the other deeds[] */
static bool wait_poll(struct user *user)
{
	struct pollfd poll_fd = { .fd = user->fd, .events = POLLIN | POLLOUT };
	int got = poll(&poll_fd, 1, some_time());

	if (got < 0 || (poll_fd.revents & POLLIN && !user->asked))
		broken("poll()", got < 0 ? got : poll_fd.revents);
	return got > 0 && poll_fd.revents & POLLHUP;
}

static bool wait_epoll(struct user *user)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	int epoll = epoll_create1(0);
	int got;

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, user->fd, &event) < 0)
		broken("epoll_ctl()", epoll);
	got = epoll_wait(epoll, &event, 1, some_time());
	if (got < 0 && errno != EINTR)	/* as when the machine was suspended */
		broken("epoll_wait()", got);
	close(epoll);
	return got > 0 && event.events & EPOLLHUP;
}

static bool ask_liveness(struct user *user)
{
	uint32_t sent = rand(), value = sent;
	int got = ioctl(user->fd, BGEDU_IOC_LIVENESS, &value);

	if (got ? !went(got) : value != ~sent)
		broken("BGEDU_IOC_LIVENESS", got);
	return went(got);
}

static bool ask_stats(struct user *user)
{
	struct bgedu_stats stats;
	int got = ioctl(user->fd, BGEDU_IOC_STATS, &stats);

	if (got && !went(got))
		broken("BGEDU_IOC_STATS", got);
	return went(got);
}

static bool try_mmap(struct user *user)
{
	const void *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, user->fd, 0);

	if (memory != MAP_FAILED || errno != ENODEV)
		broken("mmap()", 0);
	return false;
}

static bool (*const deeds[])(struct user *user) = {
	ask, ask, ask, answer, answer, try_answer, wait_poll, wait_epoll,
	ask_liveness, ask_stats, try_mmap,
};

#define N_DEEDS		(sizeof(deeds) / sizeof(deeds[0]))

/* From now on every call says so. */
static void check_gone(struct user *user)
{
	struct pollfd poll_fd = { .fd = user->fd, .events = POLLIN };
	struct bgedu_stats stats;
	char text[16];
	uint32_t value = 0;

	counts->gone++;
	if (!went(write(user->fd, "7", 1)))
		broken("write() to what is gone", 0);
	if (!went(read(user->fd, text, sizeof(text))))
		broken("read() from what is gone", 0);
	if (!went(ioctl(user->fd, BGEDU_IOC_LIVENESS, &value)) ||
	    !went(ioctl(user->fd, BGEDU_IOC_STATS, &stats)))
		broken("ioctl() of what is gone", 0);
	if (poll(&poll_fd, 1, -1) != 1 || !(poll_fd.revents & POLLHUP))
		broken("poll() of what is gone", poll_fd.revents);
}

static void use(int fd, _Atomic uint32_t *calls)
{
	struct user user = { .fd = fd };
	bool gone = false;

	counts->opens++;
	while (!gone && rand() % 50) {
		bool (*deed)(struct user *user) = deeds[rand() % N_DEEDS];

		gone = deed(&user);
		++*calls;
		if (!gone && most_rest_ms)
			rest(rand() % (1000 * most_rest_ms));
	}
	if (gone)
		check_gone(&user);
	close(fd);
}

static void run_user(unsigned int i, unsigned int seed)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	srand(seed);
	busy_us = 0;
	for (;;) {
		int fd = open(path, O_RDWR);

		if (fd >= 0)
			use(fd, &counts->calls[i]);
		else if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			rest(NO_DEVICE_US);
		else
			broken("open()", fd);
	}
}

static pid_t start_user(unsigned int i)
{
	static unsigned int seed;
	pid_t pid = fork();

	seed++;
	if (!pid)
		run_user(i, seed);
	if (pid < 0) {
		broken("fork()", pid);
		exit(1);	/* and the others with it */
	}
	return pid;
}

static void end_user(pid_t pid)
{
	int status;
	pid_t got;

	kill(pid, SIGKILL);
	do {
		got = waitpid(pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	if (got != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		broken("a user that ended by itself", status);
}

/* On a slow machine the device may just have come back, or a user not know that it went. */
static void await(const _Atomic uint32_t *count, const char *what)
{
	unsigned int looks;

	for (looks = 0; looks < patience() * 10 && !*count; looks++)
		usleep(100000);
	errno = 0;
	if (!*count)
		broken(what, 0);
}

static uint32_t setups_of(const struct user *user)
{
	struct bgedu_stats stats = { 0 };

	if (ioctl(user->fd, BGEDU_IOC_STATS, &stats) < 0)
		broken("BGEDU_IOC_STATS", -1);
	return stats.setups;
}

/* A device that was stuck has been reset, and computes again what it can. */
static void check_after_stuck(struct user *user, uint32_t setups)
{
	struct pollfd poll_fd = { .fd = user->fd, .events = POLLIN };

	user->number = 10;
	user->asked = write(user->fd, "10", 2) == 2;
	if (!user->asked || poll(&poll_fd, 1, 1000 * patience()) != 1)
		broken("10! after what was given up", poll_fd.revents);
	answer(user);
	if (setups_of(user) == setups)
		broken("set-ups after what was given up", setups);
}

/*
 * Users ask for the number that the device is stuck on by chance, and it may be unplugged
 * before it is given up.  So this process asks for it, now that the device stays.  True if
 * it was given up.
 */
static bool get_stuck(void)
{
	struct user user = { .fd = open(path, O_RDWR), .number = UINT32_MAX };
	struct pollfd poll_fd = { .fd = user.fd, .events = POLLIN };
	uint32_t setups;
	bool mine = false;
	char text[16];

	if (user.fd < 0) {
		usleep(100000);
		return false;
	}
	setups = setups_of(&user);
	user.asked = dprintf(user.fd, "%" PRIu32, user.number) > 0;
	if (user.asked && poll(&poll_fd, 1, 1000 * patience()) == 1 &&
	    read(user.fd, text, sizeof(text)) < 0 && errno == ETIMEDOUT) {
		counts->stuck++;
		check_after_stuck(&user, setups);
		mine = true;
	}
	close(user.fd);
	return mine;
}

/* Beside a busy host, the device may be done before its driver looks: then once more. */
static void await_stuck(void)
{
	time_t end = time(NULL) + patience();
	bool stuck;

	do {
		stuck = get_stuck();
	} while (!stuck && time(NULL) < end);
	errno = 0;
	if (!stuck)
		broken("factorials given up", 0);
}

/* Of one that was never killed: does it still come back from its calls? */
static void check_going(unsigned int i)
{
	uint32_t calls = counts->calls[i];
	unsigned int looks;

	for (looks = 0; looks < patience() * 10; looks++) {
		if (counts->calls[i] != calls)
			return;
		usleep(100000);
	}
	errno = 0;
	broken("a user that does not come back from a call", i);
}

static unsigned int run_all(unsigned int users, unsigned int seconds)
{
	pid_t pids[MAX_USERS];
	unsigned int killed = 0, i;
	time_t end = time(NULL) + seconds;

	for (i = 0; i < users; i++)
		pids[i] = start_user(i);
	while (!ended && (!seconds || time(NULL) < end)) {
		rest(1000 * kill_ms);
		i = rand() % users;
		if (i < users / 2)
			continue;
		end_user(pids[i]);
		pids[i] = start_user(i);
		killed++;
	}
	await(&counts->right, "factorials right");
	if (goes)
		await(&counts->gone, "files that outlived the device");
	if (slow_one_in)
		await_stuck();
	for (i = 0; i < users / 2; i++)
		check_going(i);
	for (i = 0; i < users; i++)
		end_user(pids[i]);
	return killed;
}

static int print_stats(void)
{
	int fd = open(path, O_RDWR);
	struct bgedu_stats stats;

	if (fd < 0 || ioctl(fd, BGEDU_IOC_STATS, &stats) < 0) {
		fprintf(stderr, "bgedu-load: %s: %s\n", path, strerror(errno));
		return 1;
	}
	printf("done %u, stuck %u, setups %u, checks %u\n", stats.done, stats.stuck,
	       stats.setups, stats.checks);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int users = 16, seconds = 0, killed;
	bool stats = false;
	struct sigaction end = { .sa_handler = on_end };
	int opt;

	while ((opt = getopt(argc, argv, "n:s:gr:k:t:Sh")) != -1) {
		switch (opt) {
		case 'n':
			users = number_or_exit(optarg, 1, MAX_USERS);
			break;
		case 's':
			slow_one_in = number_or_exit(optarg, 0, INT32_MAX);
			break;
		case 'g':
			goes = true;
			break;
		case 'r':
			most_rest_ms = number_or_exit(optarg, 0, 10000);
			break;
		case 'k':
			kill_ms = number_or_exit(optarg, 1, 1000);
			break;
		case 't':
			seconds = number_or_exit(optarg, 1, INT32_MAX);
			break;
		case 'S':
			stats = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc - 1) {
		usage(stderr);
		return 2;
	}
	if (optind < argc)
		path = argv[optind];
	if (stats)
		return print_stats();
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED) {
		perror("bgedu-load: mmap()");
		return 1;
	}
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	errno = 0;
	if (nice(10) == -1 && errno)
		perror("bgedu-load: nice()");
	killed = run_all(users, seconds);
	printf("%" PRIu32 " factorials right, %" PRIu32 " wrong, %" PRIu32 " stuck; %" PRIu32
	       " opens, %" PRIu32 " files outlived the device; %u users killed; %" PRIu32
	       " promises broken\n", counts->right, counts->wrong, counts->stuck, counts->opens,
	       counts->gone, killed, counts->broken);
	return counts->wrong || counts->broken;
}
