/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server and attributes: what stat says, what can be changed, extended attributes, read-only and foreign
 * mounts.
 */
#include <linux/capability.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

#include "tests/unit/fs_client.h"

#define test(function) cmocka_unit_test_setup_teardown(function, setup_client, teardown_client)

static const uint64_t root_node = FUSE_ROOT_ID;

static void attributes_are_those_of_the_host(void **state)
{
	struct client *client = *state;
	struct fuse_attr got;
	struct stat expected;

	host_file(client->root, "file", "twelve bytes", 0640);
	assert_int_equal(linkat(client->root, "file", client->root, "link", 0), 0);
	expected = host_stat(client->root, "file");
	assert_int_equal(getattr(client, must_lookup(client, root_node, "file"), &got), 0);
	assert_int_equal(got.ino, expected.st_ino);
	assert_int_equal(got.size, 12);
	assert_int_equal(got.blocks, expected.st_blocks);
	assert_int_equal(got.mode, expected.st_mode);
	assert_int_equal(got.nlink, 2);
	assert_int_equal(got.uid, expected.st_uid);
	assert_int_equal(got.gid, expected.st_gid);
	assert_int_equal(got.blksize, expected.st_blksize);
	assert_int_equal(got.atime, expected.st_atim.tv_sec);
	assert_int_equal(got.mtime, expected.st_mtim.tv_sec);
	assert_int_equal(got.mtimensec, expected.st_mtim.tv_nsec);
	assert_int_equal(got.ctime, expected.st_ctim.tv_sec);
	assert_int_equal(got.ctimensec, expected.st_ctim.tv_nsec);
	assert_int_equal(got.flags, 0);
	assert_int_equal(getattr(client, root_node, &got), 0);
	assert_true(S_ISDIR(got.mode));
}

static void mode_owner_size_and_times_can_be_set(void **state)
{
	struct client *client = *state;
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = S_IFREG | 04711 };
	struct stat status;
	uint64_t node;

	host_file(client->root, "file", "twelve bytes", 0640);
	node = must_lookup(client, root_node, "file");
	assert_int_equal(setattr(client, node, &in), 0);
	assert_int_equal(host_stat(client->root, "file").st_mode, S_IFREG | 04711);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 5 };
	assert_int_equal(setattr(client, node, &in), 0);
	assert_int_equal(((const struct fuse_attr_out *)answer(client, sizeof(struct fuse_attr_out)))->attr.size, 5);
	in = (struct fuse_setattr_in){
		.valid = FATTR_SIZE | FATTR_FH, .size = 7, .fh = must_open(client, node, O_RDWR)
	};
	assert_int_equal(setattr(client, node, &in), 0);
	in.fh = must_open(client, node, O_RDONLY);
	in.size = 6;
	assert_int_equal(setattr(client, node, &in), 0);
	assert_int_equal(host_stat(client->root, "file").st_size, 6);
	in.fh++;
	assert_int_equal(setattr(client, node, &in), -EBADF);
	assert_int_equal(setattr(client, root_node, &(struct fuse_setattr_in){ .valid = FATTR_SIZE }), -EISDIR);
	in = (struct fuse_setattr_in){
		.valid = FATTR_ATIME | FATTR_MTIME, .atime = 1, .mtime = (uint64_t)-2, .mtimensec = 999999999
	};
	assert_int_equal(setattr(client, node, &in), 0);
	status = host_stat(client->root, "file");
	assert_int_equal(status.st_atime, 1);
	assert_int_equal(status.st_mtime, -2);
	assert_int_equal(status.st_mtim.tv_nsec, 999999999);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME | FATTR_MTIME_NOW };
	assert_int_equal(setattr(client, node, &in), 0);
	status = host_stat(client->root, "file");
	assert_true(status.st_mtime >= time(NULL) - 2);
	assert_int_equal(status.st_atime, 1);
	/* UTIME_NOW and UTIME_OMIT are not for the guest to say. */
	in = (struct fuse_setattr_in){ .valid = FATTR_ATIME, .atimensec = UTIME_NOW };
	assert_int_equal(setattr(client, node, &in), -EINVAL);
	in = (struct fuse_setattr_in){ .valid = FATTR_FH | FATTR_LOCKOWNER | FATTR_CTIME };
	assert_int_equal(setattr(client, node, &in), 0);
}

static void a_change_of_owner_takes_setuid_away(void **state)
{
	struct client *client = *state;
	struct fuse_setattr_in in = { .valid = FATTR_UID | FATTR_KILL_SUIDGID, .uid = 10 };
	struct stat status;
	uint64_t node;

	if (geteuid() != 0)
		skip();
	host_file(client->root, "file", "", 06755);
	node = must_lookup(client, root_node, "file");
	client->uid = client->gid = 1000;
	assert_int_equal(setattr(client, node, &in), 0);
	in = (struct fuse_setattr_in){ .valid = FATTR_GID, .gid = 20 };
	assert_int_equal(setattr(client, node, &in), 0);
	status = host_stat(client->root, "file");
	assert_int_equal(status.st_uid, 10);
	assert_int_equal(status.st_gid, 20);
	assert_int_equal(status.st_mode, S_IFREG | 0755);
	/* A set-group-ID bit that the guest's kernel allows survives the change of mode. */
	in = (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 02775 };
	assert_int_equal(setattr(client, node, &in), 0);
	assert_int_equal(host_stat(client->root, "file").st_mode, S_IFREG | 02775);
}

/* chown(path, -1, -1) arrives as a request for nothing. */
static void a_change_to_the_same_owner_takes_setuid_away_for_who_may(void **state)
{
	struct client *client = *state;
	struct fuse_setattr_in in = { .valid = 0 };
	uint64_t node;

	if (geteuid() != 0)
		skip();
	host_file(client->root, "file", "", 06755);
	assert_int_equal(fchownat(client->root, "file", 1000, 1000, 0), 0);
	assert_int_equal(fchmodat(client->root, "file", 06755, 0), 0);
	node = must_lookup(client, root_node, "file");
	client->uid = 1001;
	assert_int_equal(setattr(client, node, &in), 0);
	assert_int_equal(host_stat(client->root, "file").st_mode, S_IFREG | 06755);
	client->uid = 1000;
	assert_int_equal(setattr(client, node, &in), 0);
	assert_int_equal(host_stat(client->root, "file").st_mode, S_IFREG | 0755);
	assert_int_equal(host_stat(client->root, "file").st_uid, 1000);
}

static void figures_of_the_file_system(void **state)
{
	struct client *client = *state;
	const struct fuse_statfs_out *out;
	struct statvfs expected;

	assert_int_equal(call(client, FUSE_STATFS, root_node, NULL, 0, NULL, NULL), 0);
	out = answer(client, sizeof(*out));
	assert_int_equal(fstatvfs(client->root, &expected), 0);
	assert_int_equal(out->st.blocks, expected.f_blocks);
	assert_int_equal(out->st.frsize, expected.f_frsize);
	assert_int_equal(out->st.files, expected.f_files);
	assert_int_equal(out->st.namelen, 255);
}

/* --- extended attributes --- */

static int set_xattr(
	struct client *client, uint64_t node, const char *name, const void *value, size_t size, uint32_t flags)
{
	struct fuse_setxattr_in in = { .size = (uint32_t)size, .flags = flags };

	begin(client, FUSE_SETXATTR, node);
	put(client, &in, sizeof(in));
	put(client, name, strlen(name) + 1);
	put(client, value, size);
	return finish(client);
}

static int get_xattr(struct client *client, uint64_t node, const char *name, uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };

	return call(client, FUSE_GETXATTR, node, &in, sizeof(in), name, NULL);
}

static int list_xattrs(struct client *client, uint64_t node, uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };

	return call(client, FUSE_LISTXATTR, node, &in, sizeof(in), NULL, NULL);
}

static void extended_attributes_of_users(void **state)
{
	struct client *client = *state;
	uint64_t node;

	host_file(client->root, "file", "", 0644);
	node = must_lookup(client, root_node, "file");
	assert_int_equal(set_xattr(client, node, "user.one", "value", 5, 0), 0);
	assert_int_equal(set_xattr(client, node, "user.one", "value", 5, XATTR_CREATE), -EEXIST);
	assert_int_equal(set_xattr(client, node, "user.two", "value", 5, XATTR_REPLACE), -ENODATA);
	assert_int_equal(set_xattr(client, node, "user.two", "value", 5, 4), -EINVAL);
	assert_int_equal(set_xattr(client, node, "user.empty", "", 0, 0), 0);
	assert_int_equal(get_xattr(client, node, "user.one", 0), 0);
	assert_int_equal(((const struct fuse_getxattr_out *)answer(client, 8))->size, 5);
	assert_int_equal(get_xattr(client, node, "user.one", 4), -ERANGE);
	assert_int_equal(get_xattr(client, node, "user.one", 100), 0);
	assert_int_equal(client->reply_bytes, 5);
	assert_memory_equal(answer(client, 5), "value", 5);
	assert_int_equal(get_xattr(client, node, "user.missing", 100), -ENODATA);
	assert_int_equal(list_xattrs(client, node, 0), 0);
	assert_int_equal(((const struct fuse_getxattr_out *)answer(client, 8))->size, 9 + 11);
	assert_int_equal(list_xattrs(client, node, 19), -ERANGE);
	assert_int_equal(list_xattrs(client, node, 20), 0);
	assert_int_equal(client->reply_bytes, 20);
	assert_int_equal(call(client, FUSE_REMOVEXATTR, node, NULL, 0, "user.one", NULL), 0);
	assert_int_equal(call(client, FUSE_REMOVEXATTR, node, NULL, 0, "user.one", NULL), -ENODATA);
	assert_int_equal(set_xattr(client, root_node, "user.directory", "x", 1, 0), 0);
}

static void sizes_of_values_that_are_not_true(void **state)
{
	struct client *client = *state;
	struct fuse_setxattr_in in = { .size = 100 };
	cleanup_free char *large = xcalloc(1, FS_ARGUMENTS_MAX);
	uint64_t node;

	host_file(client->root, "file", "", 0644);
	node = must_lookup(client, root_node, "file");
	begin(client, FUSE_SETXATTR, node);
	put(client, &in, sizeof(in));
	put(client, "user.x\0short", 12);
	assert_int_equal(finish(client), -EINVAL);
	assert_int_equal(set_xattr(client, node, "user.x", large, FS_XATTR_MAX_BYTES + 1, 0), -E2BIG);
	assert_int_equal(set_xattr(client, node, "user.x", large, FS_ARGUMENTS_MAX, 0), -E2BIG);
	begin(client, FUSE_SETXATTR, node);
	put(client, &in, sizeof(in));
	put(client, "user.no end", 11);
	assert_int_equal(finish(client), -EINVAL);
	assert_int_equal(list_xattrs(client, node, UINT32_MAX), 0);
	assert_int_equal(client->reply_bytes, 0);
}

static void extended_attributes_of_the_host_stay_its_own(void **state)
{
	struct client *client = *state;
	static const char *const names[] = { "trusted.overlay.opaque", "security.selinux", "security.ima",
		"system.nfs4_acl", "none", "user", "security.capability2", "" };
	struct vfs_cap_data capability = { .magic_etc = VFS_CAP_REVISION_2, .data = { { .permitted = 1 } } };
	uint64_t node;

	host_file(client->root, "file", "", 0755);
	node = must_lookup(client, root_node, "file");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(set_xattr(client, node, names[i], "v", 1, 0), -EOPNOTSUPP);
		assert_int_equal(get_xattr(client, node, names[i], 100), -EOPNOTSUPP);
		assert_int_equal(call(client, FUSE_REMOVEXATTR, node, NULL, 0, names[i], NULL), -EOPNOTSUPP);
	}
	if (geteuid() != 0)
		return;
	/* File capabilities are the user's own, and a write takes them away. */
	assert_int_equal(set_xattr(client, node, "security.capability", &capability, sizeof(capability), 0), 0);
	assert_int_equal(list_xattrs(client, node, 100), 0);
	assert_string_equal(answer(client, 20), "security.capability");
	assert_int_equal(write_at(client, node, must_open(client, node, O_RDWR), 0, "x", 1, 0, 0), 1);
	assert_int_equal(get_xattr(client, node, "security.capability", 100), -ENODATA);
}

static void attributes_of_a_link_are_not_those_of_its_target(void **state)
{
	struct client *client = *state;
	cleanup_fd int outside = fresh_directory("outside");
	uint64_t node;
	char path[128];

	host_file(outside, "target", "", 0644);
	(void)snprintf(path, sizeof(path), "%s/outside/target", scratch.path);
	if (setxattr(path, "user.secret", "1", 1, 0) < 0)
		skip();
	assert_int_equal(symlinkat(path, client->root, "link"), 0);
	node = must_lookup(client, root_node, "link");
	assert_int_equal(list_xattrs(client, node, 100), 0);
	assert_int_equal(client->reply_bytes, 0);
	assert_int_equal(get_xattr(client, node, "user.secret", 100), -ENODATA);
	assert_int_equal(set_xattr(client, node, "user.secret", "2", 1, 0), -EPERM);
}

static void access_control_lists_when_agreed_upon(void **state)
{
	struct client *client = *state;
	/* posix_acl_xattr(5 entries): user::rw-, user:1000:rwx, group::r--, mask::rwx, other::r-- */
	static const unsigned char list[] = { 2, 0, 0, 0, 1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 7, 0, 0xe8, 3, 0, 0,
		4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, 0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 4, 0, 0xff, 0xff,
		0xff, 0xff };
	uint64_t node;

	host_file(client->root, "file", "", 0644);
	assert_int_equal(client_init_with(client, FUSE_SETXATTR_EXT), 0);
	node = must_lookup(client, root_node, "file");
	assert_int_equal(get_xattr(client, node, "system.posix_acl_access", 100), -EOPNOTSUPP);
	assert_int_equal(client_init(client), 0);
	if (!client->server->posix_acl)
		skip();
	node = must_lookup(client, root_node, "file");
	assert_int_equal(get_xattr(client, node, "system.posix_acl_access", 100), -ENODATA);
	assert_int_equal(set_xattr(client, node, "system.posix_acl_access", list, sizeof(list), 0), 0);
	assert_int_equal(get_xattr(client, node, "system.posix_acl_access", 100), 0);
	assert_int_equal(client->reply_bytes, sizeof(list));
	assert_int_equal(host_stat(client->root, "file").st_mode, S_IFREG | 0674);
}

/* --- mounts below the shared directory; made before the tests, see mounts() --- */

static struct client *client_on_mounts(uint32_t flags)
{
	char path[128];
	int root;
	struct fs_options options;
	struct client *client;

	(void)snprintf(path, sizeof(path), "%s/mounts", scratch.path);
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	options = client_options(root);
	client = client_new(&options, root);
	assert_int_equal(client_init_with(client, flags), 0);
	return client;
}

static void close_client(struct client *client)
{
	close(client->root);
	client_free(client);
}

static void mounts(void)
{
	char path[128], other[128];
	static const char *const names[] = { "", "/tmpfs", "/readonly", "/proc", "/source", "/ramfs" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/mounts%s", scratch.path, names[i]);
		(void)mkdir(path, 0755);
	}
	(void)snprintf(path, sizeof(path), "%s/mounts/tmpfs", scratch.path);
	scratch.own_mounts = mount("none", path, "tmpfs", 0, "size=1m") == 0;
	(void)snprintf(path, sizeof(path), "%s/mounts/ramfs", scratch.path);
	scratch.own_mounts = scratch.own_mounts && mount("none", path, "ramfs", 0, NULL) == 0;
	(void)snprintf(path, sizeof(path), "%s/mounts/proc", scratch.path);
	scratch.own_mounts = scratch.own_mounts && mount("none", path, "proc", 0, NULL) == 0;
	(void)snprintf(path, sizeof(path), "%s/mounts/source/file", scratch.path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	(void)snprintf(path, sizeof(path), "%s/mounts/source", scratch.path);
	(void)snprintf(other, sizeof(other), "%s/mounts/readonly", scratch.path);
	scratch.own_mounts = scratch.own_mounts && mount(path, other, NULL, MS_BIND, NULL) == 0 &&
			     mount(NULL, other, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
	/* One file over another, from a file system of its own and from procfs. */
	(void)snprintf(path, sizeof(path), "%s/mounts/tmpfs/file", scratch.path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	(void)snprintf(other, sizeof(other), "%s/mounts/over", scratch.path);
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	scratch.own_mounts = scratch.own_mounts && mount(path, other, NULL, MS_BIND, NULL) == 0;
	(void)snprintf(other, sizeof(other), "%s/mounts/version", scratch.path);
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	scratch.own_mounts = scratch.own_mounts && mount("/proc/version", other, NULL, MS_BIND, NULL) == 0;
}

static void mounts_below_are_announced(void **state)
{
	struct client *client;
	struct fuse_entry_out entry;

	(void)state;
	if (!scratch.own_mounts)
		skip();
	client = client_on_mounts(UINT32_MAX);
	assert_int_equal(lookup(client, root_node, "tmpfs", &entry), 0);
	assert_int_equal(entry.attr.flags, FUSE_ATTR_SUBMOUNT);
	assert_int_equal(lookup(client, entry.nodeid, "file", &entry), 0);
	assert_int_equal(entry.attr.flags, 0);
	assert_int_equal(entry.attr.ino, host_stat(client->root, "tmpfs/file").st_ino);
	/* A mounted file keeps the guest's device number, so its inode number must not be one of its neighbours'. */
	assert_int_equal(lookup(client, root_node, "over", &entry), 0);
	assert_int_equal(entry.attr.flags, 0);
	assert_true(entry.attr.ino >> 63);
	assert_int_equal(lookup(client, root_node, "source", &entry), 0);
	assert_int_equal(entry.attr.flags, 0);
	close_client(client);
	client = client_on_mounts(UINT32_MAX & ~(uint32_t)FUSE_SUBMOUNTS);
	assert_int_equal(lookup(client, root_node, "tmpfs", &entry), 0);
	assert_int_equal(entry.attr.flags, 0);
	close_client(client);
}

static void a_read_only_mount_is_read_only(void **state)
{
	struct client *client;
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0777 };
	struct fuse_access_in access_in = { .mask = W_OK };
	struct fuse_link_in link = { 0 };
	struct fuse_open_out opened;
	struct fuse_entry_out entry;
	uint64_t directory, file, other, fh;

	(void)state;
	if (!scratch.own_mounts)
		skip();
	client = client_on_mounts(UINT32_MAX);
	directory = must_lookup(client, root_node, "readonly");
	file = must_lookup(client, directory, "file");
	/* The same file through the other mount is another node. */
	other = must_lookup(client, must_lookup(client, root_node, "source"), "file");
	assert_true(file != other);
	assert_int_equal(open_flags(client, file, O_RDWR, &opened), -EROFS);
	assert_int_equal(open_flags(client, file, O_RDONLY | O_TRUNC, &opened), -EROFS);
	assert_int_equal(open_flags(client, file, O_RDONLY, &opened), 0);
	assert_int_equal(setattr(client, file, &in), -EROFS);
	in.valid = FATTR_SIZE;
	assert_int_equal(setattr(client, file, &in), -EROFS);
	in.valid = FATTR_MTIME_NOW;
	assert_int_equal(setattr(client, file, &in), -EROFS);
	in.valid = FATTR_UID;
	assert_int_equal(setattr(client, file, &in), -EROFS);
	assert_int_equal(create(client, directory, "new", O_RDWR, 0644, &entry, &fh), -EROFS);
	assert_int_equal(call(client, FUSE_UNLINK, directory, NULL, 0, "file", NULL), -EROFS);
	assert_int_equal(set_xattr(client, file, "user.x", "v", 1, 0), -EROFS);
	assert_int_equal(call(client, FUSE_ACCESS, file, &access_in, sizeof(access_in), NULL, NULL), -EROFS);
	assert_int_equal(call(client, FUSE_ACCESS, other, &access_in, sizeof(access_in), NULL, NULL), 0);
	link.oldnodeid = file;
	assert_int_equal(call(client, FUSE_LINK, root_node, &link, sizeof(link), "link", NULL), -EXDEV);
	assert_int_equal(open_flags(client, other, O_RDWR, &opened), 0);
	close_client(client);
}

/* The guest's kernel takes any other error of reading a list for a refusal of access. */
static void a_mount_without_access_control_lists_has_none(void **state)
{
	struct client *client;
	uint64_t node;

	(void)state;
	if (!scratch.own_mounts)
		skip();
	client = client_on_mounts(UINT32_MAX);
	if (!client->server->posix_acl)
		skip();
	node = must_lookup(client, root_node, "ramfs");
	assert_int_equal(get_xattr(client, node, "system.posix_acl_access", 100), -ENODATA);
	assert_int_equal(set_xattr(client, node, "system.posix_acl_access", "", 0, 0), -EOPNOTSUPP);
	close_client(client);
}

static void interfaces_to_the_kernel_show_nothing(void **state)
{
	struct client *client;
	struct fuse_open_out opened;
	struct fuse_entry_out entry;
	struct fuse_attr attributes;
	uint64_t proc, version, fh;

	(void)state;
	if (!scratch.own_mounts)
		skip();
	client = client_on_mounts(UINT32_MAX);
	/* The directory is there, so that the guest can mount its own over it. */
	proc = must_lookup(client, root_node, "proc");
	assert_int_equal(getattr(client, proc, &attributes), 0);
	assert_true(S_ISDIR(attributes.mode));
	assert_int_equal(lookup(client, proc, "self", &entry), -EACCES);
	assert_int_equal(opendir_node(client, proc, &fh), -EACCES);
	assert_int_equal(create(client, proc, "new", O_RDWR, 0644, &entry, &fh), -EACCES);
	assert_int_equal(list_xattrs(client, proc, 100), -EACCES);
	version = must_lookup(client, root_node, "version");
	assert_int_equal(open_flags(client, version, O_RDONLY, &opened), -EACCES);
	close_client(client);
}

static void procfs_is_out_of_reach_from_the_descriptor_directory(void **state)
{
	struct client *client = *state;
	int proc = client->server->proc_self_fd;

	/* Capabilities were dropped by then, and only as a mount of its own it has nothing above it. */
	if (!scratch.own_mounts)
		skip();
	assert_int_equal(faccessat(proc, "../status", F_OK, 0), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(openat(proc, "../../sys", O_PATH | O_CLOEXEC), -1);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		/* First: a detached mount can be made as long as there is CAP_SYS_ADMIN. */
		test(procfs_is_out_of_reach_from_the_descriptor_directory),
		test(attributes_are_those_of_the_host),
		test(mode_owner_size_and_times_can_be_set),
		test(a_change_of_owner_takes_setuid_away),
		test(a_change_to_the_same_owner_takes_setuid_away_for_who_may),
		test(figures_of_the_file_system),
		test(extended_attributes_of_users),
		test(sizes_of_values_that_are_not_true),
		test(extended_attributes_of_the_host_stay_its_own),
		test(attributes_of_a_link_are_not_those_of_its_target),
		test(access_control_lists_when_agreed_upon),
		cmocka_unit_test(mounts_below_are_announced),
		cmocka_unit_test(a_read_only_mount_is_read_only),
		cmocka_unit_test(a_mount_without_access_control_lists_has_none),
		cmocka_unit_test(interfaces_to_the_kernel_show_nothing),
	};

	return cmocka_run_group_tests_name("file server: attributes", all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, mounts);
}
