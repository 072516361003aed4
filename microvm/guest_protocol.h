/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host and the guest's init say to each other over vsock.
 *
 * The guest connects to the host's port GUEST_PORT_CONTROL and sends HELLO. All its connections come from ports up to
 * GUEST_PORT_OWN_MAX, which its kernel gives to CAP_NET_BIND_SERVICE alone: a process of the container's must not be
 * able to take the streams of another one, by being faster. Frames: u32 length of the payload, u32 type, payload
 * (base/wire.h encoding, little endian), at most GUEST_FRAME_MAX bytes of payload.
 *
 * A session is one process tree with its own streams: session 0 is the container's process, others come from exec.
 * Before it sends CREATE or EXEC the host registers the session's stream ports; the guest connects to them:
 *   without terminal  stdin (host -> guest), stdout, stderr (guest -> host), three connections
 *   with terminal     one connection on the stdin port, both directions; the pseudo terminal is in the guest
 * End of file travels as shutdown of one direction. On stdout and stderr, where the host has nothing to say, a shutdown
 * or reset from the host means that nobody reads any more: the process then gets SIGPIPE or EPIPE as from a closed
 * pipe.
 *
 * Session 0: CREATE -> CREATED or FAILED; START -> STARTED or FAILED; then EXITED. Other sessions: EXEC -> STARTED or
 * FAILED, then EXITED. After FAILED the session is gone. ASK -> ANSWER, any time after CREATED. When a process has
 * exited and its descendants keep its output open, session 0 waits for the end of the output (its pid namespace dies
 * with it), an exec'ed one for at most GUEST_DRAIN_MS. EXITED of session 0 is sent after sync(2): from then on the host
 * may stop the machine without SHUTDOWN and lose nothing.
 */
#ifndef DUET_MICROVM_GUEST_PROTOCOL_H
#define DUET_MICROVM_GUEST_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/wire.h"

#define GUEST_PROTOCOL_VERSION             5
#define GUEST_FRAME_MAX                    (16U << 20)
#define GUEST_PORT_CONTROL                 1024U
#define GUEST_PORT_OWN_MAX                 1023U /* Linux's LAST_RESERVED_PORT */
#define GUEST_PORT_STREAM(session, stream) (2048U + (session)*4U + (stream))
#define GUEST_SESSIONS_MAX                 1024U
#define GUEST_SESSION_NONE                 UINT32_MAX /* in FAILED: about a message, not about a session */
#define GUEST_DRAIN_MS                     1000

/* Where the init mounts the shared directory (virtio-fs, with this tag), read-write: paths of rootfs and binds in a
 * container_plan for the guest begin with it. */
#define GUEST_SHARE_PATH "/share"
#define GUEST_SHARE_TAG  "duet"
/* Where it mounts the guest's first disk, if CREATE says that this is the container's root. */
#define GUEST_IMAGE_PATH "/image"

enum guest_stream { GUEST_STREAM_STDIN, GUEST_STREAM_STDOUT, GUEST_STREAM_STDERR };

enum guest_question {
	GUEST_QUESTION_PROCESSES = 1, /* -> process_list of the container, pids as the container has them */
	GUEST_QUESTION_STATISTICS,    /* -> figures of its control group (cgroups/wire.h) */
	GUEST_QUESTION_UPDATE,        /* limits (cgroups/wire.h) to set -> nothing */
};

enum guest_message {
	/* guest -> host */
	GUEST_HELLO = 1, /* u32 GUEST_PROTOCOL_VERSION */
	GUEST_CREATED,   /* u32 session: everything is prepared, the executable was found; waiting for START */
	GUEST_STARTED,   /* u32 session: execve has succeeded */
	GUEST_FAILED,    /* u32 session, u32 errno, u32 exit status, string message: create, start or exec failed */
	GUEST_EXITED,    /* u32 session, u32 wait status (waitpid(2)); of session 0 also, when it failed and the guest's
			    out-of-memory killer came: u64 how often, u64 bytes of memory that the container had; sent
			    after    the session's streams were shut down */
	GUEST_ANSWER, /* u64 number of the question, u32 errno; on success (0) the answer, else u32 exit status, string
			 message */
	/* host -> guest */
	GUEST_CREATE =
		64,     /* i64 seconds and u32 nanoseconds of the host's CLOCK_REALTIME, bytes of entropy, limits
			   (cgroups/wire.h), container_plan, process_plan, network_plan, u8: the root is GUEST_IMAGE_PATH */
	GUEST_START,    /* u32 session (0) */
	GUEST_SIGNAL,   /* u32 session, u32 signal, u8 all: to every process of the container */
	GUEST_EXEC,     /* u32 session (1 to GUEST_SESSIONS_MAX - 1), string of the sub-cgroup, process_plan: starts at
			   once */
	GUEST_RESIZE,   /* u32 session, u32 rows, u32 columns */
	GUEST_SHUTDOWN, /* sync and power off */
	GUEST_GO_ON, /* i64 seconds and u32 nanoseconds of CLOCK_REALTIME, bytes of entropy: the machine goes on from a
			checkpoint, with all that was open, in another monitor */
	GUEST_ASK,   /* u64 number, u32 enum guest_question, its arguments */
};

/* Puts a frame around a payload (NULL: empty) and appends it to out. */
void guest_frame_put(struct strbuf *out, enum guest_message type, const struct strbuf *payload);

/* Frames that arrive in pieces over a stream socket. Zero-initialised. */
struct guest_frame_reader {
	uint32_t type, length;
	unsigned char *payload; /* of the last frame, inside the buffer */
	/* The reader's own: */
	unsigned char *buffer;
	size_t capacity, start, end; /* received and not handed out yet: buffer[start, end) */
	bool delivered;              /* the frame at start has been handed out */
	bool drained;                /* the last read took all that was there */
};

/* Takes the next frame; never waits. 1: a whole frame is in type, length, payload (valid until the next call); 0: more
 * is to come: wait until fd is readable (level-triggered); -EPIPE: end of stream; other negative errno: broken, stop
 * reading. Several frames may have come at once: call until it answers other than 1. */
int guest_frame_read(struct guest_frame_reader *reader, int fd, struct error *err);
/* Nothing was received but what has been handed out, and all of that has been used. */
bool guest_frame_reader_is_empty(const struct guest_frame_reader *reader);
void guest_frame_reader_free(struct guest_frame_reader *reader);

/* Writes all of it to a blocking or non-blocking stream descriptor, waiting where needed. payload: NULL for an empty
 * one. Never raises SIGPIPE on a socket. */
int guest_frame_send(int fd, enum guest_message type, const struct strbuf *payload, struct error *err);

#endif
