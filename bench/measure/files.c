/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system below the working directory. Small files: one directory with as many as the time allows, made, looked
 * at and removed by three cases in this order. One large file: read and written in pieces, through the caches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/measure/measure.h"

#define DIRECTORY    "files"
#define LARGE        "large"
#define SMALL_BYTES  4096U
#define LARGE_BYTES  (1U << 20)
#define FILES_SAMPLE 20 /* operations of a sample */

struct name {
	char text[32];
};

static struct name name_of(uint64_t number)
{
	struct name name;

	(void)snprintf(name.text, sizeof(name.text), DIRECTORY "/f%06llu", (unsigned long long)number);
	return name;
}

static int create(struct measure_state *state, uint64_t number)
{
	int fd = open(name_of(number).text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return measure_fail(state, "create a file");
	(void)close(fd);
	return 0;
}

static void remove_files(struct measure_state *state)
{
	for (uint64_t number = state->cursor; number < *state->settings->files_made; number++)
		(void)unlink(name_of(number).text);
	*state->settings->files_made = 0;
	(void)rmdir(DIRECTORY);
}

static int begin_create(struct measure_state *state)
{
	remove_files(state);
	if (mkdir(DIRECTORY, 0700) < 0 && errno != EEXIST)
		return measure_fail(state, "mkdir");
	return 0;
}

static int run_create(struct measure_state *state, uint64_t operations)
{
	int result = 0;

	for (uint64_t i = 0; i < operations && result == 0; i++)
		result = create(state, (*state->settings->files_made)++);
	return result;
}

/* For who did not create before. */
static int have_some(struct measure_state *state)
{
	int result = *state->settings->files_made ? 0 : begin_create(state);

	while (*state->settings->files_made < FILES_SAMPLE && result == 0)
		result = run_create(state, 1);
	return result;
}

static int run_stat_file(struct measure_state *state, uint64_t operations)
{
	struct stat status;

	for (uint64_t i = 0; i < operations; i++) {
		if (stat(name_of(state->cursor++ % *state->settings->files_made).text, &status) < 0)
			return measure_fail(state, "stat a file");
	}
	return 0;
}

static int enough_to_remove(struct measure_state *state, uint64_t operations)
{
	if (state->cursor + operations <= *state->settings->files_made)
		return 0;
	return -ENODATA;
}

static int run_unlink(struct measure_state *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		if (unlink(name_of(state->cursor++).text) < 0)
			return measure_fail(state, "unlink a file");
	}
	return 0;
}

/* ---- one large file ---- */

static int open_large(struct measure_state *state, size_t piece)
{
	state->memory = malloc(LARGE_BYTES);
	if (!state->memory)
		return -ENOMEM;
	memset(state->memory, 'x', LARGE_BYTES);
	state->memory_bytes = piece;
	state->fds[0] = open(LARGE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (state->fds[0] < 0)
		return measure_fail(state, "create a large file");
	for (uint64_t at = 0; at < state->settings->file_bytes; at += LARGE_BYTES) {
		if (pwrite(state->fds[0], state->memory, LARGE_BYTES, (off_t)at) != (ssize_t)LARGE_BYTES)
			return measure_fail(state, "write a large file");
	}
	return 0;
}

static int open_small_pieces(struct measure_state *state)
{
	return open_large(state, SMALL_BYTES);
}

static int open_large_pieces(struct measure_state *state)
{
	return open_large(state, LARGE_BYTES);
}

static void close_large(struct measure_state *state)
{
	free(state->memory);
	(void)unlink(LARGE);
}

/* Sequential by pieces, or somewhere (Knuth's multiplicative step through all the pieces). */
static off_t next_offset(struct measure_state *state)
{
	uint64_t pieces = state->settings->file_bytes / state->memory_bytes, piece = state->cursor++;

	if (state->memory_bytes == SMALL_BYTES)
		piece = piece * 2654435761U;
	return (off_t)(piece % pieces * state->memory_bytes);
}

static int run_pread(struct measure_state *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		if (pread(state->fds[0], state->memory, state->memory_bytes, next_offset(state)) !=
			(ssize_t)state->memory_bytes)
			return measure_fail(state, "read a large file");
	}
	return 0;
}

static int run_pwrite(struct measure_state *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		if (pwrite(state->fds[0], state->memory, state->memory_bytes, next_offset(state)) !=
			(ssize_t)state->memory_bytes)
			return measure_fail(state, "write a large file");
	}
	return 0;
}

static int run_fsync(struct measure_state *state, uint64_t operations)
{
	int result = 0;

	for (uint64_t i = 0; i < operations && result == 0; i++) {
		result = run_pwrite(state, 1);
		if (result == 0 && fsync(state->fds[0]) < 0)
			result = measure_fail(state, "fsync");
	}
	return result;
}

const struct measure_case measure_files[] = {
	{ .name = "create", .prepare = begin_create, .run = run_create, .operations_once = FILES_SAMPLE },
	{ .name = "stat-file", .prepare = have_some, .run = run_stat_file, .operations_once = FILES_SAMPLE },
	{ .name = "unlink",
		.prepare = have_some,
		.before = enough_to_remove,
		.run = run_unlink,
		.finish = remove_files,
		.operations_once = FILES_SAMPLE },
	{ .name = "read-random", .prepare = open_small_pieces, .run = run_pread, .finish = close_large },
	{ .name = "write-random", .prepare = open_small_pieces, .run = run_pwrite, .finish = close_large },
	{ .name = "read-sequential", .prepare = open_large_pieces, .run = run_pread, .finish = close_large },
	{ .name = "write-sequential", .prepare = open_large_pieces, .run = run_pwrite, .finish = close_large },
	{ .name = "fsync",
		.prepare = open_small_pieces,
		.run = run_fsync,
		.finish = close_large,
		.operations_once = 1 },
	{ 0 },
};
