/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single system calls, on files that every root has and that no file system stands behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure/measure.h"

#define LARGE_BYTES 65536U

static int run_getpid(struct measure_state *state, uint64_t operations)
{
	(void)state;
	for (uint64_t i = 0; i < operations; i++)
		(void)syscall(SYS_getpid);
	return 0;
}

static int open_device(struct measure_state *state, const char *path, size_t bytes)
{
	state->fds[0] = open(path, O_RDWR | O_CLOEXEC);
	if (state->fds[0] < 0)
		return measure_fail(state, path);
	state->memory = calloc(1, bytes);
	state->memory_bytes = bytes;
	return state->memory ? 0 : -ENOMEM;
}

static int open_zero_1(struct measure_state *state)
{
	return open_device(state, "/dev/zero", 1);
}

static int open_zero_64k(struct measure_state *state)
{
	return open_device(state, "/dev/zero", LARGE_BYTES);
}

static int open_null_1(struct measure_state *state)
{
	return open_device(state, "/dev/null", 1);
}

static int open_null_64k(struct measure_state *state)
{
	return open_device(state, "/dev/null", LARGE_BYTES);
}

static void close_device(struct measure_state *state)
{
	free(state->memory);
}

static int run_read(struct measure_state *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		if (read(state->fds[0], state->memory, state->memory_bytes) != (ssize_t)state->memory_bytes)
			return measure_fail(state, "read /dev/zero");
	}
	return 0;
}

static int run_write(struct measure_state *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		if (write(state->fds[0], state->memory, state->memory_bytes) != (ssize_t)state->memory_bytes)
			return measure_fail(state, "write /dev/null");
	}
	return 0;
}

static int run_open_close(struct measure_state *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return measure_fail(state, "open /dev/null");
		(void)close(fd);
	}
	return 0;
}

static int run_stat(struct measure_state *state, uint64_t operations)
{
	struct stat status;

	for (uint64_t i = 0; i < operations; i++) {
		if (stat("/dev/null", &status) < 0)
			return measure_fail(state, "stat /dev/null");
	}
	return 0;
}

static int run_clock_gettime(struct measure_state *state, uint64_t operations)
{
	struct timespec now;

	(void)state;
	for (uint64_t i = 0; i < operations; i++)
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return 0;
}

static int open_epoll(struct measure_state *state)
{
	struct epoll_event event = { .events = EPOLLIN };

	state->fds[0] = epoll_create1(EPOLL_CLOEXEC);
	state->fds[1] = eventfd(0, EFD_CLOEXEC);
	if (state->fds[0] < 0 || state->fds[1] < 0 ||
		epoll_ctl(state->fds[0], EPOLL_CTL_ADD, state->fds[1], &event) < 0)
		return measure_fail(state, "epoll");
	return 0;
}

static int run_epoll(struct measure_state *state, uint64_t operations)
{
	struct epoll_event event;
	uint64_t value = 1;

	for (uint64_t i = 0; i < operations; i++) {
		if (write(state->fds[1], &value, sizeof(value)) < 0 || epoll_wait(state->fds[0], &event, 1, -1) != 1 ||
			read(state->fds[1], &value, sizeof(value)) < 0)
			return measure_fail(state, "epoll_wait");
	}
	return 0;
}

const struct measure_case measure_calls[] = {
	{ .name = "getpid", .run = run_getpid },
	{ .name = "read-1", .prepare = open_zero_1, .run = run_read, .finish = close_device },
	{ .name = "read-64k", .prepare = open_zero_64k, .run = run_read, .finish = close_device },
	{ .name = "write-1", .prepare = open_null_1, .run = run_write, .finish = close_device },
	{ .name = "write-64k", .prepare = open_null_64k, .run = run_write, .finish = close_device },
	{ .name = "open-close", .run = run_open_close },
	{ .name = "stat", .run = run_stat },
	{ .name = "clock-gettime", .run = run_clock_gettime },
	{ .name = "epoll", .prepare = open_epoll, .run = run_epoll },
	{ 0 },
};
