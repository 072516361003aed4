/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories that the guest has open: its file handles (fh).
 *
 * A handle is a slot number and, in its upper half, how often the slot was used before. It is good only together with
 * the node that it was opened for and for the kind of file that it is. Not safe for several threads.
 */
#ifndef DUET_MICROVM_DEVICES_FS_HANDLES_H
#define DUET_MICROVM_DEVICES_FS_HANDLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wire.h"
#include "microvm/devices/fs/inodes.h"

struct fs_handle {
	int fd; /* -1: free slot */
	uint32_t generation;
	uint32_t next_free;
	bool directory;
	int flags;        /* as it was opened; 0 for a directory */
	int64_t position; /* of a directory's descriptor: the cookie of the next entry */
	struct fs_inode *inode;
};

struct fs_handles {
	struct fs_handle *slots;
	uint32_t used, capacity, first_free;
	uint32_t count, max;
	struct fs_inodes *inodes;
};

/* max: so many at once. Descriptors are counted in the budget of the nodes. */
void fs_handles_init(struct fs_handles *handles, struct fs_inodes *inodes, uint32_t max);
void fs_handles_clear(struct fs_handles *handles);
void fs_handles_close(struct fs_handles *handles);

/* 0, or -ENFILE when there are as many as there may be: ask before anything is opened. */
int fs_handles_room(const struct fs_handles *handles);
/* Takes over fd, which fs_inodes_open() has counted. flags: of open(2), for a file. Returns the guest's handle. */
uint64_t fs_handles_add(struct fs_handles *handles, struct fs_inode *inode, int fd, bool directory, int flags);
/* NULL: there is no such handle of that node and kind. Good until the next fs_handles_add(). */
struct fs_handle *fs_handles_find(const struct fs_handles *handles, uint64_t id, uint64_t node, bool directory);
bool fs_handle_is_writable(const struct fs_handle *handle);
void fs_handles_remove(struct fs_handles *handles, struct fs_handle *handle);

/* Snapshots (snapshot.c): what is open, as bytes; and opened again, of nodes that fs_inodes_restore() has found.
 * proc_self_fd: the directory /proc/self/fd. */
void fs_handles_save(const struct fs_handles *handles, struct strbuf *out);
int fs_handles_restore(struct fs_handles *handles, int proc_self_fd, struct wire_reader *in, struct error *err);

#endif
