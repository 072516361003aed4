/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From clone3 to execve, in the new process.
 */
#ifndef DUET_MICROVM_GUEST_CHILD_H
#define DUET_MICROVM_GUEST_CHILD_H

#include "ns/container_plan.h"
#include "process/process_plan.h"

/* Over the link (base/message.h). It closes at execve. */
enum child_message {
	CHILD_GO = 1,   /* to the child: the user namespace is ready; then: start */
	CHILD_PREPARED, /* from it, with the terminal's master if there is one */
	CHILD_FAILED,   /* from it: a struct error */
};

struct child_orders {
	const struct container_plan *container; /* NULL: an exec into the one that is there */
	struct process_plan *process;
	bool user_namespace;  /* the container has one: the process waits for CHILD_GO before it acts inside */
	uint64_t clone_flags; /* CLONE_NEW* of a new container */
	int group_fd;         /* for CLONE_INTO_CGROUP; -EBADF: none */
	pid_t beside;         /* of an exec: this process is in a group that takes processes if that one does not; 0 */
	int container_pidfd;  /* of an exec; else -EBADF */
	uint64_t join_flags;
	int link;
	int streams[3]; /* unless process->terminal */
};

_Noreturn void child_run(const struct child_orders *orders);

#endif
