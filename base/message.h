/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small typed messages over a SOCK_SEQPACKET unix socket: between the runtime and the process that it is making (one
 * socketpair), and between a later command and a container that listens on its control socket. A message is a type, up
 * to MESSAGE_MAX bytes and at most one descriptor.
 */
#ifndef DUET_BASE_MESSAGE_H
#define DUET_BASE_MESSAGE_H

#include <stdint.h>

#include "base/error.h"

#define MESSAGE_MAX 65536

struct message {
	uint32_t type;
	size_t length;
	unsigned char data[MESSAGE_MAX];
	int fd; /* received with it, the receiver's to close; -EBADF: none */
};

/* One to receive into: not cleared, which would take longer than to receive most. Freed with free(3). */
struct message *message_new(void) __attribute__((malloc, returns_nonnull));

/* fd: sent along (SCM_RIGHTS); -1: none. Returns 0 or a negative errno (-EPIPE: the peer is gone). Never raises
 * SIGPIPE. */
int message_send(int socket, uint32_t type, const void *data, size_t length, int fd);

/* Waits for one message. 0; -EPIPE: the peer has closed; other negative errno. */
int message_receive(int socket, struct message *message);

/* A `struct error` as a message of the given type, and back; a malformed one reads as an error that says so.
 * message_to_error returns the negative errno, never 0; err is not NULL. */
int message_send_error(int socket, uint32_t type, const struct error *error);
int message_to_error(const struct message *message, struct error *err);

/* Connected pair, close-on-exec. */
int message_pair(int sockets[2], struct error *err);

/*
 * Has a process of its own do what this one could not come back from (another namespace, another root), and waits for
 * its one message and its end. run() answers on the socket; the process ends when it returns, and with this one. Its
 * descriptor is that of *message. purpose ends the sentences of errors: "to enter the container". 0 or a negative
 * errno: no process, or one that ended without a word; what it said is the caller's to look at.
 */
int message_from_child(void (*run)(void *context, int socket), void *context, const char *purpose,
	struct message *message, struct error *err);

/* Listens on, or connects to, the socket `name` in the directory, however long its path is. Returns the descriptor. */
int message_listen(int directory, const char *name, struct error *err);
/* The same for a stream of bytes. */
int message_listen_stream(int directory, const char *name, struct error *err);
int message_connect(int directory, const char *name);

#endif
