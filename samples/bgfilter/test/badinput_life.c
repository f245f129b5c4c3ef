// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may open, what ends a wait, and who keeps a set alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "badinput.h"

#define NOBODY		65534
#define MANY_LONG	(4 * NR_LONG)	/* compiling until somebody ends it */

/* Opens the device in a child, after @drop.  Return: as open_device(). */
static int open_after(bool (*drop)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int fd = drop() ? open_device() : -ECHILD;

		_exit(fd < 0 ? -fd : 0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static bool drop_user(void)
{
	return setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
}

static bool drop_net_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[0].effective &= ~(1U << CAP_NET_ADMIN);
	data[0].permitted &= ~(1U << CAP_NET_ADMIN);
	return syscall(SYS_capset, &header, data) == 0;
}

static bool open_as_nobody(void)
{
	int ret = open_after(drop_user);

	return ret == -EPERM || expect("the open", ret, -EACCES);
}

static bool open_without_net_admin(void)
{
	return expect("the open", open_after(drop_net_admin), -EPERM);
}

static void nothing(int sig)
{
	(void)sig;
}

/* A timer that goes on: one signal could come before the wait has begun. */
static void tick(long us)
{
	struct itimerval timer = {
		.it_value.tv_usec = us,
		.it_interval.tv_usec = us,
	};
	struct sigaction sa = { .sa_handler = us ? nothing : SIG_IGN };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static bool interrupted_wait(void)
{
	int fd = open_device();
	bool ok;

	if (fd < 0)
		return expect("the open", fd, 0);
	/* All of it is compiled: not more than outlasts the first signal. */
	ok = expect("the load", load_long(fd, NR_LONG / 8, 0), 0);
	if (ok) {
		int ret;

		tick(2000);
		ret = wait_event(fd, BGFILTER_EVENT_TOP);
		tick(0);
		ok = expect("the wait", ret, -EINTR) &&
		     expect("the wait after it",
			    wait_event(fd, BGFILTER_EVENT_TOP), 0);
	}
	close(fd);
	return ok;
}

struct waiter {
	pthread_t thread;
	int fd;
	_Atomic pid_t tid;	/* 0 until it is about to wait */
	_Atomic bool back;
	int ret;
};

static void *wait_for_top(void *arg)
{
	struct waiter *waiter = arg;

	waiter->tid = syscall(SYS_gettid);
	waiter->ret = wait_event(waiter->fd, BGFILTER_EVENT_TOP);
	waiter->back = true;
	return NULL;
}

/* The letter of a state in /proc, or 0. */
static char state_in(const char *path)
{
	char text[256] = "";
	char *name_end;
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	name_end = strrchr(text, ')');
	return name_end && name_end[1] ? name_end[2] : 0;
}

static char thread_state(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	return state_in(path);
}

static char process_state(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return state_in(path);
}

/* Between the store of its id and its return there is one sleep: the wait. */
static bool sleeps(struct waiter *waiter)
{
	uint64_t deadline = now_ms() + deadline_ms();

	while (!waiter->tid || thread_state(waiter->tid) != 'S') {
		if (waiter->back)
			return fail("the wait was over too soon");
		if (now_ms() > deadline)
			return fail("the waiter does not sleep");
		poll(NULL, 0, 1);
	}
	return true;
}

/* A thread waits for MANY_LONG filters; @end is to end that. */
static bool wait_ended_by(bool (*end)(int fd), int error)
{
	struct waiter waiter = { .fd = open_device() };
	bool ok;

	if (waiter.fd < 0)
		return expect("the open", waiter.fd, 0);
	ok = expect("the load", load_long(waiter.fd, MANY_LONG, 0), 0);
	if (ok && pthread_create(&waiter.thread, NULL, wait_for_top, &waiter)) {
		ok = fail("no thread");
	} else if (ok) {
		ok = sleeps(&waiter);
		/* Whatever that was, the thread must come back. */
		ok = end(waiter.fd) && ok;
		pthread_join(waiter.thread, NULL);
		ok = ok && expect("the wait", waiter.ret, -error);
	}
	close(waiter.fd);
	return ok;
}

static bool replace(int fd)
{
	return expect("the second load", load_good(fd), 0) && still_good(fd);
}

static bool replaced_wait(void)
{
	return wait_ended_by(replace, ECANCELED);
}

/* Waits until a child sleeps, or is gone. */
static bool child_sleeps(pid_t pid)
{
	uint64_t deadline = now_ms() + deadline_ms();
	char state;

	while ((state = process_state(pid)) != 'S') {
		if (!state || state == 'Z')
			return fail("the wait was over too soon");
		if (now_ms() > deadline)
			return fail("the child does not sleep");
		poll(NULL, 0, 1);
	}
	return true;
}

/* Stops a child that waits for @fd, lets it go on, and replaces the set. */
static bool goes_on(int fd, pid_t pid)
{
	struct bgfilter_progress progress;
	int status = 0;
	bool ok;

	ok = child_sleeps(pid);
	kill(pid, SIGSTOP);
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		return fail("the child did not stop");
	ok = ok && expect("the call", get_progress(fd, &progress), 0);
	if (ok && progress.events & BGFILTER_EVENT_TOP)
		ok = fail("all was compiled before the stop");
	kill(pid, SIGCONT);
	ok = ok && child_sleeps(pid);
	ok = replace(fd) && ok;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return fail("the child ended with status %#x", status);
	return ok && expect("the wait", -WEXITSTATUS(status), -ECANCELED);
}

static bool stopped_wait(void)
{
	int fd = open_device();
	bool ok;
	pid_t pid;

	if (fd < 0)
		return expect("the open", fd, 0);
	ok = expect("the load", load_long(fd, MANY_LONG, 0), 0);
	pid = ok ? fork() : 0;
	if (ok && pid == 0)
		_exit(-wait_event(fd, BGFILTER_EVENT_TOP));
	if (pid < 0)
		ok = fail("no process");
	if (ok)
		ok = goes_on(fd, pid);
	close(fd);
	return ok;
}

/*
 * A child.  It loads MANY_LONG filters if @fd is -1, or else has @fd from us; it
 * says when it is ready, and stays until it is told to go, or killed.
 */
struct child {
	pid_t pid;
	int ready[2];	/* a byte when it is ready */
	int stay[2];	/* our end closed: go */
};

static int load_and_compile(void)
{
	struct bgfilter_progress progress;
	int fd = open_device();

	if (fd < 0 || load_long(fd, MANY_LONG, 0))
		return -1;
	do {
		if (get_progress(fd, &progress))
			return -1;
	} while (!progress.compiling);
	return fd;
}

static void child_main(struct child *child, int fd)
{
	uint8_t byte = fd >= 0 ? still_good(fd) : load_and_compile() >= 0;

	close(child->stay[1]);
	if (write(child->ready[1], &byte, 1) != 1)
		_exit(1);
	while (read(child->stay[0], &byte, 1) < 0 && errno == EINTR)
		;
	_exit(fd >= 0 && !still_good(fd));
}

static void child_close(struct child *child)
{
	for (int i = 0; i < 2; i++) {
		if (child->ready[i] >= 0)
			close(child->ready[i]);
		if (child->stay[i] >= 0)
			close(child->stay[i]);
		child->ready[i] = -1;
		child->stay[i] = -1;
	}
}

static bool child_start(struct child *child, int fd)
{
	uint8_t byte = 0;

	if (pipe2(child->ready, O_CLOEXEC) || pipe2(child->stay, O_CLOEXEC))
		return fail("no pipe");
	child->pid = fork();
	if (child->pid == 0)
		child_main(child, fd);
	if (child->pid < 0)
		return fail("no process");
	close(child->ready[1]);
	child->ready[1] = -1;
	if (read(child->ready[0], &byte, 1) != 1 || !byte)
		return fail("the child did not get as far as it must");
	return true;
}

/* Kills it, or lets it go.  Return: whether it ended as it must. */
static bool child_end(struct child *child, bool killed)
{
	int status = 0;

	if (child->pid <= 0)
		return false;
	if (killed)
		kill(child->pid, SIGKILL);
	child_close(child);
	if (waitpid(child->pid, &status, 0) < 0)
		return fail("no child to wait for");
	if (killed ? !WIFSIGNALED(status) : status != 0)
		return fail("the child ended with status %#x", status);
	return true;
}

static bool killed_while_compiling(void)
{
	int before = count_sets();
	struct child child;
	bool ok = child_start(&child, -1);

	ok = child_end(&child, true) && ok;
	return ok && sets_become(before);
}

static bool exits_while_compiling(void)
{
	int before = count_sets();
	struct child child;
	bool ok = child_start(&child, -1);

	ok = child_end(&child, false) && ok;
	return ok && sets_become(before);
}

static bool inherited_by_fork(void)
{
	int before = count_sets();
	struct child child;
	int fd = open_device();
	bool ok;

	if (fd < 0)
		return expect("the open", fd, 0);
	if (!expect("the load", load_good(fd), 0)) {
		close(fd);
		return false;
	}
	ok = child_start(&child, fd);
	close(fd);
	/* Nothing can have freed it; the child runs it once more at its end. */
	if (ok && count_sets() != before + 1)
		ok = fail("our close() freed the set of the child");
	ok = child_end(&child, false) && ok;
	return ok && sets_become(before);
}

/* A child that has @fd, and lets go of it by exec of cat, which stays. */
static bool exec_start(struct child *child)
{
	if (pipe2(child->ready, O_CLOEXEC) || pipe2(child->stay, O_CLOEXEC))
		return fail("no pipe");
	child->pid = fork();
	if (child->pid == 0) {
		dup2(child->stay[0], STDIN_FILENO);
		execlp("cat", "cat", (char *)NULL);
		_exit(1);
	}
	return child->pid > 0 ? true : fail("no process");
}

static bool closed_by_exec(void)
{
	int before = count_sets();
	struct child child;
	int fd = open_device();
	bool ok;

	if (fd < 0)
		return expect("the open", fd, 0);
	ok = expect("the load", load_good(fd), 0) && exec_start(&child);
	close(fd);
	if (!ok)
		return false;
	/* It has stdin, and our file no more. */
	ok = sets_become(before);
	if (ok && waitpid(child.pid, NULL, WNOHANG) != 0)
		ok = fail("the child is gone");
	return child_end(&child, false) && ok;
}

static bool closed_while_compiling(void)
{
	int before = count_sets();
	int fd = load_and_compile();

	if (fd < 0)
		return fail("no set that compiles");
	close(fd);
	return sets_become(before);
}

/* The open file is what holds the module. */
static bool unload_refused(void)
{
	int ret = syscall(SYS_delete_module, "bgfilter", O_NONBLOCK) < 0 ?
		  -errno : 0;

	return expect("delete_module()", ret, -EWOULDBLOCK) &&
	       still_good(good_file());
}

static bool good_to_the_end(void)
{
	return still_good(good_file()) && sets_become(1);
}

const struct test life_tests[] = {
	{ "an unprivileged user may not open the device", open_as_nobody },
	{ "root without CAP_NET_ADMIN may not open the device", open_without_net_admin },
	{ "a signal ends a wait, and the set finishes all the same", interrupted_wait },
	{ "a stop and SIGCONT do not end a wait", stopped_wait },
	{ "a load ends a wait for the set that it replaces", replaced_wait },
	{ "close() frees a set that is still compiling", closed_while_compiling },
	{ "an exit frees a set that is still compiling", exits_while_compiling },
	{ "kill -9 frees a set that is still compiling", killed_while_compiling },
	{ "a set lives as long as a forked child has its file", inherited_by_fork },
	{ "exec closes the file and frees the set", closed_by_exec },
	{ "the module cannot be removed while a file is open", unload_refused },
	{ "the good set is in use to the end, and is the only one", good_to_the_end },
};

const size_t nr_life_tests = ARRAY_SIZE(life_tests);
