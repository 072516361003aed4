/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/fs/server.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/alloc.h"

#define DESCRIPTORS_MIN     64
#define DESCRIPTORS_RESERVE 256 /* for the rest of the monitor */

struct fs_operation {
	fs_handler *handle;
	uint16_t fixed_bytes; /* of the arguments; names follow at once */
	uint16_t reply_bytes; /* the answer needs this much room */
	uint8_t components;   /* names that are one path component each */
	uint8_t strings;      /* other strings behind those */
	bool value;           /* bytes follow the strings */
	bool file_data;       /* bytes follow the fixed part, and stay where they are */
	bool silent;          /* has no answer */
	bool changes;         /* something on the host, that SYNCFS would write out */
};

#define NO_REPLY 0
#define ENTRY    sizeof(struct fuse_entry_out)
#define OPERATION(handler, fixed, reply, ...)                                              \
	{                                                                                  \
		.handle = handler, .fixed_bytes = fixed, .reply_bytes = reply, __VA_ARGS__ \
	}

static const struct fs_operation operations[] = {
	[FUSE_LOOKUP] = OPERATION(fs_lookup, 0, ENTRY, .components = 1),
	[FUSE_FORGET] = OPERATION(fs_forget, sizeof(struct fuse_forget_in), NO_REPLY, .silent = true),
	[FUSE_GETATTR] = OPERATION(fs_getattr, sizeof(struct fuse_getattr_in), sizeof(struct fuse_attr_out)),
	[FUSE_SETATTR] =
		OPERATION(fs_setattr, sizeof(struct fuse_setattr_in), sizeof(struct fuse_attr_out), .changes = true),
	[FUSE_READLINK] = OPERATION(fs_readlink, 0, 0),
	[FUSE_SYMLINK] = OPERATION(fs_symlink, 0, ENTRY, .components = 1, .strings = 1, .changes = true),
	[FUSE_MKNOD] = OPERATION(fs_mknod, sizeof(struct fuse_mknod_in), ENTRY, .components = 1, .changes = true),
	[FUSE_MKDIR] = OPERATION(fs_mkdir, sizeof(struct fuse_mkdir_in), ENTRY, .components = 1, .changes = true),
	[FUSE_UNLINK] = OPERATION(fs_unlink, 0, 0, .components = 1, .changes = true),
	[FUSE_RMDIR] = OPERATION(fs_rmdir, 0, 0, .components = 1, .changes = true),
	[FUSE_RENAME] = OPERATION(fs_rename, sizeof(struct fuse_rename_in), 0, .components = 2, .changes = true),
	[FUSE_RENAME2] = OPERATION(fs_rename2, sizeof(struct fuse_rename2_in), 0, .components = 2, .changes = true),
	[FUSE_LINK] = OPERATION(fs_link, sizeof(struct fuse_link_in), ENTRY, .components = 1, .changes = true),
	[FUSE_OPEN] = OPERATION(fs_open, sizeof(struct fuse_open_in), sizeof(struct fuse_open_out)),
	[FUSE_CREATE] = OPERATION(fs_create_file, sizeof(struct fuse_create_in), ENTRY + sizeof(struct fuse_open_out),
		.components = 1, .changes = true),
	/* Its name is the kernel's own for "none yet" ("/") and means nothing. */
	[FUSE_TMPFILE] = OPERATION(fs_tmpfile, sizeof(struct fuse_create_in), ENTRY + sizeof(struct fuse_open_out),
		.strings = 1, .changes = true),
	[FUSE_READ] = OPERATION(fs_read, sizeof(struct fuse_read_in), 0),
	[FUSE_WRITE] = OPERATION(fs_write, sizeof(struct fuse_write_in), sizeof(struct fuse_write_out),
		.file_data = true, .changes = true),
	[FUSE_STATFS] = OPERATION(fs_statfs, 0, sizeof(struct fuse_statfs_out)),
	[FUSE_RELEASE] = OPERATION(fs_release, sizeof(struct fuse_release_in), 0),
	[FUSE_FSYNC] = OPERATION(fs_fsync, sizeof(struct fuse_fsync_in), 0),
	[FUSE_SETXATTR] =
		OPERATION(fs_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 0, .strings = 1, .value = true, .changes = true),
	[FUSE_GETXATTR] = OPERATION(fs_getxattr, sizeof(struct fuse_getxattr_in), 0, .strings = 1),
	[FUSE_LISTXATTR] = OPERATION(fs_listxattr, sizeof(struct fuse_getxattr_in), 0),
	[FUSE_REMOVEXATTR] = OPERATION(fs_removexattr, 0, 0, .strings = 1, .changes = true),
	[FUSE_FLUSH] = OPERATION(fs_flush, sizeof(struct fuse_flush_in), 0),
	[FUSE_INIT] = OPERATION(fs_init, offsetof(struct fuse_init_in, flags2), sizeof(struct fuse_init_out)),
	[FUSE_OPENDIR] = OPERATION(fs_opendir, sizeof(struct fuse_open_in), sizeof(struct fuse_open_out)),
	[FUSE_READDIR] = OPERATION(fs_readdir, sizeof(struct fuse_read_in), 0),
	[FUSE_READDIRPLUS] = OPERATION(fs_readdirplus, sizeof(struct fuse_read_in), 0),
	[FUSE_RELEASEDIR] = OPERATION(fs_releasedir, sizeof(struct fuse_release_in), 0),
	[FUSE_FSYNCDIR] = OPERATION(fs_fsyncdir, sizeof(struct fuse_fsync_in), 0),
	[FUSE_ACCESS] = OPERATION(fs_access, sizeof(struct fuse_access_in), 0),
	[FUSE_INTERRUPT] = OPERATION(NULL, sizeof(struct fuse_interrupt_in), NO_REPLY, .silent = true),
	[FUSE_DESTROY] = OPERATION(fs_destroy_session, 0, 0),
	[FUSE_BATCH_FORGET] = OPERATION(
		fs_batch_forget, sizeof(struct fuse_batch_forget_in), NO_REPLY, .value = true, .silent = true),
	[FUSE_FALLOCATE] = OPERATION(fs_fallocate, sizeof(struct fuse_fallocate_in), 0, .changes = true),
	[FUSE_LSEEK] = OPERATION(fs_lseek, sizeof(struct fuse_lseek_in), sizeof(struct fuse_lseek_out)),
	[FUSE_COPY_FILE_RANGE] = OPERATION(fs_copy_file_range, sizeof(struct fuse_copy_file_range_in),
		sizeof(struct fuse_write_out), .changes = true),
	[FUSE_SYNCFS] = OPERATION(fs_syncfs, sizeof(struct fuse_syncfs_in), 0),
	/* GETLK, SETLK, SETLKW: the guest's kernel keeps locks to itself. BMAP, IOCTL, POLL, SETUPMAPPING,
	 * REMOVEMAPPING: there is nothing to offer. All answer ENOSYS, upon which the guest does not ask again. */
};

/* --- taking a request apart --- */

static bool is_component(const char *name, size_t length)
{
	if (length == 0 || memchr(name, '/', length))
		return false;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* A string with its end, in what is left of the arguments; they are private, so that a NUL that was found stays. */
static int take_string(struct fs_call *call, size_t *offset, size_t length_max, const char **string)
{
	const char *start = (const char *)call->arguments + *offset;
	size_t left = call->arguments_bytes - *offset;
	const char *end = memchr(start, '\0', left);

	if (!end)
		return -EINVAL;
	if ((size_t)(end - start) > length_max)
		return -ENAMETOOLONG;
	*string = start;
	*offset += (size_t)(end - start) + 1;
	return 0;
}

static int take_names(struct fs_call *call, const struct fs_operation *operation, size_t offset)
{
	unsigned count = operation->components + operation->strings;

	for (unsigned i = 0; i < count; i++) {
		bool component = i < operation->components;
		int result = take_string(call, &offset, component ? FS_NAME_MAX : PATH_MAX - 1, &call->names[i]);

		if (result < 0)
			return result;
		if (component && !is_component(call->names[i], strlen(call->names[i])))
			return -EINVAL;
	}
	call->value = (const unsigned char *)call->arguments + offset;
	call->value_bytes = call->arguments_bytes - offset;
	if (count > 0 && !operation->value && call->value_bytes > 0)
		return -EINVAL;
	return 0;
}

static int take_arguments(struct fs_call *call, const struct fs_operation *operation)
{
	const struct fs_message *message = call->message;
	size_t fixed_bytes = operation->fixed_bytes;
	size_t there = call->header.len - sizeof(call->header);

	if (operation->handle == fs_setxattr && call->server->extended_setxattr)
		fixed_bytes = sizeof(struct fuse_setxattr_in);
	if (there < fixed_bytes)
		return -EINVAL;
	call->arguments_bytes = operation->file_data ? fixed_bytes : there;
	if (call->arguments_bytes > FS_ARGUMENTS_MAX)
		return -E2BIG;
	call->arguments = call->worker->arguments;
	if (fs_iovec_read(message->request, message->request_count, sizeof(call->header), call->worker->arguments,
		    call->arguments_bytes) != call->arguments_bytes)
		return -EINVAL;
	return take_names(call, operation, fixed_bytes);
}

static int dispatch(struct fs_call *call, const struct fs_operation *operation)
{
	int result;

	if (call->header.len < sizeof(call->header) || call->header.len > call->message->request_bytes)
		return -EINVAL;
	if (!operation)
		return -ENOSYS;
	if (!call->server->ready && operation->handle != fs_init)
		return -EIO;
	if (call->reply_space < operation->reply_bytes)
		return -EINVAL;
	result = take_arguments(call, operation);
	if (result < 0)
		return result;
	call->server->changes += operation->changes;
	return operation->handle ? operation->handle(call) : 0;
}

static const struct fs_operation *find_operation(uint32_t opcode)
{
	const struct fs_operation *operation = opcode < ARRAY_SIZE(operations) ? &operations[opcode] : NULL;

	return operation && (operation->handle || operation->silent) ? operation : NULL;
}

size_t fs_worker_serve(struct fs_worker *worker, const struct fs_message *message)
{
	struct fs_call call = { .server = worker->server, .worker = worker, .message = message };
	const struct fs_operation *operation;
	struct fuse_out_header out;
	int result;

	if (message->request_count > FS_IOVECS_MAX || message->reply_count > FS_IOVECS_MAX)
		return 0;
	if (fs_iovec_read(message->request, message->request_count, 0, &call.header, sizeof(call.header)) !=
		sizeof(call.header))
		return 0;
	operation = find_operation(call.header.opcode);
	/* Without room to say how it went, nothing is done. */
	if (message->reply_bytes < sizeof(out) && !(operation && operation->silent))
		return 0;
	call.reply_space = message->reply_bytes < sizeof(out) ? 0 : message->reply_bytes - sizeof(out);
	fs_inodes_begin(&worker->server->inodes);
	result = dispatch(&call, operation);
	if (operation && operation->silent)
		return 0;
	/* The guest's kernel takes numbers up to 511 for an error (fs/fuse/dev.c). */
	if (result < -511)
		result = -EIO;
	if (result < 0)
		call.reply_bytes = 0;
	out = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(out) + call.reply_bytes), .error = result, .unique = call.header.unique
	};
	(void)fs_iovec_write(message->reply, message->reply_count, 0, &out, sizeof(out));
	return out.len;
}

/* --- what the operations share --- */

int fs_reply(struct fs_call *call, const void *data, size_t length)
{
	const struct fs_message *message = call->message;

	if (length > call->reply_space - call->reply_bytes)
		return -EIO;
	(void)fs_iovec_write(
		message->reply, message->reply_count, sizeof(struct fuse_out_header) + call->reply_bytes, data, length);
	call->reply_bytes += length;
	return 0;
}

struct fs_inode *fs_call_inode(const struct fs_call *call)
{
	return fs_inodes_find(&call->server->inodes, call->header.nodeid);
}

struct fs_handle *fs_call_handle(const struct fs_call *call, uint64_t id, bool directory)
{
	return fs_handles_find(&call->server->handles, id, call->header.nodeid, directory);
}

int fs_node_path(struct fs_call *call, struct fs_inode *inode, struct fs_node_path *path)
{
	int fd = inode->sealed ? -EACCES : fs_inode_fd(&call->server->inodes, inode);

	if (fd < 0)
		return fd;
	(void)snprintf(path->text, sizeof(path->text), "%d", fd);
	return 0;
}

int fs_reopen(struct fs_call *call, struct fs_inode *inode, int flags)
{
	struct fs_node_path path;
	int result;

	/* Opening a pipe, a socket or a device does things, and may wait for ever; the guest's kernel has its own of
	 * these. */
	if (inode->key.type != S_IFREG && inode->key.type != S_IFDIR)
		return inode->key.type == S_IFLNK ? -ELOOP : -ENXIO;
	result = fs_node_path(call, inode, &path);
	if (result < 0)
		return result;
	return fs_inodes_open(&call->server->inodes, call->server->proc_self_fd, path.text, flags | O_NOCTTY, 0);
}

/* --- life --- */

/* How many descriptors the guest may make us hold; raises the soft limit for them. */
static int descriptor_budget(unsigned wanted, unsigned *max, struct error *err)
{
	struct rlimit limit;
	rlim_t all;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_set(err, errno, "read the limit of open files");
	all = (rlim_t)(wanted ? wanted : FS_DESCRIPTORS_DEFAULT) + DESCRIPTORS_RESERVE;
	if (limit.rlim_max != RLIM_INFINITY && all > limit.rlim_max)
		all = limit.rlim_max;
	if (all < DESCRIPTORS_MIN + DESCRIPTORS_RESERVE)
		return error_set(err, -EMFILE,
			"share a directory with the guest: at least %d open files are needed, the limit "
			"(RLIMIT_NOFILE) is %llu",
			DESCRIPTORS_MIN + DESCRIPTORS_RESERVE, (unsigned long long)limit.rlim_max);
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < all) {
		limit.rlim_cur = all;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return error_set(err, errno, "raise the limit of open files to %llu", (unsigned long long)all);
	}
	*max = (unsigned)all - DESCRIPTORS_RESERVE;
	return 0;
}

/* The directory that leads from a descriptor's number to its file. procfs is not in the guest's tree, nor does it have
 * to be mounted anywhere later. As a mount of its own it has no "..": from it, nothing else of procfs can be reached.
 */
static int open_proc_self_fd(int known_fd, struct error *err)
{
	cleanup_fd int fd = open_tree(AT_FDCWD, "/proc/self/fd", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct fs_node_path path;
	struct stat through, direct;

	if (fd < 0)
		fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "open /proc/self/fd");
	(void)snprintf(path.text, sizeof(path.text), "%d", known_fd);
	if (fstat(known_fd, &direct) < 0 || fstatat(fd, path.text, &through, 0) < 0)
		return error_set(err, errno, "look at a descriptor through /proc/self/fd");
	if (direct.st_dev != through.st_dev || direct.st_ino != through.st_ino)
		return error_set(
			err, -ESRCH, "/proc is not that of this process: descriptors cannot be opened through it");
	return take_fd(&fd);
}

int fs_server_create(struct fs_server **server, const struct fs_options *options, struct error *err)
{
	cleanup_fd int proc_self_fd = open_proc_self_fd(options->root_fd, err);
	cleanup_free struct fs_server *made = xcalloc(1, sizeof(*made));
	unsigned reserve;
	int result;

	if (proc_self_fd < 0)
		return proc_self_fd;
	result = descriptor_budget(options->descriptors_max, &made->budget.max, err);
	if (result < 0)
		return result;
	result = fs_inodes_init(&made->inodes, options->root_fd, &made->budget, err);
	if (result < 0)
		return result;
	/* Open files cannot be closed for lack of descriptors, and each keeps its node's too: some are left for finding
	 * other files. */
	reserve = made->budget.max / 8 > 32 ? made->budget.max / 8 : 32;
	fs_handles_init(&made->handles, &made->inodes, (made->budget.max - reserve) / 2);
	made->cache = options->cache;
	made->capabilities = options->capabilities;
	made->write_back_wanted = options->write_back;
	made->proc_self_fd = take_fd(&proc_self_fd);
	*server = take_pointer(&made);
	return 0;
}

void fs_server_reset(struct fs_server *server)
{
	fs_handles_clear(&server->handles);
	fs_inodes_clear(&server->inodes);
	server->ready = false;
}

void fs_server_destroy(struct fs_server *server)
{
	if (!server)
		return;
	fs_handles_close(&server->handles);
	fs_inodes_close(&server->inodes);
	close_fd(&server->proc_self_fd);
	free(server);
}

int fs_worker_create(struct fs_worker **worker, struct fs_server *server, struct error *err)
{
	struct fs_credentials credentials;
	struct fs_worker *made;
	int result = fs_credentials_enter(&credentials, server->capabilities, err);

	if (result < 0)
		return result;
	if (fchdir(server->proc_self_fd) < 0)
		return error_set(err, errno, "make /proc/self/fd the working directory of the file server");
	made = xcalloc(1, sizeof(*made));
	made->server = server;
	made->credentials = credentials;
	made->arguments = xcalloc(1, FS_ARGUMENTS_MAX);
	made->scratch = xcalloc(1, FS_SCRATCH_BYTES);
	*worker = made;
	return 0;
}

void fs_worker_destroy(struct fs_worker *worker)
{
	if (!worker)
		return;
	free(worker->arguments);
	free(worker->scratch);
	free(worker);
}
