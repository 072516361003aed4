/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/relay.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

enum {
	RELAY_BYTES = 65536,
	/* As much as a pipe takes without waiting once poll(2) says that it can be written. */
	RELAY_CAREFUL_BYTES = 4096,
	RELAY_LOOK_AGAIN_MS = 250,
	END_OF_FILE = 4, /* Ctrl-D */
};

struct direction {
	int from, to; /* from: -1 when it has ended */
	size_t start, end;
	size_t piece_bytes; /* how much is written at a time */
	char buffer[RELAY_BYTES];
};

struct relay {
	int output_fd; /* standard output, opened for this; -EBADF: the caller's own is used */
	char last_input;
	bool in_background; /* standard input is a terminal, and the caller's job is not in its foreground */
	struct direction input, output;
};

/* Regular files and devices are written as they are: opened again they would be written from their beginning. */
static int reopen_output(void)
{
	struct stat status;

	if (fstat(STDOUT_FILENO, &status) < 0 || !(S_ISFIFO(status.st_mode) || isatty(STDOUT_FILENO)))
		return -EBADF;
	return open(fd_path(STDOUT_FILENO).text, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int relay_open(struct relay **ret, int master, struct error *err)
{
	int flags = fcntl(master, F_GETFL);
	struct relay *relay;

	if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set(err, errno, "set up the terminal's relay");
	relay = xcalloc(1, sizeof(*relay));
	relay->last_input = '\n';
	relay->output_fd = reopen_output();
	relay->input.from = STDIN_FILENO;
	relay->input.to = relay->output.from = master;
	relay->input.piece_bytes = RELAY_BYTES;
	relay->output.to = relay->output_fd >= 0 ? relay->output_fd : STDOUT_FILENO;
	relay->output.piece_bytes = relay->output_fd >= 0 ? RELAY_BYTES : RELAY_CAREFUL_BYTES;
	*ret = relay;
	return 0;
}

static bool is_empty(const struct direction *direction)
{
	return direction->start == direction->end;
}

/* Nobody is there to take it any more: the process must not stand still for that. */
static void discard(struct direction *direction)
{
	direction->start = direction->end = 0;
}

static void write_some(struct direction *direction)
{
	while (!is_empty(direction)) {
		size_t length = direction->end - direction->start;
		ssize_t written;

		if (length > direction->piece_bytes)
			length = direction->piece_bytes;
		written = write(direction->to, direction->buffer + direction->start, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			return;
		if (written < 0) {
			discard(direction);
			return;
		}
		direction->start += (size_t)written;
		/* Where a write may wait, the next one comes after the next poll(2). */
		if (direction->piece_bytes < RELAY_BYTES)
			return;
	}
}

/* Returns read(2)'s result with -errno; into an empty buffer. */
static ssize_t read_some(struct direction *direction)
{
	ssize_t length;

	do {
		length = read(direction->from, direction->buffer, sizeof(direction->buffer));
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return -errno;
	direction->start = 0;
	direction->end = (size_t)length;
	return length;
}

static bool is_in_background(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group > 0 && group != getpgrp();
}

static void read_input(struct relay *relay)
{
	struct direction *input = &relay->input;
	ssize_t length;

	/* As a job in the background it would take the shell's input away. */
	relay->in_background = is_in_background();
	if (relay->in_background)
		return;
	length = read_some(input);
	if (length == -EAGAIN)
		return;
	if (length > 0) {
		relay->last_input = input->buffer[length - 1];
		return;
	}
	/* The end: the terminal's line discipline makes it one for the reader, as a person's Ctrl-D would. In the
	 * middle of a line the first one only ends the line. */
	input->from = -1;
	input->start = 0;
	input->end = relay->last_input == '\n' ? 1 : 2;
	memset(input->buffer, END_OF_FILE, 2);
}

static void read_output(struct relay *relay)
{
	ssize_t length = read_some(&relay->output);

	if (length <= 0 && length != -EAGAIN)
		relay->output.from = -1;
}

int relay_sources(const struct relay *relay, struct pollfd sources[RELAY_SOURCES])
{
	bool reads_input = is_empty(&relay->input) && !relay->in_background;
	bool reads_output = is_empty(&relay->output);
	short master_events = (short)((reads_output && relay->output.from >= 0 ? POLLIN : 0) |
				      (is_empty(&relay->input) ? 0 : POLLOUT));

	sources[0] = (struct pollfd){ .fd = reads_input ? relay->input.from : -1, .events = POLLIN };
	sources[1] = (struct pollfd){ .fd = master_events ? relay->input.to : -1, .events = master_events };
	sources[2] = (struct pollfd){ .fd = reads_output ? -1 : relay->output.to, .events = POLLOUT };
	return relay->in_background && relay->input.from >= 0 ? RELAY_LOOK_AGAIN_MS : -1;
}

void relay_move(struct relay *relay, const struct pollfd sources[RELAY_SOURCES])
{
	if (relay->in_background)
		relay->in_background = is_in_background();
	if (sources[0].fd >= 0 && sources[0].revents)
		read_input(relay);
	if (!is_empty(&relay->input))
		write_some(&relay->input);
	if (sources[1].fd >= 0 && (sources[1].events & POLLIN) && (sources[1].revents & ~POLLOUT))
		read_output(relay);
	if (!is_empty(&relay->output) && (relay->output_fd >= 0 || (sources[2].fd >= 0 && sources[2].revents)))
		write_some(&relay->output);
}

void relay_end_input(struct relay *relay)
{
	relay->input.from = -1;
	discard(&relay->input);
}

bool relay_drain(struct relay *relay)
{
	while (is_empty(&relay->output) && relay->output.from >= 0) {
		ssize_t length = read_some(&relay->output);

		if (length <= 0) {
			relay->output.from = -1;
			break;
		}
		if (relay->output_fd >= 0)
			write_some(&relay->output);
	}
	return !is_empty(&relay->output);
}

void relay_close(struct relay **location)
{
	struct relay *relay = *location;

	if (!relay)
		return;
	close_fd(&relay->output_fd);
	free(relay);
	*location = NULL;
}
