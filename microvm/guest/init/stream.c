/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest/init/stream.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "microvm/guest/init/machine.h"

#define PUMP_BUDGET 16 /* chunks in one go, before other streams and the host's orders get their turn */

static void end_ready(struct watch *watch, uint32_t events);

static int end_watch(struct stream_end *end, uint32_t events)
{
	int result;

	if (end->events)
		result = init_rewatch(end->init, end->fd, &end->watch, events | EPOLLET);
	else
		result = init_watch(end->init, end->fd, &end->watch, events | EPOLLET);
	end->events = events | EPOLLET;
	return result;
}

static void end_set(struct stream_end *end, struct init *init, int fd, bool is_socket)
{
	*end = (struct stream_end){ .watch.ready = end_ready, .init = init, .fd = fd, .is_socket = is_socket };
}

static void end_close(struct stream_end *end)
{
	init_close(end->init, &end->fd);
	end->events = 0;
}

static ssize_t end_read(const struct stream_end *end, void *data, size_t length)
{
	ssize_t count = end->is_socket ? recv(end->fd, data, length, MSG_DONTWAIT) : read(end->fd, data, length);

	return count < 0 ? -errno : count;
}

/* ENOTCONN: the connection is still being made; one that fails is reported by EPOLLERR. */
static ssize_t end_write(const struct stream_end *end, const void *data, size_t length)
{
	ssize_t count = end->is_socket ? send(end->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL)
				       : write(end->fd, data, length);

	if (count < 0)
		return errno == ENOTCONN ? -EAGAIN : -errno;
	return count;
}

static void pump_drop_held(struct pump *pump)
{
	pump->held_bytes = 0;
	free_pointer(&pump->held);
}

static void pump_finish(struct pump *pump)
{
	bool input = pump->from->is_socket;

	pump->finished = true;
	pump_drop_held(pump);
	if (pump->terminal) {
		/* The end of the input leaves the terminal; the end of the output ends both. */
		if (input)
			return;
		pump->from->sink_of->finished = true;
		pump_drop_held(pump->from->sink_of);
	}
	end_close(pump->to);
	/* What is at its end can as well be closed with the session. */
	if (!pump->ended)
		end_close(pump->from);
}

static void pump_hold(struct pump *pump, const unsigned char *data, size_t length)
{
	if (!pump->held)
		pump->held = xcalloc(SCRATCH_BYTES, 1);
	memcpy(pump->held, data, length);
	pump->held_start = 0;
	pump->held_bytes = length;
}

/* Passes on what it can. The number of bytes that went, or a negative errno when `to` takes nothing more for ever. */
static ssize_t pump_write(struct pump *pump, const unsigned char *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t count = end_write(pump->to, data + done, length - done);

		if (count == -EINTR)
			continue;
		if (count == -EAGAIN) {
			/* Edge-triggered: registering anew reports room that has come meanwhile; once is enough. */
			if (!(pump->to->events & EPOLLOUT) && end_watch(pump->to, pump->to->events | EPOLLOUT) < 0)
				return -EIO;
			break;
		}
		if (count < 0)
			return count;
		done += (size_t)count;
	}
	return (ssize_t)done;
}

static bool pump_flush(struct pump *pump)
{
	ssize_t count = pump_write(pump, pump->held + pump->held_start, pump->held_bytes);

	if (count < 0) {
		pump_finish(pump);
		return false;
	}
	pump->held_start += (size_t)count;
	pump->held_bytes -= (size_t)count;
	return !pump->held_bytes;
}

/* What a read without data means. False: nothing more can be done until the loop reports something. */
static bool pump_read_nothing(struct pump *pump, ssize_t count)
{
	pump->readable = false;
	/* EIO: at the moment nobody has the terminal open. That is its end only when its process is gone: others open
	 * /dev/console as they need it. */
	pump->ended = count != -EAGAIN && (count != -EIO || !pump->terminal || pump->exited);
	return pump->ended;
}

/* One chunk. False: as above. */
static bool pump_step(struct pump *pump)
{
	unsigned char *scratch = pump->from->init->scratch;
	ssize_t count, passed;

	if (pump->held_bytes && !pump_flush(pump))
		return false;
	if (pump->ended) {
		pump_finish(pump);
		return false;
	}
	if (!pump->readable)
		return false;
	count = end_read(pump->from, scratch, SCRATCH_BYTES);
	if (count == -EINTR)
		return true;
	if (count <= 0)
		return pump_read_nothing(pump, count);
	/* A short read took all there was (not so from a terminal) and what comes later is reported, unless the end has
	 * been. */
	pump->readable = count == SCRATCH_BYTES || pump->hung_up || pump->terminal;
	passed = pump_write(pump, scratch, (size_t)count);
	if (passed < 0) {
		pump_finish(pump);
		return false;
	}
	if (passed < count)
		pump_hold(pump, scratch + passed, (size_t)(count - passed));
	return passed == count;
}

static void pump_run(struct pump *pump)
{
	for (unsigned i = 0; i < PUMP_BUDGET && !pump->finished; i++) {
		if (!pump_step(pump))
			return;
	}
	if (!pump->finished)
		pump->from->init->hurry = true;
}

static void end_ready(struct watch *watch, uint32_t events)
{
	struct stream_end *end = (struct stream_end *)((char *)watch - offsetof(struct stream_end, watch));
	struct pump *source_of = end->source_of, *sink_of = end->sink_of;

	if (end->fd < 0)
		return;
	if (source_of && !source_of->finished) {
		source_of->readable = source_of->readable || (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP | EPOLLERR));
		source_of->hung_up = source_of->hung_up || (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR));
		/* An empty pipe without writers: no need to read what is known. */
		source_of->ended = source_of->ended || (events == EPOLLHUP && !source_of->terminal);
		pump_run(source_of);
	}
	if (!sink_of || sink_of->finished || end->fd < 0)
		return;
	/* On a connection for output alone the host has nothing to end but its reading. */
	if (events & (EPOLLERR | EPOLLHUP) || (events & EPOLLRDHUP && !source_of))
		pump_finish(sink_of);
	else
		pump_run(sink_of);
}

static void pump_join(struct pump *pump, struct stream_end *from, struct stream_end *to, bool terminal)
{
	*pump = (struct pump){ .from = from, .to = to, .terminal = terminal };
	from->source_of = pump;
	to->sink_of = pump;
}

static int make_pipe(struct streams *streams, enum guest_stream stream, int *process_fd, struct error *err)
{
	bool input = stream == GUEST_STREAM_STDIN;
	struct stream_end *host = &streams->host[stream], *process = &streams->process[stream];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe");
	*process_fd = ends[input ? 0 : 1];
	end_set(process, streams->init, ends[input ? 1 : 0], false);
	if (fcntl(process->fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, errno, "make a pipe non-blocking");
	pump_join(&streams->pumps[stream], input ? host : process, input ? process : host, false);
	/* That nobody reads the input any more is seen when there is some. */
	if ((!input && end_watch(process, EPOLLIN) < 0) ||
		end_watch(host, input ? EPOLLIN | EPOLLRDHUP : EPOLLRDHUP) < 0)
		return error_set(err, errno, "wait for a stream");
	return 0;
}

int streams_open(struct streams *streams, struct init *init, uint32_t session, bool terminal, int process_fds[3],
	struct error *err)
{
	unsigned count = terminal ? 1 : 3;

	*streams = (struct streams){ .init = init, .terminal = terminal, .session = session };
	for (unsigned i = 0; i < 3; i++) {
		end_set(&streams->host[i], init, -EBADF, true);
		end_set(&streams->process[i], init, -EBADF, false);
		streams->pumps[i].finished = true;
	}
	for (unsigned i = 0; i < count; i++) {
		int result = machine_connect(init, GUEST_PORT_STREAM(session, i), true, err);

		if (result < 0)
			return result;
		streams->host[i].fd = result;
		if (!terminal)
			result = make_pipe(streams, (enum guest_stream)i, &process_fds[i], err);
		if (result < 0)
			return result;
	}
	return 0;
}

int streams_attach_terminal(struct streams *streams, int master, struct error *err)
{
	struct stream_end *host = &streams->host[GUEST_STREAM_STDIN], *process = &streams->process[GUEST_STREAM_STDIN];

	end_set(process, streams->init, master, false);
	if (fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return error_set(err, errno, "make the terminal non-blocking");
	if (streams->size.ws_row)
		(void)ioctl(master, TIOCSWINSZ, &streams->size);
	pump_join(&streams->pumps[GUEST_STREAM_STDIN], host, process, true);
	pump_join(&streams->pumps[GUEST_STREAM_STDOUT], process, host, true);
	if (end_watch(host, EPOLLIN | EPOLLOUT | EPOLLRDHUP) < 0 || end_watch(process, EPOLLIN | EPOLLOUT) < 0)
		return error_set(err, errno, "wait for the terminal");
	return 0;
}

int streams_resize(struct streams *streams, uint32_t rows, uint32_t columns)
{
	const struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
	int master = streams->process[GUEST_STREAM_STDIN].fd;

	if (rows > UINT16_MAX || columns > UINT16_MAX)
		return -EINVAL;
	if (!streams->terminal)
		return 0;
	streams->size = size;
	return master >= 0 && ioctl(master, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

bool streams_output_finished(const struct streams *streams)
{
	return streams->pumps[GUEST_STREAM_STDOUT].finished && streams->pumps[GUEST_STREAM_STDERR].finished;
}

void streams_continue(struct streams *streams)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!streams->pumps[i].finished)
			pump_run(&streams->pumps[i]);
	}
}

void streams_process_exited(struct streams *streams)
{
	struct pump *output = &streams->pumps[GUEST_STREAM_STDOUT];

	if (!streams->terminal || output->finished)
		return;
	output->exited = output->readable = true;
	pump_run(output);
}

void streams_close(struct streams *streams)
{
	for (unsigned i = 0; i < 3; i++) {
		end_close(&streams->host[i]);
		end_close(&streams->process[i]);
		streams->pumps[i].finished = true;
		pump_drop_held(&streams->pumps[i]);
	}
}
