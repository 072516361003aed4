/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up, making and removing things inside a root that somebody else has filled; with openat2(2) and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"

struct place {
	char path[64]; /* a scratch directory with "root" and "outside" in it */
	int top, root;
};

static void make_file(int directory, const char *name, const char *content)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	assert_int_equal(close(fd), 0);
}

static int setup(void **state)
{
	struct place *place = xcalloc(1, sizeof(*place));

	(void)snprintf(place->path, sizeof(place->path), "/dev/shm/duet-lookup-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->top = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(place->top, "root", 0755), 0);
	assert_int_equal(mkdirat(place->top, "outside", 0755), 0);
	make_file(place->top, "outside/secret", "secret");
	place->root = openat(place->top, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->root >= 0);
	assert_int_equal(make_directories(place->root, "a/b/c", 0755), 0);
	make_file(place->root, "a/b/file", "inside");
	assert_int_equal(symlinkat("/a/b", place->root, "absolute"), 0);
	assert_int_equal(symlinkat("../../../../a", place->root, "a/b/up"), 0);
	assert_int_equal(symlinkat("../../outside", place->root, "escape"), 0);
	assert_int_equal(symlinkat("/new/place", place->root, "dangling"), 0);
	assert_int_equal(symlinkat("loop", place->root, "loop"), 0);
	assert_int_equal(symlinkat(place->path, place->root, "host"), 0);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	assert_int_equal(remove_tree(AT_FDCWD, place->path), 0);
	(void)close(place->top);
	(void)close(place->root);
	free(place);
	return 0;
}

static char *content_of(int root, const char *path)
{
	struct strbuf content = STRBUF_INIT;
	int fd = open_in_root(root, path, O_RDONLY, 0, 0);

	if (fd < 0)
		return NULL;
	assert_int_equal(file_read_fd(fd, 1000, &content), 0);
	(void)close(fd);
	return content.data;
}

static void assert_content(int root, const char *path, const char *wanted)
{
	char *content = content_of(root, path);

	assert_non_null(content);
	assert_string_equal(content, wanted);
	free(content);
}

/* The result, with the descriptor closed. */
static int try_open(int root, const char *path, int flags, uint64_t resolve)
{
	int fd = open_in_root(root, path, flags, 0600, resolve);

	if (fd < 0)
		return fd;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
	return 0;
}

static void check_links_stay_inside(const struct place *place)
{
	static const char *const paths[] = { "a/b/file", "/a/b/file", "absolute/file", "a/b/up/b/file",
		"../../a/b/file", "a/./b//file", "absolute/../b/file", "a/b/c/../../b/up/b/file", NULL };

	for (size_t i = 0; paths[i]; i++)
		assert_content(place->root, paths[i], "inside");
	assert_int_equal(try_open(place->root, "escape/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(try_open(place->root, "../outside/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(try_open(place->root, "host/outside/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(try_open(place->root, "loop", O_RDONLY, 0), -ELOOP);
	assert_int_equal(try_open(place->root, "loop", O_PATH | O_NOFOLLOW, 0), 0);
	assert_int_equal(try_open(place->root, "a/b/file/x", O_PATH, 0), -ENOTDIR);
	assert_int_equal(try_open(place->root, "a/b/file", O_PATH | O_DIRECTORY, 0), -ENOTDIR);
	assert_int_equal(try_open(place->root, "", O_PATH, 0), -ENOENT);
	assert_int_equal(try_open(place->root, "/", O_PATH, 0), 0);
	assert_int_equal(try_open(place->root, "..", O_RDONLY | O_DIRECTORY, 0), 0);
	assert_int_equal(try_open(place->root, "absolute", O_RDONLY, RESOLVE_NO_SYMLINKS), -ELOOP);
	assert_int_equal(try_open(place->root, "absolute/file", O_RDONLY, RESOLVE_NO_SYMLINKS), -ELOOP);
	assert_int_equal(try_open(place->root, "a/b/file", O_RDONLY, RESOLVE_NO_SYMLINKS), 0);
	assert_int_equal(try_open(place->root, "a/new", O_WRONLY | O_CREAT, 0), 0);
	assert_int_equal(try_open(place->root, "a/new", O_WRONLY | O_CREAT | O_EXCL, 0), -EEXIST);
	assert_int_equal(try_open(place->root, "missing/new", O_WRONLY | O_CREAT, 0), -ENOENT);
	assert_int_equal(faccessat(place->top, "outside/new", F_OK, 0), -1);
}

static void check_making_stays_inside(const struct place *place)
{
	struct stat status;
	int fd = make_directories_in_root(place->root, "x/y/../z/deep", 0750);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	(void)close(fd);
	assert_int_equal(faccessat(place->root, "x/z/deep", F_OK, 0), 0);
	/* A link that leads to nothing leads to nothing inside. */
	fd = make_directories_in_root(place->root, "dangling/under", 0755);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(faccessat(place->root, "new/place/under", F_OK, 0), 0);
	/* "../../outside" of the root is "/outside" of the root. */
	fd = make_file_in_root(place->root, "escape/made", 0644);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(faccessat(place->root, "outside/made", F_OK, 0), 0);
	assert_int_equal(faccessat(place->top, "outside/made", F_OK, 0), -1);
	fd = make_file_in_root(place->root, "../../etc/resolv.conf", 0644);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_true(S_ISREG(status.st_mode) && status.st_size == 0);
	(void)close(fd);
	assert_int_equal(faccessat(place->root, "etc/resolv.conf", F_OK, 0), 0);
	/* What is there stays what it is. */
	fd = make_file_in_root(place->root, "a/b/file", 0644);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_content(place->root, "a/b/file", "inside");
	assert_int_equal(make_directories_in_root(place->root, "a/b/file", 0755), -ENOTDIR);
	assert_int_equal(make_directories_in_root(place->root, "a/b/file/x", 0755), -ENOTDIR);
	assert_int_equal(make_directories_in_root(place->root, "loop/x", 0755), -ELOOP);
}

static void test_links_stay_inside_the_root(void **state)
{
	check_links_stay_inside(*state);
}

static void test_what_is_made_is_made_inside_the_root(void **state)
{
	check_making_stays_inside(*state);
}

/* openat2 answers ENOSYS from here on. */
static void forbid_openat2(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };
	struct open_how how = { .flags = O_PATH };

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
	assert_int_equal(syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how)), -1);
	assert_int_equal(errno, ENOSYS);
}

static void check_in_child(const struct place *place, void (*check)(const struct place *))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		forbid_openat2();
		check(place);
		_exit(42);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

static void test_links_stay_inside_without_openat2(void **state)
{
	check_in_child(*state, check_links_stay_inside);
}

static void test_making_stays_inside_without_openat2(void **state)
{
	check_in_child(*state, check_making_stays_inside);
}

static void check_mounts_are_not_crossed(const struct place *place)
{
	int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)place;
	assert_int_equal(try_open(host, "proc/self/status", O_RDONLY, RESOLVE_NO_XDEV), -EXDEV);
	assert_int_equal(try_open(host, "proc/self/status", O_RDONLY, 0), 0);
	(void)close(host);
}

static void test_mounts_are_not_crossed(void **state)
{
	check_mounts_are_not_crossed(*state);
	check_in_child(*state, check_mounts_are_not_crossed);
}

static void test_a_tree_is_removed_without_following_links(void **state)
{
	struct place *place = *state;
	struct stat status;

	assert_int_equal(symlinkat("../outside", place->root, "a/link"), 0);
	assert_int_equal(mkfifoat(place->root, "a/fifo", 0600), 0);
	assert_int_equal(remove_tree(place->root, "a"), 0);
	assert_int_equal(fstatat(place->root, "a", &status, 0), -1);
	assert_int_equal(faccessat(place->top, "outside/secret", F_OK, 0), 0);
	assert_int_equal(remove_tree(place->root, "escape"), 0);
	assert_int_equal(faccessat(place->top, "outside/secret", F_OK, 0), 0);
	assert_int_equal(remove_tree(place->root, "not there"), 0);
}

static void test_a_very_deep_tree_is_removed(void **state)
{
	struct place *place = *state;
	int here = openat(place->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int depth = 0; depth < 300; depth++) {
		int below;

		assert_int_equal(mkdirat(here, "directory", 0755), 0);
		below = openat(here, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		(void)close(here);
		here = below;
	}
	(void)close(here);
	assert_int_equal(remove_tree(place->root, "directory"), 0);
	assert_int_equal(faccessat(place->root, "directory", F_OK, 0), -1);
}

static void test_files_are_replaced_as_a_whole(void **state)
{
	struct place *place = *state;
	struct strbuf content = STRBUF_INIT;
	char large[100000];

	memset(large, 'x', sizeof(large));
	assert_int_equal(file_replace(place->top, "state", "one", 3, 0600), 0);
	assert_int_equal(file_replace(place->top, "state", large, sizeof(large), 0600), 0);
	assert_int_equal(file_read(place->top, "state", sizeof(large) - 1, &content), -EFBIG);
	assert_null(content.data);
	assert_int_equal(file_read(place->top, "state", sizeof(large), &content), 0);
	assert_int_equal(content.length, sizeof(large));
	strbuf_free(&content);
	assert_int_equal(file_replace(place->top, "missing/state", "x", 1, 0600), -ENOENT);
	/* A link in the place of the file is replaced, not written through. */
	assert_int_equal(symlinkat("outside/secret", place->top, "link"), 0);
	assert_int_equal(file_replace(place->top, "link", "new", 3, 0600), 0);
	assert_int_equal(file_read(place->top, "outside/secret", 100, &content), 0);
	assert_string_equal(content.data, "secret");
	strbuf_free(&content);
}

static void test_proc_files_are_read_whole(void **state)
{
	struct strbuf content = STRBUF_INIT;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", 65536, &content), 0);
	assert_true(content.length > 100);
	strbuf_free(&content);
	assert_int_equal(file_write(AT_FDCWD, "/proc/self/comm", "duet-test"), 0);
	assert_int_equal(file_write(AT_FDCWD, "/tmp/duet-not-there", "x"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_links_stay_inside_the_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_made_is_made_inside_the_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_stay_inside_without_openat2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_making_stays_inside_without_openat2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounts_are_not_crossed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tree_is_removed_without_following_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_very_deep_tree_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_are_replaced_as_a_whole, setup, teardown),
		cmocka_unit_test(test_proc_files_are_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
