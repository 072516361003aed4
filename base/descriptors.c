/* SPDX-License-Identifier: Apache-2.0 */
#include "base/descriptors.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>

#include "base/alloc.h"
#include "base/procfs.h"

struct descriptor_list {
	unsigned int *numbers;
	size_t count;
};

static int list_own(struct descriptor_list *list)
{
	cleanup_directory DIR *directory = NULL;
	cleanup_fd int procfs = procfs_open(NULL);
	cleanup_fd int fd = procfs < 0 ? procfs : procfs_open_file(procfs, "self/fd", O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	int own;

	if (fd < 0)
		return fd;
	directory = fdopendir(fd);
	if (!directory)
		return -errno;
	own = take_fd(&fd);
	while ((entry = readdir(directory))) {
		unsigned int number;

		if (sscanf(entry->d_name, "%u", &number) != 1 || number == (unsigned int)own ||
			number == (unsigned int)procfs)
			continue;
		list->numbers = xrealloc(list->numbers, list->count + 1, sizeof(*list->numbers));
		list->numbers[list->count++] = number;
	}
	return 0;
}

static int one_by_one(unsigned int first, unsigned int last, unsigned int flags)
{
	struct descriptor_list list = { 0 };
	int result = list_own(&list);

	for (size_t i = 0; result == 0 && i < list.count; i++) {
		if (list.numbers[i] < first || list.numbers[i] > last)
			continue;
		if (flags & CLOSE_RANGE_CLOEXEC)
			(void)fcntl((int)list.numbers[i], F_SETFD, FD_CLOEXEC);
		else
			(void)close((int)list.numbers[i]);
	}
	free(list.numbers);
	return result;
}

static int change(unsigned int first, unsigned int last, unsigned int flags)
{
	if (first > last || close_range(first, last, (int)flags) == 0)
		return 0;
	/* EPERM: a filter around the runtime that is older than the call. */
	return errno == ENOSYS || errno == EINVAL || errno == EPERM ? one_by_one(first, last, flags) : -errno;
}

int descriptors_close(unsigned int first, unsigned int last)
{
	return change(first, last, 0);
}

int descriptors_close_on_exec(unsigned int first)
{
	return change(first, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int compare_descriptors(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

int descriptors_close_but(unsigned int first, int *keep, size_t count)
{
	unsigned int next = first;
	int result = 0;

	if (count > 0)
		qsort(keep, count, sizeof(*keep), compare_descriptors);
	for (size_t i = 0; i < count && result == 0; i++) {
		if (keep[i] < (int)next)
			continue;
		if ((unsigned int)keep[i] > next)
			result = change(next, (unsigned int)keep[i] - 1, 0);
		next = (unsigned int)keep[i] + 1;
	}
	return result < 0 ? result : change(next, ~0U, 0);
}
