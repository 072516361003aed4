/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/output.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

#define CHUNK_BYTES 65536

struct stream {
	int pipe;            /* read end; -EBADF: not there or at its end */
	int saved;           /* the caller's own descriptor, kept while the pipe is in its place */
	int own;             /* that pipe or terminal opened for this; -EBADF: it is written by `saved` */
	struct strbuf ready; /* to be written; written[0, sent) has been */
	size_t sent;
	bool line_begun;
	bool dead; /* nobody reads any more: the rest is counted as cut */
};

struct output {
	struct stream streams[2];
	uint64_t limit_bytes, bytes, cut_bytes;
	bool time_stamps;
	const char *line_prefix;
	int input; /* the caller's standard input, kept while one that can only be read is in its place */
	char chunk[CHUNK_BYTES];
};

struct output *output_open(uint64_t limit_bytes, bool time_stamps, const char *line_prefix)
{
	struct output *output = xcalloc(1, sizeof(*output));

	output->limit_bytes = limit_bytes;
	output->time_stamps = time_stamps;
	output->line_prefix = line_prefix;
	output->input = -EBADF;
	for (int i = 0; i < 2; i++)
		output->streams[i].pipe = output->streams[i].saved = output->streams[i].own = -EBADF;
	return output;
}

void output_close(struct output **location)
{
	struct output *output = *location;

	if (!output)
		return;
	for (int i = 0; i < 2; i++) {
		close_fd(&output->streams[i].pipe);
		close_fd(&output->streams[i].saved);
		close_fd(&output->streams[i].own);
		strbuf_free(&output->streams[i].ready);
	}
	close_fd(&output->input);
	free(output);
	*location = NULL;
}

/* Where to write. What poll(2) calls writable may have less room than what is written to it: a terminal that stands
 * still would keep the limits from being looked after. Opened anew, so that whose it is does not see it change. */
static int sink(const struct stream *stream)
{
	return stream->own >= 0 ? stream->own : stream->saved;
}

/* To open the other side of a pseudo terminal by its path would make another terminal. */
static bool is_terminal(int fd)
{
	unsigned int number;

	return isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

static int open_anew(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || !(S_ISFIFO(status.st_mode) || is_terminal(fd)))
		return -EBADF;
	return open(fd_path(fd).text, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* A terminal that is standard input can commonly be written to as well, past what counts and cuts. */
static void restrict_input(struct output *output)
{
	int flags = fcntl(STDIN_FILENO, F_GETFL);
	cleanup_fd int reader = -EBADF;

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || !is_terminal(STDIN_FILENO))
		return;
	/* Not possible for who may use the terminal, but not open it (su(1)). */
	reader = open(fd_path(STDIN_FILENO).text, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (reader < 0)
		return;
	output->input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (output->input >= 0)
		(void)dup2(reader, STDIN_FILENO);
}

int output_redirect(struct output *output, struct error *err)
{
	restrict_input(output);
	for (int i = 0; i < 2; i++) {
		struct stream *stream = &output->streams[i];
		int ends[2];

		stream->saved = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 3);
		if (stream->saved < 0 || pipe2(ends, O_CLOEXEC) < 0)
			return error_set(err, errno, "put a pipe in the place of standard %s", i ? "error" : "output");
		stream->pipe = ends[0];
		stream->own = open_anew(stream->saved);
		if (dup2(ends[1], STDOUT_FILENO + i) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
			return error_set(err, errno, "put a pipe in the place of standard %s", i ? "error" : "output");
		(void)close(ends[1]);
	}
	return 0;
}

void output_restore(struct output *output)
{
	if (output->input >= 0)
		(void)dup2(output->input, STDIN_FILENO);
	close_fd(&output->input);
	for (int i = 0; i < 2; i++) {
		if (output->streams[i].saved >= 0)
			(void)dup2(output->streams[i].saved, STDOUT_FILENO + i);
	}
}

void output_sources(const struct output *output, struct pollfd sources[OUTPUT_SOURCES])
{
	for (int i = 0; i < 2; i++) {
		const struct stream *stream = &output->streams[i];
		bool waiting = stream->sent < stream->ready.length;

		sources[i] = (struct pollfd){ .fd = waiting ? -1 : stream->pipe, .events = POLLIN };
		sources[2 + i] = (struct pollfd){ .fd = waiting ? sink(stream) : -1, .events = POLLOUT };
	}
}

static void put_time(struct strbuf *out)
{
	strbuf_printf(out, "%s ", timestamp_now(3).text);
}

static void put(const struct output *output, struct stream *stream, const char *data, size_t length)
{
	if (!output->time_stamps && !output->line_prefix) {
		strbuf_append(&stream->ready, data, length);
		return;
	}
	while (length > 0) {
		const char *end = memchr(data, '\n', length);
		size_t piece = end ? (size_t)(end - data) + 1 : length;

		if (!stream->line_begun && output->line_prefix)
			strbuf_string(&stream->ready, output->line_prefix);
		if (!stream->line_begun && output->time_stamps)
			put_time(&stream->ready);
		strbuf_append(&stream->ready, data, piece);
		stream->line_begun = !end;
		data += piece;
		length -= piece;
	}
}

static void take(struct output *output, struct stream *stream)
{
	ssize_t count = read(stream->pipe, output->chunk, sizeof(output->chunk));
	uint64_t delivered = output->bytes - output->cut_bytes, room;

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		close_fd(&stream->pipe);
		return;
	}
	room = delivered < output->limit_bytes ? output->limit_bytes - delivered : 0;
	if (stream->dead)
		room = 0;
	output->bytes += (uint64_t)count;
	if ((uint64_t)count > room) {
		output->cut_bytes += (uint64_t)count - room;
		count = (ssize_t)room;
	}
	put(output, stream, output->chunk, (size_t)count);
}

/* At most PIPE_BUF at a time: a pipe that poll(2) calls writable takes that much without waiting. */
static void give(struct output *output, struct stream *stream)
{
	size_t left = stream->ready.length - stream->sent;
	ssize_t count = write(sink(stream), stream->ready.data + stream->sent, left < PIPE_BUF ? left : PIPE_BUF);

	if (count > 0) {
		stream->sent += (size_t)count;
	} else if (errno != EAGAIN && errno != EINTR) {
		output->cut_bytes += left;
		stream->dead = true;
		stream->sent = stream->ready.length;
	}
	if (stream->sent == stream->ready.length)
		stream->sent = stream->ready.length = 0;
}

void output_move(struct output *output, const struct pollfd sources[OUTPUT_SOURCES])
{
	for (int i = 0; i < 2; i++) {
		if (sources[i].fd >= 0 && sources[i].revents)
			take(output, &output->streams[i]);
		if (sources[2 + i].fd >= 0 && sources[2 + i].revents)
			give(output, &output->streams[i]);
	}
}

bool output_is_open(const struct output *output)
{
	for (int i = 0; i < 2; i++) {
		if (output->streams[i].pipe >= 0 || output->streams[i].sent < output->streams[i].ready.length)
			return true;
	}
	return false;
}

uint64_t output_bytes(const struct output *output)
{
	return output->bytes;
}

uint64_t output_cut_bytes(const struct output *output)
{
	uint64_t cut = output->cut_bytes;

	for (int i = 0; i < 2; i++)
		cut += output->streams[i].ready.length - output->streams[i].sent;
	return cut;
}
