/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the container's root file system in the current (new, private) mount namespace and makes it "/".
 *
 * Every path inside the root is resolved with openat2(RESOLVE_IN_ROOT) and worked on by descriptor; nothing in the root
 * is trusted: symbolic links are followed inside it only, /dev, /proc and /sys may be anything.
 */
#ifndef DUET_NS_ROOTFS_H
#define DUET_NS_ROOTFS_H

#include "ns/container_plan.h"

struct rootfs;

/*
 * In the runtime, before the clone, for every plan: opens as detached mounts (mount_plan.tree_fd, inherited by the
 * child) the sources of binds that the child could not open or map by itself: all of them when the container gets a
 * user namespace, in which the host's files may be out of reach; idmapped ones always. The maps of an idmapped mount
 * without its own are those of the container's user namespace.
 */
int rootfs_open_sources(struct container_plan *plan, struct error *err);

/* Binds of every kind: -ENOSYS where the kernel cannot do it. */
int rootfs_open_binds(struct container_plan *plan, struct error *err);

/*
 * The same for the procfs mounts of a container that joins a pid namespace which its process enters only when the root
 * is complete. -ENOSYS, -EPERM, -EINVAL: not on this kernel, not under a filter around
 * the runtime, or not from an initramfs.
 */
int rootfs_open_procfs(struct container_plan *plan, int pid_namespace, struct error *err);

/* In a guest, whose own /dev is all but empty: makes there the nodes that a root with bind_devices will bind. */
int rootfs_make_device_sources(const struct rootfs_plan *plan, struct error *err);
/* And the sysfs that a container gets whose user namespace does not own the network namespace. */
int rootfs_make_sysfs_source(struct error *err);

/* Notes, in its cgroups and before it makes a cgroup namespace, where this process is in the host's hierarchies.
 * Without that (a failure is none) they are mounted anew, which costs more the more containers there are. */
void rootfs_note_cgroups(struct rootfs_plan *plan);

/*
 * The steps, in the child, in order (the calling process is alone in its mount namespace and has one thread; its
 * working directory changes meanwhile and is "/" of the container in the end): rootfs_open:   sets the propagation of
 * "/", binds the root onto itself, opens it. The host's /proc and /dev are needed until the pivot. rootfs_mount:  the
 * mounts in config.json's order, device nodes and the standard symlinks of /dev (runtime-spec config-linux.md "Default
 * Devices", /dev/fd, /dev/ptmx …); not when the plan says `bare`, nor when config.json binds a /dev. rootfs_pivot:
 * makes it "/" (pivot_root(2), or moves and chroots), old root detached. `createContainer` hooks run before this.
 * rootfs_finish: rootfs propagation, working directory, read-only and masked paths, read-only root; a standard stream
 * that is the host's /dev/null becomes the container's. Mounts of type "cgroup" become what the host has: cgroup2; or a
 * tmpfs with one mount per v1 hierarchy (and "unified" on a hybrid host). Inside a new cgroup namespace they are
 * mounted afresh, else the caller's own groups are bound.
 */
int rootfs_open(struct rootfs **rootfs, const struct rootfs_plan *plan, struct error *err);
int rootfs_mount(struct rootfs *rootfs, struct error *err);
/* What is made in the place of a mount_plan with a link, which may be there already. */
int rootfs_make_link(int root, const struct mount_plan *mount, struct error *err);
/* The root's descriptor (O_PATH), which stays rootfs's own. */
int rootfs_directory(const struct rootfs *rootfs);
/* Binds the pseudo terminal's other side (a descriptor) to /dev/console. After rootfs_mount. */
int rootfs_console(struct rootfs *rootfs, int terminal_fd, struct error *err);
int rootfs_pivot(struct rootfs *rootfs, struct error *err);
int rootfs_finish(struct rootfs *rootfs, struct error *err);
void rootfs_close(struct rootfs **rootfs);

/*
 * The mounts of a plan (binds from rootfs_open_binds(), tmpfs) put into a container that runs, or taken out of it again
 * by their destinations, the last one first. procfs: of the host (procfs_open()); root: the container's, O_PATH, opened
 * before the caller entered the container's mount namespace. Of several mounts those before a failure stay.
 */
int rootfs_add_mounts(const struct rootfs_plan *plan, int procfs, int root, struct error *err);
int rootfs_remove_mounts(const struct rootfs_plan *plan, int procfs, int root, struct error *err);

#endif
