/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cmocka.h>

#include "base/executable_swap.h"
#include "base/file.h"

static int counter = 7;
static const char *const words[] = { "relocated", "constants" };

static int open_clone(void)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	cleanup_fd int tree = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &readonly, sizeof(readonly)) < 0)
		return -errno;
	return open(fd_path(tree).text, O_RDONLY | O_CLOEXEC);
}

static void the_program_goes_on_from_a_file_that_nobody_can_write_to(void **state)
{
	cleanup_fd int clone = open_clone();
	char path[PATH_MAX];
	struct statvfs file_system;
	ssize_t length;

	(void)state;
	if (clone < 0) {
		print_message("cloning a mount needs CAP_SYS_ADMIN\n");
		skip();
	}
	counter++;
	length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	assert_true(length > 0);
	path[length] = '\0';
	assert_int_equal(executable_swap(clone), 0);
	assert_int_equal(counter, 8);
	counter++;
	assert_int_equal(counter, 9);
	assert_string_equal(words[0], "relocated");
	assert_string_equal(words[1], "constants");
	assert_int_equal(statvfs("/proc/self/exe", &file_system), 0);
	assert_true(file_system.f_flag & ST_RDONLY);
	assert_int_equal(open("/proc/self/exe", O_WRONLY | O_CLOEXEC), -1);
	assert_true(errno == ETXTBSY || errno == EROFS);
}

static void another_file_is_refused(void **state)
{
	cleanup_fd int other = open("/bin/sh", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(executable_swap(-EBADF), -EBADF);
	assert_int_equal(executable_swap(other), -EXDEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_goes_on_from_a_file_that_nobody_can_write_to),
		cmocka_unit_test(another_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
