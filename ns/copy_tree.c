/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: what the image has under a tmpfs is put into it. The source belongs to the image: no link is followed, and
 * nothing but plain files is opened.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ns/rootfs_internal.h"

enum { COPY_DEPTH_MAX = 128, COPY_CHUNK_BYTES = 1 << 20, NAMES_BYTES_MAX = 65536, VALUE_BYTES_MAX = 65536 };

static int copy_directory(int from, int to, unsigned int depth, struct error *err);

/* Attributes that the target cannot have (labels of another policy, no support) are left out. */
static void copy_attributes(int from, int to)
{
	cleanup_free char *names = xcalloc(NAMES_BYTES_MAX, 1);
	cleanup_free char *value = xcalloc(VALUE_BYTES_MAX, 1);
	ssize_t length = flistxattr(from, names, NAMES_BYTES_MAX);

	for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, value, VALUE_BYTES_MAX);

		if (size >= 0)
			(void)fsetxattr(to, name, value, (size_t)size, 0);
	}
}

/* Owner first: a change of owner takes set-user-id bits away. */
static int copy_status(int to, const struct stat *status)
{
	const struct timespec times[2] = { status->st_atim, status->st_mtim };

	if (fchown(to, status->st_uid, status->st_gid) < 0 || fchmod(to, status->st_mode & 07777) < 0 ||
		futimens(to, times) < 0)
		return -errno;
	return 0;
}

static int copy_content(int from, int to)
{
	for (;;) {
		ssize_t sent = sendfile(to, from, NULL, COPY_CHUNK_BYTES);

		if (sent == 0)
			return 0;
		if (sent < 0 && errno != EINTR)
			return -errno;
	}
}

static int copy_file(int from, int to, const char *name, const struct stat *status)
{
	cleanup_fd int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_fd int target = -EBADF;
	int result;

	if (source < 0)
		return -errno;
	target = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target < 0)
		return -errno;
	result = copy_content(source, target);
	if (result < 0)
		return result;
	result = copy_status(target, status);
	/* After the owner, whose change would take security.capability away. */
	copy_attributes(source, target);
	return result;
}

static int copy_link(int from, int to, const char *name, const struct stat *status)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(from, name, text, sizeof(text) - 1);

	if (length < 0)
		return -errno;
	text[length] = '\0';
	if (symlinkat(text, to, name) < 0)
		return -errno;
	return fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_node(int to, const char *name, const struct stat *status)
{
	if (mknodat(to, name, status->st_mode, status->st_rdev) < 0)
		return -errno;
	return fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_subdirectory(
	int from, int to, const char *name, const struct stat *status, unsigned int depth, struct error *err)
{
	cleanup_fd int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_fd int target = -EBADF;
	int result;

	if (source < 0 || mkdirat(to, name, 0700) < 0)
		return error_set(err, errno, "copy the directory \"%s\"", name);
	target = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return error_set(err, errno, "copy the directory \"%s\"", name);
	result = copy_directory(source, target, depth + 1, err);
	if (result < 0)
		return result;
	copy_attributes(source, target);
	result = copy_status(target, status);
	return result < 0 ? error_set(err, -result, "copy the directory \"%s\"", name) : 0;
}

static int copy_entry(int from, int to, const char *name, unsigned int depth, struct error *err)
{
	struct stat status;
	int result;

	if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "look at \"%s\"", name);
	if (S_ISDIR(status.st_mode))
		return copy_subdirectory(from, to, name, &status, depth, err);
	if (S_ISREG(status.st_mode))
		result = copy_file(from, to, name, &status);
	else if (S_ISLNK(status.st_mode))
		result = copy_link(from, to, name, &status);
	else
		result = copy_node(to, name, &status);
	return result < 0 ? error_set(err, -result, "copy \"%s\"", name) : 0;
}

static int copy_directory(int from, int to, unsigned int depth, struct error *err)
{
	cleanup_directory DIR *stream = NULL;
	int readable = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;

	if (depth > COPY_DEPTH_MAX) {
		close_fd(&readable);
		return error_set(err, -ELOOP, "copy directories: they are nested more than %d deep", COPY_DEPTH_MAX);
	}
	stream = readable < 0 ? NULL : fdopendir(readable);
	if (!stream) {
		int code = errno;

		close_fd(&readable);
		return error_set(err, code, "read a directory");
	}
	while ((errno = 0, entry = readdir(stream))) {
		int result;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		result = copy_entry(from, to, entry->d_name, depth, err);
		if (result < 0)
			return result;
	}
	return errno ? error_set(err, errno, "read a directory") : 0;
}

int copy_tree(int from, int to, struct error *err)
{
	return copy_directory(from, to, 0, err);
}
