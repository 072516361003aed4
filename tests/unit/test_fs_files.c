/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server and the content of files: reading, writing, appending, holes, copies, what a write does to
 * set-user-ID files, what the guest may keep cached, and how many files it can hold.
 */
#include <linux/falloc.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>

#include "tests/unit/fs_client.h"

#define test(function) cmocka_unit_test_setup_teardown(function, setup_client, teardown_client)

static const uint64_t root_node = FUSE_ROOT_ID;

static void written_data_is_read_back(void **state)
{
	struct client *client = *state;
	cleanup_free unsigned char *data = xcalloc(1, FS_WRITE_MAX_BYTES);
	struct fuse_flush_in flush = { 0 };
	struct fuse_fsync_in sync = { 0 };
	struct fuse_entry_out entry;
	uint64_t fh;

	for (size_t i = 0; i < FS_WRITE_MAX_BYTES; i++)
		data[i] = (unsigned char)(i * 2654435761U >> 13);
	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &entry, &fh), 0);
	assert_int_equal(write_at(client, entry.nodeid, fh, 0, data, FS_WRITE_MAX_BYTES, 0, 0), FS_WRITE_MAX_BYTES);
	assert_int_equal(read_at(client, entry.nodeid, fh, 0, FS_WRITE_MAX_BYTES), FS_WRITE_MAX_BYTES);
	assert_memory_equal(answer(client, 1), data, FS_WRITE_MAX_BYTES);
	assert_int_equal(read_at(client, entry.nodeid, fh, FS_WRITE_MAX_BYTES - 3, 4096), 3);
	assert_memory_equal(answer(client, 1), data + FS_WRITE_MAX_BYTES - 3, 3);
	assert_int_equal(read_at(client, entry.nodeid, fh, FS_WRITE_MAX_BYTES, 4096), 0);
	assert_int_equal(read_at(client, entry.nodeid, fh, UINT64_MAX, 4096), -EINVAL);
	assert_int_equal(write_at(client, entry.nodeid, fh, UINT64_MAX - 5, data, 3, 0, 0), -EINVAL);
	flush.fh = sync.fh = fh;
	assert_int_equal(call(client, FUSE_FLUSH, entry.nodeid, &flush, sizeof(flush), NULL, NULL), 0);
	assert_int_equal(call(client, FUSE_FSYNC, entry.nodeid, &sync, sizeof(sync), NULL, NULL), 0);
	sync.fsync_flags = FUSE_FSYNC_FDATASYNC;
	assert_int_equal(call(client, FUSE_FSYNC, entry.nodeid, &sync, sizeof(sync), NULL, NULL), 0);
	assert_int_equal(release(client, entry.nodeid, fh), 0);
	fh = must_open(client, entry.nodeid, O_RDONLY);
	assert_int_equal(write_at(client, entry.nodeid, fh, 0, data, 1, 0, 0), -EBADF);
}

static void a_write_of_more_than_was_sent_is_refused(void **state)
{
	struct client *client = *state;
	struct fuse_write_in in = { .size = 5 };
	struct fuse_entry_out entry;

	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &entry, &in.fh), 0);
	begin(client, FUSE_WRITE, entry.nodeid);
	put(client, &in, sizeof(in));
	put(client, "abcd", 4);
	assert_int_equal(finish(client), -EINVAL);
	assert_int_equal(host_stat(client->root, "file").st_size, 0);
	/* A read of more than there is room for gets what fits. */
	host_file(client->root, "file", "abcdefgh", 0644);
	client->reply_room = 3;
	begin(client, FUSE_READ, entry.nodeid);
	put(client, &(struct fuse_read_in){ .fh = in.fh, .size = UINT32_MAX }, sizeof(struct fuse_read_in));
	client->reply_room = 3;
	assert_int_equal(finish(client), 0);
	assert_int_equal(client->reply_bytes, 3);
}

static void appending_goes_to_the_end_as_it_is_now(void **state)
{
	struct client *client = *state;
	uint64_t node, fh;

	host_file(client->root, "log", "one ", 0644);
	node = must_lookup(client, root_node, "log");
	fh = must_open(client, node, O_WRONLY | O_APPEND);
	host_file(client->root, "log", "one two ", 0644);
	assert_int_equal(write_at(client, node, fh, 4, "three", 5, O_APPEND, 0), 5);
	assert_int_equal(read_at(client, node, must_open(client, node, O_RDONLY), 0, 100), 13);
	assert_memory_equal(answer(client, 13), "one two three", 13);
	/* A mapped page that is written back by the same descriptor has its place. */
	assert_int_equal(write_at(client, node, fh, 0, "ONE", 3, O_APPEND, FUSE_WRITE_CACHE), 3);
	assert_int_equal(read_at(client, node, must_open(client, node, O_RDONLY), 0, 100), 13);
	assert_memory_equal(answer(client, 13), "ONE two three", 13);
}

static void opening_with_flags(void **state)
{
	struct client *client = *state;
	struct fuse_open_out opened;
	struct statfs file_system;
	struct fuse_entry_out entry;
	uint64_t node, fh;

	host_file(client->root, "file", "content", 0644);
	node = must_lookup(client, root_node, "file");
	assert_int_equal(open_flags(client, node, O_RDWR | O_DIRECT | O_NONBLOCK | O_NOATIME | O_SYNC, &opened), 0);
	assert_int_equal(read_at(client, node, opened.fh, 1, 3), 3);
	assert_int_equal(fstatfs(client->root, &file_system), 0);
	if (file_system.f_type == EXT4_SUPER_MAGIC || file_system.f_type == TMPFS_MAGIC)
		assert_true(opened.open_flags & FOPEN_NOFLUSH);
	assert_int_equal(open_flags(client, node, O_ACCMODE, &opened), -EINVAL);
	assert_int_equal(open_flags(client, root_node, O_RDONLY, &opened), -EISDIR);
	assert_int_equal(open_flags(client, node, O_WRONLY | O_TRUNC, &opened), 0);
	assert_int_equal(host_stat(client->root, "file").st_size, 0);
	assert_int_equal(create(client, root_node, "file", O_RDWR | O_EXCL, 0644, &entry, &fh), -EEXIST);
	host_file(client->root, "file", "content", 0644);
	assert_int_equal(create(client, root_node, "file", O_RDWR, 0600, &entry, &fh), 0);
	assert_int_equal(entry.nodeid, node);
	assert_int_equal(entry.attr.size, 7);
	assert_int_equal(entry.attr.mode, S_IFREG | 0644);
	assert_int_equal(create(client, root_node, "file", O_RDWR | O_TRUNC, 0600, &entry, &fh), 0);
	assert_int_equal(entry.attr.size, 0);
	assert_int_equal(mkdirat(client->root, "directory", 0755), 0);
	assert_int_equal(create(client, root_node, "directory", O_RDWR, 0600, &entry, &fh), -EISDIR);
	/* Read-only for everybody, and yet written to by who makes it. */
	assert_int_equal(create(client, root_node, "sealed", O_RDWR, 0400, &entry, &fh), 0);
	assert_int_equal(write_at(client, entry.nodeid, fh, 0, "x", 1, 0, 0), 1);
}

static void a_file_without_a_name_can_get_one(void **state)
{
	struct client *client = *state;
	struct fuse_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0640 };
	struct fuse_entry_out entry;
	struct fuse_open_out opened;
	struct fuse_link_in link = { 0 };

	client->uid = client->gid = geteuid() == 0 ? 3000 : geteuid();
	/* The name is the one that Linux sends. */
	assert_int_equal(call(client, FUSE_TMPFILE, root_node, &in, sizeof(in), "/", NULL), 0);
	entry = last_entry(client);
	memcpy(&opened, (const char *)answer(client, sizeof(entry) + sizeof(opened)) + sizeof(entry), sizeof(opened));
	assert_int_equal(entry.attr.nlink, 0);
	assert_int_equal(entry.attr.uid, client->uid);
	assert_int_equal(write_at(client, entry.nodeid, opened.fh, 0, "data", 4, 0, 0), 4);
	link.oldnodeid = entry.nodeid;
	assert_int_equal(call(client, FUSE_LINK, root_node, &link, sizeof(link), "named", NULL), 0);
	assert_int_equal(last_entry(client).nodeid, entry.nodeid);
	assert_int_equal(host_stat(client->root, "named").st_size, 4);
}

static mode_t mode_after_write(struct client *client, uint32_t write_flags)
{
	uint64_t node, fh;

	/* A new one, of the group that this thread acts for: else it could not be given a set-group-ID bit. */
	(void)unlinkat(client->root, "suid", 0);
	host_file(client->root, "suid", "x", 06755);
	node = must_lookup(client, root_node, "suid");
	fh = must_open(client, node, O_RDWR);
	assert_int_equal(write_at(client, node, fh, 0, "y", 1, 0, write_flags), 1);
	assert_int_equal(release(client, node, fh), 0);
	return host_stat(client->root, "suid").st_mode & 07777;
}

static void writing_takes_setuid_away_when_the_guest_says_so(void **state)
{
	struct client *client = *state;
	struct fuse_setattr_in truncate = { .valid = FATTR_SIZE | FATTR_KILL_SUIDGID };
	struct fuse_open_in open_in = { .flags = O_WRONLY | O_TRUNC, .open_flags = FUSE_OPEN_KILL_SUIDGID };
	uint64_t node;

	if (geteuid() != 0)
		skip();
	/* The server acts as the caller, here on the thread that also makes the files. */
	client->uid = geteuid();
	client->gid = getegid();
	assert_int_equal(mode_after_write(client, FUSE_WRITE_KILL_SUIDGID), 0755);
	assert_int_equal(mode_after_write(client, 0), 06755);
	assert_int_equal(mode_after_write(client, FUSE_WRITE_KILL_SUIDGID), 0755);
	host_file(client->root, "suid", "x", 06755);
	node = must_lookup(client, root_node, "suid");
	assert_int_equal(call(client, FUSE_OPEN, node, &open_in, sizeof(open_in), NULL, NULL), 0);
	assert_int_equal(host_stat(client->root, "suid").st_mode & 07777, 0755);
	host_file(client->root, "suid", "x", 06755);
	assert_int_equal(setattr(client, node, &truncate), 0);
	assert_int_equal(host_stat(client->root, "suid").st_mode & 07777, 0755);
	host_file(client->root, "suid", "x", 06755);
	truncate.valid = FATTR_SIZE;
	assert_int_equal(setattr(client, node, &truncate), 0);
	assert_int_equal(host_stat(client->root, "suid").st_mode & 07777, 06755);
}

static void holes_and_reserved_space(void **state)
{
	struct client *client = *state;
	struct fuse_fallocate_in reserve = { .length = 1 << 20, .mode = FALLOC_FL_KEEP_SIZE };
	struct fuse_lseek_in seek = { .offset = 0, .whence = SEEK_DATA };
	struct fuse_entry_out entry;
	uint64_t fh;

	assert_int_equal(create(client, root_node, "sparse", O_RDWR, 0644, &entry, &fh), 0);
	assert_int_equal(write_at(client, entry.nodeid, fh, 64 << 20, "end", 3, 0, 0), 3);
	seek.fh = reserve.fh = fh;
	assert_int_equal(call(client, FUSE_LSEEK, entry.nodeid, &seek, sizeof(seek), NULL, NULL), 0);
	assert_int_equal(((const struct fuse_lseek_out *)answer(client, 8))->offset, 64 << 20);
	seek.whence = SEEK_HOLE;
	assert_int_equal(call(client, FUSE_LSEEK, entry.nodeid, &seek, sizeof(seek), NULL, NULL), 0);
	assert_int_equal(((const struct fuse_lseek_out *)answer(client, 8))->offset, 0);
	seek.whence = SEEK_DATA;
	seek.offset = (64 << 20) + 3;
	assert_int_equal(call(client, FUSE_LSEEK, entry.nodeid, &seek, sizeof(seek), NULL, NULL), -ENXIO);
	seek.whence = SEEK_SET;
	assert_int_equal(call(client, FUSE_LSEEK, entry.nodeid, &seek, sizeof(seek), NULL, NULL), -EINVAL);
	assert_true(host_stat(client->root, "sparse").st_blocks < 100);
	assert_int_equal(call(client, FUSE_FALLOCATE, entry.nodeid, &reserve, sizeof(reserve), NULL, NULL), 0);
	assert_true(host_stat(client->root, "sparse").st_blocks >= 2048);
	reserve.mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
	assert_int_equal(call(client, FUSE_FALLOCATE, entry.nodeid, &reserve, sizeof(reserve), NULL, NULL), 0);
	assert_true(host_stat(client->root, "sparse").st_blocks < 100);
	reserve.mode = FALLOC_FL_COLLAPSE_RANGE;
	assert_int_equal(
		call(client, FUSE_FALLOCATE, entry.nodeid, &reserve, sizeof(reserve), NULL, NULL), -EOPNOTSUPP);
	reserve.mode = 0;
	reserve.offset = UINT64_MAX;
	assert_int_equal(call(client, FUSE_FALLOCATE, entry.nodeid, &reserve, sizeof(reserve), NULL, NULL), -EINVAL);
}

static void copying_between_files(void **state)
{
	struct client *client = *state;
	struct fuse_copy_file_range_in in = { .off_in = 2, .off_out = 1, .len = UINT64_MAX };
	struct fuse_entry_out from, to;

	assert_int_equal(create(client, root_node, "from", O_RDWR, 0644, &from, &in.fh_in), 0);
	assert_int_equal(create(client, root_node, "to", O_RDWR, 0644, &to, &in.fh_out), 0);
	assert_int_equal(write_at(client, from.nodeid, in.fh_in, 0, "0123456789", 10, 0, 0), 10);
	in.nodeid_out = from.nodeid;
	assert_int_equal(call(client, FUSE_COPY_FILE_RANGE, from.nodeid, &in, sizeof(in), NULL, NULL), -EBADF);
	in.nodeid_out = to.nodeid;
	assert_int_equal(call(client, FUSE_COPY_FILE_RANGE, from.nodeid, &in, sizeof(in), NULL, NULL), 0);
	assert_int_equal(((const struct fuse_write_out *)answer(client, 8))->size, 8);
	assert_int_equal(read_at(client, to.nodeid, in.fh_out, 0, 100), 9);
	assert_memory_equal(answer(client, 9), "\00023456789", 9);
}

/* What FOPEN_KEEP_CACHE promises: the data is what it was when the file was last opened. */
static void cached_data_is_kept_only_while_it_is_true(void **state)
{
	struct client *client = *state;
	struct timespec forged[2];
	struct stat before;
	struct fuse_open_out opened;
	uint64_t node;

	host_file(client->root, "file", "aaaa", 0644);
	node = must_lookup(client, root_node, "file");
	assert_int_equal(open_flags(client, node, O_RDONLY, &opened), 0);
	assert_false(opened.open_flags & FOPEN_KEEP_CACHE);
	/* Too young to tell one change from the next. */
	assert_int_equal(open_flags(client, node, O_RDONLY, &opened), 0);
	assert_false(opened.open_flags & FOPEN_KEEP_CACHE);
	(void)nanosleep(&(struct timespec){ .tv_nsec = 150000000 }, NULL);
	assert_int_equal(open_flags(client, node, O_RDONLY, &opened), 0);
	assert_int_equal(open_flags(client, node, O_RDONLY, &opened), 0);
	assert_true(opened.open_flags & FOPEN_KEEP_CACHE);
	assert_true(opened.open_flags & FOPEN_NOFLUSH);
	/* Same size and a forged time: the time of change gives it away. */
	before = host_stat(client->root, "file");
	host_file(client->root, "file", "bbbb", 0644);
	forged[0] = forged[1] = before.st_mtim;
	assert_int_equal(utimensat(client->root, "file", forged, 0), 0);
	assert_int_equal(open_flags(client, node, O_RDWR, &opened), 0);
	assert_false(opened.open_flags & FOPEN_KEEP_CACHE);
	client->server->cache = FS_CACHE_ALWAYS;
	assert_int_equal(open_flags(client, node, O_RDONLY, &opened), 0);
	assert_true(opened.open_flags & FOPEN_KEEP_CACHE);
}

static void a_file_too_large_is_an_error_and_no_signal(void **state)
{
	struct client *client = *state;
	struct rlimit before, limit = { .rlim_cur = 4096 };
	struct fuse_setattr_in in = { .valid = FATTR_SIZE, .size = 1 << 20 };
	struct fuse_entry_out entry;
	sigset_t blocked, old;
	uint64_t fh;

	/* As the serving thread has it. */
	(void)sigfillset(&blocked);
	(void)pthread_sigmask(SIG_SETMASK, &blocked, &old);
	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &entry, &fh), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(write_at(client, entry.nodeid, fh, 8192, "x", 1, 0, 0), -EFBIG);
	assert_int_equal(setattr(client, entry.nodeid, &in), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	in.size = UINT64_MAX;
	assert_int_equal(setattr(client, entry.nodeid, &in), -EINVAL);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)signal(SIGXFSZ, SIG_DFL);
}

/* --- the budget of descriptors --- */

static struct client *client_with_budget(unsigned descriptors)
{
	int root = fresh_directory("budget");
	struct fs_options options = client_options(root);
	struct client *client;

	options.descriptors_max = descriptors;
	client = client_new(&options, root);
	assert_int_equal(client_init(client), 0);
	return client;
}

static void open_files_are_limited_and_others_still_found(void **state)
{
	struct client *client = client_with_budget(128);
	struct fuse_entry_out entry;
	struct fuse_open_out opened;
	uint64_t handles[200] = { 0 }, nodes[200] = { 0 }, directory_fh, other;
	char name[16];
	int count = 0, result = 0;

	(void)state;
	for (; count < 200; count++) {
		(void)snprintf(name, sizeof(name), "%d", count);
		result = create(client, root_node, name, O_RDWR, 0644, &entry, &handles[count]);
		if (result < 0)
			break;
		nodes[count] = entry.nodeid;
	}
	assert_int_equal(result, -ENFILE);
	assert_int_equal(count, 48);
	assert_true(client->server->budget.held <= 128);
	/* Refused before anything was made. */
	assert_false(host_exists(client->root, name));
	assert_int_equal(open_flags(client, nodes[0], O_RDONLY, &opened), -ENFILE);
	assert_int_equal(opendir_node(client, root_node, &directory_fh), -ENFILE);
	assert_int_equal(mkdirat(client->root, "other", 0755), 0);
	host_file(client->root, "other/file", "x", 0644);
	other = must_lookup(client, must_lookup(client, root_node, "other"), "file");
	assert_int_equal(setattr(client, other, &(struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0600 }), 0);
	for (int i = 0; i < count; i++) {
		assert_int_equal(write_at(client, nodes[i], handles[i], 0, "x", 1, 0, 0), 1);
		assert_int_equal(release(client, nodes[i], handles[i]), 0);
	}
	assert_int_equal(open_flags(client, nodes[0], O_RDONLY, &opened), 0);
	close(client->root);
	client_free(client);
}

/* Many more files and directories than descriptors: those least used are closed and found again. */
static void many_nodes_share_few_descriptors(void **state)
{
	struct client *client = client_with_budget(64);
	uint64_t directories[100], files[100];
	struct fuse_setattr_in in = { .valid = FATTR_MODE };
	char name[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(mkdirat(client->root, name, 0755), 0);
		(void)snprintf(name, sizeof(name), "d%d/file", i);
		host_file(client->root, name, name, 0644);
	}
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "d%d", i);
		directories[i] = must_lookup(client, root_node, name);
		files[i] = must_lookup(client, directories[i], "file");
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			uint64_t fh = must_open(client, files[i], O_RDONLY);

			(void)snprintf(name, sizeof(name), "d%d/file", i);
			assert_int_equal(read_at(client, files[i], fh, 0, 100), strlen(name));
			assert_memory_equal(answer(client, 1), name, strlen(name));
			assert_int_equal(release(client, files[i], fh), 0);
			in.mode = 0600;
			assert_int_equal(setattr(client, files[i], &in), 0);
			assert_true(client->server->budget.held <= 64);
		}
	}
	assert_int_equal(host_stat(client->root, "d99/file").st_mode, S_IFREG | 0600);
	assert_int_equal(must_lookup(client, directories[0], "file"), files[0]);
	fs_server_reset(client->server);
	assert_int_equal(client->server->budget.held, 0);
	close(client->root);
	client_free(client);
}

/* A node that lost its descriptor is found under the name that it was moved to; one that is open keeps it. */
static void moved_and_open_files_survive_the_want_of_descriptors(void **state)
{
	struct client *client = client_with_budget(64);
	struct fuse_rename_in in = { .newdir = root_node };
	uint64_t nodes[200], open_node, fh;
	struct fuse_attr attributes;
	char from[32], to[32];

	(void)state;
	host_file(client->root, "open", "data", 0644);
	open_node = must_lookup(client, root_node, "open");
	fh = must_open(client, open_node, O_RDWR);
	for (int i = 0; i < 200; i++) {
		(void)snprintf(from, sizeof(from), "from-%d", i);
		(void)snprintf(to, sizeof(to), "to-%d", i);
		host_file(client->root, from, "", 0644);
		nodes[i] = must_lookup(client, root_node, from);
		assert_int_equal(call(client, FUSE_RENAME, root_node, &in, sizeof(in), from, to), 0);
	}
	assert_int_equal(unlinkat(client->root, "open", 0), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(getattr(client, nodes[i], NULL), 0);
	assert_int_equal(getattr(client, open_node, &attributes), 0);
	assert_int_equal(attributes.nlink, 0);
	assert_int_equal(release(client, open_node, fh), 0);
	close(client->root);
	client_free(client);
}

static void assert_content(int directory, const char *name, const char *content)
{
	char data[32] = { 0 };
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && read(fd, data, sizeof(data) - 1) >= 0);
	close(fd);
	assert_string_equal(data, content);
}

/* With hardly a descriptor to spare, an operation on two directories fails or does what it should, and never the same
 * with one of them twice. */
static void descriptors_in_use_are_not_taken_away(void **state)
{
	struct client *client = client_with_budget(64);
	uint64_t one, two;
	char name[32];
	int failed = 0;

	(void)state;
	assert_int_equal(mkdirat(client->root, "one", 0755), 0);
	assert_int_equal(mkdirat(client->root, "two", 0755), 0);
	one = must_lookup(client, root_node, "one");
	two = must_lookup(client, root_node, "two");
	/* Removed files that the guest holds cannot be found again by name, so they keep theirs. */
	for (int i = 0; i < 70; i++) {
		struct fuse_rename_in in = { .newdir = two };
		int result;

		(void)snprintf(name, sizeof(name), "%d", i);
		host_file(client->root, name, "", 0644);
		(void)must_lookup(client, root_node, name);
		assert_int_equal(call(client, FUSE_UNLINK, root_node, NULL, 0, name, NULL), 0);
		host_file(client->root, "one/file", "one", 0644);
		host_file(client->root, "two/file", "two", 0644);
		result = call(client, FUSE_RENAME, one, &in, sizeof(in), "file", "moved");
		assert_true(result == 0 || result == -ENFILE);
		failed += result != 0;
		assert_content(client->root, result ? "one/file" : "two/moved", "one");
		assert_content(client->root, "two/file", "two");
	}
	assert_true(failed > 0 && failed < 20);
	close(client->root);
	client_free(client);
}

static void too_few_descriptors_are_refused_clearly(void **state)
{
	cleanup_fd int root = fresh_directory("budget");
	struct fs_options options = client_options(root);
	struct rlimit before, limit;
	struct fs_server *server;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 100;
	/* The hard limit cannot be raised again everywhere, so only the soft one is touched: it is raised as needed. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fs_server_create(&server, &options, &err), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(limit.rlim_cur >= options.descriptors_max);
	fs_server_destroy(server);
	options.root_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fs_server_create(&server, &options, &err), -ENOTDIR);
	close(options.root_fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		test(written_data_is_read_back),
		test(a_write_of_more_than_was_sent_is_refused),
		test(appending_goes_to_the_end_as_it_is_now),
		test(opening_with_flags),
		test(a_file_without_a_name_can_get_one),
		test(writing_takes_setuid_away_when_the_guest_says_so),
		test(holes_and_reserved_space),
		test(copying_between_files),
		test(cached_data_is_kept_only_while_it_is_true),
		test(a_file_too_large_is_an_error_and_no_signal),
		cmocka_unit_test(open_files_are_limited_and_others_still_found),
		cmocka_unit_test(many_nodes_share_few_descriptors),
		cmocka_unit_test(moved_and_open_files_survive_the_want_of_descriptors),
		cmocka_unit_test(descriptors_in_use_are_not_taken_away),
		cmocka_unit_test(too_few_descriptors_are_refused_clearly),
	};

	return cmocka_run_group_tests_name("file server: files", all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, NULL);
}
