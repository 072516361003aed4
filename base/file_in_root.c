/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups inside a root that is not trusted. openat2(2) does it where it exists; the walk in user space makes what is
 * missing, and stands in for openat2 on kernels (and under seccomp filters) without it.
 */
#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/sys.h"

enum { LINKS_MAX = 40, OPENAT2_TRIES = 128 };

enum walk_last { WALK_OPEN, WALK_MAKE_DIRECTORY, WALK_MAKE_FILE };

struct walk {
	int root;
	uint64_t resolve;    /* RESOLVE_NO_SYMLINKS and RESOLVE_NO_XDEV are honoured */
	enum walk_last last; /* other than WALK_OPEN: missing directories are made */
	mode_t mode;
	unsigned int links;   /* symbolic links followed so far */
	struct strbuf passed; /* components behind us, none of them a link when it was passed: "a/b/" */
	struct strbuf left;   /* what is still to be walked */
	int here;             /* O_PATH descriptor of `passed` */
	int above;            /* the directory in which `here` is called `name`; -EBADF at the root */
	char name[NAME_MAX + 1];
	bool at_last; /* `name` is the last component */
};

static void walk_release(struct walk *walk)
{
	strbuf_free(&walk->passed);
	strbuf_free(&walk->left);
	close_fd(&walk->here);
	close_fd(&walk->above);
}

static uint64_t mount_id(int fd)
{
	struct statx status = { .stx_mask = 0 };

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &status) < 0)
		return 0;
	if (status.stx_mask & STATX_MNT_ID)
		return status.stx_mnt_id;
	return (uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor;
}

/* Starts over at the root with the given text before what is left. Names are looked up anew each time: a directory that
 * was moved meanwhile is not followed out of the root, as ".." of its descriptor would be. */
static int walk_restart(struct walk *walk, const char *first)
{
	struct strbuf left = STRBUF_INIT;
	int here = openat(walk->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (here < 0)
		return -errno;
	strbuf_string(&left, first);
	strbuf_string(&left, "/");
	strbuf_string(&left, walk->left.data);
	strbuf_free(&walk->left);
	strbuf_free(&walk->passed);
	strbuf_string(&walk->passed, "");
	walk->left = left;
	close_fd(&walk->here);
	close_fd(&walk->above);
	walk->here = here;
	return 0;
}

/* Takes the next component off `left` into `name`. 1: there is one; 0: the end. */
static int walk_next(struct walk *walk)
{
	const char *start = walk->left.data + strspn(walk->left.data, "/");
	size_t length = strcspn(start, "/");
	const char *rest = start + length;
	struct strbuf left = STRBUF_INIT;

	if (length == 0)
		return 0;
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(walk->name, start, length);
	walk->name[length] = '\0';
	walk->at_last = rest[strspn(rest, "/")] == '\0';
	strbuf_string(&left, rest);
	strbuf_free(&walk->left);
	walk->left = left;
	return 1;
}

static int walk_up(struct walk *walk)
{
	cleanup_strbuf struct strbuf above = STRBUF_INIT;
	size_t length = walk->passed.length;

	/* "a/b/" -> "a/"; the root's ".." is the root. */
	while (length > 0 && walk->passed.data[length - 1] == '/')
		length--;
	while (length > 0 && walk->passed.data[length - 1] != '/')
		length--;
	strbuf_append(&above, walk->passed.data, length);
	if (++walk->links > LINKS_MAX * 4)
		return -ELOOP;
	return walk_restart(walk, above.data);
}

static int walk_link(struct walk *walk, int link)
{
	cleanup_strbuf struct strbuf first = STRBUF_INIT;
	char target[PATH_MAX];
	ssize_t length = readlinkat(link, "", target, sizeof(target) - 1);

	if (length < 0)
		return -errno;
	if ((walk->resolve & RESOLVE_NO_SYMLINKS) || ++walk->links > LINKS_MAX)
		return -ELOOP;
	target[length] = '\0';
	strbuf_string(&first, target[0] == '/' ? "" : walk->passed.data);
	strbuf_string(&first, target);
	return walk_restart(walk, first.data);
}

static int walk_make(const struct walk *walk)
{
	cleanup_fd int made = -EBADF;

	if (!walk->at_last || walk->last == WALK_MAKE_DIRECTORY)
		return mkdirat(walk->here, walk->name, walk->last == WALK_MAKE_DIRECTORY ? walk->mode : 0755) < 0
			       ? -errno
			       : 0;
	made = openat(walk->here, walk->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, walk->mode);
	return made < 0 ? -errno : 0;
}

/* Goes one component on. A link is followed unless it is the last one and the caller wants the link itself. */
static int walk_step(struct walk *walk, bool nofollow_last)
{
	cleanup_fd int next = openat(walk->here, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (next < 0 && errno == ENOENT && walk->last != WALK_OPEN) {
		int result = walk_make(walk);

		if (result < 0 && result != -EEXIST)
			return result;
		next = openat(walk->here, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (next < 0 || fstat(next, &status) < 0)
		return -errno;
	if ((walk->resolve & RESOLVE_NO_XDEV) && mount_id(next) != mount_id(walk->root))
		return -EXDEV;
	if (S_ISLNK(status.st_mode) && !(walk->at_last && nofollow_last))
		return walk_link(walk, next);
	strbuf_string(&walk->passed, walk->name);
	strbuf_string(&walk->passed, "/");
	close_fd(&walk->above);
	walk->above = walk->here;
	walk->here = take_fd(&next);
	return 0;
}

/* Walks to the end of path; walk->here is then what the path names. */
static int walk_path(struct walk *walk, const char *path, bool nofollow_last)
{
	int result;

	if (path[0] == '\0')
		return -ENOENT;
	strbuf_string(&walk->left, "");
	result = walk_restart(walk, path);
	while (result == 0 && (result = walk_next(walk)) > 0) {
		if (strcmp(walk->name, ".") == 0)
			result = 0;
		else
			result = strcmp(walk->name, "..") == 0 ? walk_up(walk) : walk_step(walk, nofollow_last);
	}
	return result;
}

/* Opens what the walk ended at with the flags that the caller wants, by its name in its directory, so that no /proc is
 * needed. */
static int walk_open_last(struct walk *walk, int flags)
{
	struct stat status;
	int fd;

	if (fstat(walk->here, &status) < 0)
		return -errno;
	if ((flags & O_DIRECTORY) && !S_ISDIR(status.st_mode))
		return -ENOTDIR;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (flags & O_PATH)
		return take_fd(&walk->here);
	if (S_ISDIR(status.st_mode))
		fd = openat(walk->here, ".", flags | O_CLOEXEC);
	else
		fd = openat(walk->above, walk->name, flags | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_by_walk(int root, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	cleanup(walk_release) struct walk walk = {
		.root = root, .resolve = resolve, .mode = mode, .last = WALK_OPEN, .here = -EBADF, .above = -EBADF
	};
	bool nofollow_last = (flags & O_NOFOLLOW) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	int result = walk_path(&walk, path, nofollow_last);

	if (result == -ENOENT && (flags & O_CREAT) && walk.at_last) {
		int fd = openat(walk.here, walk.name, flags | O_NOFOLLOW | O_CLOEXEC, mode);

		return fd < 0 ? -errno : fd;
	}
	return result < 0 ? result : walk_open_last(&walk, flags);
}

int open_in_root(int root, const char *path, int flags, mode_t mode, uint64_t extra_resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra_resolve,
	};
	int fd;

	/* A rename or mount anywhere on the system may make a look-up with ".." fail with EAGAIN: openat2(2) says to
	 * try again. */
	for (int tries = 0; tries < OPENAT2_TRIES; tries++) {
		fd = sys_openat2(root, path, &how);
		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	/* seccomp profiles older than openat2 answer EPERM for it. */
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
	return open_by_walk(root, path, flags, mode, extra_resolve);
}

static int make_in_root(int root, const char *path, mode_t mode, enum walk_last last)
{
	cleanup(walk_release) struct walk walk = {
		.root = root, .mode = mode, .last = last, .here = -EBADF, .above = -EBADF
	};
	int fd = open_in_root(root, path, O_PATH | (last == WALK_MAKE_DIRECTORY ? O_DIRECTORY : 0), 0, 0);
	int result;

	if (fd != -ENOENT)
		return fd;
	result = walk_path(&walk, path, false);
	return result < 0 ? result : walk_open_last(&walk, O_PATH | (last == WALK_MAKE_DIRECTORY ? O_DIRECTORY : 0));
}

int make_directories_in_root(int root, const char *path, mode_t mode)
{
	return make_in_root(root, path[0] ? path : ".", mode, WALK_MAKE_DIRECTORY);
}

int make_file_in_root(int root, const char *path, mode_t mode)
{
	return make_in_root(root, path, mode, WALK_MAKE_FILE);
}
