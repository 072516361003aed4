/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's first process: takes orders from the host over vsock (microvm/guest_protocol.h), builds the container
 * with the same code as the host does (ns/, process/), and carries bytes between its processes and the host.
 *
 * One thread, one epoll loop, edge-triggered for streams. Every system call counts here: on a machine whose KVM
 * emulates the guest's kernel each costs 190 us and a page fault 1.5 ms.
 *
 * main.c       from the kernel's hands to HELLO, the loop
 * control.c    what the host asks for
 * session.c    a process tree with its streams, from clone3 to EXITED
 * child.c      what the new process does until execve
 * stream.c     pumps between pipes (or a pseudo terminal) and vsock connections
 * group.c      the container's control group
 * host_only.c  what cgroups/ finds on a host and not here
 * questions.c  what the host wants to know about the container
 * machine.c    what is the machine's: mounts, clock, entropy, power; the way to the host
 */
#ifndef DUET_MICROVM_GUEST_INIT_H
#define DUET_MICROVM_GUEST_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "microvm/guest_protocol.h"

struct cgroup;
struct group_basis;
struct session;
struct message;

/* What epoll's data points to. Embedded in its owner, which lives until the end of a round of the loop. */
struct watch {
	void (*ready)(struct watch *watch, uint32_t events);
};

struct init {
	int epoll_fd, control_fd;
	struct watch control_watch;
	struct guest_frame_reader reader;
	struct session *sessions;
	struct group_basis *basis; /* of the container's group; NULL: nothing of the machine is touched */
	struct cgroup *group;      /* the container's; NULL: none */
	int mount_namespace;       /* the container's, once it has been started; -EBADF: not yet */
	uint64_t namespaces;       /* CLONE_NEW* that the container has of its own */
	int own_pid_namespace;     /* to come back to after an exec; -EBADF: not needed yet */
	unsigned char *scratch;    /* SCRATCH_BYTES for the pumps */
	struct message *message;   /* room for what a child says */
	uint32_t last_port;        /* of the machine's own, from which a connection was made */
	bool hurry;                /* a pump has more to do although nothing will report it: do not sleep */
	const char *socket_path; /* for tests: unix sockets "PATH.PORT" instead of vsock, and nothing of the machine is
				    touched */
};

#define SCRATCH_BYTES 65536

/* Adds fd to the loop. 0 or a negative errno. */
int init_watch(struct init *init, int fd, struct watch *watch, uint32_t events);
int init_rewatch(struct init *init, int fd, struct watch *watch, uint32_t events);
/* Closes a descriptor that was watched. A child of another session on its way to execve may have a copy of it, which
 * would keep the watch alive after its owner. */
void init_close(struct init *init, int *fd);

/* control.c: reads orders; never returns an error to the loop: without the host there is nothing to do but to power
 * off. */
void control_ready(struct watch *watch, uint32_t events);
void control_send(struct init *init, enum guest_message type, const struct strbuf *payload);
void control_send_session(struct init *init, enum guest_message type, uint32_t session);
void control_send_failure(struct init *init, uint32_t session, const struct error *error);

#endif
