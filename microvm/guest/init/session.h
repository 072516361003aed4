/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: the container's process (0) and those that exec put beside it.
 */
#ifndef DUET_MICROVM_GUEST_SESSION_H
#define DUET_MICROVM_GUEST_SESSION_H

#include "microvm/guest/init/stream.h"
#include "ns/container_plan.h"
#include "process/process_plan.h"

enum session_state {
	SESSION_PREPARING, /* until the child says that all is prepared */
	SESSION_CREATED,   /* waits for START */
	SESSION_STARTING,  /* on its way to execve */
	SESSION_RUNNING,
	SESSION_FAILED, /* FAILED has been sent */
};

struct session {
	struct session *next;
	struct init *init;
	uint32_t id;
	enum session_state state;
	pid_t pid;
	int pidfd, link; /* link: to the child until its execve closes it */
	struct watch exit_watch, link_watch;
	struct streams streams;
	bool exited;
	int wait_status;
	int64_t drain_until_ms; /* when to stop waiting for output that descendants keep open; 0: no limit */
};

struct session *session_find(struct init *init, uint32_t id);
/* Is there any session beside the container's own? */
bool sessions_beside(const struct init *init);
/* Session 0. The plans are only read. */
int session_create(
	struct init *init, const struct container_plan *container, struct process_plan *process, struct error *err);
/* subgroup: below the container's group; NULL: that itself. */
int session_exec(struct init *init, uint32_t id, const char *subgroup, struct process_plan *process, struct error *err);
int session_start(struct session *session, struct error *err);
void session_signal(struct session *session, int signal);
/* End of a round of the loop: frees what was reported, gives up on what drained for too long. Returns how long the loop
 * may sleep (ms), -1: until something happens. */
int sessions_settle(struct init *init);

#endif
