/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the monitor share. Private to runtime/monitor*.c.
 *
 * monitor.c          making, the loop, the end
 * monitor_guest.c    what the guest's init says and is told
 * monitor_sessions.c the processes that exec puts beside the container's own
 * monitor_control.c  what other commands ask over the control socket
 * monitor_checkpoint.c saving the machine in the middle of its work, and going on
 *
 * One thread. Nothing in the loop waits for the guest, which is not trusted to read or to answer, nor for a peer.
 */
#ifndef DUET_RUNTIME_MONITOR_INTERNAL_H
#define DUET_RUNTIME_MONITOR_INTERNAL_H

#include <poll.h>

#include "microvm/gdb.h"
#include "microvm/guest_protocol.h"
#include "runtime/control.h"
#include "runtime/monitor.h"

/* In the order of a life. */
enum monitor_phase { PHASE_BOOTING, PHASE_CREATING, PHASE_CREATED, PHASE_STARTING, PHASE_RUNNING, PHASE_EXITED };

enum session_phase { SESSION_STARTING, SESSION_RUNNING, SESSION_EXITED };

/* An exec. Its entry stays until the guest has said its last word about it, whoever else has gone: only so can a word
 * of the guest's never be taken for one about another session. */
struct monitor_session {
	struct monitor_session *next;
	uint32_t id; /* 1 to GUEST_SESSIONS_MAX - 1 */
	enum session_phase phase;
	struct monitor_peer *proxy; /* NULL: it is gone */
	int finished[3];            /* eventfds of the streams towards the host; -EBADF: none, or it has finished */
	int wait_status;            /* from SESSION_EXITED on */
};

enum peer_wish { PEER_SILENT, PEER_START, PEER_ANSWER, PEER_SESSION };

/* One connection to the control socket. */
struct monitor_peer {
	struct monitor_peer *next;
	int fd; /* -EBADF: done with; freed at the end of the round */
	enum peer_wish wish;
	int streams[3];                  /* for an EXEC to come; -EBADF: none */
	struct monitor_session *session; /* of PEER_SESSION */
	uint64_t question;               /* of PEER_ANSWER: its number, which the guest repeats */
	int answer_fd;                   /* where the answer goes; -EBADF: none */
};

struct monitor {
	struct launch *launch;
	struct vm *vm;
	struct vsock *vsock;      /* the machine's */
	enum monitor_phase phase; /* changed by monitor_enter() */
	double phase_ms;          /* when it began, on the monotonic clock */
	int phase_span;           /* the trace's (base/trace.h) */
	bool paused;
	int guest_fd; /* the control channel; -EBADF: the guest has closed it */
	int signal_fd;
	int held_fd; /* eventfd: the guest's init connects for the first time, and its template is to be written; or
			-EBADF */
	struct guest_frame_reader reader;
	bool guest_says_more;   /* than was heard in its turn: some of it may be in the reader already */
	bool misunderstood;     /* it has said that it did not understand an order */
	struct strbuf outgoing; /* what the guest has not taken yet: from outgoing_start on */
	size_t outgoing_start;
	int finished[3];   /* of the container's own streams, as in a session */
	int terminal;      /* the pty's slave, to ask its size; -EBADF: none */
	struct gdb *gdb;   /* NULL: nobody may debug */
	bool resumes;      /* the machine goes on from a checkpoint, and stands still until START */
	bool launch_waits; /* the command that made this waits for the outcome of START */
	struct {
		double asked_ms;  /* since when an answer is waited for; 0: none is */
		double next_ms;   /* when to ask again */
		double looked_ms; /* when this was last looked at */
	} watchdog;
	double begin_ms; /* when the guest was let go, on the monotonic clock */
	int wait_status; /* of the workload, from PHASE_EXITED on */
	struct monitor_session *sessions;
	uint32_t last_session;
	struct monitor_peer *peers;
	uint64_t last_question;
	bool accept_later; /* there was no descriptor left for another peer */
	struct message *message;
	struct pollfd *sources; /* of the round */
	size_t source_count, source_capacity;
};

/* The next phase begins, in the trace of the start too. */
void monitor_enter(struct monitor *monitor, enum monitor_phase phase);

/* Once the guest's init has done its part, the template that this machine wrote is complete: what was written to until
 * then is known. */
void monitor_keep_template(struct monitor *monitor);

double monitor_now_ms(void);
double monitor_spent_ms(void); /* processor time of all threads */

/* ---- monitor_guest.c ---- */

/* Puts the frame behind what the guest has not taken yet. -ENOBUFS: it takes nothing any more. */
int monitor_tell(struct monitor *monitor, enum guest_message type, const struct strbuf *payload, struct error *err);
int monitor_tell_start(struct monitor *monitor, struct error *err);
int monitor_signal_guest(struct monitor *monitor, uint32_t session, uint32_t signal, bool all, struct error *err);
int monitor_resize_guest(struct monitor *monitor, uint32_t session, uint32_t rows, uint32_t columns, struct error *err);
/* The container's own terminal has another size, perhaps. */
int monitor_resize(struct monitor *monitor, struct error *err);
/* Passes on what waits, as far as the guest takes it. */
int monitor_flush(struct monitor *monitor, struct error *err);
/* What it has said, a turn of it (guest_says_more). An error is the end of the machine. */
int monitor_read_guest(struct monitor *monitor, struct error *err);

/* The clock and fresh entropy, which CREATE and GO_ON begin with. */
int monitor_put_renewal(struct strbuf *payload, struct error *err);

/* ---- monitor_watchdog.c ---- */

/* The guest has said something. */
void monitor_watchdog_heard(struct monitor *monitor);
/* Before each wait, which it shortens. -ETIMEDOUT: the guest does not answer any more. */
int monitor_watchdog_look(struct monitor *monitor, int *timeout_ms, struct error *err);

/* ---- monitor_checkpoint.c ---- */

/* Writes the machine's state to the file. The machine goes on afterwards, or if it fails. -EBUSY: there are processes
 * of exec. */
int monitor_checkpoint(struct monitor *monitor, int fd, bool compress, struct error *err);
/* In place of START: lets a machine that stands still go on, with the clock set and fresh entropy. */
int monitor_go_on(struct monitor *monitor, struct error *err);

/* ---- monitor_sessions.c ---- */

/* Listens for the guest's connections to one stream of a session and gives the descriptors to the device. */
int monitor_listen_stream(struct monitor *monitor, uint32_t session, enum guest_stream stream, int read_fd,
	int write_fd, int *finished, struct error *err);
/* A new session for the peer's descriptors (taken from it) and an encoded process_plan. */
int monitor_session_begin(struct monitor *monitor, struct monitor_peer *proxy, bool terminal, const char *cgroup,
	const struct strbuf *plan, struct error *err);
struct monitor_session *monitor_session_find(struct monitor *monitor, uint32_t id);
/* The guest's words about a session that was found. -EPROTO: not in this phase. */
int monitor_session_started(struct monitor_session *session, struct error *err);
int monitor_session_failed(
	struct monitor *monitor, struct monitor_session *session, struct wire_reader *in, struct error *err);
int monitor_session_exited(struct monitor_session *session, int wait_status, struct error *err);
/* A proxy that ends without a word stands for its process: that is killed. */
void monitor_session_orphan(struct monitor *monitor, struct monitor_session *session);
/* Reports and forgets those that have ended and whose output has arrived. */
void monitor_sessions_settle(struct monitor *monitor);
/* Whether everything of the streams has arrived; closes the eventfds that say so. */
bool monitor_output_arrived(int (*finished)[3]);

/* ---- monitor_control.c ---- */

void monitor_accept(struct monitor *monitor);
/* One message of the peer's, or its end. */
void monitor_peer_ready(struct monitor *monitor, struct monitor_peer *peer);
/* The outcome of START for whoever asked. failure: NULL: it has started. False: nobody is there to be told. */
bool monitor_answer_start(struct monitor *monitor, const struct error *failure);
/* The guest's answer to a question. Whose asker has gone meanwhile is passed over. */
int monitor_answer_question(struct monitor *monitor, struct wire_reader *in, struct error *err);
void monitor_peers_settle(struct monitor *monitor);
void monitor_peer_close(struct monitor_peer *peer);

/* What the guest says in FAILED and in ANSWER: errno, exit status, message. Returns the negative errno. */
int monitor_take_failure(struct wire_reader *in, struct error *err);

#endif
