/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: mappings and page faults. An operation of the faults is one fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/measure/measure.h"

#define PAGE_BYTES 4096U
#define MAP_BYTES  65536U
/* A fault of a file maps what lies around it in the page cache too: 64 KiB, fault_around_bytes of Linux. */
#define AROUND_BYTES 65536U
#define FILE_FAULTS  64U
#define FILE_NAME    "fault"

static int run_mmap(struct measure_state *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		volatile char *memory =
			mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return measure_fail(state, "mmap");
		for (size_t at = 0; at < MAP_BYTES; at += PAGE_BYTES)
			memory[at] = 1;
		(void)munmap((void *)memory, MAP_BYTES);
	}
	return 0;
}

static int map_anonymous(struct measure_state *state, uint64_t operations)
{
	state->memory_bytes = operations * PAGE_BYTES;
	state->memory = mmap(NULL, state->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (state->memory == MAP_FAILED)
		return measure_fail(state, "mmap");
	(void)madvise(state->memory, state->memory_bytes, MADV_NOHUGEPAGE);
	return 0;
}

static void unmap(struct measure_state *state, uint64_t operations)
{
	(void)operations;
	(void)munmap(state->memory, state->memory_bytes);
}

static int run_touch(struct measure_state *state, uint64_t operations)
{
	volatile char *memory = state->memory;

	for (uint64_t i = 0; i < operations; i++)
		memory[i * PAGE_BYTES] = 1;
	return 0;
}

static int make_file(struct measure_state *state)
{
	char *block = calloc(1, AROUND_BYTES);
	int result = 0;

	state->fds[0] = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (state->fds[0] < 0 || !block)
		result = measure_fail(state, "create the file to map");
	for (size_t at = 0; at < FILE_FAULTS && result == 0; at++) {
		if (write(state->fds[0], block, AROUND_BYTES) != (ssize_t)AROUND_BYTES)
			result = measure_fail(state, "write the file to map");
	}
	free(block);
	return result;
}

static void remove_file(struct measure_state *state)
{
	(void)state;
	(void)unlink(FILE_NAME);
}

static int map_file(struct measure_state *state, uint64_t operations)
{
	state->memory_bytes = operations * AROUND_BYTES;
	state->memory = mmap(NULL, state->memory_bytes, PROT_READ, MAP_PRIVATE, state->fds[0], 0);
	return state->memory == MAP_FAILED ? measure_fail(state, "mmap of a file") : 0;
}

static int run_read_touch(struct measure_state *state, uint64_t operations)
{
	const volatile char *memory = state->memory;

	for (uint64_t i = 0; i < operations; i++)
		(void)memory[i * AROUND_BYTES];
	return 0;
}

const struct measure_case measure_pages[] = {
	{ .name = "mmap", .run = run_mmap },
	{ .name = "fault-anonymous",
		.before = map_anonymous,
		.run = run_touch,
		.after = unmap,
		.operations_max = 4096 },
	{ .name = "fault-file",
		.prepare = make_file,
		.before = map_file,
		.run = run_read_touch,
		.after = unmap,
		.finish = remove_file,
		.operations_max = FILE_FAULTS },
	{ 0 },
};
