/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server and names: what is found, made, linked, moved and removed, under whose name, and what a link or a
 * changing host cannot bring about.
 */
#include <sys/sysmacros.h>

#include "tests/unit/fs_client.h"

#define test(function) cmocka_unit_test_setup_teardown(function, setup_client, teardown_client)

static const uint64_t root_node = FUSE_ROOT_ID;

static int make_directory(struct client *client, uint64_t node, const char *name, uint32_t mode, uint32_t mask)
{
	struct fuse_mkdir_in in = { .mode = mode, .umask = mask };

	return call(client, FUSE_MKDIR, node, &in, sizeof(in), name, NULL);
}

static int make_node(struct client *client, const char *name, uint32_t mode, uint32_t rdev)
{
	struct fuse_mknod_in in = { .mode = mode, .rdev = rdev, .umask = 022 };

	return call(client, FUSE_MKNOD, root_node, &in, sizeof(in), name, NULL);
}

static int rename2_names(
	struct client *client, uint64_t from, const char *old, uint64_t to, const char *new, uint32_t flags)
{
	struct fuse_rename2_in in = { .newdir = to, .flags = flags };

	return call(client, FUSE_RENAME2, from, &in, sizeof(in), old, new);
}

static void what_is_not_there_may_be_remembered(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out entry;

	assert_int_equal(call(client, FUSE_LOOKUP, root_node, NULL, 0, "missing", NULL), 0);
	entry = last_entry(client);
	assert_int_equal(entry.nodeid, 0);
	assert_int_equal(entry.entry_valid, 1);
	client->server->cache = FS_CACHE_NEVER;
	assert_int_equal(call(client, FUSE_LOOKUP, root_node, NULL, 0, "missing", NULL), -ENOENT);
	host_file(client->root, "there", "", 0644);
	assert_int_equal(lookup(client, root_node, "there", &entry), 0);
	assert_int_equal(entry.entry_valid + entry.attr_valid, 0);
}

static void a_link_is_never_followed(void **state)
{
	struct client *client = *state;
	cleanup_fd int outside = fresh_directory("outside");
	struct fuse_setattr_in in = {
		.valid = FATTR_MODE | FATTR_UID | FATTR_MTIME, .mode = 0777, .uid = 42, .mtime = 1
	};
	struct fuse_entry_out entry;
	struct fuse_open_out opened;
	struct stat before, after;
	char target[128];
	uint64_t fh;

	host_file(outside, "secret", "secret", 0600);
	before = host_stat(outside, "secret");
	(void)snprintf(target, sizeof(target), "%s/outside", scratch.path);
	assert_int_equal(symlinkat(target, client->root, "directory"), 0);
	(void)snprintf(target, sizeof(target), "../outside/secret");
	assert_int_equal(symlinkat(target, client->root, "file"), 0);
	assert_int_equal(lookup(client, root_node, "directory", &entry), 0);
	assert_true(S_ISLNK(entry.attr.mode));
	assert_int_equal(opendir_node(client, entry.nodeid, &fh), -ENOTDIR);
	assert_int_equal(make_directory(client, entry.nodeid, "made", 0755, 0), -ENOTDIR);
	assert_int_equal(lookup(client, entry.nodeid, "secret", &entry), -ENOTDIR);
	assert_int_equal(lookup(client, root_node, "file", &entry), 0);
	assert_true(S_ISLNK(entry.attr.mode));
	assert_int_equal(open_flags(client, entry.nodeid, O_RDWR | O_TRUNC, &opened), -ELOOP);
	/* Making a file of the link's name does not open what it leads to. */
	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &entry, &fh), -ELOOP);
	assert_int_equal(create(client, root_node, "file", O_RDWR | O_EXCL, 0644, &entry, &fh), -EEXIST);
	in.valid = FATTR_MODE;
	(void)setattr(client, must_lookup(client, root_node, "file"), &in);
	in.valid = FATTR_SIZE;
	assert_int_equal(setattr(client, must_lookup(client, root_node, "file"), &in), -ELOOP);
	in.valid = geteuid() == 0 ? FATTR_UID | FATTR_MTIME : FATTR_MTIME;
	assert_int_equal(setattr(client, must_lookup(client, root_node, "file"), &in), 0);
	assert_int_equal(host_stat(client->root, "file").st_uid, geteuid() == 0 ? 42 : geteuid());
	assert_int_equal(host_stat(client->root, "file").st_mtime, 1);
	after = host_stat(outside, "secret");
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(call(client, FUSE_READLINK, must_lookup(client, root_node, "file"), NULL, 0, NULL, NULL), 0);
	assert_int_equal(client->reply_bytes, strlen(target));
	assert_memory_equal(answer(client, 1), target, strlen(target));
}

static void symbolic_links_of_any_target(void **state)
{
	struct client *client = *state;
	char target[PATH_MAX + 8];

	memset(target, 'y', sizeof(target));
	target[PATH_MAX - 1] = '\0';
	assert_int_equal(call(client, FUSE_SYMLINK, root_node, NULL, 0, "long", target), 0);
	assert_true(S_ISLNK(last_entry(client).attr.mode));
	assert_int_equal(call(client, FUSE_READLINK, last_entry(client).nodeid, NULL, 0, NULL, NULL), 0);
	assert_int_equal(client->reply_bytes, PATH_MAX - 1);
	assert_int_equal(call(client, FUSE_SYMLINK, root_node, NULL, 0, "up", "../../etc/passwd"), 0);
	target[PATH_MAX - 1] = 'y';
	target[PATH_MAX] = '\0';
	assert_int_equal(call(client, FUSE_SYMLINK, root_node, NULL, 0, "longer", target), -ENAMETOOLONG);
	assert_int_equal(call(client, FUSE_SYMLINK, root_node, NULL, 0, "empty", ""), -ENOENT);
	assert_int_equal(call(client, FUSE_READLINK, root_node, NULL, 0, NULL, NULL), -EINVAL);
}

static void special_files_are_made_and_never_opened(void **state)
{
	struct client *client = *state;
	struct fuse_open_out opened;
	struct fuse_entry_out entry;
	uint64_t fh;

	assert_int_equal(make_node(client, "pipe", S_IFIFO | 0666, 0), 0);
	assert_int_equal(last_entry(client).attr.mode, S_IFIFO | 0644);
	assert_int_equal(open_flags(client, last_entry(client).nodeid, O_RDONLY, &opened), -ENXIO);
	assert_int_equal(create(client, root_node, "pipe", O_RDWR, 0644, &entry, &fh), -ENXIO);
	assert_int_equal(make_node(client, "socket", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(open_flags(client, last_entry(client).nodeid, O_RDWR, &opened), -ENXIO);
	assert_int_equal(make_node(client, "plain", S_IFREG | 0640, 0), 0);
	assert_int_equal(last_entry(client).attr.mode, S_IFREG | 0640);
	if (geteuid() != 0)
		return;
	/* Major 259, minor 70000, as linux/kdev_t.h packs them. */
	assert_int_equal(
		make_node(client, "device", S_IFCHR | 0600, (70000 & 0xff) | 259 << 8 | (70000 & ~0xffU) << 12), 0);
	assert_int_equal(host_stat(client->root, "device").st_rdev, makedev(259, 70000));
	assert_int_equal(last_entry(client).attr.rdev, (70000 & 0xff) | 259 << 8 | (70000 & ~0xffU) << 12);
	assert_int_equal(open_flags(client, last_entry(client).nodeid, O_RDWR, &opened), -ENXIO);
}

static void new_files_belong_to_the_caller(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out entry;
	struct stat status;
	uint64_t fh;

	if (geteuid() != 0)
		skip();
	client->uid = 1234;
	client->gid = 5678;
	/* Into a directory that only root may write to: the guest's kernel has allowed it. */
	assert_int_equal(create(client, root_node, "file", O_RDWR, 0666, &entry, &fh), 0);
	assert_int_equal(entry.attr.uid, 1234);
	assert_int_equal(entry.attr.gid, 5678);
	assert_int_equal(entry.attr.mode, S_IFREG | 0644);
	assert_int_equal(make_directory(client, root_node, "directory", 0777, 0077), 0);
	assert_int_equal(make_node(client, "pipe", S_IFIFO | 0600, 0), 0);
	assert_int_equal(call(client, FUSE_SYMLINK, root_node, NULL, 0, "link", "file"), 0);
	client->uid = client->gid = 0;
	assert_int_equal(make_node(client, "root's", S_IFREG | 04755, 0), 0);
	assert_int_equal(host_stat(client->root, "root's").st_uid, 0);
	assert_int_equal(host_stat(client->root, "root's").st_mode, S_IFREG | 04755);
	status = host_stat(client->root, "directory");
	assert_int_equal(status.st_mode, S_IFDIR | 0700);
	assert_int_equal(status.st_uid, 1234);
	assert_int_equal(host_stat(client->root, "pipe").st_gid, 5678);
	assert_int_equal(host_stat(client->root, "link").st_uid, 1234);
	client->uid = (uint32_t)-1;
	assert_int_equal(make_directory(client, root_node, "nobody's", 0777, 0), -EOVERFLOW);
	assert_false(host_exists(client->root, "nobody's"));
}

static void a_group_directory_gives_its_group(void **state)
{
	struct client *client = *state;
	struct fuse_mknod_in in = { .mode = S_IFREG | 02775 };
	uint64_t directory;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(client->root, "shared", 0777), 0);
	assert_int_equal(fchownat(client->root, "shared", 0, 77, 0), 0);
	assert_int_equal(fchmodat(client->root, "shared", 02777, 0), 0);
	directory = must_lookup(client, root_node, "shared");
	client->uid = client->gid = 1000;
	assert_int_equal(make_directory(client, directory, "below", 0755, 0), 0);
	assert_int_equal(last_entry(client).attr.gid, 77);
	assert_int_equal(last_entry(client).attr.mode, S_IFDIR | 02755);
	/* The guest's kernel has let the bit pass, so it stays. */
	assert_int_equal(call(client, FUSE_MKNOD, directory, &in, sizeof(in), "file", NULL), 0);
	assert_int_equal(last_entry(client).attr.mode, S_IFREG | 02775);
	assert_int_equal(last_entry(client).attr.uid, 1000);
}

static void hard_links_are_one_node(void **state)
{
	struct client *client = *state;
	struct fuse_link_in in = { 0 };
	struct fuse_attr attributes;

	host_file(client->root, "one", "data", 0644);
	assert_int_equal(symlinkat("nowhere", client->root, "symbolic"), 0);
	in.oldnodeid = must_lookup(client, root_node, "one");
	assert_int_equal(call(client, FUSE_LINK, root_node, &in, sizeof(in), "two", NULL), 0);
	assert_int_equal(last_entry(client).nodeid, in.oldnodeid);
	assert_int_equal(last_entry(client).attr.nlink, 2);
	assert_int_equal(call(client, FUSE_UNLINK, root_node, NULL, 0, "one", NULL), 0);
	assert_int_equal(getattr(client, in.oldnodeid, &attributes), 0);
	assert_int_equal(attributes.nlink, 1);
	assert_int_equal(must_lookup(client, root_node, "two"), in.oldnodeid);
	in.oldnodeid = must_lookup(client, root_node, "symbolic");
	assert_int_equal(call(client, FUSE_LINK, root_node, &in, sizeof(in), "symbolic2", NULL), 0);
	assert_true(S_ISLNK(last_entry(client).attr.mode));
	in.oldnodeid = root_node;
	assert_int_equal(call(client, FUSE_LINK, root_node, &in, sizeof(in), "loop", NULL), -EPERM);
	in.oldnodeid = 99999;
	assert_int_equal(call(client, FUSE_LINK, root_node, &in, sizeof(in), "nothing", NULL), -ESTALE);
}

static void removed_files_live_on_while_they_are_held(void **state)
{
	struct client *client = *state;
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0600 };
	struct fuse_attr attributes;
	struct fuse_entry_out entry;
	uint64_t pipe, directory, fh;

	assert_int_equal(make_node(client, "pipe", S_IFIFO | 0644, 0), 0);
	pipe = last_entry(client).nodeid;
	assert_int_equal(make_directory(client, root_node, "directory", 0755, 0), 0);
	directory = last_entry(client).nodeid;
	assert_int_equal(create(client, root_node, "file", O_RDWR, 0644, &entry, &fh), 0);
	assert_int_equal(call(client, FUSE_UNLINK, root_node, NULL, 0, "directory", NULL), -EISDIR);
	assert_int_equal(call(client, FUSE_RMDIR, root_node, NULL, 0, "file", NULL), -ENOTDIR);
	assert_int_equal(call(client, FUSE_UNLINK, root_node, NULL, 0, "pipe", NULL), 0);
	assert_int_equal(call(client, FUSE_UNLINK, root_node, NULL, 0, "file", NULL), 0);
	assert_int_equal(call(client, FUSE_RMDIR, root_node, NULL, 0, "directory", NULL), 0);
	assert_int_equal(call(client, FUSE_RMDIR, root_node, NULL, 0, "directory", NULL), -ENOENT);
	assert_int_equal(getattr(client, pipe, &attributes), 0);
	assert_int_equal(attributes.nlink, 0);
	assert_int_equal(getattr(client, directory, NULL), 0);
	assert_int_equal(setattr(client, entry.nodeid, &in), 0);
	assert_int_equal(write_at(client, entry.nodeid, fh, 0, "data", 4, 0, 0), 4);
	assert_int_equal(read_at(client, entry.nodeid, fh, 0, 10), 4);
	/* A new file is another node, though the host may give it the number of one that is gone. */
	for (int i = 0; i < 20; i++) {
		assert_int_equal(make_node(client, "pipe", S_IFIFO | 0644, 0), 0);
		assert_true(last_entry(client).nodeid != pipe);
		assert_int_equal(call(client, FUSE_UNLINK, root_node, NULL, 0, "pipe", NULL), 0);
	}
	assert_int_equal(release(client, entry.nodeid, fh), 0);
}

static void renaming_and_its_flags(void **state)
{
	struct client *client = *state;
	struct fuse_rename_in plain = { .newdir = root_node };
	uint64_t directory, one, two;

	host_file(client->root, "one", "1", 0644);
	host_file(client->root, "two", "22", 0644);
	assert_int_equal(make_directory(client, root_node, "directory", 0755, 0), 0);
	directory = last_entry(client).nodeid;
	one = must_lookup(client, root_node, "one");
	two = must_lookup(client, root_node, "two");
	assert_int_equal(rename2_names(client, root_node, "one", root_node, "two", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(rename2_names(client, root_node, "one", root_node, "two", 0x80), -EINVAL);
	assert_int_equal(rename2_names(client, root_node, "one", root_node, "two", RENAME_EXCHANGE), 0);
	/* Nodes follow their files. */
	assert_int_equal(must_lookup(client, root_node, "one"), two);
	assert_int_equal(getattr(client, one, NULL), 0);
	assert_int_equal(rename2_names(client, root_node, "two", directory, "one", 0), 0);
	assert_int_equal(read_at(client, one, must_open(client, one, O_RDONLY), 0, 10), 1);
	assert_int_equal(rename2_names(client, root_node, "one", directory, "one", 0), 0);
	assert_int_equal(must_lookup(client, directory, "one"), two);
	assert_int_equal(getattr(client, one, NULL), 0);
	assert_int_equal(call(client, FUSE_RENAME, directory, &plain, sizeof(plain), "one", "back"), 0);
	assert_int_equal(host_stat(client->root, "back").st_size, 2);
	assert_int_equal(rename2_names(client, root_node, "directory", directory, "self", 0), -EINVAL);
	assert_int_equal(rename2_names(client, root_node, "missing", directory, "x", 0), -ENOENT);
	assert_int_equal(rename2_names(client, root_node, "back", two, "x", 0), -ENOTDIR);
	assert_int_equal(rename2_names(client, root_node, "back", 4711, "x", 0), -ESTALE);
}

/* Nodes without a descriptor are found again by name; what the host has put there instead is not theirs. */
static void what_the_host_moves_is_looked_up_again(void **state)
{
	struct client *client = *state;
	struct fuse_open_out opened;
	uint64_t file, directory, below, fh;
	struct fuse_attr attributes;

	assert_int_equal(mkdirat(client->root, "directory", 0755), 0);
	host_file(client->root, "directory/below", "b", 0644);
	host_file(client->root, "file", "data", 0644);
	file = must_lookup(client, root_node, "file");
	directory = must_lookup(client, root_node, "directory");
	below = must_lookup(client, directory, "below");
	assert_int_equal(renameat(client->root, "file", client->root, "elsewhere"), 0);
	assert_int_equal(getattr(client, file, NULL), -ESTALE);
	assert_int_equal(open_flags(client, file, O_RDONLY, &opened), -ESTALE);
	host_file(client->root, "file", "another", 0644);
	assert_int_equal(getattr(client, file, NULL), -ESTALE);
	assert_int_equal(open_flags(client, file, O_RDONLY, &opened), -ESTALE);
	assert_int_equal(must_lookup(client, root_node, "elsewhere"), file);
	assert_int_equal(getattr(client, file, NULL), 0);
	/* A directory above has been used, so its descriptor leads on. */
	assert_int_equal(renameat(client->root, "directory", client->root, "moved"), 0);
	assert_int_equal(getattr(client, below, NULL), 0);
	/* What is open stays. */
	fh = must_open(client, file, O_RDWR);
	assert_int_equal(unlinkat(client->root, "elsewhere", 0), 0);
	assert_int_equal(getattr(client, file, &attributes), 0);
	assert_int_equal(attributes.nlink, 0);
	assert_int_equal(write_at(client, file, fh, 0, "x", 1, 0, 0), 1);
}

static void changes_on_the_host_are_seen_at_the_next_lookup(void **state)
{
	struct client *client = *state;
	struct fuse_entry_out before, after;

	host_file(client->root, "file", "1", 0644);
	assert_int_equal(lookup(client, root_node, "file", &before), 0);
	host_file(client->root, "file", "longer", 0600);
	assert_int_equal(lookup(client, root_node, "file", &after), 0);
	assert_int_equal(before.nodeid, after.nodeid);
	assert_int_equal(after.attr.size, 6);
	assert_int_equal(after.attr.mode, S_IFREG | 0600);
	host_file(client->root, "new", "another file", 0644);
	assert_int_equal(renameat(client->root, "new", client->root, "file"), 0);
	assert_int_equal(lookup(client, root_node, "file", &after), 0);
	assert_true(before.nodeid != after.nodeid);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		test(what_is_not_there_may_be_remembered),
		test(a_link_is_never_followed),
		test(symbolic_links_of_any_target),
		test(special_files_are_made_and_never_opened),
		test(new_files_belong_to_the_caller),
		test(a_group_directory_gives_its_group),
		test(hard_links_are_one_node),
		test(removed_files_live_on_while_they_are_held),
		test(renaming_and_its_flags),
		test(what_the_host_moves_is_looked_up_again),
		test(changes_on_the_host_are_seen_at_the_next_lookup),
	};

	return cmocka_run_group_tests_name("file server: names", all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, NULL);
}
