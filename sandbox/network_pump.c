/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process between a sandbox's tap device and passt. passt's socket carries frames with their length before them, in
 * four bytes, the highest first (as QEMU's stream sockets do).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sandbox/network.h"

enum {
	LENGTH_BYTES = 4,
	QUESTIONS_MAX = 64,
	QUESTION_TIMEOUT_S = 5,
	SERVERS_MAX = 3,
	BURST = 64,
	RESOLV_BYTES_MAX = 65536,
	DNS_PORT = 53,
};

struct question {
	int socket; /* -1: free */
	time_t asked;
	uint16_t number; /* as it was asked */
	size_t frame_length;
	uint8_t frame[EGRESS_MESSAGE_MAX + 128]; /* the sandbox's, to be answered */
	const uint8_t *message;
	size_t message_length;
};

struct pump {
	struct network_pump *plan;
	struct question questions[QUESTIONS_MAX];
	struct sockaddr_storage servers[SERVERS_MAX];
	unsigned int server_count, turn;
	/* To passt what it has not taken; from it what is not a whole frame yet. */
	uint8_t out[LENGTH_BYTES + EGRESS_FRAME_MAX], in[4 * (LENGTH_BYTES + EGRESS_FRAME_MAX)];
	size_t out_start, out_end, in_length;
	uint8_t frame[LENGTH_BYTES + EGRESS_FRAME_MAX];
	uint8_t query[EGRESS_MESSAGE_MAX], answer[EGRESS_MESSAGE_MAX], answer_frame[EGRESS_MESSAGE_MAX + 128];
};

/* ---- to the sandbox ---- */

/* What its queue does not take is lost, as on any wire. */
static void give_sandbox(struct pump *pump, const uint8_t *frame, size_t length)
{
	if (write(pump->plan->tap, frame, length) == (ssize_t)length)
		pump->plan->egress.counts->received_bytes += length;
}

static void take_from_passt(struct pump *pump)
{
	ssize_t count = recv(pump->plan->passt, pump->in + pump->in_length, sizeof(pump->in) - pump->in_length, 0);
	size_t at = 0;

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* It has ended: nothing comes or goes any more. */
	if (count <= 0)
		_exit(1);
	pump->in_length += (size_t)count;
	while (pump->in_length - at >= LENGTH_BYTES) {
		uint32_t length;

		memcpy(&length, pump->in + at, LENGTH_BYTES);
		length = ntohl(length);
		if (length > EGRESS_FRAME_MAX)
			_exit(1);
		if (pump->in_length - at < LENGTH_BYTES + length)
			break;
		give_sandbox(pump, pump->in + at + LENGTH_BYTES, length);
		at += LENGTH_BYTES + length;
	}
	pump->in_length -= at;
	memmove(pump->in, pump->in + at, pump->in_length);
}

/* ---- to the world ---- */

static void flush(struct pump *pump)
{
	while (pump->out_start < pump->out_end) {
		ssize_t count = send(pump->plan->passt, pump->out + pump->out_start, pump->out_end - pump->out_start,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		if (count <= 0)
			_exit(1);
		pump->out_start += (size_t)count;
	}
	pump->out_start = pump->out_end = 0;
}

static void give_world(struct pump *pump, const uint8_t *frame, size_t length)
{
	uint32_t prefix = htonl((uint32_t)length);

	memcpy(pump->out, &prefix, LENGTH_BYTES);
	memcpy(pump->out + LENGTH_BYTES, frame, length);
	pump->out_start = 0;
	pump->out_end = LENGTH_BYTES + length;
	pump->plan->egress.counts->sent_bytes += length;
	flush(pump);
}

/* ---- questions ---- */

static void answer_sandbox(struct pump *pump, const uint8_t *question_frame, const uint8_t *payload, size_t length)
{
	size_t frame_length =
		egress_answer(question_frame, payload, length, pump->answer_frame, sizeof(pump->answer_frame));

	if (frame_length)
		give_sandbox(pump, pump->answer_frame, frame_length);
}

static struct question *free_question(struct pump *pump)
{
	struct question *oldest = &pump->questions[0];

	for (struct question *question = pump->questions; question < pump->questions + QUESTIONS_MAX; question++) {
		if (question->socket < 0)
			return question;
		if (question->asked < oldest->asked)
			oldest = question;
	}
	close_fd(&oldest->socket);
	return oldest;
}

static time_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* A socket of its own for each: only that server can answer, and only on a port and with a number that nobody else
 * knows. */
static void ask(struct pump *pump, size_t frame_length, const uint8_t *message, size_t message_length, uint16_t number,
	size_t length)
{
	struct question *question = free_question(pump);
	const struct sockaddr_storage *server;
	cleanup_fd int fd = -EBADF;

	if (pump->server_count == 0 || frame_length > sizeof(question->frame))
		return;
	/* A sandbox that gets no answer asks again, and so another one. */
	server = &pump->servers[pump->turn++ % pump->server_count];
	fd = socket(server->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)server, sizeof(*server)) < 0 ||
		send(fd, pump->query, length, 0) < 0)
		return;
	question->asked = now_s();
	question->number = number;
	question->frame_length = frame_length;
	memcpy(question->frame, pump->frame, frame_length);
	question->message = question->frame + (message - pump->frame);
	question->message_length = message_length;
	question->socket = take_fd(&fd);
}

static void take_answer(struct pump *pump, struct question *question)
{
	ssize_t length = recv(question->socket, pump->answer, sizeof(pump->answer), 0);

	if (length <= 0)
		close_fd(&question->socket);
	if (length <= 0 || egress_learn(&pump->plan->egress, question->message, question->message_length,
				   question->number, pump->answer, (size_t)length) < 0)
		return;
	close_fd(&question->socket);
	answer_sandbox(pump, question->frame, pump->answer, (size_t)length);
}

/* ---- from the sandbox ---- */

static void take_frame(struct pump *pump, size_t length)
{
	struct egress *egress = &pump->plan->egress;
	struct egress_reply reply;
	const uint8_t *message = NULL;
	size_t message_length = 0, answer_length;
	uint16_t number;
	int query;

	switch (egress_look(egress, pump->frame, length, &message, &message_length, &reply)) {
	case EGRESS_PASS:
		give_world(pump, pump->frame, length);
		break;
	case EGRESS_ASK:
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			_exit(1);
		query = egress_question(
			egress, message, message_length, number, pump->query, pump->answer, &answer_length);
		if (query > 0)
			ask(pump, length, message, message_length, number, (size_t)query);
		else if (query == 0)
			answer_sandbox(pump, pump->frame, pump->answer, answer_length);
		break;
	case EGRESS_REFUSE:
		if (reply.length)
			give_sandbox(pump, reply.frame, reply.length);
		break;
	case EGRESS_DROP:
		break;
	}
}

static void take_from_sandbox(struct pump *pump)
{
	for (int i = 0; i < BURST && pump->out_end == 0; i++) {
		ssize_t length = read(pump->plan->tap, pump->frame, EGRESS_FRAME_MAX);

		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		/* The namespace is gone. */
		if (length <= 0)
			_exit(0);
		take_frame(pump, (size_t)length);
	}
}

/* ---- the name servers ---- */

static bool parse_server(const char *text, struct sockaddr_storage *server)
{
	struct sockaddr_in *old = (struct sockaddr_in *)server;
	struct sockaddr_in6 *new = (struct sockaddr_in6 *)server;

	memset(server, 0, sizeof(*server));
	if (inet_pton(AF_INET, text, &old->sin_addr) == 1) {
		old->sin_family = AF_INET;
		old->sin_port = htons(DNS_PORT);
		return true;
	}
	if (inet_pton(AF_INET6, text, &new->sin6_addr) != 1)
		return false;
	new->sin6_family = AF_INET6;
	new->sin6_port = htons(DNS_PORT);
	return true;
}

static void read_servers(struct pump *pump)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char *rest, address[64];

	if (file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_BYTES_MAX, &text) < 0)
		return;
	rest = text.data;
	for (char *line = strsep(&rest, "\n"); line && pump->server_count < SERVERS_MAX; line = strsep(&rest, "\n")) {
		if (sscanf(line, " nameserver %63s", address) == 1 &&
			parse_server(address, &pump->servers[pump->server_count]))
			pump->server_count++;
	}
}

/* ---- the loop ---- */

static void turn(struct pump *pump)
{
	struct pollfd sources[2 + QUESTIONS_MAX];
	time_t now;

	sources[0] = (struct pollfd){ .fd = pump->out_end ? -1 : pump->plan->tap, .events = POLLIN };
	sources[1] = (struct pollfd){ .fd = pump->plan->passt, .events = POLLIN };
	if (pump->out_end)
		sources[1].events |= POLLOUT;
	for (int i = 0; i < QUESTIONS_MAX; i++)
		sources[2 + i] = (struct pollfd){ .fd = pump->questions[i].socket, .events = POLLIN };
	if (poll(sources, 2 + QUESTIONS_MAX, 1000) < 0 && errno != EINTR)
		_exit(1);
	if (sources[1].revents & POLLOUT)
		flush(pump);
	if (sources[1].revents & ~POLLOUT)
		take_from_passt(pump);
	if (sources[0].revents)
		take_from_sandbox(pump);
	now = now_s();
	for (int i = 0; i < QUESTIONS_MAX; i++) {
		struct question *question = &pump->questions[i];

		if (question->socket >= 0 && question->socket == sources[2 + i].fd && sources[2 + i].revents)
			take_answer(pump, question);
		else if (question->socket >= 0 && now - question->asked > QUESTION_TIMEOUT_S)
			close_fd(&question->socket);
	}
}

void network_pump(struct network_pump *plan)
{
	struct pump *pump = xcalloc(1, sizeof(*pump));

	pump->plan = plan;
	for (int i = 0; i < QUESTIONS_MAX; i++)
		pump->questions[i].socket = -EBADF;
	read_servers(pump);
	for (;;)
		turn(pump);
}
