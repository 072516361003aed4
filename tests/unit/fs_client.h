/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FUSE client for the tests of the file server: builds requests in plain buffers, cut into odd pieces, and checks of
 * every answer what holds for all of them.
 *
 * run_in_scratch() gives a test program a directory of its own, in a mount namespace of its own when it may have one;
 * in there, the server's thread is the test's, so what it drops (capabilities) is gone for the tests too.
 */
#ifndef DUET_TESTS_UNIT_FS_CLIENT_H
#define DUET_TESTS_UNIT_FS_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "microvm/devices/fs/server.h"

#define CLIENT_BUFFER_BYTES (FS_WRITE_MAX_BYTES + 65536)
#define HELPER              __attribute__((unused)) static

struct client {
	int root; /* the shared directory, for a look from the host's side */
	struct fs_server *server;
	struct fs_worker *worker;
	uint64_t unique;
	uint32_t uid, gid;
	unsigned char *request, *reply;
	size_t request_bytes;
	size_t reply_room;  /* behind the header, for the next request */
	size_t reply_bytes; /* behind the header, of the last answer */
	bool answered;
};

struct scratch {
	char path[64];
	bool own_mounts;
};
HELPER struct scratch scratch;

/* --- life --- */

HELPER struct fs_options client_options(int root)
{
	return (struct fs_options){ .tag = "test",
		.root_fd = fcntl(root, F_DUPFD_CLOEXEC, 3),
		.capabilities = geteuid() == 0,
		.descriptors_max = 1024 };
}

HELPER struct client *client_new(const struct fs_options *options, int root)
{
	struct client *client = xcalloc(1, sizeof(*client));
	struct error err = { 0 };

	client->root = root;
	client->request = xcalloc(1, CLIENT_BUFFER_BYTES);
	client->reply = xcalloc(1, CLIENT_BUFFER_BYTES);
	if (fs_server_create(&client->server, options, &err) < 0 ||
		fs_worker_create(&client->worker, client->server, &err) < 0)
		fail_msg("%s", err.message);
	return client;
}

HELPER void client_free(struct client *client)
{
	fs_worker_destroy(client->worker);
	fs_server_destroy(client->server);
	free(client->request);
	free(client->reply);
	free(client);
}

/* --- requests --- */

HELPER unsigned cut(unsigned char *data, size_t length, struct iovec *vector)
{
	static const size_t sizes[] = { 13, 40, 3, 77, 4096, 1 };
	unsigned count = 0;

	while (length > 0) {
		size_t size = count < ARRAY_SIZE(sizes) ? sizes[count] : length;

		if (size > length)
			size = length;
		vector[count++] = (struct iovec){ .iov_base = data, .iov_len = size };
		data += size;
		length -= size;
	}
	return count;
}

HELPER void put(struct client *client, const void *data, size_t length)
{
	assert_true(client->request_bytes + length <= CLIENT_BUFFER_BYTES);
	if (length > 0)
		memcpy(client->request + client->request_bytes, data, length);
	client->request_bytes += length;
}

HELPER void begin(struct client *client, uint32_t opcode, uint64_t node)
{
	struct fuse_in_header header = { .opcode = opcode,
		.unique = ++client->unique,
		.nodeid = node,
		.uid = client->uid,
		.gid = client->gid,
		.pid = 1 };

	client->request_bytes = 0;
	client->reply_room = 8192;
	put(client, &header, sizeof(header));
}

/* Sends what lies in the request buffer as it is. Returns the error (0 or negative), or 1 when there was no answer. */
HELPER int send_raw(struct client *client, size_t reply_bytes)
{
	struct iovec request[FS_IOVECS_MAX], reply[FS_IOVECS_MAX];
	struct fs_message message = { .request = request, .reply = reply };
	struct fuse_in_header in = { 0 };
	struct fuse_out_header out;
	size_t written;

	message.request_bytes = client->request_bytes;
	message.request_count = cut(client->request, client->request_bytes, request);
	message.reply_bytes = reply_bytes;
	message.reply_count = cut(client->reply, reply_bytes, reply);
	memset(client->reply, 0xa5, reply_bytes + 64 < CLIENT_BUFFER_BYTES ? reply_bytes + 64 : CLIENT_BUFFER_BYTES);
	written = fs_worker_serve(client->worker, &message);
	client->reply_bytes = 0;
	if (written == 0)
		return 1;
	assert_true(written >= sizeof(out) && written <= reply_bytes);
	assert_int_equal(client->reply[reply_bytes], 0xa5);
	memcpy(&out, client->reply, sizeof(out));
	memcpy(&in, client->request, client->request_bytes < sizeof(in) ? client->request_bytes : sizeof(in));
	assert_int_equal(out.len, written);
	assert_int_equal(out.unique, in.unique);
	assert_true(out.error <= 0 && out.error > -512);
	if (out.error)
		assert_int_equal(written, sizeof(out));
	client->reply_bytes = written - sizeof(out);
	return out.error;
}

HELPER int finish(struct client *client)
{
	uint32_t length = (uint32_t)client->request_bytes;

	memcpy(client->request, &length, sizeof(length));
	return send_raw(client, client->reply_room + sizeof(struct fuse_out_header));
}

HELPER const void *answer(const struct client *client, size_t at_least)
{
	assert_true(client->reply_bytes >= at_least);
	return client->reply + sizeof(struct fuse_out_header);
}

/* --- operations, as short as tests like them; names are sent with their end --- */

HELPER int call(struct client *client, uint32_t opcode, uint64_t node, const void *fixed, size_t fixed_bytes,
	const char *first, const char *second)
{
	begin(client, opcode, node);
	put(client, fixed, fixed_bytes);
	if (first)
		put(client, first, strlen(first) + 1);
	if (second)
		put(client, second, strlen(second) + 1);
	return finish(client);
}

HELPER int client_init_with(struct client *client, uint32_t flags)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .max_readahead = 131072, .flags = flags };

	return call(client, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL);
}

HELPER int client_init(struct client *client)
{
	return client_init_with(client, UINT32_MAX);
}

HELPER struct fuse_entry_out last_entry(const struct client *client)
{
	struct fuse_entry_out out;

	memcpy(&out, answer(client, sizeof(out)), sizeof(out));
	return out;
}

HELPER int lookup(struct client *client, uint64_t node, const char *name, struct fuse_entry_out *entry)
{
	int result = call(client, FUSE_LOOKUP, node, NULL, 0, name, NULL);

	*entry = result == 0 ? last_entry(client) : (struct fuse_entry_out){ 0 };
	return result == 0 && entry->nodeid == 0 ? -ENOENT : result;
}

HELPER uint64_t must_lookup(struct client *client, uint64_t node, const char *name)
{
	struct fuse_entry_out entry = { .nodeid = 0 };

	assert_int_equal(lookup(client, node, name, &entry), 0);
	return entry.nodeid;
}

HELPER void forget(struct client *client, uint64_t node, uint64_t lookups)
{
	struct fuse_forget_in in = { .nlookup = lookups };

	assert_int_equal(call(client, FUSE_FORGET, node, &in, sizeof(in), NULL, NULL), 1);
}

HELPER int getattr(struct client *client, uint64_t node, struct fuse_attr *attributes)
{
	struct fuse_getattr_in in = { 0 };
	int result = call(client, FUSE_GETATTR, node, &in, sizeof(in), NULL, NULL);
	struct fuse_attr_out out = { 0 };

	if (result == 0)
		memcpy(&out, answer(client, sizeof(out)), sizeof(out));
	if (attributes)
		*attributes = out.attr;
	return result;
}

HELPER int open_flags(struct client *client, uint64_t node, uint32_t flags, struct fuse_open_out *out)
{
	struct fuse_open_in in = { .flags = flags };
	int result = call(client, FUSE_OPEN, node, &in, sizeof(in), NULL, NULL);

	memset(out, 0, sizeof(*out));
	if (result == 0)
		memcpy(out, answer(client, sizeof(*out)), sizeof(*out));
	return result;
}

HELPER uint64_t must_open(struct client *client, uint64_t node, uint32_t flags)
{
	struct fuse_open_out out;

	assert_int_equal(open_flags(client, node, flags, &out), 0);
	return out.fh;
}

HELPER int create(struct client *client, uint64_t node, const char *name, uint32_t flags, uint32_t mode,
	struct fuse_entry_out *entry, uint64_t *fh)
{
	struct fuse_create_in in = { .flags = flags, .mode = S_IFREG | mode, .umask = 022 };
	int result = call(client, FUSE_CREATE, node, &in, sizeof(in), name, NULL);
	struct fuse_open_out out = { 0 };

	memset(entry, 0, sizeof(*entry));
	if (result == 0) {
		*entry = last_entry(client);
		memcpy(&out, (const char *)answer(client, sizeof(*entry) + sizeof(out)) + sizeof(*entry), sizeof(out));
	}
	*fh = out.fh;
	return result;
}

HELPER int release(struct client *client, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };

	return call(client, FUSE_RELEASE, node, &in, sizeof(in), NULL, NULL);
}

HELPER int write_at(struct client *client, uint64_t node, uint64_t fh, uint64_t offset, const void *data, size_t length,
	uint32_t flags, uint32_t write_flags)
{
	struct fuse_write_in in = {
		.fh = fh, .offset = offset, .size = (uint32_t)length, .flags = flags, .write_flags = write_flags
	};
	int result;

	begin(client, FUSE_WRITE, node);
	put(client, &in, sizeof(in));
	put(client, data, length);
	result = finish(client);
	if (result == 0) {
		struct fuse_write_out out;

		memcpy(&out, answer(client, sizeof(out)), sizeof(out));
		return (int)out.size;
	}
	return result;
}

/* Returns the number of bytes, which lie at answer(). */
HELPER int read_at(struct client *client, uint64_t node, uint64_t fh, uint64_t offset, uint32_t size)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };
	int result;

	begin(client, FUSE_READ, node);
	put(client, &in, sizeof(in));
	client->reply_room = size;
	result = finish(client);
	return result < 0 ? result : (int)client->reply_bytes;
}

HELPER int setattr(struct client *client, uint64_t node, const struct fuse_setattr_in *in)
{
	return call(client, FUSE_SETATTR, node, in, sizeof(*in), NULL, NULL);
}

HELPER int opendir_node(struct client *client, uint64_t node, uint64_t *fh)
{
	struct fuse_open_in in = { .flags = O_RDONLY | O_DIRECTORY };
	int result = call(client, FUSE_OPENDIR, node, &in, sizeof(in), NULL, NULL);

	*fh = 0;
	if (result == 0)
		*fh = ((const struct fuse_open_out *)answer(client, sizeof(struct fuse_open_out)))->fh;
	return result;
}

/* --- the host's side --- */

HELPER void host_file(int directory, const char *name, const char *content, mode_t mode)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

HELPER struct stat host_stat(int directory, const char *name)
{
	struct stat status;

	assert_int_equal(fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW), 0);
	return status;
}

HELPER bool host_exists(int directory, const char *name)
{
	struct stat status;

	return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A new empty directory of the scratch directory. */
HELPER int fresh_directory(const char *name)
{
	cleanup_fd int parent = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	(void)remove_tree(parent, name);
	(void)!mkdirat(parent, name, 0755);
	(void)fchmodat(parent, name, 0755, 0);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* cmocka's fixtures for most tests: a client with a session on an empty directory. */
HELPER int setup_client(void **state)
{
	int root = fresh_directory("root");
	struct fs_options options = client_options(root);
	struct client *client = client_new(&options, root);

	assert_int_equal(client_init(client), 0);
	*state = client;
	return 0;
}

HELPER int teardown_client(void **state)
{
	struct client *client = *state;
	int root = client->root;

	fs_server_reset(client->server);
	assert_int_equal(client->server->budget.held, 0);
	assert_int_equal(client->server->inodes.count, 1);
	client_free(client);
	close(root);
	return 0;
}

/* mounts() may mount things below scratch.path, before any capability is dropped; it is called when that is possible.
 */
HELPER int run_in_scratch(int (*tests)(void), void (*mounts)(void))
{
	const char *base = getenv("TMPDIR");
	int status = 0;
	pid_t child;

	(void)snprintf(
		scratch.path, sizeof(scratch.path), "%s/duet-fs-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
	if (!mkdtemp(scratch.path))
		return 1;
	child = fork();
	if (child == 0) {
		scratch.own_mounts =
			unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
		(void)chmod(scratch.path, 0755);
		if (mounts && scratch.own_mounts)
			mounts();
		exit(tests());
	}
	(void)waitpid(child, &status, 0);
	(void)remove_tree(AT_FDCWD, scratch.path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#endif
