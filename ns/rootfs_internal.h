/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files that build a root file system.
 */
#ifndef DUET_NS_ROOTFS_INTERNAL_H
#define DUET_NS_ROOTFS_INTERNAL_H

#include <sys/stat.h>

#include "ns/mount_api.h"
#include "ns/rootfs.h"

struct rootfs {
	const struct rootfs_plan *plan;
	struct mount_api api;
	int root;            /* the root's mount, O_PATH */
	int devices;         /* the container's /dev, looked up once; -EBADF: not looked up yet */
	bool devices_made;   /* its nodes are ours to make: no /dev was bound, and the plan is not `bare` */
	int null;            /* a /dev/null known to be one, O_PATH; -EBADF: none yet */
	bool null_is_tree;   /* it is the host's, as a detached mount that can be attached once */
	int *readonly_later; /* mounts whose content is complete only in the end */
	size_t readonly_later_count;
};

/* mounts.c */
int rootfs_mount_all(struct rootfs *rootfs, struct error *err);
/* Mounts by request on the target and keeps nothing; the error says "mount WHAT at \"PATH\"". */
int rootfs_request(struct rootfs *rootfs, const struct mount_request *request, const struct mount_target *target,
	const char *what, int *mounted, struct error *err);
/* The last step of a mount with flags and propagation of the plan: what to set on which mounts. */
void rootfs_fill_request(const struct mount_plan *mount, struct mount_request *request);
/* Does a path, taken lexically, name this one ("/dev")? */
bool rootfs_path_is(const char *path, const char *wanted);
/* What follows "/dev/" in a path that is lexically below it, else NULL. */
const char *rootfs_path_below(const char *path, const char *directory);

/* cgroup_mount.c */
int rootfs_mount_cgroup(
	struct rootfs *rootfs, const struct mount_plan *mount, const struct mount_target *target, struct error *err);

/* devices.c */
int rootfs_make_devices(struct rootfs *rootfs, struct error *err);
/* The container's /dev as a descriptor that stays rootfs's own. */
int rootfs_devices(struct rootfs *rootfs, struct error *err);
bool rootfs_is_null(const struct stat *status);

/* masks.c: read-only and masked paths; the null device to mask with has to be found before the host is out of reach. */
int rootfs_find_null(struct rootfs *rootfs, struct error *err);
int rootfs_restrict(struct rootfs *rootfs, struct error *err);

/* copy_tree.c: copies what is in one directory into another, owners, modes, times and extended attributes included. */
int copy_tree(int from, int to, struct error *err);

#endif
