/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE server: answers one request after the other, on plain buffers. Private to this folder (and to its tests).
 *
 * A server is what the guest knows (nodes, open files, the session); a worker is the thread that serves, with its
 * credentials and buffers. There is one worker to a server: the tables have no lock.
 */
#ifndef DUET_MICROVM_DEVICES_FS_SERVER_H
#define DUET_MICROVM_DEVICES_FS_SERVER_H

#include <linux/fuse.h>

#include "microvm/devices/fs/credentials.h"
#include "microvm/devices/fs/fs.h"
#include "microvm/devices/fs/handles.h"
#include "microvm/devices/fs/inodes.h"
#include "microvm/devices/fs/message.h"

#define FS_MINOR_MIN       31 /* of the guest's FUSE protocol: Linux 5.4, the first with virtio-fs */
#define FS_WRITE_MAX_BYTES (1U << 20)
#define FS_NAME_MAX        255
#define FS_XATTR_MAX_BYTES 65536                       /* linux/limits.h, XATTR_SIZE_MAX and XATTR_LIST_MAX */
#define FS_ARGUMENTS_MAX   (FS_XATTR_MAX_BYTES + 1024) /* the longest is a SETXATTR */
#define FS_SCRATCH_BYTES   (FS_XATTR_MAX_BYTES + 1)    /* names of a directory, a value, a link's target */

struct fs_server {
	enum fs_cache cache;
	bool capabilities;
	bool write_back_wanted;
	int proc_self_fd; /* the directory /proc/self/fd */
	struct fs_budget budget;
	struct fs_inodes inodes;
	struct fs_handles handles;
	uint64_t changes; /* requests so far that may have changed something on the host */
	/* The session, from INIT to DESTROY. */
	bool ready;
	bool write_back, submounts, posix_acl, extended_setxattr;
};

struct fs_worker {
	struct fs_server *server;
	struct fs_credentials credentials;
	void *arguments;        /* FS_ARGUMENTS_MAX: the request, copied once */
	unsigned char *scratch; /* FS_SCRATCH_BYTES */
};

/* One request. */
struct fs_call {
	struct fs_server *server;
	struct fs_worker *worker;
	const struct fs_message *message;
	struct fuse_in_header header;
	const void *arguments; /* host memory; at least the operation's fixed part */
	size_t arguments_bytes;
	const char *names[2];       /* as many as the operation has, each a valid component unless said otherwise */
	const unsigned char *value; /* what follows the names */
	size_t value_bytes;
	size_t reply_space; /* behind fuse_out_header */
	size_t reply_bytes; /* written there so far */
};

/* options->tag is not looked at. On failure root_fd is still the caller's. */
int fs_server_create(struct fs_server **server, const struct fs_options *options, struct error *err);
void fs_server_destroy(struct fs_server *server);
/* The guest is gone: forgets everything, closes everything but the root. */
void fs_server_reset(struct fs_server *server);

/* snapshot.c: what fs_save() and fs_restore() do. */
int fs_server_save(const struct fs_server *server, struct strbuf *out, struct error *err);
int fs_server_restore(struct fs_server *server, struct wire_reader *in, struct error *err);

/* To be called on the thread that serves: takes the thread's credentials down to what is needed (credentials.h) and
 * makes /proc/self/fd its working directory. */
int fs_worker_create(struct fs_worker **worker, struct fs_server *server, struct error *err);
void fs_worker_destroy(struct fs_worker *worker);

/* Serves one request. Returns how many bytes of message->reply were written, 0 when there is no answer. */
size_t fs_worker_serve(struct fs_worker *worker, const struct fs_message *message);

/* --- for the operations --- */

/* Appends to the answer; -EIO when it does not fit. */
int fs_reply(struct fs_call *call, const void *data, size_t length);
/* The node that the request is about, NULL: -ESTALE. */
struct fs_inode *fs_call_inode(const struct fs_call *call);
/* The open file that the request names, of that node. NULL: -EBADF. */
struct fs_handle *fs_call_handle(const struct fs_call *call, uint64_t id, bool directory);
/* Opens the file behind a node for I/O; it must be a regular file or a directory. */
int fs_reopen(struct fs_call *call, struct fs_inode *inode, int flags);
/* The node as a name below /proc/self/fd, which is the thread's working directory, for calls that want a path. */
struct fs_node_path {
	char text[16];
};
int fs_node_path(struct fs_call *call, struct fs_inode *inode, struct fs_node_path *path);

void fs_fill_attributes(
	const struct fs_server *server, const struct fs_inode *inode, const struct statx *from, struct fuse_attr *to);
void fs_fill_entry(const struct fs_server *server, const struct fs_inode *inode, const struct statx *from,
	struct fuse_entry_out *to);
/* Whether what the guest has cached of the file's data is still good; remembers what it looks like now. */
bool fs_unchanged_since_open(struct fs_inode *inode, const struct statx *attributes);
/* How long the guest may believe names and attributes. */
uint64_t fs_timeout_seconds(const struct fs_server *server);

/* --- the operations: 0 with the answer appended, or a negative errno --- */

typedef int fs_handler(struct fs_call *call);

/* session.c */
fs_handler fs_init, fs_destroy_session, fs_syncfs;
/* names.c */
fs_handler fs_lookup, fs_forget, fs_batch_forget, fs_mknod, fs_mkdir, fs_symlink, fs_link, fs_unlink, fs_rmdir,
	fs_rename, fs_rename2, fs_readlink;
/* files.c */
fs_handler fs_open, fs_create_file, fs_tmpfile, fs_read, fs_write, fs_flush, fs_release, fs_fsync, fs_fallocate,
	fs_lseek, fs_copy_file_range;
/* attributes.c */
fs_handler fs_getattr, fs_setattr, fs_statfs, fs_access;
/* xattrs.c */
fs_handler fs_setxattr, fs_getxattr, fs_listxattr, fs_removexattr;
/* directories.c */
fs_handler fs_opendir, fs_readdir, fs_readdirplus, fs_releasedir, fs_fsyncdir;

/* What making something new in a directory begins with: its descriptor, and the caller's ids and umask in force. */
int fs_begin_making(struct fs_call *call, mode_t mask, struct fs_inode **directory);
/* What a change of a file's contents begins with: whether it leaves set-user-ID and set-group-ID bits alone. */
int fs_begin_changing(struct fs_call *call, bool keeps_setid);
/* What making ends with: the new name looked up and answered. */
int fs_reply_lookup(struct fs_call *call, struct fs_inode *directory, const char *name);

#endif
