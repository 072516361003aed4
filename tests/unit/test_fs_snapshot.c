/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server in a snapshot: what the guest knows and has open is found again, and nothing is taken for an open
 * file that is another one.
 */
#include "tests/unit/fs_client.h"

#define test(function) cmocka_unit_test_setup_teardown(function, setup_client, teardown_client)

static const uint64_t root_node = FUSE_ROOT_ID;

static struct strbuf saved_state(const struct client *client)
{
	struct strbuf state = STRBUF_INIT;
	struct error err = { 0 };

	if (fs_server_save(client->server, &state, &err) < 0)
		fail_msg("%s", err.message);
	return state;
}

/* In place of the client's server, another one that goes on from the state. */
static int go_on(struct client *client, const struct strbuf *state, struct error *err)
{
	struct fs_options options = client_options(client->root);
	struct wire_reader in = { .next = (const unsigned char *)state->data, .left = state->length };
	int result;

	fs_worker_destroy(client->worker);
	fs_server_destroy(client->server);
	assert_int_equal(fs_server_create(&client->server, &options, err), 0);
	result = fs_server_restore(client->server, &in, err);
	assert_true(result < 0 || wire_reader_ok(&in));
	assert_int_equal(fs_worker_create(&client->worker, client->server, err), 0);
	return result;
}

static void must_go_on(struct client *client)
{
	struct strbuf state = saved_state(client);
	struct error err = { 0 };

	if (go_on(client, &state, &err) < 0)
		fail_msg("%s", err.message);
	strbuf_free(&state);
}

static void nodes_and_open_files_are_the_same_afterwards(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out directory, file, other;
	uint64_t fh, second;

	assert_int_equal(mkdirat(client->root, "directory", 0755), 0);
	assert_int_equal(lookup(client, root_node, "directory", &directory), 0);
	assert_int_equal(create(client, directory.nodeid, "gone", O_RDWR, 0644, &other, &fh), 0);
	assert_int_equal(release(client, other.nodeid, fh), 0);
	assert_int_equal(create(client, directory.nodeid, "file", O_RDWR, 0644, &file, &fh), 0);
	assert_int_equal(write_at(client, file.nodeid, fh, 0, "before", 6, 0, 0), 6);
	must_go_on(client);
	assert_int_equal(write_at(client, file.nodeid, fh, 6, " after", 6, 0, 0), 6);
	assert_int_equal(read_at(client, file.nodeid, fh, 0, 100), 12);
	assert_memory_equal(answer(client, 1), "before after", 12);
	/* Numbers that are in use are not given away. */
	assert_int_equal(create(client, directory.nodeid, "new", O_RDWR, 0644, &other, &second), 0);
	assert_true(second != fh && other.nodeid != file.nodeid && other.nodeid != directory.nodeid);
	must_go_on(client);
	assert_int_equal(release(client, file.nodeid, fh), 0);
	assert_int_equal(write_at(client, file.nodeid, fh, 0, "x", 1, 0, 0), -EBADF);
	assert_int_equal(release(client, other.nodeid, second), 0);
}

static void a_file_that_nobody_has_open_may_be_gone(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out file, other;
	struct fuse_getattr_in in = { 0 };
	struct strbuf saved;
	struct error err;
	uint64_t fh;

	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &file, &fh), 0);
	assert_int_equal(release(client, file.nodeid, fh), 0);
	saved = saved_state(client);
	assert_int_equal(unlinkat(client->root, "file", 0), 0);
	assert_int_equal(go_on(client, &saved, &err), 0);
	assert_int_equal(call(client, FUSE_GETATTR, file.nodeid, &in, sizeof(in), NULL, NULL), -ESTALE);
	/* And what comes into its place is something else. */
	host_file(client->root, "file", "new", 0644);
	assert_int_equal(lookup(client, root_node, "file", &other), 0);
	assert_true(other.nodeid != file.nodeid);
	strbuf_free(&saved);
}

static void an_open_file_that_is_gone_or_another_one_is_refused(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out file;
	struct strbuf saved;
	struct error err;
	uint64_t fh;

	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &file, &fh), 0);
	assert_int_equal(write_at(client, file.nodeid, fh, 0, "some", 4, 0, 0), 4);
	saved = saved_state(client);
	assert_int_equal(renameat(client->root, "file", client->root, "kept"), 0);
	assert_int_equal(go_on(client, &saved, &err), -ENOENT);
	assert_non_null(strstr(err.message, "the file file that the guest has open cannot be found"));
	host_file(client->root, "file", "another", 0644);
	assert_int_equal(go_on(client, &saved, &err), -ESTALE);
	assert_non_null(strstr(err.message, "is another one now"));
	/* A copy of the same size and time is as good, as on another host. */
	assert_int_equal(unlinkat(client->root, "file", 0), 0);
	host_file(client->root, "file", "some", 0644);
	{
		struct stat status = host_stat(client->root, "kept");
		const struct timespec times[2] = { status.st_atim, status.st_mtim };

		assert_int_equal(utimensat(client->root, "file", times, 0), 0);
	}
	assert_int_equal(go_on(client, &saved, &err), 0);
	assert_int_equal(read_at(client, file.nodeid, fh, 0, 100), 4);
	strbuf_free(&saved);
}

static void an_open_file_without_a_name_is_not_saved(void **state)
{
	struct client *client = *state;
	struct strbuf saved = STRBUF_INIT;
	struct fuse_entry_out file;
	struct error err;
	uint64_t fh;

	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &file, &fh), 0);
	begin(client, FUSE_UNLINK, root_node);
	put(client, "file", sizeof("file"));
	assert_int_equal(finish(client), 0);
	assert_int_equal(fs_server_save(client->server, &saved, &err), -ESTALE);
	assert_non_null(strstr(err.message, "the open file file has been deleted"));
	strbuf_free(&saved);
}

/* Whoever may write the file may do worse, but nothing of it is believed without a look. */
static void damage_is_refused(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out file;
	struct strbuf saved;
	struct error err;
	uint64_t fh;

	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &file, &fh), 0);
	saved = saved_state(client);
	for (size_t length = 0; length < saved.length; length++) {
		struct strbuf cut_short = { .data = saved.data, .length = length };

		assert_true(go_on(client, &cut_short, &err) < 0);
	}
	for (size_t i = 5; i < saved.length; i++) {
		saved.data[i] ^= 0x41;
		(void)go_on(client, &saved, &err);
		saved.data[i] ^= 0x41;
	}
	assert_int_equal(go_on(client, &saved, &err), 0);
	strbuf_free(&saved);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		test(nodes_and_open_files_are_the_same_afterwards),
		test(a_file_that_nobody_has_open_may_be_gone),
		test(an_open_file_that_is_gone_or_another_one_is_refused),
		test(an_open_file_without_a_name_is_not_saved),
		test(damage_is_refused),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, NULL);
}
