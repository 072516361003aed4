/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain description of a container's namespaces and root file system. No JSON here: the runtime fills it from
 * config.json; the guest's init reads it from the wire and applies it with the same code.
 *
 * Source: runtime-spec config.md "root", "mounts", "hostname", config-linux.md "namespaces", "devices", "sysctl",
 * "maskedPaths".
 */
#ifndef DUET_NS_CONTAINER_PLAN_H
#define DUET_NS_CONTAINER_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/wire.h"

enum namespace_kind { /* in the order in which existing ones are joined */
	NAMESPACE_USER,
	NAMESPACE_CGROUP,
	NAMESPACE_IPC,
	NAMESPACE_UTS,
	NAMESPACE_NETWORK,
	NAMESPACE_PID,
	NAMESPACE_MOUNT,
	NAMESPACE_TIME,
	NAMESPACE_KINDS,
};

/* config.json's name ("network"), the CLONE_NEW* flag and the file in /proc/PID/ns of each kind: the one table for
 * parser, features and set-up. */
struct namespace_info {
	const char *name;
	uint64_t clone_flag;
	const char *proc_name;
};
extern const struct namespace_info namespace_table[NAMESPACE_KINDS];

struct id_mapping {
	uint32_t container_id, host_id, size;
};

struct namespaces_plan {
	uint64_t unshare;            /* CLONE_NEW* of the namespaces to make */
	char *join[NAMESPACE_KINDS]; /* path of the namespace to join; NULL: none */
	struct id_mapping *uid_mappings, *gid_mappings;
	uint32_t uid_mapping_count, gid_mapping_count;
	bool time_offsets_set;
	int64_t monotonic_seconds, boottime_seconds;
	uint32_t monotonic_nanoseconds, boottime_nanoseconds;
};

struct mount_plan {
	char *destination;                       /* inside the container; relative ones count from "/" */
	char *type;                              /* NULL or "none" for binds */
	char *source;                            /* NULL: none */
	char *data;                              /* comma-separated options for the file system; NULL: none */
	uint64_t flags;                          /* MS_* to set; MS_BIND and MS_REC as asked */
	uint64_t clear;                          /* MS_* to clear (exec, suid, …) */
	uint64_t propagation;                    /* MS_PRIVATE, MS_SLAVE, … with MS_REC; 0: leave */
	uint64_t recursive_set, recursive_clear; /* MOUNT_ATTR_* for mount_setattr(AT_RECURSIVE) */
	bool tmpcopyup;
	char *link; /* no mount: a symbolic link with this text is made at the destination; NULL: a mount */
	bool destination_nofollow, source_nofollow;
	bool idmap, idmap_recursive;
	struct id_mapping *uid_mappings, *gid_mappings; /* of an idmapped mount; none: those of the user namespace */
	uint32_t uid_mapping_count, gid_mapping_count;
	bool source_is_directory; /* for binds: what the caller saw; rootfs.c looks at the source itself */
	/* Not on the wire, from rootfs_open_sources(); 0: none. */
	int tree_fd; /* a bind's source, or another pid namespace's procfs, as a detached mount */
	int user_fd; /* the user namespace whose maps an idmapped mount of another kind gets */
};

struct device_plan {
	char *path; /* inside the container */
	char type;  /* 'c', 'b', 'p' */
	uint32_t major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct key_value {
	char *key, *value;
};

struct rootfs_plan {
	char *root; /* absolute path of the root file system, on this side of the wall */
	bool readonly;
	uint64_t propagation; /* rootfsPropagation as MS_*; 0: private, recursive */
	bool no_pivot;
	bool move_root; /* the current root cannot be pivoted away from (initramfs): move the mount over it and chroot
			 */
	struct mount_plan *mounts;
	uint32_t mount_count;
	struct device_plan *devices;
	uint32_t device_count;
	bool bind_devices;                     /* mknod is not possible (user namespace): bind the host's nodes */
	char **masked_paths, **readonly_paths; /* NULL-terminated */
	bool console;                          /* a terminal: /dev/console is bound to it */
	bool bare;               /* nothing but the mounts: no device nodes, no links in /dev (a monitor's jail) */
	char *working_directory; /* made (0755) when missing, before the root becomes read-only; NULL: none */
	/* Not on the wire: /proc/self/cgroup as it was before a new cgroup namespace made its paths "/"; NULL: unknown.
	 */
	char *host_cgroups;
};

struct container_plan {
	struct namespaces_plan namespaces;
	struct rootfs_plan rootfs;
	char *hostname, *domainname; /* NULL: leave */
	struct key_value *sysctls;   /* key with dots or slashes, as in sysctl.conf */
	uint32_t sysctl_count;
};

void container_plan_free(struct container_plan *plan);
void container_plan_encode(const struct container_plan *plan, struct strbuf *out);
int container_plan_decode(struct container_plan *plan, struct wire_reader *in, struct error *err);

#endif
