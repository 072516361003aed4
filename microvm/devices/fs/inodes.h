/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that the guest knows: its node ids, what they stand for on the host, and how often it holds them (nlookup).
 *
 * A file is told by device, inode number and mount (statx(2), STATX_MNT_ID): the same file seen through two mounts is
 * two nodes, since one of them may be read-only. A node remembers the directory and name under which it was last found;
 * a descriptor (O_PATH) is opened when an operation needs one, and the least recently used are closed when the budget
 * is spent. Opening again by name checks that the same file is still there and answers -ESTALE otherwise, upon which
 * the guest's kernel looks the path up again. Nodes of open files and of files without a name keep their descriptor.
 *
 * A node id is a slot number and, in its upper half, how often the slot was used before: it never comes back for
 * another file. Not safe for several threads.
 */
#ifndef DUET_MICROVM_DEVICES_FS_INODES_H
#define DUET_MICROVM_DEVICES_FS_INODES_H

#include <linux/stat.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/wire.h"

#define FS_INODES_MAX (1U << 20)
#define FS_STATX_MASK (STATX_BASIC_STATS | STATX_MNT_ID)

/* Descriptors held on the guest's behalf, by nodes and by open files together. */
struct fs_budget {
	unsigned held, max;
};

struct fs_inode_key {
	uint64_t device, inode, mount;
	uint32_t type; /* S_IFMT part of the mode */
};

/* What a file's data was like when it was last opened. */
struct fs_stamp {
	bool valid;
	struct statx_timestamp modified, changed;
	uint64_t size;
};

struct fs_inode {
	uint64_t id; /* the guest's node id */
	uint64_t lookups;
	struct fs_inode_key key;
	int fd; /* O_PATH, -1: to be opened when needed */
	unsigned handles;
	uint64_t parent; /* node id of the directory where it was last found */
	char *name;      /* its name there; NULL: none is known */
	char *former;    /* the name that it had when it was removed, for messages; or NULL */
	bool mount_root; /* found on another mount or device than its directory */
	bool other_device;
	bool sealed; /* on a file system that is an interface to the host's kernel */
	bool hashed;
	struct fs_stamp stamp;
	uint64_t synced; /* how much had changed (fs_server.changes) when its file system was last synchronised */
	uint64_t serial; /* the last request that used fd */
	struct fs_inode *bucket_next;
	bool listed;                    /* fd may be closed */
	struct fs_inode *older, *newer; /* neighbours among those, by last use */
};

struct fs_inode_slot {
	struct fs_inode *inode;
	uint32_t generation;
	uint32_t next_free;
};

struct fs_inodes {
	struct fs_inode_slot *slots;
	uint32_t slots_used, slots_capacity, first_free;
	struct fs_inode **buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t count;
	struct fs_inode *oldest, *newest;
	struct fs_budget *budget;
	uint64_t serial; /* of the request being served: descriptors that it uses stay open until its end */
};

/* Takes ownership of root_fd on success; the root is node FUSE_ROOT_ID and always there. */
int fs_inodes_init(struct fs_inodes *inodes, int root_fd, struct fs_budget *budget, struct error *err);
/* Forgets everything but the root. */
void fs_inodes_clear(struct fs_inodes *inodes);
void fs_inodes_close(struct fs_inodes *inodes);
/* A new request begins. */
void fs_inodes_begin(struct fs_inodes *inodes);

/* NULL: the guest does not hold such a node. */
struct fs_inode *fs_inodes_find(const struct fs_inodes *inodes, uint64_t id);

/* The O_PATH descriptor, good until the end of the request. -ESTALE: no longer there; -ENFILE: the budget is spent. */
int fs_inode_fd(struct fs_inodes *inodes, struct fs_inode *inode);
/* Attributes as they are now. */
int fs_inode_stat(struct fs_inodes *inodes, struct fs_inode *inode, struct statx *attributes);

/* Finds one name in a directory and counts one lookup of what is there. name must be one component. */
int fs_inodes_lookup(struct fs_inodes *inodes, struct fs_inode *directory, const char *name, struct statx *attributes,
	struct fs_inode **found);
/* The same for a file whose attributes are known already, with a descriptor (taken over, if >= 0) or to be opened by
 * name. name NULL: it has none, and fd must be there. */
int fs_inodes_enter(struct fs_inodes *inodes, struct fs_inode *directory, const char *name,
	const struct statx *attributes, int fd, struct fs_inode **entered);
void fs_inodes_forget(struct fs_inodes *inodes, uint64_t id, uint64_t lookups);
/* One open file less or more. */
void fs_inode_opened(struct fs_inodes *inodes, struct fs_inode *inode);
void fs_inode_released(struct fs_inodes *inodes, struct fs_inode *inode);

/* Closes descriptors of nodes until one more fits into the budget. 0 or -ENFILE. */
int fs_inodes_make_room(struct fs_inodes *inodes);
/* openat(2) within the budget; counts the descriptor. */
int fs_inodes_open(struct fs_inodes *inodes, int directory, const char *name, int flags, mode_t mode);
/* Closes a descriptor from there, if it is one. */
void fs_inodes_discard(struct fs_inodes *inodes, int *fd);

/* Before a name goes away or changes its meaning: makes the node there independent of the name. NULL: the guest does
 * not know it. */
struct fs_inode *fs_inodes_hold_name(
	struct fs_inodes *inodes, struct fs_inode *directory, int directory_fd, const char *name);
/* It is gone; it is that name now. */
void fs_inode_unnamed(struct fs_inodes *inodes, struct fs_inode *inode, uint64_t directory, const char *name);
void fs_inode_renamed(struct fs_inodes *inodes, struct fs_inode *inode, uint64_t directory, const char *name);

/* Snapshots (snapshot.c): the table as bytes; and into a table with nothing but its root. Each node is looked for under
 * its name. One that had open files must be found, and be the same file: by inode number, or else, a regular one, by
 * size and time of its last change (a copy on another host). The others, if they are not found, are stale for the
 * guest. -ESTALE, with the path, for an open file without a name, or one that is not there or another one. */
int fs_inodes_save(const struct fs_inodes *inodes, struct strbuf *out, struct error *err);
int fs_inodes_restore(struct fs_inodes *inodes, struct wire_reader *in, struct error *err);

/* For snapshot.c. */
struct fs_inode_key fs_inode_key_of(const struct statx *attributes);
int fs_inode_stat_at(int directory, const char *name, struct statx *attributes);
/* A node into a slot of its own that is free; it has no name and is not hashed. */
struct fs_inode *fs_inodes_place(struct fs_inodes *inodes, uint32_t slot, uint32_t generation);
/* By the key of the node. False: there is such a node already. */
bool fs_inodes_hash(struct fs_inodes *inodes, struct fs_inode *inode);
/* As many slots, all free but the root's; to be followed by fs_inodes_free_rest(). */
void fs_inodes_extend(struct fs_inodes *inodes, uint32_t slots);
void fs_inodes_free_rest(struct fs_inodes *inodes);

#endif
