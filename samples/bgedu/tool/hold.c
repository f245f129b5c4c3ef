// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgedu-hold: a reader is held in the middle of its read() while a command runs: the page
 * that it reads into is not there until the command has ended.  See usage().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "user.h"

#define NUMBER		"10"
#define FACTORIAL	"3628800\n"

static const char *path = "/dev/edu0";
static int device;
static char *page;		/* what is read goes there */

static void usage(FILE *to)
{
	fputs("Usage: bgedu-hold [-w SECONDS] [-d DEVICE] COMMAND [ARGUMENT]...\n"
	      "\n"
	      "Asks a device of bgedu's for a factorial, and reads it into a page that is not\n"
	      "there (userfaultfd).  While the reader is held, COMMAND is run; when it has ended,\n"
	      "or the time is over, the reader goes on, and must have read the factorial.\n"
	      "\n"
	      "  -w SECONDS  how long COMMAND may take (default: what a hang takes on this machine)\n"
	      "  -d DEVICE   default: /dev/edu0\n"
	      "\n"
	      "Exit status 0 if COMMAND ended while the reader was held, and succeeded; 1 if it was\n"
	      "still running when the time was over, and ended once the reader could go on; 2 if\n"
	      "anything else went wrong.\n", to);
}

static noreturn void fail(const char *what)
{
	fprintf(stderr, "bgedu-hold: %s\n", what);
	exit(2);
}

static noreturn void die(const char *what)
{
	fprintf(stderr, "bgedu-hold: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* From now on whoever touches the page waits until it is put there. */
static int take_page_away(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int faults = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) < 0)
		die("userfaultfd()");
	reg.range.len = sysconf(_SC_PAGESIZE);
	page = mmap(NULL, reg.range.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (page == MAP_FAILED)
		die("mmap()");
	reg.range.start = (uintptr_t)page;
	if (ioctl(faults, UFFDIO_REGISTER, &reg) < 0)
		die("UFFDIO_REGISTER");
	return faults;
}

static void put_page(int faults)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)page, .len = sysconf(_SC_PAGESIZE) },
	};

	if (ioctl(faults, UFFDIO_ZEROPAGE, &zero) < 0)
		die("UFFDIO_ZEROPAGE");
}

static void await_fault(int faults)
{
	struct pollfd poll_fd = { .fd = faults, .events = POLLIN };
	struct uffd_msg message;

	if (poll(&poll_fd, 1, 1000 * patience()) != 1 ||
	    read(faults, &message, sizeof(message)) != sizeof(message) ||
	    message.event != UFFD_EVENT_PAGEFAULT)
		fail("the reader did not come to its page");
}

static void *run_reader(void *unused)
{
	ssize_t len = read(device, page, sizeof(FACTORIAL));

	(void)unused;
	return (void *)(len < 0 ? -errno : len);
}

static void join_reader(pthread_t reader)
{
	intptr_t len = 0;

	errno = pthread_join(reader, (void **)&len);
	if (errno)
		die("pthread_join()");
	errno = len < 0 ? -len : 0;
	if (len < 0)
		die("read()");
	if (len != sizeof(FACTORIAL) - 1 || memcmp(page, FACTORIAL, len))
		fail("the reader did not get the factorial");
}

static time_t now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		die("clock_gettime()");
	return now.tv_sec;
}

/* Has the command succeeded, and within that time? */
static bool wait_for(pid_t pid, unsigned int seconds)
{
	time_t end = now() + seconds;
	pid_t got;
	int status;

	do {
		got = waitpid(pid, &status, WNOHANG);
		if (got < 0)
			die("waitpid()");
		if (got && (!WIFEXITED(status) || WEXITSTATUS(status)))
			fail("the command failed");
		if (got)
			return true;
		usleep(10000);
	} while (now() <= end);
	return false;
}

/* 0 or 1, as main() returns it. */
static int run_held(char **command, unsigned int seconds, int faults, pthread_t reader)
{
	pid_t pid = fork();
	bool in_time;

	if (!pid) {
		execvp(command[0], command);
		die(command[0]);
	}
	if (pid < 0)
		die("fork()");
	in_time = wait_for(pid, seconds);
	put_page(faults);
	join_reader(reader);
	if (!in_time && !wait_for(pid, patience())) {
		kill(pid, SIGKILL);
		fail("the command does not end");
	}
	return !in_time;
}

int main(int argc, char **argv)
{
	unsigned int seconds = patience();
	pthread_t reader;
	int faults, opt;

	while ((opt = getopt(argc, argv, "+w:d:h")) != -1) {
		switch (opt) {
		case 'w':
			seconds = number_or_exit(optarg, 1, INT32_MAX);
			break;
		case 'd':
			path = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind >= argc) {
		usage(stderr);
		return 2;
	}
	device = open(path, O_RDWR | O_CLOEXEC);
	if (device < 0 || write(device, NUMBER, strlen(NUMBER)) != (ssize_t)strlen(NUMBER))
		die(path);
	faults = take_page_away();
	errno = pthread_create(&reader, NULL, run_reader, NULL);
	if (errno)
		die("pthread_create()");
	await_fault(faults);
	return run_held(argv + optind, seconds, faults, reader);
}
