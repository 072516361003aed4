/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: another process in a container that runs, behind either wall.
 *
 *   runtime                                     child
 *   opens the container, builds the plan
 *   clone3 ------------------------------------> waits
 *   id maps, limits from outside;  GO ---------> enters cgroups and namespaces; or asks the monitor
 *   terminal <--------------------- TERMINAL(fd)
 *   pid file      <------------------- PREPARED
 *   START -------------------------------------> execve; or goes on as the session's proxy
 *   closed socket, or STARTED <-----------------
 *
 * At any point the child may answer FAILED with a struct error, and ends. In a container the child becomes the new
 * process; in front of a micro-VM it stays as the proxy of one session: it forwards its signals and its terminal's size
 * to the guest and ends with the session's status, so that whoever waits for its pid sees no difference.
 *
 * Source: the command lines of runc and crun; runtime-spec has no exec.
 */
#ifndef DUET_RUNTIME_EXEC_H
#define DUET_RUNTIME_EXEC_H

#include "runtime/launch.h"

/* What the caller wants; strings stay the caller's. What config.json's process says holds where nothing else is said.
 */
struct exec_options {
	const char *root; /* state root */
	const char *id;
	const char
		*process_file; /* a whole process object (runtime-spec config.md "process"); NULL: the options below */
	char *const *args;     /* NULL-terminated; NULL with process_file */
	char *const *env;      /* NAME=VALUE to add; NULL-terminated or NULL */
	const char *cwd;       /* NULL: the container's */
	const char *user;      /* "USER[:GROUP]", ids or names of the container's own /etc/passwd and group; NULL */
	const gid_t *additional_gids;
	size_t additional_gid_count;
	char *const *capabilities; /* CAP_… to add to the container's; NULL-terminated or NULL */
	const char *apparmor, *process_label;
	const char *pid_file, *console_socket, *pidfd_socket;
	const char *cgroup; /* path below the container's group; NULL: the group itself */
	bool terminal;      /* for the options; a process_file says it itself, or is overruled by this */
	bool no_new_privileges;
	bool detach, ignore_paused;
	uint32_t preserve_fds;
};

struct exec {
	const struct exec_options *options;
	const struct isolation *isolation;
	struct container *container;
	struct oci_spec *spec; /* as it was when the container was created */
	struct process_plan process;
	struct cgroup *cgroup;
	struct cgroup_join join;
	int namespace_fds[NAMESPACE_KINDS];
	int socket; /* this side's end of the pair */
	pid_t pid;  /* of the child, in the runtime */
	int pidfd;
	int terminal_fd; /* the pty's master, in the runtime; -EBADF: no terminal */
};

/* The command. The result is the exit status for it (the process's own, or 128 + its signal; 0 when detached), or a
 * negative errno, for which the command ends with 255 unless the error has a status of its own. */
int lifecycle_exec(const struct exec_options *options, struct error *err);

#endif
