/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/descriptors.h"
#include "base/sys.h"

enum { READ_CHUNK_BYTES = 4096, REMOVE_DEPTH_MAX = 64, REMOVE_ROUNDS_MAX = 10000 };

int file_read_fd(int fd, size_t max_bytes, struct strbuf *content)
{
	cleanup_strbuf struct strbuf all = STRBUF_INIT;
	char chunk[READ_CHUNK_BYTES];

	strbuf_append(&all, "", 0);
	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		if ((size_t)got > max_bytes - all.length)
			return -EFBIG;
		strbuf_append(&all, chunk, (size_t)got);
	}
	strbuf_free(content);
	*content = all;
	all = (struct strbuf)STRBUF_INIT;
	return 0;
}

int file_read(int directory, const char *path, size_t max_bytes, struct strbuf *content)
{
	cleanup_fd int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return file_read_fd(fd, max_bytes, content);
}

int file_write_fd(int fd, const void *data, size_t length)
{
	const char *next = data;

	/* Kernel files take everything in the first write(2); the loop is for pipes, sockets and full disks. */
	do {
		ssize_t written = write(fd, next, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		if (written == 0 && length > 0)
			return -EIO;
		next += written;
		length -= (size_t)written;
	} while (length > 0);
	return 0;
}

int file_write(int directory, const char *path, const char *data)
{
	cleanup_fd int fd = openat(directory, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return file_write_fd(fd, data, strlen(data));
}

int file_read_exactly(int fd, void *data, size_t length)
{
	char *next = data;

	while (length > 0) {
		ssize_t got = read(fd, next, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EPIPE;
		next += got;
		length -= (size_t)got;
	}
	return 0;
}

int file_replace(int directory, const char *path, const void *data, size_t length, mode_t mode)
{
	cleanup_free char *temporary = NULL;
	cleanup_fd int fd = -EBADF;
	uint64_t suffix = 0;
	int result;

	if (getrandom(&suffix, sizeof(suffix), 0) != (ssize_t)sizeof(suffix))
		return -errno;
	temporary = xprintf("%s.%016llx.tmp", path, (unsigned long long)suffix);
	fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	result = length ? file_write_fd(fd, data, length) : 0;
	/* Some file systems tell of a full disk at close(2) only. */
	if (close(take_fd(&fd)) < 0 && result == 0)
		result = -errno;
	if (result == 0 && renameat(directory, temporary, directory, path) < 0)
		result = -errno;
	if (result < 0)
		(void)unlinkat(directory, temporary, 0);
	return result;
}

int file_check_place(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *directory = slash ? xstrndup(path, (size_t)(slash - path + 1)) : xstrdup(".");

	return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* N of a name like /dev/fd/N; -EBADF: it was not open when this program began, whose own ones are close-on-exec;
 * -ENOENT: another name. */
static int descriptor_of_name(const char *path)
{
	const char *digits = strncmp(path, "/dev/fd/", 8) == 0 ? path + 8 : NULL;
	char *end;
	long fd;
	int flags;

	if (strcmp(path, "/dev/stdout") == 0)
		return STDOUT_FILENO;
	if (strcmp(path, "/dev/stderr") == 0)
		return STDERR_FILENO;
	if (!digits || !isdigit((unsigned char)*digits))
		return -ENOENT;
	fd = strtol(digits, &end, 10);
	flags = *end || fd > INT_MAX ? -1 : fcntl((int)fd, F_GETFD);
	return flags < 0 || (flags & FD_CLOEXEC) ? -EBADF : (int)fd;
}

int file_deliver(const char *path, const void *data, size_t length, mode_t mode)
{
	int named = descriptor_of_name(path);
	cleanup_fd int device = -EBADF;
	struct stat status;

	if (named != -ENOENT)
		return named < 0 ? named : file_write_fd(named, data, length);
	/* Elsewhere a device is nothing that anybody means. */
	if (strncmp(path, "/dev/", 5) != 0 || stat(path, &status) < 0 || !S_ISCHR(status.st_mode))
		return file_replace(AT_FDCWD, path, data, length, mode);
	device = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return device < 0 ? -errno : file_write_fd(device, data, length);
}

int make_directories(int directory, const char *path, mode_t mode)
{
	cleanup_free char *text = xstrdup(path);

	if (mkdirat(directory, text, mode) == 0)
		return 0;
	if (errno == EEXIST) {
		struct stat status;

		if (fstatat(directory, text, &status, 0) < 0)
			return -errno;
		return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
	}
	if (errno != ENOENT)
		return -errno;
	for (char *slash = strchr(text + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdirat(directory, text, mode) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	if (mkdirat(directory, text, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

struct fd_path fd_path(int fd)
{
	struct fd_path path;

	(void)snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

/* Opens a directory entry that is a directory of the same mount; -EXDEV when something is mounted on it. */
static int open_same_mount(int directory, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	struct open_how how = { .flags = (uint64_t)flags, .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS };
	cleanup_fd int fd = sys_openat2(directory, name, &how);
	struct stat above, here;

	if (fd >= 0)
		return take_fd(&fd);
	if (errno != ENOSYS)
		return -errno;
	fd = openat(directory, name, flags);
	if (fd < 0 || fstat(directory, &above) < 0 || fstat(fd, &here) < 0)
		return -errno;
	return above.st_dev == here.st_dev ? take_fd(&fd) : -EXDEV;
}

static int remove_entry(int directory, const char *name, unsigned char type, int top, unsigned int depth);

/* Empties a directory as far as it can. 0, or the first error met. */
static int remove_contents(int fd, int top, unsigned int depth)
{
	cleanup_directory DIR *stream = NULL;
	int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct dirent *entry;
	int result = 0;

	if (duplicate < 0)
		return -errno;
	stream = fdopendir(duplicate);
	if (!stream) {
		close_fd(&duplicate);
		return -errno;
	}
	rewinddir(stream);
	while ((errno = 0, entry = readdir(stream))) {
		int failed;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		failed = remove_entry(fd, entry->d_name, entry->d_type, top, depth);
		if (failed < 0 && result == 0)
			result = failed;
	}
	return result == 0 && errno ? -errno : result;
}

/* Too deep for one descriptor per level: the subtree becomes an entry of the topmost directory, which is emptied again.
 */
static int hoist(int directory, const char *name, int top)
{
	char hoisted[48];
	uint64_t suffix = 0;

	if (getrandom(&suffix, sizeof(suffix), 0) != (ssize_t)sizeof(suffix))
		return -errno;
	(void)snprintf(hoisted, sizeof(hoisted), "hoisted.%016llx", (unsigned long long)suffix);
	return renameat(directory, name, top, hoisted) < 0 ? -errno : 0;
}

static int remove_directory(int directory, const char *name, int top, unsigned int depth)
{
	cleanup_fd int fd = -EBADF;
	int result;

	if (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	if (depth >= REMOVE_DEPTH_MAX)
		return hoist(directory, name, top);
	fd = open_same_mount(directory, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	result = remove_contents(fd, top < 0 ? fd : top, depth + 1);
	/* What was hoisted lies in the topmost directory: only there another round is needed. */
	for (int round = 0; top < 0 && result == 0 && round < REMOVE_ROUNDS_MAX; round++) {
		if (unlinkat(directory, name, AT_REMOVEDIR) == 0)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return errno == ENOENT ? 0 : -errno;
		result = remove_contents(fd, fd, depth + 1);
	}
	if (result < 0)
		return result;
	return unlinkat(directory, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_entry(int directory, const char *name, unsigned char type, int top, unsigned int depth)
{
	if (type != DT_DIR) {
		if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
			return 0;
		/* EPERM is POSIX's answer for a directory, EISDIR is Linux's. */
		if (errno != EISDIR && errno != EPERM)
			return -errno;
	}
	int result = remove_directory(directory, name, top, depth);

	return result == -ENOTDIR ? -EPERM : result;
}

int remove_tree(int directory, const char *name)
{
	cleanup_free char *parent = xstrdup(name);
	cleanup_fd int above = -EBADF;
	char *slash = strrchr(parent, '/');

	if (!slash)
		return remove_entry(directory, name, DT_UNKNOWN, -1, 0);
	/* Only from the last component on no mount is to be crossed. */
	*slash = '\0';
	above = openat(directory, slash == parent ? "/" : parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (above < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_entry(above, slash + 1, DT_UNKNOWN, -1, 0);
}

void close_all_but(int *keep, size_t count)
{
	(void)descriptors_close_but(STDERR_FILENO + 1, keep, count);
}
