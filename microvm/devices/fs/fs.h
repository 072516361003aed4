/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-fs (virtio 1.2, 5.11): a directory of the monitor's mount namespace as a file system of the guest, by the FUSE
 * protocol (linux/fuse.h, 7.31 and later).
 *
 * device.c couples the queues to server.c, which knows FUSE and nothing of virtio, so that it can be tested on plain
 * buffers. Nothing outside root_fd is ever looked up; every name from the guest is exactly one component; a file that
 * is not regular is never opened for the guest; file systems that are an interface to the host's kernel (procfs, sysfs,
 * cgroup, …) show their root directory and nothing below it.
 *
 * What the guest may do is decided by the guest's kernel (virtio-fs mounts with default_permissions) and, for read-only
 * mounts, by the host's. Device nodes made by the guest become device nodes on the host when the serving thread holds
 * CAP_MKNOD; they are never opened here, and the directories served should lie on mounts with `nodev` for everybody
 * else.
 */
#ifndef DUET_MICROVM_DEVICES_FS_FS_H
#define DUET_MICROVM_DEVICES_FS_FS_H

#include "base/wire.h"
#include "microvm/devices/virtio.h"

#define FS_DESCRIPTORS_DEFAULT 65536

struct fs;

/*
 * How long the guest may believe what it was told. Whatever the choice, data read through a file opened after a change
 * on the host is the new data: the server compares the file's times and size at every open.
 */
enum fs_cache {
	/* Names, absence of names and attributes for one second, data until times or size are seen to differ: a change
	 * on the host is seen after a second at the latest, and a walk through a tree does not ask for every component
	 * of every path. */
	FS_CACHE_AUTO,
	/* For a directory that nobody but this guest changes: names and attributes for a day, data for ever. */
	FS_CACHE_ALWAYS,
	/* Every lookup and every stat asks; what was changed on the host is seen at once. Costs a request for each
	   component. */
	FS_CACHE_NEVER,
};

struct fs_options {
	const char *tag;          /* mount tag, at most 36 bytes */
	int root_fd;              /* O_PATH or O_RDONLY directory; owned by the device from now on */
	unsigned descriptors_max; /* how many host descriptors the guest may make us hold, 0: FS_DESCRIPTORS_DEFAULT;
				     cut down to what RLIMIT_NOFILE allows, whose soft limit is raised as needed */
	bool capabilities; /* the serving thread holds CAP_CHOWN, CAP_DAC_OVERRIDE, … and makes files under the caller's
			      uid and gid; false: it holds none and everything is done as the monitor's own user */
	enum fs_cache cache;
	bool write_back; /* the guest gathers writes and sends them later, and keeps size and mtime itself: only for a
			    directory that nobody else writes to */
};

/*
 * Makes the device; no thread runs yet. Call it in the process that serves, while that has a /proc: a handle on the
 * process's own /proc/self/fd is kept, cut off from the rest of procfs where the caller may make mounts. Returns 0 or a
 * negative errno, and then root_fd is still the caller's.
 */
int fs_create(struct fs **fs, const struct fs_options *options, struct error *err);

/*
 * Starts the serving thread, which takes the capabilities that it needs from those of the calling thread and drops the
 * others. To be called before the calling thread drops its own; activation calls it otherwise. Calling it again does
 * nothing. Returns 0 or a negative errno (-EPERM: capabilities are missing).
 */
int fs_start(struct fs *fs, struct error *err);

struct virtio_device *fs_device(struct fs *fs);

/* What the guest knows and has open, as bytes, with the device's lock held, while the guest does not run: a request
 * that is being served is waited for. fs_hold() before that keeps others from being begun. And into a device that no
 * guest has spoken to and whose thread has not been started: nodes and open files are found again by their names below
 * root_fd. -ESTALE names an open file that has been deleted, is not there or is another one now. */
int fs_save(struct fs *fs, struct strbuf *out, struct error *err);
int fs_restore(struct fs *fs, struct wire_reader *in, struct error *err);
/* Keeps a thread that serves from beginning with another request, and returns when the last one is answered. */
void fs_hold(struct fs *fs);
void fs_release_hold(struct fs *fs);

/* Stops the thread and closes everything. */
void fs_destroy(struct fs *fs);

#endif
