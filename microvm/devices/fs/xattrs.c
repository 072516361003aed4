/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes (xattr(7)).
 *
 * Passed on: user.*, security.capability, and access control lists once they are agreed upon. Everything else does not
 * exist for the guest: trusted.* and labels of the host's security modules are the host's.
 */
#include <string.h>
#include <sys/xattr.h>

#include "microvm/devices/fs/server.h"

static bool is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 || strcmp(name, "system.posix_acl_default") == 0;
}

static bool is_offered(const struct fs_server *server, const char *name)
{
	if (is_acl(name))
		return server->posix_acl;
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0;
}

/* The node's path, when it has an attribute of such a name to offer. */
static int take_path(struct fs_call *call, const char *name, struct fs_node_path *path)
{
	struct fs_inode *inode = fs_call_inode(call);

	if (!inode)
		return -ESTALE;
	if (name && !is_offered(call->server, name))
		return -EOPNOTSUPP;
	return fs_node_path(call, inode, path);
}

int fs_setxattr(struct fs_call *call)
{
	struct fuse_setxattr_in in = { 0 };
	const char *name = call->names[0];
	struct fs_node_path path;
	int result = take_path(call, name, &path);

	if (result < 0)
		return result;
	memcpy(&in, call->arguments, call->server->extended_setxattr ? sizeof(in) : FUSE_COMPAT_SETXATTR_IN_SIZE);
	if (in.flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE) || in.size != call->value_bytes)
		return -EINVAL;
	if (in.size > FS_XATTR_MAX_BYTES)
		return -E2BIG;
	/* An access control list changes the mode too. */
	result = fs_credentials_keep_setid(
		&call->worker->credentials, !(in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID));
	if (result < 0)
		return result;
	return setxattr(path.text, name, call->value, in.size, (int)in.flags) < 0 ? -errno : 0;
}

/* Answers with a value, or with its size alone when the guest has given no room. */
static int reply_value(struct fs_call *call, uint32_t room, const void *value, size_t length)
{
	struct fuse_getxattr_out out = { .size = (uint32_t)length };

	if (room == 0)
		return fs_reply(call, &out, sizeof(out));
	return length > room ? -ERANGE : fs_reply(call, value, length);
}

int fs_getxattr(struct fs_call *call)
{
	const struct fuse_getxattr_in *in = call->arguments;
	const char *name = call->names[0];
	struct fs_node_path path;
	int result = take_path(call, name, &path);
	ssize_t length;

	if (result < 0)
		return result;
	length = getxattr(path.text, name, call->worker->scratch, FS_XATTR_MAX_BYTES);
	/* The guest's kernel asks before it decides on access, and would refuse everything below a mount that knows no
	 * lists. */
	if (length < 0 && errno == EOPNOTSUPP && is_acl(name))
		return -ENODATA;
	return length < 0 ? -errno : reply_value(call, in->size, call->worker->scratch, (size_t)length);
}

int fs_listxattr(struct fs_call *call)
{
	const struct fuse_getxattr_in *in = call->arguments;
	char *names = (char *)call->worker->scratch;
	struct fs_node_path path;
	int result = take_path(call, NULL, &path);
	size_t kept = 0;
	ssize_t length;

	if (result < 0)
		return result;
	length = listxattr(path.text, names, FS_XATTR_MAX_BYTES);
	if (length < 0)
		return -errno;
	names[length] = '\0';
	for (size_t offset = 0; offset < (size_t)length;) {
		size_t size = strlen(names + offset) + 1;

		if (is_offered(call->server, names + offset)) {
			memmove(names + kept, names + offset, size);
			kept += size;
		}
		offset += size;
	}
	return reply_value(call, in->size, names, kept);
}

int fs_removexattr(struct fs_call *call)
{
	struct fs_node_path path;
	int result = take_path(call, call->names[0], &path);

	if (result < 0)
		return result;
	return removexattr(path.text, call->names[0]) < 0 ? -errno : 0;
}
