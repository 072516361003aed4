/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes between START and execve(2), seen from both sides, and in it the one thing that may be asked: a filter
 * with SCMP_ACT_NOTIFY is loaded then, and the descriptor of its notifications goes to whoever listens at
 * linux.seccomp.listenerPath, in the host's view.
 *
 *   runtime                                     child
 *   START -------------------------------------> startContainer hooks, loads the filter
 *   sends it to listenerPath <---- LISTENER(fd)
 *   DONE --------------------------------------> execve
 *   closed socket, or STARTED <-----------------
 *
 * Source: runtime-spec config-linux.md "The Container Process State"; seccomp_unotify(2).
 */
#ifndef DUET_RUNTIME_LISTENER_H
#define DUET_RUNTIME_LISTENER_H

#include "oci/spec.h"
#include "oci/state.h"
#include "process/process_plan.h"

struct listener_facts {
	const struct oci_seccomp *profile; /* NULL: there is none */
	struct oci_state state;            /* of the container */
	pid_t pid;                         /* of the process, as the runtime sees it */
};

/* In the runtime, START having been sent: 0 when the process has become its program (or ended meanwhile, which its
 * pidfd tells), else the failure that it reports. */
int listener_wait_start(int socket, const struct listener_facts *facts, struct error *err);

/* In the child, last thing before process_execute(): nothing unless the plan's filter notifies. Makes the plan's filter
 * a loaded one. */
int listener_hand_over(struct process_plan *plan, int socket, struct error *err);

#endif
