/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a plain description of a process to execve(2): the one implementation behind both walls. No JSON here: the
 * runtime fills the plan from config.json and the guest's init reads it from the wire.
 *
 * Source: runtime-spec config.md "process", config-linux.md "seccomp".
 */
#ifndef DUET_PROCESS_PROCESS_PLAN_H
#define DUET_PROCESS_PROCESS_PLAN_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/wire.h"

struct process_rlimit {
	int resource;        /* RLIMIT_* */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct process_capabilities { /* bit N: capability N (capabilities(7)) */
	bool set; /* false: config.json has no process.capabilities: every set is empty for the bounding, effective, …
		     sets */
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct process_scheduler {
	bool set;
	int policy; /* SCHED_* */
	int nice, priority;
	uint64_t flags, runtime_ns, deadline_ns, period_ns;
};

struct process_io_priority {
	bool set;
	int class, priority; /* ioprio_set(2) */
};

struct process_memory_policy { /* set_mempolicy(2) */
	bool set;
	int mode;           /* MPOL_* */
	unsigned int flags; /* MPOL_F_* */
	char *nodes;        /* "0-3,7"; NULL: none */
};

struct process_seccomp {
	struct sock_filter *filter; /* NULL: none */
	uint32_t filter_count;
	uint32_t flags; /* SECCOMP_FILTER_FLAG_* */
	bool notify; /* the filter has a NOTIFY action: process_listen() loads it (SECCOMP_FILTER_FLAG_NEW_LISTENER is
			added) */
	bool loaded; /* not on the wire: set by process_listen() */
};

struct process_landlock_rule {
	char *path;      /* inside the container; NULL: of a TCP port */
	uint64_t rights; /* LANDLOCK_ACCESS_FS_* or, of a port, LANDLOCK_ACCESS_NET_* */
	uint16_t port;
};

struct process_landlock { /* landlock(7) */
	bool set;
	unsigned int abi;                        /* the version that the kernel has to have */
	uint64_t handled_files, handled_network; /* what is denied where no rule allows it */
	uint64_t scopes;                         /* LANDLOCK_SCOPE_* */
	struct process_landlock_rule *rules;
	uint32_t rule_count;
	int ruleset_fd; /* from process_prepare() on; 0: none */
	bool enforced;
};

struct process_plan {
	char **args; /* NULL-terminated, at least one */
	char **env;  /* NULL-terminated */
	char *cwd;   /* absolute */
	bool terminal;
	uint32_t rows, columns; /* of the terminal; 0: leave */
	uid_t uid;
	gid_t gid;
	gid_t *additional_gids;
	uint32_t additional_gid_count;
	char *user_name, *group_name; /* to be looked up in the container: process_set_user(); NULL: the ids hold */
	bool user_groups;             /* with user_name: its primary group too, and the groups that list it */
	bool setgroups_denied;        /* user namespace where setgroups(2) is denied: additional groups cannot be set */
	bool umask_set;
	mode_t umask;
	struct process_capabilities capabilities;
	struct process_rlimit *rlimits;
	uint32_t rlimit_count;
	bool no_new_privileges;
	bool oom_score_set;
	int oom_score_adjust;
	struct process_scheduler scheduler;
	struct process_io_priority io_priority;
	struct process_memory_policy memory_policy; /* not on the wire: a guest has one node; see its monitor */
	bool personality_set;
	uint64_t personality;
	char *cpu_affinity_initial, *cpu_affinity_final; /* "0-3,7"; NULL: leave */
	char *apparmor_profile, *selinux_label;          /* NULL: none */
	bool new_keyring;                                /* join a fresh session keyring (keyctl(2)) */
	char *keyring_name;
	struct process_landlock landlock; /* not on the wire: no guest has it */
	struct process_seccomp seccomp;
	bool init; /* the process is the child of a small first process that passes signals on, reaps and ends with it;
		      a seccomp filter has to allow what that needs: clone, wait4, kill, rt_sigtimedwait, exit_group */
	uint32_t preserve_fds; /* descriptors 3 … 2+n stay open in the new process */
	bool limits_raised;    /* not on the wire: somebody with more privilege has called process_raise_limits() from
				* outside */
	int error_fd;          /* not on the wire: a socket above 2 + preserve_fds over which the caller reports that
				* process_execute() failed; it is        close-on-exec and the one descriptor that
				* process_execute()        leaves open; 0: none */
};

void process_plan_free(struct process_plan *plan);

/* The plan as bytes; decode refuses what is short, malformed or without arguments. */
void process_plan_encode(const struct process_plan *plan, struct strbuf *out);
int process_plan_decode(struct process_plan *plan, struct wire_reader *in, struct error *err);

/*
 * A user as `exec --user` has it, "USER[:GROUP]", each an id or a name of the container's own /etc/passwd and
 * /etc/group. Ids are set at once, and what is not named stays as it is in the plan: the group without ":GROUP", the
 * additional groups. A name is kept for process_resolve_user(); the additional groups in the plan are then dropped, and
 * without ":GROUP" the user gets its primary group and every group that lists it. -EINVAL for anything else: an id is a
 * whole decimal number, and a name begins with a letter or "_".
 */
int process_set_user(struct process_plan *plan, const char *text, struct error *err);
/* Looks the names up; the caller is in the container's root already. Nothing to do without names. process_prepare()
 * calls it; a caller that makes a terminal, which has to belong to the user, does so before. */
int process_resolve_user(struct process_plan *plan, struct error *err);

/*
 * The steps, in the order in which they are called in the child, all inside the container's namespaces and root file
 * system. The child has one thread. A caller that has come into a container with processes of its own (exec) has set
 * PR_SET_DUMPABLE to 0 before it entered the pid namespace, so that nothing there could trace it meanwhile.
 *
 * process_prepare: what needs privilege or must come before the wait for `start`: every descriptor from 3 +
 * preserve_fds on becomes close-on-exec; limits, oom score, scheduler, io priority, personality, cpu affinity, keyring,
 * labels, umask, HOME when the environment has none (from the container's /etc/passwd, else "/"; plan->env is replaced:
 * one entry per name, the last one), working directory (entered as the final user when only that can; must lie inside
 * the root: getcwd(2) must begin with "/"), owner of standard streams that are pipes, user, groups, capabilities and
 * no_new_privileges. Then finds the executable by PATH as execvp(3) does, so that "not found" (127) and "not
 * executable" (126) are known before the container counts as created. On return *executable (the caller's to free)
 * holds its path. The process is not dumpable from here until execve. Without no_new_privileges a seccomp filter and a
 * Landlock policy need CAP_SYS_ADMIN: it stays in the effective set until they are in force, then it goes. The policy's
 * paths are opened here, by the caller's privileges, and it comes into force in process_execute() or process_listen().
 *
 * process_listen: only for a plan with seccomp.notify, after process_prepare and while the peer that wants the listener
 * can still be reached: loads the filter now and returns its notify descriptor. What the caller does from here to
 * process_execute() runs under the filter.
 *
 * process_execute: closes every descriptor above 2 + preserve_fds but error_fd (without an error_fd they are left to
 * close-on-exec), resets signal mask and dispositions, loads the seccomp filter and execve()s. Returns only on failure,
 * with the cause named (exec_error.h).
 *
 * System calls made under the filter, which a profile has to allow: capset (only without no_new_privileges, unless the
 *   process keeps CAP_SYS_ADMIN) and execve; after process_listen() also sendmsg of the descriptor, what the caller
 * waits for `start` with (recvmsg or accept4 and recvmsg), close, close_range, rt_sigaction, rt_sigprocmask. When
 * execve fails: openat, read, pread64, close, newfstatat, fstatfs, faccessat2 to find out why, and the caller's
 * sendmsg.
 */
int process_prepare(struct process_plan *plan, char **executable, struct error *err);
int process_listen(struct process_plan *plan, int *listener_fd, struct error *err);
int process_execute(const struct process_plan *plan, const char *executable, struct error *err);

/* What of the plan's limits needs privilege, for another process (pid) or the caller (0): the oom score, and hard
 * limits below those that are wanted. The limits themselves are set by process_execute(). A process in a user namespace
 * cannot raise hard limits or lower its score by itself, whatever its capabilities there: its parent does it from
 * outside and sets plan->limits_raised in time. */
int process_raise_limits(const struct process_plan *plan, pid_t pid, struct error *err);

/* A list for process_set_cpu_affinity() that leaves everything to the cpuset. */
#define PROCESS_ALL_CPUS "0-8191"

/* set_mempolicy(2) of the calling process; nothing when it is not set. process_prepare calls it. */
int process_set_memory_policy(const struct process_memory_policy *policy, struct error *err);

/* sched_setaffinity(2) of the calling process from a list like "0-3,7". For cpu_affinity_initial, before the cgroup is
 * joined; process_prepare applies cpu_affinity_final. */
int process_set_cpu_affinity(const char *list, struct error *err);

#endif
