/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `criu` program, which freezes processes into files and thaws them (criu(8)). It is started for one request in its
 * service mode ("criu swrk FD") and spoken to over a socket pair: that way it asks back at the moments that matter to a
 * runtime (namespaces made, processes restored), hands out the terminal's master, and the restored process becomes a
 * child of the runtime.
 */
#ifndef DUET_RUNTIME_CRIU_H
#define DUET_RUNTIME_CRIU_H

#include "cgroups/cgroup.h"
#include "runtime/criu_message.h"

enum criu_request_type { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4 };

/* Fields of criu_opts. */
enum criu_option {
	CRIU_IMAGES_FD = 1,
	CRIU_PID = 2,
	CRIU_LEAVE_RUNNING = 3,
	CRIU_EXT_UNIX_SK = 4,
	CRIU_TCP_ESTABLISHED = 5,
	CRIU_EVASIVE_DEVICES = 6,
	CRIU_SHELL_JOB = 7,
	CRIU_FILE_LOCKS = 8,
	CRIU_LOG_LEVEL = 9,
	CRIU_LOG_FILE = 10,
	CRIU_PAGE_SERVER = 11,
	CRIU_NOTIFY_SCRIPTS = 12,
	CRIU_ROOT = 13,
	CRIU_PARENT_IMAGES = 14,
	CRIU_TRACK_MEMORY = 15,
	CRIU_AUTO_DEDUP = 16,
	CRIU_WORK_FD = 17,
	CRIU_LINK_REMAP = 18,
	CRIU_EXTERNAL_MOUNT = 23,
	CRIU_MANAGE_CGROUPS = 24,
	CRIU_CGROUP_ROOT = 25,
	CRIU_RESTORE_SIBLING = 26,
	CRIU_INHERIT_FD = 27,
	CRIU_EXTERNAL_MASTERS = 30,
	CRIU_MANAGE_CGROUPS_MODE = 34,
	CRIU_EXTERNAL = 37,
	CRIU_EMPTY_NS = 38,
	CRIU_FREEZE_CGROUP = 44,
	CRIU_TCP_SKIP_IN_FLIGHT = 46,
	CRIU_LAZY_PAGES = 48,
	CRIU_STATUS_FD = 49,
	CRIU_ORPHAN_PTS_MASTER = 50,
	CRIU_CONFIG_FILE = 51,
	CRIU_TCP_CLOSE = 52,
	CRIU_LSM_PROFILE = 53,
	CRIU_LSM_MOUNT_CONTEXT = 63,
};

/* Options that are messages of two fields: CRIU_EXTERNAL_MOUNT {key, value}, CRIU_INHERIT_FD {key, fd},
 * CRIU_CGROUP_ROOT {controller or NULL, path}. */
void criu_put_pair(struct strbuf *options, enum criu_option option, const char *key, const char *value);
void criu_put_inherited(struct strbuf *options, const char *key, int fd);

/* A descriptor that criu gets under the same number. path: of a directory, which is opened anew where criu gets a mount
 * namespace of its own, since it mounts below it; NULL: any other. */
struct criu_inherited {
	int fd;
	const char *path;
};

struct criu_job {
	enum criu_request_type type;
	const struct strbuf *options;
	const char *log_path;                   /* of what CRIU_LOG_FILE names, for errors */
	const struct criu_inherited *inherited; /* besides the standard descriptors */
	size_t inherited_count;
	const struct cgroup_join *join; /* NULL: stays in the caller's groups */
	const char *root;               /* bound onto itself in a mount namespace of criu's own; NULL: none */
	/* What criu reports on the way: the script's name ("setup-namespaces", "post-restore", "orphan-pts-master", …),
	 * the process's pid or 0, and a descriptor (the callee's to close) or -EBADF. A failure makes criu give up. */
	int (*notify)(void *context, const char *script, pid_t pid, int fd, struct error *err);
	void *context;
};

/* -ENOENT: the program is not in PATH. For who would make something before criu_run() finds that out. */
int criu_check(struct error *err);

/* Runs one request. *restored_pid: of a restore. -ENOENT: the program is not there; -EIO: it refused, with its words.
 */
int criu_run(const struct criu_job *job, pid_t *restored_pid, struct error *err);

#endif
