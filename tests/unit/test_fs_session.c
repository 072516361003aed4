/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server and a guest that agrees upon a session, or tries something else: requests cut short, lengths that are
 * not true, names that are not names, nodes and handles that it does not hold.
 */
#include "tests/unit/fs_client.h"

#define test(function) cmocka_unit_test_setup_teardown(function, setup_client, teardown_client)

static const uint64_t root_node = FUSE_ROOT_ID;

static struct fuse_init_out init_answer(struct client *client)
{
	struct fuse_init_out out;

	memcpy(&out, answer(client, sizeof(out)), sizeof(out));
	return out;
}

static void init_settles_on_what_both_know(void **state)
{
	struct client *client = *state;
	struct fuse_init_out out;

	assert_int_equal(
		client_init_with(client, FUSE_ASYNC_READ | FUSE_SUBMOUNTS | FUSE_POSIX_LOCKS | FUSE_EXPORT_SUPPORT), 0);
	out = init_answer(client);
	assert_int_equal(out.major, 7);
	assert_int_equal(out.minor, 38);
	assert_int_equal(out.flags, FUSE_ASYNC_READ | FUSE_SUBMOUNTS);
	assert_int_equal(out.max_readahead, 131072);
	assert_int_equal(out.max_write, 1U << 20);
	assert_int_equal(out.max_pages, 256);
	assert_int_equal(out.time_gran, 1);
	assert_int_equal(client_init(client), 0);
	out = init_answer(client);
	assert_false(out.flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_WRITEBACK_CACHE | FUSE_EXPORT_SUPPORT));
	assert_true(out.flags & FUSE_HANDLE_KILLPRIV_V2);
}

static void init_of_an_old_or_newer_protocol(void **state)
{
	struct client *client = *state;
	struct fuse_init_in in = { .major = 7, .minor = 30 };

	assert_int_equal(call(client, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), -EPROTO);
	in.major = 6;
	assert_int_equal(call(client, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), -EPROTO);
	in.major = 8;
	assert_int_equal(call(client, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), 0);
	assert_int_equal(init_answer(client).major, 7);
	in = (struct fuse_init_in){ .major = 7, .minor = 31 };
	/* As short as it was before 7.36. */
	assert_int_equal(call(client, FUSE_INIT, 0, &in, 16, NULL, NULL), 0);
	assert_int_equal(init_answer(client).minor, 31);
	assert_int_equal(call(client, FUSE_INIT, 0, &in, 15, NULL, NULL), -EINVAL);
}

static void nothing_is_served_without_a_session(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out entry;
	uint64_t node, fh;

	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &entry, &fh), 0);
	node = entry.nodeid;
	assert_int_equal(call(client, FUSE_DESTROY, 0, NULL, 0, NULL, NULL), 0);
	assert_int_equal(client->server->budget.held, 0);
	assert_int_equal(getattr(client, root_node, NULL), -EIO);
	assert_int_equal(lookup(client, root_node, "file", &entry), -EIO);
	assert_int_equal(client_init(client), 0);
	assert_int_equal(getattr(client, node, NULL), -ESTALE);
	assert_int_equal(read_at(client, node, fh, 0, 10), -EBADF);
	assert_int_equal(getattr(client, root_node, NULL), 0);
	/* The node number does not come back for another file either. */
	assert_true(must_lookup(client, root_node, "file") != node);
}

static void what_is_left_to_the_guest_is_enosys(void **state)
{
	static const uint32_t opcodes[] = { 0, 7, 19, FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW, FUSE_BMAP, FUSE_IOCTL,
		FUSE_POLL, FUSE_NOTIFY_REPLY, FUSE_SETUPMAPPING, FUSE_REMOVEMAPPING, 52, 4096, UINT32_MAX };
	char zeros[64] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
		assert_int_equal(call(*state, opcodes[i], root_node, zeros, sizeof(zeros), NULL, NULL), -ENOSYS);
	assert_int_equal(call(*state, FUSE_INTERRUPT, 0, zeros, 8, NULL, NULL), 1);
}

static void lengths_that_are_not_true(void **state)
{
	struct client *client = *state;
	struct fuse_in_header header = { .opcode = FUSE_GETATTR, .unique = 7, .nodeid = root_node };
	static const uint32_t lengths[] = { 0, 1, 39, 57, 1U << 20, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct fuse_getattr_in in = { 0 };

		header.len = lengths[i];
		client->request_bytes = 0;
		put(client, &header, sizeof(header));
		put(client, &in, sizeof(in));
		assert_int_equal(send_raw(client, 512), -EINVAL);
	}
	/* Not even a header; no room for one. */
	client->request_bytes = 39;
	assert_int_equal(send_raw(client, 512), 1);
	client->request_bytes = 0;
	assert_int_equal(send_raw(client, 512), 1);
}

/* Every operation with every length of arguments up to 200 bytes, and hardly any room for the answer. */
static void requests_cut_short(void **state)
{
	struct client *client = *state;
	unsigned char bytes[200];

	memset(bytes, 1, sizeof(bytes));
	host_file(client->root, "file", "data", 0644);
	for (uint32_t opcode = 0; opcode < 60; opcode++) {
		for (size_t length = 0; length <= sizeof(bytes); length++) {
			if (opcode == FUSE_DESTROY || opcode == FUSE_SYNCFS)
				continue;
			begin(client, opcode, root_node);
			put(client, bytes, length);
			client->reply_room = length % 5 * 8;
			(void)finish(client);
			if (opcode == FUSE_INIT)
				assert_int_equal(client_init(client), 0);
		}
	}
	assert_int_equal(getattr(client, root_node, NULL), 0);
}

static void without_room_for_the_answer_nothing_is_done(void **state)
{
	struct client *client = *state;
	struct fuse_mkdir_in in = { .mode = 0755 };

	for (size_t room = 0; room < sizeof(struct fuse_entry_out); room++) {
		begin(client, FUSE_MKDIR, root_node);
		put(client, &in, sizeof(in));
		put(client, "d", 2);
		client->reply_room = room;
		assert_int_equal(finish(client), -EINVAL);
	}
	for (size_t room = 0; room < sizeof(struct fuse_out_header); room++)
		assert_int_equal(send_raw(client, room), 1);
	assert_false(host_exists(client->root, "d"));
	assert_int_equal(send_raw(client, sizeof(struct fuse_out_header) + sizeof(struct fuse_entry_out)), 0);
	assert_true(host_exists(client->root, "d"));
}

struct named_operation {
	uint32_t opcode;
	uint32_t fixed_bytes;
	bool two_names;
};

static const struct named_operation named[] = {
	{ FUSE_LOOKUP, 0, false },
	{ FUSE_UNLINK, 0, false },
	{ FUSE_RMDIR, 0, false },
	{ FUSE_MKNOD, sizeof(struct fuse_mknod_in), false },
	{ FUSE_MKDIR, sizeof(struct fuse_mkdir_in), false },
	{ FUSE_CREATE, sizeof(struct fuse_create_in), false },
	{ FUSE_LINK, sizeof(struct fuse_link_in), false },
	{ FUSE_SYMLINK, 0, true },
	{ FUSE_RENAME, sizeof(struct fuse_rename_in), true },
	{ FUSE_RENAME2, sizeof(struct fuse_rename2_in), true },
};

static void names_that_are_not_one_component(void **state)
{
	struct client *client = *state;
	static const char *const bad[] = { "", ".", "..", "/", "a/b", "../secret", "/etc/passwd", "inner/../../secret",
		"a/" };
	/* For each, fixed parts that would be valid: the root as directory, flags 0. */
	uint64_t fixed[8] = { root_node };
	char long_name[300];

	assert_int_equal(mkdirat(client->root, "inner", 0755), 0);
	memset(long_name, 'x', sizeof(long_name));
	long_name[256] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		const char *second = named[i].two_names ? "second" : NULL;

		for (size_t j = 0; j < ARRAY_SIZE(bad); j++) {
			assert_int_equal(
				call(client, named[i].opcode, root_node, fixed, named[i].fixed_bytes, bad[j], second),
				-EINVAL);
			if (named[i].opcode == FUSE_RENAME || named[i].opcode == FUSE_RENAME2)
				assert_int_equal(call(client, named[i].opcode, root_node, fixed, named[i].fixed_bytes,
							 "inner", bad[j]),
					-EINVAL);
		}
		assert_int_equal(
			call(client, named[i].opcode, root_node, fixed, named[i].fixed_bytes, long_name, second),
			-ENAMETOOLONG);
	}
	assert_true(host_exists(client->root, "inner"));
}

static void names_without_an_end_or_with_two(void **state)
{
	struct client *client = *state;
	char fixed[64] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		begin(client, named[i].opcode, root_node);
		put(client, fixed, named[i].fixed_bytes);
		put(client, "name", 4);
		assert_int_equal(finish(client), -EINVAL);
		/* An embedded NUL: more than the names that belong there. */
		begin(client, named[i].opcode, root_node);
		put(client, fixed, named[i].fixed_bytes);
		put(client, "na\0me\0na\0me", 12);
		assert_int_equal(finish(client), -EINVAL);
	}
	assert_false(host_exists(client->root, "na"));
	assert_false(host_exists(client->root, "name"));
}

static void nodes_that_the_guest_does_not_hold(void **state)
{
	struct client *client = *state;
	static const uint64_t nodes[] = { 0, 2, 3, 1000, UINT32_MAX, UINT64_MAX, (1ULL << 32) | 1, (1ULL << 63) };
	struct fuse_entry_out entry;
	uint64_t fh;

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		assert_int_equal(getattr(client, nodes[i], NULL), -ESTALE);
		assert_int_equal(lookup(client, nodes[i], "x", &entry), -ESTALE);
		assert_int_equal(create(client, nodes[i], "x", O_RDWR, 0644, &entry, &fh), -ESTALE);
		assert_int_equal(opendir_node(client, nodes[i], &fh), -ESTALE);
		assert_int_equal(call(client, FUSE_READLINK, nodes[i], NULL, 0, NULL, NULL), -ESTALE);
		assert_int_equal(call(client, FUSE_STATFS, nodes[i], NULL, 0, NULL, NULL), -ESTALE);
		forget(client, nodes[i], 1);
	}
}

static void forgetting_more_than_is_held(void **state)
{
	struct client *client = *state;
	uint64_t node;

	host_file(client->root, "file", "data", 0644);
	node = must_lookup(client, root_node, "file");
	assert_int_equal(must_lookup(client, root_node, "file"), node);
	forget(client, node, 1);
	assert_int_equal(getattr(client, node, NULL), 0);
	forget(client, node, UINT64_MAX);
	assert_int_equal(getattr(client, node, NULL), -ESTALE);
	forget(client, node, 1);
	forget(client, root_node, UINT64_MAX);
	assert_int_equal(getattr(client, root_node, NULL), 0);
	/* The slot is used again, under another number. */
	assert_true(must_lookup(client, root_node, "file") != node);
	assert_int_equal(getattr(client, node, NULL), -ESTALE);
}

static void forgetting_many_at_once(void **state)
{
	struct client *client = *state;
	struct fuse_batch_forget_in in = { .count = UINT32_MAX };
	struct fuse_forget_one one[3] = { 0 };

	for (unsigned i = 0; i < 3; i++) {
		char name[] = { (char)('a' + i), '\0' };

		host_file(client->root, name, "", 0644);
		one[i] = (struct fuse_forget_one){ .nodeid = must_lookup(client, root_node, name), .nlookup = 1 };
	}
	begin(client, FUSE_BATCH_FORGET, 0);
	put(client, &in, sizeof(in));
	put(client, one, sizeof(one) - 1);
	assert_int_equal(finish(client), 1);
	assert_int_equal(getattr(client, one[0].nodeid, NULL), -ESTALE);
	assert_int_equal(getattr(client, one[1].nodeid, NULL), -ESTALE);
	assert_int_equal(getattr(client, one[2].nodeid, NULL), 0);
}

static void an_open_file_outlives_its_node(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out entry;
	uint64_t fh;

	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &entry, &fh), 0);
	forget(client, entry.nodeid, 1);
	assert_int_equal(write_at(client, entry.nodeid, fh, 0, "abc", 3, 0, 0), 3);
	assert_int_equal(getattr(client, entry.nodeid, NULL), 0);
	assert_int_equal(release(client, entry.nodeid, fh), 0);
	assert_int_equal(getattr(client, entry.nodeid, NULL), -ESTALE);
}

static void handles_of_other_nodes_and_kinds(void **state)
{
	struct client *client = *state;
	struct fuse_read_in in = { .size = 4096 };
	struct fuse_entry_out one, two;
	uint64_t one_fh, two_fh, directory_fh;

	assert_int_equal(create(client, root_node, "one", O_RDWR, 0644, &one, &one_fh), 0);
	assert_int_equal(create(client, root_node, "two", O_RDWR, 0644, &two, &two_fh), 0);
	assert_int_equal(opendir_node(client, root_node, &directory_fh), 0);
	assert_int_equal(read_at(client, one.nodeid, two_fh, 0, 10), -EBADF);
	assert_int_equal(read_at(client, root_node, directory_fh, 0, 10), -EBADF);
	assert_int_equal(write_at(client, two.nodeid, one_fh, 0, "x", 1, 0, 0), -EBADF);
	assert_int_equal(release(client, root_node, directory_fh), -EBADF);
	in.fh = one_fh;
	assert_int_equal(call(client, FUSE_READDIR, one.nodeid, &in, sizeof(in), NULL, NULL), -EBADF);
	assert_int_equal(release(client, one.nodeid, one_fh), 0);
	assert_int_equal(release(client, one.nodeid, one_fh), -EBADF);
	assert_int_equal(read_at(client, one.nodeid, one_fh, 0, 10), -EBADF);
	/* The slot's next use has another number. */
	assert_true(must_open(client, two.nodeid, O_RDONLY) != one_fh);
	assert_int_equal(read_at(client, two.nodeid, UINT64_MAX, 0, 10), -EBADF);
	assert_int_equal(read_at(client, two.nodeid, 12345, 0, 10), -EBADF);
}

static int sync_root(struct client *client)
{
	struct fuse_syncfs_in in = { 0 };

	return call(client, FUSE_SYNCFS, root_node, &in, sizeof(in), NULL, NULL);
}

/* Writing out a file system takes the host's time, so it is done only after a change: seen here by having the way to
 * the file system fail. */
static void synchronising_only_what_has_changed(void **state)
{
	struct client *client = *state;
	int proc = client->server->proc_self_fd;
	struct fuse_mkdir_in in = { .mode = 0755 };

	client->server->proc_self_fd = -1;
	assert_int_equal(sync_root(client), 0);
	client->server->proc_self_fd = proc;
	assert_int_equal(call(client, FUSE_MKDIR, root_node, &in, sizeof(in), "d", NULL), 0);
	client->server->proc_self_fd = -1;
	assert_int_equal(sync_root(client), -EBADF);
	client->server->proc_self_fd = proc;
	assert_int_equal(sync_root(client), 0);
	client->server->proc_self_fd = -1;
	assert_int_equal(getattr(client, root_node, NULL), 0);
	assert_int_equal(sync_root(client), 0);
	client->server->proc_self_fd = proc;
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		test(init_settles_on_what_both_know),
		test(init_of_an_old_or_newer_protocol),
		test(nothing_is_served_without_a_session),
		test(what_is_left_to_the_guest_is_enosys),
		test(lengths_that_are_not_true),
		test(requests_cut_short),
		test(without_room_for_the_answer_nothing_is_done),
		test(names_that_are_not_one_component),
		test(names_without_an_end_or_with_two),
		test(nodes_that_the_guest_does_not_hold),
		test(forgetting_more_than_is_held),
		test(forgetting_many_at_once),
		test(an_open_file_outlives_its_node),
		test(handles_of_other_nodes_and_kinds),
		test(synchronising_only_what_has_changed),
	};

	return cmocka_run_group_tests_name("file server: sessions and hostile requests", all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, NULL);
}
