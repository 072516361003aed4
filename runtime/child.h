/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one child that a command makes, seen from the command: the clone, the conversation over a socket pair, its end.
 */
#ifndef DUET_RUNTIME_CHILD_H
#define DUET_RUNTIME_CHILD_H

#include <linux/sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/message.h"
#include "cgroups/cgroup.h"

struct child {
	pid_t pid;                /* 0: none, or it has been waited for */
	pid_t former;             /* of the one that was there before child_adopt(); 0: none */
	int pidfd;                /* -EBADF: none */
	int socket;               /* this side's end of the pair; in the child the other one */
	int signal_fd;            /* a signalfd(2): what ends a command ends the conversation too; negative: none */
	bool is_monitor;          /* of a micro-VM, under a system call filter of duet's own */
	bool heard;               /* it has said something */
	bool must_join_by_itself; /* it could not be born in its cgroup: killed at once, or the kernel cannot */
	/* That it is born into, to explain its death by what happened there meanwhile; NULL: unknown. */
	const struct cgroup *cgroup;
	uint64_t out_of_memory_kills; /* of that group, before */
};

#define CHILD_NONE                                                                \
	{                                                                         \
		.pidfd = -EBADF, .socket = -EBADF, .signal_fd = -EBADF, .pid = 0, \
	}

/* clone3(2) with the flags given, into the v2 cgroup cgroup_fd unless that is negative. Returns 0 in the child, else
 * its pid or a negative errno. */
pid_t child_clone(struct child *child, uint64_t flags, int cgroup_fd, struct error *err);

/* Waits for what it says next; LAUNCH_FAILED (launch.h) becomes the error, and so does its death. A person who presses
 * Ctrl-C meanwhile is heard. Other signals find no process yet and go. The descriptor in *message is the caller's. */
int child_receive(struct child *child, struct message *message, struct error *err);
/* -EIO with its last word when it has ended. */
int child_tell(struct child *child, uint32_t type, struct error *err);

/* Another process takes its place, which it made as its own sibling. It is told by its pidfd, which becomes *child's:
 * its number in the child's pid namespace may mean another process here. The former one is waited for later, and has to
 * end by itself when the other one executes its program or ends. */
int child_adopt(struct child *child, int pidfd, struct error *err);
void child_reap_former(struct child *child);

/* The exit status of a command that waited for it: its own, or 128 + its signal. */
int child_wait(struct child *child, struct error *err);
/* Kills and waits for it. */
void child_kill(struct child *child);
/* Closes the descriptors. The process goes on. */
void child_close(struct child *child);

int child_write_pid_file(const struct child *child, const char *path, struct error *err);

#endif
