/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container as the host remembers it: its state directory ROOT/ID, the record in it, the lock on it.
 *
 * ROOT/ID/
 *   state.json    the record below, replaced by rename
 *   config.json   the bundle's, as it was when the container was created
 *   control.sock  listens while the container waits for `start`; in a micro-VM for as long as its monitor lives
 *   jail/         mount point of a micro-VM monitor's root (empty on the host)
 *
 * The lock is flock(2) on the directory itself. Any command may be killed at any instruction: a directory without a
 * readable record is a container that was never created, and `delete --force` removes it.
 */
#ifndef DUET_RUNTIME_CONTAINER_H
#define DUET_RUNTIME_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "cgroups/cgroup.h"
#include "oci/state.h"

#define CONTAINER_RECORD_FILE  "state.json"
#define CONTAINER_CONFIG_FILE  "config.json"
#define CONTAINER_CONTROL_FILE "control.sock"
#define CONTAINER_DEBUG_FILE   "gdb.sock"   /* of --vm-debug: for gdb's "target remote" */
#define CONTAINER_LOG_FILE     "kernel.log" /* of --vm-debug: the guest kernel's messages */
#define CONTAINER_JAIL_FILE    "jail"

struct container_record {
	char *oci_version;
	char *bundle;             /* absolute path */
	char *rootfs;             /* absolute path */
	char *isolation;          /* name in isolation_table */
	pid_t pid;                /* the container's first process, or the monitor; 0: none yet */
	uint64_t pid_start_ticks; /* field 22 of /proc/PID/stat: tells a reused pid apart */
	bool prepared;            /* it was created completely */
	bool started;             /* `start` was seen to succeed */
	char *created;            /* RFC 3339, UTC */
	uid_t owner;
	bool no_new_keyring; /* its processes have the caller's session keyring */
	char *cgroup;        /* in the form of cgroup_save(); NULL: none was made yet */
	struct key_value *annotations;
	size_t annotation_count;
};

struct container {
	char *id;
	char *path;       /* ROOT/ID */
	int root_fd;      /* ROOT */
	int directory_fd; /* ROOT/ID, with the lock on it; -EBADF when not opened */
	struct container_record record;
};

/* An id is [A-Za-z0-9_+.-]{1,1024} that does not begin with '.' or '-' and is not longer than a file name. */
int container_id_check(const char *id, struct error *err);

/* The default ROOT: /run/duet, or $XDG_RUNTIME_DIR/duet for anybody but root and for the root of a user namespace, by
 * the same rule as runc's. Allocated. */
char *container_default_root(void);

/* Makes ROOT/ID, locked, with nothing in it. -EEXIST: there is such a container. */
int container_make(const char *root, const char *id, struct container **container, struct error *err);

/* Opens and locks an existing one and reads its record; a damaged or missing record is an error (-EBADMSG) unless
 * `damaged` is given, which is then set. -ENOENT: container "ID" does not exist. */
int container_open(const char *root, const char *id, bool *damaged, struct container **container, struct error *err);

/* Reads it without the lock, for a look: a container that is being made is no reason to wait. */
int container_peek(const char *root, const char *id, struct container **container, struct error *err);

int container_save(struct container *container, struct error *err);

/* Removes the directory. */
int container_remove(struct container *container, struct error *err);

/* Gives the lock up for others while this command waits (foreground run). */
void container_unlock(struct container *container);
int container_lock(struct container *container, struct error *err);

void container_close(struct container **container);
#define cleanup_container cleanup(container_close)

/* From the record, the process and the control socket (and the freezer). */
enum oci_status container_status(const struct container *container);
/* A pidfd of the recorded process when it is still that process; -ESRCH when it is gone. */
int container_pidfd(const struct container *container);

/* The cgroup of the record; one without entries when the container has none of its own. */
int container_load_cgroup(const struct container *container, struct cgroup **cgroup, struct error *err);
bool container_has_cgroup(const struct container *container);

/* Start time of a process in clock ticks since boot, proc(5); 0 when there is none. */
uint64_t process_start_ticks(pid_t pid);

/* What `duet state`, `list` and the hooks print of it (oci/state.h); its strings stay the container's. */
struct oci_state container_state(const struct container *container, enum oci_status status);

/* Every id below root, sorted; NULL-terminated. An absent root is an empty list. */
int container_list_ids(const char *root, char ***ids, struct error *err);

/* Shows every container below root, in the order of their ids and without their locks. One that vanishes meanwhile, or
 * was never made completely, is passed over with a debug line, one whose record cannot be read with a warning. */
int container_each(
	const char *root, void (*look)(const struct container *container, void *data), void *data, struct error *err);

#endif
