/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server and directories: every name exactly once, however little room there is for an answer and whatever
 * happens meanwhile.
 */
#include "tests/unit/fs_client.h"

#define test(function) cmocka_unit_test_setup_teardown(function, setup_client, teardown_client)
#define FILES          10000

static const uint64_t root_node = FUSE_ROOT_ID;

struct listing {
	unsigned seen[FILES];
	unsigned others, dots, nodes, answers;
	uint64_t last_offset;
	uint64_t first_node;
};

static int read_once(struct client *client, bool plus, uint64_t fh, uint64_t offset, uint32_t size)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	begin(client, plus ? FUSE_READDIRPLUS : FUSE_READDIR, root_node);
	put(client, &in, sizeof(in));
	client->reply_room = size;
	return finish(client);
}

static void count_name(struct listing *listing, const struct fuse_dirent *entry, const char *name)
{
	char text[FS_NAME_MAX + 1];
	unsigned number;

	assert_true(entry->namelen > 0 && entry->namelen <= FS_NAME_MAX);
	memcpy(text, name, entry->namelen);
	text[entry->namelen] = '\0';
	listing->last_offset = entry->off;
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		listing->dots++;
	else if (sscanf(text, "file-%u", &number) == 1 && number < FILES)
		listing->seen[number]++;
	else
		listing->others++;
}

static void count_answer(struct client *client, bool plus, struct listing *listing)
{
	const char *data = answer(client, 0);

	for (size_t offset = 0; offset < client->reply_bytes;) {
		struct fuse_direntplus entry = { 0 };
		size_t header = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;

		assert_true(offset + header <= client->reply_bytes);
		memcpy(plus ? (void *)&entry : (void *)&entry.dirent, data + offset, header);
		assert_true(offset + header + entry.dirent.namelen <= client->reply_bytes);
		count_name(listing, &entry.dirent, data + offset + header);
		if (plus && entry.entry_out.nodeid) {
			listing->nodes++;
			listing->first_node = listing->first_node ? listing->first_node : entry.entry_out.nodeid;
			assert_int_equal(entry.entry_out.attr.ino, entry.dirent.ino);
			assert_int_equal(entry.entry_out.attr.mode >> 12, entry.dirent.type);
		}
		offset += FUSE_REC_ALIGN(header + entry.dirent.namelen);
	}
}

/* Reads until an empty answer, as getdents does. */
static void read_all(struct client *client, bool plus, uint64_t fh, uint32_t size, struct listing *listing)
{
	memset(listing, 0, sizeof(*listing));
	do {
		assert_int_equal(read_once(client, plus, fh, listing->last_offset, size), 0);
		count_answer(client, plus, listing);
		listing->answers++;
	} while (client->reply_bytes > 0);
}

static void make_files(struct client *client, unsigned count)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(mknodat(client->root, name, S_IFREG | 0644, 0), 0);
	}
}

static void assert_complete(const struct listing *listing, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(listing->seen[i], 1);
	assert_int_equal(listing->dots, 2);
	assert_int_equal(listing->others, 0);
}

static void ten_thousand_names_through_any_buffer(void **state)
{
	struct client *client = *state;
	static const uint32_t sizes[] = { 200, 333, 4096, 131072 };
	cleanup_free struct listing *listing = xcalloc(1, sizeof(*listing));
	uint64_t fh;

	make_files(client, FILES);
	assert_int_equal(opendir_node(client, root_node, &fh), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		read_all(client, false, fh, sizes[i], listing);
		assert_complete(listing, FILES);
		read_all(client, true, fh, sizes[i], listing);
		assert_complete(listing, FILES);
		assert_int_equal(listing->nodes, FILES);
	}
	/* Every name in a READDIRPLUS is a lookup, to be forgotten like any other: four were counted for each. */
	assert_int_equal(client->server->inodes.count, FILES + 1);
	forget(client, listing->first_node, ARRAY_SIZE(sizes) - 1);
	assert_int_equal(getattr(client, listing->first_node, NULL), 0);
	forget(client, listing->first_node, 1);
	assert_int_equal(getattr(client, listing->first_node, NULL), -ESTALE);
	/* None of them costs a descriptor before it is used: the directory's node and the handle alone do. */
	assert_true(client->server->budget.held <= 2);
}

static void reading_from_a_place_again_gives_the_same(void **state)
{
	struct client *client = *state;
	cleanup_free struct listing *listing = xcalloc(1, sizeof(*listing));
	uint64_t fh, middle;
	unsigned char first[2048];
	size_t first_bytes;

	make_files(client, 1000);
	assert_int_equal(opendir_node(client, root_node, &fh), 0);
	assert_int_equal(read_once(client, false, fh, 0, 2048), 0);
	count_answer(client, false, listing);
	middle = listing->last_offset;
	assert_int_equal(read_once(client, false, fh, middle, 2048), 0);
	first_bytes = client->reply_bytes;
	memcpy(first, answer(client, first_bytes), first_bytes);
	assert_int_equal(read_once(client, true, fh, 0, 8192), 0);
	assert_int_equal(read_once(client, false, fh, middle, 2048), 0);
	assert_int_equal(client->reply_bytes, first_bytes);
	assert_memory_equal(answer(client, first_bytes), first, first_bytes);
}

static void places_that_are_none(void **state)
{
	struct client *client = *state;
	static const uint64_t offsets[] = { UINT64_MAX, 1ULL << 63, INT64_MAX, 12345 };
	cleanup_free struct listing *listing = xcalloc(1, sizeof(*listing));
	uint64_t fh;

	make_files(client, 1000);
	assert_int_equal(opendir_node(client, root_node, &fh), 0);
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		int result = read_once(client, true, fh, offsets[i], 4096);

		assert_true(result == 0 || result == -EINVAL);
	}
	/* No room for a name is not the end. */
	assert_int_equal(read_once(client, false, fh, 0, 0), -EINVAL);
	assert_int_equal(read_once(client, false, fh, 0, 24), -EINVAL);
	assert_int_equal(read_once(client, true, fh, 0, 159), -EINVAL);
	read_all(client, true, fh, 4096, listing);
	assert_complete(listing, 1000);
}

static void removing_while_reading(void **state)
{
	struct client *client = *state;
	cleanup_free struct listing *listing = xcalloc(1, sizeof(*listing));
	cleanup_free struct listing *now = xcalloc(1, sizeof(*now));
	size_t got;
	uint64_t fh;
	char name[32];

	make_files(client, 1000);
	assert_int_equal(opendir_node(client, root_node, &fh), 0);
	/* As `rm -r` does: remove what was just listed, go on from there. */
	do {
		uint64_t offset = now->last_offset;

		memset(now, 0, sizeof(*now));
		assert_int_equal(read_once(client, true, fh, offset, 4096), 0);
		got = client->reply_bytes;
		count_answer(client, true, now);
		listing->dots += now->dots;
		for (unsigned i = 0; i < 1000; i++) {
			listing->seen[i] += now->seen[i];
			(void)snprintf(name, sizeof(name), "file-%u", i);
			if (now->seen[i])
				assert_int_equal(call(client, FUSE_UNLINK, root_node, NULL, 0, name, NULL), 0);
		}
	} while (got > 0);
	assert_complete(listing, 1000);
}

static void directories_are_opened_synced_and_closed(void **state)
{
	struct client *client = *state;
	struct fuse_release_in release_in = { 0 };
	struct fuse_fsync_in sync = { 0 };
	uint64_t fh, other;

	host_file(client->root, "file", "", 0644);
	assert_int_equal(opendir_node(client, must_lookup(client, root_node, "file"), &fh), -ENOTDIR);
	assert_int_equal(opendir_node(client, root_node, &fh), 0);
	assert_int_equal(opendir_node(client, root_node, &other), 0);
	sync.fh = release_in.fh = fh;
	assert_int_equal(call(client, FUSE_FSYNCDIR, root_node, &sync, sizeof(sync), NULL, NULL), 0);
	assert_int_equal(call(client, FUSE_RELEASEDIR, root_node, &release_in, sizeof(release_in), NULL, NULL), 0);
	assert_int_equal(call(client, FUSE_RELEASEDIR, root_node, &release_in, sizeof(release_in), NULL, NULL), -EBADF);
	assert_int_equal(call(client, FUSE_FSYNCDIR, root_node, &sync, sizeof(sync), NULL, NULL), -EBADF);
	assert_int_equal(read_once(client, false, fh, 0, 4096), -EBADF);
	assert_int_equal(read_once(client, false, other, 0, 4096), 0);
}

/* What lies above is not the guest's to know. */
static void the_root_is_its_own_parent(void **state)
{
	struct client *client = *state;
	uint64_t fh;

	assert_int_equal(opendir_node(client, root_node, &fh), 0);
	assert_int_equal(read_once(client, false, fh, 0, 4096), 0);
	for (size_t offset = 0; offset < client->reply_bytes;) {
		struct fuse_dirent entry;

		memcpy(&entry, (const char *)answer(client, 0) + offset, sizeof(entry));
		assert_int_equal(entry.ino, host_stat(client->root, ".").st_ino);
		offset += FUSE_REC_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		test(ten_thousand_names_through_any_buffer),
		test(reading_from_a_place_again_gives_the_same),
		test(places_that_are_none),
		test(removing_while_reading),
		test(directories_are_opened_synced_and_closed),
		test(the_root_is_its_own_parent),
	};

	return cmocka_run_group_tests_name("file server: directories", all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, NULL);
}
