/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of one session: pumps between the ends that the process holds and connections to the host.
 *
 * The process gets pipes, not the connections themselves: programs open /dev/stderr anew, which a socket does not
 * allow. A reader that is gone at one end closes the other, so that the writer gets EPIPE; end of file passes likewise.
 */
#ifndef DUET_MICROVM_GUEST_STREAM_H
#define DUET_MICROVM_GUEST_STREAM_H

#include <sys/ioctl.h>

#include "microvm/guest/init/init.h"

struct pump;

struct stream_end {
	struct watch watch;
	struct init *init;
	int fd; /* -EBADF: closed */
	bool is_socket;
	uint32_t events; /* registered with the loop; 0: not registered */
	struct pump *source_of, *sink_of;
};

struct pump {
	struct stream_end *from, *to;
	bool terminal;       /* one of the two whose ends are the same pseudo terminal and the same connection */
	bool exited;         /* the session's process is gone */
	bool readable;       /* a read may find something */
	bool hung_up;        /* nothing more will be written at the other end: read until the end */
	bool ended;          /* end of file was read */
	bool finished;       /* everything has been passed on, or there is nobody to pass it to */
	unsigned char *held; /* what `to` had no room for: held[held_start, held_start + held_bytes) */
	size_t held_start, held_bytes;
};

struct streams {
	struct init *init;
	bool terminal;
	struct stream_end host[3], process[3]; /* by enum guest_stream; a terminal has the first of each */
	struct pump pumps[3];                  /* by enum guest_stream; a terminal has input and output */
	uint32_t session;
	struct winsize size; /* asked for before the terminal was there; all zero: none */
};

/* Connects to the session's ports. Without a terminal it makes the pipes: process_fds are the process's ends, to be
 * closed after the clone. With one, streams_attach_terminal() follows. */
int streams_open(struct streams *streams, struct init *init, uint32_t session, bool terminal, int process_fds[3],
	struct error *err);
/* Takes the master over and begins to pass bytes. */
int streams_attach_terminal(struct streams *streams, int master, struct error *err);
/* A terminal that is still to come has the size from its beginning. */
int streams_resize(struct streams *streams, uint32_t rows, uint32_t columns);
/* The process has exited: takes what is still in a terminal, which then is at its end. */
void streams_process_exited(struct streams *streams);
/* True when all output has been passed on and its connections were closed. */
bool streams_output_finished(const struct streams *streams);
/* Goes on with a pump that used up its share of the round. */
void streams_continue(struct streams *streams);
/* Closes what is open. */
void streams_close(struct streams *streams);

#endif
