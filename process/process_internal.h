/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of this folder.
 */
#ifndef DUET_PROCESS_PROCESS_INTERNAL_H
#define DUET_PROCESS_PROCESS_INTERNAL_H

#include <sys/capability.h>

#include "process/process_plan.h"

/* number_list.c: sets the bits of a list like "0-3,7", all below `bits`. False when it is none. */
bool process_parse_number_list(const char *list, unsigned long *mask, unsigned long bits);

/* limits.c: scheduler, io priority, personality, final cpu affinity, memory policy. */
int process_apply_scheduling(const struct process_plan *plan, struct error *err);
/* limits.c: the plan's rlimits for the caller, after process_raise_limits(). The last thing before the filter: too few
 * open files or too little memory for duet itself is no reason to fail. */
int process_set_limits(const struct process_plan *plan, struct error *err);

/* labels.c: AppArmor or SELinux label for the next execve; the session keyring. */
int process_apply_labels(const struct process_plan *plan, struct error *err);
int process_join_keyring(const struct process_plan *plan, struct error *err);

/* environment.c: one entry per name, HOME. */
void process_complete_environment(struct process_plan *plan);
/* The value of a variable; NULL: not set. */
const char *process_environment_value(char *const *env, const char *name);

/* user.c: reads a file of the container ("etc/passwd"), below the caller's root whatever links it has. Anything but a
 * plain file of a sensible size is -EINVAL or -EFBIG. */
int process_read_account_file(const char *path, struct strbuf *content);

/* init.c: forks; the caller goes on as the child, with no signal blocked, and the parent never returns. */
int process_fork_from_init(struct error *err);

/* landlock.c: the ruleset of a plan that has a policy; what puts it into force. */
int process_make_landlock(struct process_plan *plan, struct error *err);
int process_enforce_landlock(const struct process_plan *plan, struct error *err);

/* credentials.c */
int process_apply_credentials(const struct process_plan *plan, struct error *err);
/* True when CAP_SYS_ADMIN is held beyond the plan's effective set until the seccomp filter is loaded. */
bool process_keeps_admin(const struct process_plan *plan);
/* The plan's permitted, effective and inheritable sets, ready for cap_set_proc(3), which is then one system call. */
int process_final_capabilities(const struct process_plan *plan, cap_t *capabilities, struct error *err);

/* find_executable.c: PATH search as the current user, in the current directory. */
int process_find_executable(const char *name, const char *path_variable, char **executable, struct error *err);

#endif
