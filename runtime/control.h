/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command may ask of a micro-VM's monitor over the control socket (container.h), and how. Messages of
 * base/message.h; numbers are u32 in the host's byte order unless wire.h is named.
 *
 * START    -> STARTED or FAILED
 * SIGNAL   u32 signal, u32 all -> DONE or FAILED: the guest has it, or will have it when it goes on
 * PAUSE    u32 paused -> DONE or FAILED: no processor of the guest runs any more, or all do again
 * STATUS   -> STATUS, struct control_status
 * COUNTS   -> COUNTS: u64 milliseconds since the guest's first instruction, u32 number of counts, of each a string and
 *          a u64, u8 whether there is a balloon and then: u8 awaited (what was asked for has not come yet), u64
 *          target, actual and reported bytes, u32 bits of the statistics that follow, u64 for each (wire.h)
 * BALLOON  u64 bytes that the guest is to give back -> DONE or FAILED
 * ASK      u32 enum guest_question, then its arguments; with a file for the answer, which the asker brings
 *          -> ANSWER, u64 bytes in the file; or FAILED
 * STREAM   u32 0 to 2, with the descriptor: of the session that EXEC will ask for. Standard input, output and error, or
 *          with a terminal the pty's slave alone
 * EXEC     u32 terminal, string of the sub-cgroup (wire.h), with a file that holds an encoded process_plan
 *          -> STARTED or FAILED; after STARTED in the end EXITED, u32 wait status. Meanwhile the asker may send SIGNAL
 *          (all: 0) and RESIZE (u32 rows, u32 columns), which are not answered. A connection that closes before EXITED
 *          stands for the death of the process: it is killed in the guest as well.
 *
 * CHECKPOINT u32 leave_running, u32 compress, with an empty file for the machine's state -> DONE or FAILED. Unless it
 * was to be left running, the monitor ends after DONE as if it had been killed
 *
 * What is larger than a message travels as a file (memfd_create(2)), which its reader reads once, up to a bound.
 */
#ifndef DUET_RUNTIME_CONTROL_H
#define DUET_RUNTIME_CONTROL_H

#include "base/message.h"
#include "base/strbuf.h"
#include "microvm/guest_protocol.h"
#include "runtime/container.h"
#include "runtime/launch.h"

/* Besides those of enum launch_message: START, STARTED, SIGNAL, DONE, FAILED. */
enum control_message {
	CONTROL_PAUSE = 64,
	CONTROL_STATUS,
	CONTROL_COUNTS,
	CONTROL_ASK,
	CONTROL_ANSWER,
	CONTROL_STREAM,
	CONTROL_EXEC,
	CONTROL_RESIZE,
	CONTROL_EXITED,
	CONTROL_BALLOON,
	CONTROL_CHECKPOINT,
};

struct control_status {
	uint32_t started, paused; /* 0 or 1 */
	uint64_t memory_bytes;    /* of the machine */
};

/* Larger plans and answers are refused: what fits into one frame of the guest's protocol. */
#define CONTROL_FILE_MAX (GUEST_FRAME_MAX - 4096U)

/* Connects to the monitor, which has to answer within a minute from then on. */
int control_connect(const struct container *container, struct error *err);
/* Sends a request and waits for the answer of that type; FAILED becomes the error. */
int control_request(int connection, uint32_t type, const struct strbuf *request, int fd, uint32_t answer_type,
	struct message *answer, struct error *err);
/* A request on a connection of its own, to be answered by DONE. */
int control_order(const struct container *container, uint32_t type, const void *data, size_t length, struct error *err);
/* Asks the guest's init; its answer, which is not to be trusted, is put behind *answer. */
int control_ask(const struct container *container, enum guest_question question, const struct strbuf *arguments,
	struct strbuf *answer, struct error *err);

/* What only the monitor knows for sure. Soon answered, or false: whoever looks at states must not hang on one monitor.
 */
bool control_ask_status(const struct container *container, struct control_status *status);

/* A file in memory that holds the bytes. */
int control_file(const struct strbuf *content, struct error *err);

#endif
