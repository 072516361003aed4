/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/alloc.h"

enum { COPY_CHUNK_BYTES = 1 << 20 };

struct place {
	int from, to;       /* directories */
	unsigned int depth; /* 1: the top of the tree; 0: where that lies */
	int top;            /* the directory that is copied to */
	const char *path;   /* of `to` below it, with its slash; "": it is `to` */
	struct link_table *links;
};

static int copy_entry(
	struct tree_copy *copy, const struct place *place, const char *from, const char *to, struct error *err);

/* "..": only in front, where it counts from a directory that is there. Behind another name that name could be a link,
 * and ".." of where that leads. */
bool tree_link_is_confined(const char *target, unsigned int depth)
{
	bool named = false;

	if (target[0] == '/' || target[0] == '\0')
		return false;
	for (const char *part = target; *part; part += strspn(part, "/")) {
		size_t length = strcspn(part, "/");
		bool up = length == 2 && part[0] == '.' && part[1] == '.';

		if (up && (named || depth-- == 0))
			return false;
		named = named || !(up || (length == 1 && part[0] == '.'));
		part += length;
	}
	return true;
}

static int copy_range(int from, int to, off_t begin, off_t end)
{
	while (begin < end) {
		off_t left = end - begin;
		ssize_t sent = sendfile(to, from, &begin, (size_t)(left < COPY_CHUNK_BYTES ? left : COPY_CHUNK_BYTES));

		if (sent == 0)
			return 0; /* somebody cut it meanwhile */
		if (sent < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

int tree_copy_content(int from, int to)
{
	struct stat status;
	off_t hole = 0;

	if (fstat(from, &status) < 0 || ftruncate(to, status.st_size) < 0)
		return -errno;
	while (hole < status.st_size) {
		off_t data = lseek(from, hole, SEEK_DATA);
		int result;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0 && errno != EINVAL)
			return -errno;
		hole = data < 0 ? status.st_size : lseek(from, data, SEEK_HOLE);
		data = data < 0 ? 0 : data;
		if (hole < 0 || lseek(to, data, SEEK_SET) < 0)
			return -errno;
		result = copy_range(from, to, data, hole);
		if (result < 0)
			return result;
	}
	return 0;
}

static int finish(const struct tree_copy *copy, int fd, const struct stat *status)
{
	const struct timespec times[2] = { status->st_atim, status->st_mtim };

	if (fchown(fd, copy->owner, copy->group) < 0 || fchmod(fd, status->st_mode & 0777) < 0 ||
		futimens(fd, times) < 0)
		return -errno;
	return 0;
}

/* What is there is replaced, never written through: it may be a link, or another name of a file elsewhere. */
static int make_room(int directory, const char *name)
{
	return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* 1: it is there now, another name of a file that was copied before. */
static int copy_name(const struct place *place, const struct stat *status, const char *path, const char *to)
{
	const char *first = links_find(place->links, status);

	if (first && links_make(place->top, first, place->to, to) == 0)
		return 1;
	/* The first of its names, or as many names as a file can have there. */
	links_note(place->links, status, path);
	return 0;
}

static int copy_file(const struct tree_copy *copy, const struct place *place, const char *from, const char *to)
{
	cleanup_free char *path = xprintf("%s%s", place->path, to);
	cleanup_fd int source = openat(place->from, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_fd int target = -EBADF;
	struct stat status;
	int result;

	if (source < 0 || fstat(source, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	result = make_room(place->to, to);
	if (result < 0 || copy_name(place, &status, path, to))
		return result;
	target = openat(place->to, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target < 0)
		return -errno;
	result = tree_copy_content(source, target);
	return result < 0 ? result : finish(copy, target, &status);
}

static int copy_link(struct tree_copy *copy, const struct place *place, const char *from, const char *to)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(place->from, from, target, sizeof(target) - 1);
	int result;

	if (length < 0)
		return -errno;
	target[length] = '\0';
	if (copy->confine_links && !tree_link_is_confined(target, place->depth - 1)) {
		copy->left_out++;
		return 0;
	}
	result = make_room(place->to, to);
	if (result < 0)
		return result;
	if (symlinkat(target, place->to, to) < 0 ||
		fchownat(place->to, to, copy->owner, copy->group, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_entries(struct tree_copy *copy, const struct place *place, struct error *err)
{
	cleanup_fd int reader = openat(place->from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *directory = reader < 0 ? NULL : fdopendir(reader);
	const struct dirent *entry;
	int result = 0;

	if (!directory)
		return error_set(err, errno, "read a directory that is to be copied");
	(void)take_fd(&reader);
	while (result == 0 && (errno = 0, entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = copy_entry(copy, place, entry->d_name, entry->d_name, err);
	}
	return result == 0 && errno ? error_set(err, errno, "read a directory that is to be copied") : result;
}

static int copy_directory(
	struct tree_copy *copy, const struct place *place, const char *from, const char *to, struct error *err)
{
	cleanup_fd int source = openat(place->from, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_fd int target = -EBADF;
	cleanup_free char *path = xprintf("%s%s/", place->path, to);
	struct place inside = { .depth = place->depth + 1, .top = place->top, .path = path, .links = place->links };
	struct stat status;
	int result;

	if (inside.depth > TREE_DEPTH_MAX)
		return error_set(err, -ELOOP, "copy %s: more than %d directories deep", from, TREE_DEPTH_MAX);
	if (source < 0 || fstat(source, &status) < 0)
		return error_set(err, errno, "copy %s", from);
	if (mkdirat(place->to, to, 0700) < 0 && errno != EEXIST)
		return error_set(err, errno, "copy to %s", to);
	target = openat(place->to, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return error_set(err, errno, "copy to %s", to);
	inside.from = source;
	inside.to = target;
	result = copy_entries(copy, &inside, err);
	if (result < 0)
		return result;
	result = finish(copy, target, &status);
	return result < 0 ? error_set(err, -result, "copy to %s", to) : 0;
}

static int copy_entry(
	struct tree_copy *copy, const struct place *place, const char *from, const char *to, struct error *err)
{
	struct stat status;
	int result = 0;

	if (fstatat(place->from, from, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "copy %s", from);
	switch (status.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_directory(copy, place, from, to, err);
	case S_IFREG:
		result = copy_file(copy, place, from, to);
		break;
	case S_IFLNK:
		result = copy_link(copy, place, from, to);
		break;
	default:
		copy->left_out++;
	}
	return result < 0 ? error_set(err, -result, "copy %s", from) : 0;
}

int tree_copy(struct tree_copy *copy, int from_directory, const char *from, int to_directory, const char *to,
	struct error *err)
{
	cleanup_links struct link_table links = { 0 };
	struct place place = {
		.from = from_directory, .to = to_directory, .top = to_directory, .path = "", .links = &links
	};
	struct stat status;

	if (fstatat(from_directory, from, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "copy %s", from);
	if (S_ISLNK(status.st_mode))
		return error_set(err, -ELOOP, "copy %s: it is a symbolic link", from);
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		return error_set(err, -EINVAL, "copy %s: neither a file nor a directory", from);
	return copy_entry(copy, &place, from, to, err);
}
