// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bgfuzz.h"

#define FILES		8
#define MEMORY_SIZE	0x100000U
#define PAGE		4096U

/* splitmix64: the same calls for the same seed, in one thread. */
static uint64_t next(struct fuzzer *me)
{
	uint64_t z = me->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t below(struct fuzzer *me, uint32_t n)
{
	return (next(me) >> 32) * n >> 32;
}

uint64_t odd_number(struct fuzzer *me)
{
	switch (below(me, 4)) {
	case 0:
		return next(me);
	case 1:
		return (1ULL << below(me, 64)) + below(me, 3) - 1;
	case 2:
		return below(me, 300);
	default:
		return -(uint64_t)below(me, 300);
	}
}

/* A page that is no memory comes after it. */
static uint8_t *pool;

void memory_init(void)
{
	pool = mmap(NULL, MEMORY_SIZE + PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool == MAP_FAILED || mprotect(pool + MEMORY_SIZE, PAGE, PROT_NONE)) {
		perror("bgfuzz: mmap()");
		exit(2);
	}
}

bool is_memory(const void *at, uint32_t size)
{
	const uint8_t *byte = at;

	return byte >= pool && byte <= pool + MEMORY_SIZE &&
	       size <= pool + MEMORY_SIZE - byte;
}

void *memory(struct fuzzer *me, uint32_t size)
{
	uint32_t room;

	if (size > MEMORY_SIZE)
		size = MEMORY_SIZE;
	room = MEMORY_SIZE - size;
	switch (below(me, 32)) {
	case 0:
		return (void *)(uintptr_t)odd_number(me);
	case 1:
		return pool + MEMORY_SIZE - below(me, size + 1);
	case 2:
		return pool + room;
	default:
		/* So few places that threads change what is being copied. */
		return pool + room / 16 * below(me, 16);
	}
}

static void mutate(struct fuzzer *me, uint8_t *bytes, uint32_t size)
{
	uint32_t times;

	for (times = below(me, 4) + 1; size && times; times--) {
		uint64_t number = odd_number(me);
		uint32_t width = 1U << below(me, 4);
		uint32_t place = below(me, size);

		if (one_in(me, 3))
			bytes[place] ^= 1U << below(me, 8);
		else if (width <= size)
			memcpy(bytes + place / width * width % (size - width + 1), &number,
			       width);
	}
}

void *memory_like(struct fuzzer *me, const void *from, uint32_t size, uint32_t mutants)
{
	void *at = memory(me, size);

	if (is_memory(at, size)) {
		memcpy(at, from, size);
		if (mutants && one_in(me, mutants))
			mutate(me, at, size);
	}
	return at;
}

/* Of a process.  One that another thread has just closed may be any file, or none. */
static _Atomic int files[FILES];

void files_init(void)
{
	unsigned int i;

	for (i = 0; i < FILES; i++)
		files[i] = -1;
}

/* Return: whether another was there, which is closed. */
static bool keep(int fd, unsigned int place)
{
	int old = atomic_exchange(&files[place], fd);

	if (old >= 0)
		close(old);
	return old >= 0;
}

static void call_open(struct fuzzer *me, int fd)
{
	static const int flags[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_NONBLOCK };
	int got = open(me->device->path, flags[below(me, 5)] | O_CLOEXEC);

	(void)fd;
	if (got < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
		usleep(2000);	/* it is unplugged: no call to it */
	else
		called(me, OPEN, got);
	if (got >= 0)
		keep(got, below(me, FILES));
}

static void call_close(struct fuzzer *me, int fd)
{
	(void)fd;
	if (!one_in(me, 4))
		return;
	if (keep(-1, below(me, FILES)))
		called(me, CLOSE, 0);
}

static void call_dup(struct fuzzer *me, int fd)
{
	int got = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	called(me, DUP, got);
	if (got >= 0)
		keep(got, below(me, FILES));
}

/* Also those that are next to the device's, and numbers that are no command. */
static void call_ioctl(struct fuzzer *me, int fd)
{
	const struct device *device = me->device;
	unsigned long command = device->commands[below(me, device->nr_commands)];
	uint64_t bytes[16] = { odd_number(me), odd_number(me) };
	void *at = memory_like(me, bytes, sizeof(bytes), 2);

	if (one_in(me, 3))
		command ^= 1UL << below(me, 32);
	if (one_in(me, 8))
		command = odd_number(me);
	if (one_in(me, 8))
		at = (void *)(uintptr_t)odd_number(me);
	called(me, IOCTL, ioctl(fd, command, at));
}

static uint32_t some_size(struct fuzzer *me)
{
	return one_in(me, 8) ? odd_number(me) & 0x7fffffff : below(me, 64);
}

static void call_read(struct fuzzer *me, int fd)
{
	uint32_t size = some_size(me);
	void *at = memory(me, size);

	if (one_in(me, 4))
		called(me, READ, pread(fd, at, size, odd_number(me)));
	else
		called(me, READ, read(fd, at, size));
}

static void call_write(struct fuzzer *me, int fd)
{
	uint32_t size = some_size(me);
	const void *at = memory(me, size);

	if (one_in(me, 4))
		called(me, WRITE, pwrite(fd, at, size, odd_number(me)));
	else
		called(me, WRITE, write(fd, at, size));
}

static void call_vector(struct fuzzer *me, int fd)
{
	struct iovec vector[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		vector[i].iov_len = some_size(me);
		vector[i].iov_base = memory(me, vector[i].iov_len);
	}
	if (one_in(me, 2))
		called(me, READV, readv(fd, vector, below(me, 4)));
	else
		called(me, WRITEV, writev(fd, vector, below(me, 4)));
}

static void call_poll(struct fuzzer *me, int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = below(me, 0x10000) };

	called(me, POLL, poll(&poll_fd, 1, below(me, 10)));
}

/* At times the file is closed while it is in there. */
static void call_epoll(struct fuzzer *me, int fd)
{
	struct epoll_event event = { .events = odd_number(me) & ~(EPOLLWAKEUP | EPOLLEXCLUSIVE) };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (!called(me, EPOLL, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)))
		called(me, EPOLL, epoll_wait(epoll, &event, 1, below(me, 10)));
	close(epoll);
}

static void call_mmap(struct fuzzer *me, int fd)
{
	static const int sharing[] = { MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE };
	size_t size = PAGE * (1 + below(me, 4));
	off_t offset = PAGE * (odd_number(me) & 0xffffff);
	void *at = mmap(NULL, size, below(me, 8), sharing[below(me, 3)], fd, offset);

	called(me, MMAP, at == MAP_FAILED ? -1 : 0);
	if (at != MAP_FAILED)
		munmap(at, size);
}

static void call_other(struct fuzzer *me, int fd)
{
	switch (below(me, 4)) {
	case 0:
		called(me, OTHER, fcntl(fd, F_SETFL, one_in(me, 2) ? O_NONBLOCK : 0));
		break;
	case 1:
		called(me, OTHER, lseek(fd, odd_number(me), below(me, 5)));
		break;
	case 2:
		called(me, OTHER, fsync(fd));
		break;
	default:
		called(me, OTHER, ftruncate(fd, odd_number(me)));
	}
}

const struct kind common_kinds[FIRST_OF_DEVICE] = {
	[OPEN] = { "open()", { EINTR, EMFILE, ENOMEM }, true },
	[CLOSE] = { "close()", { 0 }, true },
	[DUP] = { "dup()", { EBADF, EMFILE }, true },
	/* Of any command there is. */
	[IOCTL] = { "ioctl()", { EBADF, EINTR, ENODEV, EFAULT, EINVAL, ENOTTY, E2BIG, ENOMEM,
				 ENODATA, ECANCELED, EMSGSIZE, EACCES, EPERM }, false },
	[READ] = { "read()", { EBADF, EINTR, ENODEV, EFAULT, EINVAL, EAGAIN, ESPIPE,
			       ETIMEDOUT }, false },
	[WRITE] = { "write()", { EBADF, EINTR, ENODEV, EFAULT, EINVAL, EBUSY, ESPIPE,
				 ERANGE }, false },
	[READV] = { "readv()", { EBADF, EINTR, ENODEV, EFAULT, EINVAL, EAGAIN,
				 ETIMEDOUT }, false },
	[WRITEV] = { "writev()", { EBADF, EINTR, ENODEV, EFAULT, EINVAL, EBUSY,
				   ERANGE }, false },
	[POLL] = { "poll()", { EINTR }, true },
	[EPOLL] = { "epoll_ctl()", { EBADF, EINTR, EINVAL, ENOMEM, EPERM }, true },
	[MMAP] = { "mmap()", { EACCES, EBADF, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW,
			       EPERM }, false },
	[OTHER] = { "fcntl(), lseek(), fsync(), ftruncate()", { EBADF, EINVAL, ESPIPE }, true },
};

static void call_device(struct fuzzer *me, int fd)
{
	me->device->call(me, fd);
}

void any_call(struct fuzzer *me)
{
	static void (*const calls[])(struct fuzzer *me, int fd) = {
		call_device, call_device, call_device, call_device, call_device, call_device,
		call_device, call_device, call_ioctl, call_read, call_write, call_vector,
		call_poll, call_epoll, call_mmap, call_other, call_dup, call_close, call_open,
	};
	int fd = files[below(me, FILES)];

	if (fd < 0)
		call_open(me, fd);
	else
		calls[below(me, ARRAY_SIZE(calls))](me, fd);
}
