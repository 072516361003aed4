/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: another process in a container that runs, behind either wall.
 *
 *   runtime                                     child
 *   opens the container, builds the plan
 *   isolation->exec_prepare
 *   clone3 (into the cgroup) ------------------> waits
 *   limits from outside;  GO ------------------> enters v1 cgroups; isolation->exec_child:
 *                                                enters the namespaces; or asks the monitor
 *   terminal <--------------------- TERMINAL(fd)
 *   pid file, pidfd <----------------- PREPARED  (the executable was found; or the monitor can be spoken to)
 *   START -------------------------------------> execve; or goes on as the session's proxy
 *   closed socket, or STARTED <-----------------
 *
 * At any point the child may answer FAILED with a struct error, and ends. In a container the child becomes the new
 * process; in front of a micro-VM it stays as the proxy of one session: it forwards its signals and its terminal's size
 * to the guest and ends with the session's status, so that whoever waits for its pid sees no difference.
 *
 * Source: the command lines of runc and crun; runtime-spec has no exec, but config.md has "execCPUAffinity".
 */
#ifndef DUET_RUNTIME_EXEC_H
#define DUET_RUNTIME_EXEC_H

#include "runtime/launch.h"

/* What exec's own failures end with, as runc's and crun's do; what engines look for is in the error's words. */
#define EXEC_EXIT_FAILED 255

/* What the caller wants; strings stay the caller's. What config.json's process says holds where nothing else is said.
 */
struct exec_options {
	const char *root; /* state root */
	const char *id;
	/* A whole process object (runtime-spec config.md "process") in place of config.json's; "-": standard input;
	 * NULL: none. Capabilities, limits, labels, scheduler and the like that it leaves out are config.json's. What
	 * the options below say goes over both. */
	const char *process_file;
	char *const *args;            /* NULL-terminated; NULL: the process file's */
	char *const *env;             /* NAME=VALUE to add; NULL-terminated or NULL */
	const char *cwd;              /* NULL: the container's */
	const char *user;             /* "USER[:GROUP]": see process_set_user(); NULL */
	const gid_t *additional_gids; /* to be added */
	size_t additional_gid_count;
	uint64_t capabilities; /* bit N: capability N, added to the bounding, permitted and effective set */
	const char *apparmor, *process_label;
	const char *pid_file, *console_socket, *pidfd_socket;
	const char *cgroup; /* path below the container's group; NULL: the group itself */
	bool terminal;      /* or the process file asks for one; config.json's does not count */
	bool no_new_privileges;
	bool detach, ignore_paused;
	uint32_t preserve_fds;
};

struct exec {
	const struct exec_options *options;
	const struct isolation *isolation;
	struct container *container; /* the child has its state directory open too: its isolation closes what it must */
	struct oci_spec *spec;       /* as it was when the container was created */
	struct process_plan process;
	struct cgroup *cgroup; /* NULL: the container has none */
	struct cgroup_join join;
	int container_pidfd; /* the container's first process, or its monitor; checked to be it */
	struct child child;  /* signal_fd: negative when detached */
	bool pid_file_written;
	int terminal_fd; /* the pty's master, in the runtime; -EBADF: no terminal */
	bool proxy;      /* micro-VM: the child stays in the caller's cgroup, its process is in the guest */
	bool start_told; /* START has been sent */
};

/* The command. The result is the exit status for it (the process's own, or 128 + its signal; 0 when detached), or a
 * negative errno, for which the command ends with EXEC_EXIT_FAILED. */
int lifecycle_exec(const struct exec_options *options, struct error *err);

/* ---- the child's side, for the isolations: it has the runtime's session, descriptors and signal mask (everything may
 * be blocked) and dies with the runtime until START ---- */

/* Hands the pty's master over. */
int exec_child_terminal(struct exec *exec, int master, struct error *err);
/* PREPARED, and waits for START. */
int exec_child_prepared(struct exec *exec, struct error *err);

#endif
